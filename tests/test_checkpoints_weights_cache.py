"""A model directory by way of a folder of packed weights: the second start opens no checkpoint."""

import hashlib
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import ctranslate2_writer as ct2
import oracle
import tiny_whisper
from huggingface_writer import write_model
from sottovoce import WhisperModel, _core, checkpoints
from sottovoce.checkpoints import formats, weights_cache
from test_packed import DIMS, assert_same, output

RUNTIME = weights_cache.Runtime(
    n_threads=2, isa="", compute_type="int8", threading="pool", device=""
)


@pytest.fixture
def directory(tmp_path, rng):
    directory = tmp_path / "model"
    directory.mkdir()
    return write_model(directory, oracle.random_checkpoint(DIMS, rng), DIMS)


@pytest.fixture
def opened(monkeypatch):
    """The checkpoints that were opened."""
    seen = []
    real = formats.open_checkpoint
    for door in (formats, checkpoints):
        monkeypatch.setattr(door, "open_checkpoint", lambda p: (seen.append(p), real(p))[1])
    return seen


def direct(directory):
    return _core.Model(formats.open_checkpoint(directory), **RUNTIME)


def test_the_second_start_opens_no_checkpoint(tmp_path, directory, opened):
    folder = tmp_path / "cache"
    first = weights_cache.open_core(directory, folder, RUNTIME)
    second = weights_cache.open_core(directory, folder, RUNTIME)
    assert len(opened) == 1
    assert_same(first, second)
    assert_same(direct(directory), second)


@pytest.mark.parametrize("damage", ["truncate", "flip", "remove"])
def test_a_damaged_file_is_written_anew(tmp_path, directory, opened, damage):
    weights_cache.open_core(directory, tmp_path / "cache", RUNTIME)
    (path,) = (tmp_path / "cache").iterdir()
    contents = path.read_bytes()
    if damage == "truncate":
        os.truncate(path, len(contents) // 2)
    elif damage == "flip":
        path.write_bytes(contents[:-1] + b"\xff")
    else:
        path.unlink()
    assert_same(weights_cache.open_core(directory, tmp_path / "cache", RUNTIME), direct(directory))
    assert path.read_bytes() == contents
    assert len(opened) == 3


def test_a_changed_checkpoint_is_packed_anew(tmp_path, directory, rng):
    old = weights_cache.open_core(directory, tmp_path / "cache", RUNTIME)
    before = [array.copy() for array in output(old)]
    write_model(directory, oracle.random_checkpoint(DIMS, rng), DIMS)
    new = weights_cache.open_core(directory, tmp_path / "cache", RUNTIME)
    assert_same(new, direct(directory))
    assert not np.array_equal(output(new)[0], before[0])
    np.testing.assert_array_equal(output(old)[0], before[0])
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_a_checkpoint_that_changes_while_it_is_read_is_not_kept(
    tmp_path, directory, rng, monkeypatch
):
    real = formats.open_checkpoint

    def open_and_change(path):
        checkpoint = real(path)
        (directory / "model.safetensors").unlink()
        write_model(directory, oracle.random_checkpoint(DIMS, rng), DIMS)
        return checkpoint

    before = direct(directory)
    with monkeypatch.context() as patch:
        patch.setattr(formats, "open_checkpoint", open_and_change)
        read = weights_cache.open_core(directory, tmp_path / "cache", RUNTIME)
    assert_same(read, before)
    assert not (tmp_path / "cache").exists()
    assert_same(weights_cache.open_core(directory, tmp_path / "cache", RUNTIME), direct(directory))


def test_ctranslate2_directories_too(tmp_path, rng, opened):
    variables = ct2.variables_of(oracle.random_checkpoint(DIMS, rng), 2, 2)
    (tmp_path / "model").mkdir()
    config = {"alignment_heads": [[1, 1]]}
    directory = ct2.write_directory(tmp_path / "model", ct2.model_bin(variables), config)
    for _ in range(2):
        model = weights_cache.open_core(directory, tmp_path / "cache", RUNTIME)
    assert len(opened) == 1
    assert_same(model, direct(directory))


def test_a_folder_that_cannot_be_written_costs_a_warning(tmp_path, directory):
    (tmp_path / "file").touch()
    with pytest.warns(RuntimeWarning, match=r"packed weights are not kept: cannot make folder"):
        model = weights_cache.open_core(directory, tmp_path / "file" / "cache", RUNTIME)
    assert_same(model, direct(directory))


def test_a_bad_checkpoint_leaves_nothing(tmp_path, directory):
    (directory / "model.safetensors").write_bytes(b"")
    with pytest.raises(_core.LoadError, match=r"is empty"):
        weights_cache.open_core(directory, tmp_path / "cache", RUNTIME)
    assert not (tmp_path / "cache").exists()


def test_processes_that_start_together(tmp_path, directory):
    """All pack or map, and all compute the same."""
    program = (
        "import sys, hashlib\n"
        "from pathlib import Path\n"
        "sys.path.insert(0, sys.argv[3])\n"
        "from sottovoce.checkpoints import weights_cache\n"
        "from test_checkpoints_weights_cache import RUNTIME, output\n"
        "for _ in range(5):\n"
        "    model = weights_cache.open_core(Path(sys.argv[1]), Path(sys.argv[2]), RUNTIME)\n"
        "    for path in Path(sys.argv[2]).glob('*.packed'): path.unlink(missing_ok=True)\n"
        "    print(hashlib.sha256(b''.join(a.tobytes() for a in output(model))).hexdigest())\n"
    )
    command = [sys.executable, "-c", program, str(directory), str(tmp_path / "cache")]
    here = str(Path(__file__).parent)
    running = [
        subprocess.Popen([*command, here], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    said = [process.communicate(timeout=120)[0].split() for process in running]
    expected = hashlib.sha256(b"".join(a.tobytes() for a in output(direct(directory)))).hexdigest()
    assert said == [[expected] * 5] * 3
    assert not list((tmp_path / "cache").glob("*.draft"))


# --- WhisperModel ---


def test_whisper_model_takes_a_folder_or_the_users_cache(tmp_path, monkeypatch, opened):
    monkeypatch.setenv("SOTTOVOCE_CACHE", str(tmp_path / "user"))
    directory = tiny_whisper.write(tmp_path / "model")
    clip = np.random.default_rng(0).normal(0, 0.05, 16000).astype(np.float32)
    texts = set()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for where in (False, True, True, str(tmp_path / "named"), tmp_path / "named"):
            model = WhisperModel(directory, weights_cache=where)
            segments, _ = model.transcribe(clip, language="en", temperature=0.0)
            texts.add(json.dumps([segment.tokens for segment in segments]))
    assert len(texts) == 1
    assert len(opened) == 3
    assert weights_cache.default_folder() == tmp_path / "user" / "packed"
    folders = (weights_cache.default_folder(), tmp_path / "named")
    assert [len(list(folder.iterdir())) for folder in folders] == [1, 1]


def test_weights_that_are_not_kept_are_told_where_the_model_is_made(tmp_path):
    directory = tiny_whisper.write(tmp_path / "model")
    with pytest.warns(RuntimeWarning, match="packed weights are not kept") as told:
        WhisperModel(directory, weights_cache="/proc/nowhere")
    assert told[0].filename == __file__
