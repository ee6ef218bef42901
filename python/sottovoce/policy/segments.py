"""How the tokens of one window become segments, and segments a transcript.

Pure functions of tokens; the seek loop (seek.py) decides which window comes next.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from .. import _core
from ..results import Segment, WindowResult
from ..text.tokenizer import Tokenizer
from .window import Window


@dataclass(frozen=True)
class Cut:
    """The segments of one window and the frame to go on from."""

    segments: list[Segment]  # without ids yet
    seek: int
    ends_spoken: bool  # with a lone timestamp: what comes after it is silence
    last_speech: float = 0.0  # s, where the last word ends; once there are words
    is_void: bool = False  # as if the window had not been heard


def cut_window(window: Window, result: WindowResult, tokenizer: Tokenizer) -> Cut:
    """Cuts a window's tokens between adjacent timestamps: one ends a segment, one starts the next.

    What follows the last such pair is unfinished: it is dropped, and the next window starts there.
    Without a pair, or with a lone timestamp at the end, nothing is left to say in this window.
    """
    begin = tokenizer.special.timestamp_begin
    is_timestamp = [token >= begin for token in result.tokens]
    pairs = [i for i in range(1, len(is_timestamp)) if is_timestamp[i - 1] and is_timestamp[i]]
    ends_spoken = is_timestamp[-2:] == [False, True]
    if not pairs:
        end = _last_timestamp(window, result, begin)
        spoken = _segment(window, result, slice(None), window.offset, end, tokenizer)
        return Cut([spoken], window.end, ends_spoken)
    cuts = [*pairs, len(result.tokens)] if ends_spoken else pairs
    segments = []
    for first, last in zip([0, *cuts], cuts, strict=False):
        part = slice(first, last)
        tokens = result.tokens[part]
        # Without the timestamp rules a window may start with words: they start when it does.
        start = window.offset + _seconds(max(tokens[0] - begin, 0))
        end = window.offset + _seconds(tokens[-1] - begin)
        segments.append(_segment(window, result, part, start, end, tokenizer))
    if ends_spoken:
        return Cut(segments, window.end, ends_spoken)
    n_frames = (result.tokens[cuts[-1] - 1] - begin) * _core.INPUT_STRIDE  # of whole segments
    # openai-whisper would hear the same window again, perhaps for ever, after a lone <|0.00|>.
    seek = window.seek + n_frames if n_frames > 0 else window.end
    return Cut(segments, seek, ends_spoken)


def without_empty_speech(segment: Segment) -> Segment:
    """The segment, emptied if it takes no time or says nothing; so it never prompts."""
    if segment.start == segment.end or not segment.text.strip():
        words = None if segment.words is None else ()
        return replace(segment, text="", tokens=(), words=words, logprobs=(), alternatives=())
    return segment


def with_whole_characters(segments: Iterable[Segment], tokenizer: Tokenizer) -> list[Segment]:
    """The segments of a window, where a character whose bytes lie in several is in the first.

    openai-whisper has U+FFFD in each of them. Tokens stay where they are, so that a segment of such
    bytes alone has tokens and no text.
    """
    segments = list(segments)
    texts = tokenizer.decode_apart(_words(s.tokens, tokenizer) for s in segments)
    return [replace(s, text=text) for s, text in zip(segments, texts, strict=True)]


def numbered(segments: Iterable[Segment], first: int = 0) -> Iterator[Segment]:
    """The segments with ids first, first + 1, ..."""
    return (replace(segment, id=i) for i, segment in enumerate(segments, first))


def full_text(segments: Iterable[Segment], tokenizer: Tokenizer) -> str:
    """Text of a transcript: its tokens decoded at once, as characters may span segments."""
    return tokenizer.decode(token for segment in segments for token in segment.tokens)


def _seconds(steps: int) -> float:
    return steps * (_core.INPUT_STRIDE * _core.HOP_LENGTH / _core.SAMPLE_RATE)


def _last_timestamp(window: Window, result: WindowResult, begin: int) -> float:
    timestamps = [token for token in result.tokens if token >= begin]
    if timestamps and timestamps[-1] != begin:
        return window.offset + _seconds(timestamps[-1] - begin)
    return window.offset + window.duration


def _segment(
    window: Window,
    result: WindowResult,
    part: slice,
    start: float,
    end: float,
    tokenizer: Tokenizer,
) -> Segment:
    """Of a part of the window's tokens."""
    tokens = result.tokens[part]
    return Segment(
        id=0,
        seek=window.seek,
        start=start,
        end=end,
        text=tokenizer.decode(_words(tokens, tokenizer)),
        tokens=tokens,
        temperature=result.temperature,
        avg_logprob=result.avg_logprob,
        compression_ratio=result.compression_ratio,
        no_speech_prob=result.no_speech_prob,
        logprobs=result.logprobs[part],
        alternatives=result.alternatives[part],
        hypotheses=result.hypotheses,
        language=result.language,
    )


def _words(tokens: Iterable[int], tokenizer: Tokenizer) -> Iterator[int]:
    return (token for token in tokens if token < tokenizer.special.eot)
