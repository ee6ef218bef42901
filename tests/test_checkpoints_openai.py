"""openai-whisper's .pt: the weights it holds, and that its pickle can say nothing else."""

import base64
import pickle
import zipfile

import numpy as np
import pytest

import fake_core
import tiny_whisper
import torch_writer as torch
from fake_core import MULTILINGUAL
from huggingface_writer import as_kind
from oracle.checkpoint import Dims, random_checkpoint
from sottovoce import WhisperModel
from sottovoce._core import LoadError
from sottovoce.checkpoints import hub, open_checkpoint, vocabularies
from sottovoce.text.vocabulary import BYTE_ALPHABET

DIMS = Dims()


@pytest.fixture
def tensors(rng):
    return random_checkpoint(DIMS, rng)


def write(path, data):
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16"])
def test_tensors_are_bitwise_what_was_saved(tmp_path, tensors, kind):
    kept = {name: as_kind(tensor, kind) for name, tensor in tensors.items()}
    checkpoint = open_checkpoint(write(tmp_path / "a.pt", torch.openai_file(kept, DIMS)))
    assert {name: getattr(checkpoint.dims, name) for name in vars(DIMS)} == vars(DIMS)
    assert checkpoint.names() == sorted(tensors)
    assert checkpoint.alignment_heads is None
    assert checkpoint.source == str(tmp_path / "a.pt")
    for name, tensor in kept.items():
        assert checkpoint.dtype(name) == kind
        np.testing.assert_array_equal(checkpoint.tensor(name), tensor, err_msg=name)


def test_float64_is_narrowed_and_buffers_and_wrappers_are_left_out(tmp_path, tensors):
    bias = tensors["encoder.conv1.bias"]
    kept = {f"_orig_mod.module.{name}": tensor for name, tensor in tensors.items()}
    kept["_orig_mod.module.encoder.conv1.bias"] = bias.astype(np.float64)
    kept |= {"decoder.mask": bias, "step": np.array([3], np.int64)}
    checkpoint = open_checkpoint(write(tmp_path / "a.pt", torch.openai_file(kept, DIMS)))
    assert checkpoint.names() == sorted(tensors)
    np.testing.assert_array_equal(checkpoint.tensor("encoder.conv1.bias"), bias)


def test_views_of_one_storage(tmp_path):
    """Transposed, and from the middle: what PyTorch saves of parameters that share their memory."""
    whole = np.arange(12, dtype=np.float32)
    view = torch.tensor("0", whole[:6].reshape(3, 2), offset=6, strides=(1, 3))
    state = torch.dict_of({"encoder.conv1.weight": view})
    dims = torch.dict_of({name: torch.number(value) for name, value in vars(DIMS).items()})
    program = torch.pickled(torch.dict_of({"dims": dims, "model_state_dict": state}))
    path = write(tmp_path / "a.pt", torch.archive(program, {"0": whole}))
    found = open_checkpoint(path).tensor("encoder.conv1.weight")
    np.testing.assert_array_equal(found, [[6, 9], [7, 10], [8, 11]])


# What a pickle may not say.


def saved(value, protocol=2):
    return torch.archive(pickle.dumps(value, protocol), {})


class Call:
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_nothing_is_executed(tmp_path, protocol):
    path = write(tmp_path / "a.pt", saved({"dims": Call(print, "run")}, protocol))
    with pytest.raises(
        LoadError, match=r"data\.pkl: weights need no (__builtin__|builtins)\.print"
    ):
        open_checkpoint(path)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (b"cos\nsystem\n(X\2\0\0\0lstR.", r"weights need no os\.system; a pickle with it is not"),
        (b"(S'x'\nios\nsystem\n.", r"need no pickle opcode STRING; not read"),
        (b"\x80\x02]\x81.", r"need no pickle opcode NEWOBJ"),
        (b"\x80\x02\x82\x01.", r"need no pickle opcode EXT1"),
        (b"", "a damaged pickle: "),
        (b"\x80\x02}", "a damaged pickle: "),
        (b".", "a damaged pickle: IndexError"),
        (b"(.", "a damaged pickle: ValueError: a mark stands where a value should"),
        (b"h\x07.", "a damaged pickle: KeyError: 7"),
        (b"}]K\1s.", "ValueError: the key of a dict is a list"),
        (b"]K\1K\2s.", "ValueError: a list stands where a dict should"),
        (b"K\1)R.", "ValueError: a int is called"),
        (b"ctorch\nFloatStorage\n)R.", "is called"),
        (b"(K\1K\2tQ.", "a damaged pickle: ValueError"),
        (b"X\xff\xff\xff\x7fa.", "a damaged pickle: ValueError"),
    ],
)
def test_a_pickle_of_something_else(tmp_path, program, message):
    with pytest.raises(LoadError, match=rf"a\.pt: data\.pkl: {message}|{message}"):
        open_checkpoint(write(tmp_path / "a.pt", torch.archive(program, {})))


