#!/usr/bin/env bash
# Builds the extension with AddressSanitizer and UndefinedBehaviorSanitizer and runs the core's tests.
# Called by `make sanitize`, which puts the tools of .venv on the path.
set -euo pipefail
cd "$(dirname "$0")/.."

cmake --preset dev -DSOTTOVOCE_PYTHON=ON -DPython_EXECUTABLE="$(command -v python)" \
  -Dpybind11_DIR="$(python -m pybind11 --cmakedir)"
cmake --build build/dev --target _core

# A package of its own beside the build: our Python sources and the instrumented extension.
rm -rf build/dev/site && mkdir -p build/dev/site
cp -r python/sottovoce build/dev/site/
rm -f build/dev/site/sottovoce/_core*.so
cp build/dev/_core*.so build/dev/site/sottovoce/

# Leaks are not looked for: the interpreter itself keeps memory until the end.
LD_PRELOAD="$(g++ -print-file-name=libasan.so) $(g++ -print-file-name=libubsan.so)" \
  ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
  PYTHONPATH=build/dev/site \
  python -m pytest -q -p no:cacheprovider tests/test_kernels.py tests/test_model.py \
  tests/test_log_mel.py tests/test_io.py tests/test_decoding.py tests/test_logit_rules.py \
  tests/test_search.py
