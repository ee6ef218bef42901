"""Reading models without Python: JSON, safetensors, Hugging Face directories, the vocabulary.

Files are made here, good ones with the `safetensors` library and bad ones by hand. What is wrong
must be said; no byte of a file may bring the process down.
"""

import gc
import json
import re
import struct
import threading
import weakref
from dataclasses import replace

import numpy as np
import pytest

from huggingface_writer import as_kind, config_of, container, save, write_json, write_model
from oracle.checkpoint import Dims, random_checkpoint
from sottovoce._core import Checkpoint, LoadError, ModelDims, ShapeError, Vocabulary
from sottovoce.checkpoints.huggingface import huggingface_name

DIMS = Dims(n_audio_ctx=6, n_audio_state=16, n_audio_head=4, n_audio_layer=3, n_vocab=31,
            n_text_state=16, n_text_head=2)  # fmt: skip
TINY = Dims(n_audio_ctx=3, n_audio_state=4, n_audio_head=1, n_audio_layer=1, n_vocab=5,
            n_text_ctx=3, n_text_state=4, n_text_head=1, n_text_layer=1)  # fmt: skip


def core_dims(dims):
    return ModelDims(**vars(dims))


@pytest.fixture
def model(tmp_path, rng):
    """A directory that opens, to be broken."""
    return write_model(tmp_path, random_checkpoint(TINY, rng), TINY)


def entry(shape, begin, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


# ---- directories that open ----


@pytest.mark.parametrize("n_shards", [1, 3])
@pytest.mark.parametrize("prefix", ["model.", "", "base_model.model.model.", "_orig_mod.module."])
@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16"])
def test_directory(tmp_path, rng, kind, prefix, n_shards):
    tensors = random_checkpoint(DIMS, rng)
    write_model(tmp_path, tensors, DIMS, kind, prefix, n_shards)
    checkpoint = Checkpoint.open(str(tmp_path))
    assert checkpoint.dims == core_dims(DIMS)
    assert checkpoint.source == str(tmp_path)
    assert checkpoint.names() == sorted(tensors)
    for name, tensor in tensors.items():
        found = checkpoint.tensor(name)
        assert checkpoint.dtype(name) == kind
        assert not found.flags.writeable
        np.testing.assert_array_equal(found, as_kind(tensor, kind), err_msg=name)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("model.encoder.conv1.bias", "encoder.conv1.bias"),
        ("encoder.embed_positions.weight", "encoder.positional_embedding"),
        ("model.encoder.layer_norm.weight", "encoder.ln_post.weight"),
        ("model.encoder.layers.12.self_attn.k_proj.weight", "encoder.blocks.12.attn.key.weight"),
        ("model.encoder.layers.0.self_attn_layer_norm.bias", "encoder.blocks.0.attn_ln.bias"),
        ("decoder.layers.3.encoder_attn.out_proj.bias", "decoder.blocks.3.cross_attn.out.bias"),
        ("model.decoder.layers.1.encoder_attn_layer_norm.weight",
         "decoder.blocks.1.cross_attn_ln.weight"),
        ("model.decoder.layers.1.fc1.weight", "decoder.blocks.1.mlp.0.weight"),
        ("model.decoder.layers.1.final_layer_norm.weight", "decoder.blocks.1.mlp_ln.weight"),
        ("model.decoder.embed_tokens.weight", "decoder.token_embedding.weight"),
        ("model.decoder.layer_norm.bias", "decoder.ln.bias"),
        ("proj_out.weight", "decoder.token_embedding.weight"),
        ("model.decoder.layers.x.fc1.weight", None),
        ("model.decoder.layers.1.fc1.scale", None),
        ("model.decoder.layers.1.fc3.weight", None),
        ("model.decoder.version", None),
        ("model", None),
        ("", None),
    ],
)  # fmt: skip
def test_tensor_names(model, theirs, ours):
    keep = "model.encoder.conv2.weight"
    save(model / "model.safetensors", {name: np.ones(1, np.float32) for name in (theirs, keep)})
    expected = {"encoder.conv2.weight"} | ({ours} if ours else set())
    assert set(Checkpoint.open(str(model)).names()) == expected


def test_num_mel_bins_defaults_to_80(model):
    config = config_of(TINY)
    del config["num_mel_bins"]
    write_json(model / "config.json", config)
    assert Checkpoint.open(str(model)).dims.n_mels == 80


def test_generation_config(model):
    assert Checkpoint.open(str(model)).suppress_tokens == []
    assert Checkpoint.open(str(model)).alignment_heads is None
    old = {**config_of(TINY), "suppress_tokens": [4]}  # before generation_config.json was invented
    write_json(model / "config.json", old)
    assert Checkpoint.open(str(model)).suppress_tokens == [4]
    generation = {"suppress_tokens": [1, 3], "alignment_heads": [[0, 0]]}
    write_json(model / "generation_config.json", generation)
    assert Checkpoint.open(str(model)).suppress_tokens == [1, 3]
    assert Checkpoint.open(str(model)).alignment_heads == [(0, 0)]
    write_json(model / "generation_config.json", dict.fromkeys(generation))  # null: not set
    assert Checkpoint.open(str(model)).suppress_tokens == []
    assert Checkpoint.open(str(model)).alignment_heads is None


