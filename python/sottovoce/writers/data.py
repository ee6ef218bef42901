"""Transcripts for programs: tab-separated values and JSON."""

import json
from typing import TextIO

from ..results import Transcript


def write_tsv(transcript: Transcript, stream: TextIO) -> None:
    """Times are whole milliseconds."""
    stream.write("start\tend\ttext\n")
    for segment in transcript.segments:
        start, end = round(1000 * segment.start), round(1000 * segment.end)
        text = segment.text.strip().replace("\t", " ")
        stream.write(f"{start}\t{end}\t{text}\n")


def write_json(transcript: Transcript, stream: TextIO) -> None:
    json.dump(transcript.as_dict(), stream)
