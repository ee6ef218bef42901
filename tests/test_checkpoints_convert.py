"""Conversion to Hugging Face: the same tensors and settings come back, or nothing was written."""

import errno
import json
import subprocess
import sys

import numpy as np
import pytest
import safetensors
from safetensors.numpy import load_file, save_file

import ctranslate2_writer as ct2
import fake_core
import ggml_writer
import tiny_whisper
import torch_writer
from fake_core import MULTILINGUAL
from oracle.checkpoint import Dims, random_checkpoint
from sottovoce import WhisperModel
from sottovoce._core import Checkpoint, LoadError, Vocabulary
from sottovoce.checkpoints import convert as convert_module
from sottovoce.checkpoints import open_checkpoint
from sottovoce.checkpoints.convert import convert
from sottovoce.checkpoints.huggingface import huggingface_name
from sottovoce.text.vocabulary import BYTE_ALPHABET

DIMS = Dims()


@pytest.fixture
def tensors(rng):
    return random_checkpoint(DIMS, rng)


@pytest.fixture
def source(tmp_path, tensors):
    return write(tmp_path / "source", tensors, "float32")


def write(directory, tensors, kind):
    variables = ct2.variables_of(tensors, DIMS.n_audio_head, DIMS.n_text_head)
    return ct2.write_directory(directory, ct2.model_bin(ct2.quantised(variables, kind)))


def names_in(directory):
    return sorted(path.name for path in directory.iterdir())


@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16", "int8", "int16"])
def test_round_trip(tmp_path, tensors, kind):
    source = write(tmp_path / "source", tensors, kind)
    before, after = open_checkpoint(source), open_checkpoint(convert(source, tmp_path / "out"))
    assert after.dims == before.dims
    assert after.alignment_heads == before.alignment_heads
    assert after.suppress_tokens == before.suppress_tokens
    assert sorted(after.names()) == sorted(before.names())
    for name in before.names():
        assert after.dtype(name) == before.dtype(name)
        np.testing.assert_array_equal(after.tensor(name), before.tensor(name), err_msg=name)


@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_cast(tmp_path, tensors, kind, dtype):
    source = write(tmp_path / "source", tensors, kind)
    before = open_checkpoint(source).tensor("encoder.blocks.1.mlp.2.weight")
    after = open_checkpoint(convert(source, tmp_path / "out", dtype))
    if kind == "bfloat16":
        before = (before.astype(np.uint32) << 16).view(np.float32)
    assert {after.dtype(name) for name in after.names()} == {dtype}
    found = after.tensor("encoder.blocks.1.mlp.2.weight")
    np.testing.assert_array_equal(found, before.astype(dtype))


def test_the_safetensors_library_reads_it(tmp_path, tensors, source):
    out = convert(source, tmp_path / "out")
    loaded = load_file(out / "model.safetensors")
    query = "model.decoder.layers.1.encoder_attn.q_proj.weight"
    np.testing.assert_array_equal(
        loaded[query], tensors["decoder.blocks.1.cross_attn.query.weight"]
    )
    assert len(loaded) == len(tensors)
    assert "proj_out.weight" not in loaded  # tied to the embedding
    assert "model.decoder.layers.0.self_attn.k_proj.bias" not in loaded
    with safetensors.safe_open(out / "model.safetensors", "np") as file:
        assert file.metadata() == {"format": "pt"}


@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16"])
def test_tensors_are_written_from_where_they_lie(tmp_path, tensors, kind, monkeypatch):
    checkpoint = open_checkpoint(write(tmp_path / "source", tensors, kind))
    given = {}
    monkeypatch.setattr(safetensors, "serialize_file", lambda specs, *_, **__: given.update(specs))
    convert_module.write_safetensors(tmp_path / "model.safetensors", checkpoint, None)
    places = {
        huggingface_name(name): checkpoint.tensor(name).ctypes.data for name in checkpoint.names()
    }
    assert {name: spec.data_ptr for name, spec in given.items()} == places


def test_every_file_may_be_read_by_the_same_people(tmp_path, source):
    out = convert(source, tmp_path / "out")
    (tmp_path / "usual").touch()
    assert {path.stat().st_mode for path in out.iterdir()} == {(tmp_path / "usual").stat().st_mode}


def test_a_full_disk_is_an_error_of_the_system(tmp_path, source):
    """Which the command line says in one line; here a limit stands for the end of the disk."""
    program = (
        "import resource, sys\n"
        "from sottovoce.checkpoints.convert import convert\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))\n"
        "try:\n"
        "    convert(sys.argv[1], sys.argv[2])\n"
        "except OSError as error:\n"
        "    print(error.errno, error.filename)\n"
    )
    command = [sys.executable, "-c", program, str(source), str(tmp_path / "out")]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    number, path = ran.stdout.split(maxsplit=1)
    assert int(number) == errno.EFBIG
    assert path.startswith(str(tmp_path))
    assert path.endswith("/model.safetensors\n")
    assert names_in(tmp_path) == ["source"]


