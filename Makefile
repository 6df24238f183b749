# heterosis from a fresh clone: needs Python 3.11, 3.12 or 3.13 and make, nothing else.
#
#   make run          install into .venv, get the data, run the experiment `quick`
#   make test         the same set-up, then every check and test
#   make check        the same without the slow tests: what can fail within some minutes
#   make lint         the checks alone: ruff, mypy, import-linter
#   make notebooks    open the notebooks of analysis/notebooks in Jupyter Lab
#   make docs         build the documentation site into site/ and look for dead links
#   make wheel        build the wheel into dist/, for machines without the sources
#   make bench        measure on this machine; fails when a required ratio is missed
#   make slurm-demo   watch `smoke` run on a real Slurm of this machine (Debian: see tests/slurm)
#   make install      the set-up alone
#   make constraints  renew the pinned versions
#   make clean        remove .venv and caches; runs/ stays

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
LAB := $(VENV)/.notebooks
DATA := $(VENV)/.data

PYTEST := $(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder
# Formulas: their tests must run nearly all of their lines. To watch other rooms' lines too would
# double the time of what computes in Python.
FORMULAS := apps/genetics analysis/statistics

.PHONY: help run test check lint style types tests formulas quick-tests notebooks docs wheel bench slurm-demo \
  install data constraints clean

help:
	@sed -n 's/^#   //p' Makefile

run: $(DATA)
	$(BIN)/heterosis run quick

# What needs one process goes on beside the tests, which often wait for other processes.
test: $(DATA) style
	@$(MAKE) --no-print-directory -j2 formulas tests

check: $(DATA) style
	@$(MAKE) --no-print-directory -j2 types quick-tests

tests: $(DATA)
	$(PYTEST) $(FORMULAS:%=--ignore=%) $(FORMULAS:%=--ignore=tests/%)

formulas: types
	$(BIN)/python -m pytest -q -p no:cacheprovider $(FORMULAS) $(FORMULAS:%=tests/%) $(FORMULAS:%=--cov=%) \
	  --cov-report=term:skip-covered --cov-fail-under=95

quick-tests: $(DATA)
	$(PYTEST) -m "not slow"

lint: style types

style: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

# On loopback, behind the token that Jupyter makes up. RUN=runs/mine shows another run.
notebooks: $(LAB)
	$(if $(RUN),HETEROSIS_RUN="$(RUN)" )$(BIN)/jupyter-lab --ip=127.0.0.1 \
	  $$([ "$$(id -u)" != 0 ] || echo --allow-root) analysis/notebooks

$(LAB): $(INSTALLED)
	@echo "installing Jupyter Lab into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev,notebooks]"
	@touch $@

docs: $(INSTALLED)
	$(BIN)/python docs/build.py site
	$(BIN)/python -m pytest -q tests/test_docs.py
	@echo "open site/index.html"

# What setuptools leaves behind would come into the next wheel.
wheel: $(INSTALLED)
	@rm -rf build *.egg-info
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .
	@rm -rf build *.egg-info
	@ls dist/*.whl

bench: $(DATA)
	$(BIN)/python tests/benchmarks

slurm-demo: $(INSTALLED)
	$(BIN)/python -m tests.slurm.demo

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { \
	  echo "error: there is no $(PYTHON); install Python 3.11, 3.12 or 3.13, or name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { \
	  echo "error: heterosis needs Python 3.11, 3.12 or 3.13 (the pinned TensorFlow has no other builds), $(PYTHON) is $$($(PYTHON) --version 2>&1); name another: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "error: $(PYTHON) cannot make virtual environments: it lacks venv or ensurepip; on Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "installing into $(VENV) with the versions of constraints.txt; this takes some minutes and 3 GB of disk"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

# Found or downloaded by heterosis; without internet, Debian's package has the data.
data: $(DATA)

$(DATA): $(INSTALLED)
	@$(BIN)/heterosis data 2>$(VENV)/data.log || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "no data yet: installing Debian's package dataset-fashion-mnist"; \
	    apt-get update -qq && apt-get install -y -qq dataset-fashion-mnist >/dev/null; \
	    $(BIN)/heterosis data; \
	  else cat $(VENV)/data.log >&2; exit 1; fi; }
	@touch $@

# In an environment of its own: .venv may hold more than the project needs.
constraints:
	@set -e; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	$(PYTHON) -m venv "$$folder"; \
	"$$folder/bin/python" -m pip install --quiet --upgrade pip setuptools; \
	"$$folder/bin/python" -m pip install --quiet -e ".[dev,notebooks]"; \
	{ echo "# Every package that heterosis needs to run and to be developed, pinned: the newest"; \
	  echo "# versions that pyproject.toml allowed, frozen from an empty environment of"; \
	  echo "# $$($(PYTHON) --version). Renew with \`make constraints\`; do not edit."; \
	  "$$folder/bin/python" -m pip freeze --all --exclude pip --exclude heterosis \
	    | LC_ALL=C sort -f; } > "$$folder/constraints.txt"; \
	cp "$$folder/constraints.txt" constraints.txt

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis \
	  .import_linter_cache .benchmarks .coverage
