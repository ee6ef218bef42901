"""Plain text: a line a segment."""

from typing import TextIO

from ..results import Transcript


def write_txt(transcript: Transcript, stream: TextIO) -> None:
    for segment in transcript.segments:
        stream.write(f"{segment.text.strip()}\n")
