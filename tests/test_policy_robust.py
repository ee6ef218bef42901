"""The robust policy, with a scripted core and a made-up voice."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import fake_core
from fake_core import FakeCore, Heard, at, word
from sottovoce import _core
from sottovoce.options import TranscribeOptions
from sottovoce.policy.policies import seek_loops
from sottovoce.policy.requests import (
    AlignRequest,
    Decoded,
    DecodeRequest,
    EncodeRequest,
    HeardWindow,
)
from sottovoce.policy.voiced import Voiced

TOKENIZER = fake_core.tokenizer()
SILENCE = -1.0  # in a mel
BAD = {"avg_logprob": -2.0}


@pytest.fixture(autouse=True)
def open_options(monkeypatch):
    """The core's options tell nobody what they hold; these do."""
    monkeypatch.setattr(_core, "DecodingOptions", SimpleNamespace)


def said(*tokens: int, **fields: Any) -> Heard:
    """An answer with a log-probability for each token."""
    fields = {"logprobs": [-0.2] * len(tokens), **fields}
    return Heard(list(tokens), **fields)


def hear(script, stretches, seconds=60.0, **keywords):
    """The windows of a recording in which somebody speaks in `stretches`, and the core."""
    core = FakeCore(script)
    options = TranscribeOptions.from_keywords(
        {"language": "en", "policy": "robust", "temperature": (0.0,), **keywords}
    )
    mel = np.full((80, round(seconds * 100) + 3000), SILENCE, np.float32)
    mel[:, :-3000] = 1
    probabilities = np.zeros(round(seconds * 31.25), np.float32)
    for start, end in stretches:
        probabilities[round(start * 31.25) : round(end * 31.25)] = 0.9
    (loop,) = seek_loops(
        TOKENIZER, core.dims, options, mel, voiced=Voiced(stretches, probabilities)
    )
    windows, answer = [], None
    while True:
        try:
            item = loop.send(answer)
        except StopIteration:
            return windows, core
        answer = None
        if isinstance(item, HeardWindow):
            windows.append(item)
        elif isinstance(item, EncodeRequest):
            answer = core.encode(np.ascontiguousarray(item.frames), item.n_ctx)
        elif isinstance(item, AlignRequest):
            answer = None  # words without times
        else:
            assert isinstance(item, DecodeRequest)
            (result,) = core.decode([item.features], [item.options])
            answer = Decoded(result, 1.0)


def sizes(core):
    """Frames of every encoded window, and how many come with it: as zeros or as silence."""
    return [(int((mel[0] == 1).sum()), int((mel[0] == SILENCE).sum())) for mel in core.encoded]


def segments_of(windows):
    return [segment for window in windows for segment in window.segments]


def test_where_nobody_speaks_nothing_is_encoded():
    windows, core = hear([], [])
    assert core.encoded == []
    assert [(w.seek, w.end, w.segments) for w in windows] == [(0, 6000, ())]
    assert windows[0].trace.silence == "nobody speaks"


def test_windows_are_those_of_openai_where_somebody_speaks_all_the_time():
    script = [said(at(0), word(1), at(20), at(20), word(2)), said(at(0), word(3), at(30))]
    script.append(said(at(0), word(4), at(10)))
    windows, core = hear(script, [(0.0, 60.0)])
    assert [(w.seek, w.end) for w in windows] == [(0, 2000), (2000, 5000), (5000, 6000)]
    assert core.prompts() == [
        [],
        [at(0), word(1), at(20)],
        [at(0), word(1), at(20), *script[1].tokens],
    ]


def test_a_window_begins_a_little_before_the_voice_and_ends_behind_it():
    windows, core = hear([said(at(0), word(1), at(5))], [(20.0, 25.0)])
    assert [(w.seek, w.end) for w in windows] == [(0, 1950), (1950, 2550), (2550, 6000)]
    assert sizes(core) == [(600, 2400)]


def test_short_pauses_stay_within_a_window_and_long_ones_end_it():
    script = [said(at(0), word(1), at(12)), said(at(0), word(2), at(3))]
    windows, core = hear(script, [(0.0, 5.0), (9.0, 12.0), (20.0, 23.0)], 30)
    assert sizes(core) == [(1250, 1750), (400, 2600)]
    assert [s.text for s in segments_of(windows)] == [" w1", " w2"]


def test_times_do_not_hang_over_a_pause():
    (window, *_), _ = hear([said(at(0), word(1), at(9))], [(1.0, 4.0), (4.5, 5.0)], 10)
    assert [(s.start, s.end) for s in window.segments] == [(1.0, 5.0)]


def test_times_do_not_go_beyond_the_recording():
    script = [said(at(0), word(1), at(4), at(29), word(2), at(30))]
    (window, *_), _ = hear(script, [(0.0, 5.0)], 5, hallucination="keep")
    assert [(s.start, s.end) for s in window.segments] == [(0.0, 4.0), (5.0, 5.0)]


def test_a_segment_where_nobody_speaks_is_dropped_with_its_reason():
    script = [said(at(0), word(1), at(4), at(5), word(2), at(8))]
    windows, _ = hear(script, [(0.0, 4.0)], 8)
    assert [s.text for s in segments_of(windows)] == [" w1"]
    (gone,) = windows[0].trace.left_out
    assert (gone.segment.text, gone.reason) == (" w2", "nobody speaks: voice 0.00")