@pytest.mark.parametrize("heads", [[], [[0, 0], [25, 6]], [[0, 1]], [[-1, 0]]])
def test_alignment_heads_of_another_network_count_as_none(model, heads):
    write_json(model / "generation_config.json", {"alignment_heads": heads})
    assert Checkpoint.open(str(model)).alignment_heads is None


def test_tensors_that_are_not_wanted_may_be_anything(model):
    header = {
        "__metadata__": {"format": "pt"},
        "encoder.conv1.bias": entry([2], 0, 8),
        "step": entry([1], 8, 16, "I64"),
        "scales": entry([3], 16, 17, "F4_FUTURE"),
    }
    (model / "model.safetensors").write_bytes(container(header, bytes(17)))
    assert Checkpoint.open(str(model)).names() == ["encoder.conv1.bias"]


@pytest.mark.parametrize("n_spaces", range(8))
def test_unaligned_data(model, n_spaces):
    """Nothing in the format aligns the data, and no kernel that reads it asks for that."""
    values = np.array([1.5, -2.0], np.float32)
    header = {"encoder.conv1.bias": entry([2], 0, 8), "encoder.conv2.bias": entry([2], 8, 16)}
    text = json.dumps(header).encode() + b" " * n_spaces
    (model / "model.safetensors").write_bytes(container(text, values.tobytes() * 2))
    checkpoint = Checkpoint.open(str(model))
    for name in checkpoint.names():
        np.testing.assert_array_equal(checkpoint.tensor(name), values)


def test_arrays_outlive_the_checkpoint(model):
    array = Checkpoint.open(str(model)).tensor("encoder.conv1.weight")
    gc.collect()
    assert np.isfinite(array).all()


def test_a_file_may_be_deleted_while_it_is_open(model):
    checkpoint = Checkpoint.open(str(model))
    (model / "model.safetensors").unlink()
    assert np.isfinite(checkpoint.tensor("encoder.conv1.weight")).all()


# ---- directories that do not ----


def with_config(**changes):
    def change(directory):
        config = {**config_of(TINY), **changes}
        config = {field: value for field, value in config.items() if value is not ...}
        write_json(directory / "config.json", config)

    return change


def with_generation(**fields):
    return lambda directory: write_json(directory / "generation_config.json", fields)


def with_index(weight_map):
    def change(directory):
        (directory / "model.safetensors").rename(directory / "a.safetensors")
        write_json(directory / "model.safetensors.index.json", weight_map)

    return change


def without(name):
    return lambda directory: (directory / name).unlink()


def renamed(old, new):
    return lambda directory: (directory / old).rename(directory / new)


def twice(directory):
    one = np.ones(1, np.float32)
    save(directory / "model.safetensors", {"model.encoder.conv1.bias": one,
                                           "encoder.conv1.bias": one})  # fmt: skip


def as_directory(name):
    def change(directory):
        (directory / name).unlink()
        (directory / name).mkdir()

    return change


BAD_DIRECTORIES = {
    "no config": (without("config.json"),
        r"open_checkpoint: '.*' has no config\.json; expected a Hugging Face Whisper directory "
        r"with config\.json and model\.safetensors"),
    "config is a directory": (as_directory("config.json"), r"has no config\.json"),
    "no weights": (without("model.safetensors"),
        r"has neither model\.safetensors nor model\.safetensors\.index\.json$"),
    "pickle": (renamed("model.safetensors", "pytorch_model.bin"),
        r"neither model\.safetensors.* pytorch_model\.bin, a pickle, .*`sottovoce convert` makes"),
    "CTranslate2": (renamed("model.safetensors", "model.bin"),
        r"neither .* has model\.bin, as CTranslate2 models do: `sottovoce convert` makes a"),
    "config is a list": (lambda d: write_json(d / "config.json", [1]),
        r"config\.json: must hold an object, got an array"),
    "no model_type": (with_config(model_type=...), r"config\.json: has no model_type"),
    "BERT": (with_config(model_type="bert"), r"model_type must be 'whisper', got 'bert'"),
    "relu": (with_config(activation_function="relu"),
        r"activation_function must be 'gelu', got 'relu'"),
    "scaled": (with_config(scale_embedding=True), r"scale_embedding must be false, got true"),
    "no d_model": (with_config(d_model=...), r"config\.json: has no d_model"),
    "text": (with_config(d_model="384"), r"d_model must be an integer, got a string"),
    "fraction": (with_config(vocab_size=1.5), r"vocab_size must be an integer, got a fraction"),
    "64 bits": (with_config(vocab_size=1 << 40), r"vocab_size=1099511627776 does not fit 32 bits"),
    "dims": (with_config(encoder_layers=0),
        r"config\.json: ModelDims: n_audio_layer must be in 1\.\.1024, got 0"),
    "suppress text": (with_generation(suppress_tokens="-1"),
        r"generation_config\.json: suppress_tokens must be an array, got a string"),
    "suppress list": (with_generation(suppress_tokens=[1, None]),
        r"suppress_tokens\[1\] must be an integer, got null"),
    "adapter": (lambda d: save(d / "model.safetensors",
            {"model.encoder.layers.0.self_attn.q_proj.lora_A.weight": np.ones(1, np.float32)}),
        r"an adapter that is not merged \('model\.enc.*lora_A\.weight'\): save it with merge_"),
    "heads": (with_generation(alignment_heads=[[0, 0], [1]]),
        r"alignment_heads\[1\] must be \[layer, head\]"),
    "two names": (twice, r"holds 'encoder\.conv1\.bias' under two names"),
    "foreign": (lambda d: save(d / "model.safetensors", {"bert.x": np.ones(1, np.float32)}),
        r"holds no tensor of a Whisper network"),
    "no weight_map": (with_index({}), r"index\.json' has no object 'weight_map'"),
    "weight_map list": (with_index({"weight_map": []}), r"has no object 'weight_map'"),
    "shard elsewhere": (with_index({"weight_map": {"encoder.conv1.bias": "../a.safetensors"}}),
        r"must map 'encoder\.conv1\.bias' to the name of a file beside it"),
    "shard number": (with_index({"weight_map": {"encoder.conv1.bias": 1}}),
        r"must map 'encoder\.conv1\.bias' to the name of a file beside it"),
    "no shard": (with_index({"weight_map": {"encoder.conv1.bias": "b.safetensors"}}),
        r"cannot read '.*b\.safetensors': No such file or directory"),
    "not in shard": (with_index({"weight_map": {"encoder.conv1.bias": "a.safetensors"}}),
        r"a\.safetensors: has no tensor 'encoder\.conv1\.bias'"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "message"), BAD_DIRECTORIES.values(), ids=BAD_DIRECTORIES)
