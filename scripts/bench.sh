#!/usr/bin/env bash
# bench.sh [REGEXP]: the benchmarks, with allocations. Figures of this machine at
# this moment: compare only within one run.
set -euo pipefail
cd "$(dirname "$0")/.."
go test -run '^$' -bench "${1:-.}" -benchmem ./...
