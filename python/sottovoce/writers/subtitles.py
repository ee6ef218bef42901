"""Subtitles: WebVTT and SubRip."""

from collections.abc import Iterator
from typing import TextIO

from ..results import Segment, Transcript
from .timestamps import format_timestamp


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


def _subtitles(transcript: Transcript) -> Iterator[Segment]:
    """The segments that become subtitles.

    openai-whisper shows an emptied segment as a blank subtitle, but none at all if the first
    segment is an emptied one (it then takes its path for word timestamps, which emptied segments
    lack).
    """
    hide_empty = bool(transcript.segments) and transcript.segments[0].is_empty
    return (s for s in transcript.segments if not (hide_empty and s.is_empty))


def _cue_text(segment: Segment) -> str:
    return segment.text.strip().replace("-->", "->")
