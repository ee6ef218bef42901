"""Where script and hearing differ, either may be wrong: the decoder reads both over that passage.

Words of the script were said if the passage with them is not much less probable than as it was
heard. Their times then come from that reading.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import accumulate, groupby, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..options import TranscribeOptions
from ..results import Word
from ..text.tokenizer import Tokenizer
from ..text.units import stands_alone, units
from ..text.words import split_characters
from .requests import AlignRequest, EncodeRequest
from .script import HeardUnit, ScriptWord
from .window import Window

_LONGEST = 25.0  # s of a passage
_CONTEXT = 6  # words that are read before and behind a doubt
_AROUND = 0.4  # s of sound before and behind a passage's words
_QUICKEST = 40.0  # characters that anybody says in a second: twice a quick speaker's
_SLOWEST = 8.0  # characters a second, of a slow speaker
# By how much the log-probability of a passage may fall when words are put into it, and when they
# replace what was heard, there and more for each of their tokens. Over the development clips in
# English, with base, 3 of 1413 words that were said are missed so (um, uh, Feed'st), and 18 of 493
# foreign ones, put anywhere, are taken.
_MOST_ADDED = 8.0
_MOST_REPLACED = 8.0
_MOST_REPLACED_TOKEN = 2.5
_ALIKE = 0.6  # of their letters: then the two are spellings of the same

Requests = Generator[EncodeRequest | AlignRequest, Any, None]


@dataclass(frozen=True)
class _Doubt:
    """Words [first, last) of the script; in their place [begin, end) of the heard ones came."""

    first: int
    last: int
    begin: int
    end: int
    start: float  # s, between which they are looked for
    stop: float


@dataclass(frozen=True)
class _Passage:
    """Neighbouring doubts, and the words that were heard around them."""

    doubts: list[_Doubt]
    begin: int  # of the heard words
    end: int
    start: float  # s
    stop: float


@dataclass(frozen=True)
class _Reading:
    """A text as the decoder has read it over a passage."""

    logprob: float  # of all of it, and of its end
    places: list[int]  # characters at which its pieces begin, and the length of all
    times: list[float]  # s at which they begin, and where the last one ends
    probabilities: list[float]  # of each piece

    def time(self, character: int) -> float:
        """s; characters share the time of their piece."""
        return float(np.interp(character, self.places, self.times))

    def probability(self, begin: int, end: int) -> float:
        """Mean over the pieces of characters [begin, end)."""
        first, last = bisect_right(self.places, begin) - 1, bisect_left(self.places, end)
        return float(np.mean(self.probabilities[first:last]))


class Doubts:
    """Reads a recording again where its script was not heard as it is written."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        dims: _core.ModelDims,
        options: TranscribeOptions,
        mel: NDArray[np.float32],
    ) -> None:
        """`mel`: (n_mels, content_frames + 3000) of the recording."""
        self._tokenizer, self._mel = tokenizer, mel
        self._n_frames = int(mel.shape[1]) - _core.N_FRAMES
        special = tokenizer.special
        language = options.language or "en"
        self._initial = [*tokenizer.sot_sequence(language, "transcribe"), special.no_timestamps]
        self._most_tokens = dims.n_text_ctx - len(self._initial) - 1

    @property
    def is_short(self) -> bool:
        """Whether the whole recording is one passage."""
        return self._n_frames <= _LONGEST * _core.FRAMES_PER_SECOND

    def settle(
        self,
        script: str,
        words: Sequence[ScriptWord],
        heard: Sequence[Word],
        heard_units: Sequence[HeardUnit],
    ) -> Requests:
        """Gives times to words that were said after all."""
        duration = self._n_frames / _core.FRAMES_PER_SECOND
        doubts = list(_doubts(words, heard, heard_units, duration))
        for passage in _passages(doubts, heard, duration):
            yield from self._settle(passage, script, words, heard)

    def _settle(
        self, passage: _Passage, script: str, words: Sequence[ScriptWord], heard: Sequence[Word]
    ) -> Requests:
        first, last = (round(s * _core.FRAMES_PER_SECOND) for s in (passage.start, passage.stop))
        window = Window(first, min(last, self._n_frames) - first)
        features = yield EncodeRequest(self._mel[:, window.seek : window.end])

        def read(doubts: Sequence[_Doubt]) -> Generator[AlignRequest, Any, _Reading | None]:
            text = "".join(text for text, _ in _spelled(passage, doubts, script, words, heard))
            return (yield from self._read(text, features, window))

        plain = yield from read(())
        said: list[_Doubt] = []
        for doubt in passage.doubts:
            if _is_alike(doubt, script, words, heard):
                said.append(doubt)
                continue
            best, logprob = doubt, -np.inf
            for part in _parts(doubt):
                reading = yield from read([part])
                if reading is not None and reading.logprob - _MOST_ADDED > logprob:
                    best, logprob = part, reading.logprob
            n_tokens = len(self._tokenizer.encode(_script_text(best, script, words, once=True)))
            if plain is not None and logprob >= plain.logprob - _most_lost(best, n_tokens):
                said.append(best)
        reading = yield from read(said) if said else _nothing()
        if reading is not None:
            _take_times(reading, list(_spelled(passage, said, script, words, heard)))

    def _read(
        self, text: str, features: _core.AudioFeatures, window: Window
    ) -> Generator[AlignRequest, Any, _Reading | None]:
        """None: it is longer than the decoder can read."""
        tokens = self._tokenizer.encode(text)
        if not tokens or len(tokens) > self._most_tokens:
            return None
        alignment = yield AlignRequest(
            features,
            _core.AlignmentOptions(
                initial_tokens=self._initial,
                text_tokens=tokens,
                eot=self._tokenizer.special.eot,
                n_frames=window.size,
                logprobs=True,
            ),
        )
        pieces = list(split_characters(self._tokenizer, tokens))
        firsts = [0, *accumulate(len(tokens) for _, tokens in pieces)]
        probabilities = alignment.probabilities.astype(np.float64)
        seconds = window.offset + alignment.starts / _core.TOKENS_PER_SECOND
        return _Reading(
            logprob=float(np.sum(alignment.logprobs, dtype=np.float64)),
            places=[0, *accumulate(len(text) for text, _ in pieces)],
            times=[float(seconds[i]) for i in firsts],
            probabilities=[float(probabilities[a:b].mean()) for a, b in pairwise(firsts)],
        )


