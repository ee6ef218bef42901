"""Which tokens may come next. Sampled texts are replayed against `search_reference.allowed`.

A mask that differs in one token shows in the sum of log-probs, normalised over what is allowed.
"""

from collections import Counter

import numpy as np
import pytest

import search_reference as reference
import talkative
from sottovoce import _core
from talkative import EOT, NO_TIMESTAMPS, TIMESTAMP_BEGIN, Script, decode_one, random_options


def situation(tokens, options) -> str:
    """Which branch of the timestamp rules a step takes."""
    if not options["timestamps"]:
        return "none"
    if not tokens:
        return "first" if options["max_initial_timestamp_index"] is None else "first, not late"
    last = tokens[-1] >= TIMESTAMP_BEGIN
    second_last = len(tokens) < 2 or tokens[-2] >= TIMESTAMP_BEGIN
    if last:
        return "after a pair" if second_last else "inside a pair"
    return "after text"


def replay(script, options, result, seen: Counter) -> None:
    chosen = list(result.tokens)
    if len(chosen) < talkative.max_steps(options):
        chosen.append(EOT)
    total = 0.0
    for step, token in enumerate(chosen):
        before = tuple(chosen[:step])
        logits = script(before)
        masked = reference.allowed(logits, before, options)
        assert masked[token] > -np.inf, (before, token)
        total += float(reference.log_softmax(masked)[token])
        where = situation(before, options)
        seen[where] += 1
        if where == "after text":
            seen["timestamps preferred"] += bool(np.isinf(masked[:TIMESTAMP_BEGIN]).all())
    assert result.sum_logprob == pytest.approx(total, rel=2e-6, abs=1e-5)


def test_every_step_of_sampled_texts_obeys_the_rules(isa, rng):
    model = talkative.model(isa)
    features = talkative.encode(model, 4)
    seen: Counter = Counter()
    for trial in range(60):
        window = features[trial % len(features)]
        temperature = float(rng.choice([0.5, 1.0, 3.0, 1000.0]))
        options = random_options(rng, temperature=temperature, seed=trial)
        result = decode_one(model, window, options)
        replay(Script(model, window, options["initial_tokens"]), options, result, seen)
    expected = {"none", "first", "first, not late", "after a pair", "inside a pair", "after text"}
    assert set(seen) == expected | {"timestamps preferred"}
    assert 0 < seen["timestamps preferred"] < seen["after text"]


@pytest.fixture
def window():
    return talkative.encode(talkative.model(), 1, seed=7)[0]


def first_tokens(window, **given) -> set[int]:
    """Distinct first tokens of 300 nearly uniform samples."""
    rng = np.random.default_rng(0)
    options = random_options(rng, suppress_tokens=[], blank_tokens=[], sample_len=1) | {
        "temperature": 1e6,
        "best_of": 1,
        **given,
    }
    all_options = [_core.DecodingOptions(**options, seed=seed) for seed in range(300)]
    results = talkative.model().decode([window] * 300, all_options)
    return {result.tokens[0] if result.tokens else EOT for result in results}


def test_first_token_is_a_timestamp_that_is_not_late(window):
    found = first_tokens(window, timestamps=True, max_initial_timestamp_index=6)
    assert found == set(range(TIMESTAMP_BEGIN, TIMESTAMP_BEGIN + 7))


def test_a_limit_past_the_vocabulary_limits_nothing(window):
    found = first_tokens(window, timestamps=True, max_initial_timestamp_index=2**31 - 1)
    assert min(found) >= TIMESTAMP_BEGIN
    assert max(found) > TIMESTAMP_BEGIN + 60


def test_without_timestamps_nothing_is_special(window):
    found = first_tokens(window, timestamps=False)
    assert len(found) > 130  # of 211, in 300 draws
    assert any(token >= TIMESTAMP_BEGIN for token in found)
    assert any(EOT < token <= NO_TIMESTAMPS for token in found)


def test_suppressed_and_blank_tokens_do_not_come_first(window):
    suppressed, blank = list(range(100)), list(range(100, 200))
    found = first_tokens(window, timestamps=False, suppress_tokens=suppressed, blank_tokens=blank)
    assert found == set(range(200, 211))


def test_blank_tokens_may_come_later(window):
    options = random_options(
        np.random.default_rng(0),
        timestamps=False,
        blank_tokens=[5],
        suppress_tokens=[token for token in range(211) if token not in (5, 6)],
        sample_len=8,
        temperature=1e6,
    )
    tokens = decode_one(talkative.model(), window, options).tokens
    assert tokens[0] == 6
    assert 5 in tokens


@pytest.mark.parametrize("search", [{}, {"temperature": 1.0, "best_of": 2}, {"beam_size": 3}])
def test_options_that_leave_no_token(window, search):
    everything = list(range(211))
    options = random_options(np.random.default_rng(0), suppress_tokens=everything, **search)
    with pytest.raises(_core.ShapeError, match="suppress every token that could come next"):
        decode_one(talkative.model(), window, options)
