"""Options: spellings, checks, and what one attempt is made of."""

import math
from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest

from sottovoce.options import (
    DecodeKeywords,
    DecodeOptions,
    TranscribeKeywords,
    TranscribeOptions,
)


def transcribe(**keywords) -> TranscribeOptions:
    return TranscribeOptions.from_keywords(keywords)


def decode(**keywords) -> DecodeOptions:
    return DecodeOptions.from_keywords(keywords)


def test_defaults_are_those_of_the_references_command_line():
    options = transcribe()
    assert options.temperature == (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    assert (options.beam_size, options.best_of, options.patience) == (5, 5, None)
    assert options.compression_ratio_threshold == 2.4
    assert (options.logprob_threshold, options.no_speech_threshold) == (-1.0, 0.6)
    assert options.suppress_tokens == (-1,)
    assert options.clip_timestamps == (0.0,)
    assert options.max_initial_timestamp == 1.0
    assert (options.windows, options.batch_size) == ("sequential", 8)


@pytest.mark.parametrize(
    ("keywords", "n_rows"),
    [
        ({}, 5),
        ({"beam_size": None, "best_of": None}, 1),
        ({"beam_size": 7, "best_of": 3}, 7),
        ({"temperature": 0.0, "beam_size": 2, "best_of": 9}, 2),
        ({"temperature": 0.4, "beam_size": 9, "best_of": 2}, 2),
    ],
)
def test_rows_are_those_of_the_widest_attempt(keywords, n_rows):
    assert transcribe(**keywords).n_rows == n_rows


def test_independent_windows_have_clips_and_no_past():
    found = transcribe(windows="independent").of_clips((0.0, 9.0))
    assert (found.clip_timestamps, found.condition_on_previous_text) == ((0.0, 9.0), False)
    asked = transcribe(windows="independent", clip_timestamps=[1, 2])
    assert asked.of_clips((0.0, 9.0)).clip_timestamps == (1.0, 2.0)


@pytest.mark.parametrize(
    ("options", "keywords"),
    [(DecodeOptions, DecodeKeywords), (TranscribeOptions, TranscribeKeywords)],
)
def test_every_field_has_a_typed_keyword(options, keywords):
    assert {field.name for field in fields(options)} == set(keywords.__annotations__)


@pytest.mark.parametrize(
    ("name", "spelling", "value"),
    [
        ("temperature", 0, (0.0,)),
        ("temperature", [0, 0.5], (0.0, 0.5)),
        ("temperature", np.float32(0.5), (0.5,)),
        ("language", "English", "en"),
        ("language", None, None),
        ("suppress_tokens", "-1", (-1,)),
        ("suppress_tokens", "1, 2", (1, 2)),
        ("suppress_tokens", [3, -1], (3, -1)),
        ("suppress_tokens", "", ()),
        ("suppress_tokens", None, ()),
        ("clip_timestamps", "1.5,2", (1.5, 2.0)),
        ("clip_timestamps", "", ()),
        ("clip_timestamps", [3], (3.0,)),
        ("prefix", [7, 8], (7, 8)),
        ("initial_prompt", "a b", "a b"),
    ],
)
def test_spellings_become_one_form(name, spelling, value):
    assert getattr(transcribe(**{name: spelling}), name) == value


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"beem_size": 5}, TypeError, r"unknown option 'beem_size'; did you mean 'beam_size'\?"),
        ({"log_prob_threshold": -1}, TypeError, r"did you mean 'logprob_threshold'\?"),
        ({"xyzzy": 1}, TypeError, r"^transcribe: unknown option 'xyzzy'$"),
        ({"task": "lang_id"}, ValueError, r"task must be 'transcribe' or 'translate', got 'lang_i"),
        ({"language": "klingon"}, ValueError, r"100 codes or names, got 'klingon'"),
        ({"beam_size": 0}, ValueError, r"beam_size must be an int in 1\.\.256 or None, got 0"),
        ({"beam_size": 2.5}, TypeError, r"beam_size must be an int in 1\.\.256 or None, got 2.5"),
        ({"best_of": True}, TypeError, r"best_of must be an int in 1\.\.256 or None, got True"),
        ({"sample_len": -1}, ValueError, r"sample_len must be an int in 0..\d+ or None, got -1"),
        ({"seed": None}, TypeError, r"seed must be an int in 0\.\.18446744073709551615, got None"),
        ({"patience": 0.0}, ValueError, r"patience must be a number > 0, got 0"),
        ({"patience": math.inf}, ValueError, r"patience must be a number > 0, got inf"),
        ({"sample_len": 2**31}, ValueError, r"sample_len must be an int in 0..2147483647 or None"),
        ({"length_penalty": 1.5}, ValueError, r"length_penalty must be a number >= 0 and <= 1, g"),
        ({"length_penalty": "x"}, TypeError, r"length_penalty must be a number .*, got 'x'"),
        ({"max_initial_timestamp": -1}, ValueError, r"max_initial_timestamp must be a number >= 0"),
        ({"temperature": -0.1}, ValueError, r"temperature must be a number >= 0, got -0.1"),
        ({"temperature": float("nan")}, ValueError, r"temperature must be a number >= 0, got nan"),
        ({"temperature": ()}, ValueError, r"temperature must hold at least one number, got \(\)"),
        ({"no_speech_threshold": "0.6"}, TypeError, r"no_speech_threshold must be a number, got"),
        ({"clip_timestamps": [-1]}, ValueError, r"clip_timestamps must be a number >= 0, got -1"),
        ({"clip_timestamps": "0,x"}, ValueError, r"clip_timestamps must be numbers .*, got 'x'"),
        ({"suppress_tokens": "1,,2"}, ValueError, r"suppress_tokens must be numbers .*, got ''"),
        ({"suppress_blank": 1}, TypeError, r"suppress_blank must be True or False, got 1"),
        ({"carry_initial_prompt": "no"}, TypeError, r"carry_initial_prompt must be True or False"),
        ({"patience": 1.0, "beam_size": None}, ValueError, r"patience needs beam_size"),
    ],
)
def test_a_bad_option_is_refused_by_name(keywords, error, message):
    with pytest.raises(error, match=message):
        transcribe(**keywords)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"beam_size": 5, "best_of": 5, "temperature": 1.0}, r"beam_size and best_of exclude"),
        ({"best_of": 5}, r"best_of needs temperature > 0, got 0"),
        ({"patience": 2.0}, r"patience needs beam_size, got beam_size=None"),
        ({"beam_size": 5, "temperature": 0.5}, r"beam_size needs temperature 0, got temp.*=0.5"),
        ({"temperature": -1.0}, r"decode: temperature must be a number >= 0, got -1"),
    ],
)
def test_one_window_takes_no_contradictions(keywords, message):
    with pytest.raises(ValueError, match=message):
        decode(**keywords)