def test_bad_directory(model, change, message):
    change(model)
    with pytest.raises(LoadError, match=message):
        Checkpoint.open(str(model))


def test_not_a_directory_and_not_a_model_file(model):
    with pytest.raises(LoadError, match=r"open_checkpoint: '.*nowhere' is not a directory"):
        Checkpoint.open(str(model / "nowhere"))
    with pytest.raises(LoadError, match=r"config\.json: not a safetensors file"):
        Checkpoint.open(str(model / "config.json"))
    with pytest.raises(
        LoadError, match=r"has no sottovoce\.config in its metadata: it holds weights"
    ):
        Checkpoint.open(str(model / "model.safetensors"))


def test_suppressed_tokens_outside_the_vocabulary_count_for_nothing(model):
    write_json(model / "generation_config.json", {"suppress_tokens": [-1, 2, 5]})
    assert Checkpoint.open(str(model)).suppress_tokens == [2]


def test_shards_without_an_index(tmp_path, rng):
    tensors = random_checkpoint(DIMS, rng)
    write_model(tmp_path, tensors, DIMS, n_shards=3)
    (tmp_path / "model.safetensors.index.json").unlink()
    assert Checkpoint.open(str(tmp_path)).names() == sorted(tensors)


def test_a_projection_stands_for_the_embedding_where_that_is_missing(model, rng):
    tensors = random_checkpoint(TINY, rng)
    embedding = tensors.pop("decoder.token_embedding.weight")
    write_model(model, tensors, TINY)
    theirs = {"proj_out.weight": embedding}
    theirs |= {huggingface_name(name): tensor for name, tensor in tensors.items()}
    save(model / "model.safetensors", theirs)
    found = Checkpoint.open(str(model)).tensor("decoder.token_embedding.weight")
    np.testing.assert_array_equal(found, embedding)
    other = {**theirs, "model.decoder.embed_tokens.weight": embedding + 1}
    save(model / "model.safetensors", other)
    found = Checkpoint.open(str(model)).tensor("decoder.token_embedding.weight")
    np.testing.assert_array_equal(found, embedding + 1)
    with_config(tie_word_embeddings=False)(model)
    with pytest.raises(LoadError, match=r"proj_out\.weight is not the token embedding"):
        Checkpoint.open(str(model))
    save(model / "model.safetensors", {**other, "proj_out.weight": embedding + 1})
    Checkpoint.open(str(model))


# ---- JSON ----

