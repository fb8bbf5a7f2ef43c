# Every target runs without a terminal. "make" alone lists them.

GO      ?= go
BIN     := $(CURDIR)/bin
# What is passed on to go test: make test TESTFLAGS='-run Rank -v'
TESTFLAGS ?=
# make install PREFIX=/usr/local installs there; without it, where go install does.
INSTALL := $(if $(PREFIX),$(PREFIX)/bin,$(or $(shell $(GO) env GOBIN),$(shell $(GO) env GOPATH)/bin))
# The recorded incident that make demo diagnoses.
EXAMPLE   ?= examples/liveness-kill
# The folder of recorded cases that make cases counts over.
CASES     ?= cases
# What builds the agent's image.
CONTAINERS ?= docker
PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

.DEFAULT_GOAL := help
.PHONY: help build install demo test lint e2e storm every heal tune starts image lab-up lab-down lab-kubeconfig rule generate bench bench-logs bench-ends bench-watch bench-advise accuracy cases mutants scale cross clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "%-15s %s\n", $$1, $$2 }' Makefile

build: ## Build inquest and inquest-agent into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/ ./cmd/...

install: ## Install inquest, also as a plugin of kubectl, into PREFIX/bin or where go install does
	@mkdir -p '$(INSTALL)'
	CGO_ENABLED=0 $(GO) build -trimpath -o '$(INSTALL)/inquest' ./cmd/inquest
	ln -sf inquest '$(INSTALL)/kubectl-inquest'
	ln -sf inquest '$(INSTALL)/kubectl_complete-inquest'

demo: ## Diagnose a recorded incident, and show all of them in the console: no cluster needed
	$(GO) run ./cmd/inquest why --from $(EXAMPLE)
	@echo
	@if kubectl --request-timeout=2s get --raw /livez >/dev/null 2>&1 </dev/null; then \
		echo 'A cluster answers. Ask it:  go run ./cmd/inquest why -A'; \
	else \
		echo 'No cluster answers here. With a kubeconfig:  go run ./cmd/inquest why -A'; \
	fi
	@$(GO) run ./cmd/inquest serve --from examples/ --listen 127.0.0.1:0

test: ## Run the tests, with the race detector where there is a C compiler: no network, no root
	@race=-race; status=0; \
	if [ "$$($(GO) env CGO_ENABLED)" != 1 ]; then \
		race=; echo 'no C compiler found: the tests run without the race detector' >&2; \
	fi; \
	$(GO) test $$race $(TESTFLAGS) ./... || status=1; \
	if [ -n "$$race" ]; then $(GO) test -run '^TestOnePath$$' $(TESTFLAGS) ./internal/cli || status=1; fi; \
	cd lab && $(GO) test $(TESTFLAGS) ./... || status=1; \
	exit $$status

lint: $(BIN)/golangci-lint ## Check format, go vet and golangci-lint, which is built once (minutes)
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); \
	test -z "$$unformatted" || { echo "not formatted; run gofmt -w on:" >&2; echo "$$unformatted" >&2; exit 1; }
	$(GO) vet -tags e2e,storm ./...
	cd lab && $(GO) vet ./...
	$(BIN)/golangci-lint run ./...
	cd lab && $(BIN)/golangci-lint run ./...

$(BIN)/golangci-lint: tools/go.mod tools/go.sum
	cd tools && $(GO) build -trimpath -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

generate: ## Write what is generated from the source: docs/rules, docs/signatures.md
	$(GO) generate ./...

rule: ## Start a rule: make rule ID=MEM009 FAMILY=memory TITLE='Page cache pressure'
	@$(GO) run ./internal/rules/gen rule '$(ID)' '$(FAMILY)' '$(TITLE)'

bench: build ## Measure against kubectl and plain lists, on the cluster of KUBECONFIG (made for the lab)
	$(GO) run ./bench -inquest $(BIN)/inquest

bench-logs: ## Measure how fast logs are understood, against ripgrep (1 GiB of log in the folder for temporary files)
	$(GO) run ./bench/logs

bench-ends: ## Measure how soon after the end of a process its entry can be fetched, on the lab's containerd (root; ROUNDS=200 ends)
	$(GO) test -tags e2e -count 1 -timeout 60m -run '^$$' -bench '^BenchmarkEnd$$' -benchtime $(or $(ROUNDS),200)x ./internal/node/cri

cases: build ## Count right and wrong answers over cases, those of manifests where KUBECONFIG leads to the lab: make cases CASES=FOLDER
	@$(GO) run ./bench/cases -inquest $(BIN)/inquest '$(CASES)'

bench-advise: ## Measure what inquest tune proposes, on programs and usage that come from seeds
	$(GO) run ./bench/advise

bench-watch: ## Measure the recorder against its bars, over an API server of its own (the lab's programs, root; an hour; PART=detect: one)
	$(GO) run ./bench/watch -only '$(PART)'

accuracy: ## Measure how often a diagnosis is right, over recordings of every fault
	$(GO) run ./bench/accuracy

mutants: ## Measure how well the tests guard what rules tell causes apart by (an hour; FAMILY=memory: one family)
	$(GO) run ./bench/mutants $(FAMILY)

