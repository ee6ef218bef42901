"""The network against the float64 oracle, on random dims and on the real weights, on every ISA."""

import dataclasses
import os
import signal
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

import oracle
import talkative
from oracle import Dims
from sottovoce import _core

DIMS = [
    Dims(),
    Dims(n_mels=128, n_audio_ctx=37, n_audio_layer=3, n_text_layer=1),  # turbo: few text layers
    Dims(n_audio_state=40, n_audio_head=5, n_text_state=40, n_text_head=2, n_vocab=97),
    Dims(n_audio_state=42, n_audio_head=6, n_text_state=42, n_text_head=14, n_vocab=97),
    Dims(n_audio_state=128, n_audio_head=2, n_text_state=128, n_text_head=2, n_audio_ctx=150),
]


def make(
    dims: Dims,
    tensors: dict[str, NDArray[np.float32]],
    isa: str = "",
    n_threads: int = 2,
    compute_type: str = "float32",
) -> _core.Model:
    core_dims = _core.ModelDims(**dataclasses.asdict(dims))
    checkpoint = _core.Checkpoint(core_dims, tensors)
    return _core.Model(checkpoint, isa=isa, n_threads=n_threads, compute_type=compute_type)


def random_mel(rng: np.random.Generator, dims: Dims, n_frames: int | None = None):
    shape = (dims.n_mels, 2 * dims.n_audio_ctx if n_frames is None else n_frames)
    return rng.standard_normal(shape).astype(np.float32)


def relative_error(got, exact) -> float:
    """Largest difference in units of the exact values' root mean square."""
    return float(np.abs(got - exact).max() / np.sqrt(np.mean(np.square(exact))))


def depth_bound(dims: Dims) -> float:
    """float32 through every layer: each adds a rounding error of some sqrt(k) * eps of the residual
    stream's scale, k the longest sum of a block (4 n_state); 8 operations a block; a factor of 8
    for the largest of many elements over their root mean square."""
    n_layer = dims.n_audio_layer + dims.n_text_layer + 2
    eps = float(np.finfo(np.float32).eps)
    return 8 * 8 * n_layer * np.sqrt(4 * dims.n_audio_state) * eps


@pytest.mark.parametrize("dims", DIMS)
def test_encoder_matches_the_oracle(isa, rng, dims):
    tensors = oracle.random_checkpoint(dims, rng)
    mel = random_mel(rng, dims)
    features = make(dims, tensors, isa).encode(mel, hidden_states=True)
    states = oracle.encoder_states(mel, tensors, dims)
    assert len(features.hidden_states) == dims.n_audio_layer + 1
    for got, exact in zip(features.hidden_states, states, strict=True):
        assert relative_error(got, exact) < depth_bound(dims)
    assert relative_error(features.values, oracle.encode(mel, tensors, dims)) < depth_bound(dims)


@pytest.mark.parametrize("n_frames", [0, 1, 31, 47])
def test_short_windows_are_filled_with_zeros(rng, n_frames):
    dims = Dims()
    tensors = oracle.random_checkpoint(dims, rng)
    mel = random_mel(rng, dims, n_frames)
    padded = np.pad(mel, ((0, 0), (0, 48 - n_frames)))
    model = make(dims, tensors)
    np.testing.assert_array_equal(model.encode(mel).values, model.encode(padded).values)


def test_missing_positions_are_computed_as_sinusoids(rng):
    dims = Dims()
    tensors = oracle.random_checkpoint(dims, rng)
    mel = random_mel(rng, dims)
    stored = make(dims, tensors).encode(mel).values
    del tensors["encoder.positional_embedding"]
    np.testing.assert_allclose(make(dims, tensors).encode(mel).values, stored, atol=1e-5)


@pytest.mark.parametrize("dims", DIMS)
def test_logits_match_the_oracle(isa, rng, dims):
    tensors = oracle.random_checkpoint(dims, rng)
    mel = random_mel(rng, dims)
    tokens = rng.integers(0, dims.n_vocab, dims.n_text_ctx).tolist()
    model = make(dims, tensors, isa)
    got = model.logits(tokens, model.encode(mel))
    exact = oracle.decode(tokens, oracle.encode(mel, tensors, dims), tensors, dims)
    assert got.shape == (dims.n_text_ctx, dims.n_vocab)
    assert relative_error(got, exact.logits) < depth_bound(dims)