@pytest.mark.parametrize(
    ("choice", "doubts"), [("mark", ["", "nobody speaks: voice 0.00"]), ("keep", ["", ""])]
)
def test_what_is_doubted_can_be_marked_or_kept(choice, doubts):
    script = [said(at(0), word(1), at(4), at(5), word(2), at(8))]
    windows, _ = hear(script, [(0.0, 4.0)], 8, hallucination=choice)
    segments = segments_of(windows)
    assert [s.text for s in segments] == [" w1", " w2"]
    assert [s.doubt for s in segments] == doubts
    assert all(s.evidence is not None for s in segments)


def test_what_is_doubted_does_not_prompt_what_follows():
    script = [said(at(0), word(1), at(4), at(5), word(2), at(8)), said(at(0), word(3), at(5))]
    _, core = hear(script, [(0.0, 4.0), (20.0, 25.0)], 30)
    assert core.prompts() == [[], []]


def test_a_second_attempt_goes_without_the_prompt_and_its_words_prompt_nothing():
    script = [said(at(0), word(1), at(30)), said(word(2), **BAD), said(at(0), word(3), at(30))]
    script.append(said(at(0), word(4), at(30)))
    windows, core = hear(script, [(0.0, 90.0)], 90)
    assert core.prompts() == [[], script[0].tokens, [], []]
    assert [o.temperature for o in core.asked] == [0.0] * 4
    assert [len(w.trace.attempts) for w in windows] == [1, 2, 1]
    assert "log-probability" in windows[1].trace.attempts[0].failure


def test_if_all_attempts_fail_the_likeliest_stands_that_does_not_repeat_itself():
    loop = said(*[word(7)] * 60, avg_logprob=-0.1)
    script = [
        loop,
        said(at(0), word(1), at(30), **BAD),
        said(at(0), word(2), at(30), avg_logprob=-3.0),
    ]
    windows, core = hear(script, [(0.0, 30.0)], 30, temperature=(0.0, 0.4, 0.8))
    assert [o.temperature for o in core.asked] == pytest.approx([0.0, 0.4, 0.8])
    assert [s.text for s in segments_of(windows)] == [" w1"]
    trace = windows[0].trace
    assert trace.attempts[trace.chosen].temperature == pytest.approx(0.4)


def test_an_attempt_that_loops_fails_and_the_next_one_goes_without_the_prompt():
    loop = said(*[word(7)] * 30, loop=SimpleNamespace(first=0, n_tokens=1))
    script = [said(at(0), word(1), at(30)), loop, loop, said(at(0), word(2), at(30))]
    windows, core = hear(script, [(0.0, 60.0)], temperature=(0.0, 0.2))
    assert all(o.stop_loops for o in core.asked)
    assert core.prompts() == [[], script[0].tokens, [], []]
    assert [o.temperature for o in core.asked[1:]] == pytest.approx([0.0, 0.0, 0.2])
    tried = windows[1].trace.attempts
    assert [each.failure for each in tried] == [*["loop: a phrase of length 1"] * 2, ""]
    assert [each.loop_length for each in tried] == [1, 1, 0]
    assert [s.text for s in segments_of(windows)] == [" w1", " w2"]


def test_a_loop_stands_only_where_everything_loops():
    found = SimpleNamespace(first=1, n_tokens=5)
    loop = said(at(0), *map(word, [*range(5)] * 6), loop=found, avg_logprob=-0.1)
    bad = said(at(0), word(1), at(30), **BAD)
    keywords = {"temperature": (0.0, 0.4), "compression_ratio_threshold": None}
    for script, text in [([bad, loop], " w1"), ([loop, bad], " w1"), ([loop, loop], "w4")]:
        windows, _ = hear(script, [(0.0, 30.0)], 30, **keywords)
        assert segments_of(windows)[0].text.endswith(text)


def test_voice_that_no_word_covers_is_heard_again_on_its_own():
    script = [said(at(0), word(1), at(4)), said(at(0), word(2), at(6))]
    windows, core = hear(script, [(0.0, 14.0)], 14)
    assert [mel.shape[1] for mel in core.encoded] == [1400, 950]  # half a second is near enough
    assert [(s.start, s.text) for s in segments_of(windows)] == [(0.0, " w1"), (4.5, " w2")]
    (again,) = windows[0].trace.again
    assert (again.start, again.end, again.left_out) == (4.5, 14.0, ())


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (said(at(0), word(2), at(6), **BAD), "mean log-probability"),
        (said(at(0), word(1), at(6)), "the same as what is said beside it"),
    ],
)
def test_what_is_heard_again_needs_good_evidence(answer, reason):
    windows, _ = hear([said(at(0), word(1), at(4)), answer], [(0.0, 14.0)], 14)
    assert [s.text for s in segments_of(windows)] == [" w1"]
    (again,) = windows[0].trace.again
    assert reason in again.left_out[0].reason


def test_what_openai_skips_as_silence_is_heard_again_where_somebody_speaks():
    quiet = said(word(9), avg_logprob=-1.5, no_speech_prob=0.9)
    windows, core = hear([quiet, said(at(0), word(2), at(6))], [(1.0, 8.0)], 10)
    assert "no-speech probability" in windows[0].trace.silence
    assert [(s.start, s.text) for s in segments_of(windows)] == [(1.0, " w2")]
    assert sizes(core)[1] == (700, 2300)


def test_attempts_keep_the_attention_that_times_the_words():
    _, core = hear([said(at(0), word(1), at(5))], [(0.0, 5.0)], 5)
    assert [o.keep_attention for o in core.asked] == [True]


def test_ids_count_through_the_recording():
    script = [said(at(0), word(1), at(4)), said(at(0), word(2), at(4))]
    windows, _ = hear(script, [(0.0, 4.0), (20.0, 24.0)], 30)
    assert [s.id for s in segments_of(windows)] == [0, 1]
