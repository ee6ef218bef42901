"""Transcripts for programs: tab- and comma-separated values, and JSON."""

import csv
import json
from dataclasses import asdict, fields
from typing import Any, TextIO

from ..results import Segment, Transcript, Word
from .names import has_speakers, one_line

# What stands elsewhere, in another form or not at all.
_NOT_OPENAIS = {
    *(
        "words",
        "logprobs",
        "alternatives",
        "hypotheses",
        "speaker",
        "language",
        "evidence",
        "doubt",
    ),
}


def write_tsv(transcript: Transcript, stream: TextIO) -> None:
    """Times are whole milliseconds. Where speakers are known, they have the last column."""
    segments = list(transcript.segments)
    named = has_speakers(segments)
    stream.write("start\tend\ttext" + ("\tspeaker\n" if named else "\n"))
    for segment in segments:
        start, end = round(1000 * segment.start), round(1000 * segment.end)
        text = segment.text.strip().replace("\t", " ")
        name = f"\t{one_line(segment.speaker or '')}" if named else ""
        stream.write(f"{start}\t{end}\t{text}{name}\n")


def write_csv(transcript: Transcript, stream: TextIO) -> None:
    """As tab-separated; quotes and line breaks as in RFC 4180."""
    table = csv.writer(stream, lineterminator="\n")
    segments = list(transcript.segments)
    named = has_speakers(segments)
    table.writerow(("start", "end", "text", *(["speaker"] if named else [])))
    for segment in segments:
        start, end = round(1000 * segment.start), round(1000 * segment.end)
        name = [segment.speaker or ""] if named else []
        table.writerow((start, end, segment.text.strip(), *name))


def plain_dict(transcript: Transcript) -> dict[str, Any]:
    """openai-whisper's result dictionary, with speakers where any are known."""
    said = list(transcript.segments)
    named = has_speakers(said)
    segments = [_plain_segment(segment, named) for segment in said]
    return {
        "text": transcript.text,
        "segments": segments,
        "language": transcript.info.language,
    }


def _plain_segment(segment: Segment, named: bool) -> dict[str, Any]:
    names = (f.name for f in fields(segment) if f.name not in _NOT_OPENAIS)
    entry = {name: getattr(segment, name) for name in names}
    entry["tokens"] = list(segment.tokens)
    if segment.words is not None or segment.is_empty:
        entry["words"] = [_plain_word(word, named) for word in segment.words or ()]
    return {**entry, "speaker": segment.speaker} if named else entry


def _plain_word(word: Word, named: bool) -> dict[str, Any]:
    """openai-whisper's has no tokens."""
    names = (f.name for f in fields(word) if f.name not in ("tokens", "speaker"))
    entry = {name: getattr(word, name) for name in names}
    return {**entry, "speaker": word.speaker} if named else entry


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
