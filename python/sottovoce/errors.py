"""The exceptions that people catch, and the warnings; each is also a built-in one's kind.

Not here: `TypeError`, `ValueError` and the `OSError`s of a path, which are raised as they are.
"""

import sys
import warnings
from collections.abc import Iterable

from ._core import (
    CancelledError,
    DeadlineExceededError,
    Error,
    LoadError,
    ShapeError,
    StateError,
    StoppedError,
)

__all__ = [
    "AudioError",
    "AudioWarning",
    "CancelledError",
    "DeadlineExceededError",
    "Error",
    "LoadError",
    "OptionWarning",
    "ScriptError",
    "ShapeError",
    "StateError",
    "StoppedError",
]


class AudioError(LoadError, ValueError):
    """Media that cannot be decoded: the message names the file and what the decoder said."""


class ScriptError(Error, ValueError):
    """A text and a recording that have nothing to do with each other."""


class OptionWarning(UserWarning):
    """An option that has no effect on what it is asked of."""


class AudioWarning(UserWarning):
    """A recording that is loaded, but probably not what is meant: clipped, silent, damaged."""


def warn_of_audio(messages: Iterable[str]) -> None:
    """An `AudioWarning` each, said of the line outside the package that called it."""
    package = __name__.partition(".")[0]
    level, frame = 1, sys._getframe()
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        level, frame = level + 1, frame.f_back
    for message in messages:
        warnings.warn(message, AudioWarning, stacklevel=level)
