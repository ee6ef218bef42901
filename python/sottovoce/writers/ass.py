"""Advanced SubStation Alpha: styled subtitles, with karaoke by word."""

from collections.abc import Iterator
from typing import TextIO

from ..results import Transcript
from .cues import Cue, Layout, cues
from .names import WORD_JOINER, one_line

_HEAD = """\
[Script Info]
ScriptType: v4.00+
WrapStyle: 0
ScaledBorderAndShadow: yes
PlayResX: 384
PlayResY: 288

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, \
Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, \
Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,16,&H00FFFFFF,&H00808080,&H00000000,&H00000000,0,0,0,0,100,100,0,0,1,1,0,2,\
10,10,10,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


def write_ass(transcript: Transcript, stream: TextIO, layout: Layout) -> None:
    """Times are hundredths of a second; with `highlight_words` each word has its `\\k`."""
    stream.write(_HEAD)
    for cue in cues(transcript, layout):
        shown = "".join(_karaoke(cue)) if layout.highlight_words else _escaped(cue.text)
        times = f"{_timestamp(cue.start)},{_timestamp(cue.end)}"
        stream.write(f"Dialogue: 0,{times},Default,{_name(cue.speaker)},0,0,0,,{shown}\n")


def _name(speaker: str | None) -> str:
    """What a field can hold, which ends at a comma."""
    return one_line(speaker or "").replace(",", ";")


def _karaoke(cue: Cue) -> Iterator[str]:
    """The words, each with its length; lengths add up to the time at which the next begins."""
    now = _hundredths(cue.start)
    for start, end, said in cue.moments():
        length = max(_hundredths(end) - max(now, _hundredths(start)), 0)
        text = "" if said is None else _escaped(cue.pieces[said].text)
        yield f"{{\\k{length}}}{text}"
        now += length


def _escaped(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    begins_line = "\\N" if text.startswith("\n") else ""
    text = "\n".join(lines).replace("\\", "\\" + WORD_JOINER)
    return begins_line + text.replace("{", "\\{").replace("}", "\\}").replace("\n", "\\N")


def _hundredths(seconds: float) -> int:
    return round(100 * seconds)


def _timestamp(seconds: float) -> str:
    minutes, hundredths = divmod(_hundredths(seconds), 6000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{hundredths // 100:02d}.{hundredths % 100:02d}"
