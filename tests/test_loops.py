"""Loops: found in a text, and stopped in each search, against `search_reference`."""

import pytest

import search_reference as reference
import talkative
from sottovoce import _core
from talkative import EOT, SOT, TIMESTAMP_BEGIN, Script, decode_one, max_steps


def found(tokens):
    """`find_loop` of a text as (first, n_tokens), or None."""
    loop = _core.find_loop(tokens, EOT)
    return loop and (loop.first, loop.n_tokens)


def first_loop(tokens):
    """The same, looked for at each end of the text."""
    ends = (reference.loop_at_end(tokens[:end], EOT) for end in range(len(tokens) + 1))
    return next((loop for loop in ends if loop), None)


def random_text(rng):
    """A few words, or a phrase over and over among others, with times anywhere."""
    n_kinds = int(rng.choice([1, 2, 3, 50]))
    text = rng.integers(0, n_kinds, rng.integers(0, 40)).tolist()
    text += rng.integers(0, n_kinds, rng.integers(1, 60)).tolist() * int(rng.integers(1, 6))
    text += rng.integers(0, n_kinds, rng.integers(0, 20)).tolist()
    for _ in range(rng.integers(0, 20)):
        time = int(rng.integers(TIMESTAMP_BEGIN, TIMESTAMP_BEGIN + 50))
        text.insert(int(rng.integers(0, len(text) + 1)), time)
    return text


def test_the_first_loop_of_a_text(rng):
    n_loops = 0
    for _ in range(300):
        text = random_text(rng)
        expected = first_loop(text)
        assert found(text) == expected
        n_loops += expected is not None
    assert 50 < n_loops < 250


def test_a_loop_is_its_phrase_over_and_over(rng):
    for _ in range(300):
        text = random_text(rng)
        if (loop := found(text)) is None:
            continue
        first, n_tokens = loop
        spoken = [token for token in text[first:] if token < EOT]
        assert spoken[:n_tokens] == spoken[n_tokens : 2 * n_tokens]
        assert spoken[:n_tokens] == spoken[2 * n_tokens : 3 * n_tokens]
        assert text[first] < EOT


@pytest.mark.parametrize(
    ("text", "loop"),
    [
        ([], None),
        ([5] * 29, None),
        ([5] * 30, (0, 1)),
        ([5, 6] * 14 + [5], None),
        ([5, 6] * 15, (0, 2)),
        ([1, 2, *range(10, 20), *range(10, 20), *range(10, 20)], (2, 10)),
        ([*range(10, 20), *range(10, 20), *range(10, 19)], None),
        ([*range(30)] * 2, None),
        ([*range(80)] * 3, (0, 80)),
        ([*range(100)], None),
        ([TIMESTAMP_BEGIN] * 100, None),
        ([200, *range(10), 201, 201, *range(10), 202, 202, *range(10), 203], (1, 10)),
    ],
)
def test_what_is_a_loop(text, loop):
    assert found(text) == loop


@pytest.mark.parametrize("tokens", [7, "ab", [1.5]])
def test_tokens_are_integers(tokens):
    with pytest.raises(TypeError, match="tokens must be a sequence of ints, got "):
        _core.find_loop(tokens, EOT)


# --- in a search ----------------------------------------------------------------------------------

SEARCHES = [
    {},
    {"temperature": 0.3, "best_of": 4},
    {"beam_size": 1, "patience": 2.0},
    {"beam_size": 3},
    {"beam_size": 4, "patience": 0.5},
    {"beam_size": 2, "patience": 2.0},
]


def few_words(rng, **given):
    """Options under which a window says a few tokens in turn, and hardly an end."""
    words = rng.choice(EOT, int(rng.integers(1, 5)), replace=False).tolist()
    options = talkative.SPECIAL | {
        "initial_tokens": [SOT, talkative.LANGUAGES[0]],
        "sample_len": 60,
        "suppress_tokens": [token for token in range(211) if token not in (*words, EOT)],
        "timestamps": False,
        "blank_tokens": [EOT],
        "seed": int(rng.integers(0, 1000)),
        "stop_loops": True,
    }
    return options | given


def without_end(tokens, logits):
    """A filter under which no text ends before its 32nd token."""
    if len(tokens) < 34:
        logits[EOT] -= 20