@pytest.mark.parametrize(
    ("array", "offset", "strides", "message"),
    [
        (np.zeros((2, 3), np.float32), 1, (), r"data/0 must have 7 elements of 4 bytes, got 24"),
        (np.zeros((2, 3), np.float32), 0, (3, 2), "a damaged pickle: ValueError"),
        (np.zeros((2, 3), np.float32), 0, (-3, 1), "a damaged pickle: ValueError"),
    ],
)
def test_a_tensor_outside_its_storage(tmp_path, array, offset, strides, message):
    program = torch.pickled(torch.tensor("0", array, offset, strides))
    with pytest.raises(LoadError, match=message):
        open_checkpoint(write(tmp_path / "a.pt", torch.archive(program, {"0": array})))


def test_a_tensor_expanded_without_end(tmp_path):
    one = np.zeros(1, np.float32)
    program = torch.tensor("0", one).replace(
        torch.tuple_of(torch.number(1)) * 2,
        torch.tuple_of(*[torch.number(1 << 20)] * 3) + torch.tuple_of(*[torch.number(0)] * 3),
    )
    with pytest.raises(LoadError, match="has more elements than its storage"):
        open_checkpoint(write(tmp_path / "a.pt", torch.archive(torch.pickled(program), {"0": one})))


# What else a file may be.


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1], r"must hold a dict with dims and model_state_dict, .* got a list"),
        ({}, r"got \{\}"),
        (
            {"epoch": 1, "state_dict": {}},
            r"got one with epoch, state_dict; weights of Hugging Face",
        ),
        (
            {"dims": {"n_mels": 80}, "model_state_dict": {}},
            "n_audio_ctx must be a number, got None",
        ),
    ],
)
def test_a_file_of_something_else(tmp_path, value, message):
    with pytest.raises(LoadError, match=rf"a\.pt: .*{message}"):
        open_checkpoint(write(tmp_path / "a.pt", saved(value)))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"a\.pt: is empty"),
        (b"PK\3\4 and no more", r"a\.pt: a PyTorch file that is damaged"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", r"before version 1\.6, .* torch\.save\("),
        (b"\x80\x04}.", r"a pickle, which is not read"),
        (b"GGUF\3\0\0\0", r"a GGUF file, which is not read"),
        (b"version https://git-lfs.github.com/spec/v1\n", r"a pointer of Git LFS and not"),
        (b"<!DOCTYPE html><html>", r"a web page, not a model; download the file itself"),
        (b"what is this", r"a\.pt: not a model file; a model is"),
    ],
)
def test_no_openai_file_at_all(tmp_path, data, message):
    with pytest.raises(LoadError, match=message):
        open_checkpoint(write(tmp_path / "a.pt", data))


