"""What `transcribe` returns: a transcript that is heard while it is read, and then kept.

    transcription = model.transcribe("talk.mp3")
    for segment in transcription: ...   # decoded while you iterate; the second time from memory
    transcription.save("talk.srt")      # like .text, .as_dict() and len(.segments), hears the rest
    segments, info = transcription      # or both at once

One thread hears at a time and the others wait for it. What hears is in engine/, what is written
in writers/; nothing here decodes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from errno import ENOENT
from opcode import opmap
from pathlib import Path
from threading import RLock
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, TypedDict, overload

from .engine.batch import Entry
from .errors import StateError, StoppedError
from .results import Segment, TranscriptionInfo
from .speakers import Speakers, Turns, as_turns

Spell = Callable[[Iterable[Segment]], str]  # the text of a whole transcript


class LayoutKeywords(TypedDict, total=False):
    """`writers.Layout`, for `save`."""

    highlight_words: bool
    max_line_width: int | None
    max_line_count: int | None
    max_words_per_line: int | None


class Segments(Sequence[Segment]):
    """The segments of a recording: heard as they are asked for, then kept.

    Iterating hears one after the other; `len`, negative indices, open slices and `==` hear to the
    end. Any number of threads may read. An error ends the hearing, and is raised again whenever
    somebody comes to the place where it happened.
    """

    def __init__(
        self, source: Iterable[Segment], kept: Callable[[Sequence[Segment]], object] | None = None
    ) -> None:
        """Takes segments.

        Args:
            source: segments that are known, or an iterator that decodes them.
            kept: the `Transcription` of those that a StoppedError leaves.
        """
        self._kept = kept
        is_known = isinstance(source, (list, tuple))
        self._heard: list[Segment] = list(source) if is_known else []
        self._source: Iterator[Segment] | None = None if is_known else iter(source)
        self._error: Exception | None = None  # what ended the source
        self._lock = RLock()
        self._is_hearing = False
        self._process = os.getpid()

    @property
    def n_heard(self) -> int:
        """Segments so far."""
        return len(self._heard)

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to come: all is heard, or an error ended it."""
        return self._source is None

    def close(self, reason: Exception | None = None) -> None:
        """Stops hearing, and ends the worker thread if there is one; what was heard stays.

        Asking for more raises `reason`, or a StateError that says so.
        """

        def end(source: Iterator[Segment] | None) -> None:
            if source is not None:
                if isinstance(source, Generator):
                    source.close()
                self._end(reason or StateError(self._ended("closed")))

        if not self.is_over:
            self._alone(end)

    def __iter__(self) -> Iterator[Segment]:
        index = 0
        while self._has(index):
            yield self._heard[index]
            index += 1

    def __len__(self) -> int:
        self._has(sys.maxsize)
        return len(self._heard)

    def __bool__(self) -> bool:
        return self._has(0)

    @overload
    def __getitem__(self, index: int) -> Segment: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Segment, ...]: ...
    def __getitem__(self, index: int | slice) -> Segment | tuple[Segment, ...]:
        if isinstance(index, slice):
            self._has(_last_of(index))
            return tuple(self._heard[index])
        self._has(index if index >= 0 else sys.maxsize)
        return self._heard[index]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (Segments, tuple, list)):
            return NotImplemented
        return tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Segments: {self.n_heard}{'' if self.is_over else ' so far'}>"

    def __reduce__(self) -> tuple[type[Segments], tuple[tuple[Segment, ...]]]:
        return Segments, (tuple(self),)

    def _has(self, index: int) -> bool:
        """Whether there is a segment of that index; hears as far as that takes."""
        while True:
            was_over = self.is_over  # before the length is looked at: it may grow until then
            if index < len(self._heard):
                return True
            if was_over and self._error is not None:
                # A copy: the traceback of an error holds those who caught it, and they hold us.
                raise copy(self._error)
            if was_over:
                return False
            self._hear(index)

    def _hear(self, index: int) -> None:
        """Hears one more segment, unless another thread has come to `index` meanwhile."""

        def hear(source: Iterator[Segment] | None) -> None:
            if source is None or index < len(self._heard):
                return
            try:
                self._heard.append(next(source))
            except StopIteration:
                self._end(None)
            except Exception as error:
                if isinstance(error, StoppedError) and self._kept is not None:
                    error.segments = error.segments or tuple(self._heard)
                    error.transcription = self._kept(error.segments)
                self._end(_that_keeps_nothing(error))
                raise
            except BaseException as interruption:
                self._end(StateError(self._ended(f"{type(interruption).__name__} ended it")))
                raise

        self._alone(hear)

    def _alone(self, act: Callable[[Iterator[Segment] | None], None]) -> None:
        """Has `act` do something with the source while nobody else does; None: it is over."""
        if os.getpid() != self._process:
            raise StateError(
                "transcription: a forked process cannot go on with what its parent hears; "
                "transcribe there again"
            )
        with self._lock:
            if self._is_hearing:  # and in this thread
                raise StateError(
                    "transcription: what a progress function, a logit filter or a signal handler "
                    "interrupts cannot be heard further or closed there"
                )
            try:
                self._is_hearing = True
                act(self._source)
            finally:
                self._is_hearing = False

    def _end(self, error: Exception | None) -> None:
        self._error, self._source, self._kept = error, None, None

    def _ended(self, how: str) -> str:
        return f"transcription: {how} after {self.n_heard} segments; transcribe again for the rest"


