"""Word timestamps of the core: each step against the float64 oracle, then the whole call."""

import dataclasses
import itertools
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

import oracle
import talkative
from oracle import Dims
from sottovoce import _core
from talkative import EOT, SOT
from test_model import make, random_mel

EPS = float(np.finfo(np.float32).eps)
INITIAL = [SOT, 122, 128, 132]


# --- the median filter ----------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1, 3, 5, 7, 9, 21, 2**31 - 1])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 7, 8, 9, 31, 257, 1500])
def test_median_filter_is_exact(rng, n, width):
    for values in (rng.standard_normal(n), rng.integers(-2, 3, n)):
        row = values.astype(np.float32)
        np.testing.assert_array_equal(
            _core.median_filter(row, width), oracle.median_filter(row, width)
        )


def test_median_of_seven_in_every_order():
    """Zeros and ones suffice: a network that orders all of them orders everything."""
    for bits in itertools.product((0, 1), repeat=7):
        row = np.array(bits, np.float32)
        assert _core.median_filter(row, 7)[3] == sorted(bits)[3]


@pytest.mark.parametrize("width", [3, 7, 9])
def test_median_filter_puts_nan_above_all_numbers(rng, width):
    for share in (0.1, 0.5, 0.9):
        row = rng.standard_normal(200).astype(np.float32)
        row[rng.random(200) < share] = rng.choice([np.nan, -np.nan, np.inf, -np.inf])
        np.testing.assert_array_equal(
            _core.median_filter(row, width), oracle.median_filter(row, width)
        )


# --- the path -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 9), (9, 1), (2, 2), (3, 50), (50, 3), (24, 75), (1, 0), (5, 0)]
)
@pytest.mark.parametrize("kind", ["normal", "few integers", "constant", "with nan", "with inf"])
def test_path_is_exact(rng, shape, kind):
    for _ in range(4):
        matrix = rng.standard_normal(shape)
        if kind == "few integers":
            matrix = rng.integers(-1, 2, shape)  # ties everywhere, exact in any precision
        elif kind == "constant":
            matrix = np.full(shape, rng.integers(-1, 2))
        elif kind == "with nan":
            matrix[rng.random(shape) < 0.2] = np.nan
        elif kind == "with inf":
            matrix[rng.random(shape) < 0.2] = rng.choice([np.inf, -np.inf])
        matrix = matrix.astype(np.float32)
        with np.errstate(invalid="ignore"):
            expected = oracle.path_starts(matrix)
        np.testing.assert_array_equal(_core.path_starts(matrix), expected)


def test_path_of_all_nan_is_as_openai_whisper_has_it():
    for n_columns in (0, 1):
        nothing = np.full((3, n_columns), np.nan, np.float32)
        np.testing.assert_array_equal(_core.path_starts(nothing), [-1, -1, -1])
        np.testing.assert_array_equal(oracle.path_starts(nothing), [-1, -1, -1])


@pytest.mark.parametrize("shape", [(1, 1), (3, 50), (50, 3), (5, 0)])
def test_peaks_of_rows(rng, shape):
    for _ in range(4):
        matrix = rng.integers(-2, 3, shape).astype(np.float32)  # ties: the first
        matrix[rng.random(shape) < 0.2] = -np.inf
        expected = matrix.argmax(axis=1) if shape[1] else np.full(shape[0], -1)
        np.testing.assert_array_equal(_core.row_peaks(matrix), expected)
    matrix[:, 1:] = np.nan  # say nothing
    np.testing.assert_array_equal(_core.row_peaks(matrix), [0 if shape[1] else -1] * shape[0])
    matrix[:] = np.nan
    np.testing.assert_array_equal(_core.row_peaks(matrix), [-1] * shape[0])


# --- the matrix -----------------------------------------------------------------------------------


def matrix_bound(scores, n_positions: int) -> float:
    """float32 where openai-whisper has it: a weight errs by a few eps of itself (softmax: exp, sum
    and product), and (w - mean) / deviation by as many eps of the largest w / deviation there is;
    the mean over the heads adds one eps a head. 16 covers exp's argument: |score| < 16."""
    weights = oracle.softmax(np.asarray(scores, np.float64)[:, :, :n_positions])
    ratio = weights.max(axis=1) / weights.std(axis=1)
    return (16 + len(scores)) * EPS * float(ratio.max())


