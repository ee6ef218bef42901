"""The policy around one window: forbidden tokens, the core's options, retries and silence."""

from types import SimpleNamespace

import numpy as np
import pytest

import fake_core
from fake_core import LARGE_V3, MULTILINGUAL, FakeCore, FakeFeatures, Heard, word
from sottovoce import _core
from sottovoce.options import DecodeOptions, TranscribeOptions
from sottovoce.policy.requests import Decoded
from sottovoce.policy.window import (
    compression_ratio,
    core_options,
    decode_with_fallback,
    failure,
    silence,
    suppressed_tokens,
)
from sottovoce.results import WindowResult

TOKENIZER = fake_core.tokenizer()
SPECIAL = TOKENIZER.special
SOT = [SPECIAL.sot, SPECIAL.sot + 1, SPECIAL.transcribe]  # of English speech
FEATURES = FakeFeatures(np.zeros((80, 3000), np.float32))


@pytest.fixture(autouse=True)
def open_options(monkeypatch):
    """The core's options tell nobody what they hold; these do."""
    monkeypatch.setattr(_core, "DecodingOptions", SimpleNamespace)


def asked(tokenizer=TOKENIZER, **keywords) -> SimpleNamespace:
    dims = SimpleNamespace(n_text_ctx=448)
    return core_options(tokenizer, dims, DecodeOptions.from_keywords(keywords), "en")


def result(**changes) -> WindowResult:
    values = {"tokens": (), "text": "", "language": "en", "temperature": 0.0}
    values |= {"avg_logprob": -0.5, "no_speech_prob": 0.1, "compression_ratio": 1.5}
    return WindowResult(**{**values, **changes})


def options(**keywords) -> TranscribeOptions:
    return TranscribeOptions.from_keywords({"language": "en", **keywords})


# --- forbidden tokens ---


def test_minus_one_forbids_non_speech_and_control_tokens():
    control = {SPECIAL.transcribe, SPECIAL.translate, SPECIAL.sot}
    control |= {SPECIAL.sot_prev, SPECIAL.sot_lm, SPECIAL.no_speech}
    expected = sorted(control | set(TOKENIZER.non_speech_tokens) | {7})
    assert suppressed_tokens(TOKENIZER, (-1, 7)) == expected


def test_a_list_without_minus_one_still_forbids_control_tokens():
    forbidden = suppressed_tokens(TOKENIZER, (7,))
    assert forbidden[0] == 7
    assert len(forbidden) == 7


def test_languages_and_no_timestamps_stay_allowed():
    forbidden = set(suppressed_tokens(TOKENIZER, (-1,)))
    assert not forbidden & {*TOKENIZER.language_tokens, SPECIAL.no_timestamps, SPECIAL.eot}


def test_an_empty_list_switches_the_rule_off():
    assert suppressed_tokens(TOKENIZER, ()) == []
    assert asked(suppress_tokens="").suppress_tokens == []


@pytest.mark.parametrize("token", [-2, MULTILINGUAL])
def test_forbidding_what_does_not_exist_is_refused(token):
    with pytest.raises(ValueError, match=rf"-1 or in \[0, n_vocab=51865\), got {token}"):
        suppressed_tokens(TOKENIZER, (token,))


def test_blank_tokens_can_be_allowed():
    assert asked().blank_tokens == (220, SPECIAL.eot)
    assert asked(suppress_blank=False).blank_tokens == ()


# --- the rest of the core's options ---


def test_sot_index_points_behind_the_prompt():
    wanted = asked(prompt=[5, 6])
    assert wanted.initial_tokens == [SPECIAL.sot_prev, 5, 6, *SOT]
    assert wanted.sot_index == 3


def test_special_ids_are_those_of_the_vocabulary():
    wanted = asked(fake_core.tokenizer(LARGE_V3))
    assert (wanted.eot, wanted.no_speech) == (50257, 50363)
    assert (wanted.no_timestamps, wanted.timestamp_begin) == (50364, 50365)


@pytest.mark.parametrize(
    ("seconds", "index"),
    [(1.0, 50), (None, None), (0.0, None), (0.5, 25), (1e300, 1500), (float("inf"), 1500)],
)
def test_max_initial_timestamp_counts_steps_and_zero_means_any(seconds, index):
    assert asked(max_initial_timestamp=seconds).max_initial_timestamp_index == index


def test_without_timestamps_switches_the_rules_off():
    assert asked().timestamps is True
    assert asked(without_timestamps=True).timestamps is False


def test_sample_len_is_half_the_context_unless_given():
    assert [asked(sample_len=n).sample_len for n in (None, 0, 10)] == [224, 224, 10]


def test_one_beam_is_greedy_unless_it_waits():
    assert [asked(beam_size=n).beam_size for n in (None, 1, 5)] == [0, 0, 5]
    waiting = asked(beam_size=1, patience=2.0)
    assert (waiting.beam_size, waiting.patience) == (1, 2.0)


def test_best_of_and_seed_reach_the_sampler():
    wanted = asked(temperature=0.5, best_of=3, seed=11)
    assert (wanted.temperature, wanted.best_of, wanted.seed) == (0.5, 3, 11)


# --- one attempt ---


