"""Directories that appear whole or not at all.

Whoever writes a model to disk (the converter, the demo's download) fills a hidden directory beside
the destination and renames it when all is well. A crash leaves the destination as it was.
"""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def staged_directory(destination: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yields an empty directory that becomes `destination` when the block succeeds.

    Raises FileExistsError if `destination` is a file, or a directory with something in it and
    `overwrite` is false; nothing is written then.
    """
    destination = destination.resolve()
    _refuse_to_clobber(destination, overwrite)
    destination.parent.mkdir(parents=True, exist_ok=True)
    staging = _beside(destination, "partial")
    staging.mkdir()
    try:
        yield staging
        _take_place(staging, destination, overwrite)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _beside(path: Path, role: str) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.{role}")


def _refuse_to_clobber(destination: Path, overwrite: bool) -> None:
    if destination.exists() and not destination.is_dir():
        raise FileExistsError(f"{destination} is a file; name a directory")
    if destination.is_dir() and not overwrite and any(destination.iterdir()):
        raise FileExistsError(
            f"{destination} is not empty; choose another directory, or pass overwrite=True"
        )


def _take_place(staging: Path, destination: Path, overwrite: bool) -> None:
    # rename(2) replaces an empty directory in one step and refuses one that filled up meanwhile.
    if not overwrite or not destination.exists():
        staging.rename(destination)
        return
    retired = _beside(destination, "old")
    destination.rename(retired)
    try:
        staging.rename(destination)
    except OSError:
        retired.rename(destination)
        raise
    shutil.rmtree(retired, ignore_errors=True)