BAD_JSON = {
    "empty": (b"", r"byte 0: expected a value"),
    "nothing": (b"  \n", r"byte 3: expected a value"),
    "word": (b"nul", r"byte 0: expected a value"),
    "Python": (b'{"a": True}', r"byte 6: expected a value"),
    "NaN": (b'{"a": NaN}', r"byte 6: expected a value"),
    "rest": (b"{} {}", r"byte 3: expected the end of the document"),
    "comment": (b"{} // so", r"byte 3: expected the end"),
    "BOM": (b"\xef\xbb\xbf{}", r"byte 0: expected a value"),
    "open object": (b'{"a": 1', r"byte 7: expected '}'"),
    "open array": (b"[1, 2", r"byte 5: expected '\]'"),
    "comma at the end": (b"[1, ]", r"byte 4: expected a value"),
    "comma in an object": (b'{"a": 1, }', r"byte 9: expected a string"),
    "no colon": (b'{"a" 1}', r"byte 5: expected ':'"),
    "key": (b"{1: 2}", r"byte 1: expected a string"),
    "twice": (b'{"a": 1, "b": 2, "a": 1}', r'byte 24: the object that ends here has "a" twice'),
    "open string": (b'"abc', r"byte 4: the string does not end"),
    "open escape": (b'"abc\\', r"byte 5: unknown escape"),
    "line break": (b'"a\nb"', r"byte 2: control character in a string"),
    "escape": (b'"\\x41"', r"byte 2: unknown escape"),
    "hex": (b'"\\u12g4"', r"byte 3: \\u needs four hex digits"),
    "signed hex": (b'"\\u-123"', r"byte 3: \\u needs four hex digits"),
    "short hex": (b'"\\u12', r"byte 3: \\u needs four hex digits"),
    "low surrogate": (b'"\\udc00"', r"byte 7: lone surrogate"),
    "high surrogate": (b'"\\ud800"', r"byte 7: lone surrogate"),
    "two high ones": (b'"\\ud800\\ud800"', r"byte 13: lone surrogate"),
    "Latin-1": (b'"caf\xe9"', r"byte 4: invalid UTF-8"),
    "overlong": (b'"\xc0\xaf"', r"byte 1: invalid UTF-8"),
    "encoded surrogate": (b'"\xed\xa0\x80"', r"byte 1: invalid UTF-8"),
    "leading zero": (b"01", r"byte 1: expected the end"),
    "plus": (b"+1", r"byte 0: expected a value"),
    "minus": (b"-", r"byte 1: expected a digit"),
    "no fraction": (b"1.", r"byte 2: expected a digit"),
    "no whole": (b".5", r"byte 0: expected a value"),
    "no exponent": (b"1e+", r"byte 3: expected a digit"),
    "NUL": (b"[\0]", r"byte 1: expected a value"),
    "deep": (b"[" * 100_000, r"byte 65: nested deeper than 64"),
    "deep objects": (b'{"":' * 100_000, r"byte \d+: nested deeper than 64"),
}


@pytest.mark.parametrize(("text", "message"), BAD_JSON.values(), ids=BAD_JSON)
def test_bad_json(model, text, message):
    (model / "config.json").write_bytes(text)
    with pytest.raises(LoadError, match=rf"config\.json: {message}"):
        Checkpoint.open(str(model))


def test_json_values_are_pythons(tmp_path):
    """What the reader makes of strings, seen through the names of special tokens."""
    names = ["<|endoftext|>", 'quote"', "back\\slash/", "\b\f\n\r\t", "\0\x1f\x7f", "é", "♪", "😀"]
    for escape in (True, False):
        added = {name: i for i, name in enumerate(names)}
        text = json.dumps(added, ensure_ascii=escape, indent=1)
        (tmp_path / "vocab.json").write_text("{}")
        (tmp_path / "added_tokens.json").write_text(text, encoding="utf-8")
        vocabulary = Vocabulary.open(str(tmp_path))
        assert [vocabulary.bytes(i) for i in range(len(names))] == [n.encode() for n in names]
        assert all(vocabulary.special(name) == i for name, i in added.items())


@pytest.mark.parametrize("number", ["0.5", "-0", "1e-999", "1E+999", "123456789012345678901"])
def test_numbers_that_nobody_asks_for_are_only_checked(model, number):
    config = (model / "config.json").read_text()
    (model / "config.json").write_text(config.replace("{", f'{{"dropout": {number}, ', 1))
    Checkpoint.open(str(model))


MOST_JSON = 16 << 20  # bytes


@pytest.mark.parametrize("name", ["config.json", "generation_config.json"])
def test_json_too_long_to_be_read(model, name):
    with (model / name).open("ab") as file:
        file.truncate(MOST_JSON + 1)  # a hole
    expected = rf"cannot read '.*{name}': it has 16777217 bytes, and 16777216 at most are read"
    with pytest.raises(LoadError, match=expected):
        Checkpoint.open(str(model))


def test_json_as_long_as_may_be(model):
    config = (model / "config.json").read_bytes()
    (model / "config.json").write_bytes(config.ljust(MOST_JSON))
    Checkpoint.open(str(model))


def test_a_header_too_long_to_be_read(model):
    (model / "model.safetensors").write_bytes(container(b"{}".ljust(MOST_JSON + 1)))
    expected = r"safetensors: header: JSON must have 16777216 bytes at most, got 16777217"
    with pytest.raises(LoadError, match=expected):
        Checkpoint.open(str(model))


def test_json_that_is_cut_short_meanwhile_is_an_error_and_no_signal(model):
    """A file that is mapped and truncated ends the process."""
    path = model / "config.json"
    config = path.read_bytes() + bytes(b" " * 300_000)
    ended = threading.Event()

    def rewrite():
        while not ended.is_set():
            path.write_bytes(b"")
            path.write_bytes(config)

    writer = threading.Thread(target=rewrite)
    writer.start()
    outcomes = set()
    try:
        for _ in range(300):
            try:
                outcomes.add(Checkpoint.open(str(model)).dims.n_mels)
            except LoadError as error:
                outcomes.add(type(error))
    finally:
        ended.set()
        writer.join()
    assert outcomes <= {80, LoadError}


