#!/usr/bin/env bash
# Cross-builds the extension for AArch64 and runs tests of the core in an emulated Python: the kernels'
# on a CPU with every extension and on one without dot products, those of the model on the first.
# Called by `make test-aarch64`, which puts the tools of .venv on the path. Arguments go to pytest.
#
# Needs Debian. The compiler and qemu are installed by apt (as root; else one line of advice). Python
# for AArch64 and its libraries are only unpacked, into build/aarch64/sysroot.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$PWD/build/aarch64
sysroot=$build/sysroot

fail() {
  echo "aarch64: $*" >&2
  exit 1
}

# apt-get for another architecture, with lists and a cache of its own and nothing installed.
foreign_apt() {
  apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o Debug::NoLocking=1 \
    -o Dir::State="$build/apt" -o Dir::State::status="$build/apt/status" \
    -o Dir::Cache="$build/apt" "$@"
}

command -v apt-get >/dev/null || fail "this script knows Debian's packages alone"
if ! command -v aarch64-linux-gnu-g++ >/dev/null || ! command -v qemu-aarch64 >/dev/null; then
  tools="g++-aarch64-linux-gnu qemu-user"
  [ "$(id -u)" = 0 ] || fail "the tools are missing; sudo apt-get install $tools"
  echo "aarch64: installing $tools with apt-get"
  apt-get -qq update
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $tools >/dev/null
fi

if [ ! -e "$build/unpacked" ]; then
  echo "aarch64: unpacking Debian's Python for arm64 into $sysroot"
  rm -rf "$sysroot" "$build/apt"
  mkdir -p "$build/apt/lists/partial" "$build/apt/archives/partial" "$sysroot/usr/lib"
  ln -s usr/lib "$sysroot/lib"
  touch "$build/apt/status"
  foreign_apt update
  foreign_apt install -y --download-only --no-install-recommends python3 libpython3-dev libstdc++6
  for package in "$build"/apt/archives/*.deb; do dpkg-deb -x "$package" "$sysroot"; done
  printf '#!/bin/sh\nexec qemu-aarch64 -L %s %s/usr/bin/python3 "$@"\n' "$sysroot" "$sysroot" \
    >"$build/python"
  chmod +x "$build/python"
  touch "$build/unpacked"
fi

version=$("$build/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
if [ ! -e "$build/fetched" ]; then
  echo "aarch64: fetching NumPy, PyAV, safetensors and pytest for Python $version on AArch64 from PyPI"
  # shellcheck disable=SC2046
  python -m pip install -q --disable-pip-version-check --target "$build/site" --upgrade \
    --only-binary :all: --python-version "$version" --implementation cp \
    --platform manylinux2014_aarch64 --platform manylinux_2_28_aarch64 numpy av \
    $(grep -E '^(pytest|safetensors)>' tools/test-requirements.txt)
  touch "$build/fetched"
fi

# Without OpenMP, whose library is not unpacked: so it is also what shows that nothing needs it.
cmake -Wno-unused-cli -G Ninja -B "$build/core" -DCMAKE_TOOLCHAIN_FILE=cmake/aarch64-linux-gnu.cmake \
  -DCMAKE_SYSROOT="$sysroot" -DSOTTOVOCE_DEV=ON -DSOTTOVOCE_PYTHON=ON -DSOTTOVOCE_OPENMP=OFF \
  -DPython_EXECUTABLE="$build/python" -Dpybind11_DIR="$(python -m pybind11 --cmakedir)" >/dev/null
cmake --build "$build/core" --target _core

cp -r python/sottovoce "$build/site/"
rm -f "$build"/site/sottovoce/_core*.so
cp "$build"/core/_core*.so "$build/site/sottovoce/"

# test CPU ARGUMENTS...: pytest on an emulated CPU.
test() {
  export QEMU_CPU=$1 PYTHONPATH=$build/site PYTHONDONTWRITEBYTECODE=1
  echo "aarch64: tests on qemu's $1, tables" \
    "$("$build/python" -c 'from sottovoce import _core; print(*_core.available_isas())')"
  "$build/python" -m pytest -q -p no:cacheprovider "${@:2}"
}

kernels="tests/test_kernels.py tests/test_kernels_quantised.py tests/test_log_mel.py"
# Left out: qemu-user itself aborts in a child that is forked beside threads.
# shellcheck disable=SC2086
test max $kernels tests/test_model.py tests/test_compute_types.py tests/test_io.py tests/test_vad.py \
  --deselect tests/test_model.py::test_a_forked_child_computes_and_lets_go "$@"
# shellcheck disable=SC2086
test cortex-a57 $kernels "$@"
