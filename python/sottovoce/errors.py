"""The exceptions that people catch, and the warnings; each is also a built-in one's kind.

Not here: `TypeError`, `ValueError` and the `OSError`s of a path, which are raised as they are.
"""

from ._core import Error, LoadError, ShapeError, StateError

__all__ = ["AudioError", "Error", "LoadError", "OptionWarning", "ShapeError", "StateError"]


class AudioError(LoadError, ValueError):
    """Media that cannot be decoded: the message names the file and what the decoder said."""


class OptionWarning(UserWarning):
    """An option that has no effect on what it is asked of."""
