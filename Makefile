# Everything a newcomer types: `make demo`, `make test`. The rest is for people who build sottovoce.
# Needs g++, Python 3.10 or newer and make; the rest comes from PyPI into .venv.

PYTHON ?= python3
VENV := .venv
# The peers and PyTorch, for measurements and golden results alone.
PEERS := .venv-peers
BIN := $(VENV)/bin
# One BLAS-free process a core is what the tests are written for.
WORKERS ?= $(shell nproc 2>/dev/null || echo 2)
SOURCES := $(shell git ls-files -co --exclude-standard csrc python CMakeLists.txt pyproject.toml 2>/dev/null)
CPP := $(shell git ls-files -co --exclude-standard '*.cpp' '*.h' '*.inl' 2>/dev/null)

.PHONY: help demo test test-lowest lint format guard sanitize sanitize-threads clang test-aarch64 bench bench-quick bench-targets bench-readme bench-words accuracy accuracy-policies accuracy-users golden clean

help:
	@echo "make demo      set everything up and transcribe a real recording"
	@echo "make test      set everything up, lint, run the tests"
	@echo "make lint      ruff, mypy, stubtest, clang-format"
	@echo "make format    let ruff and clang-format rewrite the sources"
	@echo "make guard     the oracle and decoding suites with every array shut outside the verbs"
	@echo "make sanitize  build with ASan and UBSan and run the tests of the core under them"
	@echo "make sanitize-threads  the same with ThreadSanitizer and the tests that use many threads"
	@echo "make clang     build with Clang and both standard libraries, and run the tests of the kernels"
	@echo "make test-aarch64  cross-build for AArch64 and run the tests of the core under qemu"
	@echo "make test-lowest  build and test with the oldest versions that pyproject.toml allows"
	@echo "make bench     time and memory against the peers (installs them in .venv-peers; well over an hour)"
	@echo "make bench-quick  the same in five minutes: base alone, few rounds"
	@echo "make bench-readme  README's table alone, in a quarter of an hour on a quiet machine"
	@echo "make bench-targets  what bench/targets.py asks for, in twenty minutes"
	@echo "make bench-words  how right the times of words are, and what they cost; half an hour"
	@echo "make accuracy  the gates of the policies and the compute types over SOTTOVOCE_DEV_DATA (the same environment)"
	@echo "make accuracy-policies  the first alone, about an hour; POLICIES=--quick: five minutes"
	@echo "make accuracy-users  word error rates as users get them, beside the peers'; about an hour"
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
	$(BIN)/python -m mypy.stubtest sottovoce._core --allowlist tools/stubtest.txt --concise
	$(BIN)/clang-format --dry-run --Werror $(CPP)

format: $(VENV)/test-tools
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(CPP)

# A back end whose memory can be touched inside its verbs alone.
GUARDED := test_model test_oracle test_decoding test_decode_batch test_logit_rules test_logit_filter test_search \
	test_compute_types test_alignment test_kept_attention test_loops
guard: $(VENV)/test-tools $(VENV)/installed
	SOTTOVOCE_DEVICE=cpu-guarded $(BIN)/python -m pytest -n $(WORKERS) -q $(GUARDED:%=tests/%.py)

sanitize: $(VENV)/test-tools
	PATH="$(CURDIR)/$(BIN):$$PATH" tools/sanitize.sh address

sanitize-threads: $(VENV)/test-tools
	PATH="$(CURDIR)/$(BIN):$$PATH" tools/sanitize.sh thread

clang: $(VENV)/test-tools
	PATH="$(CURDIR)/$(BIN):$$PATH" tools/clang.sh

test-aarch64: $(VENV)/ready
	PATH="$(CURDIR)/$(BIN):$$PATH" tools/aarch64.sh

test-lowest:
	PYTHON=$(PYTHON) tools/lowest.sh

