#!/usr/bin/env bash
# step.sh NAME COMMAND...: runs one step of a gate and says how long it took.
set -uo pipefail
name=$1
shift
echo "== $name"
begin=$SECONDS
"$@"
code=$?
if ((code == 0)); then
	echo "== $name: $((SECONDS - begin)) s"
else
	echo "== $name: FAILED after $((SECONDS - begin)) s" >&2
fi
exit "$code"