def test_zip_files_of_others_and_deflated_ones(tmp_path, tensors):
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as file:
        file.writestr("word/document.xml", "<x/>")
    with pytest.raises(LoadError, match=r"a\.pt: a zip file, but not PyTorch's: it has no data"):
        open_checkpoint(tmp_path / "a.pt")
    program, storages = torch.state_dict(tensors)
    data = torch.archive(torch.pickled(program), storages, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(LoadError, match=r"its entry \S+ must be stored as it is, not deflated"):
        open_checkpoint(write(tmp_path / "b.pt", data))


def test_the_other_byte_order(tmp_path, tensors):
    data = torch.openai_file(tensors, DIMS, byte_order="big")
    with pytest.raises(LoadError, match=r"a\.pt: byte order must be little, got b'big'"):
        open_checkpoint(write(tmp_path / "a.pt", data))


def test_damage_is_an_error_and_no_crash(tmp_path, tensors, rng):
    data = bytearray(torch.openai_file(tensors, DIMS))
    directory = len(data) - 12_000  # of the zip file
    for trial in range(150):
        damaged = data.copy()
        if trial % 3 == 0:
            del damaged[int(rng.integers(len(data))) :]
        else:
            first = 0 if trial % 3 == 1 else directory
            for at in rng.integers(first, first + 12_000, 3):
                damaged[at] = rng.integers(256)
        try:
            open_checkpoint(write(tmp_path / "a.pt", bytes(damaged)))
        except LoadError as error:
            assert "a.pt" in str(error)  # noqa: PT017


# The vocabulary, which the file has not.


@pytest.fixture
def model(tmp_path):
    """A .pt of a network that transcribes noise, in a folder of its own."""
    (tmp_path / "cache").mkdir()
    dims = tiny_whisper.dims()
    data = torch.openai_file(tiny_whisper.tensors(), dims)
    return write(tmp_path / "cache" / "tiny.pt", data)


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """No package, no hub, no demo."""
    monkeypatch.setattr(vocabularies.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("SOTTOVOCE_CACHE", str(tmp_path / "none"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "none"))


def tiktoken(n_vocab):
    byte_of = {character: byte for byte, character in enumerate(BYTE_ALPHABET)}
    lines = []
    for token, piece in enumerate(fake_core.pieces(n_vocab)):
        data = base64.b64encode(bytes(byte_of[character] for character in piece)).decode()
        lines.append(f"{data} {token}\n")
    return "".join(lines)


def test_a_tokenizer_beside_the_file(model, alone):
    fake_core.write_tokenizer_json(model.parent, MULTILINGUAL)
    assert WhisperModel(model).tokenizer.decode([fake_core.word(7)]) == " w7"


def test_the_vocabulary_of_the_package(model, alone, tmp_path, monkeypatch):
    assets = tmp_path / "whisper" / "assets"
    assets.mkdir(parents=True)
    (assets / "multilingual.tiktoken").write_text(tiktoken(MULTILINGUAL))

    class Package:
        submodule_search_locations = (str(tmp_path / "whisper"),)

    monkeypatch.setattr(vocabularies.importlib.util, "find_spec", lambda name: Package)
    opened = WhisperModel(model)
    assert opened.tokenizer.encode(" w7 the") == fake_core.tokenizer().encode(" w7 the")
    samples = np.random.default_rng(0).standard_normal(16000).astype(np.float32) * 0.1
    expected = tiny_whisper.model().transcribe(samples, language="en", temperature=0.0).text
    assert (
        opened.transcribe(samples, language="en", temperature=0.0, policy="openai").text == expected
    )


def test_a_broken_tiktoken_file_is_named(model, alone):
    for text, message in (
        ("IQ== 1\n", r"line 1 must be base64 and the id 0"),
        ("IQ== 0\n!! 1\n", r"must be base64 and an id a line, got '!!'"),
        ("IQ== 0\n", r"the vocabulary belongs to another model"),
    ):
        (model.parent / "multilingual.tiktoken").write_text(text)
        with pytest.raises(LoadError, match=rf"tiktoken: {message}"):
            WhisperModel(model)


def test_a_model_that_is_here_lends_its_vocabulary(model, alone, tmp_path, monkeypatch):
    fake_core.write_tokenizer_json(tmp_path, MULTILINGUAL)
    monkeypatch.setattr(hub, "fetched_model", lambda name: tmp_path if name == "base" else None)
    assert WhisperModel(model).tokenizer.special.n_vocab == MULTILINGUAL


def test_no_vocabulary_anywhere(model, alone):
    with pytest.raises(LoadError, match=r"tiny\.pt: .* no vocabulary, .* openai-whisper"):
        WhisperModel(model, local_files_only=True)


def test_packed_weights_of_a_file(model, tmp_path):
    fake_core.write_tokenizer_json(model.parent, MULTILINGUAL)
    WhisperModel(model, weights_cache=tmp_path / "packed")
    (packed,) = (tmp_path / "packed").iterdir()
    assert packed.name.startswith("tiny.pt-")
    before = packed.stat().st_ino
    WhisperModel(model, weights_cache=tmp_path / "packed")
    assert packed.stat().st_ino == before
    model.write_bytes(model.read_bytes())
    WhisperModel(model, weights_cache=tmp_path / "packed")
    assert packed.stat().st_ino != before
