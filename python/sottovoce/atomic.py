"""Files and directories that are written whole or not at all.

What is being written lies beside its destination under a hidden name, and is renamed when all is
well. An error, or a crash, leaves the destination as it was. The core keeps packed weights by rules
of its own, since several processes may write them at once.
"""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def atomic_file(destination: Path) -> Iterator[TextIO]:
    """Yields a UTF-8 text file that becomes `destination`, or replaces it, when the block succeeds.

    Raises OSError, which names `destination`, if the file system refuses.
    """
    with (
        atomic_path(destination) as partial,
        partial.open("x", encoding="utf-8", newline="\n") as file,
    ):
        yield file


@contextmanager
def atomic_path(destination: Path) -> Iterator[Path]:
    """The same for whoever opens the file by its path: it is not there yet."""
    partial = _beside(destination, "partial")
    try:
        yield partial
        partial.replace(destination)
    except OSError as error:
        if error.errno is not None and error.filename in (None, str(partial)):
            error.filename, error.filename2 = str(destination), None
        raise
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def atomic_directory(destination: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yields an empty directory that becomes `destination` when the block succeeds.

    Raises FileExistsError if `destination` is a file, or a directory with something in it and
    `overwrite` is false; nothing is written then.
    """
    destination = destination.resolve()
    _refuse_to_clobber(destination, overwrite)
    destination.parent.mkdir(parents=True, exist_ok=True)
    partial = _beside(destination, "partial")
    partial.mkdir()
    try:
        yield partial
        _take_place(partial, destination, overwrite)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _beside(path: Path, role: str) -> Path:
    # Without the name of `path`, which may be as long as the file system takes.
    return path.with_name(f".sottovoce-{os.getpid()}-{secrets.token_hex(4)}.{role}")


def _refuse_to_clobber(destination: Path, overwrite: bool) -> None:
    if destination.exists() and not destination.is_dir():
        raise FileExistsError(f"{destination} is a file; name a directory")
    if destination.is_dir() and not overwrite and any(destination.iterdir()):
        raise FileExistsError(
            f"{destination} is not empty; choose another directory, or pass overwrite=True"
        )


def _take_place(partial: Path, destination: Path, overwrite: bool) -> None:
    # rename(2) replaces an empty directory in one step and refuses one that filled up meanwhile.
    if not overwrite or not destination.exists():
        partial.rename(destination)
        return
    retired = _beside(destination, "old")
    destination.rename(retired)
    try:
        partial.rename(destination)
    except OSError:
        retired.rename(destination)
        raise
    shutil.rmtree(retired, ignore_errors=True)
