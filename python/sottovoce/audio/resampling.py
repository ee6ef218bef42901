"""From any rate to 16 kHz: by libswresample, or as it does it."""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .._core import SAMPLE_RATE
from ..aside import aside, check

RATES = range(1_000, 768_001)  # Hz that are taken

_BLOCK = 1 << 16  # samples that libswresample gets at once

# libswresample's default filter.
_FILTER_SIZE = 32  # taps at the full band; a narrower band takes proportionally more
_CUTOFF = 0.97  # of the lower Nyquist frequency, when the rate goes down
_KAISER_BETA = 9.0


def resample(samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """(n_samples,) at `rate` Hz -> 16 kHz: by libswresample, as ffmpeg resamples media.

    Without PyAV, and of less than a second, which it cuts short, by `_windowed_sinc`: that differs
    by a rounding in float32, and by 1e-5 where the phases are too many for libswresample's table.
    """
    if rate == SAMPLE_RATE or not samples.size:
        return samples
    if samples.size < rate:
        return _windowed_sinc(samples, rate)
    samples = np.ascontiguousarray(samples)
    try:
        return aside(_by_libswresample, samples, rate)
    except ImportError:
        return _windowed_sinc(samples, rate)


def _by_libswresample(samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    import av

    parts = []

    resampler = av.AudioResampler(format="fltp", layout="mono", rate=SAMPLE_RATE)
    for start in range(0, samples.size, _BLOCK):
        check()
        frame = av.AudioFrame.from_ndarray(samples[None, start : start + _BLOCK], "fltp", "mono")
        frame.sample_rate = rate
        parts += [out.to_ndarray()[0] for out in resampler.resample(frame)]
    parts += [out.to_ndarray()[0] for out in resampler.resample(None)]
    return np.concatenate(parts)


def _windowed_sinc(samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """The filter of libswresample, with exact phases.

    Output j stands at input position j * down / up. A period of `up` outputs repeats its filters
    `down` inputs further on, so one matrix-vector product serves one output of every period.
    `n_blocks` periods are stepped over at once: BLAS takes rows in place if they do not overlap.
    """
    divisor = math.gcd(rate, SAMPLE_RATE)
    up, down = SAMPLE_RATE // divisor, rate // divisor
    bandwidth = min(_CUTOFF * SAMPLE_RATE / rate, 1.0)
    half = math.ceil(_FILTER_SIZE / bandwidth / 2)
    n_taps = 2 * half
    n_blocks = math.ceil(n_taps / down)
    # As swresample does: mirrored about the first sample in front, behind the last one at the end.
    front = np.pad(samples[:n_taps], (half - 1, 0), "reflect")[: half - 1]
    back = np.pad(samples[-n_taps:], (0, half), "symmetric")[-half:]
    windows = sliding_window_view(np.concatenate([front, samples, back]), n_taps)
    gain = 1 / _taps(0.0, n_taps, bandwidth).sum()
    out = np.empty(-(-samples.size * up // down), np.float32)
    for phase in range(min(up, out.size)):
        start, remainder = divmod(phase * down, up)
        taps = (gain * _taps(remainder / up, n_taps, bandwidth)).astype(np.float32)
        for block in range(n_blocks):
            check()
            outputs = out[block * up + phase :: n_blocks * up]
            rows = windows[start + block * down :: n_blocks * down]
            outputs[:] = rows[: outputs.size] @ taps
    return out


def _taps(fraction: float, n_taps: int, bandwidth: float) -> NDArray[np.float64]:
    """(n_taps,) Kaiser-windowed sinc, centred `fraction` of a sample after tap n_taps / 2 - 1."""
    time = np.arange(n_taps) - (n_taps // 2 - 1) - fraction
    window = np.i0(_KAISER_BETA * np.sqrt(np.maximum(1 - (2 * time / n_taps) ** 2, 0)))
    taps: NDArray[np.float64] = np.sinc(bandwidth * time) * window
    return taps
