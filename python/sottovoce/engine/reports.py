"""Telling a caller's function how far a recording has been heard."""

from __future__ import annotations

from collections.abc import Callable

from .. import _core
from ..policy.requests import HeardWindow
from ..results import Progress, Segment, TranscriptionInfo

ProgressFunction = Callable[[Progress], object]


class Reports:
    """The reports on one recording: its opening, its windows, its end.

    The function is called in the thread that decodes for the caller; what it raises passes through.
    """

    def __init__(self, function: ProgressFunction, index: int, info: TranscriptionInfo) -> None:
        self._function, self._index, self._info = function, index, info
        self._position = 0.0  # s
        self._n_frames = 0  # heard

    def opened(self) -> None:
        self._tell(0.0, ())

    def heard(self, window: HeardWindow) -> None:
        """Windows one after the other have come to a place; independent ones only add up."""
        is_sequential = self._info.options.windows == "sequential"
        self._n_frames = window.end - (0 if is_sequential else window.seek - self._n_frames)
        seconds, duration = self._n_frames / _core.FRAMES_PER_SECOND, self._info.duration
        is_last = duration - seconds < 1 / _core.FRAMES_PER_SECOND  # a frame that is not whole
        self._tell(duration if is_last else seconds, window.segments)

    def over(self) -> None:
        if self._position < self._info.duration:
            self._tell(self._info.duration, ())

    def _tell(self, position: float, segments: tuple[Segment, ...]) -> None:
        self._position = position
        self._function(Progress(self._index, self._info, position, segments))
