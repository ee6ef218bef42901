"""whisper.cpp's ggml files, read by the core: numbers, names, vocabulary, and what is refused."""

import struct
from dataclasses import replace

import numpy as np
import pytest

import fake_core
import ggml_writer as ggml
import tiny_whisper
from fake_core import ENGLISH, LARGE_V3, MULTILINGUAL
from oracle.checkpoint import Dims, random_checkpoint
from sottovoce import WhisperModel, _core
from sottovoce._core import Checkpoint, LoadError, Vocabulary
from sottovoce.checkpoints import open_checkpoint
from sottovoce.text.languages import LANGUAGES
from sottovoce.text.tokenizer import SpecialTokens
from sottovoce.text.vocabulary import BYTE_ALPHABET

DIMS = Dims()
KINDS = tuple(ggml.TYPES)


@pytest.fixture
def tensors(rng):
    return random_checkpoint(DIMS, rng)


def write(path, data):
    path.write_bytes(data)
    return path


def raw_pieces(n_vocab):
    byte_of = {character: byte for byte, character in enumerate(BYTE_ALPHABET)}
    return [bytes(map(byte_of.__getitem__, piece)) for piece in fake_core.pieces(n_vocab)]


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_are_those_of_the_file(tmp_path, tensors, kind):
    data, numbers = ggml.file(tensors, DIMS, kind)
    checkpoint = open_checkpoint(write(tmp_path / "ggml-tiny.bin", data))
    assert {name: getattr(checkpoint.dims, name) for name in vars(DIMS)} == vars(DIMS)
    assert checkpoint.names() == sorted(tensors)
    for name, expected in numbers.items():
        found = checkpoint.tensor(name)
        assert found.dtype == expected.dtype, name
        if kind.endswith("_1"):  # a product and a sum: the compiler may round once
            np.testing.assert_allclose(found, expected, rtol=0, atol=2**-22, err_msg=name)
        else:
            np.testing.assert_array_equal(found, expected, err_msg=name)


def test_numbers_of_every_scale(tmp_path, rng):
    """float16 scales: zero, subnormal, negative, and as large as they come."""
    dims = replace(DIMS, n_text_layer=1)
    scales = np.array([0.0, 6e-8, 6e-5, -1.5, 1.0, 60000.0], np.float16)
    integers = rng.integers(-128, 128, (len(scales), 32)).astype(np.int8)
    body = b"".join(s.tobytes() + row.tobytes() for s, row in zip(scales, integers, strict=True))
    name = b"decoder.ln.weight"
    entry = struct.pack("<iiiii", 2, len(name), 8, 32, len(scales)) + name + body
    data = ggml.header(dims) + ggml.filters(80) + ggml.vocabulary([]) + entry
    found = Checkpoint.open(str(write(tmp_path / "a.bin", data))).tensor(name.decode())
    np.testing.assert_array_equal(found, integers.astype(np.float32) * scales[:, None].astype("f4"))


@pytest.mark.parametrize("n_vocab", [ENGLISH, MULTILINGUAL, LARGE_V3])
def test_vocabulary(tmp_path, n_vocab):
    special = SpecialTokens.of_vocabulary(n_vocab)
    dims = tiny_whisper.dims(n_vocab)
    data, _ = ggml.file({}, dims, pieces=[*raw_pieces(n_vocab), b"<|endoftext|>", b""])
    vocabulary = Vocabulary.open(str(write(tmp_path / "a.bin", data)))
    for name, expected in special.names().items():
        assert vocabulary.special(name) == expected
    assert list(special.names())[2 : 2 + special.n_languages] == [
        f"<|{code}|>" for code in list(LANGUAGES)[: special.n_languages]
    ]
    expected = fake_core.tokenizer(n_vocab)
    assert vocabulary.encode(" the café -") == expected.encode(" the café -")


@pytest.mark.parametrize("kind", ["f32", "f16", "q5_0"])
def test_it_transcribes_as_the_same_numbers_do(tmp_path, kind):
    """Its file, and a checkpoint in memory of the numbers that the file holds."""
    dims = tiny_whisper.dims()
    pieces = raw_pieces(MULTILINGUAL)
    data, numbers = ggml.file(tiny_whisper.tensors(), dims, kind, pieces)
    model = WhisperModel(write(tmp_path / "ggml-tiny.bin", data), weights_cache=tmp_path / "packed")
    core = _core.Model(_core.Checkpoint(_core.ModelDims(**vars(dims)), numbers))
    other = WhisperModel.of_parts(core, fake_core.tokenizer())
    samples = np.random.default_rng(1).standard_normal(20_000).astype(np.float32) * 0.1
    found, expected = (
        m.transcribe(samples, language="en", temperature=0.0) for m in (model, other)
    )
    assert [s.tokens for s in found.segments] == [s.tokens for s in expected.segments]


