"""Decoded frames -> those of each channel alone, as if it had come in a file of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._core import SAMPLE_RATE
from ..errors import AudioError

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.resampler import AudioResampler


_S64 = "s64"  # of WAV and AU, which PyAV does not give to NumPy nor take from it


class Splitter:
    """Is shown the frames of a recording, and resamples each channel of them."""

    def __init__(self, name: str) -> None:
        """`name` of the recording."""
        self._name = name
        self._kind: tuple[str, int] | None = None  # format and rate of the present frames
        self._resamplers: list[AudioResampler] = []
        self._pcm: list[bytearray] = []  # of each channel, s16 at 16 kHz

    def shown(self, frames: Iterator[AudioFrame]) -> Iterator[AudioFrame]:
        """The frames, which pass by."""
        for frame in frames:
            self._take(frame)
            yield frame

    def channels(self) -> tuple[NDArray[np.int16], ...]:
        """(n_samples,) at 16 kHz of each, once all frames have passed."""
        for resampler, pcm in zip(self._resamplers, self._pcm, strict=True):
            for part in filter(None, resampler.resample(None)):
                pcm += part.to_ndarray().tobytes()
        self._resamplers = []
        return tuple(np.frombuffer(pcm, np.int16) for pcm in self._pcm)

    def _take(self, frame: AudioFrame) -> None:
        n_channels = frame.layout.nb_channels
        if not self._pcm:
            self._pcm = [bytearray() for _ in range(n_channels)]
        if n_channels != len(self._pcm):
            raise AudioError(
                f"load: {self._name} must have the same channels throughout to be heard one by "
                f"one, got {len(self._pcm)} and then {n_channels}"
            )
        self._open((frame.format.name, frame.sample_rate))
        for column, resampler, pcm in zip(columns(frame), self._resamplers, self._pcm, strict=True):
            for part in resampler.resample(_mono(column, frame)):
                pcm += part.to_ndarray().tobytes()

    def _open(self, kind: tuple[str, int]) -> None:
        """New resamplers where the stream changes its format, as for the mix."""
        import av

        if kind != self._kind:
            self._kind = kind
            self._resamplers = [
                av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE) for _ in self._pcm
            ]


def columns(frame: AudioFrame) -> NDArray[Any]:
    """(n_channels, n_samples) of any dtype."""
    n_channels = frame.layout.nb_channels
    stored: NDArray[Any]
    if frame.format.name == _S64:
        stored = np.frombuffer(bytes(frame.planes[0]), np.int64)[: n_channels * frame.samples]
    else:
        stored = frame.to_ndarray()  # planes, or one row with the channels in turn
    return stored if frame.format.is_planar else stored.reshape(-1, n_channels).T


def _mono(column: NDArray[Any], like: AudioFrame) -> AudioFrame:
    import av

    form = like.format.name
    if form == _S64:
        frame = av.AudioFrame(form, "mono", column.size)
        frame.planes[0].update(column.tobytes())
    else:
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(column)[None], form, "mono")
    frame.sample_rate = like.sample_rate
    return frame
