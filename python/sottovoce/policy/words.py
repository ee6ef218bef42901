"""Words of a window from the times of its tokens, and what they say about segments and seeking.

Behaviour is openai-whisper's (timing.py, transcribe.py), its quirks included: thresholds, the order
of the steps, the rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from .. import _core
from ..options import TranscribeOptions
from ..results import Segment, Word
from ..text.tokenizer import Tokenizer
from ..text.words import split_words
from .segments import Cut
from .window import Window

_SENTENCE_ENDS = ".。!！?？"  # also what lies between two of them, as text
_MARKS = "\"'“¿([{-\"'.。,，!！?？:：”)]}、"  # said by nobody
_LONGEST_MEDIAN = 0.7  # s
_NEAR = 0.5  # s by which a word and its segment may differ
_LONG_SILENCE = 2.0  # s that speech does not bridge


@dataclass
class _Timed:
    """A word whose times, in s from the start of the window, are not settled."""

    text: str
    tokens: tuple[int, ...]
    start: float
    end: float
    probability: float

    @property
    def duration(self) -> float:
        return self.end - self.start


def alignment_options(
    tokenizer: Tokenizer, options: TranscribeOptions, window: Window, segments: Sequence[Segment]
) -> _core.AlignmentOptions | None:
    """What the core has to align: the text of the segments; None if they have none."""
    text = [token for segment in segments for token in _text_of(segment, tokenizer)]
    if not text:
        return None
    special = tokenizer.special
    return _core.AlignmentOptions(
        initial_tokens=[
            *tokenizer.sot_sequence(options.language or "en", options.task),
            special.no_timestamps,
        ],
        text_tokens=text,
        eot=special.eot,
        n_frames=window.size,
    )


def with_words(
    cut: Cut,
    alignment: _core.TokenAlignment | None,
    tokenizer: Tokenizer,
    options: TranscribeOptions,
    window: Window,
    last_speech: float,
) -> Cut:
    """The cut with the words of its segments, which say where these and the window end.

    `last_speech`: where, in s, the windows before have ended.
    """
    words = _timed_words(cut.segments, alignment, tokenizer, options)
    durations = np.array([word.duration for word in words])
    durations = durations[durations.nonzero()]
    median = min(_LONGEST_MEDIAN, float(np.median(durations)) if durations.size else 0.0)
    if durations.size:
        _cut_at_sentences(words, 2 * median)
    _merge_marks(words, options.prepend_punctuations, options.append_punctuations)
    coming = iter(words)
    segments, speech = [], last_speech
    for segment in cut.segments:
        of_segment = _words_of(_text_of(segment, tokenizer), coming, window.offset)
        if of_segment:
            _shorten_after_pause(of_segment, speech, median)
            segment = _agree(segment, of_segment, median)
            speech = segment.end
        segments.append(replace(segment, words=tuple(map(_word, of_segment))))
    end = _last_end(segments)
    seek = cut.seek
    if not cut.ends_spoken and end > window.offset:
        seek = round(end * _core.FRAMES_PER_SECOND)
    return replace(cut, segments=segments, seek=seek, last_speech=end)


def without_hallucinations(
    cut: Cut, window: Window, threshold: float, last_speech: float, content_frames: int
) -> Cut:
    """Leaves out segments of odd words among silence, and goes on where speech may begin.

    A window whose first words are such is void, and heard again from there.

    Args:
        cut: with words.
        threshold: s, the least silence.
        last_speech: where, in s, the windows before have ended.
        content_frames: of the recording.
    """
    seek = cut.seek
    rest = _end_of_context(window) - cut.last_speech
    if not cut.ends_spoken and cut.last_speech > window.offset and rest <= threshold:
        seek = window.end
    first = _first_spoken(cut.segments)
    if first is not None and _is_odd(first):
        gap = first.start - window.offset
        if gap > threshold:
            seek = window.seek + round(gap * _core.FRAMES_PER_SECOND)
            return Cut([], seek, cut.ends_spoken, last_speech, is_void=True)
    before = last_speech
    for i, segment in enumerate(cut.segments):
        if not segment.words:
            continue
        following = _first_spoken(cut.segments[i + 1 :])
        if _is_odd(segment) and _is_alone(segment, before, following, window, threshold):
            start = max(window.offset + 1, segment.start)
            seek = round(start * _core.FRAMES_PER_SECOND)
            if content_frames * _core.HOP_LENGTH / _core.SAMPLE_RATE - segment.end < threshold:
                seek = content_frames
            kept = cut.segments[:i]
            end = _last_end(kept) if kept else last_speech
            return replace(cut, segments=kept, seek=seek, last_speech=end)
        before = segment.end
    return replace(cut, seek=seek)


def _text_of(segment: Segment, tokenizer: Tokenizer) -> list[int]:
    return [token for token in segment.tokens if token < tokenizer.special.eot]


def _timed_words(
    segments: Sequence[Segment],
    alignment: _core.TokenAlignment | None,
    tokenizer: Tokenizer,
    options: TranscribeOptions,
) -> list[_Timed]:
    """The words of all segments; one ends where the next begins."""
    if alignment is None:
        return []
    text = [token for segment in segments for token in _text_of(segment, tokenizer)]
    spelled = split_words(tokenizer, text, options.language or "en")
    times = alignment.starts / _core.TOKENS_PER_SECOND
    probabilities = alignment.probabilities.astype(np.float64)
    words, first = [], 0
    for said, tokens in spelled:
        last = first + len(tokens)
        mean = float(np.mean(probabilities[first:last]))
        words.append(_Timed(said, tokens, float(times[first]), float(times[last]), mean))
        first = last
    return words


def _cut_at_sentences(words: Sequence[_Timed], longest: float) -> None:
    """Shortens long words beside the end of a sentence, where there may be a pause."""
    for before, word in pairwise(words):
        if word.duration > longest:
            if word.text in _SENTENCE_ENDS:
                word.end = word.start + longest
            elif before.text in _SENTENCE_ENDS:
                word.start = word.end - longest


def _merge_marks(words: Sequence[_Timed], prepended: str, appended: str) -> None:
    """Puts marks to the words that they belong to, and leaves nothing in their place."""
    following = len(words) - 1
    for i in range(len(words) - 2, -1, -1):
        word = words[i]
        if word.text.startswith(" ") and word.text.strip() in prepended:
            _move(word, words[following], before=True)
        else:
            following = i
    previous = 0
    for i in range(1, len(words)):
        if not words[previous].text.endswith(" ") and words[i].text in appended:
            _move(words[i], words[previous], before=False)
        else:
            previous = i


def _move(mark: _Timed, word: _Timed, *, before: bool) -> None:
    parts = (mark, word) if before else (word, mark)
    word.text = "".join(part.text for part in parts)
    word.tokens = tuple(token for part in parts for token in part.tokens)
    mark.text, mark.tokens = "", ()


def _words_of(text: Sequence[int], coming: Iterator[_Timed], offset: float) -> list[_Timed]:
    """The next words, up to all tokens of a segment; in s of the recording, hundredths."""
    words: list[_Timed] = []
    n_tokens = 0
    while n_tokens < len(text) and (word := next(coming, None)) is not None:
        n_tokens += len(word.tokens)
        if word.text:
            start, end = np.round([offset + word.start, offset + word.end], 2).tolist()
            words.append(_Timed(word.text, word.tokens, start, end, word.probability))
    return words


def _shorten_after_pause(words: Sequence[_Timed], last_speech: float, median: float) -> None:
    """The first words after a pause do not reach into it."""
    longest = 2 * median
    first, second = words[0], words[1] if len(words) > 1 else None
    if first.end - last_speech <= 4 * median:
        return
    if first.duration <= longest and (second is None or second.end - first.start <= 2 * longest):
        return
    if second is not None and second.duration > longest:
        # Half of a time since the start of the recording: openai-whisper's.
        first.end = second.start = max(second.end / 2, second.end - longest)
    first.start = max(0.0, first.end - longest)


def _agree(segment: Segment, words: Sequence[_Timed], median: float) -> Segment:
    """The times of the segment's ends, or of the words there where they are much too long."""
    first, last = words[0], words[-1]
    start, end = segment.start, segment.end
    if start < first.end and start - _NEAR > first.start:
        first.start = max(0.0, min(first.end - median, start))
    else:
        start = first.start
    if end > last.start and end + _NEAR < last.end:
        last.end = max(last.start + median, end)
    else:
        end = last.end
    return replace(segment, start=start, end=end)


