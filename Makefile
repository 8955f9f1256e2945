# Thin aliases. What they do lives in tools/bootstrap.sh and in the workbench command.
# Order is said by prerequisites alone, so that `make -j` keeps it.
BIN := .venv/bin
UV ?= $(shell command -v uv)
SHELL := /bin/sh

.DEFAULT_GOAL := help
.PHONY: help setup vectors token demo test fast lint lab accept lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

setup: ## make .venv with the locked packages (PYTHON=python3.12 chooses the interpreter)
	@sh tools/bootstrap.sh

token: setup ## a sandbox token on SoftHSM2, which is installed (as root) or unpacked beside it
	$(BIN)/workbench token up softhsm

demo: token ## from nothing to a report: token, lessons, a short benchmark
	$(BIN)/workbench demo --out build/demo

test: lint token vectors ## everything that must hold: linters, types, import contract, tests, every notebook
	$(BIN)/pytest

vectors: setup
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps --require-hashes \
	    -r requirements-vectors.lock

fast: token ## the tests without the notebooks
	$(BIN)/pytest -m "not notebook"

lint: setup ## style, types, and which room may import which
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

# JupyterLab shows the drawings of a notebook that it trusts only; these are ours.
# It refuses root without the flag; a container often knows no other user.
lab: token ## JupyterLab at the lessons
	@$(BIN)/jupyter-trust notebooks/*.ipynb benchmarks/*.ipynb
	$(BIN)/jupyter-lab --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/notebooks \
	    $$(test "$$(id -u)" -ne 0 || echo --allow-root)

accept: token ## run the notebooks and keep what they print as the reference outputs
	$(BIN)/workbench accept

lock: $(if $(UV),,setup) ## newest versions and their hashes into requirements.lock
	$(if $(UV),,$(BIN)/python -m pip install --quiet uv)
	$(or $(UV),$(BIN)/uv) pip compile pyproject.toml --group dev --universal --python-version 3.11 --upgrade \
	    --generate-hashes --no-header --no-annotate --quiet --output-file requirements.lock
	$(or $(UV),$(BIN)/uv) pip compile --group pyproject.toml:vectors --universal --python-version 3.11 --upgrade \
	    --generate-hashes --no-header --no-annotate --quiet --output-file requirements-vectors.lock
	@! grep -nE '://|^ *--(index|extra-index|find-links)' requirements.lock requirements-vectors.lock \
	    || { echo "a lock file names an address: it must hold versions and hashes only" >&2; exit 1; }

clean: ## remove .venv, build results and caches (tokens are kept: they live outside)
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	rm -f workbench/measure/_kernel*.so
	find workbench tests tools native benchmarks -type d -name __pycache__ -prune -exec rm -rf {} +
