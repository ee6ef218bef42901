"""Hearing that is cancelled, or whose deadline passes: what ends, and what is kept."""

import gc
import pickle
import weakref
from types import SimpleNamespace

import numpy as np
import pytest

from fake_core import FakeCore, Heard, at, silence, word
from sottovoce import (
    CancelledError,
    CancelToken,
    DeadlineExceededError,
    StoppedError,
    _core,
)
from sottovoce.engine.stopping import heeding

WINDOW = [at(0), word(1), at(30)]  # one sentence that fills a window
FAST = {"language": "en", "temperature": 0.0}


@pytest.fixture(autouse=True)
def open_options(monkeypatch):
    """The core's options tell nobody what they hold; these do."""
    monkeypatch.setattr(_core, "DecodingOptions", SimpleNamespace)


class Cancelling(FakeCore):
    """A core at whose `last` attempt somebody cancels."""

    def __init__(self, token: CancelToken, last: int) -> None:
        super().__init__(self.say)
        self.token, self.last = token, last

    def say(self, _):
        if len(self.asked) == self.last:
            self.token.cancel()
        return Heard(WINDOW)


def test_what_was_heard_until_then_is_kept(tmp_path):
    token = CancelToken()
    core = Cancelling(token, 3)
    found = core.model().transcribe(silence(150), cancel=token, **FAST)
    heard = []
    with pytest.raises(CancelledError) as raised:
        heard += iter(found.segments)
    assert len(core.asked) == 3
    kept = raised.value.transcription
    assert [s.start for s in kept.segments] == [0.0, 30.0]
    assert raised.value.segments == tuple(kept.segments)
    assert (kept.text, kept.info.duration) == (" w1 w1", 150.0)
    assert found.segments[:2] == kept.segments
    assert kept.save(tmp_path / "talk.txt").read_text() == "w1\nw1\n"
    with pytest.raises(CancelledError) as again:
        len(found.segments)
    assert again.value.segments == raised.value.segments
    assert pickle.loads(pickle.dumps(again.value)).transcription.text == " w1 w1"
    assert len(core.asked) == 3


def test_what_was_yielded_stays_with_whoever_took_it():
    token = CancelToken()
    found = FakeCore(lambda _: Heard(WINDOW)).model().transcribe(silence(90), cancel=token, **FAST)
    heard = iter(found.segments)
    first = next(heard)
    token.cancel()
    with pytest.raises(CancelledError) as raised:
        next(heard)
    assert raised.value.segments == (first,)


def test_windows_side_by_side_are_kept_that_nobody_has_seen_yet():
    token = CancelToken()
    core = Cancelling(token, 4)
    found = core.model().transcribe(
        silence(300), cancel=token, windows="independent", batch_size=2, **FAST
    )
    with pytest.raises(CancelledError) as raised:
        list(found.segments)
    assert len(core.asked) == 4
    assert len(raised.value.segments) == 4  # each in a window that was decoded
    assert [s.id for s in raised.value.segments] == [0, 1, 2, 3]
    starts = [s.start for s in raised.value.segments]
    assert starts == sorted(starts)


def test_recordings_that_are_finished_still_come():
    token = CancelToken()
    core = Cancelling(token, 4)
    audios = [silence(30), silence(60), silence(90), silence(30), silence(30)]
    results = core.model().transcribe_many(audios, cancel=token, batch_size=1, **FAST)
    assert next(results).text == " w1"
    assert next(results).text == " w1 w1"
    with pytest.raises(CancelledError) as raised:
        next(results)
    assert raised.value.transcription.info.duration == 90.0
    assert len(raised.value.segments) < 3
    with pytest.raises(CancelledError) as raised:  # which was being opened meanwhile
        next(results)
    assert raised.value.segments == ()
    assert list(results) == []


