#!/usr/bin/env bash
# Builds and installs sottovoce with the oldest versions that pyproject.toml allows, in an environment
# of its own, and runs the tests of what uses them. Called by `make test-lowest`; PYTHON names the
# interpreter. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
venv=build/lowest/$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')

# "numpy>=1.2" becomes numpy==1.2.
mapfile -t oldest < <(grep -oE '"[A-Za-z0-9_-]+>=[0-9.]+' pyproject.toml | tr -d '"' | sed 's/>=/==/' |
  grep -v '^cmake==')
echo "lowest: $("$python" -V), ${oldest[*]}"
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/pip" install -q --disable-pip-version-check --only-binary :all: "${oldest[@]}" \
  ninja cmake 'pytest>=8,<10' 'pytest-xdist>=3.6,<4' pysubs2 srt webvtt-py
"$venv/bin/pip" install -q --disable-pip-version-check --no-build-isolation --no-deps --force-reinstall .
"$venv/bin/pip" check --disable-pip-version-check

"$venv/bin/python" -m pytest -q -p no:cacheprovider tests/test_audio_*.py tests/test_checkpoints_*.py \
  tests/test_cli*.py tests/test_io.py tests/test_kernels.py tests/test_model.py \
  tests/test_whisper_model.py tests/test_writers.py "$@"