def test_compression_ratio_is_bytes_over_zlib_bytes():
    assert compression_ratio("") == 0.0
    assert compression_ratio("ab") == 2 / 10
    assert compression_ratio("é" * 50) == 100 / 13


# --- retries ---


@pytest.mark.parametrize(
    ("changes", "keywords", "expected"),
    [
        ({}, {}, False),
        ({"loop_length": 5}, {}, True),
        ({"loop_length": 5, "avg_logprob": -1.1, "no_speech_prob": 0.7}, {}, False),
        ({"compression_ratio": 2.5}, {}, True),
        ({"compression_ratio": 2.4}, {}, False),  # strictly above
        ({"compression_ratio": 9.0}, {"compression_ratio_threshold": None}, False),
        ({"avg_logprob": -1.1}, {}, True),
        ({"avg_logprob": -1.0}, {}, False),  # strictly below
        ({"avg_logprob": -9.0}, {"logprob_threshold": None}, False),
        ({"avg_logprob": -1.1, "no_speech_prob": 0.7}, {}, False),  # silence
        ({"avg_logprob": -1.1, "no_speech_prob": 0.6}, {}, True),
        ({"avg_logprob": -1.1, "no_speech_prob": 0.7}, {"no_speech_threshold": None}, True),
        ({"avg_logprob": -1.1, "no_speech_prob": 0.7, "compression_ratio": 9.0}, {}, False),
        ({"avg_logprob": -0.9, "no_speech_prob": 0.7, "compression_ratio": 9.0}, {}, True),
        (
            {"avg_logprob": -1.1, "no_speech_prob": 0.7, "compression_ratio": 9.0},
            {"logprob_threshold": None},
            True,
        ),
    ],
)
def test_repetition_and_improbable_words_are_retried_but_not_silence(changes, keywords, expected):
    assert bool(failure(result(**changes), options(**keywords))) is expected


@pytest.mark.parametrize(
    ("avg_logprob", "no_speech_prob", "keywords", "expected"),
    [
        (-1.5, 0.7, {}, True),
        (-1.5, 0.6, {}, False),
        (-0.9, 0.7, {}, False),  # confident words
        (-1.0, 0.7, {}, True),  # not above the threshold
        (-0.1, 0.7, {"logprob_threshold": None}, True),
        (-9.0, 1.0, {"no_speech_threshold": None}, False),
    ],
)
def test_silence_is_no_speech_without_confident_words(
    avg_logprob, no_speech_prob, keywords, expected
):
    heard = result(avg_logprob=avg_logprob, no_speech_prob=no_speech_prob)
    assert bool(silence(heard, options(**keywords))) is expected


def attempts(script, **keywords) -> tuple[WindowResult, FakeCore]:
    core = FakeCore(script)
    heard = all_attempts(core, options(**keywords), [5], 0)
    return heard, core


def all_attempts(core, wanted, prompt, seek) -> WindowResult:
    """Answers every question of one window."""
    asking = decode_with_fallback(TOKENIZER, core.dims, FEATURES, wanted, prompt, seek)
    answer = None
    while True:
        try:
            attempt = asking.send(answer)
        except StopIteration as end:
            return end.value.result
        (decoded,) = core.decode([attempt.features], [attempt.options])
        answer = Decoded(decoded, 1.0)


def test_the_first_good_attempt_stands():
    bad, good = Heard([], avg_logprob=-2.0), Heard([word(1)])
    heard, core = attempts([bad, bad, good, good])
    assert heard.temperature == 0.4
    assert [o.temperature for o in core.asked] == [0.0, 0.2, 0.4]


def test_if_all_attempts_fail_the_last_one_stands():
    script = [Heard([word(i)], avg_logprob=-2.0 - i) for i in range(6)]
    heard, core = attempts(script)
    assert (heard.temperature, heard.tokens) == (1.0, (word(5),))
    assert len(core.asked) == 6


def test_all_attempts_hear_the_same_features_and_prompt():
    _, core = attempts(lambda _: Heard([], avg_logprob=-2.0))
    assert all(features is FEATURES for features in core.heard_in)
    assert core.encoded == []
    assert core.prompts() == [[5]] * 6


def test_loops_are_left_to_their_thresholds():
    _, core = attempts(lambda _: Heard([], avg_logprob=-2.0))
    assert not any(o.stop_loops for o in core.asked)


def test_beams_search_at_zero_and_samples_compete_above():
    _, core = attempts(lambda _: Heard([], avg_logprob=-2.0), beam_size=4, best_of=3)
    assert [(o.beam_size, o.best_of) for o in core.asked] == [(4, 1)] + [(0, 3)] * 5


def test_windows_and_attempts_draw_their_own_random_numbers():
    seeds = set()
    for seek in (0, 3000):
        core = FakeCore(lambda _: Heard([], avg_logprob=-2.0))
        all_attempts(core, options(seed=1), [], seek)
        seeds |= {o.seed for o in core.asked}
    assert len(seeds) == 12
    assert max(seeds) < 2**64


def test_the_same_seed_gives_the_same_random_numbers():
    runs = [
        [o.seed for o in attempts(lambda _: Heard([], -2.0), seed=s)[1].asked] for s in (1, 1, 2)
    ]
    assert runs[0] == runs[1] != runs[2]
