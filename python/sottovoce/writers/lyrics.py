"""LRC: a line of lyrics and when it is sung, as music players show them.

The format has no escapes: what would read as a time, in a text or a name, is broken by a character
that nobody sees.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import TextIO

from ..results import Transcript
from .cues import Cue, Layout, cues
from .names import WORD_JOINER, in_front

_TIME = re.compile(r"(?<=[\[<])(?=\s*[+-]?\d+:)")  # where the inside of what may be one begins


def write_lrc(transcript: Transcript, stream: TextIO, layout: Layout) -> None:
    """A line a line of a subtitle; with `highlight_words` each word has its time (enhanced LRC)."""
    for cue in cues(transcript, layout, "lines"):
        for line in _lines(cue):
            text = _timeless(" ".join(line.text.split()))
            if layout.highlight_words:
                words = [f"<{_timestamp(x.start)}>{_timeless(x.text)}" for x in line.pieces]
                text = " ".join("".join(words).split()) + f"<{_timestamp(line.end)}>"
            if text:
                text = _timeless(in_front(cue.speaker)) + text
            if text.startswith("["):  # FFmpeg takes all of these behind a time for its own
                text = WORD_JOINER + text
            stream.write(f"[{_timestamp(line.start)}]{text}\n")


def _timeless(text: str) -> str:
    return _TIME.sub(WORD_JOINER, text)


def _lines(cue: Cue) -> Iterator[Cue]:
    """The lines into which a layout has broken a subtitle."""
    begins = [i for i, piece in enumerate(cue.pieces) if i == 0 or piece.text.startswith("\n")]
    for first, last in pairwise([*begins, len(cue.pieces)]):
        pieces = cue.pieces[first:last]
        text = pieces[0].text.removeprefix("\n")
        yield Cue((replace(pieces[0], text=text), *pieces[1:]))


def _timestamp(seconds: float) -> str:
    """mm:ss.xx; the format has no hours, so that minutes go on."""
    minutes, hundredths = divmod(round(100 * seconds), 6000)
    return f"{minutes:02d}:{hundredths // 100:02d}.{hundredths % 100:02d}"