# ---- safetensors ----

NAME = "encoder.conv1.bias"
BAD_CONTAINERS = {
    "empty": (b"", r"truncated: 0 bytes, a safetensors file has at least 8"),
    "short": (bytes(7), r"truncated: 7 bytes"),
    "pickle": (b"\x80\x02}q\x00X\x04\x00\x00\x00", r"the header would have \d+ bytes, there is"),
    "header past the end": (struct.pack("<Q", 3) + b"{}",
        r"would have 3 bytes, there is room for 2"),
    "huge header": (struct.pack("<Q", 2**64 - 1) + b"{}",
        r"would have 18446744073709551615 bytes"),
    "no header": (container(b""), r"header: byte 0: expected a value"),
    "bad JSON": (container(b"{'a': 1}"), r"header: byte 1: expected a string"),
    "list": (container([]), r"the header must be an object, got an array"),
    "number": (container({NAME: 1}), r"tensor 'encoder\.conv1\.bias': needs a string 'dtype'"),
    "no dtype": (container({NAME: {"shape": []}}), r"needs a string 'dtype'"),
    "no shape": (container({NAME: {"dtype": "F32"}}), r"needs an array 'shape'"),
    "no offsets": (container({NAME: {"dtype": "F32", "shape": []}}), r"needs 'data_offsets'"),
    "three offsets": (
        container({NAME: {"dtype": "F32", "shape": [], "data_offsets": [0, 4, 8]}}, bytes(8)),
        r"needs 'data_offsets' of two numbers"),
    "fraction": (container({NAME: entry([1.0], 0, 4)}, bytes(4)), r"'shape' must hold integers"),
    "negative shape": (container({NAME: entry([-1], 0, 4)}, bytes(4)),
        r"'shape' must hold integers from 0 on"),
    "negative offset": (container({NAME: entry([1], -4, 0)}, bytes(4)),
        r"'data_offsets' must hold integers from 0 on"),
    "huge offset": (container({NAME: entry([1], 0, 2**63)}, bytes(4)),
        r"'data_offsets' must hold integers from 0 on"),
    "backwards": (container({NAME: entry([1], 4, 0)}, bytes(4)), r"'data_offsets' run backwards"),
    "truncated": (container({NAME: entry([2], 0, 8)}, bytes(7)),
        r"data offset 8 lies past the end: the file has 7 bytes of data \(truncated\?\)"),
    "shape": (container({NAME: entry([3], 0, 8)}, bytes(8)),
        r"\(3,\) F32 needs 12 bytes, 'data_offsets' give 8"),
    "dtype size": (container({NAME: entry([2], 0, 8, "F16")}, bytes(8)),
        r"\(2,\) F16 needs 4 bytes"),
    "overflow": (container({NAME: entry([2**62, 4], 0, 0)}), r"shape \(4611.*, 4\) overflows"),
    "overflow to zero": (container({NAME: entry([2**62, 2**62, 0], 0, 0)}), r"overflows"),
    "axes": (container({NAME: entry([1] * 9, 0, 4)}, bytes(4)), r"has 9 axes, at most 8"),
    "twice": (container(b'{"a": {}, "a": {}}'), r'has "a" twice'),
    "overlap": (container({"a": entry([2], 0, 8), "b": entry([2], 4, 12)}, bytes(12)),
        r"tensor 'b': overlaps the tensor before it"),
    "same place": (container({"a": entry([1], 0, 4), "b": entry([1], 0, 4)}, bytes(4)),
        r"tensor 'b': overlaps"),
    "hole": (container({"a": entry([1], 0, 4), "b": entry([1], 8, 12)}, bytes(12)),
        r"tensor 'b': leaves a hole before its data"),
    "rest": (container({"a": entry([1], 0, 4)}, bytes(5)),
        r"the tensors end at byte 4 of the data, the file has 5"),
    "int64": (container({NAME: entry([1], 0, 8, "I64")}, bytes(8)),
        r"tensor 'encoder\.conv1\.bias': dtype must be F32, F16 or BF16, got I64"),
    "unknown": (container({NAME: entry([1], 0, 1, "F8_E4M3")}, b"0"),
        r"dtype must be F32, F16 or BF16, got F8_E4M3"),
}  # fmt: skip


@pytest.mark.parametrize(("file", "message"), BAD_CONTAINERS.values(), ids=BAD_CONTAINERS)
def test_bad_safetensors(model, file, message):
    (model / "model.safetensors").write_bytes(file)
    with pytest.raises(LoadError, match=rf"model\.safetensors: .*{message}"):
        Checkpoint.open(str(model))


def open_and_touch(directory):
    """Opens a model and reads every byte of it; a LoadError is as good an answer."""
    try:
        checkpoint = Checkpoint.open(str(directory))
    except LoadError:
        return False
    for name in checkpoint.names():
        checkpoint.tensor(name).tobytes()
    return True


