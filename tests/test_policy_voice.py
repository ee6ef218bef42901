"""Regions of speech, which are faster-whisper's, and the clips in which they are heard."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from sottovoce import TranscribeOptions, VadOptions
from sottovoce.policy.voice import Voice, clips_of_speech, speech_regions

GOLDEN = Path(__file__).parent / "golden"
CASES = [
    case
    for path in (GOLDEN / "vad.json", GOLDEN / "dev" / "vad.json")
    for case in json.loads(path.read_text())["cases"]
]
HOP = 512


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_regions_are_faster_whispers(case):
    probabilities = np.array(case["probabilities"])
    for options, expected in case["regions"]:
        found = speech_regions(probabilities, VadOptions(**options), case["n_samples"])
        assert found == [tuple(region) for region in expected], options


def test_there_are_regions_to_compare():
    regions = [found for case in CASES for _, found in case["regions"]]
    assert sum(map(len, regions)) > 1000
    assert [] in regions


@pytest.mark.parametrize(
    ("start", "end", "share"),
    [
        (0.0, 9.984, 0.5),
        (4.0, 6.0, 0.992 / 2),
        (1.0, 1.5, 1.0),
        (7.0, 9.0, 0.0),
        (4.98, 4.996, 0.012 / 0.016),
        (-1.0, 1.0, 0.5),
        (9.0, 11.0, 0.0),
        (30.0, 40.0, 0.0),
        (3.0, 3.0, 0.0),
    ],
)
def test_what_part_of_a_time_is_speech(start, end, share):
    voice = Voice(np.repeat(np.float32([0.9, 0.05]), 156), 312 * HOP)  # 4.992 s of each
    assert voice.share(start, end) == pytest.approx(share, abs=1e-9)
    assert voice.share(start, end, threshold=0.95) == 0.0


def talk(*stretches: float) -> np.ndarray:
    """Speech and silence in turn, of so many seconds each."""
    spoken = itertools.cycle([0.9, 0.05])
    return np.concatenate([np.full(round(s * 31.25), next(spoken), np.float32) for s in stretches])


def clips(probabilities: np.ndarray, **options) -> list[tuple[float, float]]:
    voice = Voice(probabilities, len(probabilities) * HOP)
    found = clips_of_speech(voice, TranscribeOptions(**options))
    return list(zip(found[::2], found[1::2], strict=True))


@pytest.mark.parametrize("windows", ["sequential", "independent"])
def test_silence_has_an_empty_clip(windows):
    for probabilities in (np.zeros(0, np.float32), talk(0, 20)):
        assert clips(probabilities, windows=windows) == [(0.0, 0.0)]


@pytest.mark.parametrize("windows", ["sequential", "independent"])
def test_long_silence_is_left_out_but_for_its_borders(windows):
    (first, second) = clips(talk(0, 10, 8, 60, 8), windows=windows)
    # 0.4 s of silence stay on either side; speech begins and ends with frames of 0.032 s.
    assert first == pytest.approx((9.6, 18.4), abs=0.04)
    assert second == pytest.approx((77.6, 86.0), abs=0.04)


@pytest.mark.parametrize("windows", ["sequential", "independent"])
def test_what_little_silence_parts_is_heard_together(windows):
    assert len(clips(talk(8, 5, 8), windows=windows)) == 1
    assert len(clips(talk(8, 6.5, 8), windows=windows)) == 2  # 5.7 s between what is kept


def test_regions_in_sequence_may_be_long():
    assert clips(talk(100, 1, 100), windows="sequential") == [(0.0, pytest.approx(201, abs=0.05))]


def test_independent_clips_are_as_few_as_the_speech_needs():
    sentences = [part for _ in range(30) for part in (5.0, 0.5)]
    found = clips(talk(*sentences), windows="independent")
    assert all(end - start <= 30 for start, end in found)
    assert len(found) == 6  # of five sentences each: six would be 32.5 s
    for (_, end), (start, _) in itertools.pairwise(found):
        assert 0 <= start - end <= 0.02


def test_of_as_many_clips_those_leave_the_longest_silences_out():
    # Two clips may be parted in any pause from the 5th second to the 30th; the third is longest.
    (first, second) = clips(talk(8, 0.3, 8, 0.3, 4, 1.5, 9, 0.3, 9), windows="independent")
    assert first[1] == pytest.approx(20.6 + 0.4, abs=0.1)
    assert second[0] == pytest.approx(22.1 - 0.4, abs=0.1)


def test_speech_without_a_pause_is_cut_before_30_s():
    found = clips(talk(100), windows="independent")
    assert len(found) == 4
    assert all(end - start <= 30 for start, end in found)
    assert (found[0][0], found[-1][1]) == (0.0, pytest.approx(100, abs=0.05))
    assert all(0 <= start - end <= 0.04 for (_, end), (start, _) in itertools.pairwise(found))


@pytest.mark.parametrize("pad", [0, 400, 20_000])
def test_more_silence_may_be_kept_than_a_window_holds(pad):
    (clip,) = clips(
        talk(0, 30, 5, 30), windows="independent", vad_parameters={"speech_pad_ms": pad}
    )
    assert clip == pytest.approx((30 - pad / 1000, 35 + pad / 1000), abs=0.04)


@pytest.mark.parametrize("windows", ["sequential", "independent"])
def test_speech_that_is_too_short_is_none(windows):
    parameters = {"min_speech_duration_ms": 250}
    found = clips(talk(0, 10, 0.2, 10, 5, 10), windows=windows, vad_parameters=parameters)
    assert len(found) == 1
    assert found[0][0] > 19


@pytest.mark.parametrize("windows", ["sequential", "independent"])
def test_asked_clips_keep_their_borders_and_their_order(windows):
    found = clips(talk(60), windows=windows, clip_timestamps=[(40, 50), (1, 3)])
    assert (found[0][0], found[-1]) == (40.0, (1.0, 3.0))
    assert sum(end - start for start, end in found) == pytest.approx(12, abs=0.04)


def test_no_clip_goes_beyond_the_recording():
    probabilities = talk(31)
    options = TranscribeOptions(windows="independent")
    for n_samples in range(len(probabilities) * HOP - 511, len(probabilities) * HOP, 100):
        found = clips_of_speech(Voice(probabilities, n_samples), options)
        assert round(found[-1] * 100) == n_samples // 160


def test_many_hours_are_cut_in_a_moment():
    draw = np.random.default_rng(0)
    stretches = draw.uniform(0.2, 4.0, 4000)
    found = clips(talk(*stretches), windows="independent")
    assert all(0 < end - start <= 30 for start, end in found)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(found))
