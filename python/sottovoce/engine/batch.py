"""Many seek loops side by side: their windows share a DecodeBatch, and a worker encodes ahead.

A loop makes the same requests here as when it runs alone, and the core's answers have the same bits
in any company: so neither the size of a batch nor the order in which windows come and go changes
what is heard. Loops are resumed in the caller's thread; the worker opens recordings and encodes
windows, and ends when the caller is through with the iterator, or drops it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from copy import copy
from dataclasses import dataclass, field
from typing import Any

from .. import _core
from ..errors import AudioWarning, StoppedError, warn_of_audio
from ..options import TranscribeOptions
from ..policy.channels import interleaved
from ..policy.listening import SeekLoop
from ..policy.requests import (
    AlignRequest,
    DecodeRequest,
    EncodeRequest,
    HeardWindow,
    LanguageRequest,
    Request,
)
from ..policy.segments import numbered
from ..results import Segment, TranscriptionInfo
from .job import MAX_PASSES, Job
from .reports import Reports, log
from .window import answer, decoded
from .worker import Call, Worker

_MOST_OPENINGS = 2  # recordings that wait for the worker to open them
_MOST_ENTRIES = 1000  # recordings, most of them over, while the first is not


@dataclass(eq=False)
class Entry:
    """One recording among the others: waiting to be opened, on its way or at its end."""

    info: TranscriptionInfo = field(init=False)  # once it is opened
    runs: list[_Run] | None = None  # None: not opened yet; those that are wanted
    error: Exception | None = None  # what the recording failed of, after those runs
    reports: Reports | None = None
    is_of_channels: bool = False

    @property
    def is_over(self) -> bool:
        if self.runs is None:
            return self.error is not None
        return all(run.is_over for run in self.runs)

    def take(self, job: Job) -> None:
        metrics = job.info.metrics.core
        self.info, self.reports = job.info, job.reports
        self.is_of_channels = job.is_of_channels
        self.runs = [_Run(i, loop, metrics, self) for i, loop in enumerate(job.loops)]

    def fail(self, error: Exception, run: _Run | None = None) -> None:
        """`error` ends the recording where `run` begins: what comes first is still wanted.

        So the error, and what is heard before it, are those of one loop after the other. Of
        channels nothing is wanted any more.
        """
        if run is not None and self.runs is not None:
            if not run.is_wanted:
                return
            first = 0 if self.is_of_channels else self.runs.index(run)
            for late in self.runs[first:]:
                late.is_wanted = False
            del self.runs[first:]
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

    def segments(self) -> list[Segment]:
        """All of them, with the ids of the transcript."""
        found = [segment for run in self.runs or () for segment in run.segments]
        return list(numbered(interleaved(found) if self.is_of_channels else found))


@dataclass(eq=False)
class _Run:
    """One seek loop, and its segments so far."""

    number: int  # among those of its recording
    loop: SeekLoop
    metrics: _core.Metrics
    entry: Entry
    segments: list[Segment] = field(default_factory=list)
    is_over: bool = False
    is_wanted: bool = True  # neither it nor one before it has failed

    def resume(self, answer: Any) -> Request | None:
        """The next request; None if there is none, or nobody wants to hear more."""
        while (item := self._next(answer)) is not None:
            log(item)
            if not isinstance(item, HeardWindow):
                return item
            answer = None
            self.segments += item.segments
            self.entry.info.trace.add(self.number, item.trace)
            if self.entry.reports:
                self.entry.reports.heard(item)
        self.loop.close()
        self.is_over = True
        return None

    def _next(self, answer: Any) -> HeardWindow | Request | None:
        try:
            return self.loop.send(answer) if self.is_wanted else None
        except StopIteration:
            pass
        except Exception as error:
            self.entry.fail(error, self)
        return None


class Batch:
    """The seek loops of some recordings, on their way through one decoder and one worker."""

    def __init__(
        self, core: _core.Model, n_slots: int, n_rows: int, cancel: _core.CancelToken | None
    ) -> None:
        """`n_slots`: most windows side by side; `n_rows`: most beams or samples of a window.

        `cancel` ends what the worker does; then `progress` raises StoppedError, and the batch can
        only be closed.
        """
        self._core = core
        self._decoder = core.new_batch(n_slots, n_rows)
        self._worker = Worker(cancel)
        # Encoded windows that wait for a slot: enough to refill the slots while others decode.
        self._most_live = n_slots + max(1, n_slots // 2)
        self._waiting: deque[_Run] = deque()  # not begun
        self._n_live = 0  # begun and not over
        self._n_openings = 0
        self._requests: deque[tuple[_Run, DecodeRequest]] = deque()  # that want a slot
        self._decoding: dict[int, _Run] = {}  # by id of the decoder

    @property
    def wants_more(self) -> bool:
        """Whether another recording should be on its way by now."""
        n_coming = self._n_live + len(self._waiting) + self._n_openings
        return self._n_openings < _MOST_OPENINGS and n_coming < self._most_live

    def open(self, entry: Entry, open_job: Callable[[], Job]) -> None:
        """Has the worker open a recording, then runs it; what fails is the entry's error."""

        def opened(call: Call) -> None:
            self._n_openings -= 1
            if isinstance(call.error, StoppedError):
                raise copy(call.error)
            if call.error is not None:
                entry.fail(call.error)
                return
            try:  # here, in the caller's thread
                warn_of_audio(call.result.doubts)
            except AudioWarning as error:  # which the caller's filters made of it
                entry.fail(error)
            else:
                self.add(entry, call.result)

        self._n_openings += 1
        self._worker.submit(open_job, opened, urgent=False)

    def add(self, entry: Entry, job: Job) -> None:
        entry.take(job)
        if entry.reports:
            entry.reports.opened()
        self._waiting += entry.runs or ()

    def progress(self) -> None:
        """Waits for the worker, or decodes for a while. Something must be on its way."""
        _core.check_cancellation()
        self._begin()
        self._worker.collect(wait=False)
        self._fill_slots()
        # A pass over few windows takes nearly as long as one over many: 32 short clips took 481
        # passes from half full on, 294 from three quarters on and 274 when only full.
        few = 4 * len(self._decoding) < 3 * min(self._n_live, self._decoder.n_slots)
        # An opening may take long, and nobody who is decoded waits for it.
        worth_waiting = not self._decoding or (few and self._worker.next_is_urgent)
        if worth_waiting and self._worker.has_pending:
            self._worker.collect(wait=True)
        else:
            self._decode()

    def close(self) -> None:
        """Ends the worker, whose present call is waited for, and gives the memory back."""
        self._worker.close()
        self._requests.clear()
        del self._decoder  # whatever tracebacks hold the batch

    def _begin(self) -> None:
        while self._waiting and self._n_live < self._most_live:
            self._n_live += 1
            self._resume(self._waiting.popleft(), None)

    def _resume(self, run: _Run, answer: Any, *, again: bool = False) -> None:
        request = run.resume(answer)
        if request is None:
            self._n_live -= 1
            entry = run.entry
            if entry.reports and run.is_wanted and entry.is_over and not entry.error:
                entry.reports.over()
        elif not isinstance(request, DecodeRequest):
            self._submit(run, request)
        elif again:  # into the slot it had: its features hold cross-attention keys and values
            self._requests.appendleft((run, request))
        else:
            self._requests.append((run, request))

    def _submit(self, run: _Run, request: EncodeRequest | LanguageRequest | AlignRequest) -> None:
        """Has the worker answer the run's request."""

        def answered(call: Call) -> None:
            if isinstance(call.error, StoppedError):
                raise copy(call.error)
            if call.error is not None:
                run.entry.fail(call.error, run)
            if call.result is not None and not isinstance(request, LanguageRequest):
                run.metrics.merge(call.result.metrics)
            self._resume(run, call.result)

        self._worker.submit(
            lambda: answer(self._core, request) if run.is_wanted else None, answered, urgent=True
        )

    def _fill_slots(self) -> None:
        while self._requests and self._decoder.n_free:
            run, request = self._requests.popleft()
            if not run.is_wanted:
                self._resume(run, None)
                continue
            try:
                number = self._decoder.submit(request.features, request.options)
            except StoppedError:
                raise
            except Exception as error:
                run.entry.fail(error, run)
                self._resume(run, None)
            else:
                self._decoding[number] = run

    def _decode(self) -> None:
        finished = deque(self._decoder.advance(MAX_PASSES))
        while finished:  # none stays: the traceback of a filter's error holds this frame
            self._finish(finished.popleft())

    def _finish(self, finished: _core.FinishedWindow) -> None:
        run = self._decoding.pop(finished.id)
        run.metrics.merge(finished.metrics)
        if finished.error is not None:
            run.entry.fail(finished.error, run)
        self._resume(run, decoded(finished), again=True)


