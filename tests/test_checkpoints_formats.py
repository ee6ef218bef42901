"""Opening models: what a directory is, CTranslate2 in every dtype, and what errors tell."""

import shutil
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ctranslate2_writer as ct2
import fake_core
import tiny_whisper
from huggingface_writer import write_model
from oracle.checkpoint import Dims, random_checkpoint, tensor_shapes
from sottovoce import WhisperModel
from sottovoce._core import Checkpoint, LoadError
from sottovoce.checkpoints import (
    model_path,
    open_checkpoint,
)

DIMS = Dims()
FIELDS = tuple(Dims.__dataclass_fields__)


@pytest.fixture
def tensors(rng):
    return random_checkpoint(DIMS, rng)


@pytest.fixture
def variables(tensors):
    return ct2.variables_of(tensors, DIMS.n_audio_head, DIMS.n_text_head)


def as_float32(array: np.ndarray) -> np.ndarray:
    if array.dtype == np.uint16:
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(np.float32)


def fused_with(name: str) -> set[str]:
    """The names that may share a matrix, and so a scale, with `name` in CTranslate2."""
    stem, _, role = name.rpartition(".")[0].rpartition(".")
    kind = name.rpartition(".")[2]
    parts = ("query", "key", "value")
    return {f"{stem}.{part}.{kind}" for part in parts} if role in parts else {name}


def test_float32_is_bitwise_what_was_written(tmp_path, tensors, variables):
    checkpoint = open_checkpoint(ct2.write_directory(tmp_path, ct2.model_bin(variables)))
    assert set(checkpoint.names()) == set(tensor_shapes(DIMS))
    for name, expected in tensors.items():
        assert checkpoint.dtype(name) == "float32"
        np.testing.assert_array_equal(checkpoint.tensor(name), expected, err_msg=name)


def test_dims_heads_and_suppressed_tokens(tmp_path, variables):
    checkpoint = open_checkpoint(ct2.write_directory(tmp_path, ct2.model_bin(variables)))
    for field in FIELDS:
        assert getattr(checkpoint.dims, field) == getattr(DIMS, field), field
    assert checkpoint.alignment_heads == [(1, 0), (1, 2)]
    assert checkpoint.suppress_tokens == [1, 2, 7]
    assert checkpoint.source == str(tmp_path)


def test_without_heads_and_suppressed_tokens(tmp_path, variables):
    config = {"alignment_heads": None}
    directory = ct2.write_directory(tmp_path, ct2.model_bin(variables), config)
    checkpoint = open_checkpoint(directory)
    assert checkpoint.alignment_heads is None
    assert checkpoint.suppress_tokens == []


@pytest.mark.parametrize(
    ("kind", "dtype", "tolerance"),
    [
        ("float16", "float16", 2**-11),  # half an ulp, relative
        ("bfloat16", "bfloat16", 2**-7),  # an ulp: the writer cuts off
        ("int8", "float32", 0.5 / 127),  # half a step of the row's largest
        ("int8_float16", "float32", 0.5 / 127),
        ("int8_bfloat16", "float32", 2**-7),  # of the biases
        ("int16", "float32", 0.5 / 2**10),  # half a step of the fused matrix's largest
    ],
)
def test_narrow_weights(tmp_path, tensors, variables, kind, dtype, tolerance):
    data = ct2.model_bin(ct2.quantised(variables, kind))
    checkpoint = open_checkpoint(ct2.write_directory(tmp_path, data))
    for name, expected in tensors.items():
        found = as_float32(checkpoint.tensor(name))
        assert found.shape == expected.shape, name
        largest = max(np.abs(tensors[other]).max() for other in fused_with(name) & set(tensors))
        bound = tolerance * largest * (1 + 1e-5)
        assert np.abs(found - expected).max() <= bound, name
        if name.endswith(".query.weight"):
            assert checkpoint.dtype(name) == dtype


def test_heads_and_tokens_that_are_not_there_count_for_nothing(tmp_path, variables):
    """Distilled models may ship the heads of their teacher."""
    config = {"alignment_heads": [[1, 0], [10, 17]], "suppress_ids": [-1, 3, 10**6]}
    data = ct2.model_bin(variables)
    checkpoint = open_checkpoint(ct2.write_directory(tmp_path, data, config))
    assert checkpoint.alignment_heads is None
    assert checkpoint.suppress_tokens == [3]


def test_dequantised_rows_are_integers_over_their_scale(tmp_path, variables):
    quantised = ct2.quantised(variables, "int8")
    checkpoint = open_checkpoint(ct2.write_directory(tmp_path, ct2.model_bin(quantised)))
    stacked = "decoder/layer_1/attention/linear_1/weight"
    n = DIMS.n_text_state
    expected = quantised[stacked][n:] / quantised[f"{stacked}_scale"][n:, None]
    found = checkpoint.tensor("decoder.blocks.1.cross_attn.value.weight")
    np.testing.assert_array_equal(found, expected)


