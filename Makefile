# Everything a fresh machine needs: Python 3.11 to 3.13, g++ and make. The rest goes into .venv/.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# numpy must not start threads of its own below the worker processes of the tests.
export OPENBLAS_NUM_THREADS ?= 1
export OMP_NUM_THREADS ?= 1

.PHONY: demo test lint slow fuzz kills docs docs-output wheel env clean

demo: $(VENV)/.examples
	$(BIN)/systolab run examples/digits_cnn.onnx --data digits --format adaptivfloat:8,3 --array 16x16

test: lint
	$(BIN)/python -m pytest -n 2 -q

# Damaged and hostile input: make fuzz CASES=5000 SEED=1. Inputs of findings are left in build/fuzz.
CASES ?= 500
SEED ?= 0
fuzz: $(VENV)/.dev
	$(BIN)/python -m tests.fuzz --cases $(CASES) --seed $(SEED)

slow: $(VENV)/.synth $(VENV)/.docs
	$(BIN)/python -m pytest -n 2 -q -m slow

# Runs that are killed at random moments: seed and figures are printed.
kills: $(VENV)/.dev
	$(BIN)/python -m pytest -q -m slow tests/cosim/processes/test_kills.py

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# The site: build/site/index.html. Warnings are errors, so every link between pages leads somewhere.
docs: $(VENV)/.docs
	$(BIN)/sphinx-build -q -W --keep-going -b html -d build/doctrees docs build/site

docs-output: $(VENV)/.synth $(VENV)/.docs
	$(BIN)/python docs/output.py
	$(BIN)/python -m docs.notebook
	$(BIN)/python docs/timing_diagrams.py

wheel: $(VENV)/.examples
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

env: $(VENV)/.dev

# Stamps: an environment is made once and again only when what it is made from changes.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
		|| { echo "systolab needs Python 3.11, 3.12 or 3.13; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.examples: $(VENV)/bin/python pyproject.toml $(wildcard setup.py formats/native/*.[ch])
	$(BIN)/python -m pip install --quiet --editable '.[examples]'
	@touch $@

$(VENV)/.dev: $(VENV)/.examples
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

$(VENV)/.synth: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --editable '.[synth]'
	@touch $@

$(VENV)/.docs: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	@touch $@

clean:
	rm -rf $(VENV) build dist docs/modules *.egg-info .mypy_cache .pytest_cache .ruff_cache
