"""Attention that is kept while a window is decoded: it is that of a pass over the same tokens, and
what align() makes of it needs no pass."""

import numpy as np
import pytest

import oracle
import talkative
from sottovoce import _core
from talkative import EOT, decode_one, max_steps, random_options
from test_model import make

EPS = float(np.finfo(np.float32).eps)
N_FRAMES = 2 * talkative.DIMS.n_audio_ctx
SEARCHES = [{}, {"temperature": 0.8, "best_of": 3}, {"beam_size": 3}]


def options_of(text_tokens, n_frames=N_FRAMES, **given) -> _core.AlignmentOptions:
    wanted = {"initial_tokens": [], "text_tokens": text_tokens, "n_frames": n_frames}
    return _core.AlignmentOptions(**{"eot": EOT, **wanted, **given})


def fed_tokens(decoded: _core.DecodingResult, wanted: dict) -> list[int]:
    """The tokens after the prompt of which a pass has seen how they attend."""
    return decoded.tokens[: max_steps(wanted) - 1]


def text_of(tokens: list[int]) -> list[int]:
    return [token for token in tokens if token < EOT]


def slow_starts(model, features, wanted: dict, fed: list[int], n_text: int, n_frames: int):
    """From a pass over all tokens, timestamps among them: rows in the order of a plain text."""
    n_initial = len(wanted["initial_tokens"])
    tokens = [*wanted["initial_tokens"], *fed]
    scores = model.cross_attention(tokens, features, model.alignment_heads, softmax=False)
    said = [i for i, token in enumerate(tokens) if i >= n_initial and token < EOT][:n_text]
    telling = [i - 1 for i in said] + [said[-1] if said else n_initial - 1]
    others = [i for i in range(wanted["sot_index"], len(tokens)) if i not in telling]
    matrix = _core.attention_matrix(
        np.ascontiguousarray(scores[:, others + telling]),
        n_positions=n_frames // 2,
        first_row=len(others),
        n_rows=len(telling),
        isa=model.isa,
    )
    return _core.path_starts(matrix)


