"""The audio of the golden results: one sentence, and what can be built from it without a file.

Every clip is a function of the eleven seconds of `tests/data/jfk.flac`; golden records name it.
"""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16000  # Hz
JFK = Path(__file__).parents[1] / "data" / "jfk.flac"

Samples = NDArray[np.float32]


def read(path: Path) -> Samples:
    """What `ffmpeg -ac 1 -ar 16000 -f s16le` writes, over 32768: the array the reference sees."""
    pcm = []
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    with av.open(str(path)) as container:
        for frame in [*container.decode(audio=0), None]:  # None: what the resampler still holds
            pcm += [part.to_ndarray().ravel() for part in resampler.resample(frame)]
    return np.concatenate(pcm).astype(np.float32) / 32768


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * SAMPLE_RATE), dtype=np.float32)


def cut(samples: Samples, seconds: float) -> Samples:
    return samples[: round(seconds * SAMPLE_RATE)]


def tiled(samples: Samples, seconds: float) -> Samples:
    """Again and again with pauses of 1.5 s, cut to length."""
    n_times = int(seconds // 12.5) + 1
    return cut(np.concatenate([samples, silence(1.5)] * n_times), seconds)


CLIPS: dict[str, Callable[[Samples], Samples]] = {
    "jfk": lambda jfk: jfk,
    "first_0.3s": lambda jfk: cut(jfk, 0.3),
    "first_5s": lambda jfk: cut(jfk, 5.0),
    "first_7.7777s": lambda jfk: cut(jfk, 7.7777),  # no whole number of frames
    "tiled_30s": lambda jfk: tiled(jfk, 30.0),  # exactly one window
    "tiled_30.01s": lambda jfk: tiled(jfk, 30.01),  # one frame more
    "late": lambda jfk: np.concatenate([silence(3.0), jfk]),
    "pause_65s": lambda jfk: np.concatenate([jfk, silence(43.0), jfk]),
    "silence_5s": lambda jfk: silence(5.0),
}


def build(name: str) -> Samples:
    return CLIPS[name](read(JFK))