@pytest.mark.parametrize("dims", DIMS)
def test_cross_attention_matches_the_oracle(isa, rng, dims):
    tensors = oracle.random_checkpoint(dims, rng)
    mel = random_mel(rng, dims)
    tokens = rng.integers(0, dims.n_vocab, 7).tolist()
    heads = [(dims.n_text_layer - 1, 1), (0, 0)]
    model = make(dims, tensors, isa)
    features = model.encode(mel)
    exact = oracle.decode(tokens, oracle.encode(mel, tensors, dims), tensors, dims)
    scores = model.cross_attention(tokens, features, heads, softmax=False)
    weights = model.cross_attention(tokens, features, heads)
    for i, (layer, head) in enumerate(heads):
        assert relative_error(scores[i], exact.cross_scores[layer, head]) < depth_bound(dims)
        assert relative_error(weights[i], exact.cross_weights[layer, head]) < 4 * depth_bound(dims)
    np.testing.assert_allclose(weights.sum(-1), 1, atol=dims.n_audio_ctx * 6e-8)


def small(rng: np.random.Generator, isa: str = "", n_threads: int = 2):
    dims = Dims()
    model = make(dims, oracle.random_checkpoint(dims, rng), isa, n_threads)
    return dims, model, model.encode(random_mel(rng, dims))


def test_step_by_step_equals_one_shot(isa, rng):
    dims, model, features = small(rng, isa)
    tokens = rng.integers(0, dims.n_vocab, 15).tolist()
    one_shot = model.logits(tokens, features)
    state = model.new_state([features], 1)
    for pos, token in enumerate(tokens):
        np.testing.assert_array_equal(state.step([[token]])[0], one_shot[pos])
    assert state.n_past == [15]


def test_ragged_rows_equal_rows_alone(isa, rng):
    dims, model, features = small(rng, isa)
    other = model.encode(random_mel(rng, dims))
    lists = [rng.integers(0, dims.n_vocab, n).tolist() for n in (3, 1, 9, 5)]
    state = model.new_state([features, other], 4)
    first = state.step(lists)
    second = state.step([[1], [], [2, 3], [4]])
    for row, window in enumerate((features, features, other, other)):
        alone = model.new_state([window], 1)
        np.testing.assert_array_equal(first[row], alone.step([lists[row]])[0])
        more = ([1], [], [2, 3], [4])[row]
        expected = alone.step([more])[0] if more else np.zeros(dims.n_vocab, np.float32)
        np.testing.assert_array_equal(second[row], expected)


def test_step_all_concatenates_the_rows(rng):
    dims, model, features = small(rng)
    lists = [rng.integers(0, dims.n_vocab, n).tolist() for n in (3, 0, 4)]
    got = model.new_state([features], 3).step_all(lists)
    expected = [model.logits(tokens, features) for tokens in lists if tokens]
    np.testing.assert_array_equal(got, np.concatenate(expected))


def test_rearranged_rows_continue_as_copies_would(isa, rng):
    """Random rearrangements and ragged steps; every row must give what its own history gives."""
    dims, model, features = small(rng, isa)
    n_rows = 4
    state = model.new_state([features], n_rows)
    histories: list[list[int]] = [[] for _ in range(n_rows)]
    for _ in range(14):
        sources = rng.integers(0, n_rows, n_rows).tolist()
        state.rearrange(sources)
        histories = [list(histories[source]) for source in sources]
        lists = [rng.integers(0, dims.n_vocab, rng.integers(0, 3)).tolist() for _ in range(n_rows)]
        if max(len(h) + len(t) for h, t in zip(histories, lists, strict=True)) > dims.n_text_ctx:
            break
        got = state.step(lists)
        for row, tokens in enumerate(lists):
            histories[row] += tokens
            if tokens:
                expected = model.logits(histories[row], features)[-1]
                np.testing.assert_array_equal(got[row], expected)
        assert state.n_past == [len(h) for h in histories]


