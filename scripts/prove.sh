#!/usr/bin/env bash
# prove.sh DURATION LEASE: the proof of revocation on many nodes, as
# docs/operations/proof.md explains it. Its last line is what came of it.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p bin
go test -c -o bin/prove.test ./prove
cd prove
HALBERD_PROVE_DURATION="$1" HALBERD_PROVE_LEASE="$2" exec ../bin/prove.test -test.run '^TestProve$' -test.timeout 24h
