"""Where transcripts go: a folder, tried before anything is heard, or standard output."""

from __future__ import annotations

import tempfile
from pathlib import Path

from .failures import OutputError


def prepare_folder(folder: Path) -> None:
    """Makes the folder if it is missing, and writes a little in it, of which nothing stays.

    Raises OutputError, which names the folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder, prefix=".sottovoce-") as file:
            file.write(bytes(4096))
    except FileExistsError:
        raise OutputError(f"{folder}: the output folder must be a folder, got a file") from None
    except OSError as error:
        raise OutputError(f"{folder}: the output folder: {error.strerror}") from error