@pytest.mark.parametrize("compute_type", ["float32", "bfloat16", "int8"])
def test_kept_attention_is_that_of_a_pass_over_the_text(isa, rng, compute_type):
    model = _core.Model(talkative.checkpoint(), isa=isa, n_threads=2, compute_type=compute_type)
    features = talkative.encode(model, 1)[0]
    n_cut = 0
    for number in range(12):
        wanted = random_options(rng, seed=number, **SEARCHES[number % 3])
        decoded = decode_one(model, features, wanted | {"keep_attention": True})
        fed = fed_tokens(decoded, wanted)
        text = text_of(fed)
        assert decoded.attention.n_text == len(text)
        n_cut += len(fed) < len(decoded.tokens)
        logprobs = [p for t, p in zip(fed, decoded.logprobs, strict=False) if t < EOT]
        for n_text, n_frames in ((len(text), N_FRAMES), (len(text) // 2, 30), (0, 20)):
            aligned = model.align(decoded.attention, options_of(text[:n_text], n_frames))
            expected = slow_starts(model, features, wanted, fed, n_text, n_frames)
            np.testing.assert_array_equal(aligned.starts, expected)
            # One rounding of the exponential, and one of what it is compared with.
            probabilities = np.exp(np.array(logprobs[:n_text], np.float64))
            np.testing.assert_allclose(aligned.probabilities, probabilities, rtol=2 * EPS)
            assert aligned.logprobs.size == 0
    assert 0 < n_cut < 12


def test_keeping_changes_no_bit_of_what_is_heard(isa, rng):
    model = talkative.model(isa, 2)
    features = talkative.encode(model, 1)[0]
    for number in range(9):
        wanted = random_options(rng, seed=number, top_k=2, **SEARCHES[number % 3])
        plain = decode_one(model, features, wanted)
        keeping = decode_one(model, features, wanted | {"keep_attention": True})
        assert plain.attention is None
        assert (keeping.tokens, keeping.logprobs) == (plain.tokens, plain.logprobs)
        assert keeping.alternatives == plain.alternatives
        assert keeping.no_speech_prob == plain.no_speech_prob


@pytest.mark.parametrize("n_slots", [1, 3, 9])
def test_windows_in_slots_keep_what_they_keep_alone(isa, rng, n_slots):
    """Every other window keeps; the others are served by the same passes."""
    model = talkative.model(isa, 2)
    windows = talkative.encode(model, 9)
    wanted = [
        random_options(rng, seed=i, keep_attention=i % 2 == 0, **SEARCHES[i % 3]) for i in range(9)
    ]
    batch = model.new_batch(n_slots, 3)
    waiting = list(range(9))
    heard = {}
    while waiting or batch.n_free < n_slots:
        while waiting and batch.n_free:
            n = waiting.pop(0)
            assert batch.submit(windows[n], _core.DecodingOptions(**wanted[n])) == n
        for finished in batch.advance():
            heard[finished.id] = finished.result
    for n in range(9):
        alone = decode_one(model, windows[n], wanted[n])
        assert (heard[n].attention is None) is (n % 2 == 1)
        assert heard[n].tokens == alone.tokens
        if n % 2 == 1:
            continue
        options = options_of(text_of(fed_tokens(alone, wanted[n])))
        got, expected = (model.align(each.attention, options) for each in (heard[n], alone))
        np.testing.assert_array_equal(got.starts, expected.starts)
        np.testing.assert_array_equal(got.probabilities, expected.probabilities)


def kept(model=None):
    """What a greedy window left, and its text."""
    model = model or talkative.model()
    wanted = random_options(np.random.default_rng(5), sample_len=20, keep_attention=True)
    decoded = decode_one(model, talkative.encode(model, 1)[0], wanted)
    text = text_of(fed_tokens(decoded, wanted))
    assert len(text) > 3
    return decoded.attention, text


def test_no_pass_is_made_and_the_features_may_be_gone():
    model = _core.Model(talkative.checkpoint(), n_threads=1)
    attention, text = kept(model)
    before = model.metrics
    aligned = model.align(attention, options_of(text))
    assert aligned.metrics.alignments == 1
    assert aligned.metrics.alignment_ms > 0
    assert model.metrics.alignments == before.alignments + 1
    assert model.metrics.alignment_ms == before.alignment_ms + aligned.metrics.alignment_ms
    for name in ("cross_kv_ms", "decode_calls", "decoder_prefill_ms", "encoder_calls"):
        assert getattr(model.metrics, name) == getattr(before, name)


def test_fast_times_of_real_speech_are_near_the_exact_ones(tiny_en, jfk):
    """The text that is read differs by its timestamps alone; so do the times, by little."""
    for beam_size in (None, 5):
        exact, fast = (
            [
                word
                for segment in tiny_en.transcribe(
                    jfk,
                    word_timestamps=how,
                    temperature=0.0,
                    beam_size=beam_size,
                    policy="openai",
                )
                for word in segment.words
            ]
            for how in (True, "fast")
        )
        assert [word.word for word in fast] == [word.word for word in exact]
        apart = [abs(a.start - b.start) for a, b in zip(fast, exact, strict=True)]
        apart += [abs(a.end - b.end) for a, b in zip(fast, exact, strict=True)]
        assert np.median(apart) <= 0.04
        assert max(apart) <= 0.5
        assert all(0.0 <= word.probability <= 1.0 for word in fast)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n_frames": -1}, "n_frames must be in 0..48, got -1"),
        ({"n_frames": 49}, "n_frames must be in 0..48, got 49"),
        ({"median_filter_width": 4}, "median_filter_width must be odd and positive, got 4"),
        (
            {"heads": [(1, 0)]},
            "kept attention is that of the model's heads and knows no logprobs; align the features",
        ),
        (
            {"logprobs": True},
            "kept attention is that of the model's heads and knows no logprobs; align the features",
        ),
    ],
)
def test_bad_options(given, message):
    attention, text = kept()
    with pytest.raises(_core.ShapeError) as raised:
        talkative.model().align(attention, options_of(text, **given))
    assert str(raised.value) == f"align: {message}"


def test_a_text_that_was_not_kept():
    attention, text = kept()
    wrong = (text[2] + 1) % EOT
    n_text = attention.n_text
    must = f"align: text_tokens must be the first of the n_text={n_text} that were kept, got "
    for asked, at in (([*text[:2], wrong], 2), ([*text, 7], n_text)):
        with pytest.raises(_core.ShapeError) as raised:
            talkative.model().align(attention, options_of(asked))
        assert str(raised.value) == f"{must}{asked[at]} as text_tokens[{at}]"


def test_what_another_model_kept(rng):
    attention, text = kept()
    dims = oracle.Dims(n_audio_ctx=30)
    other = make(dims, oracle.random_checkpoint(dims, rng))
    with pytest.raises(_core.ShapeError) as raised:
        other.align(attention, options_of(text))
    assert str(raised.value) == ("align: kept attention must be this model's, (3, 30), got (3, 24)")
