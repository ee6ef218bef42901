"""`load`: whatever a caller has -> samples; `snapshot`: the same, safe to load later."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._core import SAMPLE_RATE
from ..aside import aside
from ..errors import warn_of_audio
from . import levels
from .arrays import channels_of_array, from_array, from_pcm
from .forms import Form, plain
from .media import Decoded, decode
from .sources import opened
from .timeline import Stretch

Audio: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | Form


@dataclass(frozen=True)
class Recording:
    """What was read of a caller's audio."""

    samples: NDArray[np.float32]  # (n_samples,) mono, 16 kHz
    missing: tuple[Stretch, ...] = ()  # (start, end) in s; silence, or behind the present end
    doubts: tuple[str, ...] = ()  # what the caller should be told (`errors.warn_of_audio`)
    channels: tuple[NDArray[np.float32], ...] = ()  # (n_samples,) each; where they are asked for


def load(audio: Audio, *, sample_rate: int | None = None) -> NDArray[np.float32]:
    """`audio` as samples: (n_samples,) float32, mono, 16 kHz; (0,) for valid media of no length.

    audio: one of
        a path, to any container and codec that ffmpeg knows, the sound of a video included;
        bytes, bytearray, memoryview: the contents of such a file;
        a binary file object: read from its position to its end, and left open there;
        an array: float32 or float64 in [-1, 1], or int16, int32, uint8 over their full scale;
        (n_samples,), or with channels on either axis, the smaller one: these are averaged.
        A float32 array, mono at 16 kHz, is returned as it is, without a copy;
        what other libraries call audio: (rate, samples), {"array": ..., "sampling_rate": ...},
        tensors, pydub segments, lists of floats (`forms.plain`).
    sample_rate: Hz, of samples only (16000 unless told): media state their own.

    Raises FileNotFoundError and the other OSErrors of a path; AudioError: cannot be decoded;
    ImportError: PyAV is needed and missing; TypeError: another kind of object or dtype;
    ShapeError: a shape that is not audio; ValueError: NaN, infinity, float samples beyond [-1, 1]
    by far, an absurd sample_rate. Warns (AudioWarning) of silence and clipping.
    """
    recording = read(audio, sample_rate=sample_rate)
    warn_of_audio(recording.doubts)
    return recording.samples


def read(audio: Audio, *, sample_rate: int | None = None) -> Recording:
    """`load`, which leaves the warnings to the caller: to a thread where they are seen."""
    missing: tuple[Stretch, ...] = ()
    damages: tuple[str, ...] = ()
    audio, sample_rate = plain(audio, sample_rate)
    if isinstance(audio, np.ndarray):
        samples = from_array(audio, SAMPLE_RATE if sample_rate is None else sample_rate)
        name = f"array {audio.shape} {audio.dtype}"
    else:
        _refuse_rate(sample_rate)
        media, name = aside(_decoded, audio)
        samples = from_pcm(media.pcm)
        missing, damages = media.missing, media.doubts
    return Recording(samples, missing, (*damages, *levels.doubts(samples, name)))


def read_channels(audio: Audio, *, sample_rate: int | None = None) -> Recording:
    """`read`, with each channel beside their mix, as if it had come alone; doubts are of those."""
    audio, rate = plain(audio, sample_rate)
    if isinstance(audio, np.ndarray):
        mix = read(audio, sample_rate=rate)
        channels = channels_of_array(audio, SAMPLE_RATE if rate is None else rate)
        name = f"array {audio.shape} {audio.dtype}"
        return Recording(mix.samples, (), _doubts(channels, name), channels)
    _refuse_rate(rate)
    media, name = aside(_decoded, audio, True)
    channels = tuple(map(from_pcm, media.channels))
    doubts = (*media.doubts, *_doubts(channels, name))
    return Recording(from_pcm(media.pcm), media.missing, doubts, channels)


def _doubts(channels: Sequence[NDArray[np.float32]], name: str) -> tuple[str, ...]:
    named = [(f"{name}, channel {i},", samples) for i, samples in enumerate(channels, start=1)]
    return tuple(doubt for each, samples in named for doubt in levels.doubts(samples, each))


def _refuse_rate(rate: int | None) -> None:
    if rate is not None:
        raise ValueError("load: sample_rate is for samples; media state their own, leave it out")


def _decoded(audio: Audio, split: bool = False) -> tuple[Decoded, str]:
    with opened(audio) as (file, name):
        return decode(file, name, split=split), name


def snapshot(audio: Audio) -> Audio:
    """The same, in memory of its own where the caller could change it before it is loaded.

    Samples, a buffer and the rest of a file are copied; a path stays what it is, and so does what
    `load` would refuse. Raises what reading the file raises.
    """
    if not isinstance(audio, (str, os.PathLike)):
        audio, rate = plain(audio, None)
        if rate is not None:
            return rate, np.array(audio)
    if isinstance(audio, np.ndarray):
        return np.array(audio)
    if isinstance(audio, (bytearray, memoryview)):
        return bytes(audio)
    if not isinstance(audio, (str, os.PathLike, bytes)) and hasattr(audio, "read"):
        with opened(audio) as (file, _):
            copy = io.BytesIO(file.read())
        copy.name = getattr(audio, "name", type(audio).__name__)
        return copy
    return audio
