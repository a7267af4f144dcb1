# What needs Python makes its own .venv; CONTRIBUTING.md says when to run what.
# PYTHON=python3.12 make demo  takes another interpreter.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo lab test lint types javascript pictures benchmarks torture drift live live-local lock \
  release-check docs clean

demo: $(VENV)/.installed
	@$(BIN)/llmwidgets demo

lab: $(VENV)/.installed-lab
	@$(BIN)/llmwidgets lab

# A file stays on one process: its browser, server and kernel are started once. How many there are
# says tests/conftest.py.
test: $(VENV)/.installed-test
	@$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.installed-test
	$(BIN)/ruff format llmwidgets tests benchmarks
	$(BIN)/ruff check --fix llmwidgets tests benchmarks

types: $(VENV)/.installed-test
	$(BIN)/mypy

# What a change of llmwidgets/widgets/javascript needs; an installation needs no Node.
javascript:
	@cd llmwidgets/widgets/javascript && npm ci && npm run build

pictures: $(VENV)/.installed-test
	$(BIN)/python -m tests.pictures

# The documentation site, into build/docs: no network, no warning.
docs: $(VENV)/.installed-test
	@$(BIN)/python -m sphinx -E -W -n --keep-going -q -b html -d build/doctrees docs build/docs
	@echo "build/docs/index.html"

benchmarks: $(VENV)/.installed-test
	@for each in benchmarks/*.py; do PYTHONPATH=. $(BIN)/python $$each; done

torture: $(VENV)/.installed-test
	@PYTHONPATH=. $(BIN)/python tests/store/store_torture.py all
	@PYTHONPATH=. $(BIN)/python tests/store/round_trips.py 500

drift: $(VENV)/.installed-test
	@$(BIN)/python -m tests.drift

# Against the vendors' own servers, with the keys that are here: costs at most 1 US dollar.
# MODELS="azure_openai/gpt-6-luna" make live  tries these alone.
live: $(VENV)/.installed-test
	@$(BIN)/python -m tests.live.keys $(MODELS); tried=$$?; $(BIN)/python -m tests.tables; exit $$tried

# Against llama.cpp with a model made here: the first time its server is built, for some minutes.
live-local: $(VENV)/.installed-test build/live/.installed
	@LLMWIDGETS_LIVE_PYTHON=$(CURDIR)/build/live/bin/python $(BIN)/python -m pytest tests/live -m live

# Binder's environment, from what pyproject.toml asks for today.
lock: $(VENV)/.installed-release
	@$(BIN)/python -m tests.release.lock

# All that builds environments: wheel, sdist, oldest and newest Python, Binder, documents.
# STEPS="wheel Binder" make release-check  runs those whose name has one of these words.
release-check: $(VENV)/.installed-release
	@$(BIN)/python -m tests.release.check $(STEPS)

clean:
	rm -rf $(VENV) build

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "llmwidgets needs Python 3.11 or newer: PYTHON=python3.12 make $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

build/live/.installed: tests/live/requirements.txt
	@command -v c++ >/dev/null || { echo "make live-local needs a C++ compiler: apt-get install g++"; exit 1; }
	@echo "Building llama.cpp's server into build/live (once)"
	@$(PYTHON) -m venv build/live
	@CMAKE_ARGS="-DGGML_NATIVE=OFF -DLLAMA_BUILD_TOOLS=OFF" \
	  build/live/bin/python -m pip install --quiet --disable-pip-version-check -r tests/live/requirements.txt
	@touch $@

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	@echo "Installing llmwidgets into $(VENV) (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-lab: pyproject.toml | $(VENV)/bin/python
	@echo "Installing llmwidgets and JupyterLab into $(VENV) (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[lab]"
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-test: pyproject.toml | $(VENV)/bin/python
	@echo "Installing llmwidgets and its test tools into $(VENV) (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[test]"
	@touch $@ $(VENV)/.installed $(VENV)/.installed-lab

$(VENV)/.installed-release: pyproject.toml | $(VENV)/.installed-test
	@echo "Installing what a release is checked with into $(VENV) (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[test,release]"
	@touch $@ $(VENV)/.installed $(VENV)/.installed-lab $(VENV)/.installed-test