def _is_alike(
    doubt: _Doubt, script: str, words: Sequence[ScriptWord], heard: Sequence[Word]
) -> bool:
    """Whether script and hearing look like spellings of the same: "colour" and "color"."""
    spellings = (
        _script_text(doubt, script, words),
        "".join(word.word for word in heard[doubt.begin : doubt.end]),
    )
    written, said = ("".join(unit.key for unit in units(spelling)) for spelling in spellings)
    return SequenceMatcher(None, written, said, autojunk=False).ratio() >= _ALIKE


def _parts(doubt: _Doubt) -> list[_Doubt]:
    """The doubt, and as much of its head and its tail as was heard in its place."""
    n_heard = doubt.end - doubt.begin
    if not 0 < n_heard < doubt.last - doubt.first:
        return [doubt]
    head = replace(doubt, last=doubt.first + n_heard)
    tail = replace(doubt, first=doubt.last - n_heard)
    return [doubt, head, tail]


def _most_lost(doubt: _Doubt, n_tokens: int) -> float:
    if doubt.begin == doubt.end:
        return _MOST_ADDED
    return _MOST_REPLACED + _MOST_REPLACED_TOKEN * n_tokens


def _nothing() -> Generator[AlignRequest, Any, None]:
    return
    yield


def _doubts(
    words: Sequence[ScriptWord],
    heard: Sequence[Word],
    heard_units: Sequence[HeardUnit],
    duration: float,
) -> Iterator[_Doubt]:
    """Runs of words that were not heard, where they are not too many for their time."""
    for is_said, run in groupby(range(len(words)), lambda i: words[i].is_said):
        if is_said:
            continue
        run_of = list(run)
        first, last = run_of[0], run_of[-1] + 1
        n_characters = words[last - 1].end - words[first].begin
        most = 1.0 + n_characters / _SLOWEST  # s that are looked through at either end of a script
        begin, end = 0, len(heard)
        start, stop = None, None
        if first > 0:
            unit = heard_units[words[first - 1].matched[-1]]
            begin, start = unit.word + 1, unit.end
        if last < len(words):
            unit = heard_units[words[last].matched[0]]
            end, stop = unit.word, unit.start
        if start is None and stop is not None:
            start = max(0.0, stop - most)
            begin = next((i for i, word in enumerate(heard) if word.end > start), end)
        if stop is None and start is not None:
            stop = min(duration, start + most)
            end = next((i for i in range(begin, len(heard)) if heard[i].start >= stop), len(heard))
        if start is None or stop is None:  # nothing was heard as it is written
            start, stop = 0.0, duration
        if n_characters <= _QUICKEST * (stop - start + 2 * _AROUND):
            yield _Doubt(first, last, begin, max(begin, end), start, stop)


