# Signalbox. "make" lists what can be done.

GO         ?= go
BIN        := bin
VERSION    ?= dev
FUZZTIME   ?= 10s

# Packages whose tests run under the race detector: what has goroutines. The tests
# of host/e2e, host/dashboard, cmd and the conformance kit play with processes that
# are built without it; those of module files and of dialects have one goroutine.
RACE  = $$($(GO) list ./host/... ./sdk/... | grep -vE '/host/(e2e|dashboard)$$|/sdk/provider/conform$$|/sdk$$|/host/wasm/(fuel|guests|verify)$$|/sdk/(rust|wire)(/|$$)')
PLAIN = $$($(GO) list ./... | grep -vxF "$(RACE)")

# Many tests wait more than they work: more packages at once than there are
# processors keep these busy.
AT_ONCE = $$((2 * $$(getconf _NPROCESSORS_ONLN)))

# Tests of those packages that the detector's build leaves out: counts of
# allocations, and work of one goroutine that would take minutes under it.
LEFT_OUT = $$(grep -rl --include='*_test.go' '^//go:build !race' host sdk)

.DEFAULT_GOAL := help
.PHONY: help build batch-bench run test check lint bench bench-short fuzz long chaos modules needs clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build the gateway, its adapters, modules and policies into bin/
	$(GO) build -ldflags "-X main.version=$(VERSION)" -o $(BIN)/signalbox ./cmd/signalbox
	@mkdir -p $(BIN)/plugins/providers
	$(GO) build -o $(BIN)/plugins/providers/ ./plugins/providers/...
	@rm -rf $(BIN)/plugins/routes $(BIN)/plugins/filters && mkdir -p $(BIN)/plugins/routes $(BIN)/plugins/filters
	@for module in plugins/routes/*/*.wasm plugins/filters/*/*.wasm; do \
		folder=$(BIN)/$$(dirname $$(dirname $$module)); cp $$module $${module%.wasm}.json $$folder/ || exit 1; \
	done
	@rm -rf $(BIN)/policies && cp -r policies $(BIN)/policies && rm -f $(BIN)/policies/*.go

batch-bench: ## a batch of 100,000 lines on the demo provider: its time and the gateway's memory
	$(GO) test ./host/e2e -run TestLongBatchIsLight -v -count 1 -timeout 30m -batch.lines 100000

run: build ## build, then serve the embedded default with a key for development
	@$(BIN)/signalbox serve

# go vet is lint's: with tests it would look through all dependencies again.
test: needs build ## run all tests, those with goroutines under the race detector
	$(GO) test -vet=off -p $(AT_ONCE) -timeout 30m $(PLAIN)
	$(GO) test -vet=off -p $(AT_ONCE) -timeout 30m -race $(RACE)
	files="$(LEFT_OUT)"; $(GO) test -vet=off -timeout 30m \
		-run "^($$(sed -nE 's/^func (Test[A-Za-z0-9_]+).*/\1/p' $$files | paste -sd'|' -))\$$" $$(dirname $$files | sort -u | sed 's|^|./|')

# Packages are fetched while lint works.
check: ## lint, then test: what .ci/run runs
	@./.ci/needs & needs=$$!; $(MAKE) --no-print-directory lint && wait $$needs
	@$(MAKE) --no-print-directory test

lint: ## formatting, the analyzers of go vet and staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files '*.go' 2>/dev/null || find . -name '*.go')); \
	if [ -n "$$unformatted" ]; then echo "run gofmt -w on:"; echo "$$unformatted"; exit 1; fi
	$(GO) build -C .ci/lint -o ../../$(BIN)/lint .
	$(BIN)/lint ./...

bench: needs build ## measure against nginx and a bare proxy; fails where a bar of bench/bars.json is missed
	$(GO) run ./bench

bench-short: needs build ## the same in a few minutes: it reports and does not fail
	$(GO) run ./bench -short $(BENCHFLAGS)

fuzz: ## fuzz every target for FUZZTIME (10s)
	@for pkg in $$($(GO) list ./host/... ./sdk/... ./plugins/...); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
			echo "$$pkg $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x $$pkg || exit 1; \
		done; \
	done

long: ## ten million decisions of a module without growth of memory: minutes
	$(GO) test ./host/wasm/verify -run Long -long -timeout 60m

chaos: needs ## several gateways under faults, for long: kills, failovers, a Redis that comes and goes
	$(GO) test ./host/e2e -run 'Chaos|Cluster|SlowStores|Killed' -chaos 20 -rounds 50 -v -timeout 60m
	$(GO) test ./host/store/... -run Kill -kills 100 -timeout 60m

modules: ## build the committed modules in Rust, C and AssemblyScript anew
	@sdk/build.sh build

needs: ## install what the tests and benchmarks need beside Go: nginx, PostgreSQL, Redis, node, python, and the compilers of modules
	@./.ci/needs

clean: ## remove what build made
	rm -rf $(BIN)