@pytest.mark.parametrize("n_positions", [2, 3, 4, 7, 255, 256, 257, 1500])
@pytest.mark.parametrize("n_tokens", [3, 4, 30])
def test_matrix_matches_the_oracle(isa, rng, n_tokens, n_positions):
    scores = (2 * rng.standard_normal((4, n_tokens, 1500))).astype(np.float32)
    rows = {"n_positions": n_positions, "first_row": 1, "n_rows": n_tokens - 2}
    exact = oracle.attention_matrix(scores, **rows)
    got = _core.attention_matrix(scores, **rows, isa=isa)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, exact, rtol=0, atol=matrix_bound(scores, n_positions))
    for n_threads in (2, 3, 8):
        again = _core.attention_matrix(scores, **rows, isa=isa, n_threads=n_threads)
        np.testing.assert_array_equal(again, got)


@pytest.mark.parametrize("width", [1, 3, 5, 9])
def test_other_filters(rng, width):
    scores = rng.standard_normal((2, 6, 40)).astype(np.float32)
    rows = {"n_positions": 33, "first_row": 2, "n_rows": 3}
    exact = oracle.attention_matrix(scores, **rows, width=width)
    got = _core.attention_matrix(scores, **rows, median_filter_width=width)
    np.testing.assert_allclose(got, exact, rtol=0, atol=matrix_bound(scores, 33))


def test_a_position_that_all_tokens_weigh_alike_is_nan():
    """One position has weight 1 in every token: 0 / 0, in openai-whisper as well."""
    scores = np.ones((2, 5, 8), np.float32)
    got = _core.attention_matrix(scores, n_positions=1, first_row=1, n_rows=3)
    assert got.shape == (3, 1)
    assert np.isnan(got).all()


# --- the whole call -------------------------------------------------------------------------------


def options_of(text_tokens, n_frames, initial_tokens=INITIAL, **given) -> _core.AlignmentOptions:
    wanted = {"initial_tokens": initial_tokens, "text_tokens": text_tokens, "n_frames": n_frames}
    return _core.AlignmentOptions(**{"eot": EOT, **wanted, **given})


def slow_align(model, features, options, heads=None, median_filter_width=7):
    """From the core's own scores and logits, by the oracle's probabilities and the core's steps."""
    n_initial, text = len(options.initial_tokens), list(options.text_tokens)
    tokens = [*options.initial_tokens, *text, EOT]
    scores = model.cross_attention(tokens, features, heads or model.alignment_heads, softmax=False)
    matrix = _core.attention_matrix(
        scores,
        n_positions=options.n_frames // 2,
        first_row=n_initial - 1,
        n_rows=len(text) + 1,
        median_filter_width=median_filter_width,
        isa=model.isa,
    )
    logits = model.logits(tokens, features)[n_initial - 1 : n_initial - 1 + len(text)]
    probabilities = oracle.text_probabilities(logits, text, EOT)
    starts, peaks = _core.path_starts(matrix), _core.row_peaks(matrix)[:-1]
    return SimpleNamespace(starts=starts, peaks=peaks, probabilities=probabilities)


