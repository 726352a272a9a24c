# Needs Python 3.10 or later, make and a package registry; everything else is set up here.
PYTHON ?= python3
DATA ?= ../shared/data
RUNS ?= runs
JOBS ?= 2
VENV ?= .venv
PYTHONS ?= python3.10 python3.11 python3.12 python3.13
BIN := $(VENV)/bin

.PHONY: demo test test-all test-pythons peer check format bench train-compact evaluate-compact sample docs clean

# One sentence instead of what pip says about an old Python, before an environment is made with it.
OLD_PYTHON := $(shell $(PYTHON) -c 'import sys; sys.version_info < (3, 10) and sys.stdout.write(sys.version.split()[0])')
ifneq ($(OLD_PYTHON),)
$(error $(PYTHON) is Python $(OLD_PYTHON); expected 3.10 or later: name another, as in `make demo PYTHON=python3.12`)
endif

# The base install (no torch) and the plot extra, in an environment of its own.
.venv-demo/ready: pyproject.toml
	$(PYTHON) -m venv .venv-demo
	.venv-demo/bin/pip install --quiet --disable-pip-version-check -e '.[plot]'
	touch $@

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[plot,analysis,formats,cloud,ray,train,convert,client,server,dev]'
	touch $@

demo: .venv-demo/ready
	@mkdir -p build
	.venv-demo/bin/emotrace analyze "$$(.venv-demo/bin/emotrace sample)" --granularity frame --plot build/demo.png
	@echo "The picture is build/demo.png"

test: $(VENV)/ready
	rm -f .coverage .coverage.*
	EMOTRACE_TEST_DATA=$(abspath $(DATA)) $(BIN)/python -m pytest -m "not slow" -n $(JOBS) --dist loadfile --cov --cov-report=term:skip-covered

test-all: $(VENV)/ready
	EMOTRACE_TEST_DATA=$(abspath $(DATA)) $(BIN)/python -m pytest

# `make test` with each of these versions, in environments of their own.
test-pythons:
	set -e; for python in $(PYTHONS); do $(MAKE) test PYTHON=$$python VENV=.venv-$$(basename $$python); done

# FunASR, in an environment of its own, says what emotion2vec should give.
.venv-peer/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-peer
	.venv-peer/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[convert]' funasr pytest fastapi uvicorn python-multipart
	touch $@

peer: .venv-peer/ready
	EMOTRACE_TEST_DATA=$(abspath $(DATA)) .venv-peer/bin/python -m pytest -W ignore tests/peer

check: $(VENV)/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest src/emotrace docs
	$(BIN)/python scripts/cli_reference.py --check
	$(BIN)/python scripts/audit.py
	$(BIN)/python -m scripts.settings_reference --check

format: $(VENV)/ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/ready
	$(BIN)/python scripts/cli_reference.py
	$(BIN)/python -m scripts.settings_reference

bench: $(VENV)/ready
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	$(BIN)/python benchmarks/run.py

# The recipe from the corpora to the packaged model; under two hours on two cores.
train-compact: $(VENV)/ready
	$(BIN)/python -m emotrace.training train --data $(DATA) --runs $(RUNS) --out src/emotrace/models/builtin/compact

evaluate-compact: $(VENV)/ready
	$(BIN)/python -m emotrace.training evaluate --data $(DATA) --runs $(RUNS)

# Makes the shipped sample again; needs espeak-ng.
sample: $(VENV)/ready
	$(BIN)/python scripts/make_sample.py

clean:
	rm -rf .venv* build dist .coverage* .mypy_cache .ruff_cache .pytest_cache
