# `make book` and `make test` do all set-up on a fresh Debian machine with Python 3.11 or newer.
# uv is used where it is present; plain venv and pip where not.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
UV := $(shell command -v uv 2>/dev/null)

.PHONY: help book test lint calibrate clean synthetic lock
.DEFAULT_GOAL := help

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 12

book: $(READY)  ## evaluate the embedded synthetic study (DATA=path: your own) and build the book
	$(BIN)/pluseval book $(if $(DATA),--data "$(DATA)")

test: $(READY)  ## the whole test suite
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(READY)  ## style, imports that point down, types of the public API
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

calibrate: $(READY)  ## measure error rates and detectable effects (STUDY=path OUT=path: on your own design)
	$(BIN)/python -m analyses.calibration $(if $(STUDY),--study "$(STUDY)") $(if $(OUT),--out "$(OUT)")
	$(BIN)/python -m analyses.detectable $(if $(STUDY),--study "$(STUDY)") $(if $(OUT),--out "$(OUT)")

synthetic: $(READY)  ## remake the committed synthetic study
	$(BIN)/pluseval synthesize synthetic_data --kind conditioned

lock: $(READY)  ## remake requirements.lock (needs uv)
	uv pip compile pyproject.toml --universal --generate-hashes --extra book --extra dev \
	  --no-annotate --no-header --quiet --output-file requirements.lock

clean:  ## remove the environment, the results and the built book
	rm -rf $(VENV) results book/_build build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "pluseval needs Python 3.11 or newer; found $$($(PYTHON) --version). Try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
ifneq ($(UV),)
	uv venv --quiet --allow-existing --python "$$(command -v $(PYTHON))" $(VENV)
	uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock
	uv pip install --quiet --compile-bytecode --python $(BIN)/python --no-deps --no-build-isolation -e .
else
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { echo "Python's venv module is not complete here. On Debian: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
endif
	@touch $(READY)