def check(got, expected) -> None:
    assert got.starts.dtype == np.int32
    assert got.probabilities.dtype == np.float32
    np.testing.assert_array_equal(got.starts, expected.starts)
    np.testing.assert_array_equal(got.peaks, expected.peaks)
    np.testing.assert_allclose(got.probabilities, expected.probabilities, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("compute_type", ["float32", "bfloat16", "int8"])
def test_align_is_its_steps(isa, rng, compute_type):
    model = _core.Model(talkative.checkpoint(), isa=isa, n_threads=2, compute_type=compute_type)
    features = talkative.encode(model, 1)[0]
    for n_text, n_frames in ((12, 48), (1, 30), (0, 48), (35, 48), (5, 8), (5, 6)):
        text = rng.integers(0, EOT, n_text).tolist()
        options = options_of(text, n_frames)
        aligned = model.align(features, options)
        check(aligned, slow_align(model, features, options))
        assert (np.diff(aligned.starts) >= 0).all()


@pytest.mark.parametrize("n_frames", [0, 1, 2, 3, 4, 6, 8, 3000])
@pytest.mark.parametrize("n_text", [0, 1, 20])
def test_windows_of_every_length(rng, n_text, n_frames):
    dims = Dims(n_audio_ctx=1500, n_text_ctx=60, n_vocab=211)
    model = make(dims, oracle.random_checkpoint(dims, rng))
    features = model.encode(random_mel(rng, dims))
    text = rng.integers(0, EOT, n_text).tolist()
    options = options_of(text, n_frames)
    aligned = model.align(features, options)
    check(aligned, slow_align(model, features, options))
    if n_frames < 2:
        assert (aligned.starts == -1).all()


@pytest.mark.parametrize(
    "dims",
    [
        Dims(n_audio_ctx=100, n_text_ctx=60, n_vocab=211),
        Dims(n_audio_ctx=75, n_text_ctx=60, n_vocab=150, n_text_layer=1, n_mels=128),
    ],
)
def test_align_matches_the_oracle(isa, rng, dims):
    """The path through the exact matrix may differ where two paths cost nearly the same: the one
    that was taken is as good as the best to within what the matrix errs by."""
    tensors = oracle.random_checkpoint(dims, rng)
    mel = random_mel(rng, dims)
    text = rng.integers(0, EOT, 20).tolist()
    model = make(dims, tensors, isa)
    n_positions = dims.n_audio_ctx - 10
    aligned = model.align(model.encode(mel), options_of(text, 2 * n_positions + 1))

    tokens = [*INITIAL, *text, EOT]
    exact = oracle.decode(tokens, oracle.encode(mel, tensors, dims), tensors, dims)
    heads = [exact.cross_scores[layer, head] for layer, head in model.alignment_heads]
    scores = np.stack(heads)
    matrix = oracle.attention_matrix(scores, n_positions, len(INITIAL) - 1, len(text) + 1)
    logits = exact.logits[len(INITIAL) - 1 :][: len(text)]
    expected = oracle.text_probabilities(logits, text, EOT)
    np.testing.assert_allclose(aligned.probabilities, expected, rtol=2e-4)

    def worth(starts) -> float:
        """Of the best path that enters the rows there."""
        ends = [*starts[1:], n_positions]
        total = 0.0
        for row, (start, end) in enumerate(zip(starts, ends, strict=True)):
            stays = matrix[row, start : max(end, start + 1)].sum()
            shares = end < n_positions and end > start  # the last column may be the next row's too
            total += max(stays, stays + matrix[row, end]) if shares else stays
        return float(total)

    best = worth(oracle.path_starts(matrix))
    assert worth(aligned.starts.tolist()) == pytest.approx(best, abs=1e-3 * abs(best))


@pytest.mark.parametrize("n_text", [0, 1, 20])
def test_log_probabilities_are_those_among_all_tokens(rng, n_text):
    """Of the text and of its end."""
    model = talkative.model()
    features = talkative.encode(model, 1)[0]
    text = rng.integers(0, EOT, n_text).tolist()
    plain = model.align(features, options_of(text, 48))
    assert len(plain.logprobs) == 0
    found = model.align(features, options_of(text, 48, logprobs=True))
    np.testing.assert_array_equal(found.starts, plain.starts)
    np.testing.assert_array_equal(found.probabilities, plain.probabilities)
    logits = model.logits([*INITIAL, *text, EOT], features)[len(INITIAL) - 1 : -1]
    exact = np.log(oracle.softmax(logits.astype(np.float64)))
    expected = exact[np.arange(n_text + 1), [*text, EOT]]
    # The sum over the vocabulary, the logarithm and the difference each err by an eps of the logit.
    tolerance = 8 * EPS * np.abs(logits).max()
    np.testing.assert_allclose(found.logprobs, expected, rtol=0, atol=tolerance)


def test_chosen_heads(rng):
    model = talkative.model()
    features = talkative.encode(model, 1)[0]
    text = rng.integers(0, EOT, 9).tolist()
    heads = [(0, 1), (1, 2), (0, 0)]
    options = options_of(text, 48, heads=heads, median_filter_width=3)
    got = model.align(features, options)
    check(got, slow_align(model, features, options, heads, 3))
    assert got.starts.tolist() != model.align(features, options_of(text, 48)).starts.tolist()


def test_no_heads_in_a_checkpoint_are_those_of_the_last_half(rng):
    dims = Dims(n_text_layer=2)
    core_dims = _core.ModelDims(**dataclasses.asdict(dims))
    tensors = oracle.random_checkpoint(dims, rng)
    for heads in (None, []):
        model = _core.Model(_core.Checkpoint(core_dims, tensors, alignment_heads=heads))
        assert model.alignment_heads == [(1, head) for head in range(dims.n_text_head)]


def test_the_same_bits_for_any_threads_and_any_company(isa, rng):
    texts = [rng.integers(0, EOT, n).tolist() for n in (3, 30, 17, 8)]
    one = talkative.model(isa, 1)
    features = talkative.encode(one, 1)[0]
    alone = [one.align(features, options_of(text, 44)) for text in texts]
    many = talkative.model(isa, 3)
    window = talkative.encode(many, 1)[0]
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(many.align, window, options_of(text, 44)) for text in texts * 5]
        results = [call.result() for call in calls]
    for got, expected in zip(results, alone * 5, strict=True):
        np.testing.assert_array_equal(got.starts, expected.starts)
        np.testing.assert_array_equal(got.probabilities, expected.probabilities)


