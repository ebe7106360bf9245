# `make` trains and draws everything (laptop preset); `make test` runs the tests. `make help` lists the rest.
SHELL := bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready
ARGS ?=# more options for snakemake, e.g. make ARGS="--cores 1"
export MLFLOW_DISABLE_TELEMETRY := true
unexport PYTHONDONTWRITEBYTECODE  # a run starts some hundred processes, and each would compile all sources

.PHONY: laptop evening reproductions setup test lint smoke paper figures report ui faults test-slurm test-postgres test-browser test-scale test-figures test-gpu docs bench salvage clean help
.DEFAULT_GOAL := laptop

laptop: setup ## the whole pipeline at laptop size: some 25 minutes on the two threads of one core (what a bare `make` does)
	@$(BIN)/throughtime plan --preset laptop --total
	@$(BIN)/snakemake $(ARGS) --config preset=laptop || { $(BIN)/throughtime salvage --preset laptop; exit 1; }
	@$(BIN)/throughtime status --preset laptop

setup: $(READY) ## .venv with the versions of requirements.lock

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "throughtime needs Python 3.11 or later: make PYTHON=/path/to/it")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing requirements.lock into .venv (a few minutes the first time)"
	@$(BIN)/python -m pip install -qq --no-deps --requirement requirements.lock
	@$(BIN)/python -m pip install -qq --no-deps --no-build-isolation --editable .
	@$(BIN)/python -c 'import torch' || { \
	  echo "torch is a build for GPUs, whose libraries are not installed. For the CPU build: .venv/bin/pip install --no-deps" \
	    "--force-reinstall torch==2.13.0+cpu --index-url ADDRESS, with the address of PyTorch's CPU wheels (README, Install); then make again"; \
	  exit 1; }
	@echo "compiling the engine (about a minute)"
	@$(BIN)/python -m throughtime.engine.compiled
	@touch $(READY)

test: setup lint ## everything that is checked
	@$(BIN)/python -m pytest -q --all

lint: setup ## ruff, mypy, snakefmt, import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/snakefmt --check Snakefile
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/mypy

smoke: setup ## every rule on tiny grids, into results/smoke: 2 minutes
	@$(BIN)/snakemake $(ARGS) --config preset=smoke results=results/smoke

evening: setup ## laptop's networks with 10 seeds and more, and longer lags: about two hours; after `make` it trains only what is new
	@$(BIN)/throughtime plan --preset evening --total
	@$(BIN)/snakemake $(ARGS) --config preset=evening || { $(BIN)/throughtime salvage --preset evening; exit 1; }
	@$(BIN)/throughtime status --preset evening

paper: setup ## the full grids, at least 5 seeds; prints the expected hours first
	@$(BIN)/throughtime plan --preset paper --total
	@$(BIN)/snakemake $(ARGS) --config preset=paper || { $(BIN)/throughtime salvage --preset paper; exit 1; }
	@$(BIN)/throughtime status --preset paper

reproductions: setup ## the papers' settings at laptop size, beside what they report: under 30 minutes
	@$(BIN)/snakemake $(ARGS) --config experiments=reproductions preset=$(or $(PRESET),laptop) results=results/reproductions

figures: setup ## draw again from the tables that are there; trains nothing
	@$(BIN)/throughtime figure

report: setup ## write the report again from what is there
	@$(BIN)/throughtime report

ui: setup ## the MLflow UI, on this machine only
	@$(BIN)/throughtime ui

faults: setup ## kills, full disks, damaged files, moved clocks: some 10 minutes; as root it also mounts file systems
	@$(BIN)/python -m pytest -q tests/system/faults

# Debian's packages ($(2)), unless a command ($(1)) finds what they bring; where one may install.
define debian
	@{ $(1); } > /dev/null 2>&1 || test "$$(id -u)" != 0 || \
	  { apt-get update -qq && apt-get install -qq -y --no-install-recommends $(2); } > /dev/null
endef
# A suite of its own ($(2)), with what it needs beside requirements.lock ($(1)), which is taken out again.
define suite
	@$(BIN)/python -m pip install -qq --no-deps --requirement $(1)
	@$(BIN)/python -m pytest -q $(2); code=$$?; $(BIN)/python -m pip uninstall -qq -y --requirement $(1); exit $$code
endef

test-slurm: setup ## the pipeline on a real Slurm, which is started for it and stopped again: some 6 minutes; as root, Debian or Ubuntu
	$(call debian,which slurmctld slurmd sbatch slurmdbd munged mariadbd,slurmctld slurmd slurm-client slurmdbd munge mariadb-server)
	$(call suite,requirements-slurm.lock,tests/system/cluster)

test-postgres: setup ## MLflow on a real PostgreSQL, which is started for it and stopped again: some 7 minutes
	$(call debian,which postgres || ls /usr/lib/postgresql/*/bin/postgres,postgresql)
	$(call suite,requirements-postgres.lock,-s tests/system/postgres)

test-browser: setup ## the report and the MLflow UI in headless Chromium, on a smoke run; pictures go to results/browser
	$(call debian,which chromium || which chromium-browser,chromium)
	$(call suite,requirements-browser.lock,tests/system/browser)

test-scale: setup ## 100,000 networks with made-up results: seconds and memory of every stage; fails where one grows faster than linearly
	@$(BIN)/python -m tests.system.scale.measure

test-figures: setup ## every panel of every figure, drawn at the width of a column: some 4 minutes
	@$(BIN)/python -m pytest -q tests/system/figures

test-gpu: setup ## on a machine with a GPU, and torch for it in .venv: equal to the CPU, the same bits twice, memory
	@$(BIN)/python -m pytest -q -m gpu tests/gpu

docs: setup ## the pages of docs/ as a site, into results/docs; figures are drawn from results/, or from results/reference
	@$(BIN)/python -m pip install -qq --no-deps --requirement requirements-docs.lock
	@OPENBLAS_NUM_THREADS=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "open results/docs/index.html"

bench: setup ## milliseconds per network and training step, beside other ways to train; installs JAX into .venv-jax
	@$(BIN)/python -m throughtime.benchmarks.speed

salvage: setup ## after a failure: collect, draw and track what is there
	@$(BIN)/throughtime salvage

clean: ## delete results (asks first; results/reference stays)
	@read -r -p "Delete everything under results/ but results/reference? [y/N] " answer; \
	  if [ "$$answer" = y ]; then find results -mindepth 1 -maxdepth 1 ! -name reference -exec rm -rf {} +; else echo "nothing deleted"; fi

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 12
