"""A thread that does one thing after the other while its owner goes on."""

from __future__ import annotations

import contextlib
import os
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from .. import aside
from .._core import Cancellable, CancelToken
from ..aside import Work, start_thread
from ..errors import StateError


@dataclass(eq=False)
class Call:
    """A function to call, and what is told once it has returned."""

    function: Callable[[], Any]
    on_done: Callable[[Call], None]
    is_urgent: bool
    result: Any = None  # what the function returned
    error: Exception | None = None  # or raised


class Worker:
    """One thread and its calls: the urgent first, in the order in which they were submitted.

    A token ends the call that it meets, which fails with what the token says.

    `collect` calls `on_done` of what is finished, in the thread that calls it. One thread at a time
    is the owner. The thread ends with `close`, or with the program. A forked child has no such
    thread: all but `close` is refused there.

    Nothing here takes a lock in steps between which a signal's handler may run: what that raises
    would leave it taken.
    """

    def __init__(self, cancel: CancelToken | None = None) -> None:
        self._cancel = cancel
        self._urgent: deque[Call] = deque()
        self._other: deque[Call] = deque()
        self._tickets: SimpleQueue[None] = SimpleQueue()  # one a call, and one at the end
        self._doing: Call | None = None
        self._done: SimpleQueue[Call] = SimpleQueue()
        self._ended: SimpleQueue[None] = SimpleQueue()
        self._n_pending = 0  # submitted and not collected
        self._interruption: BaseException | None = None
        self._is_closed = False
        self._process = os.getpid()
        self._work = Work()
        start_thread(self._answer)

    def submit(
        self, function: Callable[[], Any], on_done: Callable[[Call], None], *, urgent: bool
    ) -> None:
        self._check_process()
        (self._urgent if urgent else self._other).append(Call(function, on_done, urgent))
        self._n_pending += 1
        self._tickets.put(None)

    @property
    def has_pending(self) -> bool:
        """Whether `collect` has something to wait for."""
        self._check_process()
        return self._n_pending > 0

    @property
    def next_is_urgent(self) -> bool:
        """Whether the present call, or else the next one, is urgent."""
        self._check_process()
        doing = self._doing
        return doing.is_urgent if doing else bool(self._urgent)

    def collect(self, *, wait: bool) -> None:
        """Calls `on_done` of the finished calls; with `wait`, of one at least.

        Raises what is no Exception, such as KeyboardInterrupt, here.
        """
        self._check_process()
        done = [aside.wait(self._done)] if wait else []
        with contextlib.suppress(Empty):
            while True:
                done.append(self._done.get_nowait())
        for call in done:
            self._n_pending -= 1
            if self._interruption is not None:
                raise self._interruption
            call.on_done(call)

    def close(self) -> None:
        """Ends the thread. Its present call ends at its next `check`, and nobody is told of it."""
        is_elsewhere = os.getpid() != self._process or sys.is_finalizing()
        if self._is_closed or is_elsewhere:  # the thread, which runs no more
            return
        self._is_closed = True
        self._work.is_wanted = False
        self._urgent.clear()
        self._other.clear()
        self._tickets.put(None)
        if not self._work.is_present:  # the garbage collector may run there
            self._ended.get()
        self._done = SimpleQueue()
        self._n_pending = 0

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            raise StateError(
                "worker: a forked process cannot go on with its parent's; transcribe there again"
            )

    def _answer(self) -> None:
        self._work.begin()
        while (call := self._next()) is not None:
            try:
                with Cancellable(self._cancel):
                    call.result = call.function()
            except Exception as error:
                call.error = error
            except BaseException as interruption:
                self._interruption = interruption
            self._doing = None
            self._done.put(call)
            del call  # which holds what it was about
        self._ended.put(None)

    def _next(self) -> Call | None:
        self._tickets.get()
        for queue in (self._urgent, self._other):
            with contextlib.suppress(IndexError):  # closed meanwhile
                self._doing = queue.popleft()
                return self._doing
        return None