def segments(core: _core.Model, job: Job) -> Generator[Segment, None, None]:
    """The segments of one recording in order, as soon as their loop and those before are over.

    Those of channels come once all are heard. StoppedError has all that was heard.
    """
    entry = Entry()
    try:
        yield from _in_order(core, job, entry)
    except StoppedError as error:
        error.segments = tuple(entry.segments())
        raise


def _in_order(core: _core.Model, job: Job, entry: Entry) -> Iterator[Segment]:
    options = job.info.options
    n_slots = min(options.batch_size, len(job.loops))
    with closing(Batch(core, n_slots, options.n_rows, job.cancel)) as batch:
        batch.add(entry, job)
        if job.is_of_channels:
            while not entry.is_over:
                batch.progress()
            entry.raise_error()
            yield from entry.segments()
            return
        n_segments = 0
        for run in list(entry.runs or ()):
            while run.is_wanted and not run.is_over:
                batch.progress()
            if not run.is_wanted:
                break
            yield from numbered(run.segments, n_segments)
            n_segments += len(run.segments)
        entry.raise_error()


def entries(
    core: _core.Model,
    options: TranscribeOptions,
    jobs: Iterable[Callable[[], Job]],
    cancel: _core.CancelToken | None = None,
) -> Generator[Entry, None, None]:
    """The recordings in order, each when it is over.

    Once `cancel` ends it, those that are over still come, and those on their way with what was
    heard of them and a StoppedError each.
    """
    entries: deque[Entry] = deque()
    try:
        yield from _over(core, options, jobs, cancel, entries)
    except StoppedError as error:
        stopped = copy(error)  # without a traceback, which would hold all of this
    else:
        return
    for entry in entries:
        if not entry.is_over:
            entry.fail(copy(stopped))
        yield entry


def _over(
    core: _core.Model,
    options: TranscribeOptions,
    jobs: Iterable[Callable[[], Job]],
    cancel: _core.CancelToken | None,
    entries: deque[Entry],
) -> Generator[Entry, None, None]:
    """Fills `entries` and takes from them what is over, in order."""
    coming = iter(jobs)
    with closing(Batch(core, options.batch_size, options.n_rows, cancel)) as batch:
        while True:
            while batch.wants_more and len(entries) < _MOST_ENTRIES:
                entry = Entry()
                try:
                    open_job = next(coming, None)
                except Exception as error:
                    entry.fail(error)
                    entries.append(entry)
                    coming = iter(())
                    break
                if open_job is None:
                    break
                entries.append(entry)
                batch.open(entry, open_job)
            if not entries:
                return
            if entries[0].is_over:
                yield entries.popleft()
            else:
                batch.progress()