if TYPE_CHECKING:
    from typing_extensions import Unpack

    # To type checkers a pair, which is how it unpacks, whose members pass for segments, which is
    # what iterating gives: they look at a pair's members for `list(transcription)` and the like.
    class _SegmentsOfPair(Segments, Segment): ...

    class _InfoOfPair(TranscriptionInfo, Segment): ...

    _Pair = tuple[_SegmentsOfPair, _InfoOfPair]
else:
    _Pair = object


class Transcription(_Pair):
    """What was heard in a recording: its segments, its text, and what is known about it.

    Iterates over the segments, lazily and as often as you like, and unpacks as (segments, info).
    Copies and pickles are heard to the end.

    Attributes:
        segments: a lazy sequence of `Segment`; `len`, indices and slices hear as far as they need.
        info: language, duration, options as used, figures.
    """

    segments: Segments
    info: TranscriptionInfo

    def __init__(
        self, segments: Iterable[Segment], info: TranscriptionInfo, text: str | Spell
    ) -> None:
        """`text`: of all segments, or what makes it of them."""
        self.segments = segments if isinstance(segments, Segments) else Segments(segments)
        self.info = info
        self._text = text

    @property
    def text(self) -> str:
        """All that was said, heard to the end; spaces as the model spelled them."""
        text = self._text
        if not isinstance(text, str):
            text = self._text = text(self.segments)
        return text

    @property
    def language(self) -> str:
        """Code of the spoken language: the given one, or the detected."""
        return self.info.language

    def as_dict(self) -> dict[str, Any]:
        """openai-whisper's result dictionary; emptied segments carry its empty list of words.

        Where speakers are known, each segment and word has its "speaker", perhaps None.
        """
        from .writers import plain_dict

        return plain_dict(self)

    def with_speakers(self, turns: Turns) -> Transcription:
        """The same words, with who said them, cut where the speaker changes; heard as this one is.

        Args:
            turns: who speaks when, from any diarizer: a path to an RTTM file; `SpeakerTurn`s,
                (start, end, speaker) tuples in s, or dictionaries with these keys; a pyannote
                `Annotation`.

        A word (word_timestamps=True) is of the speaker whose turns overlap it most; of those that
        overlap it alike, whose turn began first, then the first by name; if none does, of the
        nearest turn within 0.5 s, else of nobody: None. One word under 0.3 s of which its speaker
        says less than half, between two of one other, is that one's. A segment without words is
        judged whole, and not cut. Raises TypeError and ValueError for turns that are none,
        LoadError for a file that is no RTTM.
        """
        speakers = Speakers(as_turns(turns))
        labelled = (
            replace(segment, id=i) for i, segment in enumerate(speakers.label(self.segments))
        )
        return Transcription(labelled, self.info, lambda _: self.text)

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        format: str | None = None,
        **layout: Unpack[LayoutKeywords],
    ) -> Path:
        """Writes the transcript, heard to the end, as a file that appears whole or not at all.

        Args:
            path: of the file, which is replaced if it exists.
            format: "txt", "vtt", "srt", "tsv", "json", "lrc", "csv", "ass" or "full.json" (all that
                is known); None: what the path ends in.
            highlight_words (False): words light up as they are said: underlined in srt and vtt,
                karaoke in ass, a time each in lrc.
            max_line_width (None): characters in a line of a subtitle.
            max_line_count (None): lines in a subtitle, with max_line_width.
            max_words_per_line (None): words in a subtitle, without max_line_width.

        Returns the path. The last four need word_timestamps. Raises TypeError and ValueError for
        them and for a format that is none of these, OSError if the file system refuses; both before
        anything is heard, where that can be told.
        """
        from .writers import Layout, check_format, format_of, save_file

        path = Path(path)
        form = format or format_of(path)
        check_format(form, where=f"save({str(path)!r})")
        wanted = Layout(**layout)
        if not path.parent.is_dir():
            raise FileNotFoundError(ENOENT, "no such folder", str(path.parent))
        len(self.segments)  # heard before a file is made
        save_file(self, path, form, wanted)
        return path

    def close(self) -> None:
        """Stops hearing, and ends the worker thread if there is one; what was heard stays."""
        self.segments.close()

    def __enter__(self) -> Transcription:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Segment]:  # type: ignore[override]
        if _unpacks(sys._getframe(1)):
            return iter((self.segments, self.info))  # type: ignore[arg-type]
        return iter(self.segments)

    def __getitem__(self, index: object) -> NoReturn:
        raise TypeError("a Transcription has no indices; take .segments or .info")

    def __repr__(self) -> str:
        n, so_far = self.segments.n_heard, "" if self.segments.is_over else " so far"
        about = f"{self.info.duration:.1f} s, {self.language}"
        return f"<Transcription of {about}: {n} segment{'' if n == 1 else 's'}{so_far}>"

    def _repr_html_(self) -> str:
        """For notebooks, where a cell that ends in a transcription wants to read it: all of it."""
        from .writers import html_table

        return html_table(self)

    def __reduce__(self) -> tuple[type[Transcription], tuple[Any, ...]]:
        return Transcription, (self.segments, self.info, self.text)