def test_a_directory_may_call_it_model_bin(tmp_path, tensors):
    write(tmp_path / "model.bin", ggml.file(tensors, DIMS)[0])
    assert open_checkpoint(tmp_path).names() == sorted(tensors)


# What is refused.


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d[:2], "not a safetensors file|truncated"),
        (
            lambda d: d[:20],
            r"n_audio_layer needs 4 bytes at offset 20, got 0; the file is truncated",
        ),
        (lambda d: d[:4] + struct.pack("<i", -1) + d[8:], r"n_vocab must be in 1\.\..*got -1"),
        (
            lambda d: d[:48] + struct.pack("<i", 7) + d[52:],
            r"filters must be \(80, 201\), got \(7,",
        ),
        (lambda d: d[:1000], r"mel filters needs 64320 bytes at offset 56, got 944"),
        (lambda d: d[:-1], r"tensor '\S+' needs \d+ bytes"),
        (lambda d: d + b"\1\0\0\0", r"length of a tensor's name needs 4 bytes"),
        (lambda d: d + struct.pack("<i", 9), r"rank of a tensor must be in 0\.\.4, got 9"),
        (lambda d: d + entry(10), r"type must be f32, f16, .* got ggml's number 10"),
        (lambda d: d + entry(8, 33), r"rows of q8_0 must be a multiple of 32"),
        (
            lambda d: d + entry(0, 1) + bytes(4) + entry(0, 1) + bytes(4),
            r"'decoder\.x' stands twice",
        ),
        (lambda d: d + entry(1, *[1 << 20] * 4), r"is too large"),
        (lambda d: d + entry(0, -5), r"an axis of a tensor must be in 0\.\.1048576, got -5"),
    ],
)
def test_a_file_that_is_wrong(tmp_path, tensors, change, message):
    data, _ = ggml.file(tensors, DIMS)
    with pytest.raises(LoadError, match=message):
        Checkpoint.open(str(write(tmp_path / "a.bin", change(data))))


def entry(kind, *shape, name=b"decoder.x"):
    head = struct.pack("<iii", len(shape), len(name), kind)
    return head + struct.pack(f"<{len(shape)}i", *shape) + name


def test_vocabularies_that_are_wrong(tmp_path):
    dims = tiny_whisper.dims()
    few = ggml.file({}, dims, pieces=[b"a"])[0]
    with pytest.raises(LoadError, match=r"a\.bin: must have 50257 tokens at least, got 1"):
        Vocabulary.open(str(write(tmp_path / "a.bin", few)))
    odd = ggml.file({}, replace(dims, n_vocab=51870))[0]
    with pytest.raises(LoadError, match=r"n_vocab must be 51864 .*, got 51870"):
        Vocabulary.open(str(write(tmp_path / "a.bin", odd)))
    twice = ggml.file({}, dims, pieces=[b"a"] * 50257)[0]
    with pytest.raises(LoadError, match=r"a\.bin: tokens 0 and 1 are the same bytes"):
        Vocabulary.open(str(write(tmp_path / "a.bin", twice)))


@pytest.mark.parametrize("kind", ["f16", "q5_1"])
def test_damage_is_an_error_and_no_crash(tmp_path, tensors, rng, kind):
    data = bytearray(ggml.file(tensors, DIMS, kind, pieces=[b"a", b"b"])[0])
    head = 56 + 4 * 80 * 201
    for trial in range(200):
        damaged = data.copy()
        if trial % 2:
            del damaged[int(rng.integers(len(data))) :]
        for at in (*rng.integers(4, 56, 1), *rng.integers(head, head + 400, 2)):
            if at < len(damaged):
                damaged[at] = rng.integers(256)
        path = write(tmp_path / "a.bin", bytes(damaged))
        for read in (Checkpoint.open, Vocabulary.open):
            try:
                read(str(path))
            except LoadError as error:
                assert "a.bin" in str(error)  # noqa: PT017