def test_recordings_that_are_finished_come_after_one_that_is_not():
    """The first is long; those behind it are over when the call ends."""
    token = CancelToken()
    core = Cancelling(token, 9)
    audios = [silence(600), silence(30), silence(30)]
    results = core.model().transcribe_many(audios, cancel=token, batch_size=3, **FAST)
    with pytest.raises(CancelledError) as raised:
        next(results)
    assert 0 < len(raised.value.segments) < 20
    assert [each.text for each in results] == [" w1", " w1"]


def test_a_token_that_is_cancelled_ends_whatever_comes_next():
    token, core = CancelToken(), FakeCore(lambda _: Heard(WINDOW))
    token.cancel()
    model = core.model()
    for _ in range(2):
        with pytest.raises(CancelledError) as raised:
            model.transcribe(silence(30), cancel=token, **FAST)
        assert (raised.value.transcription, raised.value.segments) == (None, ())
        with pytest.raises(CancelledError):
            list(model.transcribe_many([silence(30)] * 3, cancel=token, **FAST))
        with pytest.raises(CancelledError):
            model.align(silence(30), "w1", "en", cancel=token)
        with pytest.raises(CancelledError):
            model.detect_language(silence(30), cancel=token)
    assert core.asked == []
    assert model.transcribe(silence(30), **FAST).text == " w1"


@pytest.mark.parametrize("deadline", [0, -5.0, np.float32(0)])
def test_a_deadline_that_has_passed_ends_a_call_at_once(deadline):
    core = FakeCore(lambda _: Heard(WINDOW))
    with pytest.raises(DeadlineExceededError):
        core.model().transcribe(silence(30), deadline_s=deadline, **FAST)
    results = core.model().transcribe_many([silence(30)] * 2, deadline_s=deadline, **FAST)
    with pytest.raises(DeadlineExceededError):
        next(results)
    assert core.asked == []


def test_a_deadline_that_is_far_away_changes_nothing():
    core = FakeCore(lambda _: Heard(WINDOW))
    token = CancelToken()
    found = core.model().transcribe(silence(60), cancel=token, deadline_s=1e6, **FAST)
    assert found.text == " w1 w1"
    assert not token.is_cancelled


CALLS = {
    "transcribe": lambda model, **given: model.transcribe(silence(1), **given),
    "transcribe_many": lambda model, **given: model.transcribe_many([silence(1)], **given),
    "align": lambda model, **given: model.align(silence(1), "w1", "en", **given),
    "detect_language": lambda model, **given: model.detect_language(silence(1), **given),
    "decode": lambda model, **given: model.decode(np.zeros((80, 3000), np.float32), **given),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"cancel": True}, TypeError, "cancel must be a CancelToken or None, got True"),
        ({"deadline_s": "5"}, TypeError, "deadline_s must be a number of s or None, got '5'"),
        ({"deadline_s": True}, TypeError, "deadline_s must be a number of s or None, got True"),
        ({"deadline_s": np.nan}, ValueError, "deadline_s must be a number of s or None, got nan"),
    ],
)
def test_tokens_and_deadlines_are_checked_at_the_door(call, given, error, message):
    with pytest.raises(error, match=f"^{call}: {message}$"):
        CALLS[call](FakeCore([]).model(), **given)


def test_a_source_is_closed_with_who_heeds_for_it():
    closed = []

    def source():
        try:
            yield from range(3)
        finally:
            closed.append(True)

    heeded = heeding(None, source())
    assert next(heeded) == 0
    heeded.close()
    assert closed == [True]
    assert list(heeding(CancelToken(), source())) == [0, 1, 2]


@pytest.mark.parametrize("windows", ["sequential", "independent"])
def test_what_is_stopped_leaves_nothing_behind(windows):
    token = CancelToken()
    core = Cancelling(token, 3)
    gone = weakref.ref(core)
    found = core.model().transcribe(silence(150), cancel=token, windows=windows, **FAST)
    with pytest.raises(StoppedError):
        list(found.segments)
    del core, found
    gc.collect()
    assert gone() is None