def test_an_alias_stands_for_a_variable_and_its_scale(tmp_path, tensors, variables):
    # Equal arrays are stored once: here, block 1 has the matrix of block 0.
    quantised = ct2.quantised(variables, "int8")
    alias, target = (f"encoder/layer_{layer}/ffn/linear_0/weight" for layer in (1, 0))
    for name in (alias, f"{alias}_scale"):
        del quantised[name]
    data = ct2.model_bin(quantised, {alias: target})
    checkpoint = open_checkpoint(ct2.write_directory(tmp_path, data))
    first, second = (checkpoint.tensor(f"encoder.blocks.{layer}.mlp.0.weight") for layer in (0, 1))
    np.testing.assert_array_equal(first, second)


def test_a_file_of_the_directory_opens_it(tmp_path, variables):
    directory = ct2.write_directory(tmp_path, ct2.model_bin(variables))
    assert model_path(directory / "model.bin") == directory
    assert open_checkpoint(directory / "model.bin").source == str(directory)


def test_the_file_may_go_once_it_is_open(tmp_path, tensors, variables):
    checkpoint = open_checkpoint(ct2.write_directory(tmp_path / "m", ct2.model_bin(variables)))
    shutil.rmtree(tmp_path / "m")
    found = checkpoint.tensor("encoder.conv1.weight")
    np.testing.assert_array_equal(found, tensors["encoder.conv1.weight"])


@pytest.mark.parametrize("windows", ["sequential", "independent"])
def test_a_network_of_shorter_windows_hears_all_of_a_recording(tmp_path, rng, windows):
    dims = replace(tiny_whisper.dims(), n_audio_ctx=750, n_text_ctx=200)
    fake_core.write_tokenizer_json(tmp_path, dims.n_vocab)
    model = WhisperModel(write_model(tmp_path, random_checkpoint(dims, rng), dims))
    samples = rng.standard_normal(16000 * 40).astype(np.float32) * 0.1
    heard = model.transcribe(
        samples, temperature=0.0, sample_len=4, windows=windows, policy="openai"
    )
    assert heard.segments[-1].end > 30


# What is told when a file is wrong.


def open_bytes(tmp_path: Path, data: bytes, config: dict | None = None) -> Checkpoint:
    return open_checkpoint(ct2.write_directory(tmp_path, data, config))


@pytest.mark.parametrize("fraction", [0.0, 0.0001, 0.1, 0.5, 0.9, 0.9999])
def test_truncated(tmp_path, variables, fraction):
    data = ct2.model_bin(variables)
    with pytest.raises(LoadError, match=r"model\.bin: "):
        open_bytes(tmp_path, data[: int(fraction * len(data))])


def test_every_truncation_of_the_head_is_told(tmp_path, variables):
    data = ct2.model_bin(variables)
    for n_bytes in range(1, 120):
        with pytest.raises(LoadError, match=r"needs \d+ bytes at offset"):
            open_bytes(tmp_path, data[:n_bytes])


def test_damage_is_an_error_and_no_crash(tmp_path, variables, rng):
    data = bytearray(ct2.model_bin(ct2.quantised(variables, "int8")))
    for _ in range(150):
        damaged = data.copy()
        for at in rng.integers(0, 2000, 3):
            damaged[at] = rng.integers(256)
        try:
            open_bytes(tmp_path, bytes(damaged))
        except LoadError as error:
            assert "model.bin" in str(error)  # noqa: PT017


def test_bytes_too_many(tmp_path, variables):
    with pytest.raises(LoadError, match="3 bytes follow the last entry"):
        open_bytes(tmp_path, ct2.model_bin(variables) + b"abc")


def test_lying_length(tmp_path, variables):
    data = bytearray(ct2.model_bin(variables))
    name = b"encoder/conv1/bias\0"
    at = data.index(name) + len(name) + 1 + 4 + 1  # rank, one dimension, type
    struct.pack_into("<I", data, at, 7)
    with pytest.raises(LoadError, match=r"encoder/conv1/bias: \(96,\) float32 must be 384 bytes"):
        open_bytes(tmp_path, bytes(data))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("version", 5, "binary version must be 6, got 5"),
        ("version", 0x46554747, "a GGUF file, which is not read"),
        ("spec", "TransformerSpec", "spec must be WhisperSpec, got TransformerSpec"),
        ("revision", 4, "revision must be at most 3, got 4"),
    ],
)
def test_foreign_header(tmp_path, variables, field, value, message):
    with pytest.raises(LoadError, match=message):
        open_bytes(tmp_path, ct2.model_bin(variables, **{field: value}))


