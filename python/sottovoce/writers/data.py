"""Transcripts for programs: tab- and comma-separated values, and JSON."""

import csv
import json
from dataclasses import asdict
from typing import TextIO

from ..results import Transcript


def write_tsv(transcript: Transcript, stream: TextIO) -> None:
    """Times are whole milliseconds."""
    stream.write("start\tend\ttext\n")
    for segment in transcript.segments:
        start, end = round(1000 * segment.start), round(1000 * segment.end)
        text = segment.text.strip().replace("\t", " ")
        stream.write(f"{start}\t{end}\t{text}\n")


def write_csv(transcript: Transcript, stream: TextIO) -> None:
    """Times are whole milliseconds; quotes and line breaks as in RFC 4180."""
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(("start", "end", "text"))
    for segment in transcript.segments:
        start, end = round(1000 * segment.start), round(1000 * segment.end)
        table.writerow((start, end, segment.text.strip()))


def write_json(transcript: Transcript, stream: TextIO) -> None:
    """openai-whisper's result."""
    json.dump(transcript.as_dict(), stream)


def write_full_json(transcript: Transcript, stream: TextIO) -> None:
    """All that is known: also the tokens of words, the options and the figures."""
    everything = {
        "text": transcript.text,
        "language": transcript.info.language,
        "segments": [asdict(segment) for segment in transcript.segments],
        "info": transcript.info.as_dict(),
    }
    json.dump(everything, stream, ensure_ascii=False, indent=2)
    stream.write("\n")
