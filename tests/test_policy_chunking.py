"""Cuts at pauses: where they fall, and that they cover the recording."""

import numpy as np
import pytest

from oracle import clips
from sottovoce import _core
from sottovoce.policy.chunking import clips_between_pauses


def loud(n_frames: int, *pauses: tuple[int, int], pause: float = -0.5) -> np.ndarray:
    """(80, n_frames + 3000): even loudness but for the pauses (first frame, frame after)."""
    mel = np.full((80, n_frames + 3000), 0.5, np.float32)
    mel[:, n_frames:] = -0.9
    for first, last in pauses:
        mel[:, first:last] = pause
    return mel


def points(mel: np.ndarray) -> list[int]:
    """The cuts, as frames."""
    found = clips_between_pauses(mel, mel.shape[1] - 3000)
    starts, ends = found[::2], found[1::2]
    assert starts[0] == 0
    assert starts[1:] == ends[:-1]
    assert round(ends[-1] * 100) == mel.shape[1] - 3000
    return [round(end * 100) for end in ends[:-1]]


@pytest.mark.parametrize("n_frames", [0, 1, 100, 2999, 3000])
def test_a_window_is_one_clip(n_frames):
    assert points(loud(n_frames)) == []


def test_a_cut_is_in_a_pause_a_fifth_of_a_second_from_its_end():
    assert points(loud(4000, (2400, 2460))) == [2440]


def test_a_longer_pause_is_quieter_than_the_stop_of_a_consonant():
    assert points(loud(5000, (2400, 2440), (2700, 2708))) == [2420]


def test_the_later_of_two_equal_pauses_is_taken():
    assert points(loud(5000, (2200, 2240), (2700, 2740))) == [2720]


def test_pauses_outside_the_last_ten_seconds_of_a_window_do_not_count():
    (cut,) = points(loud(4500, (1000, 1100), (3100, 3200)))
    assert 2000 <= cut <= 3000


@pytest.mark.parametrize("n_frames", [3001, 3400, 3500, 4000])
def test_the_last_clip_is_no_scrap(n_frames):
    (cut,) = points(loud(n_frames))
    assert cut >= 2000
    assert n_frames - cut >= 500


def test_what_came_before_does_not_move_a_cut():
    rng = np.random.default_rng(0)
    before, after = loud(3000, (2500, 2600)), loud(9000, (2300, 2350), (4700, 4760))
    before[:, 1:2400] = rng.standard_normal((80, 2399))
    mel = np.concatenate([before[:, :2580], after], axis=1)
    assert points(mel) == [2560, *(2580 + cut for cut in points(after))]


def test_clips_are_at_most_thirty_seconds_long_whatever_they_hold(rng):
    mel = rng.standard_normal((80, 60000)).astype(np.float32)
    cuts = points(mel)
    assert all(2000 <= length <= 3000 for length in np.diff([0, *cuts]))


def test_silence_is_cut_into_whole_windows():
    mel = np.full((80, 12500), -0.7, np.float32)
    assert points(mel) == [3000, 6000, 9000]


def test_speech_is_cut_between_its_sentences(jfk):
    """Eleven seconds, again and again: cuts fall into the pauses of the speaker."""
    mel = _core.log_mel(clips.tiled(jfk, 100), 80, padding=480000)
    level = mel[:, :10000].mean(axis=0)
    quiet = np.quantile(level, 0.2)
    cuts = points(mel)
    assert len(cuts) >= 3
    assert all(level[cut - 10 : cut + 10].mean() < quiet for cut in cuts)
