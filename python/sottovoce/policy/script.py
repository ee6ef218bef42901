"""When the words of a script were said: a text that is known before the recording is heard.

The recording is heard, and what was heard is matched to the script. Most words are found so, with
their times; where the two differ, doubts.py asks the decoder.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from .. import _core
from ..errors import ScriptError
from ..results import AlignedWord, Segment, Word
from ..text.tokenizer import Tokenizer
from ..text.units import Unit, stands_alone, units
from .matching import matches
from .window import compression_ratio

LEAST_SAID = 0.3  # of the words of script or hearing, whichever has fewer
_SENTENCE_ENDS = tuple(".?!…。？！।؟")
_CLOSING = "\"'”’»)]」』"


@dataclass
class ScriptWord:
    """A word of the script, and when it was said."""

    begin: int  # characters of the script, without the space before it
    end: int
    units: list[Unit]
    matched: list[int] = field(default_factory=list)  # units of the hearing
    start: float | None = None  # s; None: not said, as far as is known
    stop: float | None = None
    probability: float = 0.0

    @property
    def is_said(self) -> bool:
        return self.start is not None

    @property
    def said_end(self) -> int:
        """The character after its last unit."""
        return self.units[-1].end if self.units else self.end


@dataclass(frozen=True)
class HeardUnit:
    """A unit of what was heard; a word of several takes its time in proportion to their letters."""

    key: str
    word: int  # index of the heard word
    start: float  # s
    end: float
    probability: float


def script_words(script: str) -> list[ScriptWord]:
    """The words of a script; marks that stand alone belong to the word before them."""
    words: list[ScriptWord] = []
    coming = units(script)
    n_used = 0
    for begin, end in _chunks(script):
        last = n_used
        while last < len(coming) and coming[last].begin < end:
            last += 1
        if last == n_used and words:
            words[-1].end = end
        elif last == n_used or not (words and not words[-1].units):
            words.append(ScriptWord(begin, end, coming[n_used:last]))
        else:  # marks at the head of the script
            words[-1].end, words[-1].units = end, coming[n_used:last]
        n_used = last
    return words


def _chunks(script: str) -> Iterator[tuple[int, int]]:
    """What spaces set apart, and characters that are words of their own with what follows them."""
    begin = None
    for i, character in enumerate(script):
        if begin is not None and (character.isspace() or stands_alone(character)):
            yield begin, i
            begin = None
        if begin is None and not character.isspace():
            begin = i
    if begin is not None:
        yield begin, len(script)


def heard_units(heard: Sequence[Word]) -> list[HeardUnit]:
    found = []
    for i, word in enumerate(heard):
        parts = units(word.word)
        n_letters = sum(len(part.key) for part in parts)
        start = word.start
        for part in parts:
            end = start + (word.end - word.start) * len(part.key) / n_letters
            found.append(HeardUnit(part.key, i, start, end, word.probability))
            start = end
    return found


def match(words: Sequence[ScriptWord], heard: Sequence[HeardUnit]) -> None:
    """Gives words the times of the units that they share with what was heard."""
    owners = [word for word in words for _ in word.units]
    keys = [unit.key for word in words for unit in word.units]
    said = [unit.key for unit in heard]
    for i, j in _whole(keys, said) or matches(keys, said):
        owners[i].matched.append(j)
    for word in words:
        if word.matched:
            parts = [heard[j] for j in word.matched]
            word.start, word.stop = parts[0].start, parts[-1].end
            word.probability = sum(part.probability for part in parts) / len(parts)


def _whole(keys: list[str], heard: list[str]) -> list[tuple[int, int]]:
    """A script that was heard as it is written, at its first place: however short, it is no chance.
    Else nothing."""
    for first in range(len(heard) - len(keys) + 1):
        if keys and heard[first : first + len(keys)] == keys:
            return [(i, first + i) for i in range(len(keys))]
    return []


def check_related(
    words: Sequence[ScriptWord], heard: Sequence[HeardUnit], least: float = LEAST_SAID
) -> None:
    """Raises ScriptError if too few words were said for script and recording to be one speech.

    One may hold much more than the other: a chapter of a book, a book of which a chapter was read.
    """
    if not heard:
        raise ScriptError("align: no word was heard in the recording")
    n_script, n_said = len(words), sum(word.is_said for word in words)
    n_heard = len({unit.word for unit in heard})
    if n_said < least * min(n_script, n_heard):
        raise ScriptError(
            "align: the text and the recording have nothing to do with each other: "
            f"{n_said} of the text's {n_script} words are among the {n_heard} that were heard"
        )


def aligned_words(script: str, words: Sequence[ScriptWord]) -> list[AlignedWord]:
    """The words as people get them; together they hold all of the script but its white space."""
    ends = [0, *(word.end for word in words)]
    return [
        AlignedWord(
            word=(" " if before < word.begin or not before else "") + script[word.begin : word.end],
            start=_hundredths(word.start),
            end=_hundredths(word.stop),
            probability=word.probability,
            span=(word.begin, word.end),
        )
        for before, word in zip(ends, words, strict=False)
    ]


def _hundredths(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)


def script_segments(
    script: str, words: Sequence[AlignedWord], tokenizer: Tokenizer
) -> Iterator[Segment]:
    """Lines and sentences of the script, as far as they were said."""
    said: list[AlignedWord] = []
    n_segments = 0
    for word, following in zip_longest(words, words[1:]):
        if word.is_said:
            said.append(word)
        if said and (following is None or _ends_segment(script, word, following)):
            yield _segment(n_segments, said, tokenizer)
            n_segments += 1
            said = []


def _ends_segment(script: str, word: AlignedWord, following: AlignedWord) -> bool:
    """Whether a line or a sentence ends with a word."""
    is_last_of_line = "\n" in script[word.span[1] : following.span[0]]
    return is_last_of_line or word.word.rstrip(_CLOSING).endswith(_SENTENCE_ENDS)


def _segment(number: int, said: Sequence[AlignedWord], tokenizer: Tokenizer) -> Segment:
    words = tuple(
        Word(
            word=each.word,
            start=each.start or 0.0,
            end=each.end or 0.0,
            probability=each.probability,
            tokens=tuple(tokenizer.encode(each.word)),
        )
        for each in said
    )
    text = "".join(word.word for word in words)
    logprobs = [math.log(max(word.probability, 1e-10)) for word in words]
    return Segment(
        id=number,
        seek=round(words[0].start * _core.FRAMES_PER_SECOND),
        start=words[0].start,
        end=words[-1].end,
        text=text,
        tokens=tuple(token for word in words for token in word.tokens),
        temperature=0.0,
        avg_logprob=sum(logprobs) / len(logprobs),
        compression_ratio=compression_ratio(text),
        no_speech_prob=0.0,
        words=words,
    )
