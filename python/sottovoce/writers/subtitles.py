"""Subtitles: WebVTT and SubRip, valid for strict parsers.

For that they differ from openai-whisper's: no cue is blank, or has a blank line, which would end
it; dashes before ">" are one, whatever their number; "&" and "<" are escaped in WebVTT.
"""

import re
from collections.abc import Iterator
from typing import TextIO

from ..results import Segment, Transcript
from .timestamps import format_timestamp


def write_vtt(transcript: Transcript, stream: TextIO) -> None:
    stream.write("WEBVTT\n\n")
    for segment, text in _cues(transcript):
        start, end = format_timestamp(segment.start), format_timestamp(segment.end)
        escaped = text.replace("&", "&amp;").replace("<", "&lt;")
        stream.write(f"{start} --> {end}\n{escaped}\n\n")


def write_srt(transcript: Transcript, stream: TextIO) -> None:
    for number, (segment, text) in enumerate(_cues(transcript), start=1):
        start, end = (
            format_timestamp(seconds, always_hours=True, marker=",")
            for seconds in (segment.start, segment.end)
        )
        stream.write(f"{number}\n{start} --> {end}\n{text}\n\n")


def _cues(transcript: Transcript) -> Iterator[tuple[Segment, str]]:
    """The segments that say something, and the text of their cues."""
    for segment in transcript.segments:
        lines = [line for line in segment.text.splitlines(keepends=True) if line.strip()]
        if text := "".join(lines).strip():
            yield segment, re.sub("--+>", "->", text)