def test_figures_of_a_call(rng):
    model = _core.Model(talkative.checkpoint(), n_threads=1)
    features = talkative.encode(model, 1)[0]
    first = model.align(features, options_of([1, 2, 3], 48)).metrics
    assert first.alignments == 1
    assert first.alignment_ms > 0
    assert first.cross_kv_ms > 0
    assert first.decode_calls == first.encoder_calls == first.tokens == 0
    second = model.align(features, options_of([1, 2, 3], 48)).metrics
    assert second.cross_kv_ms == 0
    assert model.metrics.alignments == 2
    assert model.metrics.alignment_ms == first.alignment_ms + second.alignment_ms
    assert model.metrics.cross_kv_ms == first.cross_kv_ms


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n_frames": -1}, "n_frames must be in 0..48, got -1"),
        ({"n_frames": 49}, "n_frames must be in 0..48, got 49"),
        ({"initial_tokens": []}, "initial_tokens must not be empty"),
        ({"initial_tokens": [1, 211]}, "initial_tokens[1] must be in [0, n_vocab=211), got 211"),
        ({"text_tokens": [5, EOT]}, f"text_tokens[1] must be in [0, eot={EOT}), got {EOT}"),
        ({"text_tokens": [-1]}, f"text_tokens[0] must be in [0, eot={EOT}), got -1"),
        ({"eot": 211}, "eot must be in [0, n_vocab=211), got 211"),
        ({"eot": -1}, "eot must be in [0, n_vocab=211), got -1"),
        (
            {"text_tokens": [1] * 36},
            "initial_tokens, text_tokens and eot must be at most n_text_ctx=40 tokens, got 41",
        ),
        ({"median_filter_width": 4}, "median_filter_width must be odd and positive, got 4"),
        ({"median_filter_width": 0}, "median_filter_width must be odd and positive, got 0"),
        ({"median_filter_width": -3}, "median_filter_width must be odd and positive, got -3"),
        (
            {"heads": [(0, 0), (2, 1)]},
            "a head must be (layer<2, head<3), got (layer=2, head=1)",
        ),
        ({"heads": [(-1, 0)]}, "a head must be (layer<2, head<3), got (layer=-1, head=0)"),
    ],
)
def test_bad_options(given, message):
    good = {"initial_tokens": INITIAL, "text_tokens": [1, 2], "eot": EOT, "n_frames": 48}
    model = talkative.model()
    features = talkative.encode(model, 1)[0]
    with pytest.raises(_core.ShapeError) as raised:
        model.align(features, _core.AlignmentOptions(**{**good, **given}))
    assert str(raised.value) == f"align: {message}"


def test_features_of_another_model():
    features = talkative.encode(talkative.model(), 1)[0]
    other = _core.Model(talkative.checkpoint(), n_threads=1)
    with pytest.raises(_core.ShapeError, match="align: features must come from this model's"):
        other.align(features, options_of([1], 48))


def test_tokens_that_are_none():
    with pytest.raises(TypeError, match="text_tokens must be a sequence of ints, got None"):
        options_of(None, 48)
    with pytest.raises(TypeError, match="initial_tokens must be a sequence of ints, got 1"):
        options_of([1], 48, initial_tokens=1)
