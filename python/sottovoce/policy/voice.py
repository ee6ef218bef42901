"""Probabilities of speech -> the regions of speech, and the clips in which they are heard.

Regions are faster-whisper's. Clips are ours: what is heard keeps its place in the recording, so no
time has to be mapped back.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..options import TranscribeOptions
from ..results import SpeechRegion
from ..vad_options import VadOptions
from .seek import clips

Stretch = tuple[int, int]  # first, and the one after the last

_SAMPLES_PER_MS = _core.SAMPLE_RATE // 1000
_LEAST_PAUSE_MS = 98  # where a region may be cut that is too long: more than three frames
_FRAME = _core.VAD_HOP_LENGTH / _core.SAMPLE_RATE  # s
_LONGEST_SILENCE = 5 * _core.FRAMES_PER_SECOND  # within a clip: in more, Whisper likes to invent


@dataclass(frozen=True, eq=False)
class Voice:
    """How likely somebody speaks in a recording, from its start to its end."""

    probabilities: NDArray[np.float32]  # (n_frames,), one each 512 samples
    n_samples: int  # at 16 kHz

    @property
    def duration(self) -> float:
        """s."""
        return self.n_samples / _core.SAMPLE_RATE

    def share(self, start: float, end: float, threshold: float = 0.5) -> float:
        """Of the time from start to end, in s, the part that is speech: 0..1.

        Speech is what is at least as probable as `threshold`; outside the recording nobody speaks.
        """
        first = max(0, math.floor(start / _FRAME))
        spoken = self.probabilities[first : max(first, math.ceil(end / _FRAME))] >= threshold
        edges = (_FRAME * np.arange(first, first + len(spoken) + 1)).clip(start, end)
        return float(np.diff(edges)[spoken].sum() / (end - start)) if start < end else 0.0

    def regions(self, options: VadOptions) -> list[SpeechRegion]:
        """Where that is speech."""
        rate = _core.SAMPLE_RATE
        found = speech_regions(self.probabilities, options, self.n_samples)
        return [SpeechRegion(start / rate, end / rate) for start, end in found]


def speech_regions(
    probabilities: NDArray[np.float32], options: VadOptions, n_samples: int
) -> list[Stretch]:
    """The samples of each region of speech, with the silence that it keeps, in order.

    probabilities: (n_frames,), one each 512 samples, of a recording of `n_samples`.
    """
    found = spoken(probabilities, options, n_samples)
    return _padded(found, options.speech_pad_ms * _SAMPLES_PER_MS, n_samples)


def clips_of_speech(voice: Voice, options: TranscribeOptions) -> tuple[float, ...]:
    """start, end, start, end, ... in seconds of clips that hold the speech that is to be heard.

    Of windows="sequential", the regions, those together that little silence parts. Of independent
    ones, as few clips of at most 30 s as the speech needs, cut in pauses: of all such ways the one
    that leaves the most silence out.
    """
    vad = options.vad_parameters or VadOptions()
    probabilities, n_samples = voice.probabilities, voice.n_samples
    n_frames = n_samples // _core.HOP_LENGTH
    if options.windows == "independent":
        found = _fullest_clips(_pieces(probabilities, vad, n_samples), vad, n_samples)
    else:
        regions = speech_regions(probabilities, vad, n_samples)
        found = _joined(_mel_frames(region, n_frames) for region in regions)
    heard = _common(found, clips(options.clip_timestamps, n_frames))
    seconds = [frame / _core.FRAMES_PER_SECOND for clip in heard for frame in clip]
    return tuple(seconds) or (0.0, 0.0)  # a clip of nothing: no clip at all would be everything


def spoken(
    probabilities: NDArray[np.float32], options: VadOptions, n_samples: int
) -> list[Stretch]:
    """The samples of each region of speech, without the silence around it."""
    pad = options.speech_pad_ms * _SAMPLES_PER_MS
    least_silence = options.min_silence_duration_ms * _SAMPLES_PER_MS
    least_speech = options.min_speech_duration_ms * _SAMPLES_PER_MS
    least_pause = _LEAST_PAUSE_MS * _SAMPLES_PER_MS
    most_speech = _core.SAMPLE_RATE * options.max_speech_duration_s - _core.VAD_HOP_LENGTH - 2 * pad
    found: list[Stretch] = []
    start: int | None = None  # of the present region
    silence: int | None = None  # where the present silence in it began
    pause: int | None = None  # where its last silence began at which it may be cut
    resumed: int | None = None  # where it went on behind that
    for i, probability in enumerate(probabilities.tolist()):
        at = i * _core.VAD_HOP_LENGTH
        if probability >= options.threshold:
            silence = None
            if pause is not None and resumed is None:
                resumed = at
            if start is None:
                start = at
                continue
        if start is None:
            continue
        if at - start > most_speech:
            found.append((start, at if pause is None else pause))
            start, silence, pause, resumed = resumed, None, None, None
            if start is None:
                continue
        if probability >= options.silence_threshold:
            continue
        silence = at if silence is None else silence
        if at - silence > least_pause:
            pause, resumed = silence, None
        if at - silence >= least_silence:
            if silence - start > least_speech:
                found.append((start, silence))
            start, silence, pause, resumed = None, None, None, None
    if start is not None and n_samples - start > least_speech:
        found.append((start, n_samples))
    return found


def _padded(regions: Sequence[Stretch], pad: int, n_samples: int) -> list[Stretch]:
    """With as much silence on either side, or half of what is between two."""
    if not regions:
        return []
    shares = [min(pad, (after - before) // 2) for (_, before), (after, _) in pairwise(regions)]
    starts = [min(pad, regions[0][0]), *shares]
    ends = [*shares, min(pad, n_samples - regions[-1][1])]
    return [
        (start - front, end + behind)
        for (start, end), front, behind in zip(regions, starts, ends, strict=True)
    ]


def _mel_frames(stretch: Stretch, n_frames: int) -> Stretch:
    """The frames of 10 ms of these samples; neighbours stay neighbours."""
    first, end = (min(round(sample / _core.HOP_LENGTH), n_frames) for sample in stretch)
    return first, end


def _joined(stretches: Iterable[Stretch]) -> list[Stretch]:
    """Those together that no more than _LONGEST_SILENCE parts."""
    found: list[Stretch] = []
    for start, end in stretches:
        if found and start - found[-1][1] <= _LONGEST_SILENCE:
            start = found.pop()[0]
        found.append((start, end))
    return found


def _common(stretches: Sequence[Stretch], others: Iterable[Stretch]) -> list[Stretch]:
    """What lies in `stretches`, which are in order, and in others, in the order of these."""
    starts, ends = [start for start, _ in stretches], [end for _, end in stretches]
    return [
        (max(start, first), min(end, last))
        for first, last in others
        for start, end in stretches[bisect_right(ends, first) : bisect_left(starts, last)]
    ]


def _pieces(
    probabilities: NDArray[np.float32], options: VadOptions, n_samples: int
) -> list[Stretch]:
    """The samples of the speech in the regions between any two pauses, each at most 30 s.

    Unless so much silence is kept that a window has no room for 20 s beside it.
    """
    longest = max(float(_core.CHUNK_LENGTH), 20.0 + 2 * options.speech_pad_ms / 1000)
    fine = replace(
        options,
        min_speech_duration_ms=0,
        min_silence_duration_ms=_LEAST_PAUSE_MS,
        max_speech_duration_s=min(options.max_speech_duration_s, longest),
    )
    regions = spoken(probabilities, options, n_samples)
    return _common(spoken(probabilities, fine, n_samples), regions)


def _fullest_clips(pieces: Sequence[Stretch], options: VadOptions, n_samples: int) -> list[Stretch]:
    """The frames of clips that hold the pieces: as few as there can be, and as short together."""
    n_frames = n_samples // _core.HOP_LENGTH
    padded = _padded(pieces, options.speech_pad_ms * _SAMPLES_PER_MS, n_samples)
    frames = [_mel_frames(piece, n_frames) for piece in padded]
    # For the first 0, 1, ... pieces: how many clips, how long together, the last one's first piece.
    best: list[tuple[float, float, int]] = [(0, 0, 0)]
    for i, (start, end) in enumerate(frames):
        best.append((best[i][0] + 1, best[i][1] + end - start, i))
        for first in range(i - 1, -1, -1):
            silence = frames[first + 1][0] - frames[first][1]
            length = end - frames[first][0]
            if silence > _LONGEST_SILENCE or length > _core.N_FRAMES:
                break
            best[-1] = min(best[-1], (best[first][0] + 1, best[first][1] + length, first))
    found: list[Stretch] = []
    last = len(frames)
    while last > 0:
        first = best[last][2]
        found.append((frames[first][0], frames[last - 1][1]))
        last = first
    return found[::-1]
