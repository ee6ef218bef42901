"""How many threads run Python: those that `threading` does not know are counted too."""

import _thread
import time

PATIENCE = 5.0  # s, within which threads end that have nothing to do any more


def count() -> int:
    return _thread._count()


def count_down_to(n: int) -> int:
    """The number, as soon as it is no more than `n`, or after a while."""
    end = time.monotonic() + PATIENCE
    while count() > n and time.monotonic() < end:
        time.sleep(0.001)
    return count()
