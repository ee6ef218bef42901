"""A transcript in a named format, on a stream or in files that appear whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from types import MappingProxyType
from typing import TextIO

from ..atomic import atomic_file
from ..results import Transcript
from .ass import write_ass
from .cues import Layout
from .data import write_csv, write_full_json, write_json, write_tsv
from .lyrics import write_lrc
from .subtitles import write_srt, write_vtt
from .text import write_txt

_Writer = Callable[[Transcript, TextIO, Layout], None]


def _plain(write: Callable[[Transcript, TextIO], None]) -> _Writer:
    """A format that no layout changes."""
    return lambda transcript, stream, layout: write(transcript, stream)


# Format, which is also the file's extension -> writer.
WRITERS: MappingProxyType[str, _Writer] = MappingProxyType(
    {
        "txt": _plain(write_txt),
        "vtt": write_vtt,
        "srt": write_srt,
        "tsv": _plain(write_tsv),
        "json": _plain(write_json),
        "lrc": write_lrc,
        "csv": _plain(write_csv),
        "ass": write_ass,
        "full.json": _plain(write_full_json),
    }
)
SUBTITLES = ("vtt", "srt", "lrc", "ass")  # formats that a layout changes
ALL = ("txt", "vtt", "srt", "tsv", "json")  # what "all" means, as in openai-whisper
FORMATS = (*WRITERS, "all")


def check_format(output_format: str, *, where: str = "write") -> None:
    """Raises ValueError for a format that is none of WRITERS."""
    if output_format not in WRITERS:
        names = ", ".join(WRITERS)
        raise ValueError(f"{where}: format must be one of {names}, got {output_format!r}")


def format_of(path: Path) -> str:
    """The format that a file's name ends in; what stands behind its last dot if it is none."""
    name = path.name.lower()
    found = [form for form in WRITERS if name.endswith(f".{form}")]
    return max(found, key=len, default=path.suffix.removeprefix(".").lower())


def write(
    transcript: Transcript, stream: TextIO, output_format: str, layout: Layout | None = None
) -> None:
    """Writes one format.

    Raises ValueError for a format that is none of WRITERS, and for a layout that needs word times
    where there are none.
    """
    check_format(output_format)
    WRITERS[output_format](transcript, stream, layout or Layout())


def written(transcript: Transcript, output_format: str, layout: Layout | None = None) -> str:
    """What `write` writes."""
    stream = StringIO()
    write(transcript, stream, output_format, layout)
    return stream.getvalue()


def save_file(
    transcript: Transcript, path: Path, output_format: str, layout: Layout | None = None
) -> None:
    """Writes one format, UTF-8, to a file that appears whole or not at all.

    Raises what `write` raises, OSError if the file system refuses; a file that existed is then as
    it was.
    """
    with atomic_file(path) as stream:
        write(transcript, stream, output_format, layout)


def save(
    transcript: Transcript,
    directory: Path,
    stem: str,
    output_format: str,
    layout: Layout | None = None,
) -> list[Path]:
    """Writes directory/stem.<format>, those of ALL for "all"; returns the paths.

    The directory is made if missing. Raises as `save_file` does.
    """
    formats = list(ALL) if output_format == "all" else [output_format]
    directory.mkdir(parents=True, exist_ok=True)
    paths = [directory / f"{stem}.{name}" for name in formats]
    for path, name in zip(paths, formats, strict=True):
        save_file(transcript, path, name, layout)
    return paths
