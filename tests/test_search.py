"""Greedy, sampling and beam search against `search_reference`, over one model's own logits."""

import numpy as np
import pytest

import search_reference as reference
import talkative
from sottovoce import _core
from talkative import EOT, TWINS, Script, decode_one, max_steps, random_options

N_WINDOWS = 6


@pytest.fixture
def windows(isa):
    return talkative.encode(talkative.model(isa), N_WINDOWS)


def check(result, expected) -> None:
    assert tuple(result.tokens) == expected.tokens
    assert result.sum_logprob == pytest.approx(float(expected.sum_logprob), rel=2e-6, abs=2e-5)
    average = result.sum_logprob / (len(result.tokens) + 1)
    assert result.avg_logprob == pytest.approx(average, rel=1e-6)


def test_greedy(isa, rng, windows):
    model = talkative.model(isa)
    lengths, ended = set(), 0
    for trial in range(160):
        window, options = windows[trial % N_WINDOWS], random_options(rng)
        script = Script(model, window, options["initial_tokens"])
        result = decode_one(model, window, options)
        check(result, reference.greedy(script, options, max_steps(options)))
        lengths.add(len(result.tokens))
        ended += len(result.tokens) < max_steps(options)
    assert len(lengths) > 8
    assert ended > 2


def test_beam_search(isa, rng, windows):
    model = talkative.model(isa)
    full, unfinished = 0, 0
    for trial in range(60):
        window = windows[trial % N_WINDOWS]
        options = random_options(
            rng,
            beam_size=int(rng.integers(1, 7)),
            patience=float(rng.choice([0.7, 1.0, 1.0, 1.5, 2.0])),
            length_penalty=[None, None, 0.0, 0.6, 1.0][trial % 5],
        )
        script = Script(model, window, options["initial_tokens"])
        candidates = reference.beams(script, options, max_steps(options))
        check(
            decode_one(model, window, options),
            reference.best(candidates, options["length_penalty"]),
        )
        wanted = round(options["beam_size"] * options["patience"])
        full += len(candidates) >= wanted
        unfinished += len(candidates) < wanted
    assert full > 5
    assert unfinished > 5


def test_twins_have_equal_logits(isa, windows):
    logits = talkative.model(isa).logits([talkative.SOT, 1, 2, 3], windows[0])
    assert (logits[:, TWINS] == logits[:, TWINS[:1]]).all()


def only_twins(rng, **given):
    """Options under which every step is a tie of three tokens, or an end."""
    others = [t for t in range(211) if t not in (*TWINS, EOT)]
    return random_options(
        rng, timestamps=False, suppress_tokens=others, blank_tokens=[EOT], **given
    )


def test_greedy_ties_go_to_the_lowest_token(isa, rng, windows):
    result = decode_one(talkative.model(isa), windows[0], only_twins(rng, sample_len=5))
    assert set(result.tokens) == {min(TWINS)}


@pytest.mark.parametrize("beam_size", [1, 2, 3, 5])
def test_beam_search_ties_stay_in_order(isa, rng, windows, beam_size):
    model = talkative.model(isa)
    for window in windows:
        options = only_twins(rng, beam_size=beam_size, patience=2.0, sample_len=6)
        script = Script(model, window, options["initial_tokens"])
        expected = reference.best(reference.beams(script, options, max_steps(options)))
        check(decode_one(model, window, options), expected)


def test_beams_at_a_dead_end_leave_what_is_finished(isa, rng, windows):
    others = [token for token in range(211) if token != EOT]
    options = random_options(rng, timestamps=False, suppress_tokens=others, blank_tokens=[])
    result = decode_one(talkative.model(isa), windows[0], options | {"beam_size": 3})
    assert (result.tokens, result.sum_logprob) == ([], 0.0)


