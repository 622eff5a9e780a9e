# Two commands: `make demo` and `make test`. Both set up .venv by themselves.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.ready

DURATION ?= 30
CAMERA   ?= scene
QUERY    ?=
OUT      ?= out/demo

export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: help setup demo test lint types pytest format clean

help:  ## what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(STAMP)  ## make the virtual environment .venv

$(STAMP): requirements.txt requirements-dev.txt requirements-grammar.txt setup.py package.xml rosless/pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --upgrade pip "setuptools>=64" wheel
	@echo "installing torch (the largest part; a few minutes on a slow line) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check "torch==2.13.0" \
	  || $(BIN)/python -m pip install -q --disable-pip-version-check "torch>=2.4"
	@echo "installing the rest ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements-dev.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -r requirements-grammar.txt \
	  || echo "xgrammar is not to be had here: tests of generation.grammar are skipped"
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install -q --disable-pip-version-check \
	  --no-build-isolation --no-deps -e .
	@touch $@

demo: setup  ## camera + perception + subscriber over DDS for 30 s; pictures and figures in out/demo
	@$(BIN)/lfmvl demo --duration $(DURATION) --camera "$(CAMERA)" --out "$(OUT)" \
	  $(if $(QUERY),--query "$(QUERY)") $(if $(MODEL),--model "$(MODEL)")

test: lint types pytest  ## ruff, mypy and pytest

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

pytest: setup
	$(BIN)/python -m pytest

format: setup  ## let ruff mend and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove what was built
	rm -rf $(VENV) build install log out *.egg-info rosless/build rosless/*.egg-info
