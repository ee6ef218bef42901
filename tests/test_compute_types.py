"""bfloat16 and int8 through the whole network: how far from float64, and what must not change."""

import numpy as np
import pytest

import oracle
from huggingface_writer import write_model
from oracle import Dims
from sottovoce import _core
from test_model import DIMS, make, random_mel

TYPES = ("bfloat16", "int8")
# What one rounding of an operand costs, relative to the scale of its row: half a unit of eight
# bits; half a step of max |row| / 127, where a row of Gaussians has its largest near 3.5.
ROUNDING = {"bfloat16": 2.0**-8, "int8": 3.5 / 254}


def typical_error(got, exact) -> float:
    """Root mean square of the difference in units of that of the exact values."""
    return float(np.sqrt(np.mean(np.square(got - exact)) / np.mean(np.square(exact))))


def depth_bound(dims: Dims, compute_type: str) -> float:
    """Every block rounds 8 operands (inputs and weights of 4 layers) and its attention 4; what they
    add to the residual stream is independent, so the squares add up."""
    n_roundings = 12 * (dims.n_audio_layer + dims.n_text_layer + 1)
    return float(np.sqrt(n_roundings)) * ROUNDING[compute_type]


@pytest.mark.parametrize("compute_type", TYPES)
@pytest.mark.parametrize("dims", DIMS)
def test_features_and_logits_are_near_the_oracle(isa, rng, dims, compute_type):
    tensors = oracle.random_checkpoint(dims, rng)
    mel = random_mel(rng, dims)
    tokens = rng.integers(0, dims.n_vocab, 11).tolist()
    model = make(dims, tensors, isa, compute_type=compute_type)
    assert model.compute_type == compute_type
    features = model.encode(mel)
    exact = oracle.encode(mel, tensors, dims)
    assert typical_error(features.values, exact) < depth_bound(dims, compute_type)
    got = model.logits(tokens, features)
    logits = oracle.decode(tokens, exact, tensors, dims).logits
    assert typical_error(got, logits) < depth_bound(dims, compute_type)


@pytest.mark.parametrize("compute_type", TYPES)
def test_rows_positions_and_threads_leave_no_trace(isa, rng, compute_type):
    dims = Dims()
    tensors = oracle.random_checkpoint(dims, rng)
    mels = [random_mel(rng, dims) for _ in range(2)]
    model = make(dims, tensors, isa, compute_type=compute_type)
    alone = make(dims, tensors, isa, n_threads=1, compute_type=compute_type)
    features = [model.encode(mel) for mel in mels]
    np.testing.assert_array_equal(features[0].values, alone.encode(mels[0]).values)
    tokens = rng.integers(0, dims.n_vocab, 9).tolist()
    one_shot = model.logits(tokens, features[0])
    np.testing.assert_array_equal(alone.logits(tokens, alone.encode(mels[0])), one_shot)
    state = model.new_state(features, 6)
    for pos, token in enumerate(tokens):
        others = [[int(t)] for t in rng.integers(0, dims.n_vocab, 5)]
        logits = state.step([[token], *others])
        np.testing.assert_array_equal(logits[0], one_shot[pos])


def test_int8_logits_that_matter_are_exact(isa, rng):
    """The best candidates are rescored with the checkpoint's own rows."""
    dims = Dims(n_vocab=500, n_audio_state=16, n_audio_head=2, n_text_state=16, n_text_head=2)
    tensors = oracle.random_checkpoint(dims, rng)
    model = make(dims, tensors, isa, compute_type="int8")
    features = model.encode(random_mel(rng, dims))
    logits = model.logits([1, 2, 3], features)
    # All logits of a row are products of one hidden state, which least squares finds from the
    # rescored ones; the approximate ones are off by their rounding.
    table = tensors["decoder.token_embedding.weight"].astype(np.float64)
    for row in logits:
        best = np.argsort(-row)[:24]  # of 32: the last may change places with others
        state, *_ = np.linalg.lstsq(table[best], row[best], rcond=None)
        eps = float(np.finfo(np.float32).eps)
        bound = table.shape[1] * eps * np.abs(table[best]) @ np.abs(state)
        assert (np.abs(table[best] @ state - row[best]) <= bound).all()


@pytest.mark.parametrize("compute_type", [*TYPES, "auto"])
def test_what_a_model_packs(rng, compute_type):
    dims = Dims(n_audio_state=128, n_audio_head=2, n_text_state=128, n_text_head=2)
    tensors = oracle.random_checkpoint(dims, rng)
    full = make(dims, tensors).weights_bytes
    model = make(dims, tensors, compute_type=compute_type)
    if compute_type == "auto":
        assert model.compute_type in ("float32", "bfloat16", "int8")
    else:
        assert model.weights_bytes < 0.6 * full  # convolutions may be float32


def test_checkpoints_of_any_dtype_pack_to_the_same(rng):
    dims = Dims()
    halves = {
        name: tensor.astype(np.float16)
        for name, tensor in oracle.random_checkpoint(dims, rng).items()
    }
    floats = {name: tensor.astype(np.float32) for name, tensor in halves.items()}
    mel = random_mel(rng, dims)
    for compute_type in TYPES:
        got = [make(dims, t, compute_type=compute_type) for t in (halves, floats)]
        features = [model.encode(mel) for model in got]
        np.testing.assert_array_equal(features[0].values, features[1].values)
        logits = [model.logits([5, 6], f) for model, f in zip(got, features, strict=True)]
        np.testing.assert_array_equal(logits[0], logits[1])


def test_an_unknown_type_is_refused(rng):
    with pytest.raises(_core.ShapeError, match=r"compute_type must be .* got 'int4'"):
        make(Dims(), oracle.random_checkpoint(Dims(), rng), compute_type="int4")


def test_packing_leaves_the_checkpoint_as_it_was(tmp_path, rng):
    """Its pages are dropped on the way: those of a file come back, other memory is not touched."""
    dims = Dims()
    tensors = oracle.random_checkpoint(dims, rng)
    write_model(tmp_path, tensors, dims)
    mapped = _core.Checkpoint.open(str(tmp_path))
    in_memory = _core.Checkpoint(mapped.dims, tensors)
    for checkpoint in (mapped, in_memory):
        before = {name: np.array(checkpoint.tensor(name)) for name in checkpoint.names()}
        _core.Model(checkpoint, compute_type="int8")
        for name, tensor in before.items():
            np.testing.assert_array_equal(checkpoint.tensor(name), tensor)
