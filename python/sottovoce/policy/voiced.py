"""Where in a recording somebody speaks, asked about any stretch of it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..vad_options import VadOptions
from .voice import Voice, spoken

Span = tuple[float, float]  # start and end in s

# Voice that is likely enough to be listened to: whispers are, and music hardly ever.
LIKELY = VadOptions(
    threshold=0.2,
    neg_threshold=0.1,
    min_speech_duration_ms=200,
    min_silence_duration_ms=200,
    speech_pad_ms=300,
)

_SKIPPED_SILENCE = 2.0  # s, the least that no window begins with
_BEFORE = 0.5  # s of silence that a window begins with, behind a skipped one
_FRAMES_PER_SECOND = _core.SAMPLE_RATE / _core.VAD_HOP_LENGTH


class Voiced:
    """The voiced stretches of a recording, and how likely each moment is one of them."""

    def __init__(self, stretches: Sequence[Span], probabilities: NDArray[np.float32]) -> None:
        """`stretches`: in order, apart from each other; `probabilities`: (n_frames,) of 32 ms."""
        self._starts = [start for start, _ in stretches]
        self._ends = [end for _, end in stretches]
        self._before = np.concatenate([[0.0], np.cumsum([e - s for s, e in stretches])])  # s
        self._probabilities = probabilities

    @classmethod
    def of(cls, voice: Voice) -> Voiced:
        found = spoken(voice.probabilities, LIKELY, voice.n_samples)
        rate = _core.SAMPLE_RATE
        return cls([(start / rate, end / rate) for start, end in found], voice.probabilities)

    def within(self, start: float, end: float) -> list[Span]:
        """The voiced stretches between two times, cut there."""
        first, last = bisect_right(self._ends, start), bisect_left(self._starts, end)
        stretches = zip(self._starts[first:last], self._ends[first:last], strict=True)
        return [(max(s, start), min(e, end)) for s, e in stretches]

    def seconds(self, start: float, end: float) -> float:
        """How long somebody speaks between two times."""
        return self._until(max(start, end)) - self._until(start)

    def peak(self, start: float, end: float) -> float:
        """The highest probability between two times; 0.0 where there is nothing."""
        first, last = int(start * _FRAMES_PER_SECOND), int(np.ceil(end * _FRAMES_PER_SECOND))
        return float(self._probabilities[max(first, 0) : last].max(initial=0.0))

    def next_start(self, time: float) -> float:
        """When somebody speaks next: `time` itself in the midst of it; inf: never."""
        index = bisect_right(self._ends, time)
        return max(time, self._starts[index]) if index < len(self._starts) else np.inf

    def first_heard_frame(self, seek: int, end: int) -> int:
        """The frame to hear from: `seek`, or where somebody speaks after a silence, or `end`."""
        here = seek / _core.FRAMES_PER_SECOND
        start = self.next_start(here)
        if start >= end / _core.FRAMES_PER_SECOND:
            return end
        if start - here <= _SKIPPED_SILENCE:
            return seek
        return int((start - _BEFORE) * _core.FRAMES_PER_SECOND)

    def _until(self, time: float) -> float:
        index = bisect_right(self._starts, time)
        if index == 0:
            return 0.0
        whole = float(self._before[index - 1])
        return whole + min(time, self._ends[index - 1]) - self._starts[index - 1]
