"""Made-up sound: sines, and the WAV files that hold them."""

import io
import struct
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


def riff_bytes(
    samples: np.ndarray, rate: int, *, layout: int | None = None, n_bytes: int | None = None
) -> bytes:
    """(n_samples, n_channels) integers or floats as they are -> a WAV file.

    `layout`: a WAVE_FORMAT_EXTENSIBLE one with this mask of speakers, 0 for none; `n_bytes`: what
    the header says of the samples.
    """
    form = 3 if samples.dtype.kind == "f" else 1
    n_channels, width = samples.shape[1], samples.dtype.itemsize
    frame = n_channels * width
    about = struct.pack("<HIIHH", n_channels, rate, rate * frame, frame, 8 * width)
    if layout is None:
        fields = struct.pack("<H", form) + about
    else:
        rest = bytes.fromhex("000000001000800000aa00389b71")
        extra = struct.pack("<HHIH", 22, 8 * width, layout, form) + rest
        fields = struct.pack("<H", 0xFFFE) + about + extra
    data = samples.astype(samples.dtype.newbyteorder("<")).tobytes()
    fields = b"fmt " + struct.pack("<I", len(fields)) + fields
    head = b"data" + struct.pack("<I", len(data) if n_bytes is None else n_bytes)
    return (
        b"RIFF" + struct.pack("<I", 4 + len(fields + head + data)) + b"WAVE" + fields + head + data
    )
