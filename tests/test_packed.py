"""Packed weights in files: the same bits as from the checkpoint, or no file at all."""

import dataclasses
import hashlib
import itertools
import os
import struct
import threading
from pathlib import Path

import numpy as np
import pytest

import oracle
from huggingface_writer import write_model
from oracle import Dims
from sottovoce import _core
from test_model import make

TYPES = ("float32", "bfloat16", "int8")
PREFIX = 56  # bytes
DIMS = Dims(n_audio_state=24, n_audio_head=2, n_text_state=24, n_text_head=2, n_vocab=97)


def output(model, seed=0):
    """Features and logits of noise."""
    rng = np.random.default_rng(seed)
    mel = rng.standard_normal((model.dims.n_mels, 2 * model.dims.n_audio_ctx)).astype(np.float32)
    features = model.encode(mel)
    return features.values, model.logits([1, 2, 3], features)


def assert_same(one, other):
    for a, b in zip(output(one), output(other), strict=True):
        np.testing.assert_array_equal(a, b)
    for name in ("dims", "isa", "compute_type", "alignment_heads", "weights_bytes"):
        assert getattr(one, name) == getattr(other, name)


def data_begin(contents: bytes) -> int:
    return struct.unpack_from("<Q", contents, 24)[0]


def header_end(contents: bytes) -> int:
    return PREFIX + struct.unpack_from("<Q", contents, 16)[0]


@pytest.fixture
def saved(tmp_path, rng):
    """A model, and the path of its file under the identity "me"."""
    model = make(DIMS, oracle.random_checkpoint(DIMS, rng), compute_type="int8")
    path = tmp_path / "a.packed"
    assert _core.save_packed(model, str(path), "me")
    return model, path


def reopen(path, identity="me", compute_type="int8", isa=""):
    return _core.open_packed(str(path), identity, compute_type=compute_type, isa=isa, n_threads=2)


# --- the same model ---


@pytest.mark.parametrize("compute_type", TYPES)
@pytest.mark.parametrize("dims", [DIMS, Dims(n_mels=128, n_audio_ctx=37, n_audio_layer=3)])
def test_a_saved_model_is_the_same_to_the_last_bit(tmp_path, rng, isa, dims, compute_type):
    model = make(dims, oracle.random_checkpoint(dims, rng), isa, compute_type=compute_type)
    path = str(tmp_path / "deep" / "folder" / "a.packed")
    assert _core.save_packed(model, path, "me")
    assert [file.name for file in Path(path).parent.iterdir()] == ["a.packed"]
    assert_same(model, _core.open_packed(path, "me", isa=isa, compute_type=compute_type))


def test_a_saved_model_can_be_saved_again(tmp_path, saved):
    _, path = saved
    again = tmp_path / "b.packed"
    assert _core.save_packed(reopen(path), str(again), "me")
    assert again.read_bytes() == path.read_bytes()


def test_alignment_heads_come_along(tmp_path, rng):
    tensors = oracle.random_checkpoint(DIMS, rng)
    dims = _core.ModelDims(**dataclasses.asdict(DIMS))
    heads = [(1, 1), (0, 0)]
    model = _core.Model(_core.Checkpoint(dims, tensors, alignment_heads=heads))
    _core.save_packed(model, str(tmp_path / "a"), "me")
    assert reopen(tmp_path / "a", compute_type="float32").alignment_heads == heads


def test_others_may_read_the_file_if_the_user_lets_them(tmp_path, saved):
    assert saved[1].stat().st_mode & 0o777 == 0o644 & ~umask()
    _core.save_packed(saved[0], str(tmp_path / "new" / "a"), "me")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def umask() -> int:
    mask = os.umask(0o22)
    os.umask(mask)
    return mask


# What a format packs: other bytes for the same checkpoint need another kFormat in packed.cpp, or
# files of earlier builds would be taken for today's. A new format is a new entry.
FORMATS = {
    2: {
        ("scalar", "float32"): "119a3ab850a27b6f",
        ("scalar", "bfloat16"): "5fb7f7a28ac72af7",
        ("scalar", "int8"): "9fd889440a2fe2f2",
        ("avx2", "float32"): "65e79ff3429e3eca",
        ("avx2", "bfloat16"): "6ae83105e5139485",
        ("avx2", "int8"): "ead40a7e97c66273",
        ("avx512", "float32"): "d9670ec005406fad",
        ("avx512", "bfloat16"): "897507657daaa732",
        ("avx512", "int8"): "35e7f6371f426265",
    },
    3: {
        ("scalar", "float32"): "119a3ab850a27b6f",
        ("scalar", "bfloat16"): "4e0f73bae932393f",
        ("scalar", "int8"): "8c194b2a3ce9119c",
        ("avx2", "float32"): "65e79ff3429e3eca",
        ("avx2", "bfloat16"): "3a173c10552ba2b5",
        ("avx2", "int8"): "5bbe04a5d16e05c3",
        ("avx512", "float32"): "d9670ec005406fad",
        ("avx512", "bfloat16"): "03c345b865577d43",
        ("avx512", "int8"): "2d72b28ebe299d01",
        ("avx512_bf16", "float32"): "d9670ec005406fad",
        ("avx512_bf16", "bfloat16"): "897507657daaa732",
        ("avx512_bf16", "int8"): "35e7f6371f426265",
    },
}
FORMAT = max(FORMATS)


