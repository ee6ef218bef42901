"""A thread that does one thing after the other while its owner goes on."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_LOOKS_UP = 0.2  # s, after which an idle thread sees whether the program has ended


@dataclass(eq=False)
class Errand:
    """Something to do, and who hears how it went."""

    call: Callable[[], Any]
    then: Callable[[Errand], None]
    is_urgent: bool
    answer: Any = None  # what the call returned
    error: Exception | None = None  # or raised


class Errands:
    """One thread and what it has to do: the urgent first, in the order in which it was sent.

    Answers are handed out by `collect`, in the thread that calls it. The thread ends with `close`,
    and after the errand it is at when the program ends.
    """

    def __init__(self, name: str) -> None:
        self._change = threading.Condition()
        self._urgent: deque[Errand] = deque()
        self._other: deque[Errand] = deque()
        self._doing: Errand | None = None
        self._done: deque[Errand] = deque()
        self._interruption: BaseException | None = None
        self._is_closed = False
        self._thread = threading.Thread(target=self._work, name=name)
        self._thread.start()

    def send(
        self, call: Callable[[], Any], then: Callable[[Errand], None], *, urgent: bool
    ) -> None:
        with self._change:
            (self._urgent if urgent else self._other).append(Errand(call, then, urgent))
            self._change.notify_all()

    @property
    def are_pending(self) -> bool:
        """Whether `collect` has something to wait for."""
        with self._change:
            return bool(self._done or self._doing or self._urgent or self._other)

    @property
    def are_urgent(self) -> bool:
        """Whether what comes next of it is something urgent."""
        with self._change:
            return self._doing.is_urgent if self._doing else bool(self._urgent)

    def collect(self, *, wait: bool) -> None:
        """Lets those who sent an errand know that it is done; with `wait`, one at least.

        Raises what is no Exception, such as KeyboardInterrupt, here.
        """
        with self._change:
            while wait and not self._done:
                self._change.wait()
            done = list(self._done)
            self._done.clear()
        for errand in done:
            if self._interruption is not None:
                raise self._interruption
            errand.then(errand)

    def close(self) -> None:
        """Ends the thread. What it is at is waited for, and nobody hears of it."""
        with self._change:
            self._is_closed = True
            self._urgent.clear()
            self._other.clear()
            self._change.notify_all()
        if threading.current_thread() is not self._thread:  # the garbage collector may run there
            self._thread.join()
        self._done.clear()

    def _work(self) -> None:
        while (errand := self._next()) is not None:
            try:
                errand.answer = errand.call()
            except Exception as error:
                errand.error = error
            except BaseException as interruption:
                self._interruption = interruption
            with self._change:
                self._doing = None
                self._done.append(errand)
                self._change.notify_all()
            del errand  # which holds what it was about

    def _next(self) -> Errand | None:
        with self._change:
            # While executors join their threads at the end of a program, all that was sent to them
            # is still done; the main thread is over by the time plain threads are joined.
            while not self._is_closed and threading.main_thread().is_alive():
                for queue in (self._urgent, self._other):
                    if queue:
                        self._doing = queue.popleft()
                        return self._doing
                self._change.wait(_LOOKS_UP)
        return None
