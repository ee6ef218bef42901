"""A thread that does one thing after the other while its owner goes on."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import StateError

_POLL_INTERVAL = 0.2  # s, after which an idle thread sees whether the program has ended
# What a thread does wrong itself is told to it.
_OF_THE_THREAD = {
    *(signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL),
    *(signal.SIGSEGV, signal.SIGSYS, signal.SIGTRAP),
}


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

    `collect` calls `on_done` of what is finished, in the thread that calls it. The thread ends with
    `close`, and after its present call when the program ends. It takes no signals: they are for the
    application's threads. A forked child has no such thread: all but `close` is refused there.
    """

    def __init__(self, name: str) -> None:
        self._change = threading.Condition()
        self._urgent: deque[Call] = deque()
        self._other: deque[Call] = deque()
        self._doing: Call | None = None
        self._done: deque[Call] = deque()
        self._interruption: BaseException | None = None
        self._is_closed = False
        self._process = os.getpid()
        self._thread = threading.Thread(target=self._work, name=name)
        others = signal.valid_signals() - _OF_THE_THREAD
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, others)
        try:
            self._thread.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def submit(
        self, function: Callable[[], Any], on_done: Callable[[Call], None], *, urgent: bool
    ) -> None:
        self._check_process()
        with self._change:
            (self._urgent if urgent else self._other).append(Call(function, on_done, urgent))
            self._change.notify_all()

    @property
    def has_pending(self) -> bool:
        """Whether `collect` has something to wait for."""
        self._check_process()
        with self._change:
            return bool(self._done or self._doing or self._urgent or self._other)

    @property
    def next_is_urgent(self) -> bool:
        """Whether the present call, or else the next one, is urgent."""
        self._check_process()
        with self._change:
            return self._doing.is_urgent if self._doing else bool(self._urgent)

    def collect(self, *, wait: bool) -> None:
        """Calls `on_done` of the finished calls; with `wait`, of one at least.

        Raises what is no Exception, such as KeyboardInterrupt, here.
        """
        self._check_process()
        with self._change:
            while wait and not self._done:
                self._change.wait()
            done = list(self._done)
            self._done.clear()
        for call in done:
            if self._interruption is not None:
                raise self._interruption
            call.on_done(call)

    def close(self) -> None:
        """Ends the thread. Its present call is waited for, and nobody is told of it."""
        if os.getpid() != self._process:  # where the lock may be held by a thread that is not here
            return
        with self._change:
            self._is_closed = True
            self._urgent.clear()
            self._other.clear()
            self._change.notify_all()
        if threading.current_thread() is not self._thread:  # the garbage collector may run there
            self._thread.join()
        self._done.clear()

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            raise StateError(
                "worker: a forked process cannot go on with its parent's; transcribe there again"
            )

    def _work(self) -> None:
        while (call := self._next()) is not None:
            try:
                call.result = call.function()
            except Exception as error:
                call.error = error
            except BaseException as interruption:
                self._interruption = interruption
            with self._change:
                self._doing = None
                self._done.append(call)
                self._change.notify_all()
            del call  # which holds what it was about

    def _next(self) -> Call | None:
        with self._change:
            # While executors join their threads at the end of a program, all that was submitted
            # is still done; the main thread is over by the time plain threads are joined.
            while not self._is_closed and threading.main_thread().is_alive():
                for queue in (self._urgent, self._other):
                    if queue:
                        self._doing = queue.popleft()
                        return self._doing
                self._change.wait(_POLL_INTERVAL)
        return None
