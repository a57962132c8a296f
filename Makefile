# Signalbox. "make" lists what can be done.

GO         ?= go
BIN        := bin
VERSION    ?= dev
FUZZTIME   ?= 10s
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

# Packages whose tests run under the race detector too: what has goroutines. The
# tests of host/e2e, cmd and the conformance kit play with processes that are
# built without it.
RACE = $$($(GO) list ./host/... ./sdk/... | grep -vE '/host/e2e$$|/sdk/provider/conform$$')

.DEFAULT_GOAL := help
.PHONY: help build run test check lint bench bench-short fuzz needs clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build the gateway, its adapters, modules and policies into bin/
	$(GO) build -ldflags "-X main.version=$(VERSION)" -o $(BIN)/signalbox ./cmd/signalbox
	@mkdir -p $(BIN)/plugins/providers $(BIN)/plugins/routes
	$(GO) build -o $(BIN)/plugins/providers/ ./plugins/providers/...
	@cp plugins/routes/*/*.wasm $(BIN)/plugins/routes/
	@rm -rf $(BIN)/policies && cp -r policies $(BIN)/policies && rm -f $(BIN)/policies/*.go

run: build ## build, then serve the embedded default with a key for development
	@$(BIN)/signalbox serve

test: needs build ## run all tests, those with goroutines under the race detector too
	$(GO) test ./...
	$(GO) test -race $(RACE)

check: lint test ## lint, then test: what .ci/run runs

lint: ## formatting, go vet, staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files '*.go' 2>/dev/null || find . -name '*.go')); \
	if [ -n "$$unformatted" ]; then echo "run gofmt -w on:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

bench: needs build ## measure against nginx and a bare proxy; fails where a bar of bench/bars.json is missed
	$(GO) run ./bench

bench-short: needs build ## the same in a few minutes: it reports and does not fail
	$(GO) run ./bench -short

fuzz: ## fuzz every target for FUZZTIME (10s)
	@for pkg in $$($(GO) list ./host/... ./sdk/... ./plugins/...); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
			echo "$$pkg $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
		done; \
	done

needs: ## install what the tests and benchmarks need beside Go: nginx, node, python
	@./.ci/needs

clean: ## remove what build made
	rm -rf $(BIN)