def broken(data, rng):
    """One small accident: a byte changed, a piece cut out, or the end lost."""
    accident = rng.integers(3)
    at = int(rng.integers(len(data)))
    if accident == 0:
        return data[:at] + bytes([int(rng.integers(256))]) + data[at + 1 :]
    if accident == 1:
        return data[:at] + data[at + int(rng.integers(1, 40)) :]
    return data[:at]


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_accidents(model, rng, name):
    tensors = {"model.encoder.conv1.bias": np.ones(5, np.float32),
               "proj_out.weight": np.ones(2, np.float32)}  # fmt: skip
    save(model / "model.safetensors", tensors)
    whole = (model / name).read_bytes()
    assert open_and_touch(model)
    n_opened = 0
    for _ in range(1500):
        (model / name).write_bytes(broken(whole, rng))
        n_opened += open_and_touch(model)
    assert 0 < n_opened < 1500


# ---- dims ----


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_mels": 0}, r"n_mels must be in 1\.\.200, got 0"),
        ({"n_mels": 201}, r"n_mels must be in 1\.\.200, got 201"),
        ({"n_audio_ctx": -1}, r"n_audio_ctx must be in 1\.\.65536, got -1"),
        ({"n_vocab": 2**31 - 1}, r"n_vocab must be in 1\.\.1048576, got 2147483647"),
        ({"n_text_layer": 0}, r"n_text_layer must be in 1\.\.1024, got 0"),
        ({"n_audio_head": 5}, r"n_audio_state must be a multiple of n_audio_head=5, got 16"),
        ({"n_text_head": 5}, r"n_text_state must be a multiple of n_text_head=5, got 16"),
        ({"n_text_state": 32}, r"n_text_state must be n_audio_state=16, got 32"),
    ],
)
def test_bad_dims(changes, message):
    dims = ModelDims(**{**vars(DIMS), **changes})
    with pytest.raises(LoadError, match=f"^ModelDims: {message}$"):
        Checkpoint(dims, {})


def test_dims():
    dims = core_dims(DIMS)
    assert dims == core_dims(DIMS)
    assert dims != core_dims(TINY)
    assert dims != "ModelDims"
    assert dims.n_frames == 12
    assert eval(repr(dims)) == dims
    assert not dims.is_multilingual
    large_v3 = core_dims(replace(DIMS, n_vocab=51866))
    assert large_v3.is_multilingual
    assert large_v3.n_languages == 100
    assert dims != large_v3
    with pytest.raises(AttributeError):
        dims.n_vocab = 51866
    with pytest.raises(TypeError):
        ModelDims(1, 2)


# ---- checkpoints in memory ----


def in_memory(**tensors):
    return Checkpoint(core_dims(Dims()), tensors)


@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16"])
def test_arrays(rng, kind):
    array = as_kind(rng.standard_normal((3, 5)).astype(np.float32), kind)
    checkpoint = in_memory(b=array, a=array)
    assert checkpoint.names() == ["a", "b"]
    assert checkpoint.dtype("a") == kind
    assert checkpoint.source == "memory"
    found = checkpoint.tensor("a")
    np.testing.assert_array_equal(found, array)
    assert np.shares_memory(found, array)
    assert not found.flags.writeable


def test_settings():
    dims, heads = core_dims(Dims()), [(0, 1), (1, 2)]
    checkpoint = Checkpoint(
        dims, {}, alignment_heads=heads, suppress_tokens=[3, 2], source="somewhere"
    )
    assert checkpoint.dims == dims
    assert checkpoint.alignment_heads == heads
    assert checkpoint.suppress_tokens == [3, 2]
    assert checkpoint.source == "somewhere"


F32 = np.ones((4, 6), np.float32)


@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (F32.astype(np.float64), TypeError,
         r"float32, float16 or uint16 \(the bits of bfloat16\), got \(4, 6\) float64; "
         r"convert it with \.astype\(numpy\.float32\)"),
        (F32.astype(np.int16), TypeError, r"got \(4, 6\) int16"),
        (F32.astype(">f4"), TypeError, r"got \(4, 6\) >f4"),
        (F32[:, ::2], ShapeError,
         r"C-contiguous, got a strided \(4, 3\) float32; use numpy\.ascontiguousarray"),
        (F32.T, ShapeError, r"C-contiguous"),
        ([1.0], TypeError, r"a numpy\.ndarray, got list; use numpy\.asarray"),
        (None, TypeError, r"a numpy\.ndarray, got NoneType"),
    ],
)  # fmt: skip
def test_bad_array(array, error, message):
    with pytest.raises(error, match=rf"^Checkpoint: tensor 'x' must be .*{message}"):
        in_memory(x=array)


def test_tensors_must_be_a_mapping_of_names():
    with pytest.raises(TypeError, match=r"collections\.abc\.Mapping\[str, numpy\.ndarray\]"):
        Checkpoint(core_dims(Dims()), [("x", F32)])
    with pytest.raises(TypeError, match=r"Checkpoint: names of tensors must be str, got b'x'"):
        Checkpoint(core_dims(Dims()), {b"x": F32})