def meaning(isa: str, compute_type: str) -> str:
    """What the header says of a compute type: what it makes of linear layers, convolutions,
    attention, and the keys and values of the audio."""
    has_dot = isa.endswith("_bf16")
    between = "bfloat16" if has_dot and compute_type != "float32" else "float32"
    return f"{compute_type} {compute_type}/{between}/{between}/{compute_type}"


@pytest.mark.parametrize("compute_type", TYPES)
@pytest.mark.parametrize("table", _core.available_isas())
def test_a_format_packs_the_same_bytes_for_ever(tmp_path, table, compute_type):
    shapes = {
        n: t.shape for n, t in oracle.random_checkpoint(DIMS, np.random.default_rng()).items()
    }
    exact = {  # no library's random numbers
        name: ((np.arange(np.prod(shape)) * 37 + seed) % 1009 / 512 - 1).astype("f4").reshape(shape)
        for seed, (name, shape) in enumerate(sorted(shapes.items()))
    }
    model = make(DIMS, exact, table, compute_type=compute_type)
    path = tmp_path / "a"
    _core.save_packed(model, str(path), "me")
    contents = path.read_bytes()
    header, data = contents[PREFIX : header_end(contents)], contents[data_begin(contents) :]
    _, identity, description = header.partition(
        f" format {FORMAT} {table} {meaning(table, compute_type)}\n2\nme".encode()
    )
    assert identity
    digest = hashlib.sha256(description + data).hexdigest()[:16]
    family = (table if table.endswith("_bf16") else table.partition("_")[0], compute_type)
    if family not in FORMATS[FORMAT]:
        pytest.skip(f"no digest is remembered for the tables of {family[0]}")
    assert digest == FORMATS[FORMAT][family]


def test_every_format_is_another():
    for one, other in itertools.combinations(FORMATS.values(), 2):
        assert one.items() ^ other.items()


# --- another one, or none ---


@pytest.mark.parametrize(
    "other",
    [{"identity": "you"}, {"identity": ""}, {"identity": "me\n"}, {"compute_type": "float32"}],
)
def test_a_file_of_something_else_is_none(saved, other):
    assert reopen(saved[1], **other) is None


def test_a_file_of_another_instruction_set_is_none(saved):
    others = [isa for isa in _core.available_isas() if isa != saved[0].isa]
    assert all(reopen(saved[1], isa=isa) is None for isa in others)


def test_a_file_of_another_version_is_none(saved):
    contents = saved[1].read_bytes()
    version = f"sottovoce {_core.__version__} format {FORMAT} ".encode()
    assert version in contents
    saved[1].write_bytes(contents.replace(version, version.replace(b"0", b"9")))
    assert reopen(saved[1]) is None


def test_a_file_cut_short_or_longer_is_none(saved):
    contents = saved[1].read_bytes()
    begin = data_begin(contents)
    lengths = {0, 1, PREFIX - 1, PREFIX, PREFIX + 1, 300, begin - 1, begin, begin + 1}
    lengths |= set(range(begin, len(contents), 1777)) | {len(contents) - 1, len(contents) - 64}
    for length in lengths:
        saved[1].write_bytes(contents[:length])
        assert reopen(saved[1]) is None, length
    saved[1].write_bytes(contents + bytes(64))
    assert reopen(saved[1]) is None
    saved[1].write_bytes(contents)
    assert_same(saved[0], reopen(saved[1]))


def test_a_flipped_bit_anywhere_is_noticed(saved, rng):
    contents = saved[1].read_bytes()
    begin = data_begin(contents)
    places = [*range(PREFIX), *rng.integers(PREFIX, begin, 200)]
    places += [*rng.integers(begin, len(contents), 200), begin, len(contents) - 1]
    for place in places:
        damaged = bytearray(contents)
        damaged[place] ^= 1 << int(rng.integers(8))
        saved[1].write_bytes(damaged)
        assert reopen(saved[1]) is None, place


# --- what a checksum does not tell ---

MASK = 2**64 - 1
ODD = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9)