# Records begin anew unless BENCH, which passes options to run.py, says --append.
bench bench-quick bench-readme bench-targets: $(PEERS)/ready build/bench/roofline
	models="$$($(PEERS)/bin/python tools/fetch_test_models.py | tail -n 1)" && test -n "$$models" && \
	  $(PEERS)/bin/python bench/run.py --models "$$models" $(patsubst bench-%,--%,$(filter bench-%,$@)) $(BENCH) && \
	  $(PEERS)/bin/python bench/report.py --models "$$models" $(filter --readme,$(@:bench-%=--%))

# WORDS passes options to word_times.py.
bench-words: $(PEERS)/ready build/bench/roofline
	models="$$($(PEERS)/bin/python tools/fetch_test_models.py | tail -n 1)" && test -n "$$models" && \
	  $(PEERS)/bin/python bench/word_times.py --models "$$models" $(WORDS)

accuracy: $(PEERS)/ready accuracy-policies
	$(PEERS)/bin/python bench/accuracy.py \
	  --models "$$($(PEERS)/bin/python tools/fetch_test_models.py | tail -n 1)" \
	  --data $${SOTTOVOCE_DEV_DATA:?names the folder of clips}

# POLICIES passes options to policies.py: --quick hears a quarter, by int8.
accuracy-policies: $(PEERS)/ready
	$(PEERS)/bin/python bench/policies.py \
	  --models "$$($(PEERS)/bin/python tools/fetch_test_models.py | tail -n 1)" \
	  --data $${SOTTOVOCE_DEV_DATA:?names the folder of clips} $(POLICIES)

# USERS passes options to users.py.
accuracy-users: $(PEERS)/ready
	$(PEERS)/bin/python bench/users.py \
	  --models "$$($(PEERS)/bin/python tools/fetch_test_models.py | tail -n 1)" \
	  --data $${SOTTOVOCE_DEV_DATA:?names the folder of clips} $(USERS)

golden: $(PEERS)/ready
	$(PEERS)/bin/python tools/make_golden.py \
	  --models "$$($(PEERS)/bin/python tools/fetch_test_models.py | tail -n 1)" \
	  $${SOTTOVOCE_DEV_DATA:+--dev "$$SOTTOVOCE_DEV_DATA"}
	$(PEERS)/bin/python tools/make_token_golden.py
	$(PEERS)/bin/python tools/make_subtitle_golden.py
	$(PEERS)/bin/python tools/make_words_golden.py
	$(PEERS)/bin/python -m pip install -q --no-deps silero-vad==6.2.3
	$(PEERS)/bin/python tools/make_vad_golden.py $${SOTTOVOCE_DEV_DATA:+--dev "$$SOTTOVOCE_DEV_DATA"}

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

# whisper.cpp is compiled for this CPU (its wheel is for AVX2), with the GEMMs of llamafile, or its
# wheel taken where that fails; the records name its instruction sets.
$(PEERS)/peers: $(VENV)/ready bench/requirements.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/pip install -q -r bench/requirements.txt
	GGML_NATIVE=ON GGML_LLAMAFILE=ON CMAKE_BUILD_WITH_INSTALL_RPATH=ON CMAKE_INSTALL_RPATH='$$ORIGIN' \
	  $(PEERS)/bin/pip install -q --no-binary pywhispercpp pywhispercpp==1.5.1 || \
	  $(PEERS)/bin/pip install -q pywhispercpp==1.5.1
	@touch $@

$(PEERS)/ready: $(PEERS)/peers $(SOURCES)
	$(PEERS)/bin/pip install -q .
	@touch $@

build/bench/roofline: $(VENV)/ready $(SOURCES) bench/roofline.cpp bench/probe.cpp bench/peaks.h
	PATH="$(CURDIR)/$(BIN):$$PATH" cmake -S . -B build/bench -G Ninja -DSOTTOVOCE_BENCH=ON
	PATH="$(CURDIR)/$(BIN):$$PATH" cmake --build build/bench --target probe roofline
