# `make` prints what there is to do. Needs Rust and Go, and Python for three checks.

CLUSTER := tests/cluster/bin/tidegate-cluster
REGISTRY := tests/registry/bin/registry
CLUSTER_SOURCES := $(shell find tests/cluster -name '*.go' -not -name '*_test.go' 2>/dev/null) $(wildcard tests/cluster/go.*)
REGISTRY_SOURCES := $(wildcard tests/registry/*.go tests/registry/go.*)
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
IMAGE ?= tidegate:$(VERSION)
HONEST := target/honest
MINISTACK := target/ministack
PROMETHEUS := target/prometheus
CARGO_MUTANTS := target/tools/bin/cargo-mutants
FAKETIME := target/faketime/libfaketime.so.1
# What is in a requirements file, into an environment of its own: $(call pip_install,DIRECTORY,FILE)
pip_install = { test -x $(1)/bin/pip || python3 -m venv $(1); } && $(1)/bin/pip install --quiet --disable-pip-version-check --requirement $(2)
# The control plane needs no C compiler.
export CGO_ENABLED := 0
# Tests of a control plane wait more than they compute.
export RUST_TEST_THREADS ?= 4

.DEFAULT_GOAL := help
.PHONY: help demo demo-everything demo-stop test test-cluster test-controller test-scenarios test-ecs-and-outages test-core-and-proof prometheus cloudwatch-ministack ecs-honest ecs-ministack bench proof proof-plays proof-search proof-ecs mutants mutants-check mutants-core lint generate generate-check cluster registry image image-files clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

demo: cluster ## five rollouts on a real control plane and a scripted ECS, as they happen (KEEP=1 leaves it up)
	@echo "Building the controller and the demo (about 4 minutes the first time, then seconds) ..."
	@cargo build --bin tidegate --example demo
	@exec cargo run --quiet --example demo -- $(if $(filter-out 0,$(KEEP)),--keep)

demo-everything: cluster prometheus ## a stage with everything in it: examples/everything.yaml, beside a real Prometheus (KEEP=1)
	@cargo build --bin tidegate --example demo
	@exec cargo run --quiet --example demo -- --everything $(if $(filter-out 0,$(KEEP)),--keep)

demo-stop: ## ends what `make demo KEEP=1` left up
	@cargo run --quiet --example demo -- --stop

test: cluster test-cluster test-controller ## builds everything and runs all tests

test-cluster: ## the tests of the simulated nodes
	@# `go vet` has its own step in `make lint`; here it would look at all of Kubernetes first.
	cd tests/cluster && go test -vet=off ./...

test-controller: cluster registry prometheus $(FAKETIME) ## the tests of the controller, on a real control plane
	@rm -rf target/tmp/ecs-calls
	cargo test --no-run
	@# Three at once, since most of them wait.
	@$(MAKE) --no-print-directory --jobs 3 test-scenarios test-ecs-and-outages test-core-and-proof

BESIDE := ecs outages proof

test-scenarios:
	cargo test --no-fail-fast --bins $(patsubst %,--test %,$(filter-out $(BESIDE),$(patsubst tests/%/main.rs,%,$(wildcard tests/*/main.rs)) $(patsubst tests/%.rs,%,$(wildcard tests/*.rs))))
	cargo test --doc

test-ecs-and-outages:
	@echo "The tests of the library, on ECS, of outages and of plans run beside these; what they say comes when they end."
	@cargo test --no-fail-fast --test ecs --test outages >target/test-ecs.log 2>&1; status=$$?; cat target/test-ecs.log; exit $$status

# What only computes gives way to what waits.
test-core-and-proof:
	@{ nice cargo test --lib; lib=$$?; cargo test --test proof && exit $$lib; } >target/test-lib.log 2>&1; status=$$?; cat target/test-lib.log; exit $$status

proof: cluster registry $(FAKETIME) ## every crash, fault and damage that can be planned: hours, and interrupted it goes on; the numbers: target/proof/report.md
	@mkdir -p target/proof && rm -f target/proof/report.md
	@# Each part is played, whatever came of those before it. The first begins the report.
	@$(MAKE) --no-print-directory --keep-going --jobs 1 proof-plays proof-search proof-ecs

proof-plays:
	PROOF=all cargo test --profile optimized --test proof -- --test-threads=1 --nocapture

proof-search:
	@$(call reported,Every state of the pure core,search,MODEL=deep cargo test --profile optimized --lib the_laws_hold_in_every_state -- --nocapture)

proof-ecs:
	@$(call reported,ECS: killed and calls that go wrong,ecs,TIDEGATE_KILLS=0 cargo test --profile optimized --test ecs -- cells::killed scenarios_faulted --nocapture)

# Shows what a command prints, and adds its figures to the report: $(call reported,HEADING,LOG,COMMAND)
reported = echo '$(3)'; bash -o pipefail -c '$(3) 2>&1 | tee target/proof/$(2).log'; status=$$?; \
	{ printf '\n%s %s\n\n' '\#\#' '$(1)'; sed -nE '$(FIGURES)' target/proof/$(2).log; } >>target/proof/report.md; exit $$status
# Of the search, of plays on ECS, and of all tests.
FIGURES = s/^([a-z]+: [0-9]+ states .*|model: .*|.*[0-9]+ plays, .*|test .*FAILED|test result: .*)$$/- &/p

mutants-core: $(CARGO_MUTANTS) ## every small change of the pure core that cargo-mutants knows, and whether a test notices: hours (Python; ONE_IN=10 for a part)
	PATH="$(CURDIR)/$(dir $(CARGO_MUTANTS)):$$PATH" python3 tests/mutants/core.py $(if $(ONE_IN),--one-in $(ONE_IN))

$(CARGO_MUTANTS):
	cargo install cargo-mutants --locked --version 27.1.0 --root target/tools

mutants: cluster registry ## breaks the controller in small ways, one at a time, and looks which test notices: hours (Python; NAMES="stale-token ...")
	python3 tests/mutants/run.py $(NAMES)

mutants-check: ## whether those patches still apply
	@python3 tests/mutants/run.py --check

ecs-honest: ## what the scripted ECS was asked and answered in the last tests, against AWS's models (Python)
	@ls target/tmp/ecs-calls/*.jsonl >/dev/null 2>&1 || cargo test --test ecs
	@$(call pip_install,$(HONEST),tests/ecs/requirements.txt)
	$(HONEST)/bin/python tests/ecs/honest.py target/tmp/ecs-calls

ecs-ministack: ## the same deployments on the scripted ECS and on ministack, which others have written (Python)
	@$(call pip_install,$(MINISTACK),tests/ecs/simulator/ministack/requirements.txt)
	cargo test --test ecs -- --include-ignored ministack

prometheus: $(PROMETHEUS)/bin/prometheus ## the Prometheus server that metric gates are tested on

$(PROMETHEUS)/bin/prometheus:
	@tests/metrics/fetch-prometheus $(PROMETHEUS)

# Shows a process another time. Where apt does not have it, jumping clocks are not played, and the report says so.
$(FAKETIME):
	@tests/debian-file libfaketime 'usr/lib/*/faketime/libfaketime.so.1' $@ || echo "There is no libfaketime here: clocks will not jump."

cloudwatch-ministack: cluster prometheus ## CloudWatch alarms as metric gates, on ministack (Python)
	@$(call pip_install,$(MINISTACK),tests/ecs/simulator/ministack/requirements.txt)
	cargo test --test metrics -- --include-ignored cloudwatch

bench: cluster ## latencies, requests, memory and calls to AWS (RUNS=300 SIZES=0,100,1000,10000 PARTS=latency,pull,idle,ecs,flight; PARTS=soak takes two hours)
	cargo build --release --bin tidegate
	@# What measures needs no optimizing: so it shares the tests' build. What is measured is the release build.
	cargo bench --profile dev --bench tidegate

lint: ## formatting, clippy and go vet
	cargo fmt --check
	test -z "$$(gofmt -l tests/cluster tests/registry | tee /dev/stderr)"
	cargo clippy --all-targets -- -D warnings
	cd tests/cluster && go vet ./...
	cd tests/registry && go vet ./...

generate: ## the CRD and the reference pages, from the code
	cargo run --quiet -- generate all

generate-check: ## fails where a generated file differs from the code
	cargo run --quiet -- generate all --check

cluster: $(CLUSTER) ## the control plane that the tests and the demo run on

$(CLUSTER): $(CLUSTER_SOURCES)
	@echo "Building the control plane (Go; about 4 minutes the first time, then seconds) ..."
	@# The same flags as for the tests, the linker's apart: otherwise Go would compile everything twice.
	@cd tests/cluster && go build -ldflags '-s -w' -o bin/tidegate-cluster .

registry: $(REGISTRY) ## the image registry that the tests ask

$(REGISTRY): $(REGISTRY_SOURCES)
	@echo "Building the registry (Go; about 2 minutes the first time, then seconds) ..."
	@cd tests/registry && go build -ldflags '-s -w' -o bin/registry .

image: image-files ## a container image, with docker or buildah (IMAGE=name:tag)
	@if docker info >/dev/null 2>&1; then docker build -t $(IMAGE) -f Dockerfile target/image; \
	elif command -v buildah >/dev/null; then buildah build -t $(IMAGE) -f Dockerfile target/image; \
	elif command -v docker >/dev/null; then echo "make image: docker is installed, but its daemon does not answer. Start it, or install buildah." >&2; exit 1; \
	else echo "make image: needs docker or buildah, and neither is installed." >&2; exit 1; fi

# glibc linked statically runs in an empty image; naming the target keeps the flag away from build scripts.
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
CA_BUNDLES := /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem

image-files:
	@case "$(HOST)" in *-linux-*) ;; *) echo "make image: builds on Linux only, this is $(HOST)" >&2; exit 1;; esac
	RUSTFLAGS='-C target-feature=+crt-static' cargo build --release --locked --bin tidegate --target $(HOST)
	@mkdir -p target/image
	@cp target/$(HOST)/release/tidegate target/image/tidegate
	@bundle=$$(ls $(CA_BUNDLES) 2>/dev/null | head -n 1); \
	test -n "$$bundle" || { echo "make image: no CA bundle found; install ca-certificates" >&2; exit 1; }; \
	cp "$$bundle" target/image/ca-certificates.crt

clean: ## removes what was built
	cargo clean
	rm -rf tests/cluster/bin tests/registry/bin .demo
