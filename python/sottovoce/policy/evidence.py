"""What speaks for a segment and against it, and what to think of it then.

No list of phrases: a text is doubted for where and how it was heard, never for what it says.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from ..results import Evidence, Segment
from ..text.units import units
from .voiced import Span, Voiced
from .window import compression_ratio

_AROUND = 0.2  # s by which words may lie beside their voice
_FEWEST_SECONDS = 0.1  # of voice, for a rate
_MOST_WORDS = 9.0  # in a second of voice: nobody speaks as fast
_LITTLE_VOICE = 0.25  # of the time of the words
_UNLIKELY = -0.95  # mean log-probability
_SILENT = 0.4  # probability of no speech in the window
_NO_VOICE = 0.15  # the highest probability of voice in silence and noise


def evidence(
    segment: Segment,
    spans: Sequence[Span],
    voiced: Voiced,
    text_logprobs: Sequence[float],
    peaks: Sequence[float] = (),
) -> Evidence:
    """Of a segment.

    Args:
        spans: of its words, in s; () where none is timed.
        text_logprobs: of its tokens of text.
        peaks: where, in s, each of these attends most; () where nobody knows.
    """
    spans = spans or ((segment.start, segment.end),)
    around = [(max(start - _AROUND, 0.0), end + _AROUND) for start, end in joined(spans)]
    seconds = sum(voiced.seconds(start, end) for start, end in joined(around))
    length = sum(end - start for start, end in joined(spans))
    said = [unit.key for unit in units(segment.text)]
    return Evidence(
        voiced=seconds,
        share=min(seconds / length, 1.0) if length > 0 else float(seconds > 0),
        voice=max(voiced.peak(start, end) for start, end in around),
        no_speech_prob=segment.no_speech_prob,
        avg_logprob=_mean(segment.logprobs),
        min_logprob=min(text_logprobs, default=0.0),
        compression_ratio=compression_ratio(segment.text.strip()),
        n_words=len(said),
        words_per_second=len(said) / max(seconds, _FEWEST_SECONDS),
        repeats=repeats(said),
        forward=_forward(peaks),
        attended=_attended(peaks, voiced),
    )


def doubt(evidence: Evidence) -> str:
    """Why a segment was hardly said; "": nothing speaks against it."""
    is_weak = evidence.avg_logprob < _UNLIKELY or evidence.no_speech_prob > _SILENT
    if evidence.voiced < _FEWEST_SECONDS and (is_weak or evidence.voice < _NO_VOICE):
        return f"nobody speaks: voice {evidence.voice:.2f}"
    if is_weak and evidence.words_per_second > _MOST_WORDS and evidence.n_words > 3:
        rate, seconds = evidence.words_per_second, evidence.voiced
        return f"{rate:.0f} words a second in {seconds:.1f} s of voice"
    if is_weak and evidence.share < _LITTLE_VOICE:
        return (
            f"voice in {100 * evidence.share:.0f} % of its time, mean log-probability "
            f"{evidence.avg_logprob:.2f}"
        )
    return ""


def repeats(said: Sequence[str]) -> int:
    """How often the most repeated phrase stands in a row."""
    most = 1
    for period in range(1, len(said) // 2 + 1):
        run = 0
        for i in range(period, len(said)):
            run = run + 1 if said[i] == said[i - period] else 0
            most = max(most, run // period + 1)
    return most


def _forward(peaks: Sequence[float]) -> float | None:
    if not peaks:
        return None
    steps = [late >= early - _AROUND for early, late in pairwise(peaks)]
    return sum(steps) / len(steps) if steps else 1.0


def _attended(peaks: Sequence[float], voiced: Voiced) -> float | None:
    if not peaks:
        return None
    rests = [voiced.seconds(peak - _AROUND, peak + _AROUND) > 0 for peak in peaks]
    return sum(rests) / len(rests)


def joined(spans: Sequence[Span]) -> list[Span]:
    """The same time in spans that are in order and apart from each other."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            start, end = found[-1][0], max(end, found.pop()[1])
        found.append((start, end))
    return found


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else 0.0