def test_thresholds_can_be_switched_off():
    names = ("compression_ratio_threshold", "logprob_threshold", "no_speech_threshold")
    options = transcribe(**dict.fromkeys(names))
    assert [getattr(options, name) for name in names] == [None, None, None]


def test_temperature_zero_drops_best_of():
    attempt = transcribe(beam_size=3, best_of=4, patience=2.0).attempt(0.0)
    assert (attempt.beam_size, attempt.patience, attempt.best_of) == (3, 2.0, None)


def test_sampling_drops_beam_size_and_patience():
    attempt = transcribe(beam_size=3, best_of=4, patience=2.0).attempt(0.2, (1, 2), seed=9)
    assert (attempt.beam_size, attempt.patience, attempt.best_of) == (None, None, 4)
    assert (attempt.temperature, attempt.prompt, attempt.seed) == (0.2, (1, 2), 9)


def test_an_attempt_keeps_the_rest():
    options = transcribe(task="translate", language="de", prefix="So", suppress_tokens="5", seed=3)
    attempt = options.attempt(0.0)
    assert (attempt.task, attempt.language, attempt.prefix) == ("translate", "de", "So")
    assert attempt.suppress_tokens == (5,)


def test_options_never_change():
    with pytest.raises(FrozenInstanceError):
        transcribe().beam_size = 1
