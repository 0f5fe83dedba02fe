# The verbs of this repository. `make` alone lists them.

# What ships has no C in it, and is tested so. Only the race detector needs C.
export CGO_ENABLED = 0

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)

# Where goroutines meet.
RACY := . $(addsuffix /...,$(wildcard ./storage ./server ./guard ./internal/index ./internal/gcra ./internal/tally))

STEP := @scripts/step.sh

.PHONY: help build run test lint bench campaign prove volume screenshots golden packages unit race

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' Makefile

build: ## bin/hb, one static binary
	go build -trimpath -ldflags '$(LDFLAGS)' -o bin/hb ./cmd/hb

run: build ## a server on ./halberd-data
	bin/hb serve

test: packages ## the whole gate: format, vet, lint, tests, race detector
	$(STEP) format sh -c '! gofmt -l . | grep .' # lists what gofmt would change
	$(STEP) vet go vet ./...
	$(STEP) "vet of the frameworks" go -C examples/frameworks vet ./...
	@$(MAKE) --no-print-directory unit lint race

lint: bin/golangci-lint ## the linter (.golangci.yml); built on first use, about 100 s
	$(STEP) lint bin/golangci-lint run ./...

bench: ## the benchmarks; one by BENCH=<regexp>
	scripts/bench.sh $(BENCH)

campaign: ## the long tests, which the gate leaves out; one room by ROOM=./<folder>
	HALBERD_CAMPAIGN=1 scripts/gotest.sh -count=1 -timeout 3h $(or $(ROOM),./...)

prove: packages ## the proof of revocation on many nodes (docs/operations/proof.md); DURATION=45s L=1s
	@scripts/prove.sh $(or $(DURATION),45s) $(or $(L),1s)

volume: ## the alert rule of volume against simulated traffic, with its figures
	go run ./internal/volume/simulate

screenshots: packages ## pictures of every page of the console, into ./screenshots
	mkdir -p screenshots
	HALBERD_SCREENSHOTS=$(CURDIR)/screenshots go test -count=1 -run 'TestScreenshots$$' ./console

golden: ## writes the golden files anew; read the difference before you commit
	HALBERD_GOLDEN=write go test -count=1 ./...

packages:
	$(STEP) packages scripts/debian.sh

unit:
	$(STEP) test scripts/gotest.sh -timeout 8m ./...
	$(STEP) "planted bugs" scripts/gotest.sh -tags planted -count=1 -timeout 6m -run 'TestPlantedBugs$$' ./prove/simulation
	$(STEP) "test of the tools" go -C tools test ./...
	$(STEP) "test with chi, echo and gin" go -C examples/frameworks test ./...

# What only one goroutine does cannot race, and takes ten times as long under the detector; the
# doctor and a restore start servers all the time, as other tests do.
ALONE := ^TestContract$$/^(series|usage,_noted|keys|audit|members)$$|^TestDamageNeverLooksLikeAnEmptyStore$$|^TestTheDoctor|^TestARestore

race:
	$(STEP) "race detector (with cgo)" env CGO_ENABLED=1 scripts/gotest.sh -race -timeout 12m -skip '$(ALONE)' $(RACY)

bin/golangci-lint: tools/go.mod tools/go.sum
	$(STEP) "building the linter" go -C tools build -trimpath -ldflags '-s -w' -o ../bin/golangci-lint \
		github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@touch $@
