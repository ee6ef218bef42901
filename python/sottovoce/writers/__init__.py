"""Transcripts as txt, vtt, srt, tsv and json: the bytes that openai-whisper writes, but for
subtitles that strict parsers refuse (subtitles.py). And as lrc, csv, ass and full.json.

One file a family of formats: each writer puts one transcript on a text stream; cues.py lays out
subtitles; `save` puts them into files. What a transcript is, and its text, come from elsewhere;
nothing is decoded here.
"""

from .cues import Layout
from .data import plain_dict
from .names import prefixed
from .notebook import html_table
from .saving import (
    ALL,
    FORMATS,
    SUBTITLES,
    WRITERS,
    check_format,
    format_of,
    save,
    save_file,
    write,
    written,
)
from .timestamps import format_timestamp

__all__ = [
    "ALL",
    "FORMATS",
    "SUBTITLES",
    "WRITERS",
    "Layout",
    "check_format",
    "format_of",
    "format_timestamp",
    "html_table",
    "plain_dict",
    "prefixed",
    "save",
    "save_file",
    "write",
    "written",
]
