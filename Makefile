# Each target makes the environment it needs: a machine with Python >= 3.11, pip and make is enough.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test check format lint imports types bench clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

$(BIN)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "rzen needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	@echo "Installing what rzen needs (PyTorch is among it: some minutes, some gigabytes) ..."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[all,dev]'
	@touch $@

demo: $(BIN)/.installed ## index real photographs, video, PDFs and text, and search them
	$(BIN)/python -m examples.demo

test: $(BIN)/.installed ## run the tests
	$(BIN)/python -m pytest

check: format lint imports types test ## everything a change must pass

format: $(BIN)/.installed
	$(BIN)/ruff format --check .

lint: $(BIN)/.installed
	$(BIN)/ruff check .

imports: $(BIN)/.installed
	$(BIN)/lint-imports --no-cache

types: $(BIN)/.installed
	$(BIN)/mypy

bench: $(BIN)/.installed ## measure, beside the peers; writes benchmarks/RESULTS.md
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[all,dev,bench]'
	$(BIN)/python -m benchmarks

clean: ## remove the environment and what was made
	rm -rf $(VENV) .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
