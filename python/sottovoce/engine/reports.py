"""Telling how far a recording has been heard: a caller's function, and the log."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from .. import _core
from ..policy.requests import DecodeRequest, HeardWindow, Request
from ..results import Progress, Segment, TranscriptionInfo

_log = logging.getLogger("sottovoce.engine")

ProgressFunction = Callable[[Progress], object]


class Reports:
    """The reports on one recording: its opening, its windows, its end.

    The function is called in the thread that decodes for the caller; what it raises passes through.
    """

    def __init__(
        self,
        function: ProgressFunction,
        index: int,
        info: TranscriptionInfo,
        n_channels: int | None = None,
    ) -> None:
        """`n_channels` that are heard each on its own; None: they are mixed."""
        self._function, self._index, self._info = function, index, info
        self._n_channels = n_channels
        self._position = 0.0  # s
        self._began = 0.0  # s, of the clock
        self._n_frames = 0  # heard, of all channels

    def opened(self) -> None:
        self._began = time.perf_counter()
        self._tell(0.0, ())

    def heard(self, window: HeardWindow) -> None:
        """Windows one after the other have come to a place; those side by side only add up."""
        is_sequential = self._info.options.windows == "sequential" and self._n_channels is None
        # Speech may seem to go on behind the end.
        end = min(window.end, round(self._info.duration * _core.FRAMES_PER_SECOND))
        self._n_frames = end - (0 if is_sequential else window.seek - self._n_frames)
        frames_per_second = _core.FRAMES_PER_SECOND * (self._n_channels or 1)
        seconds, duration = self._n_frames / frames_per_second, self._info.duration
        is_last = duration - seconds < 1 / frames_per_second  # a frame that is not whole
        self._tell(duration if is_last else seconds, window.segments)

    def over(self) -> None:
        if self._position < self._info.duration:
            self._tell(self._info.duration, ())

    def _tell(self, position: float, segments: tuple[Segment, ...]) -> None:
        self._position = position
        elapsed = time.perf_counter() - self._began
        self._function(Progress(self._index, self._info, position, segments, elapsed))


def log(item: HeardWindow | Request) -> None:
    """Logs the second attempts at a window, and windows that are skipped."""
    if isinstance(item, DecodeRequest) and item.failure:
        _log.debug(
            "window at %.2f s: again at temperature %g, %s",
            item.seek / _core.FRAMES_PER_SECOND,
            item.temperature,
            item.failure,
        )
    elif isinstance(item, HeardWindow) and not item.segments:
        _log.debug("window at %.2f s: skipped, no speech", item.seek / _core.FRAMES_PER_SECOND)
