#!/usr/bin/env bash
# Builds the extension with AddressSanitizer and UndefinedBehaviorSanitizer and runs the core's tests.
# Called by `make sanitize`, which puts the tools of .venv on the path. Further arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
build=build/sanitize

cmake --preset dev -DSOTTOVOCE_PYTHON=ON -DPython_EXECUTABLE="$(command -v python)" \
  -Dpybind11_DIR="$(python -m pybind11 --cmakedir)"
cmake --build "$build" --target _core

# A package of its own beside the build: our Python sources and the instrumented extension.
rm -rf "$build/site" && mkdir -p "$build/site"
cp -r python/sottovoce "$build/site/"
rm -f "$build"/site/sottovoce/_core*.so
cp "$build"/_core*.so "$build/site/sottovoce/"

# Leaks are not looked for: the interpreter itself keeps memory until the end. Left out: the slowest
# test, ten thousands of samples whose code the other tests of the search run as well.
LD_PRELOAD="$(g++ -print-file-name=libasan.so) $(g++ -print-file-name=libubsan.so)" \
  ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
  PYTHONPATH="$build/site" \
  python -m pytest -q -p no:cacheprovider tests/test_kernels.py tests/test_model.py \
  tests/test_log_mel.py tests/test_io.py tests/test_decoding.py tests/test_decode_batch.py \
  tests/test_logit_rules.py tests/test_search.py tests/test_contracts.py \
  --deselect tests/test_search.py::test_samples_follow_the_distribution "$@"
