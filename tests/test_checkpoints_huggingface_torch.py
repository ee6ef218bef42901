"""pytorch_model.bin beside a config.json, alone and in shards, and vocabularies of the same age."""

import json

import numpy as np
import pytest

import fake_core
import tiny_whisper
import torch_writer as torch
from fake_core import MULTILINGUAL
from huggingface_writer import as_kind, config_of, write_json
from oracle.checkpoint import Dims, random_checkpoint
from sottovoce import WhisperModel
from sottovoce._core import LoadError
from sottovoce.checkpoints import model_path, open_checkpoint
from sottovoce.checkpoints.huggingface import huggingface_name
from sottovoce.text.tokenizer import SpecialTokens

DIMS = Dims()


@pytest.fixture
def tensors(rng):
    return random_checkpoint(DIMS, rng)


def write(directory, tensors, dims=DIMS, n_shards=1, prefix=""):
    directory.mkdir(exist_ok=True)
    write_json(directory / "config.json", config_of(dims))
    theirs = {prefix + huggingface_name(name): tensor for name, tensor in tensors.items()}
    if n_shards == 1:
        torch.write_state_dict(directory / "pytorch_model.bin", theirs)
        return directory
    weight_map = {}
    for i in range(n_shards):
        shard = f"pytorch_model-{i + 1:05}-of-{n_shards:05}.bin"
        part = dict(list(theirs.items())[i::n_shards])
        torch.write_state_dict(directory / shard, part)
        weight_map.update(dict.fromkeys(part, shard))
    write_json(directory / "pytorch_model.bin.index.json", {"weight_map": weight_map})
    return directory


@pytest.mark.parametrize("n_shards", [1, 3])
@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16"])
def test_tensors(tmp_path, tensors, kind, n_shards):
    kept = {name: as_kind(tensor, kind) for name, tensor in tensors.items()}
    checkpoint = open_checkpoint(write(tmp_path, kept, n_shards=n_shards))
    assert checkpoint.names() == sorted(tensors)
    for name, tensor in kept.items():
        assert checkpoint.dtype(name) == kind
        np.testing.assert_array_equal(checkpoint.tensor(name), tensor, err_msg=name)


def test_settings_of_a_fine_tune(tmp_path, tensors):
    directory = write(tmp_path, tensors, prefix="module.")
    generation = {"alignment_heads": [[1, 2]], "suppress_tokens": [-1, 3, 10**6]}
    write_json(directory / "generation_config.json", generation)
    checkpoint = open_checkpoint(directory)
    assert checkpoint.alignment_heads == [(1, 2)]
    assert checkpoint.suppress_tokens == [3]


def test_a_projection_beside_the_embedding_and_float64(tmp_path, tensors):
    embedding = tensors["decoder.token_embedding.weight"]
    write_json(tmp_path / "config.json", config_of(DIMS))
    theirs = {huggingface_name(name): tensor.astype(np.float64) for name, tensor in tensors.items()}
    theirs["proj_out.weight"] = embedding
    torch.write_state_dict(tmp_path / "pytorch_model.bin", theirs)
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.names() == sorted(tensors)
    np.testing.assert_array_equal(checkpoint.tensor("decoder.token_embedding.weight"), embedding)


def test_a_file_of_the_directory_names_it_and_trainers_wrap_it(tmp_path, tensors):
    write_json(tmp_path / "config.json", config_of(DIMS))
    theirs = {huggingface_name(name): tensor for name, tensor in tensors.items()}
    program, storages = torch.state_dict(theirs)
    wrapped = torch.dict_of({"epoch": torch.number(3), "state_dict": program})
    for name in ("pytorch_model.bin", "model.bin"):
        (tmp_path / name).write_bytes(torch.archive(torch.pickled(wrapped), storages))
        assert model_path(tmp_path / name) == tmp_path
        assert open_checkpoint(tmp_path).names() == sorted(tensors)
        (tmp_path / name).unlink()


