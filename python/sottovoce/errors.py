"""The exceptions that people catch; each is also the built-in one that it is a kind of.

Not here: `TypeError`, `ValueError` and the `OSError`s of a path, which are raised as they are.
"""

from ._core import Error, LoadError, ShapeError, StateError

__all__ = ["AudioError", "Error", "LoadError", "ShapeError", "StateError"]


class AudioError(LoadError, ValueError):
    """Media that cannot be decoded: the message names the file and what the decoder said."""