@pytest.mark.parametrize("search", SEARCHES)
def test_a_search_stops_where_it_loops(isa, rng, search):
    model, n_stopped, n_others = talkative.model(isa), 0, 0
    for window in talkative.encode(model, 8):
        options = few_words(rng, **search)
        logits_of = Script(model, window, options["initial_tokens"])

        def filtered(tokens, logits_of=logits_of):
            logits = logits_of(tokens).copy()
            without_end([SOT, SOT, *tokens], logits)
            return logits

        result = decode_one(model, window, options | {"logit_filter": without_end})
        if "beam_size" in search:
            candidates = reference.beams(filtered, options, max_steps(options))
        elif "best_of" in search:
            candidates = reference.samples(filtered, options, max_steps(options))
        else:
            candidates = [reference.greedy(filtered, options, max_steps(options))]
        expected = reference.best(candidates)
        assert tuple(result.tokens) == expected.tokens
        assert result.sum_logprob == pytest.approx(float(expected.sum_logprob), rel=2e-6, abs=2e-5)
        loop = result.loop and (result.loop.first, result.loop.n_tokens)
        assert loop == reference.loop_at_end(expected.tokens, EOT)
        n_stopped += loop is not None
        n_others += loop is None
        assert len(result.tokens) == len(result.logprobs)
    assert n_stopped > 0


def steered(text):
    """A filter that has a window say `text`, whatever it hears."""

    def steer(tokens, logits):
        logits[:] = -30.0
        logits[text[min(len(tokens) - 1, len(text) - 1)]] = 0.0

    return steer


def said(text, **given):
    options = talkative.SPECIAL | {"initial_tokens": [SOT], "sample_len": 60, "timestamps": False}
    model = talkative.model()
    options |= {"logit_filter": steered([*text, EOT]), **given}
    return decode_one(model, talkative.encode(model, 1)[0], options)


LOOP = [4, 200, 9, 5, 6, 200, *[9, 5, 6] * 9, 7, 8]  # ten times three words


def test_what_was_said_until_then_is_kept():
    result = said(LOOP, stop_loops=True)
    assert (result.loop.first, result.loop.n_tokens) == (2, 3)
    assert result.tokens == LOOP[:-2]
    assert len(result.logprobs) == len(result.tokens)


def test_nothing_is_stopped_unless_it_is_asked_for():
    result = said(LOOP)
    assert (result.tokens, result.loop) == (LOOP, None)


def test_what_does_not_loop_is_not_touched():
    text = [4, 200, *[9, 5, 6] * 9, 7, 8]
    result = said(text, stop_loops=True)
    assert (result.tokens, result.loop) == (text, None)


def test_a_sample_that_does_not_loop_is_worth_more():
    """Two words, of which one is likely to be said on and on."""

    def one_of_two(tokens, logits):
        logits[:] = -30.0
        last = tokens[-1]
        logits[4 if last == SOT else EOT if last == 5 and len(tokens) > 8 else last] = 0.0
        if last == SOT:
            logits[5] = -0.5

    options = talkative.SPECIAL | {"initial_tokens": [SOT], "sample_len": 39, "timestamps": False}
    options |= {"temperature": 1.0, "best_of": 8, "stop_loops": True, "logit_filter": one_of_two}
    model = talkative.model()
    result = decode_one(model, talkative.encode(model, 1)[0], options | {"seed": 3})
    assert (set(result.tokens), result.loop) == ({5}, None)


def test_the_attention_of_a_loop_is_kept_but_for_its_last_token():
    result = said(LOOP, stop_loops=True, keep_attention=True)
    assert result.loop
    assert result.attention.n_text == sum(token < EOT for token in result.tokens) - 1


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_a_window_loops_whatever_its_neighbours_do(isa, n_threads, rng):
    model = talkative.model(isa, n_threads)
    windows = talkative.encode(model, 12)
    options = [
        _core.DecodingOptions(**few_words(rng, **SEARCHES[i % 6], logit_filter=without_end))
        for i in range(12)
    ]

    def heard(results):
        found = [r.loop and (r.loop.first, r.loop.n_tokens) for r in results]
        return [(r.tokens, r.sum_logprob, f) for r, f in zip(results, found, strict=True)]

    together = heard(model.decode(windows, options))
    alone = [model.decode([w], [o])[0] for w, o in zip(windows, options, strict=True)]
    assert together == heard(alone)
    assert 0 < sum(loop is not None for _, _, loop in together) < 12