def test_other_errors_of_the_library_pass_through(tmp_path, source, monkeypatch):
    def fail(*_, **__):
        raise safetensors.SafetensorError("no such dtype")

    monkeypatch.setattr(safetensors, "serialize_file", fail)
    with pytest.raises(safetensors.SafetensorError, match="no such dtype"):
        convert(source, tmp_path / "out")
    assert names_in(tmp_path) == ["source"]


def test_configs(tmp_path, source):
    out = convert(source, tmp_path / "out")
    assert names_in(out) == [
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "preprocessor_config.json",
        "tokenizer.json",
    ]
    config = json.loads((out / "config.json").read_text())
    assert config["architectures"] == ["WhisperForConditionalGeneration"]
    assert (config["d_model"], config["encoder_ffn_dim"]) == (96, 384)
    assert config["decoder_start_token_id"] == 41
    assert config["torch_dtype"] == "float32"
    generation = json.loads((out / "generation_config.json").read_text())
    assert generation["begin_suppress_tokens"] == [20, 40]
    assert generation["alignment_heads"] == [[1, 0], [1, 2]]
    assert generation["no_timestamps_token_id"] == 49
    assert generation["eos_token_id"] == 40
    assert generation["is_multilingual"] is False
    assert "lang_to_id" not in generation
    assert (out / "tokenizer.json").read_bytes() == (source / "tokenizer.json").read_bytes()


def test_hugging_face_settings_survive_a_second_conversion(tmp_path, source):
    first = convert(source, tmp_path / "first")
    generation = json.loads((first / "generation_config.json").read_text())
    (first / "generation_config.json").write_text(json.dumps({**generation, "forced": [1]}))
    second = convert(first, tmp_path / "second", alignment_heads=[(0, 2)])
    again = json.loads((second / "generation_config.json").read_text())
    assert again == {**generation, "forced": [1], "alignment_heads": [[0, 2]]}


def test_float16_that_overflows(tmp_path, tensors):
    tensors["encoder.conv1.bias"][3] = 1e5
    source = write(tmp_path / "source", tensors, "float32")
    with pytest.raises(LoadError, match=r"encoder\.conv1\.bias: values up to 100000 do not fit"):
        convert(source, tmp_path / "out", "float16")
    assert names_in(tmp_path) == ["source"]


def test_refuses_to_overwrite(tmp_path, source):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").touch()
    with pytest.raises(
        FileExistsError, match="out is not empty; choose another directory, or pass"
    ):
        convert(source, tmp_path / "out")
    assert names_in(tmp_path / "out") == ["thesis.tex"]
    with pytest.raises(FileExistsError, match=r"model\.bin is a file; name a directory"):
        convert(source, source / "model.bin")


def test_overwrites_when_told_and_accepts_an_empty_directory(tmp_path, source):
    (tmp_path / "out").mkdir()
    convert(source, tmp_path / "out")
    (tmp_path / "out" / "stale").touch()
    convert(source, tmp_path / "out", overwrite=True)
    assert "stale" not in names_in(tmp_path / "out")
    assert names_in(tmp_path) == ["out", "source"]


def test_a_crash_leaves_what_was_there(tmp_path, source, monkeypatch):
    def crash(*_):
        raise KeyboardInterrupt

    convert(source, tmp_path / "out")
    before = (tmp_path / "out" / "model.safetensors").read_bytes()
    monkeypatch.setattr(convert_module.huggingface, "generation_config", crash)
    for destination in ("out", "other"):
        with pytest.raises(KeyboardInterrupt):
            convert(source, tmp_path / destination, "float16", overwrite=True)
    assert names_in(tmp_path) == ["out", "source"]
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == before


def test_what_cannot_be_converted(tmp_path, source):
    with pytest.raises(ValueError, match="dtype must be float32, float16 or None"):
        convert(source, tmp_path / "out", "int4")
    (source / "tokenizer.json").write_text('{"added_tokens": [{"id": 1}]}')
    with pytest.raises(LoadError, match="added_tokens must be objects with content and id"):
        convert(source, tmp_path / "out")
    (source / "tokenizer.json").unlink()
    with pytest.raises(LoadError, match=r"has neither tokenizer\.json nor vocab\.json"):
        convert(source, tmp_path / "out")
    assert names_in(tmp_path) == ["source"]


# Other formats, and one file.


def write_pt(path):
    fake_core.write_tokenizer_json(path, MULTILINGUAL)
    data = torch_writer.openai_file(tiny_whisper.tensors(), tiny_whisper.dims())
    (path / "tiny.pt").write_bytes(data)
    return path / "tiny.pt"


