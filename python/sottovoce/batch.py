"""Many walks side by side: their windows share a DecodeBatch, and one thread encodes ahead.

A walk asks the same questions here as when it is followed alone, and the core's answers have the
same bits in any company: so neither the size of a batch nor the order in which windows come and go
changes what is heard. Walks go on in the caller's thread; the other thread opens recordings and
encodes windows, and ends when the caller is through with the iterator, or drops it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from . import _core
from .decoding import Attempt
from .errands import Errand, Errands
from .options import TranscribeOptions
from .recording import Recording, TranscriptionInfo
from .seek import PASSES, Encoding, Question, Walk, encode
from .segments import Segment, numbered

_MOST_OPENINGS = 2  # recordings that wait for the other thread to open them
_MOST_ENTRIES = 1000  # recordings, most of them over, while the first is not


@dataclass(eq=False)
class _Entry:
    """One recording among the others: waiting to be opened, on its way or at its end."""

    info: TranscriptionInfo = field(init=False)  # once it is opened
    streams: list[_Stream] | None = None  # None: not opened yet; those that are wanted
    error: Exception | None = None  # what the recording failed of, after those streams

    @property
    def is_over(self) -> bool:
        if self.streams is None:
            return self.error is not None
        return all(stream.is_over for stream in self.streams)

    def take(self, recording: Recording) -> None:
        metrics = recording.info.metrics.core
        self.info = recording.info
        self.streams = [_Stream(walk, metrics, self) for walk in recording.walks]

    def fail(self, error: Exception, stream: _Stream | None = None) -> None:
        """`error` ends the recording where `stream` begins: what comes first is still wanted.

        So the error, and what is heard before it, are those of one stream after the other.
        """
        if stream is not None and self.streams is not None:
            if not stream.is_wanted:
                return
            first = self.streams.index(stream)
            for late in self.streams[first:]:
                late.is_wanted = False
            del self.streams[first:]
        self.error = error

    def raise_error(self) -> None:
        """Raises what the recording failed of, if it did, and forgets it.

        Its traceback holds those who caught it, and they would hold it.
        """
        error, self.error = self.error, None
        try:
            if error is not None:
                raise error
        finally:
            del error

    def segments(self) -> Iterator[Segment]:
        return (segment for stream in self.streams or () for segment in stream.segments)


@dataclass(eq=False)
class _Stream:
    """One walk, and what it has said so far."""

    walk: Walk
    metrics: _core.Metrics
    entry: _Entry
    segments: list[Segment] = field(default_factory=list)
    is_over: bool = False
    is_wanted: bool = True  # neither it nor one before it has failed

    def go_on(self, answer: Any) -> Question | None:
        """The next question; None if there is none, or nobody wants to hear more."""
        try:
            while self.is_wanted:
                asked = self.walk.send(answer)
                if not isinstance(asked, Segment):
                    return asked
                self.segments.append(asked)
                answer = None
        except StopIteration:
            pass
        except Exception as error:
            self.entry.fail(error, self)
        self.walk.close()
        self.is_over = True
        return None


class Batch:
    """The walks of some recordings on their way through one decoder and one encoding thread."""

    def __init__(self, core: _core.Model, n_slots: int, n_rows: int) -> None:
        """`n_rows`: most beams or samples of a window."""
        self._core = core
        self._decoder = core.new_batch(n_slots, n_rows)
        self._errands = Errands("sottovoce-encoder")
        # Encoded windows that wait for a slot: enough to refill the slots while others decode.
        self._most_live = n_slots + max(1, n_slots // 2)
        self._waiting: deque[_Stream] = deque()  # not begun
        self._n_live = 0  # begun and not over
        self._n_openings = 0
        self._attempts: deque[tuple[_Stream, Attempt]] = deque()  # that want a slot
        self._decoding: dict[int, _Stream] = {}  # by id of the decoder

    @property
    def wants_more(self) -> bool:
        """Whether another recording should be on its way by now."""
        n_coming = self._n_live + len(self._waiting) + self._n_openings
        return self._n_openings < _MOST_OPENINGS and n_coming < self._most_live

    def open(self, entry: _Entry, open_recording: Callable[[], Recording]) -> None:
        """Has the thread open a recording, then hears it; what fails is the entry's error."""

        def opened(errand: Errand) -> None:
            self._n_openings -= 1
            if errand.error is not None:
                entry.fail(errand.error)
            else:
                self.add(entry, errand.answer)

        self._n_openings += 1
        self._errands.send(open_recording, opened, urgent=False)

    def add(self, entry: _Entry, recording: Recording) -> None:
        entry.take(recording)
        self._waiting += entry.streams or ()

    def progress(self) -> None:
        """Waits for the other thread, or decodes for a while. Something must be on its way."""
        self._begin()
        self._errands.collect(wait=False)
        self._fill_slots()
        # A pass over few windows takes nearly as long as one over many: 32 short clips took 481
        # passes from half full on, 294 from three quarters on and 274 when only full.
        few = 4 * len(self._decoding) < 3 * min(self._n_live, self._decoder.n_slots)
        # An opening may take long, and nobody who is decoded waits for it.
        worth_waiting = not self._decoding or (few and self._errands.are_urgent)
        if worth_waiting and self._errands.are_pending:
            self._errands.collect(wait=True)
        else:
            self._decode()

    def close(self) -> None:
        """Ends the thread, whose present errand is waited for, and gives the memory back."""
        self._errands.close()
        self._attempts.clear()
        del self._decoder  # whatever tracebacks hold the batch

    def _begin(self) -> None:
        while self._waiting and self._n_live < self._most_live:
            self._n_live += 1
            self._go_on(self._waiting.popleft(), None)

    def _go_on(self, stream: _Stream, answer: Any, *, again: bool = False) -> None:
        asked = stream.go_on(answer)
        if asked is None:
            self._n_live -= 1
        elif isinstance(asked, Encoding):
            self._have_encoded(stream, asked)
        elif again:  # into the slot it had: its features hold cross-attention keys and values
            self._attempts.appendleft((stream, asked))
        else:
            self._attempts.append((stream, asked))

    def _have_encoded(self, stream: _Stream, asked: Encoding) -> None:
        def encoded(errand: Errand) -> None:
            if errand.error is not None:
                stream.entry.fail(errand.error, stream)
            if errand.answer is not None:
                stream.metrics.merge(errand.answer.metrics)
            self._go_on(stream, errand.answer)

        def call() -> _core.AudioFeatures | None:
            return encode(self._core, asked) if stream.is_wanted else None

        self._errands.send(call, encoded, urgent=True)

    def _fill_slots(self) -> None:
        while self._attempts and self._decoder.n_free:
            stream, attempt = self._attempts.popleft()
            if not stream.is_wanted:
                self._go_on(stream, None)
                continue
            try:
                number = self._decoder.submit(attempt.features, attempt.options)
            except Exception as error:
                stream.entry.fail(error, stream)
                self._go_on(stream, None)
            else:
                self._decoding[number] = stream

    def _decode(self) -> None:
        for finished in self._decoder.advance(PASSES):
            stream = self._decoding.pop(finished.id)
            stream.metrics.merge(finished.metrics)
            if finished.error:
                stream.entry.fail(_core.ShapeError(finished.error), stream)
            self._go_on(stream, finished.result, again=True)


