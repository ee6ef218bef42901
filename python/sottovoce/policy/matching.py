"""Which elements of two sequences stand for each other, where either may lack long stretches.

The best alignment with affine gaps (Gotoh 1982), whose gaps cost the same however long they are: a
chapter that is not read is one gap. Long sequences are first cut at what both hold only once.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Pair = tuple[int, int]

_SAME = 2
_OTHER = -1  # two that stand in one place
_GAP = -3  # so that one of the commonest words, met by chance in a gap, is no match
_MOST_CELLS = 20_000_000  # a byte each
_RUNS = (8, 4)  # elements that are looked for in both, when that is too many
_LEAST = -(2**30)

_BOTH, _SKIP_FIRST, _SKIP_SECOND = 0, 1, 2  # where a cell's best comes from
_FIRST_GOES_ON, _SECOND_GOES_ON = 4, 8  # its gap is one element longer than before


def matches(first: Sequence[Hashable], second: Sequence[Hashable]) -> list[Pair]:
    """Indices of equal elements that stand for each other, both ascending."""
    numbers = {element: i for i, element in enumerate(dict.fromkeys([*first, *second]))}
    a = np.array([numbers[element] for element in first], dtype=np.int32)
    b = np.array([numbers[element] for element in second], dtype=np.int32)
    return list(_matches(a, b, _RUNS))


def _matches(
    a: NDArray[np.int32], b: NDArray[np.int32], runs: Sequence[int], begin: Pair = (0, 0)
) -> Iterator[Pair]:
    """`begin`: where the two stand in the whole."""
    if a.size == 0 or b.size == 0:
        return
    if (a.size + 1) * (b.size + 1) <= _MOST_CELLS:
        yield from ((begin[0] + i, begin[1] + j) for i, j in _best(a, b))
        return
    if not runs:  # so long, and nothing in common
        return
    last = (0, 0)
    for i, j in [*_common_runs(a, b, runs[0]), (a.size, b.size)]:
        yield from _matches(
            a[last[0] : i], b[last[1] : j], runs[1:], (begin[0] + last[0], begin[1] + last[1])
        )
        last = (i, j)


def _common_runs(a: NDArray[np.int32], b: NDArray[np.int32], length: int) -> list[Pair]:
    """Where runs begin that both hold once: the longest chain of them that ascends in both."""
    places = _single_runs(b, length)
    pairs = [(i, places[run]) for run, i in _single_runs(a, length).items() if run in places]
    pairs.sort()
    ends: list[int] = []  # of chains of each length, the least last place
    chains: list[tuple[Pair, int]] = []  # a pair, and the chain it continues
    heads: list[int] = []  # of each length, its chain
    for pair in pairs:
        n = bisect_left(ends, pair[1])
        chains.append((pair, heads[n - 1] if n else -1))
        ends[n : n + 1], heads[n : n + 1] = [pair[1]], [len(chains) - 1]
    found, chain = [], heads[-1] if heads else -1
    while chain >= 0:
        pair, chain = chains[chain]
        found.append(pair)
    return found[::-1]


def _single_runs(values: NDArray[np.int32], length: int) -> dict[bytes, int]:
    """Where the runs begin that occur once."""
    places: dict[bytes, int] = {}
    again = set()
    for i in range(values.size - length + 1):
        run = values[i : i + length].tobytes()
        if run in places:
            again.add(run)
        places[run] = i
    return {run: i for run, i in places.items() if run not in again}


def _best(a: NDArray[np.int32], b: NDArray[np.int32]) -> list[Pair]:
    """The matches of the best alignment; on the way back a pair goes before a gap."""
    moves = _moves(a, b)
    found = []
    i, j, state = a.size, b.size, _BOTH
    while i > 0 and j > 0:
        move = int(moves[i, j])
        if state == _BOTH:
            state = move & 3
            if state == _BOTH:
                i, j = i - 1, j - 1
                if a[i] == b[j]:
                    found.append((i, j))
        elif state == _SKIP_FIRST:
            state = _SKIP_FIRST if move & _FIRST_GOES_ON else _BOTH
            i -= 1
        else:
            state = _SKIP_SECOND if move & _SECOND_GOES_ON else _BOTH
            j -= 1
    return found[::-1]


def _moves(a: NDArray[np.int32], b: NDArray[np.int32]) -> NDArray[np.uint8]:
    """(len(a) + 1, len(b) + 1): how the best alignment of the first i and j elements ends."""
    moves = np.zeros((a.size + 1, b.size + 1), dtype=np.uint8)
    best = np.full(b.size + 1, _GAP)  # of the row
    best[0] = 0
    skip = np.full(b.size + 1, _LEAST)  # the same, elements of `a` skipped at its end
    for i, element in enumerate(a, 1):
        skip, opened = np.maximum(skip, best + _GAP), best + _GAP
        goes_on = skip > opened
        both = np.full(b.size + 1, _LEAST)
        both[1:] = best[:-1] + np.where(b == element, _SAME, _OTHER)
        here = np.maximum(both, skip)
        reached = np.maximum.accumulate(here)  # best of the columns up to each
        across = np.full(b.size + 1, _LEAST)  # elements of `b` skipped at its end
        across[1:] = reached[:-1] + _GAP
        best = np.maximum(here, across)
        row = np.where(best == both, _BOTH, np.where(best == skip, _SKIP_FIRST, _SKIP_SECOND))
        row += _FIRST_GOES_ON * goes_on
        row[1:] += _SECOND_GOES_ON * (reached[:-1] > here[:-1])
        moves[i] = row
    return moves
