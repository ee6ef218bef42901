"""What other libraries call audio -> a path, bytes, a file or an array, with its sample rate.

Taken is what can mean one thing only; for the rest there is advice. No library is imported here.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray


class Tensor(Protocol):
    """Of PyTorch, JAX, TensorFlow, CuPy, ...: what `numpy.asarray` takes."""

    def __array__(self) -> NDArray[Any]: ...


class PydubSegment(Protocol):
    """What is read of a pydub.AudioSegment."""

    channels: Any
    frame_rate: Any

    def get_array_of_samples(self) -> Any: ...


Samples: TypeAlias = NDArray[Any] | Tensor | Sequence[float]
Form: TypeAlias = (
    Samples | tuple[int, Samples] | tuple[Samples, int] | Mapping[str, Any] | PydubSegment
)

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def plain(audio: Any, rate: int | None) -> tuple[Any, int | None]:
    """`audio` in a form that `load` knows, or as it is; the rate of its samples in Hz, or None.

    Taken: a pair of rate and samples, in either order (gradio, librosa, torchaudio); a dictionary
    with "array" or "raw" and "sampling_rate" (datasets, transformers), or with "bytes" or "path";
    tensors; a pydub segment; a list of floats. Raises TypeError or ValueError with advice for what
    looks like audio and is not, and for two rates that differ.
    """
    if isinstance(audio, (np.ndarray, bytes, bytearray, memoryview)):
        return audio, rate
    if isinstance(audio, (str, os.PathLike)):
        _check_address(audio)
        return audio, rate
    if isinstance(audio, Mapping):
        return _of_dictionary(audio, rate)
    if hasattr(audio, "get_array_of_samples") and hasattr(audio, "frame_rate"):
        return _of_segment(audio), _one_rate(rate, audio.frame_rate)
    if inspect.isawaitable(audio) or inspect.iscoroutinefunction(getattr(audio, "read", None)):
        _refuse(audio, "is asynchronous; await its contents, and give those bytes")
    if hasattr(audio, "read"):
        return audio, rate
    if isinstance(audio, (list, tuple)):
        return _of_sequence(audio, rate)
    if hasattr(audio, "detach") or hasattr(audio, "__array__"):
        return _of_tensor(audio), rate
    return audio, rate


def _refuse(audio: Any, why: str) -> NoReturn:
    raise TypeError(f"load: {type(audio).__name__} {why}")


def _check_address(path: str | os.PathLike[str]) -> None:
    name = os.fspath(path)
    if isinstance(name, str) and _ADDRESS.match(name) and not os.path.exists(name):  # noqa: PTH110
        raise ValueError(f"load: {name!r} is an address; download it first, and give the file")


def _one_rate(asked: int | None, stated: Any) -> int:
    if asked is not None and asked != stated:
        raise ValueError(f"load: sample_rate must be {stated}, as with the samples, got {asked}")
    return int(stated) if isinstance(stated, (int, np.integer)) else stated  # checked with the rest


def _of_dictionary(audio: Mapping[str, Any], rate: int | None) -> tuple[Any, int | None]:
    for key in ("array", "raw"):
        if audio.get(key) is not None:
            stated = audio.get("sampling_rate", audio.get("sample_rate"))
            samples, _ = plain(audio[key], None)
            return samples, rate if stated is None else _one_rate(rate, stated)
    for key in ("bytes", "path"):
        if audio.get(key) is not None:
            return plain(audio[key], rate)
    keys = ", ".join(repr(key) for key in list(audio)[:5]) or "no keys"
    raise TypeError(
        "load: a dictionary must have 'array' and 'sampling_rate', or 'bytes' or 'path', "
        f"got {keys}"
    )


def _of_sequence(audio: Sequence[Any], rate: int | None) -> tuple[Any, int | None]:
    whole = [isinstance(part, (int, np.integer)) for part in audio]
    if isinstance(audio, tuple) and len(audio) == 2 and whole.count(True) == 1:
        stated, samples = audio if whole[0] else reversed(audio)
        return plain(samples, None)[0], _one_rate(rate, stated)
    if any(not isinstance(part, (int, float, np.number)) for part in audio):
        _refuse(audio, "of recordings goes to transcribe_many; one recording is a path or samples")
    return np.asarray(audio, np.float32 if not all(whole) else None), rate


def _of_tensor(audio: Any) -> NDArray[Any]:
    """A tensor's numbers in the memory of this machine; those of PyTorch leave their graph."""
    try:
        if hasattr(audio, "detach"):
            audio = audio.detach().cpu()
        return np.asarray(audio)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(
            f"load: {type(audio).__name__} cannot be read as an array, give float32 samples: "
            f"{error}"
        ) from error


def _of_segment(segment: Any) -> NDArray[Any]:
    """A pydub segment: integers of 1, 2 or 4 bytes, (n_samples, n_channels)."""
    samples = np.asarray(segment.get_array_of_samples()).reshape(-1, segment.channels)
    return samples.astype(np.int16) << 8 if samples.dtype.itemsize == 1 else samples
