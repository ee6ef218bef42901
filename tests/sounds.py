"""Made-up sound: sines, and the WAV files that hold them."""

import io
import wave

import numpy as np

STEP = 1 / 32768  # of 16-bit samples


def tones(n_samples: int, rate: int, *frequencies: float, level: float = 0.4) -> np.ndarray:
    """(n_samples, n_channels) float64: one sine a channel."""
    time = np.arange(n_samples)[:, None] / rate
    return level * np.sin(2 * np.pi * np.array(frequencies) * time)


def pcm_bytes(samples: np.ndarray, width: int) -> bytes:
    """Floats in [-1, 1] as WAV stores them: little-endian, 8 bits unsigned."""
    words = np.round(samples * (2.0 ** (8 * width - 1) - 1)).astype("<i4")
    words = words + 128 if width == 1 else words
    return words.astype("<i4")[..., None].view(np.uint8)[..., :width].tobytes()


def wav_bytes(samples: np.ndarray, rate: int, width: int = 2) -> bytes:
    """(n_samples, n_channels) -> a WAV file."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(pcm_bytes(samples, width))
    return out.getvalue()
