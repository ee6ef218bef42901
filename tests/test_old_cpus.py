"""CPUs of other years, emulated: which tables they are given, and the same bits from them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import oracle
from huggingface_writer import write_model
from oracle import Dims
from sottovoce import _core

QEMU = shutil.which("qemu-x86_64")
pytestmark = pytest.mark.skipif(
    QEMU is None or os.uname().machine != "x86_64" or "LD_PRELOAD" in os.environ,
    reason="emulates x86-64 with qemu-x86_64, which is not there; sanitizers do not run in it",
)

TABLES = {
    "core2duo": ["scalar"],
    "Nehalem": ["scalar"],
    "SandyBridge": ["scalar"],  # AVX alone
    "Haswell": ["scalar", "avx2"],
    "Haswell,-fma": ["scalar"],
    "Haswell,-f16c": ["scalar"],
    "Haswell,-xsave": ["scalar"],  # a system that does not keep the registers
    "EPYC": ["scalar", "avx2"],
}
DIMS = Dims(n_audio_state=24, n_audio_head=2, n_text_state=24, n_text_head=2, n_vocab=97)

# Loads the extension alone: NumPy itself does not run on a Core 2.
HEAD = f"""
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("_core", {_core.__file__!r})
_core = importlib.util.module_from_spec(spec)
spec.loader.exec_module(_core)
"""
COMPUTE = """
import numpy as np
model = _core.Model(_core.Checkpoint.open(sys.argv[1]), compute_type=sys.argv[2], n_threads=1)
features = model.encode(np.load(sys.argv[3]))
np.save(sys.argv[4], np.concatenate([features.values, model.logits([1, 2, 3], features)], None))
"""
PACK = """
model = _core.Model(_core.Checkpoint.open(sys.argv[1]), compute_type="int8", n_threads=1)
print(_core.save_packed(model, sys.argv[2], "me"))
"""


def run(cpu: str, program: str, *arguments: object) -> str:
    command = [QEMU, "-cpu", cpu, sys.executable, "-c", HEAD + program, *map(str, arguments)]
    environment = {name: value for name, value in os.environ.items() if name != "SOTTOVOCE_ISA"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("cpu", "tables"), TABLES.items(), ids=TABLES)
def test_a_cpu_is_given_what_it_can_run(cpu, tables):
    assert json.loads(run(cpu, "print(json.dumps(_core.available_isas()))")) == tables


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory) -> Path:
    tensors = oracle.random_checkpoint(DIMS, np.random.default_rng(11))
    return write_model(tmp_path_factory.mktemp("model"), tensors, DIMS)


def test_the_oldest_cpu_packs_the_same_bytes(model_dir, tmp_path):
    assert run("core2duo", PACK, model_dir, tmp_path / "theirs") == "True\n"
    checkpoint = _core.Checkpoint.open(str(model_dir))
    ours = _core.Model(checkpoint, isa="scalar", compute_type="int8")
    _core.save_packed(ours, str(tmp_path / "ours"), "me")
    assert (tmp_path / "theirs").read_bytes() == (tmp_path / "ours").read_bytes()


@pytest.mark.parametrize("compute_type", ["float32", "bfloat16", "int8"])
@pytest.mark.parametrize(
    "cpu", [pytest.param("Nehalem", marks=pytest.mark.slow), "Haswell"], ids=str
)
def test_an_old_cpu_computes_the_same_bits(model_dir, tmp_path, rng, cpu, compute_type):
    isa = TABLES[cpu][-1]
    if isa not in _core.available_isas():
        pytest.skip(f"this machine has no {isa}")
    mel = rng.standard_normal((DIMS.n_mels, 2 * DIMS.n_audio_ctx)).astype(np.float32)
    np.save(tmp_path / "mel.npy", mel)
    run(cpu, COMPUTE, model_dir, compute_type, tmp_path / "mel.npy", tmp_path / "out.npy")
    checkpoint = _core.Checkpoint.open(str(model_dir))
    model = _core.Model(checkpoint, isa=isa, compute_type=compute_type)
    features = model.encode(mel)
    ours = np.concatenate([features.values, model.logits([1, 2, 3], features)], None)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), ours)
