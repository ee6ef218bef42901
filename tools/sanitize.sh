#!/usr/bin/env bash
# Builds the extension with sanitizers and runs the core's tests under them: "address" for
# AddressSanitizer and UndefinedBehaviorSanitizer, "thread" for ThreadSanitizer and the tests that
# use many. Called by `make sanitize` and `make sanitize-threads`, which put the tools of .venv on
# the path. Further arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
case "${1:-}" in
  address)
    preset=dev build=build/sanitize
    libraries="$(g++ -print-file-name=libasan.so) $(g++ -print-file-name=libubsan.so)"
    # Leaks are not looked for: the interpreter itself keeps memory until the end. Left out: the
    # slowest test, ten thousands of samples whose code the other tests of the search run as well.
    export ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
    tests=(tests/test_kernels.py tests/test_kernels_quantised.py tests/test_compute_types.py
      tests/test_model.py tests/test_packed.py tests/test_log_mel.py tests/test_io.py
      tests/test_byte_pairs.py tests/test_aside.py
      tests/test_decoding.py tests/test_decode_batch.py tests/test_logit_rules.py tests/test_logit_filter.py
      tests/test_search.py tests/test_loops.py tests/test_cancel.py tests/test_contracts.py tests/test_backend.py
      --deselect tests/test_search.py::test_samples_follow_the_distribution)
    ;;
  thread)
    preset=tsan build=build/tsan
    libraries="$(g++ -print-file-name=libtsan.so)"
    # OpenBLAS, which NumPy brings along, synchronises its threads out of sight.
    export TSAN_OPTIONS=halt_on_error=1:exitcode=66 OPENBLAS_NUM_THREADS=1 SOTTOVOCE_PATIENCE=600
    # Instrumented kernels are a hundred times slower: small models alone, and of those no long runs.
    # Forked children are left out as well, because ThreadSanitizer refuses threads there, and so is
    # OpenMP: libgomp is not instrumented, and what its threads pass on looks like races.
    unset SOTTOVOCE_TEST_MODELS SOTTOVOCE_DEV_DATA
    tests=(tests/test_threads.py tests/test_engine_batch.py tests/test_decode_batch.py tests/test_model.py tests/test_cancel.py
      -k "not fork and not memory and not hears[1] and not of_the_core and not many_recordings and not independent and not openmp")
    ;;
  *)
    echo "sanitize.sh: must be given 'address' or 'thread', got '${1:-}'" >&2
    exit 2
    ;;
esac
shift

cmake --preset "$preset" -DSOTTOVOCE_PYTHON=ON -DPython_EXECUTABLE="$(command -v python)" \
  -Dpybind11_DIR="$(python -m pybind11 --cmakedir)"
cmake --build "$build" --target _core

# A package of its own beside the build: our Python sources and the instrumented extension.
rm -rf "$build/site" && mkdir -p "$build/site"
cp -r python/sottovoce "$build/site/"
rm -f "$build"/site/sottovoce/_core*.so
cp "$build"/_core*.so "$build/site/sottovoce/"

LD_PRELOAD="$libraries" PYTHONPATH="$build/site" \
  python -m pytest -q -p no:cacheprovider "${tests[@]}" "$@"
