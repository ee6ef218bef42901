#!/usr/bin/env bash
# Builds the extension with Clang, with GCC's standard library and with LLVM's, warnings as errors, and
# runs the tests of the kernels, the reader and packed weights on both. Called by `make clang`, which
# puts the tools of .venv on the path. Arguments go to pytest; CLANG names a version other than 14.
#
# What is missing is installed by apt (Debian or Ubuntu, as root; else one line of advice).
set -euo pipefail
cd "$(dirname "$0")/.."
version=${CLANG:-14}

if ! command -v "clang++-$version" >/dev/null || [ ! -d "/usr/lib/llvm-$version/include/c++/v1" ]; then
  tools="clang-$version libc++-$version-dev libc++abi-$version-dev libomp-$version-dev"
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "clang: the compiler is missing; sudo apt-get install $tools" >&2
    exit 1
  fi
  echo "clang: installing $tools with apt-get"
  apt-get -qq update
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $tools >/dev/null
fi

# build LIBRARY OPTIONS...: the package with an extension of this compiler, in build/clang-LIBRARY/site.
build() {
  local build=build/clang-$1
  cmake -G Ninja -B "$build" -DCMAKE_CXX_COMPILER="clang++-$version" -DSOTTOVOCE_DEV=ON \
    -DCMAKE_CXX_FLAGS="-stdlib=$1" -DSOTTOVOCE_PYTHON=ON "${@:2}" \
    -DPython_EXECUTABLE="$(command -v python)" \
    -Dpybind11_DIR="$(python -m pybind11 --cmakedir)" >/dev/null
  cmake --build "$build" --target _core
  rm -rf "$build/site" && mkdir -p "$build/site"
  cp -r python/sottovoce "$build/site/"
  rm -f "$build"/site/sottovoce/_core*.so
  cp "$build"/_core*.so "$build/site/sottovoce/"
}

build libstdc++
build libc++ -DSOTTOVOCE_OPENMP=OFF
for library in libstdc++ libc++; do
  echo "clang: tests with $library"
  PYTHONPATH=build/clang-$library/site python -m pytest -q -p no:cacheprovider \
    tests/test_kernels.py tests/test_kernels_quantised.py tests/test_log_mel.py tests/test_io.py \
    tests/test_packed.py "$@"
done
