"""Transcripts as txt, vtt, srt, tsv and json: the bytes that openai-whisper writes, but for
subtitles that strict parsers refuse (subtitles.py).

One file a family of formats: each writer puts one transcript on a text stream. `save` puts it into
files. What a transcript is, and its text, come from elsewhere; nothing is decoded here.
"""

from .saving import FORMATS, WRITERS, check_format, save, save_file, write, written
from .timestamps import format_timestamp

__all__ = [
    "FORMATS",
    "WRITERS",
    "check_format",
    "format_timestamp",
    "save",
    "save_file",
    "write",
    "written",
]
