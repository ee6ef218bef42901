"""Options: spellings, checks, and what one attempt is made of."""

import inspect
import math
import re
import textwrap
from dataclasses import FrozenInstanceError, fields, replace

import numpy as np
import pytest

from sottovoce import WhisperModel, foreign
from sottovoce.options import (
    DecodeKeywords,
    DecodeOptions,
    TranscribeKeywords,
    TranscribeOptions,
    described,
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
        ("initial_prompt", np.array([5, 6]), (5, 6)),
        ("language", "auto", None),
        ("language", "", None),
        ("language", "pt_BR", "pt"),
        ("temperature", np.array([0.0, 0.5]), (0.0, 0.5)),
        ("temperature", (t / 2 for t in range(2)), (0.0, 0.5)),
        ("suppress_tokens", np.array([3, -1]), (3, -1)),
        ("suppress_tokens", {7}, (7,)),
        ("clip_timestamps", 5, (5.0,)),
        ("clip_timestamps", [(0, 5), (7.5, 9)], (0.0, 5.0, 7.5, 9.0)),
        ("clip_timestamps", [[0, 5], (7, None)], (0.0, 5.0, 7.0)),
        ("clip_timestamps", np.array([[0, 5], [7, 9]]), (0.0, 5.0, 7.0, 9.0)),
        ("clip_timestamps", [{"start": 0, "end": 5}, {"start": 7}], (0.0, 5.0, 7.0)),
        ("clip_timestamps", [5, 5, 1, 2], (5.0, 5.0, 1.0, 2.0)),
        ("beam_size", np.int64(3), 3),
        ("patience", np.float64(1.5), 1.5),
        ("length_penalty", 1, 1.0),
        ("suppress_blank", np.bool_(False), False),
    ],
)
def test_spellings_become_one_form(name, spelling, value):
    taken = getattr(transcribe(**{name: spelling}), name)
    assert taken == value
    assert type(taken) is type(value)
    plain = (type(taken),) if not isinstance(taken, tuple) else set(map(type, taken))
    assert all(kind.__module__ == "builtins" for kind in plain)


def test_spellings_are_taken_wherever_options_are_made():
    direct = TranscribeOptions(language="German", temperature=0, suppress_tokens="1,2")
    assert (direct.language, direct.temperature, direct.suppress_tokens) == ("de", (0.0,), (1, 2))
    assert replace(direct, language="Auto").language is None


def test_options_may_be_given_whole_and_keywords_override_them():
    options = TranscribeOptions(beam_size=2, language="de")
    both = TranscribeOptions.from_keywords({"language": "fr"}, options)
    assert (both.beam_size, both.language) == (2, "fr")
    assert TranscribeOptions.from_keywords({}, options) == options
    for other in (DecodeOptions(), {"beam_size": 2}):
        with pytest.raises(TypeError) as raised:
            TranscribeOptions.from_keywords({}, other)
        assert str(raised.value) == (
            "transcribe: options must be TranscribeOptions or None, got " + type(other).__name__
        )
    with pytest.raises(TypeError, match=r"^decode: options must be DecodeOptions or None, got Tra"):
        DecodeOptions.from_keywords({}, options)


# --- what is shown of them ---

DOORS = {
    "transcribe": (TranscribeOptions, TranscribeKeywords),
    "transcribe_many": (TranscribeOptions, TranscribeKeywords),
    "decode": (DecodeOptions, DecodeKeywords),
}


@pytest.mark.parametrize("door", DOORS)
def test_signatures_show_every_option(door):
    options, keywords = DOORS[door]
    shown = inspect.signature(getattr(WhisperModel, door)).parameters
    assert all(p.kind is not inspect.Parameter.VAR_KEYWORD for p in shown.values())
    hints = {name: hint.__forward_arg__ for name, hint in keywords.__annotations__.items()}
    for field in fields(options):
        assert shown[field.name].default == field.default
        assert shown[field.name].annotation == hints[field.name]


