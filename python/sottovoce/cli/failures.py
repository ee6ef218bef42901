"""What goes wrong on a command line, and the one line that says so."""

from __future__ import annotations

import sys

from ..errors import Error

# What the world and the caller do wrong; anything else is our bug and deserves its traceback.
EXPECTED_ERRORS = (Error, OSError, ValueError, RuntimeError, ImportError, MemoryError)


class UsageError(Exception):
    """Arguments that parse but cannot be meant."""


class OutputError(Exception):
    """There is no place for what comes out."""


def complain(error: BaseException, subject: str = "") -> None:
    """One line on standard error, about `subject` where there is one."""
    what = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        what = error.strerror  # without "[Errno 2]"
        subject = subject or str(error.filename or "")
    print(f"sottovoce: {subject + ': ' if subject else ''}{what}", file=sys.stderr, flush=True)