def _word(word: _Timed) -> Word:
    return Word(word.text, word.start, word.end, word.probability, word.tokens)


def _last_end(segments: Sequence[Segment]) -> float:
    """Where, in s, the last word ends, or without any the last segment."""
    ends = (word.end for segment in reversed(segments) for word in reversed(segment.words or ()))
    return next(ends, segments[-1].end)


def _first_spoken(segments: Sequence[Segment]) -> Segment | None:
    return next((segment for segment in segments if segment.words), None)


def _end_of_context(window: Window) -> float:
    """s; of the 30 s that the network hears, however short the window."""
    return (window.seek + _core.N_FRAMES) * _core.HOP_LENGTH / _core.SAMPLE_RATE


def _is_alone(
    segment: Segment, before: float, following: Segment | None, window: Window, threshold: float
) -> bool:
    """Whether silence, or the like of it, lies on both sides; `before`: the end of speech, in s."""
    next_start = window.offset + window.duration
    if following is not None and following.words:
        next_start = following.words[0].start
    silence_before = (
        segment.start - before > threshold
        or segment.start < threshold
        or segment.start - window.offset < _LONG_SILENCE
    )
    silence_after = (
        next_start - segment.end > threshold
        or (following is not None and _is_odd(following))
        or _end_of_context(window) - segment.end < _LONG_SILENCE
    )
    return silence_before and silence_after


def _is_odd(segment: Segment) -> bool:
    """Whether its first words are too short, too long or too improbable to have been said."""
    words = [word for word in segment.words or () if word.word not in _MARKS][:8]
    score = sum(map(_oddness, words))
    return bool(segment.words) and (score >= 3 or score + 0.01 >= len(words))


def _oddness(word: Word) -> float:
    duration = word.end - word.start
    score = 1.0 if word.probability < 0.15 else 0.0
    if duration < 0.133:
        score += (0.133 - duration) * 15
    if duration > 2.0:
        score += duration - 2.0
    return score
