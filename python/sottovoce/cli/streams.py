"""The standard streams as they are found: closed, full, or in an encoding that lacks characters.

Results go out by `put`, all else by `note`; both leave progress bars below what they print.
"""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO


class OutputError(Exception):
    """There is no place for what comes out."""


class _Closed(io.TextIOBase):
    """Stands for a standard output that was closed before we started."""

    def write(self, _: str) -> int:
        raise OutputError("standard output is closed")


@contextmanager
def usable_streams() -> Iterator[None]:
    """A closed stream fails those who need it, and nobody else.

    Its number is taken: a file that is opened next would get it, and whatever libraries print.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            _point(number, os.devnull)
    found = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = found[0] or _Closed(), found[1] or io.StringIO()
    try:
        yield
    finally:
        sys.stdout, sys.stderr = found


def put(text: str) -> None:
    """Writes to standard output, with "?" for characters that its encoding lacks.

    Raises OutputError if it takes nothing, BrokenPipeError if its reader has gone.
    """
    try:
        text = _encodable(text, sys.stdout)
        with _above_bars(sys.stdout):
            sys.stdout.write(text)
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        abandon(sys.stdout)
        raise OutputError(f"standard output: {error.strerror}") from error


def note(line: str) -> None:
    """Prints a line on standard error, if that takes anything; names of files may hold anything."""
    printable = "".join(c if c.isprintable() else "\ufffd" for c in line)
    try:
        with _above_bars(sys.stderr):
            print(printable, file=sys.stderr, flush=True)
    except OSError:
        abandon(sys.stderr)


def abandon(stream: TextIO) -> None:
    """Lets go of what a stream still holds; at its end Python would fail to write it once more."""
    with suppress(OSError):  # a stream of no file
        _point(stream.fileno(), os.devnull)


@contextmanager
def _above_bars(stream: TextIO) -> Iterator[None]:
    tqdm = sys.modules.get("tqdm")
    if tqdm is None:
        yield
    else:
        with tqdm.tqdm.external_write_mode(stream):
            yield


def _point(number: int, path: str) -> None:
    opened = os.open(path, os.O_RDWR)
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)


def _encodable(text: str, stream: TextIO) -> str:
    encoding = stream.encoding or "utf-8"
    try:
        text.encode(encoding, stream.errors or "strict")
    except UnicodeEncodeError:
        warnings.warn(
            f"standard output is {encoding}, which lacks characters of the text: they are shown "
            'as "?"; PYTHONIOENCODING=utf-8 keeps them',
            UnicodeWarning,
            stacklevel=2,
        )
        return text.encode(encoding, "replace").decode(encoding)
    return text
