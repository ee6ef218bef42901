"""What holds media -> a file that can be read and sought, from its first byte."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO


@contextlib.contextmanager
def opened(audio: Any) -> Iterator[tuple[BinaryIO, str]]:
    """A seekable binary file at 0, and its name for messages; closed only if opened here."""
    if isinstance(audio, (str, os.PathLike)):
        with Path(audio).open("rb") as file:
            yield _seekable(file), repr(os.fspath(audio))
    elif isinstance(audio, (bytes, bytearray, memoryview)):
        yield io.BytesIO(audio), f"{type(audio).__name__} ({memoryview(audio).nbytes} bytes)"
    elif hasattr(audio, "read"):
        if not isinstance(audio.read(0), bytes):
            raise TypeError("load: the file must be binary, got text; open it with mode 'rb'")
        yield _seekable(audio), repr(getattr(audio, "name", type(audio).__name__))
        if _can_seek(audio):
            audio.seek(0, os.SEEK_END)
    else:
        raise TypeError(
            "load: audio must be a path, bytes, a binary file or samples (an array, a tensor, "
            f"(rate, samples), ...), got {type(audio).__name__}"
        )


def _can_seek(file: BinaryIO) -> bool:
    return hasattr(file, "seekable") and file.seekable()


def _seekable(file: BinaryIO) -> BinaryIO:
    """`file`, or its rest in memory: decoders seek, and take 0 for the start of the media."""
    return file if _can_seek(file) and file.tell() == 0 else io.BytesIO(file.read())


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