def checksum(data: bytes, seed: int = 0) -> int:
    """csrc/io/checksum.cpp again."""

    def rotate(x: int, by: int) -> int:
        return (x << by | x >> (64 - by)) & MASK

    lanes = [(seed + ODD[0]) & MASK, (seed + ODD[1]) & MASK, seed, (seed - ODD[0]) & MASK]
    whole = len(data) // 32 * 32
    for i, (word,) in enumerate(struct.iter_unpack("<Q", data[:whole])):
        lanes[i % 4] = rotate((lanes[i % 4] + word * ODD[1]) & MASK, 31) * ODD[0] & MASK
    total = sum(map(rotate, lanes, (1, 7, 12, 18))) + len(data) & MASK
    for byte in data[whole:]:
        total = rotate((total ^ byte * ODD[2]) & MASK, 11) * ODD[0] & MASK
    total = (total ^ total >> 33) * ODD[1] & MASK
    total = (total ^ total >> 29) * ODD[2] & MASK
    return total ^ total >> 32


def forged(contents: bytes, header: bytes) -> bytes:
    """The same data behind a header of the same length, all checksums right."""
    begin, end = data_begin(contents), header_end(contents)
    assert len(header) == end - PREFIX
    front = header + contents[end:begin]
    prefix = contents[: PREFIX - 16] + struct.pack("<Q", checksum(front))
    return prefix + struct.pack("<Q", checksum(prefix)) + front + contents[begin:]


def test_checksums_are_forged_well(saved):
    contents = saved[1].read_bytes()
    assert forged(contents, contents[PREFIX : header_end(contents)]) == contents


@pytest.mark.parametrize("compute_type", TYPES)
@pytest.mark.parametrize(
    "n_numbers", [40, pytest.param(100_000, marks=pytest.mark.slow)], ids=["some", "all"]
)
def test_a_number_that_contradicts_the_others_is_noticed(tmp_path, rng, compute_type, n_numbers):
    """Each count, shape and dtype of the description is another, and the checksums are right."""
    path = tmp_path / "a"
    model = make(DIMS, oracle.random_checkpoint(DIMS, rng), compute_type=compute_type)
    _core.save_packed(model, str(path), "me")
    contents = path.read_bytes()
    header = contents[PREFIX : header_end(contents)]
    first = header.index(b"\n2\nme") + 5
    places = list(range(first, len(header), 8))
    numbers = dict(
        zip(places, (n for (n,) in struct.iter_unpack("<q", header[first:])), strict=True)
    )
    heads = {places[3], places[8]}  # of dims
    heads |= set(places[11 : 11 + 2 * numbers[places[10]]])  # those of the alignment
    chosen = places[:30] + list(rng.permutation(places[30:]))[:n_numbers]
    for place in chosen:
        old = numbers[place]
        wrong = {old + 1, old - 1, 2 * old + 1, -old - 2, 1 << 32, 1 << 62, -(1 << 63)} - {old}
        for new in wrong if n_numbers > 1000 or place < places[30] else list(wrong)[:2]:
            changed = header[:place] + struct.pack("<q", new) + header[place + 8 :]
            path.write_bytes(forged(contents, changed))
            opened = reopen(path, compute_type=compute_type)
            if opened is not None:  # heads are not seen in shapes
                assert place in heads, (place, old, new)
                output(opened)


def test_random_headers_with_right_checksums_are_none_or_a_model_that_runs(saved, rng):
    """Whatever opens can be used: nothing is read beyond the file."""
    _, path = saved
    contents = path.read_bytes()
    header = contents[PREFIX : header_end(contents)]
    first = header.index(b"\n2\nme") + 5
    for _ in range(100):
        changed = bytearray(header)
        for _ in range(int(rng.integers(1, 4))):
            changed[int(rng.integers(first, len(header)))] = int(rng.integers(256))
        path.write_bytes(forged(contents, bytes(changed)))
        opened = reopen(path)
        if opened is not None:
            output(opened)


def test_swapped_parts_are_noticed(saved):
    contents = bytearray(saved[1].read_bytes())
    begin = data_begin(contents)
    contents[begin : begin + 8], contents[begin + 8 : begin + 16] = (
        contents[begin + 8 : begin + 16],
        contents[begin : begin + 8],
    )
    saved[1].write_bytes(contents)
    assert reopen(saved[1]) is None


def test_what_is_no_file_of_ours_is_none(tmp_path, saved):
    _, path = saved
    assert reopen(tmp_path / "missing") is None
    assert reopen(tmp_path) is None
    (tmp_path / "link").symlink_to(path)
    assert reopen(tmp_path / "link") is None
    os.mkfifo(tmp_path / "pipe")
    assert reopen(tmp_path / "pipe") is None
    path.chmod(0o620)  # others may write to it
    assert reopen(path) is None
    path.chmod(0o444)
    assert reopen(path) is not None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_is_none(saved):
    os.chown(saved[1], 12345, -1)
    assert reopen(saved[1]) is None
    with pytest.raises(_core.LoadError, match=r"belongs to another user: .* owner 12345"):
        _core.save_packed(saved[0], str(saved[1]), "me")