@pytest.mark.parametrize("door", ["transcribe", "decode"])
def test_docstrings_say_what_the_fields_say(door):
    expected = textwrap.indent(described(DOORS[door][0]), " " * 4)
    shown = inspect.getdoc(getattr(WhisperModel, door))
    assert f"{expected}\n\n" in shown, f"it should say:\n{expected}"


@pytest.mark.parametrize("options", [DecodeOptions, TranscribeOptions])
def test_every_field_has_a_meaning(options):
    text = described(options)
    assert text in inspect.getdoc(options)
    for field in fields(options):
        assert len(field.metadata["meaning"]) > 10
        assert re.search(rf"^{field.name} \(.+\): ", text, re.MULTILINE)


# --- names that others have for them ---


@pytest.mark.parametrize("answers", [foreign.TRANSCRIBE, foreign.DECODE, foreign.MODEL])
def test_an_answer_names_what_there_is(answers):
    ours = {f.name for f in (*fields(TranscribeOptions), *fields(DecodeOptions))}
    ours |= set(inspect.signature(WhisperModel).parameters)
    ours |= set(inspect.signature(WhisperModel.transcribe).parameters)
    for answer in answers.values():
        assert set(re.findall(r"is called (\w+)", answer)) <= ours
        assert set(re.findall(r"(\w+)=", answer)) <= ours


def test_no_answer_stands_before_what_there_is():
    for options, answers in (
        (TranscribeOptions, foreign.TRANSCRIBE),
        (DecodeOptions, foreign.DECODE),
    ):
        assert not {field.name for field in fields(options)} & answers.keys()
    assert not inspect.signature(WhisperModel).parameters.keys() & foreign.MODEL.keys()


OF_OTHERS = [
    "best_of", "beam_size", "patience", "length_penalty", "repetition_penalty",
    "no_repeat_ngram_size", "log_prob_threshold", "no_speech_threshold",
    "prompt_reset_on_temperature", "initial_prompt", "prefix", "word_timestamps",
    "prepend_punctuations", "append_punctuations", "multilingual", "vad_filter",
    "vad_parameters", "max_new_tokens", "chunk_length", "clip_timestamps",
    "hallucination_silence_threshold", "hotwords", "language_detection_threshold",
    "language_detection_segments", "without_timestamps", "log_progress", "verbose", "fp16",
    "num_beams", "return_timestamps", "generate_kwargs", "chunk_length_s", "n_threads", "beam",
    "num_workers", "cpu_threads", "logits_processor",
]  # fmt: skip


@pytest.mark.parametrize("name", OF_OTHERS)
def test_what_others_call_an_option_is_known_or_answered(name):
    known = {field.name for field in fields(TranscribeOptions)}
    if name not in known:
        with pytest.raises(TypeError, match=rf"^transcribe: unknown option '{name}': \w+"):
            transcribe(**{name: None})