def write_ggml(path):
    byte_of = {character: byte for byte, character in enumerate(BYTE_ALPHABET)}
    pieces = [bytes(map(byte_of.__getitem__, piece)) for piece in fake_core.pieces(MULTILINGUAL)]
    data, _ = ggml_writer.file(tiny_whisper.tensors(), tiny_whisper.dims(), "q8_0", pieces)
    (path / "ggml.bin").write_bytes(data)
    return path / "ggml.bin"


@pytest.mark.parametrize("write_source", [write_pt, write_ggml, tiny_whisper.write])
@pytest.mark.parametrize("name", ["out", "out.safetensors"])
def test_any_format_as_a_directory_or_a_file(tmp_path, write_source, name):
    source = write_source(tmp_path)
    before, after = open_checkpoint(source), open_checkpoint(convert(source, tmp_path / name))
    assert after.dims == before.dims
    assert sorted(after.names()) == sorted(before.names())
    for tensor in before.names():
        assert after.dtype(tensor) == before.dtype(tensor)
        np.testing.assert_array_equal(after.tensor(tensor), before.tensor(tensor), err_msg=tensor)
    samples = np.random.default_rng(2).standard_normal(16_000).astype(np.float32) * 0.1
    models = (WhisperModel(path) for path in (source, tmp_path / name))
    texts = [model.transcribe(samples, language="en", temperature=0.0).text for model in models]
    assert texts[0] == texts[1]


def test_one_file_is_a_model_for_the_core_alone(tmp_path, monkeypatch):
    source = tiny_whisper.write(tmp_path / "source")
    generation = {"alignment_heads": [[0, 0]], "suppress_tokens": [3, 5], "forced": [1]}
    (source / "generation_config.json").write_text(json.dumps(generation))
    out = convert(source, tmp_path / "tiny.safetensors", "float16")
    checkpoint = Checkpoint.open(str(out))
    assert checkpoint.alignment_heads == [(0, 0)]
    assert checkpoint.suppress_tokens == [3, 5]
    vocabulary = Vocabulary.open(str(out))
    assert vocabulary.special("<|de|>") == 50261
    expected = fake_core.tokenizer().encode(" the café")
    assert vocabulary.encode(" the café") == expected
    assert (
        json.loads(safetensors.safe_open(out, "np").metadata()["sottovoce.config"])["d_model"] == 32
    )
    again = convert(out, tmp_path / "again")
    kept = json.loads((again / "generation_config.json").read_text())
    assert kept["suppress_tokens"] == [3, 5]
    with pytest.raises(FileExistsError, match="is there; choose another name"):
        convert(source, out)
    before = out.read_bytes()
    convert(source, out, overwrite=True)
    assert out.read_bytes() != before


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("sottovoce.config", "{", r"sottovoce\.config: byte 1"),
        ("sottovoce.config", "{}", r"sottovoce\.config: has no model_type"),
        ("sottovoce.generation_config", "[", r"sottovoce\.generation_config: byte 1"),
        ("sottovoce.tokenizer", "[]", r"has no object that maps tokens to ids"),
        ("sottovoce.tokenizer", None, r"has no sottovoce\.tokenizer in its metadata"),
    ],
)
def test_one_file_with_broken_texts(tmp_path, name, text, message):
    out = convert(tiny_whisper.write(tmp_path / "source"), tmp_path / "tiny.safetensors")
    with safetensors.safe_open(out, "np") as file:
        metadata = {**file.metadata(), name: text}
        kept = {key: value for key, value in metadata.items() if value is not None}
        save_file({key: file.get_tensor(key) for key in file.keys()}, out, metadata=kept)  # noqa: SIM118
    with pytest.raises(LoadError, match=rf"tiny\.safetensors: .*{message}|{message}"):
        WhisperModel(out)


def test_an_adapter_onto_a_base(tmp_path):
    tiny_whisper.write(tmp_path / "base")
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "x/y"}))
    bias = np.full(32, 0.5, np.float32)
    save_file({"base_model.model.model.decoder.layer_norm.bias": bias},
              adapter / "adapter_model.safetensors")  # fmt: skip
    out = convert(adapter, tmp_path / "out", base=tmp_path / "base")
    np.testing.assert_array_equal(open_checkpoint(out).tensor("decoder.ln.bias"), bias)
    assert (out / "tokenizer.json").is_file()


def test_real_model(tmp_path, base_dir):
    out = convert(base_dir, tmp_path / "out")
    before, after = open_checkpoint(base_dir), open_checkpoint(out)
    assert after.dims == before.dims
    name = "decoder.blocks.5.cross_attn.value.weight"
    np.testing.assert_array_equal(after.tensor(name), before.tensor(name))
    generation = json.loads((out / "generation_config.json").read_text())
    assert len(generation["lang_to_id"]) == 99
    assert generation["lang_to_id"]["<|de|>"] == 50261
    assert generation["task_to_id"] == {"transcribe": 50359, "translate": 50358}