def vocab_json(directory, *, with_eot=True):
    vocabulary = {piece: i for i, piece in enumerate(fake_core.pieces(MULTILINGUAL))}
    if with_eot:
        vocabulary["<|endoftext|>"] = SpecialTokens.of_vocabulary(MULTILINGUAL).eot
    (directory / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (directory / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")


@pytest.mark.parametrize("with_eot", [True, False])
def test_vocab_json_and_nothing_of_special_tokens(tmp_path, with_eot):
    directory = write(tmp_path / "m", tiny_whisper.tensors(), tiny_whisper.dims())
    vocab_json(directory, with_eot=with_eot)
    model = WhisperModel(directory)
    assert model.tokenizer.encode(" the -") == fake_core.tokenizer().encode(" the -")
    assert model.tokenizer.language_token("de") == 50261


@pytest.mark.parametrize("name", ["vocabulary.json", "vocabulary.txt"])
def test_lists_of_ctranslate2(tmp_path, name):
    directory = write(tmp_path / "m", tiny_whisper.tensors(), tiny_whisper.dims())
    listed = [*fake_core.pieces(MULTILINGUAL), *SpecialTokens.of_vocabulary(MULTILINGUAL).names()]
    text = json.dumps(listed) if name.endswith("json") else "\n".join(listed) + "\n"
    (directory / name).write_text(text, encoding="utf-8")
    model = WhisperModel(directory)
    assert model.tokenizer.encode(" the -") == fake_core.tokenizer().encode(" the -")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("vocabulary.json", "{}", r"vocabulary\.json: must hold an array, got an object"),
        ("vocabulary.json", "[1]", r"vocabulary\.json: must hold texts, got an integer"),
        ("vocabulary.txt", "a\nb\n", r"vocabulary\.txt: has no token <\|endoftext\|>"),
        ("vocabulary.txt", "a\n<|endoftext|>\n", r"vocabulary belongs to another model"),
    ],
)
def test_lists_that_are_wrong(tmp_path, name, text, message):
    directory = write(tmp_path / "m", tiny_whisper.tensors(), tiny_whisper.dims())
    (directory / name).write_text(text)
    with pytest.raises(LoadError, match=message):
        WhisperModel(directory)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ({}, r"index\.json: weight_map must map tensors to files beside it"),
        ({"weight_map": {"a": "../b.bin"}}, r"to files beside it, got '\.\./b\.bin'"),
        ({"weight_map": {"a": "b.bin"}}, r"b\.bin: cannot be read: "),
    ],
)
def test_a_bad_index(tmp_path, index, message):
    write_json(tmp_path / "config.json", config_of(DIMS))
    write_json(tmp_path / "pytorch_model.bin.index.json", index)
    with pytest.raises(LoadError, match=message):
        open_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.",
            r"pytorch_model\.bin: a PyTorch file of before",
        ),
        (b"GGUF", r"pytorch_model\.bin: a GGUF file"),
        (b"something", r"pytorch_model\.bin: not a file of torch\.save"),
        (torch.archive(torch.pickled(b"]"), {}), r"must hold a state dict, got a list"),
        (torch.archive(torch.pickled(b"}"), {}), r"holds no tensor of a Whisper network"),
    ],
)
def test_bad_weights(tmp_path, data, message):
    write_json(tmp_path / "config.json", config_of(DIMS))
    (tmp_path / "pytorch_model.bin").write_bytes(data)
    with pytest.raises(LoadError, match=message):
        open_checkpoint(tmp_path)


def test_an_adapter_among_the_weights_is_refused(tmp_path, tensors):
    write(tmp_path, tensors)
    theirs = {huggingface_name(name): tensor for name, tensor in tensors.items()}
    name = "model.encoder.layers.0.self_attn.q_proj.lora_A.default.weight"
    torch.write_state_dict(
        tmp_path / "pytorch_model.bin", {**theirs, name: np.ones((2, 2), np.float32)}
    )
    with pytest.raises(LoadError, match=r"an adapter that is not merged .*merge_and_unload"):
        open_checkpoint(tmp_path)
