# Quayframe. `make run` starts a registry; `make check` and `make test` are what CI runs.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV ?= .venv
BIN := $(VENV)/bin
# The first interpreter that is new enough.
PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11,\
	$(shell $(name) -c 'import sys; sys.version_info >= (3, 11) and print("$(name)")' 2>/dev/null)))

# make run: where it listens, where it keeps its data, further options of `quayframe serve`.
BIND ?= 127.0.0.1:8080
DATA ?= ./quayframe-data
ARGS ?=

# make test: what pytest is told; `make test PYTEST="tests/oci -k digest"` runs a part.
JOBS ?= 2
PYTEST ?=

PLUGINS := $(dir $(wildcard plugins/*/*/setup.cfg))
EXAMPLES := $(dir $(wildcard examples/*/*/setup.cfg))
METADATA := setup.cfg pyproject.toml $(wildcard plugins/*/*/setup.cfg plugins/*/*/pyproject.toml)
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check install

.PHONY: help run test soak check bench clients docs format clean

FORCE:

help:
	@echo 'make run      start a registry on $(BIND), with its data in $(DATA)'
	@echo 'make test     run every test            (PYTEST="..." for pytest, JOBS=$(JOBS) processes)'
	@echo 'make soak     run the long forms of the tests'
	@echo 'make check    format, lint, types, import contracts, the repository itself'
	@echo 'make bench    compare with other registries on this machine  (ARGS="--quick")'
	@echo 'make clients  build the container clients that the tests use'
	@echo 'make docs     write the generated pages anew'
	@echo 'make format   format the sources'

run: $(VENV)/.installed
	@exec $(BIN)/quayframe serve --bind $(BIND) --data $(DATA) $(ARGS)

# What is installed is installed again when a distribution's metadata changes, or a plugin comes or goes.
$(VENV)/.installed: $(METADATA) $(VENV)/.distributions
	@echo 'installing the core and $(words $(PLUGINS)) plugin(s) into $(VENV)' >&2
	@$(PIP) --editable . $(PLUGINS:%=--editable %)
	@touch $@

$(VENV)/.installed-for-tests: $(VENV)/.installed
	@echo 'installing what the tests and checks need into $(VENV)' >&2
	@$(PIP) --editable '.[dev]' 'setuptools >= 68' wheel
	@touch $@

# The list of plugins as of the last installation; only a change of it makes the file newer.
$(VENV)/.distributions: $(VENV)/pyvenv.cfg FORCE
	@[ "$$(cat $@ 2>/dev/null)" = '$(PLUGINS)' ] || echo '$(PLUGINS)' >$@

$(VENV)/pyvenv.cfg:
	@[ -n '$(PYTHON)' ] || { echo 'Python 3.11 or later is needed; name one: make PYTHON=...' >&2; exit 1; }
	@echo 'making $(VENV) with $(PYTHON)' >&2
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo '$(PYTHON) cannot make a virtual environment (Debian and Ubuntu: apt install python3-venv)' >&2; \
		exit 1; }

# Servers and clients that the tests talk to. Without root the installed ones are used, and what is missing
# is skipped by name; with CI=true it is a failure.
.PHONY: servers
servers:
	@failed=; tests/node.sh || failed=1; \
		if command -v apt-get >/dev/null; then tests/packages.sh; fi; [ -z "$$failed" ]

clients:
	@tests/clients.sh

test: $(VENV)/.installed-for-tests
	@$(MAKE) --no-print-directory --keep-going servers clients || [ "$${CI:-}" != true ]
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(PYTEST)

soak:
	@QUAYFRAME_SOAK=1 $(MAKE) --no-print-directory test

# mypy names a module by the folders it is told of, and test folders share names: one run for each folder.
TESTED := $(sort $(dir $(shell git ls-files 'tests/*.py' 2>/dev/null || find tests -name '*.py')))
check: $(VENV)/.installed-for-tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy quayframe bench
	@for folder in $(PLUGINS) $(EXAMPLES); do \
		echo "mypy $$folder"; MYPYPATH=tests:$$folder:$$folder/tests $(BIN)/mypy $$folder; done
	@for folder in $(filter-out tests/plugins/template_storage/%,$(TESTED)); do \
		echo "mypy $$folder"; MYPYPATH=tests:$$folder $(BIN)/mypy $$folder*.py; done
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m pytest -q -p no:cacheprovider tests/contracts

bench: $(VENV)/.installed
	@$(BIN)/python bench/run.py $(ARGS)

docs: $(VENV)/.installed
	@$(BIN)/python -m quayframe.config.reference

format: $(VENV)/.installed-for-tests
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean:
	rm -rf .make build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -prune -not -path './$(VENV)/*' -exec rm -rf {} +
