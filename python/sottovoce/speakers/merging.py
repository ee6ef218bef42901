"""Gives the words of a transcript their speakers, and cuts segments where the speaker changes.

A word is whose turns overlap it most; where that is a tie, as in overlapped speech, of the tied one
whose turn there began first, then of the first by name. A word that no turn overlaps is of the
nearest turn, no further than `FARTHEST` away; else of nobody. A segment is judged as a word is
where it has none. Each segment is judged by itself, so that a transcript can be merged as it is
heard.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from ..results import Segment, Word
from .cutting import cut
from .turns import SpeakerTurn

FARTHEST = 0.5  # s between a word and the nearest turn, to be of that speaker
_FLICKER = 0.3  # s: a word this long is no slip of a diarizer
_RESOLUTION = 6  # decimals of a second: what differs by less is the same


@dataclass(frozen=True)
class _Claim:
    """What a speaker has to do with a stretch of time; the least claim wins."""

    overlap: float  # s, of all turns
    distance: float  # s to the nearest turn
    since: float  # s, when that one, or the first that overlaps, began
    speaker: str

    @property
    def rank(self) -> tuple[float, float, float, str]:
        return -self.overlap, self.distance, self.since, self.speaker


class Speakers:
    """Who speaks when, to be asked about words and segments."""

    def __init__(self, turns: Iterable[SpeakerTurn]) -> None:
        turns = sorted(turns, key=lambda turn: (turn.speaker, turn.start, turn.end))
        by_name = groupby(turns, key=lambda turn: turn.speaker)
        self._voices = [_Voice(name, of_name) for name, of_name in by_name]

    def label(self, segments: Iterable[Segment]) -> Iterator[Segment]:
        """The segments with speakers, cut where these change, as they come; ids stay.

        Speakers that they had before are replaced.
        """
        for segment in segments:
            if segment.words:
                yield from cut(segment, self._spoken(segment.words))
            else:
                # An empty segment is nobody's.
                claim = self._claim(segment.start, segment.end) if segment.text.strip() else None
                yield replace(segment, speaker=claim.speaker if claim else None)

    def _spoken(self, words: Sequence[Word]) -> list[Word]:
        claims = [self._claim(word.start, word.end) for word in words]
        names = [claim.speaker if claim else None for claim in claims]
        for i in range(1, len(words) - 1):
            is_between = names[i - 1] == names[i + 1] is not None
            if is_between and _is_slip(words[i], claims[i]):
                names[i] = names[i - 1]
        return [replace(word, speaker=name) for word, name in zip(words, names, strict=True)]

    def _claim(self, start: float, end: float) -> _Claim | None:
        """That of the speaker from `start` to `end`, in s."""
        claims = [claim for voice in self._voices if (claim := voice.claim(start, max(start, end)))]
        return min(claims, key=lambda claim: claim.rank, default=None)


def _is_slip(word: Word, claim: _Claim | None) -> bool:
    """Whether it is short, and its speaker says less than half of it: no interjection."""
    length = round(word.end - word.start, _RESOLUTION)
    is_said = claim is not None and claim.distance == 0 and claim.overlap >= length / 2
    return length < _FLICKER and not is_said


class _Voice:
    """The turns of one speaker, those that touch joined."""

    def __init__(self, name: str, turns: Iterable[SpeakerTurn]) -> None:
        """`turns` in the order of their starts."""
        self._name = name
        self._starts: list[float] = []
        self._ends: list[float] = []
        for turn in turns:
            if self._ends and turn.start <= self._ends[-1]:
                self._ends[-1] = max(self._ends[-1], turn.end)
            else:
                self._starts.append(turn.start)
                self._ends.append(turn.end)

    def claim(self, start: float, end: float) -> _Claim | None:
        """None: no turn is near."""
        reach = FARTHEST + 10**-_RESOLUTION
        overlap, nearest = 0.0, (True, math.inf, 0.0)
        for i in range(bisect_left(self._ends, start - reach), len(self._ends)):
            since, until = self._starts[i], self._ends[i]
            if since > end + reach:
                break
            said = max(min(end, until) - max(start, since), 0.0)
            distance = round(max(since - end, start - until, 0.0), _RESOLUTION)
            if distance <= FARTHEST:
                nearest = min(nearest, (not said, distance, since))
            overlap += said
        _, distance, since = nearest
        if distance > FARTHEST:
            return None
        return _Claim(round(overlap, _RESOLUTION), distance, since, self._name)
