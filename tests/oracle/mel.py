"""The audio front end: 16 kHz samples in, log-mel spectrogram out."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

SAMPLE_RATE = 16000  # Hz
N_FFT = 400  # samples, 25 ms
HOP_LENGTH = 160  # samples, 10 ms
N_BINS = N_FFT // 2 + 1  # 201 frequencies, 0 to 8000 Hz in steps of 40 Hz

Array = NDArray[np.float64]


def hann(n: int = N_FFT) -> Array:
    """The periodic Hann window: one period of a raised cosine, so w[n] would be w[0] again."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)


def power_spectrum(samples: ArrayLike) -> Array:
    """(n_samples,) -> (201, n_samples // 160): |STFT|^2, frame f centred on sample 160 f."""
    samples = np.asarray(samples, dtype=np.float64)
    padded = np.pad(samples, N_FFT // 2, mode="reflect")  # without repeating the edge sample
    n_frames = len(samples) // HOP_LENGTH  # there is one more frame in `padded`: dropped
    frames = np.stack([padded[f * HOP_LENGTH :][:N_FFT] for f in range(n_frames)])
    return np.abs(np.fft.rfft(frames * hann(), axis=1)).T ** 2


def hz_to_mel(hz: ArrayLike) -> Array:
    """Slaney's scale: linear below 1000 Hz (15 mel), then 27 mel for each factor of 6.4."""
    hz = np.asarray(hz, dtype=np.float64)
    return np.where(
        hz < 1000.0,
        hz * 3 / 200,
        15.0 + 27.0 * np.log(np.maximum(hz, 1000.0) / 1000.0) / np.log(6.4),
    )


def mel_to_hz(mel: ArrayLike) -> Array:
    mel = np.asarray(mel, dtype=np.float64)
    return np.where(mel < 15.0, mel * 200 / 3, 1000.0 * 6.4 ** ((mel - 15.0) / 27.0))


def mel_filters(n_mels: int) -> Array:
    """(n_mels, 201): triangles between neighbouring centres, each of area one over hertz."""
    edges = mel_to_hz(np.linspace(0.0, hz_to_mel(SAMPLE_RATE / 2), n_mels + 2))
    bins = np.arange(N_BINS) * SAMPLE_RATE / N_FFT
    filters = np.zeros((n_mels, N_BINS))
    for m in range(n_mels):
        left, centre, right = edges[m : m + 3]
        rising = (bins - left) / (centre - left)
        falling = (right - bins) / (right - centre)
        height = 2.0 / (right - left)
        filters[m] = height * np.maximum(0.0, np.minimum(rising, falling))
    return filters


def log_mel(samples: ArrayLike, n_mels: int, padding: int = 0) -> Array:
    """(n_samples,) -> (n_mels, (n_samples + padding) // 160), `padding` zeros on the right.

    The floor is 8 decades below the loudest value of the whole input, not of a window.
    """
    samples = np.concatenate([np.asarray(samples, dtype=np.float64), np.zeros(padding)])
    log_power = np.log10(np.maximum(mel_filters(n_mels) @ power_spectrum(samples), 1e-10))
    return (np.maximum(log_power, log_power.max() - 8.0) + 4.0) / 4.0
