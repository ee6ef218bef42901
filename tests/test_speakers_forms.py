"""Turns in every form in which diarizers return them, and what is none."""

import math
import pickle
from dataclasses import FrozenInstanceError
from types import SimpleNamespace

import numpy as np
import pytest

from sottovoce import SpeakerTurn
from sottovoce.speakers import as_turns

TURNS = [SpeakerTurn(0.0, 1.5, "A"), SpeakerTurn(1.0, 2.0, "B")]


class Annotation:
    """As pyannote.core's, whose labels may be anything."""

    def __init__(self, *rows):
        self.rows = rows

    def itertracks(self, yield_label=False):
        for start, end, label in self.rows:
            segment = SimpleNamespace(start=start, end=end)
            yield (segment, "_", label) if yield_label else (segment, "_")


ROWS = [(0, 1.5, "A"), (1, 2, "B")]


@pytest.mark.parametrize(
    "turns",
    [
        TURNS,
        tuple(TURNS),
        ROWS,
        map(list, ROWS),
        (row for row in ROWS),
        [dict(zip(("start", "end", "speaker"), row, strict=True)) for row in ROWS],
        [{"speaker": s, "end": b, "start": a, "confidence": 1} for a, b, s in ROWS],
        [(np.float32(0), np.float64(1.5), "A"), (np.int64(1), 2, np.str_("B"))],
        [TURNS[0], ROWS[1]],
        Annotation(*ROWS),
        SimpleNamespace(speaker_diarization=Annotation(*ROWS)),
    ],
)
def test_every_form_is_the_same_turns(turns):
    found = as_turns(turns)
    assert found == TURNS
    assert all(type(turn.start) is type(turn.end) is float for turn in found)


def test_labels_of_pyannote_need_be_no_text():
    assert [turn.speaker for turn in as_turns(Annotation((0, 1, 7), (1, 2, "B")))] == ["7", "B"]


def test_there_may_be_no_turns():
    assert as_turns([]) == as_turns(Annotation()) == []


@pytest.mark.parametrize(
    ("turn", "error", "message"),
    [
        ((math.nan, 1, "A"), ValueError, "start must be finite, got nan"),
        ((0, math.inf, "A"), ValueError, "end must be finite, got inf"),
        ((2, 1.5, "A"), ValueError, "end must be no earlier than start=2, got 1.5"),
        ((0, 1, ""), ValueError, "speaker must be a name, got ''"),
        ((0, 1, " \n"), ValueError, r"speaker must be a name, got ' \\n'"),
        ((0, 1, None), TypeError, "speaker must be a name, got None"),
        ((0, 1, 3), TypeError, "speaker must be a name, got 3"),
        (("0", 1, "A"), TypeError, "start must be a number of seconds, got '0'"),
        ((0, None, "A"), TypeError, "end must be a number of seconds, got None"),
        ((True, 1, "A"), TypeError, "start must be a number of seconds, got True"),
    ],
)
def test_a_bad_turn_is_named(turn, error, message):
    with pytest.raises(error, match=f"^with_speakers: turn 1: {message}$"):
        as_turns([(0, 1, "A"), turn])
    with pytest.raises(error, match=f"^with_speakers: turn 0: {message}$"):
        as_turns([dict(zip(("start", "end", "speaker"), turn, strict=True))])
    with pytest.raises(error, match=f"^SpeakerTurn: {message}$"):
        SpeakerTurn(*turn)


@pytest.mark.parametrize("item", [None, "0 1 A", 3, (0, 1), (0, 1, "A", 1), {"start": 0, "end": 1}])
def test_what_is_no_turn_is_told(item):
    with pytest.raises(TypeError, match=r"^with_speakers: turn 0 must be a SpeakerTurn, \(start, "):
        as_turns([item])


@pytest.mark.parametrize("turns", [None, 3, b"talk.rttm", {"start": 0, "end": 1, "speaker": "A"}])
def test_what_holds_no_turns_is_told(turns):
    with pytest.raises(TypeError, match=r"^with_speakers: turns must be a path to an RTTM file"):
        as_turns(turns)


def test_turns_never_change_and_pickle():
    turn = SpeakerTurn(0, 1, "A")
    with pytest.raises(FrozenInstanceError):
        turn.speaker = "B"
    assert pickle.loads(pickle.dumps(turn)) == turn
    assert len({turn, SpeakerTurn(0.0, 1.0, "A")}) == 1
