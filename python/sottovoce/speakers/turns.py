"""Who speaks when."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import Any


@dataclass(frozen=True)
class SpeakerTurn:
    """A stretch of time in which somebody speaks; turns of several may overlap."""

    start: float  # s
    end: float  # s, no earlier than `start`
    speaker: str

    def __post_init__(self) -> None:
        check_turn("SpeakerTurn", self.start, self.end, self.speaker)
        object.__setattr__(self, "start", float(self.start))
        object.__setattr__(self, "end", float(self.end))


def check_turn(what: str, start: Any, end: Any, speaker: Any) -> None:
    """Raises TypeError or ValueError, which begins with `what`, for what makes no turn."""
    for name, value in (("start", start), ("end", end)):
        if not isinstance(value, Real) or isinstance(value, bool):
            raise TypeError(f"{what}: {name} must be a number of seconds, got {value!r}")
        if not math.isfinite(value):
            raise ValueError(f"{what}: {name} must be finite, got {value}")
    if end < start:
        raise ValueError(f"{what}: end must be no earlier than start={start}, got {end}")
    if not isinstance(speaker, str):
        raise TypeError(f"{what}: speaker must be a name, got {speaker!r}")
    if not speaker.strip():
        raise ValueError(f"{what}: speaker must be a name, got {speaker!r}")
