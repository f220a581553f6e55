# make reproduce FIG="fig5 fig6"   figures into results/ (all of them unless FIG names some)
# make verify                      every claim
# make report                      pages that show them all: results/report/index.html
# make docs                        tutorials, run, and the API reference: results/report/docs.html
# make test                        lint and tests
# make bench                       benchmarks
# make mutants SETTING=imbalance   what its tests and claims catch of a sample of wrong formulas
# make stress FUNCTION="core.*"     a hundred thousand random and extreme arguments for each public function
# make paper                       the committed pictures, verdicts and tables
# make gpu                         every claim in smoke on CUDA, at most five minutes, compared with the CPU's evidence;
#                                  and what a step takes on both
# make setup TORCH=cpu             only the environment; TORCH=cpu or e.g. TORCH=cu130 picks torch's own build of that name
# ARGS="--profile paper --jobs 8"  is handed on to the command or to pytest

PYTHON ?= python3
FIG ?= all
ARGS ?=
TORCH ?=

BIN = .venv/bin
PIP = $(BIN)/python -m pip install --quiet --constraint constraints.txt
# Version and index of the torch build that TORCH names; nothing if it names none.
BUILD = $(if $(TORCH),torch==$(shell sed -n 's/^torch==//p' constraints.txt)+$(TORCH))
INDEX = $(if $(TORCH),--extra-index-url https://download.pytorch.org/whl/$(TORCH))
READY = .venv/.ready$(TORCH:%=-%)

.PHONY: reproduce verify report docs test bench mutants stress paper gpu setup clean

reproduce: $(READY)
	$(BIN)/python -m theory.reproduce $(FIG) $(ARGS)

verify: $(READY)
	$(BIN)/python -m theory.verify $(ARGS)

report: $(READY)
	$(BIN)/python -m theory.report $(ARGS)

docs: .venv/.ready-docs
	$(BIN)/python -m theory.docs $(ARGS)

test: $(READY)
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/python -m pytest -n auto $(ARGS)

bench: .venv/.ready-bench
	$(BIN)/python -m pytest tests/benchmarks -o python_files='bench_*.py' $(ARGS)

mutants: .venv/.ready-mutants
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python tests/mutants/run.py $(SETTING) $(ARGS)

stress: $(READY)
	$(BIN)/python tests/stress/run.py $(FUNCTION) $(ARGS)

paper: $(READY)
	$(BIN)/python -m theory.verify --json results/verdicts.json
	$(BIN)/python -m theory.verify --profile smoke --device cpu --json $(SMOKE).json
	$(BIN)/python -m theory.verify min2021.theorem1 --set learning_rate=1e-3 --set scales=0.1,0.1 \
		--sweep width=50,100,200,500,2000 --json $(SWEEPS)/rate-by-width.json
	$(BIN)/python -m theory.verify minnorm.chain_l2 --sweep "depths=3;5;7;9;10" --json $(SWEEPS)/decay-by-depth.json
	$(BIN)/python -m theory.verify minnorm.deep_mode_collapse --sweep start=0.2,0.3,0.4 --json $(SWEEPS)/collapse-by-start.json
	$(BIN)/python -m theory.verify lyu2020.smoothed_margin --sweep examples=6,12,24,100 --json $(SWEEPS)/margin-by-examples.json
	-$(BIN)/python -m theory.verify ozay2019.noise_laws --sweep noise=0.05,0.077,0.1,0.2 --json $(SWEEPS)/law-by-noise.json
	$(BIN)/python -m theory.reproduce all
	cp results/verdicts.json results/fig*.png results/fig*.npz results/fig*.json figures/rendered/
	$(BIN)/python -m theory.tables

SMOKE = figures/rendered/smoke
SWEEPS = figures/rendered

gpu: $(READY)
	timeout 300 $(BIN)/python -m theory.verify --profile smoke --device cuda --json $(SMOKE)-cuda.json --compare $(SMOKE).json
	PYTHONPATH=tests $(BIN)/python -m benchmarks.accelerator cuda --json figures/rendered/accelerator.json
	$(BIN)/python -m theory.tables

setup: $(READY)

clean:
	rm -rf .venv results dist .pytest_cache .ruff_cache .hypothesis .mypy_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	$(PYTHON) -m venv .venv

define set-up
$(PIP) $(INDEX) $(BUILD) --editable '.[test]'
touch .venv/.ready $@
endef

.venv/.ready: pyproject.toml constraints.txt | $(BIN)/python
	$(set-up)

.venv/.ready-%: pyproject.toml constraints.txt | $(BIN)/python
	$(set-up)

.venv/.ready-bench: $(READY)
	$(PIP) $(INDEX) $(BUILD) --editable '.[test,bench]'
	touch $@

.venv/.ready-mutants: $(READY)
	$(PIP) $(INDEX) $(BUILD) --editable '.[test,mutants]'
	touch $@

.venv/.ready-docs: $(READY)
	$(PIP) $(INDEX) $(BUILD) --editable '.[test,docs]'
	touch $@
