"""Where transcripts go: a folder, tried before anything is heard, or standard output."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from ..transcription import Transcription
from ..writers import ALL, Layout, save, written
from .failures import UsageError, complain
from .streams import OutputError, note, put

# Formats of which standard output takes one document after the other.
_JOINABLE = ("txt", "json")


def stem(path: str) -> str:
    """What the files of a recording are called."""
    return "stdin" if path == "-" else Path(path).stem


def check_output(paths: Sequence[str], folder: str | None, form: str | None) -> None:
    """Raises UsageError for what cannot be meant, OutputError for what cannot be written."""
    if folder is not None:
        stems = [stem(path) for path in paths]
        twice = next((name for name in stems if stems.count(name) > 1), None)
        if twice is not None:
            raise UsageError(
                f"two inputs would both be written to {twice}.*; transcribe them apart"
            )
        prepare_folder(Path(folder))
        return
    if form == "all":
        raise UsageError("-f all writes several files; say where with -o DIR")
    if len(paths) > 1 and form not in (None, *_JOINABLE):
        raise UsageError(
            f"-f {form} puts one file on standard output, got {len(paths)} files; "
            "say where with -o DIR"
        )
    put("")


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


class Output:
    """Takes transcripts as they are finished."""

    def __init__(
        self, folder: str | None, form: str | None, layout: Layout, *, shown: bool, notes: bool
    ) -> None:
        """`shown`: their text is seen elsewhere; `notes`: say on standard error what is written."""
        self._folder = None if folder is None else Path(folder)
        self._form, self._layout = form, layout
        self._shown, self._notes = shown, notes

    @property
    def is_files(self) -> bool:
        return self._folder is not None

    def write(self, path: str, transcription: Transcription) -> bool:
        """Writes the transcript of the recording `path`, and returns whether that went well.

        A file that cannot be written is told on standard error, and the text of the recording goes
        to standard output: hours of work should not be lost for a full disk.
        """
        if self._folder is None:
            if self._form is not None:
                end = "\n" if self._form == "json" else ""  # a document a line
                put(written(transcription, self._form, self._layout) + end)
            return True
        form = self._form or "all"
        try:
            save(transcription, self._folder, stem(path), form, self._layout)
        except OSError as error:
            complain(error)
            if not self._shown:
                put(written(transcription, "txt"))
            return False
        if self._notes:
            suffix = f"{{{','.join(ALL)}}}" if form == "all" else form
            note(f"wrote {self._folder / stem(path)}.{suffix}")
        return True
