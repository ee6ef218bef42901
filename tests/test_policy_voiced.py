"""Questions about where somebody speaks."""

import numpy as np
import pytest

from sottovoce import _core
from sottovoce.policy.voice import Voice
from sottovoce.policy.voiced import Voiced

VOICED = Voiced(
    [(1.0, 2.0), (3.0, 3.5), (10.0, 12.0)], np.float32([0.0] * 62 + [0.9] + [0.1] * 400)
)


@pytest.mark.parametrize(
    ("start", "end", "stretches"),
    [
        (0.0, 20.0, [(1.0, 2.0), (3.0, 3.5), (10.0, 12.0)]),
        (1.5, 3.25, [(1.5, 2.0), (3.0, 3.25)]),
        (2.0, 3.0, []),
        (11.0, 11.5, [(11.0, 11.5)]),
        (12.0, 99.0, []),
        (0.0, 1.0, []),
    ],
)
def test_stretches_are_cut_at_both_ends_and_seconds_are_their_sum(start, end, stretches):
    assert VOICED.within(start, end) == stretches
    assert VOICED.seconds(start, end) == pytest.approx(sum(e - s for s, e in stretches))


@pytest.mark.parametrize(
    ("time", "following"), [(0.0, 1.0), (1.5, 1.5), (2.0, 3.0), (3.5, 10.0), (12.0, np.inf)]
)
def test_the_next_voice_begins_at_once_in_the_midst_of_one(time, following):
    assert VOICED.next_start(time) == following


def test_the_peak_is_that_of_all_frames_that_a_time_touches():
    assert VOICED.peak(1.9, 2.0) == np.float32(0.9)  # frame 62: 1.984 to 2.016 s
    assert VOICED.peak(2.1, 3.0) == np.float32(0.1)
    assert VOICED.peak(0.0, 1.9) == 0.0
    assert VOICED.peak(500.0, 600.0) == 0.0


@pytest.mark.parametrize(
    ("seek", "frame"),
    [
        (0, 0),  # a second of silence is no reason to skip it
        (150, 150),
        (351, 950),  # half a second before the voice
        (800, 800),
        (1200, 2000),
    ],
)
def test_silence_is_skipped_if_it_is_long_enough(seek, frame):
    assert VOICED.first_heard_frame(seek, 2000) == frame


def test_nothing_is_heard_before_its_end_where_the_voice_comes_later():
    assert VOICED.first_heard_frame(400, 900) == 900


def test_voice_is_what_is_likely_for_some_time():
    frames = [0.0] * 100 + [0.3] * 20 + [0.0] * 100 + [0.9] * 3 + [0.0] * 100
    found = Voiced.of(Voice(np.float32(frames), len(frames) * _core.VAD_HOP_LENGTH))
    assert found.within(0.0, 99.0) == [(3.2, 3.84)]  # three frames are a click
