"""LoRA adapters: W + scale B A, onto the base that is named or given; nothing is left out."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

import fake_core
import tiny_whisper
import torch_writer as torch
from fake_core import MULTILINGUAL
from huggingface_writer import as_kind, save, write_model
from oracle.checkpoint import Dims, random_checkpoint
from sottovoce import WhisperModel
from sottovoce._core import LoadError
from sottovoce.checkpoints import is_model_directory, open_checkpoint

DIMS = Dims()
N = DIMS.n_text_state
PREFIX = "base_model.model.model."
QUERY = "decoder.layers.1.encoder_attn.q_proj"
OURS = "decoder.blocks.1.cross_attn.query.weight"


@pytest.fixture
def tensors(rng):
    return random_checkpoint(DIMS, rng)


@pytest.fixture
def base(tmp_path, tensors):
    (tmp_path / "base").mkdir()
    return write_model(tmp_path / "base", tensors, DIMS)


@pytest.fixture
def factors(rng):
    return {
        f"{PREFIX}{QUERY}.lora_A.weight": rng.standard_normal((4, N)).astype(np.float32),
        f"{PREFIX}{QUERY}.lora_B.weight": rng.standard_normal((N, 4)).astype(np.float32),
    }


def write(directory, tensors, base="../base", **config):
    directory.mkdir(exist_ok=True)
    config = {"peft_type": "LORA", "base_model_name_or_path": str(base), "r": 4, **config}
    (directory / "adapter_config.json").write_text(json.dumps({"lora_alpha": 8, **config}))
    save_file(tensors, directory / "adapter_model.safetensors")
    return directory


def merged(weight, factors, scale):
    a, b = factors.values()
    return weight + scale * (b.astype(np.float64) @ a)


@pytest.mark.parametrize(
    ("config", "scale"),
    [
        ({}, 2.0),
        ({"use_rslora": True}, 4.0),
        ({"alpha_pattern": {"encoder_attn.q_proj": 2}}, 0.5),
        ({"alpha_pattern": {"self_attn.q_proj": 2}}, 2.0),
    ],
)
def test_merged_weights(tmp_path, base, tensors, factors, config, scale):
    checkpoint = open_checkpoint(write(tmp_path / "adapter", factors, **config))
    expected = merged(tensors[OURS], factors, scale)
    found = checkpoint.tensor(OURS)
    a, b = factors.values()
    bound = 8 * np.finfo(np.float32).eps * (np.abs(tensors[OURS]) + scale * np.abs(b) @ np.abs(a))
    assert (np.abs(found - expected) <= bound).all()
    for name in checkpoint.names():
        if name != OURS:
            np.testing.assert_array_equal(checkpoint.tensor(name), tensors[name])


def test_layers_trained_as_a_whole_and_embeddings(tmp_path, base, tensors, rng):
    bias = rng.standard_normal(N).astype(np.float32)
    a = rng.standard_normal((2, DIMS.n_vocab)).astype(np.float32)
    b = rng.standard_normal((N, 2)).astype(np.float32)
    adapter = {
        f"{PREFIX}decoder.layer_norm.modules_to_save.bias": bias,
        f"{PREFIX}decoder.embed_tokens.lora_embedding_A": a,
        f"{PREFIX}decoder.embed_tokens.lora_embedding_B": b,
    }
    checkpoint = open_checkpoint(write(tmp_path / "adapter", adapter))
    np.testing.assert_array_equal(checkpoint.tensor("decoder.ln.bias"), bias)
    embedding = tensors["decoder.token_embedding.weight"]
    bound = 8 * np.finfo(np.float32).eps * (np.abs(embedding) + 4 * np.abs(b @ a).max())
    found = checkpoint.tensor("decoder.token_embedding.weight")
    assert (np.abs(found - (embedding + 4 * (b @ a).T)) <= bound).all()


def test_the_base_may_be_given_and_be_of_another_format(tmp_path, tensors, factors):
    (tmp_path / "base.pt").write_bytes(torch.openai_file(tensors, DIMS))
    adapter = write(tmp_path / "adapter", factors, base="openai/whisper-nowhere")
    found = open_checkpoint(adapter, base=tmp_path / "base.pt").tensor(OURS)
    np.testing.assert_allclose(found, merged(tensors[OURS], factors, 2.0), rtol=1e-5, atol=1e-5)
    with pytest.raises(LoadError, match="a base is for LoRA adapters"):
        open_checkpoint(tmp_path / "adapter" / "..", base=tmp_path)


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float64"])
def test_factors_of_other_dtypes(tmp_path, base, tensors, factors, kind):
    adapter = write(tmp_path / "adapter", {})
    narrow = factors if kind == "float64" else {n: as_kind(t, kind) for n, t in factors.items()}
    if kind == "float64":
        save_file(
            {name: tensor.astype(np.float64) for name, tensor in factors.items()},
            adapter / "adapter_model.safetensors",
        )
    else:
        save(adapter / "adapter_model.safetensors", factors, kind)
    numbers = {
        name: (t.astype(np.uint32) << 16).view(np.float32) if kind == "bfloat16" else t
        for name, t in narrow.items()
    }
    expected = merged(tensors[OURS], {n: t.astype(np.float32) for n, t in numbers.items()}, 2.0)
    found = open_checkpoint(adapter).tensor(OURS)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_a_dtype_that_no_adapter_has(tmp_path, base, factors):
    name = f"{PREFIX}{QUERY}.lora_A.weight"
    adapter = write(tmp_path / "adapter", {**factors, name: np.ones((4, N), np.int64)})
    with pytest.raises(LoadError, match=r"lora_A\.weight: dtype must be one of F32, .* got I64"):
        open_checkpoint(adapter)


def test_the_older_file_and_a_float16_base(tmp_path, tensors, factors):
    (tmp_path / "base").mkdir()
    write_model(tmp_path / "base", tensors, DIMS, "float16")
    adapter = write(tmp_path / "adapter", factors)
    (adapter / "adapter_model.safetensors").unlink()
    torch.write_state_dict(adapter / "adapter_model.bin", factors)
    found = open_checkpoint(adapter).tensor(OURS)
    assert found.dtype == np.float32
    expected = merged(tensors[OURS].astype(np.float16).astype(np.float32), factors, 2.0)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "config", "message"),
    [
        ({}, {"use_dora": True}, r"adapter_config\.json: use_dora must be False, got True"),
        ({}, {"peft_type": "IA3"}, r"peft_type must be 'LORA', got 'IA3'"),
        ({}, {"fan_in_fan_out": True}, r"fan_in_fan_out must be False"),
        ({}, {"lora_alpha": "x"}, r"lora_alpha must be a number, got 'x'"),
        ({}, {"base_model_name_or_path": None}, r"must name base_model_name_or_path, got None"),
        ({"x.lora_A.weight": (4, N)}, {}, r"x must have both lora_A and lora_B, got \{'A'\}"),
        ({"x.lora_magnitude_vector": (N,)}, {}, r"x\.lora_magnitude_vector is of a kind that"),
        (
            {"x.lora_A.weight": (4, N), "x.lora_B.weight": (N, 4)},
            {},
            r"changes x\.weight, which its",
        ),
        (
            {f"{QUERY}.lora_A.weight": (4, 7)},
            {},
            rf"{QUERY}: changes a weight \(96, 7\), its base has",
        ),
        ({f"{QUERY}.lora_A.weight": (3, N)}, {}, r"lora_A must be \(rank, n_in\) and lora_B"),
    ],
)
def test_what_cannot_be_merged(tmp_path, base, factors, change, config, message):
    odd = {PREFIX + name: np.ones(shape, np.float32) for name, shape in change.items()}
    adapter = write(tmp_path / "adapter", {**factors, **odd}, **{"base": base, **config})
    with pytest.raises(LoadError, match=message):
        open_checkpoint(adapter)


def test_an_adapter_beside_whole_weights_is_told(base, tensors, factors, caplog):
    found = open_checkpoint(write(base, factors)).tensor(OURS)
    np.testing.assert_array_equal(found, tensors[OURS])
    assert "the adapter beside the weights is not merged into them" in caplog.text


def test_damaged_files(tmp_path, base, factors):
    adapter = write(tmp_path / "adapter", factors)
    whole = (adapter / "adapter_model.safetensors").read_bytes()
    for n_bytes in (0, 5, 100, len(whole) - 1):
        (adapter / "adapter_model.safetensors").write_bytes(whole[:n_bytes])
        with pytest.raises(LoadError, match=r"adapter_model\.safetensors: cannot be read"):
            open_checkpoint(adapter)


def test_it_is_a_model_with_its_base_s_vocabulary_and_packed_weights(tmp_path, rng):
    (tmp_path / "base").mkdir()
    tiny_whisper.write(tmp_path / "base")
    n = tiny_whisper.dims().n_text_state
    names = (f"{PREFIX}decoder.layers.0.fc1.lora_{kind}.weight" for kind in "AB")
    shapes = ((2, n), (4 * n, 2))
    adapter = write(
        tmp_path / "adapter",
        {name: np.ones(shape, np.float32) for name, shape in zip(names, shapes, strict=True)},
    )
    assert is_model_directory(adapter)
    model = WhisperModel(adapter, weights_cache=tmp_path / "packed")
    assert model.tokenizer.special.n_vocab == MULTILINGUAL
    (packed,) = (tmp_path / "packed").iterdir()
    before = packed.stat().st_ino
    WhisperModel(adapter, weights_cache=tmp_path / "packed")
    assert packed.stat().st_ino == before
    fake_core.write_tokenizer_json(adapter, MULTILINGUAL)
    tiny_whisper.write(tmp_path / "base", **{"decoder.ln.bias": np.ones(n, np.float32)})
    WhisperModel(adapter, weights_cache=tmp_path / "packed")
    assert packed.stat().st_ino != before
