"""WAV without PyAV, for those who have not installed it; and what the header of a WAV says."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from .._core import SAMPLE_RATE
from .arrays import INT16_SCALE, as_float32, down_mix
from .levels import Meter
from .resampling import RATES, resample

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE  # wFormatTag
_WIDTHS = {_PCM: (1, 2, 3, 4), _FLOAT: (4, 8)}  # bytes
_ENDLESS = 0x7FFF_0000  # bytes; programs that write to a pipe claim this or more


@dataclass(frozen=True)
class Header:
    """What stands in front of the samples."""

    form: int  # _PCM, _FLOAT or another wFormatTag
    n_channels: int
    rate: int  # Hz
    width: int  # bytes of a sample
    layout: int  # dwChannelMask; 0: the channels are unnamed
    data: int  # where the samples begin, bytes
    n_bytes: int | None  # of samples, as the header says; None: it does not know

    @property
    def duration(self) -> float | None:
        """s, as the header says."""
        frame = self.n_channels * self.width * self.rate
        return self.n_bytes / frame if frame and self.n_bytes is not None else None


def read_header(file: BinaryIO) -> Header:
    """Raises ValueError for what is no WAV. `file` stands at 0, and somewhere else afterwards."""
    head = file.read(12)
    if head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
        raise ValueError("not a WAV file")
    fields: bytes | None = None
    large = None  # RF64: the size of the data, which is too large for its chunk
    while len(chunk := file.read(8)) == 8:
        kind, n_bytes = struct.unpack("<4sI", chunk)
        if kind == b"data" and fields is not None:
            size = large if large is not None else n_bytes
            is_known = size < _ENDLESS or large is not None
            return _header(fields, file.tell(), size if is_known else None)
        body = file.read(min(n_bytes, 40))
        if kind == b"fmt ":
            fields = body
        elif kind == b"ds64" and len(body) >= 16:
            large = struct.unpack_from("<Q", body, 8)[0]
        file.seek(n_bytes - len(body) + n_bytes % 2, 1)
    raise ValueError("a WAV file without samples")


def _header(fields: bytes, data: int, n_bytes: int | None) -> Header:
    if len(fields) < 16:
        raise ValueError("a WAV file without a format")
    form, n_channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", fields)
    layout = 0
    if form == _EXTENSIBLE and len(fields) >= 26:
        layout, form = struct.unpack_from("<IH", fields, 20)
    return Header(form, n_channels, rate, bits // 8, layout, data, n_bytes)


Pcm = NDArray[np.int16]  # (n_samples,) at 16 kHz


def decode_wav(
    file: BinaryIO, name: str, missing: ImportError, *, split: bool = False
) -> tuple[Pcm, tuple[Pcm, ...]]:
    """WAV of 8 to 32 bits, or floats, without PyAV: the mix, and each channel if `split`.

    Channels are averaged; where more than two have names, ffmpeg weighs them and this does not.
    """
    try:
        header = read_header(file)
        _check(header)
    except ValueError as error:
        message = f"load: {name} needs PyAV, which is missing: pip install av (without it: {error})"
        raise ImportError(message) from missing
    file.seek(header.data)
    raw = np.frombuffer(file.read(-1 if header.n_bytes is None else header.n_bytes), np.uint8)
    frame = header.n_channels * header.width
    raw = raw[: raw.size - raw.size % frame].reshape(-1, header.n_channels, header.width)
    stored = _floats(raw, name) if header.form == _FLOAT else _integers(raw)
    columns = [stored[:, i : i + 1] for i in range(header.n_channels)] if split else []
    return _pcm(stored, header.rate), tuple(_pcm(column, header.rate) for column in columns)


def _pcm(stored: NDArray[Any], rate: int) -> Pcm:
    """(n_samples, n_channels), float32, or int32 with the sample at the top, -> their mean."""
    if stored.dtype.kind == "i" and stored.shape[1] == 1 and rate == SAMPLE_RATE:
        return (stored[:, 0] >> 16).astype(np.int16)
    mono = resample(down_mix(as_float32(stored), channel_axis=1), rate)
    steps = (mono * np.float32(INT16_SCALE)).round()
    pcm: Pcm = steps.clip(-INT16_SCALE, INT16_SCALE - 1).astype(np.int16)
    return pcm


def _check(header: Header) -> None:
    if header.width not in _WIDTHS.get(header.form, ()):
        raise ValueError(f"format {header.form} of {8 * header.width} bits")
    if not header.n_channels or header.rate not in RATES:
        raise ValueError(f"{header.n_channels} channels at {header.rate} Hz")
    if header.n_channels > 2 and header.layout:
        raise ValueError(f"{header.n_channels} channels with a layout")


def _integers(raw: NDArray[np.uint8]) -> NDArray[np.int32]:
    """(n_samples, n_channels, width) bytes -> (n_samples, n_channels), the sample at the top."""
    width = raw.shape[2]
    words = np.zeros((*raw.shape[:2], 4), np.uint8)  # little-endian
    words[..., -width:] = raw
    if width == 1:
        words[..., 3] ^= 0x80  # 8-bit WAV is unsigned
    samples: NDArray[np.int32] = words.view("<i4")[..., 0]
    return samples


def _floats(raw: NDArray[np.uint8], name: str) -> NDArray[np.float32]:
    """(n_samples, n_channels, width) bytes -> (n_samples, n_channels) in [-1, 1]."""
    width = raw.shape[2]
    stored = np.ascontiguousarray(raw).view(f"<f{width}")[..., 0]
    meter = Meter()
    meter.add(stored)
    meter.check(name)
    with np.errstate(over="ignore"):
        samples = stored.astype(np.float32)
    return np.nan_to_num(samples, copy=False, posinf=1, neginf=-1)
