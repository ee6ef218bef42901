"""What a caller wants of one window (`DecodeOptions`) and of one recording (`TranscribeOptions`).

Names, defaults and meanings are openai-whisper's; beam_size and best_of start from the values of
its command line. A field says all there is to know of an option: its default, its meaning, and
what takes the spellings that people write (the name of a language, "-1", a lone temperature) to the
one form that the rest of the code reads, or refuses them. Signatures and help come from there.
Options never change.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, asdict, dataclass, field, fields, replace
from typing import Any, ClassVar, Literal, TypedDict, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from . import foreign
from .spellings import (
    channels,
    choice,
    clips,
    flag,
    flag_or,
    integer,
    language,
    languages,
    logit_filter,
    number,
    temperatures,
    text,
    text_or_ids,
    token_list,
)
from .vad_options import VadOptions, VadParameters, vad_parameters

_MOST_ROWS = 256  # beams or samples of one window, as in the core
_MOST_ALTERNATIVES = 32
_MOST_WINDOWS = 128  # side by side

Task = Literal["transcribe", "translate"]
Windows = Literal["sequential", "independent"]
Policy = Literal["openai", "robust"]
Hallucination = Literal["drop", "mark", "keep"]
WordTimes = bool | Literal["fast"]
Channels = Literal["mix", "speakers"] | Sequence[str]
Clip = tuple[float, float | None] | Mapping[str, float]  # (start, end), {"start": ..., "end": ...}
# (tokens so far, logits (n_vocab,) of the next), which it changes where they are.
LogitFilter = Callable[[list[int], NDArray[np.float32]], None]
SelfOptions = TypeVar("SelfOptions", bound="WindowOptions")
Function = TypeVar("Function", bound=Callable[..., Any])


class WindowKeywords(TypedDict, total=False):
    """Spellings that `WindowOptions` understands; its fields say what they mean."""

    task: Task
    language: str | None
    sample_len: int | None
    best_of: int | None
    beam_size: int | None
    patience: float | None
    length_penalty: float | None
    prefix: str | Sequence[int] | None
    suppress_tokens: str | Sequence[int] | None
    suppress_blank: bool
    without_timestamps: bool
    max_initial_timestamp: float | None
    logit_filter: LogitFilter | None
    seed: int
    top_k: int
    n_best: int


class DecodeKeywords(WindowKeywords, total=False):
    """Keywords of `WhisperModel.decode`."""

    temperature: float
    prompt: str | Sequence[int] | None


class TranscribeKeywords(WindowKeywords, total=False):
    """Keywords of `WhisperModel.transcribe`."""

    languages: str | Sequence[str] | None
    multilingual: bool
    language_detection_segments: int
    language_detection_threshold: float
    temperature: float | Sequence[float]
    compression_ratio_threshold: float | None
    logprob_threshold: float | None
    no_speech_threshold: float | None
    condition_on_previous_text: bool
    initial_prompt: str | Sequence[int] | None
    carry_initial_prompt: bool
    clip_timestamps: str | Sequence[float] | Sequence[Clip]
    word_timestamps: WordTimes
    prepend_punctuations: str
    append_punctuations: str
    hallucination_silence_threshold: float | None
    policy: Policy
    hallucination: Hallucination
    short_windows: bool
    windows: Windows
    vad_filter: bool
    vad_parameters: VadParameters | None
    batch_size: int
    channels: Channels


def _says(take: Callable[[str, Any], Any], meaning: str) -> dict[str, Any]:
    """What a field knows of its option. `take` gets what the option is called and what came."""
    return {"take": take, "meaning": meaning}


def _with_default(name: str, default: Any) -> Any:
    """A field of `WindowOptions` that starts from another value."""
    (inherited,) = (f for f in fields(WindowOptions) if f.name == name)
    return field(default=default, metadata=inherited.metadata)


@dataclass(frozen=True, kw_only=True)
class WindowOptions:
    """What both doors share."""

    task: Task = field(
        default="transcribe",
        metadata=_says(
            choice(*get_args(Task)), '"transcribe": in the language spoken; "translate": in English'
        ),
    )
    language: str | None = field(
        default=None,
        metadata=_says(
            language, 'spoken language, by code or name; None and "auto": it is detected'
        ),
    )
    sample_len: int | None = field(
        default=None,
        metadata=_says(
            integer(0, 2**31 - 1, optional=True),  # 0 means the default, as in openai-whisper
            "most tokens to add to a window; None: half of the model's context",
        ),
    )
    best_of: int | None = field(
        default=None,
        metadata=_says(
            integer(1, _MOST_ROWS, optional=True),
            "samples at a temperature above 0, of which the best is taken; None: one",
        ),
    )
    beam_size: int | None = field(
        default=None,
        metadata=_says(
            integer(1, _MOST_ROWS, optional=True), "beams at temperature 0; 1 and None: greedy"
        ),
    )
    patience: float | None = field(
        default=None,
        metadata=_says(
            number(0.0, above=True, finite=True, optional=True),
            "waits for round(beam_size * patience) finished beams; None: 1.0",
        ),
    )
    length_penalty: float | None = field(
        default=None,
        metadata=_says(
            number(0.0, 1.0, optional=True),
            "alpha of Google NMT, 0..1; None: scores are divided by the length",
        ),
    )
    prefix: str | tuple[int, ...] | None = field(
        default=None, metadata=_says(text_or_ids, "text or token ids that each window starts with")
    )
    suppress_tokens: tuple[int, ...] = field(
        default=(-1,),
        metadata=_says(
            token_list, "ids that are never chosen; -1: all non-speech tokens; (): no rule"
        ),
    )
    suppress_blank: bool = field(
        default=True, metadata=_says(flag, "a window must not start with a space or with its end")
    )
    without_timestamps: bool = field(
        default=False, metadata=_says(flag, "plain text, one segment a window")
    )
    max_initial_timestamp: float | None = field(
        default=1.0,
        metadata=_says(
            number(0.0, optional=True), "latest start of speech in a window, in s; None and 0: any"
        ),
    )
    logit_filter: LogitFilter | None = field(
        default=None,
        metadata=_says(
            logit_filter,
            "a rule of your own: a function that is called for each beam or sample at each step "
            "with a list of the tokens so far, prompt included, and the logits (n_vocab,) float32 "
            "of the next one, which it changes in place, -inf for never; the other rules come "
            "after it",
        ),
    )
    seed: int = field(
        default=0,
        metadata=_says(integer(0, 2**64 - 1), "of the sampler: the same seed gives the same words"),
    )
    top_k: int = field(
        default=0,
        metadata=_says(
            integer(0, _MOST_ALTERNATIVES),
            "likeliest tokens that are kept of each step, with their log-probabilities: "
            "`alternatives`",
        ),
    )
    n_best: int = field(
        default=1,
        metadata=_says(
            integer(1, _MOST_ROWS),
            "texts of a window that are kept, of those that its beams or samples end with: "
            "`hypotheses`; 1: none but the one that stands",
        ),
    )

    _where: ClassVar[str] = "options"
    _answers: ClassVar[Mapping[str, str]] = foreign.DECODE

    @classmethod
    def from_keywords(
        cls: type[SelfOptions],
        keywords: Mapping[str, Any],
        options: SelfOptions | None = None,
    ) -> SelfOptions:
        """`options` (or the defaults), but for what the keywords say.

        Raises TypeError for an unknown keyword, saying what it is called here or naming the nearest
        one, and for a wrong type; ValueError for a value out of range or options that contradict
        each other.
        """
        if options is not None and not isinstance(options, cls):
            raise TypeError(
                f"{cls._where}: options must be {cls.__name__} or None, got "
                f"{type(options).__name__}"
            )
        known = [field.name for field in fields(cls)]
        for name in keywords:
            if name not in known:
                raise foreign.unknown(cls._where, "option", name, known, cls._answers)
        return cls(**keywords) if options is None else replace(options, **keywords)

    def as_dict(self) -> dict[str, Any]:
        """All of them in plain values, for JSON; a function by its name."""
        plain = {each.name: getattr(self, each.name) for each in fields(self)}
        return plain | {"logit_filter": _name_of(self.logit_filter)}

    def __post_init__(self) -> None:
        for each in fields(self):
            what, value = f"{self._where}: {each.name}", getattr(self, each.name)
            object.__setattr__(self, each.name, each.metadata["take"](what, value))


@dataclass(frozen=True, kw_only=True)
class DecodeOptions(WindowOptions):
    """One window, one attempt."""

    temperature: float = field(
        default=0.0,
        metadata=_says(number(0.0, finite=True), "0: the likeliest words; above: sampled"),
    )
    prompt: str | tuple[int, ...] | None = field(
        default=None,
        metadata=_says(
            text_or_ids, "what was said before, text or token ids; its last 223 tokens count"
        ),
    )

    _where: ClassVar[str] = "decode"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.beam_size is not None and self.best_of is not None:
            raise ValueError("decode: beam_size and best_of exclude each other; give one")
        if self.best_of is not None and self.temperature == 0:
            raise ValueError("decode: best_of needs temperature > 0, got 0")
        if self.patience is not None and self.beam_size is None:
            raise ValueError("decode: patience needs beam_size, got beam_size=None")
        if self.beam_size is not None and self.temperature > 0:
            # openai-whisper would search beams over untempered scores and report the temperature.
            raise ValueError(
                f"decode: beam_size needs temperature 0, got temperature={self.temperature:g}"
            )


@dataclass(frozen=True, kw_only=True)
class TranscribeOptions(WindowOptions):
    """A whole recording: how windows are retried, skipped and chained."""

    best_of: int | None = _with_default("best_of", 5)
    beam_size: int | None = _with_default("beam_size", 5)
    temperature: tuple[float, ...] = field(
        default=(0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
        metadata=_says(
            temperatures, "one number, or several that are tried in turn until an attempt is fine"
        ),
    )
    languages: tuple[str, ...] = field(
        default=(),
        metadata=_says(
            languages, "those that a language is looked for among, by code or name; (): all"
        ),
    )
    multilingual: bool = field(
        default=False,
        metadata=_says(
            flag,
            "the language is looked for in every window, for recordings in several: it changes "
            "where a window is sure, or two in a row are likely; Segment.language",
        ),
    )
    language_detection_segments: int = field(
        default=1,
        metadata=_says(
            integer(1, _MOST_WINDOWS),
            "most places of a recording, of 30 s each, at which its language is looked for: the "
            "beginning, and others at even distances, until one is sure of it; if none is, the "
            "likeliest of all together",
        ),
    )
    language_detection_threshold: float = field(
        default=0.5,
        metadata=_says(number(0.0, 1.0), "the probability from which a place is sure"),
    )
    compression_ratio_threshold: float | None = field(
        default=2.4,
        metadata=_says(
            number(optional=True),
            "an attempt whose text zlib shrinks by a greater factor failed: repetition; None: off",
        ),
    )
    logprob_threshold: float | None = field(
        default=-1.0,
        metadata=_says(
            number(optional=True),
            "an attempt whose mean log-probability is below this failed; None: off",
        ),
    )
    no_speech_threshold: float | None = field(
        default=0.6,
        metadata=_says(
            number(optional=True),
            "a window whose no-speech probability is above this, and whose words are improbable, "
            "is silence and skipped; None: off",
        ),
    )
    condition_on_previous_text: bool = field(
        default=True, metadata=_says(flag, "a window is prompted with what was said before it")
    )
    initial_prompt: str | tuple[int, ...] | None = field(
        default=None,
        metadata=_says(text_or_ids, "text or token ids before the first window: names, style"),
    )
    carry_initial_prompt: bool = field(
        default=False, metadata=_says(flag, "initial_prompt stands before every window")
    )
    clip_timestamps: tuple[float, ...] = field(
        default=(0.0,),
        metadata=_says(
            clips,
            "what to hear: start, end, start, end, ... in s, or pairs, or dicts of start and end; "
            "the last end may be missing",
        ),
    )
    word_timestamps: WordTimes = field(
        default=False,
        metadata=_says(
            flag_or("fast"),
            "when each word was said, and how likely it is: Segment.words; segments and windows "
            'then begin and end with words; "fast": nearly the same from what decoding has seen '
            "already, in place of another pass over the words",
        ),
    )
    prepend_punctuations: str = field(
        default="\"'“¿([{-", metadata=_says(text, "marks of the word behind them")
    )
    append_punctuations: str = field(
        default="\"'.。,，!！?？:：”)]}、",
        metadata=_says(text, "marks of the word before them"),
    )
    hallucination_silence_threshold: float | None = field(
        default=None,
        metadata=_says(
            number(0.0, finite=True, optional=True),
            "with word_timestamps, improbable words between silences longer than this, in s, are "
            "left out; None: off",
        ),
    )
    policy: Policy = field(
        default="robust",
        metadata=_says(
            choice(*get_args(Policy)),
            '"robust": silence is passed over, words that nothing speaks for are doubted, speech '
            "that no word covers is heard again, and what somebody says is heard as "
            'openai-whisper hears it; "openai": all that openai-whisper does, to the token',
        ),
    )
    hallucination: Hallucination = field(
        default="drop",
        metadata=_says(
            choice(*get_args(Hallucination)),
            'what becomes of doubted segments, with policy="robust": "drop", "mark" (Segment.doubt '
            'says why), or "keep"',
        ),
    )
    short_windows: bool = field(
        default=False,
        metadata=_says(
            flag,
            "a window far under 30 s is encoded only as far as it goes, in less time; one whose "
            "words look odd is heard again in full; a few words may differ",
        ),
    )
    windows: Windows = field(
        default="sequential",
        metadata=_says(
            choice(*get_args(Windows)),
            "each window begins where the words of the last one ended, and is prompted with them; "
            '"independent": each clip is heard on its own, many at once, without '
            "condition_on_previous_text and starting from initial_prompt; unless clip_timestamps "
            "say otherwise, clips are at most 30 s and end at the quietest places",
        ),
    )
    vad_filter: bool = field(
        default=False,
        metadata=_says(
            flag,
            "what is no speech to Silero VAD is left out, within clip_timestamps; times stay those "
            "of the recording, and the language is detected where speech begins; windows that are "
            "independent become few and full clips, cut at pauses of speech",
        ),
    )
    vad_parameters: VadOptions | None = field(
        default=None,
        metadata=_says(
            vad_parameters,
            "what counts as speech: `VadOptions`, or a dictionary of some of them",
        ),
    )
    batch_size: int = field(
        default=8,
        metadata=_says(
            integer(1, _MOST_WINDOWS), "most windows side by side; never changes a result"
        ),
    )
    channels: str | tuple[str, ...] = field(
        default="mix",
        metadata=_says(
            channels,
            'their mean is heard; "speakers": each is heard on its own, all side by side, and what '
            "they say stands in the order of time, with Segment.speaker; or the names of these "
            "speakers, one a channel; the language is that of the mean",
        ),
    )

    _where: ClassVar[str] = "transcribe"
    _answers: ClassVar[Mapping[str, str]] = foreign.TRANSCRIBE

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.languages and self.language and self.language not in self.languages:
            raise ValueError(
                f"transcribe: language must be one of languages, {', '.join(self.languages)}, got "
                f"{self.language!r}"
            )
        if self.patience is not None and self.beam_size is None and 0 in self.temperature:
            raise ValueError("transcribe: patience needs beam_size, got beam_size=None")

    def as_dict(self) -> dict[str, Any]:
        vad = self.vad_parameters
        return super().as_dict() | {"vad_parameters": None if vad is None else asdict(vad)}

    @property
    def n_rows(self) -> int:
        """Most beams or samples of an attempt."""
        return max((self.best_of if t > 0 else self.beam_size) or 1 for t in self.temperature)

    def of_clips(self, clip_timestamps: tuple[float, ...]) -> TranscribeOptions:
        """Options of independent windows, with these clips unless others are asked for."""
        asked = self.clip_timestamps != (0.0,)
        return replace(
            self,
            clip_timestamps=self.clip_timestamps if asked else clip_timestamps,
            condition_on_previous_text=False,
        )

    def attempt(
        self, temperature: float, prompt: tuple[int, ...] | None = None, seed: int = 0
    ) -> DecodeOptions:
        """One attempt at one window: sampling knows no beams, and temperature 0 no best_of."""
        shared = {field.name: getattr(self, field.name) for field in fields(WindowOptions)}
        unused = ("beam_size", "patience") if temperature > 0 else ("best_of",)
        shared.update(dict.fromkeys(unused), seed=seed)
        return DecodeOptions(**shared, temperature=temperature, prompt=prompt)


def _name_of(function: Callable[..., Any] | None) -> str | None:
    return None if function is None else getattr(function, "__qualname__", type(function).__name__)


def described(options: type[WindowOptions] | type[VadOptions]) -> str:
    """Every option with its default and meaning, as docstrings show them."""

    def described_option(option: Field[Any]) -> str:
        default = repr(option.default)
        if isinstance(option.default, tuple):
            default = ", ".join(map(repr, option.default))
        line = f"{option.name} ({default}): {option.metadata['meaning']}."
        return textwrap.fill(line, 88, subsequent_indent="    ")

    return "\n".join(map(described_option, fields(options)))


for _options in (DecodeOptions, TranscribeOptions, VadOptions):
    _options.__doc__ = f"{_options.__doc__}\n\n{described(_options)}"


def shows_options(options: type[WindowOptions], keywords: type) -> Callable[[Function], Function]:
    """Shows the options in the signature of a function that takes them as `**keywords`."""
    more = [
        inspect.Parameter(
            o.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=o.default,
            annotation=keywords.__annotations__[o.name].__forward_arg__,
        )
        for o in fields(options)
    ]

    def shown(function: Function) -> Function:
        signature = inspect.signature(function)
        plain = list(signature.parameters.values())[:-1]
        function.__signature__ = signature.replace(parameters=[*plain, *more])  # type: ignore[attr-defined]
        return function

    return shown
