"""Work that can be left: what decodes media, and what nobody waits for any more.

The main thread alone hears Ctrl-C, and only between its own steps. PyAV hears of it late, and loses
what is raised in what it calls back. So another thread does such work while the asker waits, which
a signal ends at once. Work that nobody waits for ends at its next `check`; the core's long calls
check too.
"""

from __future__ import annotations

import _thread
import contextlib
import contextvars
import signal
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, TypeVar, cast

from . import _core

_Result = TypeVar("_Result")

_PATIENCE = 0.2  # s, in which work that is interrupted may come to its end
_INTERVAL = 0.1  # s, after which who waits looks what has happened meanwhile
# What a thread does wrong itself is told to it.
_OF_THE_THREAD = {
    *(signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL),
    *(signal.SIGSEGV, signal.SIGSYS, signal.SIGTRAP),
}


class UnwantedError(Exception):
    """Ends work that nobody waits for. PyAV's callbacks let nothing through but an Exception."""


class Work:
    """What a thread is about, and whether that is wanted."""

    def __init__(self) -> None:
        self.is_wanted = True
        # What the asker has to call; None: there is nothing to wait for any more.
        self.calls: SimpleQueue[Callable[[], None] | None] | None = None

    def begin(self) -> None:
        """From here on it is what the present thread does."""
        _present.work = self

    @property
    def is_present(self) -> bool:
        """Whether it is what the present thread does."""
        return _present.work is self


class _Present(threading.local):
    work: Work | None = None  # of the application's threads


_present = _Present()


def check() -> None:
    """Raises `UnwantedError` where the present thread's work is not wanted any more.

    And what the tokens say that the thread heeds (`_core.Cancellable`).
    """
    _core.check_cancellation()
    work = _present.work
    if work is not None and not work.is_wanted:
        raise UnwantedError


_core.set_interruption_check(check)


def aside(function: Callable[..., _Result], *arguments: Any) -> _Result:
    """What `function` returns or raises; KeyboardInterrupt or `UnwantedError` when that comes.

    Another thread calls it, in the same context, and goes on to its next `check` or its end if it
    is left. The application's threads, which nothing interrupts, call it themselves; but not the
    main thread.
    """
    if _present.work is None and threading.current_thread() is not threading.main_thread():
        return function(*arguments)
    work, outcome = Work(), _Outcome()
    calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
    work.calls = calls
    context = contextvars.copy_context()

    def do() -> None:
        work.begin()
        try:
            outcome.result = context.run(function, *arguments)
        except BaseException as error:
            outcome.error = error
        calls.put(None)

    try:
        try:
            start_thread(do)
        except RuntimeError:  # no thread is to be had: at the end of a program, or at a limit
            return function(*arguments)
        while (call := wait(calls)) is not None:
            call()
        return cast(_Result, outcome.take())
    except BaseException:
        work.is_wanted = False
        _await_end(calls)
        raise


def in_front(function: Callable[..., _Result], *arguments: Any) -> _Result:
    """What `function` returns or raises, called by who waits for the present work.

    An Exception is raised here and the asker goes on waiting; anything else is raised there. Where
    nobody waits, the present thread calls it.
    """
    work = _present.work
    if work is None or work.calls is None:
        return function(*arguments)
    check()
    outcome = _Outcome()
    answered: SimpleQueue[bool] = SimpleQueue()

    def call() -> None:
        try:
            outcome.result = function(*arguments)
        except Exception as error:
            outcome.error = error
        except BaseException:
            work.is_wanted = False
            outcome.error = UnwantedError()
            raise
        finally:
            answered.put(True)

    work.calls.put(call)
    wait(answered)
    return cast(_Result, outcome.take())


def wait(queue: SimpleQueue[_Result]) -> _Result:
    """What comes out of the queue. Raises what `check` does where that is not waited for any more.

    It looks up now and then: a signal that another thread was given wakes nobody here.
    """
    while True:
        check()
        with contextlib.suppress(Empty):
            return queue.get(timeout=_INTERVAL)


def start_thread(function: Callable[[], None]) -> None:
    """Calls `function` on a daemon thread that takes no signals: they are for the application's.

    Not by `threading.Thread`: what a signal's handler raises in its `start` may stop it for ever.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())  # a handler may run in each of these calls
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - _OF_THE_THREAD)
        _thread.start_new_thread(function, ())
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


class _Outcome:
    result: Any = None
    error: BaseException | None = None

    def take(self) -> Any:
        """The result, or raises the error; keeps neither: a traceback would hold who caught it."""
        result, self.result = self.result, None
        error, self.error = self.error, None
        try:
            if error is not None:
                raise error
            return result
        finally:
            del error


def _await_end(calls: SimpleQueue[Callable[[], None] | None]) -> None:
    """Waits for the end of work that is not wanted, which may be near."""
    end = time.monotonic() + _PATIENCE
    with contextlib.suppress(Empty):
        while calls.get(timeout=max(0.0, end - time.monotonic())) is not None:
            pass
