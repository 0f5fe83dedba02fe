#!/usr/bin/env bash
# gotest.sh ARGUMENTS...: go test, shortened to its closing lines, the output of
# what failed and every skipped test with its reason. Under CI=true a skipped
# test is a failure (see tools/testreport).
set -uo pipefail
cd "$(dirname "$0")/.."
go -C tools build -o ../bin/testreport ./testreport || exit
go test -json "$@" | bin/testreport
