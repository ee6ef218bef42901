"""PCM WAV without PyAV, for those who have not installed it."""

from __future__ import annotations

import wave
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from .._core import SAMPLE_RATE
from .arrays import INT16_SCALE, as_float32, down_mix
from .resampling import RATES, resample


def decode_wav(file: BinaryIO, name: str, missing: ImportError) -> NDArray[np.int16]:
    """Mono or stereo PCM WAV of 8, 16, 24 or 32 bits -> (n_samples,) int16, without PyAV."""
    try:
        with wave.open(file) as wav:
            n_channels, width, rate = wav.getparams()[:3]
            raw = np.frombuffer(wav.readframes(wav.getnframes()), np.uint8)
        if n_channels > 2 or rate not in RATES:
            raise wave.Error(f"{n_channels} channels at {rate} Hz")
    except (wave.Error, EOFError) as error:
        message = f"load: {name} needs PyAV, which is missing: pip install av (without it: {error})"
        raise ImportError(message) from missing
    raw = raw[: raw.size - raw.size % (n_channels * width)].reshape(-1, n_channels, width)
    words = np.zeros((*raw.shape[:2], 4), np.uint8)  # little-endian int32, the sample at its top
    words[..., -width:] = raw
    if width == 1:
        words[..., 3] ^= 0x80  # 8-bit WAV is unsigned
    samples: NDArray[np.int32] = words.view("<i4")[..., 0]  # (n_samples, n_channels)
    if n_channels == 1 and rate == SAMPLE_RATE:
        return (samples[:, 0] >> 16).astype(np.int16)
    mono = resample(down_mix(as_float32(samples), channel_axis=1), rate)
    steps = (mono * np.float32(INT16_SCALE)).round()
    pcm: NDArray[np.int16] = steps.clip(-INT16_SCALE, INT16_SCALE - 1).astype(np.int16)
    return pcm
