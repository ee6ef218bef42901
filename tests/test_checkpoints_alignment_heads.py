"""Alignment heads: openai-whisper's base85 dumps, and the override when a model is opened."""

import base64
import dataclasses
import gzip

import numpy as np
import pytest

import ctranslate2_writer as ct2
from oracle.checkpoint import Dims, random_checkpoint
from sottovoce._core import Checkpoint, LoadError, ModelDims
from sottovoce.checkpoints import (
    alignment_heads_from_base85,
    official_model,
    open_checkpoint,
)

DIMS = Dims()


@pytest.fixture
def tensors(rng):
    return random_checkpoint(DIMS, rng)


@pytest.fixture
def variables(tensors):
    return ct2.variables_of(tensors, DIMS.n_audio_head, DIMS.n_text_head)


def dump(mask: np.ndarray) -> bytes:
    return base64.b85encode(gzip.compress(mask.astype(np.uint8).tobytes(), mtime=0))


def test_base85_as_openai_whisper_ships_it():
    # whisper/__init__.py (20250625) on tiny.en; the heads are those its CTranslate2 twin names.
    tiny_en = b"ABzY8J1N>@0{>%R00Bk>$p{7v037`oCl~+#00"
    expected = [(1, 0), (2, 0), (2, 5), (3, 0), (3, 1), (3, 2), (3, 3), (3, 4)]
    assert alignment_heads_from_base85(tiny_en, 4, 6) == expected
    assert alignment_heads_from_base85(tiny_en.decode(), 4, 6) == expected


@pytest.mark.parametrize("name", ["tiny.en", "base"])
def test_heads_of_official_models_are_known(name, models_dir):
    found = open_checkpoint(models_dir / name)
    assert official_model(found) == name
    first, *rest = found.alignment_heads
    assert official_model(open_checkpoint(models_dir / name, alignment_heads=rest)) == ""
    shuffled = open_checkpoint(models_dir / name, alignment_heads=[*rest, first])
    assert official_model(shuffled) == name


def test_heads_of_another_size_are_no_official_models(tensors):
    dims = ModelDims(**dataclasses.asdict(DIMS))
    heads = [(1, 0), (2, 0)]
    assert official_model(Checkpoint(dims, tensors, alignment_heads=heads)) == ""
    assert official_model(Checkpoint(dims, tensors)) == ""


def test_base85_round_trip(rng):
    mask = rng.random((5, 7)) < 0.3
    heads = alignment_heads_from_base85(dump(mask), 5, 7)
    assert heads == [tuple(pair) for pair in np.argwhere(mask).tolist()]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not base85 \x00", "expected base85 of a gzip stream"),
        ("ü", "expected base85 of a gzip stream"),
        (base64.b85encode(b"plain"), "expected base85 of a gzip stream"),
        (dump(np.ones((4, 6)))[:-10], "expected base85 of a gzip stream"),
        (dump(np.ones((6, 8))), r"n_text_layer=4 \* n_text_head=6 = 24 flags, got 48"),
        (dump(np.zeros((4, 6))), "selects no head"),
    ],
)
def test_base85_that_is_wrong(text, message):
    with pytest.raises(LoadError, match=message):
        alignment_heads_from_base85(text, 4, 6)


@pytest.mark.parametrize("heads", [[(0, 1)], dump(np.eye(2, 3))])
def test_override(tmp_path, tensors, variables, heads):
    directory = ct2.write_directory(tmp_path, ct2.model_bin(variables))
    checkpoint = open_checkpoint(directory, alignment_heads=heads)
    assert checkpoint.alignment_heads == ([(0, 1)] if heads == [(0, 1)] else [(0, 0), (1, 1)])
    assert checkpoint.suppress_tokens == [1, 2, 7]
    np.testing.assert_array_equal(checkpoint.tensor("decoder.ln.bias"), tensors["decoder.ln.bias"])


def test_override_outside_the_decoder(tmp_path, variables):
    directory = ct2.write_directory(tmp_path, ct2.model_bin(variables))
    with pytest.raises(LoadError, match=r"\(2, 0\) is outside the decoder's 2 layers and 3 heads"):
        open_checkpoint(directory, alignment_heads=[(2, 0)])
