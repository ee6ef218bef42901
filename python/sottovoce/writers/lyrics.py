"""LRC: a line of lyrics and when it is sung, as music players show them."""

from typing import TextIO

from ..results import Transcript
from .cues import Layout, cues


def write_lrc(transcript: Transcript, stream: TextIO, layout: Layout) -> None:
    """A line a subtitle; with `highlight_words` each word has its time (enhanced LRC)."""
    for cue in cues(transcript, layout):
        text = " ".join(cue.text.split())
        if layout.highlight_words:
            words = [f"<{_timestamp(piece.start)}>{piece.text}" for piece in cue.pieces]
            text = " ".join("".join(words).split()) + f"<{_timestamp(cue.end)}>"
        stream.write(f"[{_timestamp(cue.start)}]{text}\n")


def _timestamp(seconds: float) -> str:
    """mm:ss.xx; the format has no hours, so that minutes go on."""
    minutes, hundredths = divmod(round(100 * seconds), 6000)
    return f"{minutes:02d}:{hundredths // 100:02d}.{hundredths % 100:02d}"
