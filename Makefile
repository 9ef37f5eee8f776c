# Two commands matter: `make demo` and `make test`. Both work from a bare checkout.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null || echo .bootstrap/bin/uv)

# Compiled once here instead of at every start: imports are most of what a command waits for.
export UV_COMPILE_BYTECODE := 1

.DEFAULT_GOAL := help
.PHONY: help demo test check fmt lint unit live lock clean servers bench

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

.bootstrap/bin/uv:
	@$(PYTHON) -m venv .bootstrap
	@.bootstrap/bin/python -m pip install --quiet --disable-pip-version-check uv

$(VENV)/.runtime: requirements.txt pyproject.toml | $(if $(filter .bootstrap/bin/uv,$(UV)),.bootstrap/bin/uv)
	@test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) $(VENV)
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.runtime
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.txt
	@touch $@

demo: $(VENV)/.runtime  ## investigate the bundled incident: offline, no keys, no servers
	@$(BIN)/firstcause demo

servers:
	@sh tests/live/install-servers.sh

test: $(VENV)/.dev  ## everything: linters, types, contracts, unit and live tests
	@$(MAKE) --no-print-directory -j2 servers check
	@$(MAKE) --no-print-directory unit

check: $(VENV)/.dev  ## ruff, mypy, import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

unit: $(VENV)/.dev  ## pytest: what needs the machine for itself first, the rest side by side
	@$(BIN)/python -m pytest -m alone
	@$(BIN)/python -m pytest -m "not alone" -n 2 --dist loadgroup

fmt: $(VENV)/.dev  ## format and fix
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock:  ## refresh the pinned requirements (hashes, no registry hosts)
	@$(UV) pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 pyproject.toml -o requirements.txt
	@$(UV) pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 --group dev -c requirements.txt pyproject.toml -o requirements-dev.txt

clean:  ## remove what make built
	@rm -rf $(VENV) .bootstrap .mypy_cache .ruff_cache .pytest_cache
