# Two commands matter: `make compare` shows the same dataframe program on every transport side by
# side, `make test` proves that all of it works. `make help` lists the rest.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Every build checks that a target imports only what Package.swift says it may.
SWIFT_FLAGS := --explicit-target-dependency-import-check error
RELEASE := .build/release


.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort \
	  | awk -F'\t' '{ printf "  make %-14s %s\n", $$1, $$2 }'

.PHONY: setup
setup: ## List what is missing, with reasons, and install it where that is allowed
	@scripts/setup

.PHONY: setup-tests
setup-tests: ## The same, with what only the tests need
	@scripts/setup --tests

.PHONY: build
build: setup ## Build everything in release mode
	swift build -c release $(SWIFT_FLAGS)

.PHONY: data
data: ## Fetch the input of the flights workload into data/ (once)
	@python3 scripts/fetch_flights.py

.PHONY: compare
compare: build ## Run the same dataframe program on every transport here, about 5 minutes
	@scripts/compare $(RELEASE)

.PHONY: compare-all
compare-all: build ## The long form of compare: more ranks, weak scaling, more iterations
	@scripts/compare $(RELEASE) --all

.PHONY: test
test: setup-tests ## Run every test; ends with the counts
	@scripts/test

.PHONY: test-full
test-full: setup-tests ## The long form of test: more sizes, seeds and repetitions
	@TEST_FULL=1 scripts/test

.PHONY: nat-grid
nat-grid: build ## Every kind of NAT against every other, 20 tries each, and meshes (needs root)
	@TEST_FULL=1 scripts/nat-grid $(RELEASE)

.PHONY: lambda-demo
lambda-demo: setup ## Package, emulate, and run join and flights on 4 functions behind 4 NATs
	swift build -c release $(SWIFT_FLAGS) --static-swift-stdlib --scratch-path .build/lambda \
	  --product mpi-compare
	swift build -c release $(SWIFT_FLAGS) --static-swift-stdlib --scratch-path .build/lambda \
	  --product worker-lambda
	@scripts/lambda-demo .build/lambda/release

.PHONY: fault-table
fault-table: build ## Breaks running jobs in every way, 20 runs each (root); writes docs/results/faults.md
	scripts/fault_table.py --runs $(or $(RUNS),20) --output docs/results/faults.md

.PHONY: hostile-table
hostile-table: ## Strangers, impostors and liars against a running job; writes docs/results/hostile.md
	HOSTILE_TABLE=$(CURDIR)/docs/results/hostile.md swift test --no-parallel \
	  --filter HostileTableTests

.PHONY: fuzz
fuzz: ## libFuzzer on every parser, 60 s each (SECONDS_EACH=…)
	@scripts/fuzz

.PHONY: simulate
simulate: ## Jobs on virtual time that a seed breaks: SEEDS=100000, or all of one by SEED=…
	@scripts/simulate

.PHONY: sanitize
sanitize: ## ThreadMPI and ServerlessMPI under the thread and the address sanitizer
	@scripts/sanitize

.PHONY: bench
bench: build ## Ours beside five dataframe engines, about 17 minutes; writes docs/results/frames.*
	@Benchmarks/run $(RELEASE) --output $(or $(OUTPUT),docs/results/frames)

.PHONY: format
format: ## Format every Swift file
	swift format -i -r Package.swift Sources Tests mpi-compare Examples

.PHONY: clean
clean: ## Remove build products
	rm -rf .build Examples/.build
