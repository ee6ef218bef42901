"""Which words stand in which subtitle and in which of its lines: openai-whisper's rules.

Formats write what comes out here. Lengths are in characters, as they are there.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Literal

from ..results import Segment, Transcript, Word
from .names import in_front

_LONG_PAUSE = 3.0  # s between the starts of two words, which a subtitle does not bridge
_UNLIMITED = 1000  # characters a line, and words

Named = Literal["nowhere", "cues", "lines"]  # what a format writes a speaker's name in front of


@dataclass(frozen=True)
class Layout:
    """How subtitles are laid out. All of it needs word times."""

    highlight_words: bool = False  # srt, vtt: underlined as it is said; ass: karaoke; lrc: times
    max_line_width: int | None = None  # characters
    max_line_count: int | None = None  # lines a subtitle; needs max_line_width
    max_words_per_line: int | None = None  # words a subtitle; nothing with max_line_width

    def __post_init__(self) -> None:
        if not isinstance(self.highlight_words, bool):
            raise TypeError(f"highlight_words must be True or False, got {self.highlight_words!r}")
        for name in ("max_line_width", "max_line_count", "max_words_per_line"):
            value = getattr(self, name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"{name} must be an int or None, got {value!r}")
            if value < 1:
                raise ValueError(f"{name} must be >= 1, got {value}")
        if self.max_line_count is not None and self.max_line_width is None:
            warnings.warn("max_line_count has no effect without max_line_width", stacklevel=4)
        if self.max_words_per_line is not None and self.max_line_width is not None:
            warnings.warn("max_words_per_line has no effect with max_line_width", stacklevel=4)

    @property
    def needs_words(self) -> str:
        """The first of the options that need word times; "" if none is set."""
        return next((f.name for f in fields(self) if getattr(self, f.name) != f.default), "")


@dataclass(frozen=True)
class Piece:
    """A word as it stands in a subtitle: with its space, or the line break before it."""

    text: str
    start: float  # s
    end: float  # s


@dataclass(frozen=True)
class Cue:
    """A subtitle; without word times its text is one piece."""

    pieces: tuple[Piece, ...]
    speaker: str | None = None  # of all of it

    @property
    def start(self) -> float:
        return self.pieces[0].start

    @property
    def end(self) -> float:
        return self.pieces[-1].end

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)

    def moments(self) -> Iterator[tuple[float, float, int | None]]:
        """(start, end, the piece that is said then, or None between two) in turn."""
        last = self.start
        for i, piece in enumerate(self.pieces):
            if round(1000 * last) < round(1000 * piece.start):
                yield last, piece.start, None
            yield piece.start, piece.end, i
            last = piece.end


def cues(transcript: Transcript, layout: Layout, named: Named = "nowhere") -> Iterator[Cue]:
    """The subtitles of a transcript, each of one speaker; those that say nothing are left out.

    Lines have room for the names that the format writes in front of what is `named`.
    Raises ValueError if the layout needs word times and there are none.
    """
    segments = list(transcript.segments)
    if any(segment.words is not None for segment in segments):
        found = _of_words(segments, layout, named)
    elif layout.needs_words and segments:
        raise ValueError(
            f"{layout.needs_words} needs the times of words: transcribe with word_timestamps=True"
        )
    else:
        found = (Cue((Piece(s.text.strip(), s.start, s.end),), s.speaker) for s in segments)
    shown = [cue for cue in found if cue.text.strip()]
    if any(cue.speaker is not None for cue in shown):  # who may speak at once
        shown.sort(key=lambda cue: cue.start)
    return iter(shown)


def _of_words(segments: list[Segment], layout: Layout, named: Named) -> Iterator[Cue]:
    width = layout.max_line_width or _UNLIMITED
    # Either subtitles are filled line by line, or each belongs to a segment.
    fills = layout.max_line_count is not None and layout.max_line_width is not None
    pieces: list[Piece] = []
    n_columns, n_lines = 0, 1
    last: float | None = None  # start of the word before
    speaker: str | None = None  # of the pieces
    for word, is_first in _grouped(segments, layout.max_words_per_line or _UNLIMITED):
        pause = fills and last is not None and word.start - last > _LONG_PAUSE
        leaves = bool(pieces) and ((is_first and not fills) or word.speaker != speaker)
        fits = n_columns > 0 and n_columns + len(word.word) <= width
        text = word.word
        if fits and not pause and not leaves:
            n_columns += len(text)
        else:
            text = text.strip()
            n_columns, was_in_line = len(text), n_columns > 0
            is_full = pieces and layout.max_line_count and n_lines >= layout.max_line_count
            if leaves or (pieces and pause) or is_full:
                yield Cue(tuple(pieces), speaker)
                pieces, n_lines = [], 1
            elif was_in_line:
                n_lines += 1
                text = "\n" + text
            if text and (named == "lines" or (named == "cues" and n_lines == 1)):
                n_columns += len(in_front(word.speaker))
        pieces.append(Piece(text, word.start, word.end))
        last, speaker = word.start, word.speaker
    if pieces:
        yield Cue(tuple(pieces), speaker)


def _grouped(segments: list[Segment], most: int) -> Iterator[tuple[Word, bool]]:
    """All words, and whether each begins a group: a segment's, of at most so many words.

    A word without a speaker of its own is its segment's.
    """
    for segment in segments:
        words = segment.words
        if words is None:  # which somebody has put among those that have
            words = (Word(segment.text, segment.start, segment.end, 1.0),)
        for i, word in enumerate(words):
            if word.speaker is None and segment.speaker is not None:
                word = replace(word, speaker=segment.speaker)
            yield word, i % most == 0
