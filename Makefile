# Two commands: `make demo` and `make test`. Both set up an environment by themselves.
PYTHON ?= python3
# Where no ROS 2 is sourced, PyPI's wheels of this distribution are used: jazzy or kilted.
DISTRO ?= jazzy
# One environment for each ROS 2, as they can't share one.
VENV   ?= $(if $(ROS_DISTRO),.venv-$(ROS_DISTRO)-sourced,$(if $(filter jazzy,$(DISTRO)),.venv,.venv-$(DISTRO)))
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.ready
PIP    := $(BIN)/python -m pip install -q --disable-pip-version-check
WHEELS := requirements-ros$(if $(filter jazzy,$(DISTRO)),,-$(DISTRO)).txt

# pip is kept below 26.3, which fails on Python 3.13 where everything is installed already ("Blocked import of
# 'importlib.metadata._adapters'").

DURATION ?= $(if $(SCENE),,30)
CAMERA   ?= scene
QUERY    ?=
# Tests run file by file in so many processes, twice as many as cores as they mostly wait; 0: all in one.
WORKERS  ?= $(shell n=$$(( 2 * $$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2) )); test $$n -lt 4 && echo $$n || echo 4)
PYTEST   := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile
PRINTED  := test/test_docs_commands.py
OLDEST_NUMPY := $(VENV)/oldest-numpy
# A job in a planned scene instead: assist, picking or shelf.
SCENE    ?=
OUT      ?= out/$(if $(SCENE),$(SCENE),demo)

.PHONY: help setup bench-setup demo evaluate test test-fast test-deep lint types types-oldest pytest format clean

help:  ## what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP)  ## make the environment .venv: ROS 2, torch, tools

$(STAMP): requirements-lock.txt requirements-grammar.txt requirements-server.txt $(wildcard $(WHEELS)) setup.py package.xml \
  $(wildcard interfaces/*.py interfaces/*/msg/*.msg)
	@set -e; ros=$$($(PYTHON) interfaces/preflight.py $(DISTRO)); \
	test -x $(BIN)/python || $(PYTHON) -m venv $$(test $$ros = wheels || echo --system-site-packages) $(VENV); \
	$(PIP) --upgrade "pip<26.3" "setuptools>=64" wheel; \
	echo "installing torch (the largest part; a few minutes on a slow line) ..."; \
	$(PIP) "torch==2.13.0" || $(PIP) "torch>=2.4"; \
	echo "installing the rest ..."; \
	$(PIP) --no-deps --require-hashes -r requirements-lock.txt; \
	$(PIP) --no-deps -r requirements-grammar.txt \
	  || echo "xgrammar is not available here: tests of generation.grammar are skipped"; \
	$(PIP) --no-deps --require-hashes -r requirements-server.txt \
	  || echo "gguf or xllamacpp is not available here: tests with a llama.cpp server are skipped"; \
	if test $$ros = wheels; then \
	  echo "installing ROS 2 $(DISTRO) from PyPI ..."; \
	  $(PIP) --no-deps --require-hashes -r $(WHEELS); \
	  $(BIN)/python interfaces/build.py; \
	fi; \
	PYTHONWARNINGS=ignore $(PIP) --no-build-isolation --no-deps -e .
	@touch $@

demo: setup  ## camera, perception node and a subscriber over ROS 2 for 30 s; results in out/demo
	@$(BIN)/lfmvl demo $(if $(DURATION),--duration $(DURATION)) --camera "$(CAMERA)" --out "$(OUT)" \
	  $(if $(SCENE),--scene "$(SCENE)") \
	  $(if $(QUERY),--query "$(QUERY)") $(if $(MODEL),--model "$(MODEL)")

evaluate: setup  ## a scorecard of the bundled model on rendered images, in out/evaluate
	@test -e out/labelled || $(BIN)/lfmvl scenes --labelled out/labelled --count 120 --seed 4242 --wh 384x288
	@$(BIN)/lfmvl evaluate out/labelled --model "$(if $(MODEL),$(MODEL),bundled)" --out out/evaluate \
	  --languages de,ja --robustness 12 --sustained 20

test: lint types pytest  ## ruff, mypy and pytest: what CI runs

test-fast: lint types  ## the same without the tests marked slow
	$(PYTEST) -m "not slow and not deep"

test-deep: lint types  ## the same and more: ten times the examples of property tests, new ones each time, and every printed command
	$(PYTEST) --hypothesis-profile deep --timeout 3600 -m "deep or not deep" --ignore $(PRINTED)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m "deep or not deep" $(PRINTED)

bench-setup: setup  ## what benchmarks compare with, into the same environment
	$(PIP) -r requirements-bench.txt
	$(PIP) --no-deps -r requirements-bench-peers.txt
	$(BIN)/python benchmarks/needs.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

types-oldest: setup  ## mypy again, with the stubs of Python 3.10's numpy: they find what newer ones let pass
	@test -e $(OLDEST_NUMPY)/.ready || { rm -rf $(OLDEST_NUMPY) && \
	  $(PIP) --no-deps --target $(OLDEST_NUMPY) --python-version 3.10 --only-binary :all: \
	    "$$(grep -o '^numpy==[0-9.]*' requirements-lock.txt | head -1)" && touch $(OLDEST_NUMPY)/.ready; }
	MYPYPATH=$(OLDEST_NUMPY) $(BIN)/mypy --cache-dir .mypy_cache/oldest-numpy

pytest: setup
	$(PYTEST)

format: setup  ## let ruff mend and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove what was built
	rm -rf .venv .venv-* build install log out *.egg-info