scale: ## Measure what rules and ranking cost, for one pod and for thousands
	$(GO) run ./bench/scale

e2e: ## Produce real faults in the lab and diagnose them, and try the node agent's parts on this kernel (root)
	@trap 'cd $(CURDIR)/lab && $(GO) run . down' EXIT; trap 'exit 130' INT TERM; status=0; \
	(cd lab && $(GO) run . up) || exit 1; \
	KUBECONFIG=$$(cd lab && $(GO) run . kubeconfig) \
		$(GO) test -tags e2e -count 1 -timeout 30m -skip '^TestRecorder' $(TESTFLAGS) ./e2e || status=1; \
	KUBECONFIG=$$(cd lab && $(GO) run . kubeconfig) \
		$(GO) test -tags e2e -count 1 -timeout 15m -run '^TestRecorder' $(TESTFLAGS) ./e2e || status=1; \
	$(GO) test -tags e2e -count 1 -p 1 -timeout 10m $(TESTFLAGS) ./internal/node/... ./internal/journal || status=1; \
	$(GO) test -tags e2e -count 1 -timeout 15m $(TESTFLAGS) ./e2e/server || status=1; \
	$(GO) test -tags e2e -count 1 -p 1 -timeout 15m $(TESTFLAGS) ./internal/history ./internal/watch ./internal/tell ./internal/web || status=1; \
	$(GO) test -tags e2e -count 1 -timeout 5m -run '^TestPrometheus(Answers)?$$' $(TESTFLAGS) ./internal/collect || status=1; \
	exit $$status

storm: ## Crash 110 containers of a node for ten minutes, twice, and account for what its agent kept (half an hour, root)
	@trap 'cd $(CURDIR)/lab && $(GO) run . down' EXIT; trap 'exit 130' INT TERM; \
	(cd lab && $(GO) run . up) || exit 1; \
	KUBECONFIG=$$(cd lab && $(GO) run . kubeconfig) \
		$(GO) test -tags e2e,storm -count 1 -timeout 60m -run '^TestStorm$$' -v ./e2e $(TESTFLAGS)

every: ## Run the server beside every fault of the lab, and say which become the right incident (an hour, root)
	@trap 'cd $(CURDIR)/lab && $(GO) run . down' EXIT; trap 'exit 130' INT TERM; \
	(cd lab && $(GO) run . up) || exit 1; \
	KUBECONFIG=$$(cd lab && $(GO) run . kubeconfig) \
		$(GO) test -tags e2e,storm -count 1 -timeout 120m -run '^TestRecorderEvery$$' -v ./e2e $(TESTFLAGS)

tune: ## Start programs in the lab and compare their starts with what inquest tune says of them (five minutes, root)
	@trap 'cd $(CURDIR)/lab && $(GO) run . down' EXIT; trap 'exit 130' INT TERM; \
	(cd lab && $(GO) run . up) || exit 1; \
	KUBECONFIG=$$(cd lab && $(GO) run . kubeconfig) \
		$(GO) test -tags e2e,storm -count 1 -timeout 30m -run '^TestTune$$' -v ./e2e $(TESTFLAGS)

starts: ## Record how twenty programs start in the lab: make starts RECORD=$$PWD/bench/advise/profile/testdata (ten minutes, root)
	@trap 'cd $(CURDIR)/lab && $(GO) run . down' EXIT; trap 'exit 130' INT TERM; \
	(cd lab && $(GO) run . up) || exit 1; \
	INQUEST_RECORD='$(RECORD)' KUBECONFIG=$$(cd lab && $(GO) run . kubeconfig) \
		$(GO) test -tags e2e,storm -count 1 -timeout 30m -run '^TestStarts$$' -v ./e2e $(TESTFLAGS)

image: ## Build the images of the node agent and of the server with docker, or with CONTAINERS=podman
	$(CONTAINERS) build -f deploy/agent/Dockerfile -t inquest-agent .
	$(CONTAINERS) build -f deploy/server/Dockerfile -t inquest .

lab-up: ## Bring up a real Kubernetes in network namespaces (root)
	cd lab && $(GO) run . up

lab-down: ## Take the lab down; nothing stays behind but the cache of its binaries
	cd lab && $(GO) run . down

lab-kubeconfig: ## Print the path of the lab's kubeconfig
	@cd lab && $(GO) run . kubeconfig

cross: ## Build inquest for every platform into dist/, and discard it
	@rm -rf dist
	@for p in $(PLATFORMS); do \
		echo "build $$p"; \
		CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) build -trimpath -o dist/$$p/ ./cmd/... || exit 1; \
	done
	@rm -rf dist

clean: ## Remove bin/ and dist/
	rm -rf bin dist

heal: ## Apply the first fix of every fault of the lab, and say what came of each (a quarter of an hour, root)
	@trap 'cd $(CURDIR)/lab && $(GO) run . down' EXIT; trap 'exit 130' INT TERM; \
	(cd lab && $(GO) run . up) || exit 1; \
	KUBECONFIG=$$(cd lab && $(GO) run . kubeconfig) \
		$(GO) test -tags e2e,storm -count 1 -timeout 60m -run '^TestHealEvery$$' -v ./e2e $(TESTFLAGS)