# --- writing ---


def test_a_file_that_is_open_survives_its_replacement(saved, rng):
    model, path = saved
    opened = reopen(path)
    other = make(DIMS, oracle.random_checkpoint(DIMS, rng), compute_type="int8")
    assert _core.save_packed(other, str(path), "you")
    assert_same(model, opened)
    assert_same(other, reopen(path, "you"))
    path.unlink()
    assert_same(model, opened)


def test_what_a_killed_writer_left_is_no_hindrance(saved):
    model, path = saved
    draft = path.with_name("a.packed.draft")
    draft.write_bytes(b"half a file")
    assert _core.save_packed(model, str(path), "you")
    assert not draft.exists()
    assert_same(model, reopen(path, "you"))


def test_only_one_writes(saved):
    import fcntl

    model, path = saved
    with path.with_name("a.packed.draft").open("w") as draft:
        fcntl.flock(draft, fcntl.LOCK_EX)
        assert not _core.save_packed(model, str(path), "you", patience=0.1)
        assert reopen(path) is not None
        release = threading.Timer(0.2, fcntl.flock, (draft, fcntl.LOCK_UN))
        release.start()
        assert _core.save_packed(model, str(path), "you")
        release.join()
    assert reopen(path, "you") is not None


def test_what_is_there_already_is_not_written_again(saved):
    model, path = saved
    before = path.stat()
    assert _core.save_packed(model, str(path), "me")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert not path.with_name("a.packed.draft").exists()
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")  # damaged
    assert _core.save_packed(model, str(path), "me")
    assert_same(model, reopen(path))


def test_a_draft_that_is_a_link_is_not_followed(tmp_path, saved):
    model, path = saved
    victim = tmp_path / "victim"
    victim.write_text("precious")
    draft = path.with_name("a.packed.draft")
    draft.symlink_to(victim)
    with pytest.raises(_core.LoadError, match=r"cannot write '.*a\.packed\.draft': "):
        _core.save_packed(model, str(path), "you")
    draft.unlink()
    draft.hardlink_to(victim)
    with pytest.raises(
        _core.LoadError, match=r"it must be a plain file .*, with one link; got mode"
    ):
        _core.save_packed(model, str(path), "you")
    assert victim.read_text() == "precious"


# --- the identity of a checkpoint ---


@pytest.fixture
def directory(tmp_path, rng):
    directory = tmp_path / "model"
    directory.mkdir()
    return write_model(directory, oracle.random_checkpoint(DIMS, rng), DIMS)


def test_an_identity_follows_the_files(directory):
    def identity():
        return _core.checkpoint_identity(str(directory))

    first = identity()
    assert identity() == first == _core.checkpoint_identity(f"{directory}/../model/")
    for name in ("notes.txt", "out.json", "training_args.bin", "tokenizer_config.json"):
        (directory / name).touch()
    assert identity() == first
    weights = directory / "model.safetensors"
    os.utime(weights, ns=(1, 1))
    second = identity()
    assert second != first
    (directory / "generation_config.json").write_text("{}")
    assert identity() != second


def test_an_identity_sees_other_weights_behind_the_same_times(directory):
    """For file systems that give all files the same times."""
    weights = directory / "model.safetensors"
    contents = bytearray(weights.read_bytes())
    os.utime(weights, ns=(1, 1))
    seen = set()
    for place in (-1, len(contents) // 2, len(contents) // 3):
        contents[place] ^= 1
        weights.write_bytes(contents)
        os.utime(weights, ns=(1, 1))
        (line,) = [
            line
            for line in _core.checkpoint_identity(str(directory)).splitlines()
            if line.startswith("model.safetensors ")
        ]
        seen.add(line.split()[-1])
    assert len(seen) == 3


def test_paths_tell_models_and_runtimes_apart(tmp_path):
    with pytest.raises(_core.LoadError, match=r"packed weights: must be given a folder, got ''"):
        _core.packed_path("", "x")
    paths = {
        _core.packed_path("/f", str(tmp_path / name), isa=isa, compute_type=compute_type)
        for name in ("a", "b", "c/a")
        for isa in _core.available_isas()
        for compute_type in TYPES
    }
    assert len(paths) == 9 * len(_core.available_isas())
    assert _core.packed_path("/f", "x", isa="scalar", compute_type="auto") == _core.packed_path(
        "/f", "x", isa="scalar", compute_type="float32"
    )
