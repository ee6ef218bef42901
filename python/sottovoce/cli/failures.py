"""What goes wrong on a command line, and the one line on standard error that says so."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from ..errors import Error
from .streams import note

# What the world and the caller do wrong; anything else is our bug and deserves its traceback.
EXPECTED_ERRORS = (Error, OSError, ValueError, RuntimeError, ImportError, MemoryError)


class UsageError(Exception):
    """Arguments that parse but cannot be meant."""


def complain(error: BaseException, subject: str = "") -> None:
    """One line on standard error, about `subject` where there is one."""
    what = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        what = error.strerror  # without "[Errno 2]"
        subject = subject or str(error.filename or "")
    note(f"sottovoce: {subject + ': ' if subject else ''}{what}")
    logging.getLogger("sottovoce.cli").debug("where it comes from:", exc_info=error)


class Lines(logging.Handler):
    """What the library logs, on standard error: warnings, or everything."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.setFormatter(logging.Formatter("sottovoce: warning: %(message)s"))

    def show_all(self) -> None:
        self.setLevel(logging.DEBUG)
        self.setFormatter(logging.Formatter("%(name)s: %(levelname)s: %(message)s"))
        logging.getLogger("sottovoce").setLevel(logging.DEBUG)

    def emit(self, record: logging.LogRecord) -> None:
        for line in self.format(record).splitlines():
            note(line)


@contextmanager
def messages_as_lines() -> Iterator[Lines]:
    """Within it, warnings and what the library logs are lines on standard error."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        note(f"sottovoce: warning: {' '.join(str(message).split())}")

    logger = logging.getLogger("sottovoce")
    level, lines = logger.level, Lines()
    logger.addHandler(lines)
    try:
        with warnings.catch_warnings():
            if not sys.warnoptions:
                for category in (UserWarning, RuntimeWarning, UnicodeWarning):
                    warnings.simplefilter("default", category)
            warnings.showwarning = show
            yield lines
    finally:
        logger.removeHandler(lines)
        logger.setLevel(level)
