#!/usr/bin/env bash
# Makes the virtual environment that the Makefile works in: tools/setup.sh DIRECTORY
#
# Needs a C++ compiler and Python with its headers; a Debian or Ubuntu machine that lacks python3-venv
# or python3-dev gets them from apt when we may install, and one line of advice when we may not.
set -euo pipefail

venv=$1
python=${PYTHON:-python3}

fail() {
  echo "setup: $*" >&2
  exit 1
}

install_debian() {
  local sudo=""
  if [ "$(id -u)" != 0 ]; then
    sudo -n true 2>/dev/null || fail "this Python lacks $*; install it: sudo apt-get install $*"
    sudo="sudo -n"
  fi
  command -v apt-get >/dev/null || fail "this Python lacks $*; install it with your package manager"
  echo "installing $* with apt-get"
  $sudo apt-get update -qq || fail "apt-get update failed; install by hand: $*"
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq "$@" >/dev/null ||
    fail "apt-get could not install $*"
}

command -v "$python" >/dev/null || fail "no $python; install Python 3.10 or newer"
command -v c++ >/dev/null || command -v g++ >/dev/null || fail "no C++ compiler; install g++"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
  fail "Python 3.10 or newer is needed, $python is $("$python" -V 2>&1)"

missing=""
"$python" -c 'import ensurepip, venv' 2>/dev/null || missing="python3-venv"
"$python" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")))' ||
  missing="$missing python3-dev"
# shellcheck disable=SC2086
[ -z "$missing" ] || install_debian $missing

echo "creating $venv"
rm -rf "$venv"
"$python" -m venv "$venv"
"$venv/bin/pip" install -q --disable-pip-version-check --upgrade pip \
  "scikit-build-core>=0.11,<2" "pybind11>=3.0,<4" cmake ninja ||
  fail "PyPI could not be reached; check the network or pip's configuration and try again"
