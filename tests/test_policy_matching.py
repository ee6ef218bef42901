"""Matching of two sequences: the best alignment there is, however long they are."""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from sottovoce.policy import matching
from sottovoce.policy.matching import matches


def best_score(a, b):
    """Gotoh's recursion, written for reading; state: how the alignment ends."""

    @cache
    def best(i, j, state):
        if i == j == 0:
            return 0 if state == "pair" else -np.inf
        if state == "pair" and i and j:
            gain = 2 if a[i - 1] == b[j - 1] else -1
            return gain + max(best(i - 1, j - 1, s) for s in ("pair", "first", "second"))
        if state == "first" and i:
            opened = max(best(i - 1, j, s) for s in ("pair", "second")) - 3
            return max(best(i - 1, j, "first"), opened)
        if state == "second" and j:
            opened = max(best(i, j - 1, s) for s in ("pair", "first")) - 3
            return max(best(i, j - 1, "second"), opened)
        return -np.inf

    return max(best(len(a), len(b), s) for s in ("pair", "first", "second"))


def score_with(a, b, pairs):
    """The best that an alignment with exactly these matches can reach."""
    total, last = 0, (-1, -1)
    for i, j in [*pairs, (len(a), len(b))]:
        n, m = i - last[0] - 1, j - last[1] - 1
        # Some stand for each other, at -1 each, the others are one gap on either side.
        total += max(-k - 3 * (k < n) - 3 * (k < m) for k in range(min(n, m) + 1))
        last = (i, j)
    return total + 2 * len(pairs)


@pytest.mark.parametrize("n_kinds", [2, 4, 10])
def test_no_alignment_is_better(n_kinds, rng):
    for _ in range(60):
        a, b = (rng.integers(n_kinds, size=rng.integers(0, 9)).tolist() for _ in "ab")
        pairs = matches(a, b)
        assert all(a[i] == b[j] for i, j in pairs)
        assert all(i < k and j < m for (i, j), (k, m) in pairwise(pairs))
        assert score_with(a, b, pairs) == best_score(tuple(a), tuple(b))


def test_a_chapter_that_is_missing_is_one_gap(rng):
    """Also where the words around it occur in it again and again."""
    book = [f"w{int(n)}" for n in rng.zipf(1.3, size=3000)]
    heard = book[:800] + book[2000:]
    pairs = matches(book, heard)
    # The words at the two ends of the gap may be the same: then it can as well begin later.
    moved = sum(j != (i if i < 800 else i - 1200) for i, j in pairs)
    assert len(pairs) == len(heard)
    assert moved <= 3


def test_long_sequences_are_cut_at_what_both_hold_once(monkeypatch, rng):
    a = [f"w{int(n)}" for n in rng.zipf(1.3, size=1500)]
    b = [word if rng.random() < 0.9 else "?" for word in a[:500] + a[900:]]
    whole = matches(a, b)
    monkeypatch.setattr(matching, "_MOST_CELLS", 40_000)
    in_parts = matches(a, b)
    assert len(set(whole) & set(in_parts)) >= 0.99 * len(whole)


def test_long_sequences_without_a_common_run_have_no_matches(monkeypatch):
    monkeypatch.setattr(matching, "_MOST_CELLS", 1000)
    assert matches(list(range(100)), list(range(100))[::-1]) == []


@pytest.mark.parametrize(("a", "b"), [([], []), ([1], []), ([], [1])])
def test_nothing_matches_nothing(a, b):
    assert matches(a, b) == []
