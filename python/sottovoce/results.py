"""What people get: segments, what is known of a recording, and figures.

Plain values: nothing here decodes, writes or waits. What makes them is in policy/ and engine/.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple, Protocol

from . import _core
from .options import TranscribeOptions


@dataclass(frozen=True)
class Alternative:
    """A token that could have been chosen, or was."""

    token: int
    text: str  # U+FFFD for a part of a character
    logprob: float


@dataclass(frozen=True)
class Hypothesis:
    """One of the texts that a search has ended with."""

    text: str  # stripped
    tokens: tuple[int, ...]  # with timestamps
    avg_logprob: float  # mean over tokens and end of text
    score: float  # what the search ranks by: its log-probability for its length


@dataclass(frozen=True)
class WindowResult:
    """What was heard in one window."""

    tokens: tuple[int, ...]  # with timestamps, without the initial tokens and the end of text
    text: str  # stripped
    language: str  # code
    temperature: float
    avg_logprob: float  # natural logarithm, mean over tokens and end of text
    no_speech_prob: float  # 0..1
    compression_ratio: float  # bytes of text to zlib bytes; high for repetition
    logprobs: tuple[float, ...] = ()  # of each token
    alternatives: tuple[tuple[Alternative, ...], ...] = ()  # of each, likeliest first; with top_k
    hypotheses: tuple[Hypothesis, ...] = ()  # likeliest first, as many as n_best


class SpeechRegion(NamedTuple):
    """Where somebody speaks, in s; several are what `clip_timestamps` takes."""

    start: float
    end: float


@dataclass(frozen=True)
class Word:
    """A word and the marks that belong to it: when it was said, and how sure that is."""

    word: str  # with the space in front, where the language has them
    start: float  # s
    end: float  # s
    probability: float  # 0..1, mean over its tokens
    tokens: tuple[int, ...] = ()
    speaker: str | None = None  # None: nobody was asked, or nobody is known


@dataclass(frozen=True)
class AlignedWord:
    """A word of a given text, and when it was said if it was."""

    word: str  # with the marks that belong to it, and the space in front
    start: float | None  # s; None: it was not said
    end: float | None
    probability: float  # 0..1, mean over its tokens; 0.0 if it was not said
    span: tuple[int, int]  # characters of the text

    @property
    def is_said(self) -> bool:
        return self.start is not None


@dataclass(frozen=True)
class Segment:
    """A stretch of speech. A segment without words is kept, with empty text and no tokens."""

    id: int  # 0, 1, ... over the whole transcript
    seek: int  # first mel frame (10 ms) of the window it was heard in
    start: float  # s
    end: float  # s
    text: str  # as the tokens spell it, usually with a space in front
    tokens: tuple[int, ...]  # with timestamps
    temperature: float  # of the attempt that stood
    avg_logprob: float  # of the whole window, like the next two
    compression_ratio: float
    no_speech_prob: float  # 0..1
    words: tuple[Word, ...] | None = None  # None: they were not asked for
    logprobs: tuple[float, ...] = ()  # of each token
    alternatives: tuple[tuple[Alternative, ...], ...] = ()  # of each, likeliest first; with top_k
    hypotheses: tuple[Hypothesis, ...] = ()  # of the whole window, likeliest first; with n_best
    speaker: str | None = None  # as of a word

    @property
    def is_empty(self) -> bool:
        return not self.tokens


class Transcript(Protocol):
    """What a writer reads of a transcript; `Transcription` is one."""

    @property
    def segments(self) -> Sequence[Segment]: ...

    @property
    def text(self) -> str: ...

    @property
    def info(self) -> TranscriptionInfo: ...

    def as_dict(self) -> dict[str, Any]:
        """openai-whisper's result dictionary."""
        ...


@dataclass
class CallMetrics:
    """Figures of one recording; they grow until its segments are exhausted."""

    load_ms: float = 0.0  # reading, decoding and resampling the audio
    mel_ms: float = 0.0  # log-mel of the whole recording
    vad_ms: float = 0.0  # where there is speech, with vad_filter
    language_ms: float = 0.0  # detection, its encoding included
    # Encoder and decoder. A pass that windows side by side share counts in full for each of them.
    core: _core.Metrics = field(default_factory=_core.Metrics)

    def as_dict(self) -> dict[str, Any]:
        """All figures under their names, with those of the core: encoder_forward_ms, tokens, ..."""
        times = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "core"}
        return {**times, **self.core.as_dict()}


@dataclass(frozen=True)
class TranscriptionInfo:
    """What is known of a recording before, or apart from, its segments."""

    language: str  # code: the given one, or the detected
    language_probability: float  # 1.0 if it was given
    all_language_probs: Mapping[str, float] | None  # by code; None if nothing was detected
    duration: float  # s
    options: TranscribeOptions  # as used: with the language, and the clips of independent windows
    metrics: CallMetrics  # complete once the segments are exhausted
    # (start, end) in s of what damage took from the media: silence, or cut off behind the end.
    missing: tuple[tuple[float, float], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """All of it in plain values, for JSON; `metrics` under their names."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        probabilities = self.all_language_probs
        return {
            **plain,
            "all_language_probs": None if probabilities is None else dict(probabilities),
            "options": self.options.as_dict(),
            "metrics": self.metrics.as_dict(),
        }

    def __getstate__(self) -> dict[str, Any]:
        """For copies and pickles, which leave a function behind: few can be pickled."""
        return vars(self) | {"options": replace(self.options, logit_filter=None)}


@dataclass(frozen=True)
class Progress:
    """How far a recording has been heard: what a `progress` function is called with."""

    index: int  # of the recording, in the order given; 0 of one alone
    info: TranscriptionInfo
    position: float  # s heard so far, of info.duration
    segments: tuple[Segment, ...]  # newly heard; ids as in the transcript if windows are sequential
