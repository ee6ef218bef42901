"""Media with damage: what is heard stands at its time, and what is missing is told."""

from __future__ import annotations

import numpy as np
import pytest

from sottovoce import audio
from sottovoce.errors import AudioWarning
from sounds import tones
from test_audio_media import encoded

RATE = 16000


def beeps(n_seconds: int, rate: int = RATE) -> np.ndarray:
    """(n_samples, 1): one at the start of each second, of 0.3 s and a pitch of its own."""
    out = np.zeros((n_seconds * rate, 1))
    for second in range(n_seconds):
        beep = tones(int(0.3 * rate), rate, 400 + 50 * second)
        out[second * rate : second * rate + beep.shape[0]] = beep
    return out


def onsets(samples: np.ndarray) -> list[float]:
    """The times, in s, at which a beep begins."""
    level = np.abs(samples[: samples.size // 160 * 160]).reshape(-1, 160).max(axis=1) > 0.1
    rises = np.flatnonzero(level[1:] & ~level[:-1]) + 1
    starts = [0.0] if level[0] else []
    for rise in rises / 100:
        if not starts or rise - starts[-1] > 0.5:
            starts.append(float(rise))
    return starts


def test_undamaged_media_miss_nothing():
    for form, codec in (("ogg", "libopus"), ("mp3", "libmp3lame"), ("flac", "flac")):
        assert audio.read(encoded(form, codec, 48000, beeps(6, 48000))).missing == ()


def test_noise_in_an_mp3_leaves_silence_of_its_length():
    data = bytearray(encoded("mp3", "libmp3lame", RATE, beeps(20)))
    middle, length = len(data) // 2, len(data) // 10
    data[middle : middle + length] = np.random.default_rng(0).bytes(length)
    recording = audio.read(bytes(data))
    assert recording.samples.size / RATE == pytest.approx(20, abs=0.3)
    assert any("silence stands there" in doubt for doubt in recording.doubts)
    (start, end), *rest = recording.missing
    end = rest[-1][1] if rest else end
    assert 9 < start < end < 13
    late = [t for t in onsets(recording.samples) if t > 13.5]
    assert late == pytest.approx(range(14, 20), abs=0.2)


@pytest.mark.parametrize(
    "links",
    [
        [("flac", 16000), ("flac", 8000)],  # ffmpeg goes on
        [("flac", 16000), ("libopus", 48000)],  # and here it gives up
        [("libopus", 48000), ("flac", 8000), ("flac", 16000), ("libopus", 48000)],
    ],
)
def test_a_chained_ogg_is_heard_to_its_end_whatever_changes(links):
    media = b"".join(encoded("ogg", codec, rate, beeps(3, rate)) for codec, rate in links)
    recording = audio.read(media)
    n_seconds = 3 * len(links)
    assert recording.samples.size / RATE == pytest.approx(n_seconds, abs=0.1)
    assert recording.missing == ()
    assert onsets(recording.samples) == pytest.approx(list(range(n_seconds)), abs=0.1)


def test_a_link_of_a_chained_ogg_that_cannot_be_read_is_skipped_and_told():
    links = [
        encoded("ogg", "flac", RATE, beeps(3)),
        encoded("ogg", "libopus", 48000, beeps(3, 48000)),
    ]
    head = links[1][:200]  # of a stream whose codec nobody knows, and nothing of its sound
    unknown = head.replace(b"OpusHead", b"SomeHead")
    recording = audio.read(links[0] + unknown + links[1])
    assert onsets(recording.samples)[:3] == pytest.approx([0, 1, 2], abs=0.1)
    assert len(onsets(recording.samples)) == 6


def test_what_a_file_says_it_should_have_is_missing_where_it_breaks_off():
    data = encoded("flac", "flac", RATE, beeps(8))
    with pytest.warns(AudioWarning, match=r"breaks off at [\d.]+ s of 8\.0"):
        samples = audio.load(data[: len(data) // 2])
    ((start, end),) = audio.read(data[: len(data) // 2]).missing
    assert (samples.size / RATE, end) == (pytest.approx(start, abs=0.01), 8.0)