@pytest.mark.parametrize(
    ("beam_size", "patience"),
    [(5, 0.1), (5, 0.3), (5, 0.5), (5, 0.7), (3, 1.5), (5, 1.1), (1, 2.5)],
)
def test_candidates_wanted_are_rounded_as_python_rounds(rng, windows, isa, beam_size, patience):
    model, seen = talkative.model(isa), 0
    if round(beam_size * patience) == 0:
        with pytest.raises(_core.ShapeError, match="asks for no candidate"):
            decode_one(model, windows[0], random_options(rng, beam_size=5, patience=patience))
        return
    for window in windows:
        given = {"beam_size": beam_size, "patience": patience, "sample_len": 25}
        options = random_options(rng, **given)
        script = Script(model, window, options["initial_tokens"])
        candidates = reference.beams(script, options, max_steps(options))
        check(decode_one(model, window, options), reference.best(candidates))
        seen += len(candidates)
    assert seen > 0


# --- sampling -------------------------------------------------------------------------------------


def test_philox_vectors():
    """The first two words of Random123's known answers for a counter of zeros."""
    assert reference.uniform(0, 0, 0) == (0x6627E8D5E169C58D >> 11) * 2.0**-53


def test_samples(isa, rng, windows):
    model = talkative.model(isa)
    for trial in range(40):
        window = windows[trial % N_WINDOWS]
        options = random_options(
            rng,
            temperature=float(rng.choice([0.2, 0.6, 1.0, 2.5])),
            best_of=int(rng.integers(1, 6)),
            seed=int(rng.integers(0, 2**64, dtype=np.uint64)),
            length_penalty=[None, 0.5][trial % 2],
        )
        script = Script(model, window, options["initial_tokens"])
        candidates = reference.samples(script, options, max_steps(options))
        check(
            decode_one(model, window, options),
            reference.best(candidates, options["length_penalty"]),
        )


def test_a_tiny_temperature_is_greedy(isa, rng, windows):
    model = talkative.model(isa)
    for window in windows:
        options = random_options(rng)
        greedy = decode_one(model, window, options)
        sampled = decode_one(model, window, options | {"temperature": 1e-38})
        assert sampled.tokens == greedy.tokens
        assert sampled.sum_logprob == greedy.sum_logprob


def test_same_seed_same_words(isa, rng, windows):
    model = talkative.model(isa)
    options = random_options(rng, temperature=1.0, best_of=3, sample_len=20)
    texts = [decode_one(model, windows[0], options | {"seed": s}).tokens for s in (1, 1, 2, 3)]
    assert texts[0] == texts[1]
    assert len({tuple(text) for text in texts}) == 3


@pytest.mark.parametrize("temperature", [0.4, 1.0])
def test_samples_follow_the_distribution(isa, windows, temperature):
    """Pearson's chi-square of 4000 first tokens, rare ones pooled; the seeds are fixed."""
    model, n, window = talkative.model(isa), 4000, windows[1]
    options = random_options(
        np.random.default_rng(5), timestamps=False, temperature=temperature, sample_len=1
    )
    script = Script(model, window, options["initial_tokens"])
    logits = reference.allowed(script(()), (), options).astype(np.float64)
    expected = np.exp((logits - logits.max()) / temperature)
    expected *= n / expected.sum()
    counts = np.zeros(len(logits))
    for first in range(0, n, 500):
        seeded = [_core.DecodingOptions(**options, seed=first + i) for i in range(500)]
        for result in model.decode([window] * 500, seeded):
            counts[result.tokens[0] if result.tokens else EOT] += 1
    assert counts[expected == 0].sum() == 0
    rare = expected < 5
    observed = np.append(counts[~rare], counts[rare].sum())
    wanted = np.append(expected[~rare], expected[rare].sum())
    freedom = len(wanted) - 1
    chi_square = ((observed - wanted) ** 2 / np.maximum(wanted, 1e-9)).sum()
    assert chi_square < freedom + 4 * np.sqrt(2 * freedom)