def test_an_answer_of_one_door_is_not_that_of_the_other():
    with pytest.raises(TypeError, match=r"'prompt': it is called initial_prompt$"):
        transcribe(prompt="a")
    with pytest.raises(TypeError, match=r"'initial_prompt': one window's is called prompt$"):
        decode(initial_prompt="a")
    with pytest.raises(TypeError, match=r"'windows': it belongs to a recording, and this is one"):
        decode(windows="independent")


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"beem_size": 5}, TypeError, r"unknown option 'beem_size'; did you mean 'beam_size'\?"),
        (
            {"log_prob_threshold": -1},
            TypeError,
            r"'log_prob_threshold': it is called logprob_threshold",
        ),
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
        (
            {"word_timestamps": 1},
            TypeError,
            r"word_timestamps must be True, False or 'fast', got 1",
        ),
        ({"word_timestamps": "slow"}, ValueError, r"must be True, False or 'fast', got 'slow'"),
        ({"carry_initial_prompt": "no"}, TypeError, r"carry_initial_prompt must be True or False"),
        ({"patience": 1.0, "beam_size": None}, ValueError, r"patience needs beam_size"),
        ({"language": 5}, TypeError, r"language must be a code or name such as 'en', .*, got 5"),
        ({"temperature": None}, TypeError, r"temperature must be a number >= 0, got None"),
        ({"temperature": "0.2"}, TypeError, r"temperature must be a number >= 0, got '0.2'"),
        ({"temperature": "0"}, TypeError, r"temperature must be a number >= 0, got '0'"),
        ({"temperature": ["0"]}, TypeError, r"temperature must be a number >= 0, got '0'"),
        ({"temperature": True}, TypeError, r"temperature must be a number >= 0, got True"),
        ({"temperature": b"0"}, TypeError, r"temperature must be a number >= 0, got b'0'"),
        ({"temperature": {0: 1}}, TypeError, r"temperature must be a number >= 0, got {0: 1}"),
        ({"temperature": np.array(0.5)}, TypeError, r"temperature must be a number >= 0, got arr"),
        ({"suppress_tokens": -1}, TypeError, r"token ids such as \[-1, 50256\], got -1"),
        ({"suppress_tokens": [-1, 1.9]}, TypeError, r"suppress_tokens .*, got \[-1, 1\.9\]"),
        ({"suppress_tokens": [True]}, TypeError, r"suppress_tokens must .*, got \[True\]"),
        ({"suppress_tokens": b"x"}, TypeError, r"suppress_tokens must .*, got b'x'"),
        ({"prefix": b"x"}, TypeError, r"prefix must be text, token ids or None, got b'x'"),
        ({"prefix": 5}, TypeError, r"prefix must be text, token ids or None, got 5"),
        ({"initial_prompt": b"x"}, TypeError, r"initial_prompt must be text, .*, got b'x'"),
        ({"initial_prompt": ["a"]}, TypeError, r"initial_prompt must be .*, got \['a'\]"),
        ({"initial_prompt": np.zeros(2)}, TypeError, r"initial_prompt must be .*, got array"),
        ({"clip_timestamps": [5, 2]}, ValueError, r"clip before its start, got 5 to 2"),
        ({"clip_timestamps": [(5, 2)]}, ValueError, r"clip before its start, got 5 to 2"),
        ({"clip_timestamps": [(1, 2, 3)]}, ValueError, r"pairs or dicts of start and end, got \("),
        ({"clip_timestamps": [1, (2, 3)]}, ValueError, r"pairs or dicts of start and end, got \["),
        ({"clip_timestamps": [{"start": 0, "stop": 5}]}, ValueError, r"dicts of start and end, g"),
        ({"clip_timestamps": [{"end": 5}]}, ValueError, r"pairs or dicts of start and end, got {"),
        ({"clip_timestamps": [(0, None), (1, 2)]}, TypeError, r"a number >= 0, got None"),
        ({"clip_timestamps": [True]}, TypeError, r"a number >= 0, got True"),
        ({"clip_timestamps": [math.nan]}, ValueError, r"a number >= 0, got nan"),
        ({"clip_timestamps": None}, TypeError, r"clip_timestamps must be a number >= 0, got None"),
        ({"beam_size": np.float32(5)}, TypeError, r"beam_size must be an int in"),
        ({"seed": True}, TypeError, r"seed must be an int in 0\.\.\d+, got True"),
        ({"no_speech_threshold": True}, TypeError, r"no_speech_threshold must be a number, got T"),
        ({"logprob_threshold": math.nan}, ValueError, r"logprob_threshold must be a number, got n"),
    ],
)
def test_a_bad_option_is_refused_by_name(keywords, error, message):
    with pytest.raises(error, match=message) as raised:
        transcribe(**keywords)
    assert str(raised.value).startswith(("transcribe: ", "language must"))


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
