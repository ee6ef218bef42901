"""Subtitles: WebVTT and SubRip, valid for strict parsers.

For that they differ from openai-whisper's: no cue is blank, or has a blank line, which would end
it; dashes before ">" are one, whatever their number; "&" and "<" are escaped in WebVTT; where two
words overlap, no moment runs backwards.
"""

import re
from collections.abc import Callable, Iterator
from typing import TextIO

from ..results import Transcript
from .cues import Cue, Layout, Named, cues
from .names import one_line, prefixed
from .timestamps import format_timestamp


def write_vtt(transcript: Transcript, stream: TextIO, layout: Layout) -> None:
    stream.write("WEBVTT\n\n")
    for start, end, text in _shown(transcript, layout, _escaped, _voice, "nowhere"):
        stream.write(f"{format_timestamp(start)} --> {format_timestamp(end)}\n{text}\n\n")


def write_srt(transcript: Transcript, stream: TextIO, layout: Layout) -> None:
    shown = _shown(transcript, layout, str, prefixed, "cues")
    for number, (*times, text) in enumerate(shown, start=1):
        start, end = (format_timestamp(time, always_hours=True, marker=",") for time in times)
        stream.write(f"{number}\n{start} --> {end}\n{text}\n\n")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _voice(text: str, speaker: str | None) -> str:
    """The text in a voice span, which ends with the cue."""
    if speaker is None:
        return text
    return f"<v {_escaped(one_line(speaker)).replace('>', '&gt;')}>{text}"


def _shown(
    transcript: Transcript,
    layout: Layout,
    escape: Callable[[str], str],
    name: Callable[[str, str | None], str],
    named: Named,
) -> Iterator[tuple[float, float, str]]:
    """(start, end, text) of what is shown: a cue, or the moments of one whose words light up."""
    for cue in cues(transcript, layout, named):
        if not layout.highlight_words:
            yield cue.start, cue.end, _text(cue, escape, name)
            continue
        for start, end, said in cue.moments():
            yield start, end, _text(cue, escape, name, said)


def _text(
    cue: Cue,
    escape: Callable[[str], str],
    name: Callable[[str, str | None], str],
    said: int | None = None,
) -> str:
    """The text of a cue with its speaker; the piece `said` is underlined."""
    texts = [escape(piece.text) for piece in cue.pieces]
    if said is not None:
        word = texts[said].lstrip()
        texts[said] = f"{texts[said].removesuffix(word)}<u>{word}</u>"
    lines = "".join(texts).splitlines(keepends=True)
    text = "".join(line for line in lines if line.strip()).rstrip("\r\n")
    return re.sub("--+>", "->", name(text, cue.speaker))
