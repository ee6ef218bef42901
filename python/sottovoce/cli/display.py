"""What is seen while recordings are heard: lines of text in their turn, notes, one bar.

Several recordings are heard at once. The first that is not over shows its lines as they come; the
lines of the others wait for their turn.
"""

from __future__ import annotations

import os
import sys
import time
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from ..results import Progress, Segment, TranscriptionInfo
from ..text.languages import LANGUAGES
from .streams import note, put

_SHOWN_NAME = 32  # columns of a name beside the bar, and at most a third of them
_ROOM = 3  # columns at the end of the bar, for the ^C that a terminal echoes


@dataclass
class _Recording:
    name: str
    info: TranscriptionInfo | None = None  # once it is opened
    position: float = 0.0  # s heard
    waiting: list[Segment] = field(default_factory=list)  # heard, not shown
    n_shown: int = 0


class Display:
    """Shows the progress of recordings; a context, for the bar."""

    def __init__(
        self,
        names: list[str],
        *,
        line: Callable[[Segment], str] | None,
        headings: bool,
        notes: bool,
    ) -> None:
        """Takes the recordings' names in the order given.

        Args:
            line: what is printed of a segment that says something; None: nothing is.
            headings: whether a recording's lines begin with its name, on standard error.
            notes: whether languages and speed are told, and a bar moves, on standard error.
        """
        self._recordings = [_Recording(name) for name in names]
        self._line, self._headings, self._notes = line, headings, notes
        self._turn = 0
        self._started = time.perf_counter()
        self._bar: Any = None  # tqdm's, once there is something to show

    def __enter__(self) -> Display:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def begin(self, index: int) -> None:
        """It is a recording's turn: those before it are over."""
        self._turn = index
        recording = self._recordings[index]
        if self._headings:
            note(f"== {recording.name}")
        self._update_bar()
        if recording.info is not None:
            self._tell_language(recording.info)
            self._show_waiting()

    def heard(self, progress: Progress) -> None:
        """Something of a recording was heard."""
        recording = self._recordings[progress.index]
        is_new = recording.info is None
        recording.info, recording.position = progress.info, progress.position
        self._update_bar()
        if is_new and progress.index == self._turn:
            self._tell_language(progress.info)
        options = progress.info.options
        if options.windows == "sequential" and options.channels == "mix":  # else in any order
            recording.waiting += progress.segments
            if progress.index == self._turn:
                self._show_waiting()

    def end(self, segments: Iterable[Segment]) -> None:
        """The recording whose turn it is has these segments: shows the rest, as they come."""
        recording = self._recordings[self._turn]
        for index, segment in enumerate(segments):
            if index == recording.n_shown:
                self._show(recording, segment)

    def fail(self) -> None:
        """The recording whose turn it is comes no further."""
        recording = self._recordings[self._turn]
        recording.info = None

    def tell_speed(self) -> None:
        """How much was heard in which time."""
        seconds = sum(recording.position for recording in self._recordings if recording.info)
        spent = time.perf_counter() - self._started
        if self._notes and seconds > 0:
            n = len(self._recordings)
            files = f"{n} files, " if n > 1 else ""
            speed = f"{seconds / spent:.1f} x real time"
            note(f"{files}{_clock(seconds)} of sound in {_clock(spent)}, {speed}")

    def _show_waiting(self) -> None:
        recording = self._recordings[self._turn]
        waiting, recording.waiting = recording.waiting, []
        for segment in waiting:
            self._show(recording, segment)

    def _show(self, recording: _Recording, segment: Segment) -> None:
        recording.n_shown += 1
        if self._line is not None and segment.text.strip():
            put(f"{self._line(segment)}\n")

    def _tell_language(self, info: TranscriptionInfo) -> None:
        if self._notes and info.all_language_probs is not None:
            name = LANGUAGES[info.language].capitalize()
            note(
                f"{self._recordings[self._turn].name}: {name} ({info.language}), "
                f"{info.language_probability:.0%}"
            )

    def _update_bar(self) -> None:
        known = [recording for recording in self._recordings if recording.info is not None]
        if not self._notes or not known:
            return
        name = fitted(self._recordings[self._turn].name, min(_SHOWN_NAME, _columns() // 3))
        n = len(self._recordings)
        title = f"{self._turn + 1}/{n} {name}" if n > 1 else name
        total = sum(recording.info.duration for recording in known if recording.info)
        if self._bar is None:
            self._bar = _bar(title, total)
        self._bar.desc, self._bar.total, self._bar.ncols = title, total, _columns() - _ROOM
        self._bar.n = sum(recording.position for recording in known)
        self._bar.refresh()


def fitted(name: str, columns: int) -> str:
    """A name in so many columns of a terminal: what does not fit is left out at its beginning."""
    width = sum(map(_width, name))
    if width <= columns:
        return name
    kept = list(name)
    while kept and width > columns - 1:
        width -= _width(kept.pop(0))
    return "…" + "".join(kept)


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "FW" else 1


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):
        return 80


def _clock(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d} h" if hours else f"{minutes}:{rest:02d} min"


def _bar(title: str, total: float) -> Any:
    from tqdm import tqdm  # type: ignore[import-untyped]

    return tqdm(
        desc=title,
        total=total,
        bar_format="{desc} {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s [{elapsed}<{remaining}]",
        file=sys.stderr,
        leave=False,
        ncols=_columns() - _ROOM,
    )