def segments(
    core: _core.Model, recording: Recording, options: TranscribeOptions
) -> Iterator[Segment]:
    """The segments of one recording in order, as soon as their walk and those before are over."""
    entry = _Entry()
    n_slots = min(options.batch_size, len(recording.walks))
    with closing(Batch(core, n_slots, options.n_rows)) as batch:
        batch.add(entry, recording)
        for stream in list(entry.streams or ()):
            while stream.is_wanted and not stream.is_over:
                batch.progress()
            if not stream.is_wanted:
                break
            yield from stream.segments
        entry.raise_error()


class Transcripts(Iterator[tuple[list[Segment], TranscriptionInfo]]):
    """Segments and info of one recording after the other, in the order in which they were given.

    A recording that fails raises its error in its turn; `next()` goes on with the one after it.
    What the iterable of recordings raises comes last.
    """

    def __init__(
        self,
        core: _core.Model,
        options: TranscribeOptions,
        recordings: Iterable[Callable[[], Recording]],
    ) -> None:
        """`recordings`: what opens each; they are called in another thread, one at a time."""
        self._entries = _entries(core, options, recordings)

    def __next__(self) -> tuple[list[Segment], TranscriptionInfo]:
        entry = next(self._entries)
        entry.raise_error()
        return list(numbered(entry.segments())), entry.info

    def close(self) -> None:
        """Ends the call, and the thread that encodes ahead; so does dropping the iterator."""
        self._entries.close()

    def __enter__(self) -> Transcripts:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _entries(
    core: _core.Model,
    options: TranscribeOptions,
    recordings: Iterable[Callable[[], Recording]],
) -> Generator[_Entry, None, None]:
    """The recordings in order, each when it is over."""
    coming = iter(recordings)
    entries: deque[_Entry] = deque()
    with closing(Batch(core, options.batch_size, options.n_rows)) as batch:
        while True:
            while batch.wants_more and len(entries) < _MOST_ENTRIES:
                entry = _Entry()
                try:
                    open_recording = next(coming, None)
                except Exception as error:
                    entry.fail(error)
                    entries.append(entry)
                    coming = iter(())
                    break
                if open_recording is None:
                    break
                entries.append(entry)
                batch.open(entry, open_recording)
            if not entries:
                return
            if entries[0].is_over:
                yield entries.popleft()
            else:
                batch.progress()
