"""Transcripts as txt, vtt, srt, tsv and json: the bytes that openai-whisper writes.

Each writer puts one transcript on a text stream. `save` puts it into files, each of which appears
whole or not at all.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TextIO

from .segments import Segment

_JSON_FIELDS = (
    *("id", "seek", "start", "end", "text", "tokens"),
    *("temperature", "avg_logprob", "compression_ratio", "no_speech_prob"),
)


@dataclass(frozen=True)
class Transcript:
    """A whole transcript."""

    text: str
    segments: Sequence[Segment]
    language: str  # code

    def as_dict(self) -> dict[str, Any]:
        """openai-whisper's result dictionary; emptied segments carry its empty list of words."""
        segments: list[dict[str, Any]] = []
        for segment in self.segments:
            entry = {name: getattr(segment, name) for name in _JSON_FIELDS}
            entry["tokens"] = list(segment.tokens)
            segments.append({**entry, "words": []} if segment.is_empty else entry)
        return {"text": self.text, "segments": segments, "language": self.language}


def format_timestamp(seconds: float, *, always_hours: bool = False, marker: str = ".") -> str:
    """[hh:]mm:ss.mmm, to the nearest millisecond; hours where there are any, or always."""
    minutes, milliseconds = divmod(round(seconds * 1000.0), 60_000)
    hours, minutes = divmod(minutes, 60)
    whole, thousandths = divmod(milliseconds, 1000)
    prefix = f"{hours:02d}:" if always_hours or hours else ""
    return f"{prefix}{minutes:02d}:{whole:02d}{marker}{thousandths:03d}"


def write_txt(transcript: Transcript, stream: TextIO) -> None:
    for segment in transcript.segments:
        stream.write(f"{segment.text.strip()}\n")


def write_vtt(transcript: Transcript, stream: TextIO) -> None:
    stream.write("WEBVTT\n\n")
    for segment in _subtitles(transcript):
        start, end = format_timestamp(segment.start), format_timestamp(segment.end)
        stream.write(f"{start} --> {end}\n{_cue_text(segment)}\n\n")


def write_srt(transcript: Transcript, stream: TextIO) -> None:
    for number, segment in enumerate(_subtitles(transcript), start=1):
        start, end = (
            format_timestamp(seconds, always_hours=True, marker=",")
            for seconds in (segment.start, segment.end)
        )
        stream.write(f"{number}\n{start} --> {end}\n{_cue_text(segment)}\n\n")


def write_tsv(transcript: Transcript, stream: TextIO) -> None:
    """Times are whole milliseconds."""
    stream.write("start\tend\ttext\n")
    for segment in transcript.segments:
        start, end = round(1000 * segment.start), round(1000 * segment.end)
        text = segment.text.strip().replace("\t", " ")
        stream.write(f"{start}\t{end}\t{text}\n")


def write_json(transcript: Transcript, stream: TextIO) -> None:
    json.dump(transcript.as_dict(), stream)


# Format, which is also the file's extension -> writer.
WRITERS: MappingProxyType[str, Callable[[Transcript, TextIO], None]] = MappingProxyType(
    {"txt": write_txt, "vtt": write_vtt, "srt": write_srt, "tsv": write_tsv, "json": write_json}
)
FORMATS = (*WRITERS, "all")


def write(transcript: Transcript, stream: TextIO, output_format: str) -> None:
    """Writes one format. Raises ValueError for a format that is none of WRITERS."""
    if output_format not in WRITERS:
        names = ", ".join(WRITERS)
        raise ValueError(f"write: output_format must be one of {names}, got {output_format!r}")
    WRITERS[output_format](transcript, stream)


def save(transcript: Transcript, directory: Path, stem: str, output_format: str) -> list[Path]:
    """Writes directory/stem.<format>, all formats for "all", UTF-8; returns the paths.

    The directory is made if missing. Raises ValueError for an unknown format, OSError if the
    file system refuses; a file that existed is then as it was.
    """
    formats = list(WRITERS) if output_format == "all" else [output_format]
    directory.mkdir(parents=True, exist_ok=True)
    paths = [directory / f"{stem}.{name}" for name in formats]
    for path, name in zip(paths, formats, strict=True):
        _save_whole(transcript, path, name)
    return paths


def _save_whole(transcript: Transcript, path: Path, output_format: str) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        with partial.open("x", encoding="utf-8", newline="\n") as stream:
            write(transcript, stream, output_format)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _subtitles(transcript: Transcript) -> Iterator[Segment]:
    """The segments that become subtitles.

    openai-whisper shows an emptied segment as a blank subtitle, but none at all if the first
    segment is an emptied one (it then takes its way for words, which emptied segments lack).
    """
    hide_empty = bool(transcript.segments) and transcript.segments[0].is_empty
    return (s for s in transcript.segments if not (hide_empty and s.is_empty))


def _cue_text(segment: Segment) -> str:
    return segment.text.strip().replace("-->", "->")