def test_unknown_tensor():
    checkpoint = in_memory(**{"encoder.conv1.weight": F32, "encoder.conv2.weight": F32})
    with pytest.raises(LoadError, match=r"^checkpoint 'memory' has no tensor 'x'$"):
        checkpoint.tensor("x")
    with pytest.raises(LoadError, match=r"'encoder\.conv1\.w'; did you mean 'encoder\.conv1\.w"):
        checkpoint.dtype("encoder.conv1.w")


def test_arrays_live_as_long_as_they_are_needed():
    array = np.ones(8, np.float32)
    alive = weakref.ref(array)
    checkpoint = in_memory(x=array)
    del array
    gc.collect()
    view = checkpoint.tensor("x")
    del checkpoint
    gc.collect()
    assert alive() is not None
    np.testing.assert_array_equal(view, np.ones(8))
    del view
    gc.collect()
    assert alive() is None


def test_many_threads(model):
    """Opening releases the GIL; arrays are given back on whatever thread comes last."""
    checkpoint = in_memory(x=np.ones(8, np.float32))
    failures = []

    def work():
        for _ in range(50):
            if not open_and_touch(model) or checkpoint.tensor("x").sum() != 8:
                failures.append(threading.current_thread().name)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


# ---- vocabulary ----

EOT = "<|endoftext|>"


