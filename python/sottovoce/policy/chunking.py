"""Where a long recording may be cut into clips: at its quietest places, in whole mel frames."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .. import _core

_SHORTEST = 20 * _core.FRAMES_PER_SECOND  # of a clip that another follows
_LONGEST = _core.N_FRAMES
_LEAST_REST = 5 * _core.FRAMES_PER_SECOND  # what follows a cut: with less, Whisper likes to invent
_AROUND = 20  # frames on either side of a cut that make it quiet: longer than the stop of a "t"


def clips_between_pauses(mel: NDArray[np.float32], content_frames: int) -> tuple[float, ...]:
    """start, end, start, end, ... in seconds of clips that cover a recording, each at most 30 s.

    Every clip but the last ends at the quietest place between its 20th and its 30th second, the
    later one of two as quiet.

    Args:
        mel: (n_mels, n_frames >= content_frames) log-mel.
        content_frames: those of the recording; what follows is padding.
    """
    level = _level(mel[:, :content_frames])
    points = [0]
    while content_frames - points[-1] > _LONGEST:
        first = points[-1] + _SHORTEST
        last = min(points[-1] + _LONGEST, content_frames - _LEAST_REST)
        quietest_from_behind = int(np.argmin(level[first : last + 1][::-1]))
        points.append(last - quietest_from_behind)
    points.append(content_frames)
    return tuple(frame / _core.FRAMES_PER_SECOND for clip in pairwise(points) for frame in clip)


def _level(mel: NDArray[np.float32]) -> NDArray[np.int64]:
    """How loud it is around the start of each frame: (n_frames,), of no unit.

    In integers, so that equal levels are equal, whatever came before them.
    """
    n_frames = mel.shape[1]
    loudness = np.rint(4096 * mel.mean(axis=0, dtype=np.float64)).astype(np.int64)
    sums = np.concatenate([[0], np.cumsum(loudness)])
    frames = np.arange(n_frames)
    last = np.minimum(frames + _AROUND, n_frames)
    return np.asarray(sums[last] - sums[np.maximum(frames - _AROUND, 0)])
