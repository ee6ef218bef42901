"""A transcript in a named format, on a stream or in files that appear whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from types import MappingProxyType
from typing import TextIO

from ..atomic import atomic_file
from ..results import Transcript
from .data import write_json, write_tsv
from .subtitles import write_srt, write_vtt
from .text import write_txt

# Format, which is also the file's extension -> writer.
WRITERS: MappingProxyType[str, Callable[[Transcript, TextIO], None]] = MappingProxyType(
    {"txt": write_txt, "vtt": write_vtt, "srt": write_srt, "tsv": write_tsv, "json": write_json}
)
FORMATS = (*WRITERS, "all")


def check_format(output_format: str, *, where: str = "write") -> None:
    """Raises ValueError for a format that is none of WRITERS."""
    if output_format not in WRITERS:
        names = ", ".join(WRITERS)
        raise ValueError(f"{where}: format must be one of {names}, got {output_format!r}")


def write(transcript: Transcript, stream: TextIO, output_format: str) -> None:
    """Writes one format. Raises ValueError for a format that is none of WRITERS."""
    check_format(output_format)
    WRITERS[output_format](transcript, stream)


def written(transcript: Transcript, output_format: str) -> str:
    """What `write` writes."""
    stream = StringIO()
    write(transcript, stream, output_format)
    return stream.getvalue()


def save_file(transcript: Transcript, path: Path, output_format: str) -> None:
    """Writes one format, UTF-8, to a file that appears whole or not at all.

    Raises ValueError for an unknown format, OSError if the file system refuses; a file that
    existed is then as it was.
    """
    with atomic_file(path) as stream:
        write(transcript, stream, output_format)


def save(transcript: Transcript, directory: Path, stem: str, output_format: str) -> list[Path]:
    """Writes directory/stem.<format>, all formats for "all"; returns the paths.

    The directory is made if missing. Raises as `save_file` does.
    """
    formats = list(WRITERS) if output_format == "all" else [output_format]
    directory.mkdir(parents=True, exist_ok=True)
    paths = [directory / f"{stem}.{name}" for name in formats]
    for path, name in zip(paths, formats, strict=True):
        save_file(transcript, path, name)
    return paths
