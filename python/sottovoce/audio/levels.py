"""How loud samples are: another scale than [-1, 1] is refused, doubtful levels are told."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import AudioError

# Float recordings overshoot: a mix of many tracks by 20 dB, hardly by 30. In the scale of 16 bits
# the speech of 88 clips is beyond 32 for 24 % of its samples or more.
MOST = 32.0
_MOST_UNNOTICED = 2.0  # codecs and resampling overshoot by a third at most
_FEWEST_BEYOND = 0.01  # of a float recording's samples: fewer are clicks
# The JFK sentence is heard word for word with a peak of -70 dBFS and with errors from -76 on;
# the quietest whisper of 88 clips has -32.
_SILENCE = 2.0**-12
_FULL_SCALE = 1 - 2.0**-14  # the last two steps of 16 bits
# Of 88 clips at most 0.02 % of the samples; driven 6 dB too far, 2 % in the median.
_MOST_CLIPPED = 0.01
_FEWEST_CLIPPED = 100  # samples, 6 ms: of shorter recordings a share says nothing


def scale_advice(peak: float) -> str:
    return (
        f"must be in [-1, 1], got up to {peak:.6g}: divide by the full scale they came in "
        "(32768 for 16-bit values), or give integers as they are"
    )


class Meter:
    """Finds out whether the float samples of a recording are in another scale, part by part."""

    def __init__(self) -> None:
        self._peak = 0.0
        self._n_beyond = self._n = 0

    def add(self, samples: NDArray[Any]) -> None:
        peak = max(float(samples.max(initial=0)), -float(samples.min(initial=0)))
        self._n += samples.size
        if peak > MOST:
            self._peak = max(self._peak, peak)
            self._n_beyond += int(np.count_nonzero(np.abs(samples) > MOST))

    def check(self, name: str) -> None:
        """Raises AudioError if so much of the recording, called `name`, is beyond [-1, 1]."""
        if self._n_beyond > _FEWEST_BEYOND * self._n:
            raise AudioError(f"load: {name}: its float samples {scale_advice(self._peak)}")


def doubts(samples: NDArray[np.float32], name: str) -> list[str]:
    """What should be said about the level of a recording: (n_samples,), called `name`."""
    if not samples.size:
        return []
    least, most = float(samples.min()), float(samples.max())
    level = (most - least) / 2  # a constant is no sound
    if level < _SILENCE:
        loudness = f"peaks at {20 * math.log10(level):.0f} dBFS" if level else "is digital silence"
        return [f"{name} {loudness}: there is hardly any speech to hear"]
    peak = max(most, -least)
    if peak > _MOST_UNNOTICED:
        return [f"{name} reaches {peak:.3g}, where full scale is 1: it may be in another scale"]
    if _FULL_SCALE <= peak <= 1:  # what goes on beyond 1 is not clipped
        n_clipped = _n_clipped(samples)
        if n_clipped > max(_MOST_CLIPPED * samples.size, _FEWEST_CLIPPED):
            share = 100 * n_clipped / samples.size
            return [f"{name} is clipped: {share:.0f} % of its samples are at full scale"]
    return []


def _n_clipped(samples: NDArray[np.float32]) -> int:
    step = 1 << 20  # in parts, for the memory
    parts = (samples[start : start + step] for start in range(0, samples.size, step))
    return sum(int(np.count_nonzero(np.abs(part) >= _FULL_SCALE)) for part in parts)
