"""decode() and detect_language() at their doors: windows side by side, ends, figures, refusals."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import search_reference as reference
import talkative
from sottovoce import _core
from talkative import DIMS, EOT, LANGUAGES, NO_SPEECH, SOT, decode_one, random_options

SEARCHES = [{}, {"temperature": 0.8, "best_of": 3}, {"beam_size": 3}]


def as_tuple(result: _core.DecodingResult):
    fields = ("sum_logprob", "avg_logprob", "no_speech_prob", "temperature")
    return (*result.tokens, *(getattr(result, name) for name in fields))


def mixed_options(rng, n):
    """Greedy, sampled and beam-searched windows with prompts of all lengths."""
    return [random_options(rng, seed=index, **SEARCHES[index % 3]) for index in range(n)]


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_windows_side_by_side_are_as_alone(isa, n_threads, rng):
    model = talkative.model(isa, n_threads)
    windows = talkative.encode(model, 9)
    options = [_core.DecodingOptions(**given) for given in mixed_options(rng, 9)]
    together = model.decode(windows, options)
    alone = [model.decode([w], [o])[0] for w, o in zip(windows, options, strict=True)]
    assert [as_tuple(r) for r in together] == [as_tuple(r) for r in alone]
    assert len({as_tuple(r) for r in together}) == 9
    one_thread = talkative.model(isa, 1)
    again = one_thread.decode(talkative.encode(one_thread, 9), options)
    assert [as_tuple(r) for r in again] == [as_tuple(r) for r in alone]


def test_many_threads_may_decode_with_one_model(rng):
    model = talkative.model(n_threads=2)
    windows = talkative.encode(model, 12)
    options = [_core.DecodingOptions(**given) for given in mixed_options(rng, 12)]
    metrics = _core.Metrics()
    with ThreadPoolExecutor(4) as pool:
        futures = [
            pool.submit(model.decode, [w], [o], metrics=metrics)
            for w, o in zip(windows, options, strict=True)
        ]
        concurrent = [as_tuple(future.result()[0]) for future in futures]
    assert concurrent == [as_tuple(r) for r in model.decode(windows, options)]
    assert metrics.decode_calls == 12


def test_no_windows():
    assert talkative.model().decode([], []) == []


@pytest.fixture
def window():
    return talkative.encode(talkative.model(), 1, seed=3)[0]


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("n_initial", [1, 2, 36, 39, 40])
def test_text_ends_with_the_context(rng, window, n_initial, search):
    """The last token chosen stands at n_text_ctx, which is never fed."""
    options = random_options(
        rng,
        initial_tokens=[SOT, *[3] * (n_initial - 1)],
        sot_index=0,
        sample_len=100,
        suppress_tokens=[EOT],
        timestamps=False,
        **search,
    )
    result = decode_one(talkative.model(), window, options)
    assert len(result.tokens) == DIMS.n_text_ctx + 1 - n_initial


@pytest.mark.parametrize("search", SEARCHES)
def test_sample_len_ends_a_text(rng, window, search):
    options = random_options(rng, sample_len=4, suppress_tokens=[EOT], timestamps=False, **search)
    assert len(decode_one(talkative.model(), window, options).tokens) == 4


@pytest.mark.parametrize("sot_index", [0, 2, 4])
def test_no_speech_is_read_at_sot_before_any_rule(isa, sot_index):
    model = talkative.model(isa)
    window = talkative.encode(model, 1)[0]
    tokens = [SOT, 5, 6, 7, 8]
    everything_else = [t for t in range(211) if t not in (9, EOT)]
    options = talkative.SPECIAL | {
        "initial_tokens": tokens,
        "sot_index": sot_index,
        "suppress_tokens": everything_else,
    }
    result = decode_one(model, window, options | {"timestamps": False})
    logprobs = reference.log_softmax(model.logits(tokens, window)[sot_index])
    assert result.no_speech_prob == pytest.approx(np.exp(logprobs[NO_SPEECH]), rel=2e-6)
    assert result.temperature == 0.0


def test_figures_of_a_call(rng):
    model = _core.Model(talkative.checkpoint(), n_threads=1)
    windows = talkative.encode(model, 2)
    given = {"sample_len": 5, "suppress_tokens": [EOT], "timestamps": False}
    options = [
        _core.DecodingOptions(**random_options(rng, **given, beam_size=3)),
        _core.DecodingOptions(**random_options(rng, **given)),
    ]
    metrics = _core.Metrics()
    model.decode(windows, options, metrics=metrics)
    assert metrics.decode_calls == 2
    assert metrics.tokens == 5 * 3 + 5
    assert metrics.decoder_prefill_ms > 0
    assert metrics.decoder_token_ms.count == 4  # the first token belongs to the prompt
    assert metrics.kv_cache_bytes > 0
    assert metrics.cross_kv_bytes > 0
    assert metrics.encoder_calls == 0
    model.decode(windows[1:], options[1:], metrics=metrics)
    assert metrics.decode_calls == model.metrics.decode_calls == 3
    assert metrics.tokens == model.metrics.tokens == 25


# --- languages ------------------------------------------------------------------------------------


def test_detect_language(isa):
    model = talkative.model(isa)
    for window in talkative.encode(model, 3):
        logits = model.logits([SOT], window)[0].astype(np.float64)
        expected = np.exp(logits[LANGUAGES]) / np.exp(logits[LANGUAGES]).sum()
        found = model.detect_language(window, SOT, LANGUAGES)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        backwards = model.detect_language(window, SOT, np.array(LANGUAGES[::-1]))
        np.testing.assert_allclose(backwards, expected[::-1], rtol=1e-5)


@pytest.mark.parametrize(
    ("sot", "languages", "message"),
    [
        (211, LANGUAGES, "sot must be in [0, n_vocab=211), got 211"),
        (-1, LANGUAGES, "sot must be in [0, n_vocab=211), got -1"),
        (SOT, [], "language_tokens must not be empty"),
        (SOT, [122, 300], "language_tokens[1] must be in [0, n_vocab=211), got 300"),
    ],
)
def test_detect_language_refuses(window, sot, languages, message):
    with pytest.raises(_core.ShapeError) as raised:
        talkative.model().detect_language(window, sot, languages)
    assert str(raised.value) == f"detect_language: {message}"


# --- refusals -------------------------------------------------------------------------------------

GOOD = talkative.SPECIAL | {"initial_tokens": [SOT, 122], "sample_len": 3}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"initial_tokens": []}, "initial_tokens must not be empty"),
        ({"initial_tokens": [1] * 41}, "initial_tokens has 41 tokens, n_text_ctx is 40"),
        (
            {"initial_tokens": [1, 2, 211]},
            "initial_tokens[2] must be in [0, n_vocab=211), got 211",
        ),
        ({"initial_tokens": [-1]}, "initial_tokens[0] must be in [0, n_vocab=211), got -1"),
        ({"suppress_tokens": [7, -1]}, "suppress_tokens[1] must be in [0, n_vocab=211), got -1"),
        ({"blank_tokens": [400]}, "blank_tokens[0] must be in [0, n_vocab=211), got 400"),
        ({"eot": 211}, "eot must be in [0, n_vocab=211), got 211"),
        ({"no_speech": -5}, "no_speech must be in [0, n_vocab=211), got -5"),
        ({"no_timestamps": 999}, "no_timestamps must be in [0, n_vocab=211), got 999"),
        ({"timestamp_begin": 211}, "timestamp_begin must be in [0, n_vocab=211), got 211"),
        ({"timestamp_begin": 0}, "timestamp_begin must be at least 1, got 0"),
        (
            {"max_initial_timestamp_index": -1},
            "max_initial_timestamp_index must be at least 0, got -1",
        ),
        ({"sot_index": 2}, "sot_index must be in [0, 2), the length of initial_tokens, got 2"),
        ({"sot_index": -1}, "sot_index must be in [0, 2), the length of initial_tokens, got -1"),
        ({"sample_len": 0}, "sample_len must be at least 1, got 0"),
        ({"temperature": -0.5}, "temperature must be finite and at least 0, got -0.5"),
        ({"temperature": float("nan")}, "temperature must be finite and at least 0, got nan"),
        ({"temperature": float("inf")}, "temperature must be finite and at least 0, got inf"),
        ({"best_of": 0, "temperature": 1.0}, "best_of must be at least 1, got 0"),
        ({"best_of": 5}, "best_of=5 needs temperature > 0"),
        ({"beam_size": -1}, "beam_size must be at least 0, got -1"),
        ({"beam_size": 2, "temperature": 0.5}, "beam_size=2 needs temperature 0, got 0.5"),
        ({"beam_size": 211}, "beam_size must be less than n_vocab=211, got 211"),
        ({"patience": 2.0}, "patience=2 needs beam_size"),
        (
            {"patience": 0.0, "beam_size": 2},
            "patience must be finite and greater than 0, got 0",
        ),
        (
            {"patience": float("nan"), "beam_size": 2},
            "patience must be finite and greater than 0, got nan",
        ),
        (
            {"patience": 0.1, "beam_size": 2},
            "beam_size=2 with patience=0.1 asks for no candidate",
        ),
        ({"length_penalty": 1.5}, "length_penalty must be in [0, 1], got 1.5"),
        ({"length_penalty": float("nan")}, "length_penalty must be in [0, 1], got nan"),
    ],
)
def test_bad_options(window, given, message):
    good = _core.DecodingOptions(**GOOD)
    bad = _core.DecodingOptions(**(GOOD | given))
    with pytest.raises(_core.ShapeError) as raised:
        talkative.model().decode([window, window], [good, bad])
    assert str(raised.value) == f"decode: {message}"


def test_one_options_object_a_window(window):
    with pytest.raises(_core.ShapeError) as raised:
        talkative.model().decode([window, window], [_core.DecodingOptions(**GOOD)])
    assert str(raised.value) == "decode: features and options must be as many, got 2 and 1"


def test_features_of_another_model(window):
    other = _core.Model(talkative.checkpoint(), n_threads=1)
    with pytest.raises(_core.ShapeError, match="must come from this model's encode"):
        other.decode([window], [_core.DecodingOptions(**GOOD)])


def test_tokens_may_be_any_integers(window):
    spellings = [
        {"initial_tokens": [SOT, 122], "suppress_tokens": [1, 2, 3]},
        {"initial_tokens": (SOT, 122), "suppress_tokens": range(1, 4)},
        {
            "initial_tokens": np.array([SOT, 122]),
            "suppress_tokens": np.arange(1, 4, dtype=np.uint8),
        },
        {"initial_tokens": [np.int32(SOT), 122], "suppress_tokens": {1, 2, 3}},
    ]
    results = {as_tuple(decode_one(talkative.model(), window, GOOD | s)) for s in spellings}
    assert len(results) == 1


@pytest.mark.parametrize(
    ("tokens", "error", "message"),
    [
        (3, TypeError, "suppress_tokens must be a sequence of ints, got 3"),
        ("-1", TypeError, "suppress_tokens must be a sequence of ints, got '-'"),
        ([1.0], TypeError, "suppress_tokens must be a sequence of ints, got 1.0"),
        ([1, None], TypeError, "suppress_tokens must be a sequence of ints, got None"),
        ([2**31], _core.ShapeError, "suppress_tokens has a token that is no id: 2147483648"),
        ([-(2**80)], _core.ShapeError, f"suppress_tokens has a token that is no id: {-(2**80)}"),
    ],
)
def test_tokens_that_are_none(tokens, error, message):
    with pytest.raises(error) as raised:
        _core.DecodingOptions(**GOOD, suppress_tokens=tokens)
    assert str(raised.value) == message


def test_options_are_keywords():
    with pytest.raises(TypeError):
        _core.DecodingOptions(1, 2, 3, 4, [5])
    with pytest.raises(TypeError):
        _core.DecodingOptions(**GOOD, seed=-1)


# --- how sure -------------------------------------------------------------------------------------


def logits_after(model, window, options, tokens):
    """The logits from which the next token was chosen."""
    said = [*options["initial_tokens"], *tokens]
    return model.logits(said, window)[-1]


@pytest.mark.parametrize("search", SEARCHES)
def test_tokens_have_their_logprobs_and_alternatives(rng, window, search):
    model = talkative.model()
    options = random_options(rng, sample_len=12, **search)
    plain = decode_one(model, window, options)
    result = decode_one(model, window, options | {"top_k": 4})
    assert as_tuple(result) == as_tuple(plain)
    assert result.logprobs == plain.logprobs
    assert plain.alternatives == []
    assert len(result.logprobs) == len(result.alternatives) == len(result.tokens)
    for i, token in enumerate(result.tokens):
        logits = logits_after(model, window, options, result.tokens[:i])
        logprobs = reference.log_softmax(reference.allowed(logits, result.tokens[:i], options))
        likeliest = np.argsort(-logprobs, kind="stable")[:4]
        likeliest = [int(t) for t in likeliest if np.isfinite(logprobs[t])]
        found = result.alternatives[i]
        assert [t for t, _ in found] == likeliest
        near = {"rel": 1e-5, "abs": 1e-5}  # of float32 sums over 211 logits
        assert [p for _, p in found] == pytest.approx(logprobs[likeliest].tolist(), **near)
        assert result.logprobs[i] == pytest.approx(logprobs[token], **near)


def test_the_sum_is_that_of_the_tokens(rng, window):
    """And of the end, which counts where a search comes to it."""
    for search in SEARCHES:
        options = random_options(rng, sample_len=6, suppress_tokens=[EOT], **search)
        result = decode_one(talkative.model(), window, options)
        total = np.float32(0)
        for logprob in result.logprobs:
            total += np.float32(logprob)
        assert result.sum_logprob == total


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("length_penalty", [None, 0.6])
def test_the_best_hypotheses_come_in_their_order(rng, window, search, length_penalty):
    model = talkative.model()
    options = random_options(rng, sample_len=12, **search)
    options["length_penalty"] = length_penalty
    best = decode_one(model, window, options)
    assert [h.tokens for h in best.hypotheses] == [best.tokens]
    found = decode_one(model, window, options | {"n_best": 100}).hypotheses
    n_rows = search.get("beam_size", search.get("best_of", 1))
    assert len(found) >= n_rows
    assert (found[0].tokens, found[0].sum_logprob) == (best.tokens, best.sum_logprob)
    scores = []
    for each in found:
        length = len(each.tokens)
        penalty = max(length, 1) if length_penalty is None else ((5 + length) / 6) ** 0.6
        assert each.score == pytest.approx(each.sum_logprob / penalty, rel=1e-6)
        scores.append(each.score)
    assert scores == sorted(scores, reverse=True)
    two = decode_one(model, window, options | {"n_best": 2}).hypotheses
    assert [h.tokens for h in two] == [h.tokens for h in found[:2]]


def test_beams_that_found_nothing_to_say_are_no_hypotheses(window):
    """Two tokens may come first, and only the end after them: of five beams two say something."""

    def yes_or_no(tokens, logits):
        allowed = [7, 9] if tokens[-1] > EOT else [EOT]
        kept = logits[allowed].copy()
        logits[:] = -np.inf
        logits[allowed] = kept

    options = talkative.SPECIAL | {"initial_tokens": [SOT, 122], "timestamps": False}
    options |= {"beam_size": 5, "n_best": 5, "logit_filter": yes_or_no}
    found = decode_one(talkative.model(), window, options).hypotheses
    assert sorted(each.tokens for each in found) == [[7], [9]]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"top_k": -1}, "top_k must be at least 0, got -1"),
        ({"top_k": 33}, "top_k must be at most 32, got 33"),
        ({"n_best": 0}, "n_best must be at least 1, got 0"),
        ({"n_best": 257}, "n_best must be at most 256, got 257"),
    ],
)
def test_what_is_reported_has_limits(rng, window, given, message):
    with pytest.raises(_core.ShapeError, match=message):
        decode_one(talkative.model(), window, random_options(rng) | given)
