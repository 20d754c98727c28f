# Every target does its own set-up: a .venv with pinned dependencies.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml requirements/dev.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

setup: $(READY) ## make the .venv

demo: $(READY) ## a canary release with real traffic, in about half a minute
	@$(BIN)/meshsim demo

test: $(READY) check e2e ## everything .ci/run runs

check: $(READY) lint types imports unit ## format, lint, types, import contracts, unit and property tests

lint: $(READY)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

types: $(READY)
	@$(BIN)/mypy meshsim controller loadtest tests

imports: $(READY)
	@$(BIN)/lint-imports --no-cache

unit: $(READY)
	@$(BIN)/pytest -m "not e2e and not compose" -n 2

e2e: $(READY) ## tests that start every process
	@$(BIN)/pytest -m e2e

fix: $(READY) ## format and mend what can be mended
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: $(READY) ## pin the newest versions
	@$(BIN)/python -m pip install --quiet uv
	@for set in runtime dev; do $(BIN)/uv pip compile --quiet --upgrade --no-header --no-annotate --no-emit-index-url --no-emit-find-links requirements/$$set.in -o requirements/$$set.txt; done

clean: ## forget the .venv and the caches
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist

.PHONY: help setup demo test check lint types imports unit e2e fix lock clean
