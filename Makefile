# Everything a newcomer types: `make demo`, `make test`. The rest is for people who build sottovoce.
# Needs g++, Python 3.10 or newer and make; the rest comes from PyPI into .venv.

PYTHON ?= python3
VENV := .venv
# openai-whisper, faster-whisper and PyTorch, for measurements and golden results alone.
PEERS := .venv-peers
BIN := $(VENV)/bin
# One BLAS-free process a core is what the tests are written for.
WORKERS ?= $(shell nproc 2>/dev/null || echo 2)
SOURCES := $(shell git ls-files -co --exclude-standard csrc python CMakeLists.txt pyproject.toml 2>/dev/null)
CPP := $(shell git ls-files -co --exclude-standard '*.cpp' '*.h' '*.inl' 2>/dev/null)

.PHONY: help demo test lint format sanitize wer bench golden clean

help:
	@echo "make demo      set everything up and transcribe a real recording"
	@echo "make test      set everything up, lint, run the tests"
	@echo "make lint      ruff, mypy, clang-format"
	@echo "make format    let ruff and clang-format rewrite the sources"
	@echo "make sanitize  build with ASan and UBSan and run the tests of the core under them"
	@echo "make bench     time and memory against the peers (installs them in .venv-peers)"
	@echo "make wer       word error rate over SOTTOVOCE_DEV_DATA (the same environment)"
	@echo "make golden    remake tests/golden with openai-whisper (the same environment)"
	@echo "make clean     remove .venv and build/"

demo: $(VENV)/installed
	@$(BIN)/sottovoce demo

test: $(VENV)/test-tools $(VENV)/installed lint
	@echo "fetching the models that tests use (200 MB the first time)"
	SOTTOVOCE_TEST_MODELS="$$($(BIN)/python tools/fetch_test_models.py | tail -n 1)" \
	  $(BIN)/python -m pytest -n $(WORKERS) -q

lint: $(VENV)/test-tools $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run --Werror $(CPP)

format: $(VENV)/test-tools
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(CPP)

sanitize: $(VENV)/test-tools
	PATH="$(CURDIR)/$(BIN):$$PATH" tools/sanitize.sh

wer: $(PEERS)/ready
	$(PEERS)/bin/python bench/wer.py --model "$$($(PEERS)/bin/python tools/fetch_test_models.py | tail -n 1)/base" \
	  --data $${SOTTOVOCE_DEV_DATA:?names the folder of clips}

bench: $(PEERS)/ready
	$(PEERS)/bin/python bench/peers.py --audio python/sottovoce/data/jfk.flac \
	  --model "$$($(PEERS)/bin/python tools/fetch_test_models.py | tail -n 1)/base"

golden: $(PEERS)/ready
	$(PEERS)/bin/python tools/make_golden.py \
	  --models "$$($(PEERS)/bin/python tools/fetch_test_models.py | tail -n 1)" \
	  $${SOTTOVOCE_DEV_DATA:+--dev "$$SOTTOVOCE_DEV_DATA"}

clean:
	rm -rf $(VENV) $(PEERS) build

$(VENV)/ready: tools/setup.sh
	@PYTHON=$(PYTHON) tools/setup.sh $(VENV)
	@touch $@

# The package itself: rebuilt when a source changed, incrementally in build/.
$(VENV)/installed: $(VENV)/ready $(SOURCES)
	@echo "building sottovoce (about a minute the first time)"
	@$(BIN)/pip install -q --no-build-isolation .
	@touch $@

$(VENV)/test-tools: $(VENV)/ready pyproject.toml
	@echo "installing the test tools"
	@$(BIN)/pip install -q -r tools/test-requirements.txt
	@touch $@

$(PEERS)/ready: $(VENV)/ready $(SOURCES)
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/pip install -q torch==2.13.0
	$(PEERS)/bin/pip install -q openai-whisper==20250625 faster-whisper==1.2.1 av .
	@touch $@
