# SPDX-License-Identifier: Apache-2.0
# The commands people run: build, try, test, measure and tidy; `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: deps build demo test imports torture torture-processes bench bench-peers test-portable soak fuzz quality package package-test format lint clean help

SWIFT_VERSION := 6.3
DEPS := libssl-dev libsqlite3-dev libdnnl-dev zlib1g-dev pkg-config python3-venv openssl systemd
PACKAGE_DEPS := dpkg-dev patchelf help2man lintian
BIN := .build/release

# Everything we wrote in Swift; code generated from .proto files keeps its generator's form.
SWIFT_FILES = find Package.swift $(wildcard Sources Tests Fuzz) -name '.build*' -prune -o -name '*.swift' ! -name '*.pb.swift' -print0

deps: ## install the system libraries that are missing and check the Swift toolchain
	@.ci/install-packages $(DEPS)
	@.ci/check-toolchain $(SWIFT_VERSION)

build: ## build programs and tests; one release build serves both
	swift build -c release --build-tests

demo: deps build ## run four sample hospitals and an aggregator on this machine (ARGS="…" is passed on)
	$(BIN)/consilium demo $(ARGS)

# These keep every processor busy, and tests of connections beside them would wait too long.
TRAINING_SUITES := ^ModelQualityTests\.
BUSY_SUITES := $(TRAINING_SUITES)|^SecureAggregationTests\.|SecureSumInteropTests

# What the second implementation of the secure sum needs from PyPI.
INTEROP := .build/interop

$(INTEROP)/installed: Tests/Interop/requirements.txt
	python3 -m venv $(INTEROP)
	@$(INTEROP)/bin/pip install --quiet --disable-pip-version-check --requirement $< || { \
	    printf 'error: Python packages could not be installed\nhint: PyPI must be reachable, or give PIP_INDEX_URL\n' >&2; exit 1; }
	@touch $@

test: deps lint imports $(INTEROP)/installed test-portable build ## everything continuous integration checks
	@.ci/run-tests --skip-build --skip '$(BUSY_SUITES)'
	@.ci/run-tests --skip-build --filter '$(BUSY_SUITES)'
	@$(BIN)/consilium-bench torture --seeds 100000 --seconds 60
	@.ci/torture-processes --kills 10 --full-disks

test-portable: ## build without oneDNN and run the suites of kernels, layers and training
	swift build -c release --build-tests --disable-default-traits
	@# What oneDNN's own implementations must be is asked only where it is compiled in: skipping that is no failure.
	@CI= .ci/run-tests --skip-build --disable-default-traits --filter '^(TensorsTests|NeuralNetworksTests)\.'

soak: build $(INTEROP)/installed ## lose every set of sites at every leg of the secure sum, in the second implementation (2 minutes)
	@$(INTEROP)/bin/python3 Tests/Interop/secure_sum.py --self-test

# What the fuzzers learn stays in .build-fuzz; the seeds in Fuzz/Corpus are those of the vectors.
FUZZERS := objects envelope vector roster

fuzz: ## fuzz the parsers of the secure sum for SECONDS=60 each; inputs that fail go to Fuzz/Failures
	@swift build --package-path Fuzz --scratch-path Fuzz/.build-fuzz -c release --sanitize fuzzer
	@for target in $(FUZZERS); do \
	    mkdir -p Fuzz/.build-fuzz/corpus/$$target Fuzz/Failures/$$target; \
	    echo "fuzz $$target"; \
	    SWIFT_BACKTRACE=enable=no Fuzz/.build-fuzz/release/fuzz-$$target -max_total_time=$(or $(SECONDS),60) \
	        -max_len=16384 -print_final_stats=1 -artifact_prefix=Fuzz/Failures/$$target/ \
	        Fuzz/.build-fuzz/corpus/$$target Fuzz/Corpus/$$target Fuzz/Failures/$$target; \
	done

quality: build ## train networks on real data, every fold and three seeds (needs the folder CONSILIUM_DATA)
	@CONSILIUM_QUALITY=full .ci/run-tests --skip-build --filter '$(TRAINING_SUITES)'

torture: ## run seeds of the federation simulator (SEEDS=N FIRST=S; TRACE=1 prints what happened)
	@$(BIN)/consilium-bench torture --seeds $(or $(SEEDS),300) $(if $(FIRST),--first $(FIRST)) $(if $(TRACE),--trace)

torture-processes: build ## kill the demo's processes KILLS times (500) and compare the model; SEED=… repeats a run
	@.ci/torture-processes --kills $(or $(KILLS),500) --full-disks $(if $(SEED),--seed $(SEED))

imports: ## compare each target's imports with Package.swift and with the module arrows
	@.ci/check-imports.py --self-test
	@.ci/check-imports.py

bench: deps ## measure a round at 1 M and 25 M parameters with four sites, and the transport; prints JSON
	@$(MAKE) --no-print-directory build >&2
	@$(BIN)/consilium-bench round --parameters 1000000 --sites 4 --json -
	@$(BIN)/consilium-bench round --parameters 25000000 --sites 4 --json -
	@$(BIN)/consilium-bench transport --json -

PEERS := Benchmarks/.venv

bench-peers: deps $(PEERS)/installed ## compare training with PyTorch, TensorFlow and Opacus: an hour (ARGS="…" is passed on)
	@$(MAKE) --no-print-directory build
	@Benchmarks/peers/run.py $(or $(ARGS),--private)

# 8 GB; installed again when the pinned versions change.
$(PEERS)/installed: Benchmarks/peers/requirements.txt
	python3 -m venv $(PEERS)
	$(PEERS)/bin/pip install --quiet --requirement $<
	@touch $@

package: build ## make the Debian packages in .build/packages
	@.ci/install-packages $(PACKAGE_DEPS)
	@Packaging/build-packages

package-test: package ## as root: install the packages in a clean chroot without Swift, and use them there
	@.ci/install-packages debootstrap systemd
	@Packaging/test-packages

format: ## rewrite the Swift files in the house form
	@$(SWIFT_FILES) | xargs -0 swift format --in-place --parallel --configuration .swift-format

lint: ## refuse Swift files that are not in the house form
	@$(SWIFT_FILES) | xargs -0 swift format lint --strict --parallel --configuration .swift-format

clean: ## remove what the build, the demo and the peers' benchmarks left
	rm -rf .build Fuzz/.build-fuzz Benchmarks/.venv consilium-demo

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
