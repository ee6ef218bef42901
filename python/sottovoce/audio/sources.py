"""What holds media -> a file that can be read and sought, from its first byte."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from ..aside import in_front

_BLOCK = 1 << 18  # bytes; to have another thread read fewer takes longer than to read them


@contextlib.contextmanager
def opened(audio: Any) -> Iterator[tuple[BinaryIO, str]]:
    """A seekable binary file at 0, and its name for messages; closed only if opened here."""
    if isinstance(audio, (str, os.PathLike)):
        with Path(audio).open("rb") as file:
            yield _seekable(file), repr(os.fspath(audio))
    elif isinstance(audio, (bytes, bytearray, memoryview)):
        yield io.BytesIO(audio), f"{type(audio).__name__} ({memoryview(audio).nbytes} bytes)"
    elif hasattr(audio, "read"):
        if not isinstance(in_front(audio.read, 0), bytes):
            raise TypeError("load: the file must be binary, got text; open it with mode 'rb'")
        name = repr(getattr(audio, "name", type(audio).__name__))
        yield _seekable(io.BufferedReader(_OfCaller(audio), _BLOCK)), name
        if hasattr(audio, "seekable") and in_front(audio.seekable):
            in_front(audio.seek, 0, os.SEEK_END)
    else:
        raise TypeError(
            "load: audio must be a path, bytes, a binary file or samples (an array, a tensor, "
            f"(rate, samples), ...), got {type(audio).__name__}"
        )


def _seekable(file: BinaryIO) -> BinaryIO:
    """`file`, or its rest in memory: decoders seek, and take 0 for the start of the media."""
    return file if file.seekable() and file.tell() == 0 else io.BytesIO(file.read())


class _OfCaller(io.RawIOBase):
    """A caller's own file, used by who waits for that, and left open.

    It may be bound to the thread in which it was given, or to what that thread holds.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return hasattr(self._file, "seekable") and in_front(self._file.seekable)

    def readinto(self, out: Any) -> int:
        data = in_front(self._file.read, len(out))
        out[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return in_front(self._file.seek, offset, whence)

    def tell(self) -> int:
        return in_front(self._file.tell)


class Part:
    """A file from a byte of it on, to be read as if it began there."""

    def __init__(self, file: BinaryIO, start: int) -> None:
        self._file, self._start = file, start
        file.seek(start)
        self.read = file.read

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        begin = self._start if whence == os.SEEK_SET else 0
        return self._file.seek(begin + offset, whence) - self._start

    def tell(self) -> int:
        return self._file.tell() - self._start
