"""Words heard against words said: which is which, and how far their times are apart."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from word_clips import Clip, Word

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
WITHIN = (0.1, 0.2, 0.5)  # s
Cost = tuple[int, int, float]
# Steps of an alignment: a word is left out, put in, another one, the same.
UP, LEFT, REPLACED, SAME = "u", "l", "r", "s"
LONG_GAP = 0.5  # s; who puts a word into a shorter one is merely late

AT = 0.03  # s: an utterance may be louder when it is alone, and audible a little earlier


def plain(word: str) -> str:
    """Letters and digits in lower case; a single digit as it is spoken."""
    letters = "".join(filter(str.isalnum, word.lower()))
    return DIGITS[int(letters)] if len(letters) == 1 and letters in "0123456789" else letters


def apart(said: Word, heard: Word) -> float:
    """Seconds between two starts, or between two ends if that start is not known."""
    for a, b in ((said.start, heard.start), (said.end, heard.end)):
        if a is not None and b is not None:
            return abs(a - b)
    return 0.0


def matches(said: Sequence[Word], heard: Sequence[Word]) -> dict[int, int]:
    """Index of a word said -> index of the same word heard, with the fewest edits.

    Of several such alignments the one with the most words, then the one whose times agree best: who
    leaves out one of two sentences that begin alike is taken to have heard the nearer one.
    """
    expected, found = ([plain(word.text) for word in words] for words in (said, heard))
    # Costs of said[:i] -> heard[:j]: edits, less words that match, seconds; and the last step.
    costs = [[(j, 0, 0.0) for j in range(len(found) + 1)]]
    steps = [LEFT * (len(found) + 1)]
    for i, word in enumerate(expected, 1):
        row, taken = [(i, 0, 0.0)], UP
        for j, other in enumerate(found, 1):
            ways = [
                (_more(costs[-1][j], 1), UP),
                (_more(row[-1], 1), LEFT),
                (_more(costs[-1][j - 1], 1), REPLACED),
            ]
            if word and word == other:
                seconds = apart(said[i - 1], heard[j - 1])
                ways.append((_more(costs[-1][j - 1], 0, -1, seconds), SAME))
            cost, step = min(ways)
            row.append(cost)
            taken += step
        costs.append(row)
        steps.append(taken)
    return _read_back(steps)


def _more(cost: Cost, edits: int, words: int = 0, seconds: float = 0.0) -> Cost:
    return cost[0] + edits, cost[1] + words, cost[2] + seconds


def _read_back(steps: list[str]) -> dict[int, int]:
    pairs = {}
    i, j = len(steps) - 1, len(steps[0]) - 1
    while i or j:
        step = steps[i][j] if i else LEFT
        i, j = i - (step != LEFT), j - (step != UP)
        if step == SAME:
            pairs[i] = j
    return pairs


def in_company(pairs: dict[int, int]) -> dict[int, int]:
    """Without words that match beside none that does: in wrong text they are chance ("the")."""
    return {
        i: j for i, j in pairs.items() if pairs.get(i - 1) == j - 1 or pairs.get(i + 1) == j + 1
    }


def in_gaps(heard: Iterable[Word], gaps: Iterable[tuple[float, float]]) -> list[int]:
    """Indices of the words that lie more than half inside a long gap."""
    long = [(a, b) for a, b in gaps if b - a > LONG_GAP]
    return [i for i, word in enumerate(heard) if any(_inside(word, gap) > 0.5 for gap in long)]


def _inside(word: Word, gap: tuple[float, float]) -> float:
    """The share of a word; one without a length is inside or not."""
    assert word.start is not None
    assert word.end is not None
    if word.end <= word.start:
        return float(gap[0] < word.start < gap[1])
    return (min(word.end, gap[1]) - max(word.start, gap[0])) / (word.end - word.start)


@dataclass(frozen=True)
class Heard:
    """A clip as an engine heard it."""

    clip: Clip
    words: tuple[Word, ...]
    pairs: dict[int, int]  # said -> heard

    @classmethod
    def of(cls, clip: Clip, words: Sequence[Word]) -> Heard:
        words = tuple(word for word in words if plain(word.text))
        return cls(clip, words, in_company(matches(clip.words, words)))

    def beside_pauses(self, edge: str) -> set[int]:
        """Words said that start at the end of a long gap, or end where one begins."""
        side = 1 if edge == "start" else 0
        times = [gap[side] for gap in self.clip.gaps if gap[1] - gap[0] > LONG_GAP]
        known = [(i, getattr(word, edge)) for i, word in enumerate(self.clip.words)]
        return {i for i, t in known if t is not None and any(abs(t - g) < AT for g in times)}

    def errors(self, edge: str, among: Collection[int]) -> list[float]:
        """Seconds by which a "start" or an "end" is late, of the words `among` those said."""
        times = [
            (getattr(self.clip.words[i], edge), getattr(self.words[j], edge))
            for i, j in self.pairs.items()
            if i in among
        ]
        return [heard - said for said, heard in times if said is not None]

    def astray(self) -> tuple[int, int]:
        """Words in long gaps, and how many of them were said at all."""
        lost = in_gaps(self.words, self.clip.gaps)
        return len(lost), len(set(lost) & set(self.pairs.values()))


@dataclass(frozen=True)
class Errors:
    """Of many starts, or ends: seconds, but for `within`."""

    n: int
    late: float  # the median, with its sign
    median: float  # of the amounts, like all below
    p95: float
    within: tuple[float, ...]  # shares, as in WITHIN

    @classmethod
    def of(cls, errors: Sequence[float]) -> Errors | None:
        if not errors:
            return None
        amounts = np.abs(errors)
        return cls(
            len(errors),
            statistics.median(errors),
            float(np.median(amounts)),
            float(np.quantile(amounts, 0.95)),
            tuple(float(np.mean(amounts <= most + 1e-9)) for most in WITHIN),
        )