def test_unknown_dtype(tmp_path, variables):
    data = bytearray(ct2.model_bin(variables))
    name = b"encoder/conv1/bias\0"
    data[data.index(name) + len(name) + 1 + 4] = 9
    with pytest.raises(LoadError, match=r"encoder/conv1/bias: dtype id must be one of 0\.\.5"):
        open_bytes(tmp_path, bytes(data))


@pytest.mark.parametrize(
    "name",
    [
        "encoder/conv1/weight",
        "encoder/num_heads",
        "decoder/layer_1/attention/linear_1/bias",
        "decoder/layer_0/ffn/layer_norm/gamma",
    ],
)
def test_missing_tensor(tmp_path, variables, name):
    del variables[name]
    with pytest.raises(LoadError, match=f"tensor {name} is missing"):
        open_bytes(tmp_path, ct2.model_bin(variables))


def test_missing_layer(tmp_path, variables):
    kept = {name: value for name, value in variables.items() if "encoder/layer_0/" not in name}
    with pytest.raises(LoadError, match=r"encoder/layer_0/\S+ is missing"):
        open_bytes(tmp_path, ct2.model_bin(kept))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("encoder/conv1/weight", np.zeros((96, 80), np.float32), "rank must be 3"),
        ("encoder/num_heads", np.float32(6), "must be an integer scalar, got .* float32"),
        ("decoder/layer_0/ffn/linear_0/weight", np.zeros((4, 4), np.int32), "int32 weights"),
        (
            "decoder/layer_0/self_attention/linear_0/bias",
            np.zeros(289, np.float32),
            "rows must be a multiple of 3",
        ),
        ("decoder/layer_0/self_attention/num_heads_kv", np.int32(1), "num_heads_kv"),
    ],
)
def test_tensor_of_another_kind(tmp_path, variables, name, value, message):
    variables[name] = value
    with pytest.raises(LoadError, match=message):
        open_bytes(tmp_path, ct2.model_bin(variables))


@pytest.mark.parametrize(
    ("scale", "message"),
    [
        (None, "weight_scale is missing"),
        (np.ones(7, np.float32), r"weight_scale must be \(288,\), one an output row, got \(7,\)"),
        (np.zeros(288, np.float32), "scales must be finite and positive"),
        (np.full(288, np.nan, np.float32), "scales must be finite and positive"),
    ],
)
def test_wrong_scale(tmp_path, variables, scale, message):
    quantised = ct2.quantised(variables, "int8")
    name = "decoder/layer_0/self_attention/linear_0/weight_scale"
    if scale is None:
        del quantised[name]
    else:
        quantised[name] = scale
    with pytest.raises(LoadError, match=message):
        open_bytes(tmp_path, ct2.model_bin(quantised))


def test_alias_of_nothing(tmp_path, variables):
    with pytest.raises(LoadError, match="a/b stands for c/d, which is missing"):
        open_bytes(tmp_path, ct2.model_bin(variables, {"a/b": "c/d"}))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"alignment_heads": [[1, 2, 3]]}, "alignment_heads must be a list of integer pairs"),
        ({"suppress_ids": "all"}, "suppress_ids must be a list of integers, got 'all'"),
    ],
)
def test_config_of_another_kind(tmp_path, variables, config, message):
    with pytest.raises(LoadError, match=rf"config\.json: {message}"):
        open_bytes(tmp_path, ct2.model_bin(variables), config)


@pytest.mark.parametrize("text", ["", "{", "[1]", b"\xff\xfe"])
def test_config_is_no_object(tmp_path, variables, text):
    directory = ct2.write_directory(tmp_path, ct2.model_bin(variables))
    (directory / "config.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(LoadError, match=r"config\.json: "):
        open_checkpoint(directory)


def test_no_model_here(tmp_path):
    with pytest.raises(LoadError, match="no such file or directory"):
        open_checkpoint(tmp_path / "absent")
    with pytest.raises(LoadError, match=r"no model in it \(it is empty\)"):
        open_checkpoint(tmp_path)
    (tmp_path / "tiny.onnx").touch()
    with pytest.raises(LoadError, match=r"it holds tiny\.onnx"):
        open_checkpoint(tmp_path)
    (tmp_path / "pytorch_model.bin").touch()
    with pytest.raises(LoadError, match=r"pytorch_model\.bin: is empty"):
        open_checkpoint(tmp_path / "pytorch_model.bin")


def test_real_models(tiny_en_dir, base_dir):
    tiny, base = open_checkpoint(tiny_en_dir), open_checkpoint(base_dir)
    assert (tiny.dims.n_vocab, tiny.dims.n_text_layer, tiny.dims.n_text_head) == (51864, 4, 6)
    assert (base.dims.n_vocab, base.dims.n_audio_state, base.dims.n_audio_ctx) == (51865, 512, 1500)
    assert tiny.dtype("encoder.conv1.weight") == "float16"
    assert len(base.alignment_heads or []) == 8
    assert len(tiny.suppress_tokens) == 90
