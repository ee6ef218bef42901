"""A segment -> pieces of one speaker each, which together hold all of its text and tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from itertools import accumulate, groupby, pairwise
from typing import Any

from ..results import Segment, Word


def cut(segment: Segment, words: Sequence[Word]) -> list[Segment]:
    """The segment with these words instead of its own, cut where their speaker changes.

    A piece begins and ends with its words, and has what belongs to them: text, tokens, and what is
    known of each token. Timestamps go with the first and the last piece. What is known of the
    window is in each. A segment of one speaker is whole.
    """
    groups = [tuple(group) for _, group in groupby(words, key=lambda word: word.speaker)]
    if len(groups) == 1:
        return [replace(segment, words=tuple(words), speaker=words[0].speaker)]
    texts = [[c for word in group for c in word.word] for group in groups]
    tokens = [[token for word in group for token in word.tokens] for group in groups]
    pieces = zip(groups, _parts(segment.text, texts), _parts(segment.tokens, tokens), strict=True)
    return [
        replace(
            segment,
            start=group[0].start,
            end=group[-1].end,
            text=segment.text[text],
            tokens=segment.tokens[part],
            logprobs=segment.logprobs[part],
            alternatives=segment.alternatives[part],
            words=group,
            speaker=group[0].speaker,
        )
        for group, text, part in pieces
    ]


def _parts(whole: Sequence[Any], groups: Sequence[list[Any]]) -> list[slice]:
    """Where the groups lie in `whole`, which the slices cover without a gap.

    As a rule the groups are `whole`, but for timestamps in front and behind. Where a mark has gone
    to a word of the segment before, or come from the one after, they begin or end elsewhere.
    """
    joined = [item for group in groups for item in group]
    match = SequenceMatcher(None, joined, whole, autojunk=False).find_longest_match(
        0, len(joined), 0, len(whole)
    )
    shift = match.b - match.a
    lengths = list(accumulate(map(len, groups)))[:-1]
    inner = [min(max(length + shift, 0), len(whole)) for length in lengths]
    if not match.size:  # nothing is known of where they are
        inner = [len(whole)] * len(lengths)
    return [slice(*ends) for ends in pairwise([0, *inner, len(whole)])]