def byte_alphabet():
    """GPT-2's character for each byte: itself if it prints, else the next one from U+0100 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    table = {byte: chr(byte) for byte in printable}
    return {**table, **{byte: chr(256 + i) for i, byte in enumerate(others)}}


def spelled(data):
    return "".join(byte_alphabet()[byte] for byte in data)


def made_up_tokens(rng, n):
    """All single bytes, then random strings of bytes, none twice; the empty one is among them."""
    tokens = [bytes([byte]) for byte in range(256)] + [b""]
    while len(tokens) < n:
        token = rng.integers(0, 256, int(rng.integers(2, 6)), dtype=np.uint8).tobytes()
        if token not in tokens:
            tokens.append(token)
    return tokens


SPECIAL = [EOT, "<|startoftranscript|>", "<|en|>", "<|nocaptions|>", "<|notimestamps|>"]


def write_vocabulary(directory, tokens, special, layout):
    vocab = {spelled(token): i for i, token in enumerate(tokens)}
    added = {name: len(tokens) + i for i, name in enumerate(special)}
    if layout == "tokenizer.json":
        vocab[EOT] = added[EOT]  # as the real ones: in both lists
        added_tokens = [
            {"id": i, "content": name, "special": not name.startswith("<|0.")}
            for name, i in added.items()
        ]
        value = {"added_tokens": added_tokens, "model": {"type": "BPE", "vocab": vocab}}
        (directory / layout).write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
        return
    vocab[EOT] = added.pop(EOT)
    write_json(directory / "vocab.json", vocab)
    write_json(directory / "added_tokens.json", added)


@pytest.mark.parametrize("layout", ["tokenizer.json", "vocab.json"])
@pytest.mark.parametrize("timestamps", [[], ["<|0.00|>", "<|0.02|>"]])
def test_vocabulary(tmp_path, rng, layout, timestamps):
    tokens, special = made_up_tokens(rng, 300), SPECIAL + timestamps
    write_vocabulary(tmp_path, tokens, special, layout)
    vocabulary = Vocabulary.open(str(tmp_path))
    assert len(vocabulary) == 300 + len(special)
    assert [vocabulary.bytes(i) for i in range(300)] == tokens
    for i, name in enumerate(special):
        assert vocabulary.special(name) == 300 + i
        assert vocabulary.bytes(300 + i) == name.encode()
    assert vocabulary.special("<|nospeech|>") == vocabulary.special("<|nocaptions|>")
    assert vocabulary.special("<|de|>") is None
    assert vocabulary.special("!") is None


def test_vocabulary_does_without_merges_but_not_without_a_token_of_that_name(tmp_path):
    vocab = {"merges": 0, "a": 1}
    merges = [["m", "erges"], "a b", [], {"merges": [1]}]
    root = {"added_tokens": [END | {"id": 2}], "model": {"vocab": vocab, "merges": merges}}
    write_json(tmp_path / "tokenizer.json", root)
    vocabulary = Vocabulary.open(str(tmp_path))
    assert [vocabulary.bytes(i) for i in range(3)] == [b"merges", b"a", EOT.encode()]


def test_vocabulary_knows_whether_it_is_byte_level(tmp_path, rng):
    write_vocabulary(tmp_path, made_up_tokens(rng, 300), SPECIAL, "tokenizer.json")
    vocabulary = Vocabulary.open(str(tmp_path))
    assert vocabulary.is_byte_level(300)
    assert not vocabulary.is_byte_level(301)  # <|endoftext|>
    assert not vocabulary.is_byte_level(255)  # a byte is missing


def test_a_vocabulary_of_pieces_is_that_of_a_file(tmp_path, rng):
    tokens = made_up_tokens(rng, 300)
    write_vocabulary(tmp_path, tokens, SPECIAL, "tokenizer.json")
    opened = Vocabulary.open(str(tmp_path))
    special = {name: 300 + i for i, name in enumerate(SPECIAL)}
    made = Vocabulary([spelled(token) for token in tokens], special)
    assert len(made) == len(opened) == 305
    assert [made.bytes(i) for i in range(305)] == [opened.bytes(i) for i in range(305)]
    assert made.special("<|nospeech|>") == opened.special("<|nospeech|>") == 303
    assert made.is_byte_level(300)
    text = bytes(rng.integers(0, 256, 400, dtype=np.uint8)).decode("utf-8", "replace")
    assert made.encode(text) == opened.encode(text)
    assert opened.decode(opened.encode(text)) == text


@pytest.fixture
def vocabulary(tmp_path, rng):
    write_vocabulary(tmp_path, made_up_tokens(rng, 300), SPECIAL, "tokenizer.json")
    return Vocabulary.open(str(tmp_path))


def test_decode(vocabulary, rng):
    for _ in range(500):
        tokens = rng.integers(0, 400, 12).tolist()  # specials, and ids past the end, are silent
        data = b"".join(vocabulary.bytes(token) for token in tokens if token < 300)
        assert vocabulary.decode(tokens) == data.decode("utf-8", errors="replace")
    assert vocabulary.decode([]) == ""


UTF8_BORDERS = [0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1,
                0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF]  # fmt: skip


def test_invalid_utf8_is_replaced_as_python_does(vocabulary):
    """Every string of up to three bytes at which the rules change, and random longer ones."""
    for a in UTF8_BORDERS:
        for b in UTF8_BORDERS:
            for data in (bytes([a]), bytes([a, b]), *(bytes([a, b, c]) for c in UTF8_BORDERS)):
                assert vocabulary.decode(list(data)) == data.decode("utf-8", "replace"), data


def test_long_invalid_utf8(vocabulary, rng):
    for _ in range(2000):
        data = rng.choice(UTF8_BORDERS, int(rng.integers(4, 12))).astype(np.uint8).tobytes()
        assert vocabulary.decode(list(data)) == data.decode("utf-8", "replace"), data


@pytest.mark.parametrize("token", [-1, 305, 2**31 - 1])
def test_token_out_of_range(vocabulary, token):
    with pytest.raises(ShapeError, match=rf"^Vocabulary: token must be in 0\.\.304, got {token}$"):
        vocabulary.bytes(token)


def test_negative_token_in_decode(vocabulary):
    with pytest.raises(ShapeError, match=r"token must be in 0\.\.304, got -1"):
        vocabulary.decode([65, -1])


def tokenizer(vocab, *added):
    return json.dumps({"model": {"vocab": vocab}, "added_tokens": list(added)})


END = {"id": 1, "content": EOT, "special": True}
BAD_TOKENIZERS = {
    "list": ("[]", r"has no object that maps tokens to ids"),
    "no vocab": ('{"model": {}}', r"has no object that maps tokens to ids"),
    "no added tokens": ('{"model": {"vocab": {}}}', r"has no array 'added_tokens'"),
    "no end": (tokenizer({"a": 0}), r"has no token <\|endoftext\|>"),
    "id text": (tokenizer({"a": "0"}, END), r"token 'a' needs an id in 0\.\.1048575"),
    "id negative": (tokenizer({"a": -1}, END), r"token 'a' needs an id in 0\.\.1048575"),
    "id huge": (tokenizer({"a": 1 << 20}, END), r"token 'a' needs an id in 0\.\.1048575"),
    "id missing": (tokenizer({}, {"content": EOT}), r"token '<\|endoftext\|>' needs an id"),
    "no content": (tokenizer({}, {"id": 0}), r"an added token has no string 'content'"),
    "same id": (tokenizer({"a": 0, "b": 0}, END), r"id 0 of token 'b' stands twice"),
    "id of an added token": (tokenizer({"a": 1}, END), r"id 1 of token 'a' stands twice"),
    "added twice": (tokenizer({}, END, {**END, "id": 2}),
        r"added token '<\|endoftext\|>' stands twice"),
    "space": (tokenizer({" a": 0}, END), r"token ' a' is not spelled in the byte alphabet"),
    "Chinese": (tokenizer({"好": 0}, END), r"token '好' is not spelled in the byte alphabet"),
    "JSON": ("{", r"byte 1: expected a string"),
    "merges": ('{"merges": ["a", [1, x]]}', r"byte 21: expected a value"),
    "deep merges": ('{"merges": ' + "[" * 99, r"byte 75: nested deeper than 64"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "message"), BAD_TOKENIZERS.values(), ids=BAD_TOKENIZERS)
def test_bad_tokenizer(tmp_path, text, message):
    (tmp_path / "tokenizer.json").write_text(text, encoding="utf-8")
    with pytest.raises(LoadError, match=rf"tokenizer\.json: {message}"):
        Vocabulary.open(str(tmp_path))


def test_no_tokenizer(tmp_path):
    message = re.escape(f"Vocabulary: '{tmp_path}' has neither tokenizer.json nor vocab.json")
    with pytest.raises(LoadError, match=f"^{message}, nor a vocabulary"):
        Vocabulary.open(str(tmp_path))