def _passages(
    doubts: Sequence[_Doubt], heard: Sequence[Word], duration: float
) -> Iterator[_Passage]:
    passage: _Passage | None = None
    for doubt in doubts:
        alone = _passage([doubt], heard, duration)
        together = _passage([*passage.doubts, doubt], heard, duration) if passage else None
        if together is not None:
            passage = together
            continue
        if passage is not None:
            yield passage
        passage = alone
    if passage is not None:
        yield passage


def _passage(doubts: Sequence[_Doubt], heard: Sequence[Word], duration: float) -> _Passage | None:
    """With as much around the doubts as there is room for; None: they are too far apart."""
    first, last = doubts[0], doubts[-1]
    room = (_LONGEST - (last.stop - first.start)) / 2
    if room < 0:
        return None
    begin, end = first.begin, last.end
    while begin > max(0, first.begin - _CONTEXT) and first.start - heard[begin - 1].start < room:
        begin -= 1
    while end < min(len(heard), last.end + _CONTEXT) and heard[end].end - last.stop < room:
        end += 1
    start, stop = first.start - _AROUND, last.stop + _AROUND
    if begin < first.begin:
        start = heard[begin].start - _AROUND
    if end > last.end:
        stop = heard[end - 1].end + _AROUND
    if begin > 0:  # nothing of the words that are not read
        start = max(start, min(heard[begin - 1].end, start + _AROUND))
    if end < len(heard):
        stop = min(stop, max(heard[end].start, stop - _AROUND))
    return _Passage(list(doubts), begin, end, max(0.0, start), min(duration, stop))


def _spelled(
    passage: _Passage,
    doubts: Sequence[_Doubt],
    script: str,
    words: Sequence[ScriptWord],
    heard: Sequence[Word],
) -> Iterator[tuple[str, ScriptWord | None]]:
    """What the decoder reads: what was heard, but the script's words in place of some doubts."""
    position = passage.begin
    for doubt in doubts:
        yield from ((word.word, None) for word in heard[position : doubt.begin])
        yield from _script_words(doubt, script, words)
        position = doubt.end
    yield from ((word.word, None) for word in heard[position : passage.end])


def _script_words(
    doubt: _Doubt, script: str, words: Sequence[ScriptWord]
) -> Iterator[tuple[str, ScriptWord]]:
    for i in range(doubt.first, doubt.last):
        word = words[i]
        follows = i == 0 or words[i - 1].end < word.begin
        space = " " if follows and not stands_alone(script[word.begin]) else ""
        yield space + script[word.begin : word.end], word


def _script_text(
    doubt: _Doubt, script: str, words: Sequence[ScriptWord], *, once: bool = False
) -> str:
    """`once`: each word where it comes first; what it says again is probable whatever was said."""
    texts = (text for text, _ in _script_words(doubt, script, words))
    return "".join(dict.fromkeys(texts) if once else texts)


def _take_times(reading: _Reading, spelled: Sequence[tuple[str, ScriptWord | None]]) -> None:
    position = 0
    for text, word in spelled:
        end = position + len(text)
        if word is not None and word.units:
            begin = end - (word.end - word.begin)
            said_end = end - (word.end - word.said_end)
            word.start, word.stop = reading.time(position), reading.time(said_end)
            word.probability = reading.probability(begin, said_end)
        position = end
