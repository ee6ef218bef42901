"""Arrays of any accepted dtype and layout -> float32 mono samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ShapeError
from .levels import MOST, scale_advice
from .resampling import RATES, resample

INT16_SCALE = 2.0**15
# Every array dtype taken, and the full scale that is divided by to land in [-1, 1].
_FULL_SCALE = {"u1": 2.0**7, "i2": INT16_SCALE, "i4": 2.0**31, "f4": 1.0, "f8": 1.0}
_MAX_CHANNELS = 32  # a wider array is not audio: a mel spectrogram has 80 or 128 rows


def from_array(array: NDArray[Any], rate: int) -> NDArray[np.float32]:
    """Mono or multichannel, at `rate` Hz -> (n_samples,) at 16 kHz."""
    samples, axis = _checked(array, rate)
    return np.ascontiguousarray(resample(down_mix(samples, axis), int(rate)))


def channels_of_array(array: NDArray[Any], rate: int) -> tuple[NDArray[np.float32], ...]:
    """(n_samples,) at 16 kHz of each channel, as `from_array` makes it of the channel alone."""
    samples, axis = _checked(array, rate)
    if axis is not None and not samples.size:
        axis = 1 - axis  # the empty one is no channels'
    columns = [samples] if axis is None else np.moveaxis(samples, axis, 0)
    return tuple(np.ascontiguousarray(resample(column, int(rate))) for column in columns)


def _checked(array: NDArray[Any], rate: int) -> tuple[NDArray[np.float32], int | None]:
    """The samples as they lie, and the axis of their channels."""
    _check_rate(rate)
    axis = _channel_axis(array.shape)
    samples = as_float32(array)
    if array.dtype.kind == "f":
        _check_range(array, samples)
    return samples, axis


def _check_rate(rate: int) -> None:
    if isinstance(rate, bool) or not isinstance(rate, (int, np.integer)):
        raise TypeError(f"load: sample_rate must be an int in Hz, got {rate!r}")
    if rate not in RATES:
        raise ValueError(f"load: sample_rate must be in {RATES[0]}..{RATES[-1]} Hz, got {rate}")


def _check_range(array: NDArray[Any], samples: NDArray[np.float32]) -> None:
    peak = max(-samples.min(initial=0), samples.max(initial=0))  # NaN if there is one
    if not np.isfinite(peak):
        finite = np.isfinite(samples)
        index = tuple(int(i) for i in np.unravel_index(finite.argmin(), samples.shape))
        raise ValueError(f"load: samples must be finite, got {array[index]} at {index}")
    if peak > MOST:
        raise ValueError(f"load: float samples {scale_advice(float(peak))}")


def _channel_axis(shape: tuple[int, ...]) -> int | None:
    """The axis of the channels; None for mono."""
    if len(shape) == 1:
        return None
    if len(shape) != 2 or min(shape) > _MAX_CHANNELS or shape[0] == shape[1] > 1:
        raise ShapeError(
            "load: an array must be (n_samples,), (n_samples, n_channels) or (n_channels, "
            f"n_samples), n_channels the smaller and <= {_MAX_CHANNELS}, got {shape}"
        )
    return int(np.argmin(shape))


def as_float32(array: NDArray[Any]) -> NDArray[np.float32]:
    """Any accepted dtype, its full scale to [-1, 1]; float32 is returned as it is."""
    kind = array.dtype.kind + str(array.dtype.itemsize)
    if kind not in _FULL_SCALE:
        raise TypeError(
            "load: an array must be float32 or float64 in [-1, 1], or int16, int32 or uint8, "
            f"got {array.dtype}; scale it and convert it with astype first"
        )
    with np.errstate(over="ignore"):  # beyond float32: becomes inf, and is reported as such
        samples = array.astype(np.float32, copy=False)
    if kind == "u1":
        samples -= np.float32(_FULL_SCALE[kind])
    if kind[0] != "f":
        samples *= np.float32(1 / _FULL_SCALE[kind])
    return samples


def from_pcm(pcm: NDArray[np.int16]) -> NDArray[np.float32]:
    """16-bit samples in [-1, 1): in steps of some ms, between which a signal is heard."""
    samples = np.empty(pcm.shape, np.float32)
    step = 1 << 20
    for start in range(0, pcm.size, step):
        part = slice(start, start + step)
        np.multiply(pcm[part], np.float32(1 / INT16_SCALE), out=samples[part])
    return samples


def down_mix(samples: NDArray[np.float32], channel_axis: int | None) -> NDArray[np.float32]:
    """(n_samples,): the mean of the channels; for stereo, also what ffmpeg's down-mix to s16 takes.

    `samples`: (n_samples,), or with the channels on `channel_axis` (n_samples, n_channels) or
    (n_channels, n_samples).
    """
    if channel_axis is None:
        return samples
    if 1 in samples.shape or not samples.size:
        return samples.reshape(-1)
    mono: NDArray[np.float32] = samples.mean(channel_axis, np.float64).astype(np.float32)
    return mono
