#!/usr/bin/env bash
# bench.sh [REGEXP]: the benchmarks, with allocations. Figures of this machine at
# this moment: compare only within one run. The keys they need are kept in
# bin/bench for the next time; HALBERD_BENCH_LONG=1 measures the doors for longer,
# and at ten million keys.
set -euo pipefail
cd "$(dirname "$0")/.."
export HALBERD_BENCH_FOLDER="${HALBERD_BENCH_FOLDER:-$PWD/bin/bench}"
mkdir -p "$HALBERD_BENCH_FOLDER"
go test -run '^$' -bench "${1:-.}" -benchmem -timeout 2h ./...