class Transcriptions(Iterator[Transcription]):
    """One recording after the other, in the order in which they were given, each heard to its end.

    A recording that fails raises its error in its turn; `next()` goes on with the one after it.
    Once a token or a deadline ends the call, recordings that are over still come in their turn,
    those on their way raise StoppedError, and then it is the end. What the iterable of recordings
    raises comes last. Threads take turns.
    """

    def __init__(self, entries: Generator[Entry, None, None], text: Spell) -> None:
        self._entries, self._text = entries, text
        self._lock = RLock()
        self._process = os.getpid()
        self._reason: Exception | None = None  # why it was closed before its end

    def __next__(self) -> Transcription:
        if os.getpid() != self._process:
            raise StateError(
                "transcribe_many: a forked process cannot go on with its parent's iterator; "
                "call transcribe_many there again"
            )
        with self._lock:
            if self._reason is not None:
                raise copy(self._reason)
            entry = next(self._entries)
        try:
            entry.raise_error()
        except StoppedError as error:
            if entry.runs is not None:
                kept = Transcription(entry.segments(), entry.info, self._text)
                error.transcription, error.segments = kept, tuple(kept.segments)
            raise
        return Transcription(entry.segments(), entry.info, self._text)

    def close(self, reason: Exception | None = None) -> None:
        """Ends the call, and the worker that encodes ahead; so does dropping the iterator.

        Asking for more raises `reason`, or else StopIteration. In a forked child of the process
        that called, there is nothing to end.
        """
        if os.getpid() != self._process:  # where the lock may be held by a thread that is not here
            return
        with self._lock:
            self._entries.close()
            self._reason = reason

    def __enter__(self) -> Transcriptions:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_UNPACKING = {opmap["UNPACK_SEQUENCE"], opmap["UNPACK_EX"]}


def _unpacks(caller: FrameType) -> bool:
    """Whether the code that asks for an iterator is `segments, info = transcription`.

    Unpacking and iterating meet in `__iter__`. What tells them apart is the instruction at which
    the caller stands; compiled callers stand at one that calls them, and so iterate.
    """
    code, place = caller.f_code.co_code, caller.f_lasti
    return 0 <= place < len(code) and code[place] in _UNPACKING


def _last_of(wanted: slice) -> int:
    """The greatest index that a slice may reach."""
    forwards = wanted.step is None or wanted.step > 0
    if forwards and (wanted.start or 0) >= 0 and wanted.stop is not None and wanted.stop >= 0:
        return int(wanted.stop) - 1
    return sys.maxsize


def _that_keeps_nothing(error: Exception) -> Exception:
    """The same error without its traceback, which keeps alive all that it passed."""
    try:
        return copy(error)
    except Exception:  # an exception of somebody's own that cannot be copied
        return StateError(f"transcription: ended by {error!r}")
