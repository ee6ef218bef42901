"""Plain text: a line a segment."""

from typing import TextIO

from ..results import Transcript
from .names import prefixed


def write_txt(transcript: Transcript, stream: TextIO) -> None:
    for segment in transcript.segments:
        stream.write(f"{prefixed(segment.text.strip(), segment.speaker)}\n")