def test_the_context_cannot_be_passed(rng):
    dims, model, features = small(rng)
    state = model.new_state([features], 2)
    state.step([[1] * (dims.n_text_ctx - 1), [1]])
    with pytest.raises(_core.StateError, match=r"n_past=19 and 2 more tokens pass n_text_ctx=20"):
        state.step([[1, 2], []])
    assert state.n_past == [19, 1]
    state.step([[1], []])
    with pytest.raises(_core.StateError, match=r"n_past=20 has reached n_text_ctx=20; start a new"):
        state.step([[1], []])


def test_the_same_bits_for_any_number_of_threads(isa, rng):
    dims = Dims(n_audio_ctx=75)
    tensors = oracle.random_checkpoint(dims, rng)
    mel = random_mel(rng, dims)
    one = make(dims, tensors, isa, n_threads=1)
    features = one.encode(mel)
    logits = one.logits([1, 2, 3, 4, 5], features)
    for n_threads in (2, 3, 8):
        many = make(dims, tensors, isa, n_threads=n_threads)
        assert many.n_threads == n_threads
        again = many.encode(mel)
        np.testing.assert_array_equal(again.values, features.values)
        np.testing.assert_array_equal(many.logits([1, 2, 3, 4, 5], again), logits)


def test_threads_share_one_model(rng):
    dims, model, _ = small(rng)
    mels = [random_mel(rng, dims) for _ in range(6)]
    expected = [model.logits([1, 2, 3], model.encode(mel)) for mel in mels]
    got: list[NDArray[np.float32] | None] = [None] * len(mels)

    def work(i: int) -> None:
        for _ in range(10):
            got[i] = model.logits([1, 2, 3], model.encode(mels[i]))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(mels))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for mine, theirs in zip(got, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_features_of_a_deleted_model_are_refused_by_others(rng):
    """Their identity must not pass to a model that the allocator puts in the same place."""
    dims = Dims()
    tensors = oracle.random_checkpoint(dims, rng)
    for _ in range(8):
        old = make(dims, tensors)
        features = old.encode(random_mel(rng, dims))
        del old
        with pytest.raises(ValueError, match="must come from this model's encode"):
            make(dims, tensors).new_state([features], 1)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # 3.12: fork with threads
def test_a_forked_child_computes_and_lets_go(rng):
    """Models from before the fork work alone in the child; its own ones have threads again."""
    dims = Dims()
    tensors = oracle.random_checkpoint(dims, rng)
    mel = random_mel(rng, dims)
    model = make(dims, tensors, n_threads=3)
    expected = model.encode(mel).values.copy()
    child = os.fork()
    if child == 0:
        own = make(dims, tensors, n_threads=3)
        same = all(
            (m.encode(mel).values == expected).all() for m in (model, own) for _ in range(20)
        )
        del model, own
        os._exit(0 if same else 1)
    for _ in range(600):
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            break
        time.sleep(0.05)
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        pytest.fail("the child hangs")
    assert os.waitstatus_to_exitcode(status) == 0


def test_half_precision_weights_are_the_rounded_float32_ones(rng):
    dims = Dims()
    tensors = oracle.random_checkpoint(dims, rng)
    mel = random_mel(rng, dims)
    f16 = {name: t.astype(np.float16) for name, t in tensors.items()}
    widened = {name: t.astype(np.float32) for name, t in f16.items()}
    bf16 = {name: (t.view(np.uint32) >> 16).astype(np.uint16) for name, t in tensors.items()}
    cut = {n: (t.astype(np.uint32) << 16).view(np.float32) for n, t in bf16.items()}
    for narrow, wide in ((f16, widened), (bf16, cut)):
        np.testing.assert_array_equal(
            make(dims, narrow).encode(mel).values, make(dims, wide).encode(mel).values
        )


def test_alignment_heads_default_to_the_last_half_of_the_layers(rng):
    dims = Dims(n_text_layer=3)
    model = make(dims, oracle.random_checkpoint(dims, rng))
    assert model.alignment_heads == [(layer, head) for layer in (1, 2) for head in range(3)]


def test_features_outlive_their_model_and_metrics_add_up(rng):
    _, model, features = small(rng)
    values = features.values.copy()
    model.logits([1, 2], features)
    model.logits([1, 2], features)
    total = model.metrics
    assert total.encoder_calls == 1
    assert total.encoder_forward_ms == features.metrics.encoder_forward_ms > 0
    once = total.cross_kv_ms
    assert once > 0
    model.logits([1], features)
    assert model.metrics.cross_kv_ms == once  # kept with the features
    assert features.metrics.attention_scratch_bytes > 0
    view = features.values
    assert not view.flags.writeable
    del model, features
    np.testing.assert_array_equal(view, values)


BAD_CHECKPOINTS = [
    (lambda t: t.pop("decoder.ln.bias"), r"tensor 'decoder\.ln\.bias' \(96,\) is missing"),
    (
        lambda t: t.update({"encoder.conv1.weight": np.zeros((96, 81, 3), np.float32)}),
        r"tensor 'encoder\.conv1\.weight' must be \(96, 80, 3\), got \(96, 81, 3\)",
    ),
    (
        lambda t: t["encoder.blocks.1.mlp.0.weight"].__setitem__((3, 3), np.nan),
        r"tensor 'encoder\.blocks\.1\.mlp\.0\.weight' must be finite, got NaN or infinity",
    ),
]


@pytest.mark.parametrize(("spoil", "message"), BAD_CHECKPOINTS)
def test_a_bad_tensor_is_named(rng, spoil, message):
    dims = Dims()
    tensors = oracle.random_checkpoint(dims, rng)
    spoil(tensors)
    with pytest.raises(_core.LoadError, match=message):
        make(dims, tensors)


def test_bad_calls_are_told_what_was_expected(rng):
    dims, model, features = small(rng)
    state = model.new_state([features], 2)
    stranger = small(rng)[1].encode(random_mel(rng, dims))
    mel = random_mel(rng, dims)
    tensors = oracle.random_checkpoint(dims, rng)
    unaligned = np.frombuffer(bytes(mel.nbytes + 1), np.float32, mel.size, 1).reshape(mel.shape)
    table = [
        (lambda: model.encode(mel[:79].copy()), ValueError, r"encode: mel must be \(n_mels=80, "),
        (
            lambda: model.encode(np.pad(mel, ((0, 0), (0, 1)))),
            ValueError,
            r"got \(80, 49\) floa",
        ),
        (
            lambda: model.encode(mel.astype(np.float64)),
            TypeError,
            r"be float32, got .*float64",
        ),
        (lambda: model.encode(mel[:, ::2]), ValueError, r"must be C-contiguous"),
        (lambda: model.encode(mel * np.float32("nan")), ValueError, r"mel must be finite"),
        (lambda: model.encode(unaligned), ValueError, r"mel must be aligned, got an unaligned"),
        (lambda: model.encode(mel[0].copy()), ValueError, r"got \(48,\) float32"),
        (lambda: model.new_state([], 1), ValueError, r"new_state: n_rows must be a multiple"),
        (lambda: model.new_state([features], 0), ValueError, r"got 0"),
        (lambda: model.new_state([stranger], 1), ValueError, r"must come from this model's encode"),
        (lambda: state.step([[1]]), ValueError, r"one list a row, n_rows=2, got 1"),
        (lambda: state.step([[1], [dims.n_vocab]]), ValueError, r"0\.\.n_vocab-1=210, got 211 in"),
        (lambda: state.step([[-1], []]), ValueError, r"got -1 in row 0"),
        (lambda: state.rearrange([0]), ValueError, r"n_rows=2 entries, got 1"),
        (lambda: state.rearrange([0, 2]), ValueError, r"0\.\.n_rows-1=1, got 2"),
        (lambda: model.logits([], features), ValueError, r"one token at least, got 0"),
        (
            lambda: model.cross_attention([1], features, [(2, 0)]),
            ValueError,
            r"\(layer<2, head<3\), got \(layer=2, head=0\)",
        ),
        (lambda: make(dims, tensors, isa="mmx"), ValueError, r"isa must be one this CPU has \(sca"),
        (lambda: make(dims, tensors, n_threads=-1), ValueError, r"n_threads must be 0 \(all\)"),
        (lambda: make(replace(dims, n_audio_head=7), tensors), RuntimeError, r"n_audio_head"),
    ]
    for call, exception, message in table:
        with pytest.raises(exception, match=message):
            call()
    np.testing.assert_array_equal(state.n_past, [0, 0])


@pytest.mark.parametrize("name", ["tiny.en", "base"])
def test_real_weights_match_the_oracle(models_dir, jfk, name):
    """Logits within 1e-3 absolute, features within 1e-4 relative, on eleven seconds of speech."""
    from sottovoce.checkpoints import open_checkpoint

    checkpoint = open_checkpoint(models_dir / name)
    d = checkpoint.dims
    dims = Dims(**{f.name: getattr(d, f.name) for f in dataclasses.fields(Dims)})
    tensors = {n: checkpoint.tensor(n).astype(np.float32) for n in checkpoint.names()}
    if "encoder.positional_embedding" not in tensors:
        positions = oracle.sinusoids(dims.n_audio_ctx, dims.n_audio_state)
        tensors["encoder.positional_embedding"] = positions.astype(np.float32)
    model = _core.Model(checkpoint)
    mel = _core.log_mel(jfk, dims.n_mels)
    exact_features = oracle.encode(mel, tensors, dims)
    features = model.encode(mel)
    difference = np.linalg.norm(features.values - exact_features, axis=1)
    assert (difference / np.linalg.norm(exact_features, axis=1)).max() < 1e-4  # every position
    sot = [50257, 50362] if name == "tiny.en" else [50258, 50259, 50359, 50363]
    tokens = [*sot, 400, 370, 452, 7177, 6280]
    exact = oracle.decode(tokens, exact_features, tensors, dims).logits
    np.testing.assert_allclose(model.logits(tokens, features), exact, atol=1e-3, rtol=0)


@pytest.mark.parametrize("device", ["cpu", "cpu-guarded"])
@pytest.mark.parametrize("compute_type", ["float32", "bfloat16", "int8"])
def test_a_mel_that_overflows_inside_the_network_is_named(compute_type, device, rng):
    """Finite, so that it passes the door; what came of it was taken for a window without words."""
    core = _core.Model(talkative.checkpoint(), compute_type=compute_type, device=device)
    good = rng.standard_normal((80, 48)).astype(np.float32)
    bad = np.full_like(good, -3e38)
    for mels in ([bad], [good, bad]):
        with pytest.raises(_core.ShapeError, match=r"encode: mel must be .*, got 3e\+38, which"):
            core.encode_windows(mels)
    assert np.isfinite(core.encode(good).values).all()


def test_the_cache_grows_with_the_rows():
    """A whole context is room for 448 positions; what few tokens take is not that of 448."""
    dims = replace(Dims(), n_text_ctx=448)
    tensors = oracle.random_checkpoint(dims, np.random.default_rng(0))
    core = _core.Model(_core.Checkpoint(_core.ModelDims(**vars(dims)), tensors))
    features = core.encode(np.zeros((dims.n_mels, 2 * dims.n_audio_ctx), np.float32))
    position = 2 * 4 * dims.n_text_layer * dims.n_text_state  # bytes of a row

    def kv_cache_bytes(n_tokens: int) -> int:
        metrics = _core.Metrics()
        options = _core.DecodingOptions(
            eot=5,
            no_speech=6,
            no_timestamps=7,
            timestamp_begin=8,
            initial_tokens=[1] * (n_tokens - 1),
            sample_len=1,
        )
        core.decode([features], [options], metrics=metrics)
        return metrics.kv_cache_bytes

    taken = [kv_cache_bytes(n) for n in (2, 100, 447)]
    assert taken[0] < taken[1] < taken[2] == 448 * position
    assert taken[0] < 448 * position / 10
