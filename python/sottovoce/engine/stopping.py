"""Hearing that a token or a deadline can end."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from typing import TypeVar

from .._core import Cancellable, CancelToken

_Item = TypeVar("_Item")


def heeding(
    cancel: CancelToken | None, source: Generator[_Item, None, None]
) -> Generator[_Item, None, None]:
    """The same items; each step towards the next one raises what the token says."""
    with closing(source):
        while True:
            with Cancellable(cancel):
                try:
                    item = next(source)
                except StopIteration:
                    return
            yield item
