"""What people get: segments, what is known of a recording, what was tried with it, and figures.

Plain values: nothing here decodes, writes or waits. What makes them is in policy/ and engine/.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, NamedTuple, Protocol, overload

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
    # Tokens of the phrase that it said over and over, until it was stopped; 0: it was not.
    loop_length: int = 0


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
class Evidence:
    """What speaks for a segment, or against it: of the recording, and of how it was decoded."""

    voiced: float  # s within its words in which somebody speaks
    share: float  # of the time of its words that is voiced, 0..1
    voice: float  # the highest probability of voice there, 0..1
    no_speech_prob: float  # of its window, 0..1
    avg_logprob: float  # mean over its own tokens
    min_logprob: float  # of the least likely of its tokens of text
    compression_ratio: float  # of its text
    n_words: int  # or characters, in scripts without spaces
    words_per_second: float  # of voice
    repeats: int  # how often it says one phrase in a row; 1: no phrase twice
    # Shares of its tokens, 0..1, by the attention of the alignment heads; None: it is not known.
    forward: float | None = None  # that attend to what is not before what the one before does
    attended: float | None = None  # that attend to voice


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
    language: str = ""  # code
    evidence: Evidence | None = None  # with policy="robust"
    doubt: str = ""  # what the evidence has against it, with hallucination="mark"

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


@dataclass(frozen=True)
class Attempt:
    """One try at a window."""

    temperature: float
    is_prompted: bool  # with what was said before, or initial_prompt
    n_ctx: int | None  # positions of 20 ms that were encoded; None: all
    text: str  # stripped
    n_tokens: int  # timestamps included
    avg_logprob: float
    no_speech_prob: float  # 0..1
    compression_ratio: float
    failure: str  # why another attempt followed, or would have; "": good enough
    decode_ms: float = field(default=0.0, compare=False)  # passes that windows share count in full
    # Tokens of the phrase that it said over and over, until it was stopped; 0: it was not.
    loop_length: int = 0


@dataclass(frozen=True)
class LeftOut:
    """A segment that was decoded and is not in the transcript."""

    segment: Segment
    reason: str


@dataclass(frozen=True)
class WindowTrace:
    """A stretch of the recording, and how it was heard."""

    start: float  # s
    end: float  # s; where what follows was heard from
    attempts: tuple[Attempt, ...] = ()  # in the order in which they were made; (): not decoded
    chosen: int = -1  # which of the attempts stands
    silence: str = ""  # why it counts as silence; "": it does not
    left_out: tuple[LeftOut, ...] = ()
    # What was heard once more on its own, because nothing covered the voice there.
    again: tuple[WindowTrace, ...] = ()


class Trace(Sequence[WindowTrace]):
    """The windows of a recording in the order in which they were heard, loop after loop."""

    def __init__(self, windows: Sequence[WindowTrace] = ()) -> None:
        self._loops: dict[int, list[WindowTrace]] = {0: list(windows)} if windows else {}

    def add(self, loop: int, window: WindowTrace) -> None:
        """`loop`: which of the recording's loops it belongs to; several run side by side."""
        self._loops.setdefault(loop, []).append(window)

    def __iter__(self) -> Iterator[WindowTrace]:
        for loop in sorted(self._loops):
            yield from self._loops[loop]

    def __len__(self) -> int:
        return sum(map(len, self._loops.values()))

    @overload
    def __getitem__(self, index: int) -> WindowTrace: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[WindowTrace, ...]: ...
    def __getitem__(self, index: int | slice) -> WindowTrace | tuple[WindowTrace, ...]:
        return tuple(self)[index]

    def __eq__(self, other: object) -> bool:
        return tuple(self) == tuple(other) if isinstance(other, Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        n = len(self)
        return f"<Trace: {n} window{'' if n == 1 else 's'}>"


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
    # What was tried with each window, and why; complete once the segments are exhausted.
    trace: Trace = field(default_factory=Trace)

    def as_dict(self) -> dict[str, Any]:
        """All of it in plain values, for JSON; `metrics` under their names."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        probabilities = self.all_language_probs
        return {
            **plain,
            "all_language_probs": None if probabilities is None else dict(probabilities),
            "options": self.options.as_dict(),
            "metrics": self.metrics.as_dict(),
            "trace": [asdict(window) for window in self.trace],
        }

    def __getstate__(self) -> dict[str, Any]:
        """For copies and pickles, which leave a function behind: few can be pickled."""
        return vars(self) | {"options": replace(self.options, logit_filter=None)}


@dataclass(frozen=True)
class Progress:
    """How far a recording has been heard: what a `progress` function is called with."""

    index: int  # of the recording, in the order given; 0 of one alone
    info: TranscriptionInfo
    position: float  # s heard so far, of `duration`
    segments: tuple[Segment, ...]  # newly heard; ids as in the transcript if windows are sequential
    elapsed: float = field(default=0.0, compare=False)  # s since its hearing began

    @property
    def duration(self) -> float:
        """Of the recording, in s."""
        return self.info.duration

    @property
    def remaining(self) -> float | None:
        """Seconds that the rest will take at the pace so far; None: nothing is heard yet."""
        if self.position <= 0:
            return None
        return self.elapsed * (self.duration - self.position) / self.position
