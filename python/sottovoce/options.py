"""What a caller wants of one window (`DecodeOptions`) and of one recording (`TranscribeOptions`).

Names, defaults and meanings are openai-whisper's; beam_size and best_of start from the values of
its command line. `from_keywords` is the one place where the spellings that people write (the name
of a language, "-1", a lone temperature) become the one form that the rest of the code reads, and
`__post_init__` the one place where values are checked. Options never change.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, TypedDict, TypeVar, get_args

from .text.languages import language_code

_MOST_ROWS = 256  # beams or samples of one window, as in the core

_MOST_WINDOWS = 128  # side by side

Task = Literal["transcribe", "translate"]
Windows = Literal["sequential", "independent"]
SelfOptions = TypeVar("SelfOptions", bound="WindowOptions")


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
    seed: int


class DecodeKeywords(WindowKeywords, total=False):
    """Keywords of `WhisperModel.decode`."""

    temperature: float
    prompt: str | Sequence[int] | None


class TranscribeKeywords(WindowKeywords, total=False):
    """Keywords of `WhisperModel.transcribe`."""

    temperature: float | Sequence[float]
    compression_ratio_threshold: float | None
    logprob_threshold: float | None
    no_speech_threshold: float | None
    condition_on_previous_text: bool
    initial_prompt: str | Sequence[int] | None
    carry_initial_prompt: bool
    clip_timestamps: str | Sequence[float]
    windows: Windows
    batch_size: int


@dataclass(frozen=True, kw_only=True)
class WindowOptions:
    """What both doors share."""

    task: Task = "transcribe"  # or "translate": any language into English
    language: str | None = None  # code of the spoken language; None: detect it
    sample_len: int | None = None  # most tokens to add to a window; None: half of n_text_ctx
    best_of: int | None = None  # independent samples at a temperature above 0; the best is taken
    beam_size: int | None = None  # beams at temperature 0; None and 1: greedy
    patience: float | None = None  # wait for round(beam_size * patience) finished beams; None: 1.0
    length_penalty: float | None = None  # alpha in 0..1 of Google NMT; None: divide by the length
    prefix: str | tuple[int, ...] | None = None  # text or ids that each window starts with
    suppress_tokens: tuple[int, ...] = (-1,)  # never chosen; -1: all non-speech tokens; (): no rule
    suppress_blank: bool = True  # a window must not start with a space or with its end
    without_timestamps: bool = False  # plain text, one segment a window
    max_initial_timestamp: float | None = 1.0  # latest start of speech in s; None and 0: any
    seed: int = 0  # of the sampler: the same seed gives the same words

    _where: ClassVar[str] = "options"

    @classmethod
    def _spellings(cls) -> dict[str, Callable[[Any], Any]]:
        return {
            "language": _language,
            "prefix": _text_or_ids,
            "suppress_tokens": _token_list,
        }

    @classmethod
    def from_keywords(cls: type[SelfOptions], keywords: Mapping[str, Any]) -> SelfOptions:
        """Options from the spellings people write.

        Raises TypeError for an unknown keyword, naming the nearest one, and for a wrong type;
        ValueError for a value out of range or options that contradict each other.
        """
        known = [field.name for field in fields(cls)]
        for name in keywords:
            if name not in known:
                import difflib

                near = difflib.get_close_matches(name, known, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise TypeError(f"{cls._where}: unknown option {name!r}{hint}")
        spellings = cls._spellings()
        return cls(**{n: spellings[n](v) if n in spellings else v for n, v in keywords.items()})

    def __post_init__(self) -> None:
        self._check_choice("task", get_args(Task))
        self._check_integer("sample_len", 0, 2**31 - 1)  # 0 means the default, as in openai-whisper
        self._check_integer("best_of", 1, _MOST_ROWS)
        self._check_integer("beam_size", 1, _MOST_ROWS)
        self._check_integer("seed", 0, 2**64 - 1, optional=False)
        self._check_real("patience", 0.0, above=True, finite=True)
        self._check_real("length_penalty", 0.0, 1.0)
        self._check_real("max_initial_timestamp", 0.0)
        self._check_flags("suppress_blank", "without_timestamps")

    def _check_choice(self, name: str, choices: tuple[str, ...]) -> None:
        value = getattr(self, name)
        if value not in choices:
            names = " or ".join(repr(choice) for choice in choices)
            raise ValueError(f"{self._where}: {name} must be {names}, got {value!r}")

    def _check_integer(
        self, name: str, low: int, high: int | None = None, *, optional: bool = True
    ) -> None:
        value = getattr(self, name)
        if value is None and optional:
            return
        must = f"an int >= {low}" if high is None else f"an int in {low}..{high}"
        must += " or None" if optional else ""
        if not isinstance(value, Integral) or isinstance(value, bool):
            raise TypeError(f"{self._where}: {name} must be {must}, got {value!r}")
        if int(value) < low or (high is not None and int(value) > high):
            raise ValueError(f"{self._where}: {name} must be {must}, got {value}")

    def _check_real(
        self,
        name: str,
        low: float = -math.inf,
        high: float = math.inf,
        *,
        above: bool = False,
        finite: bool = False,
    ) -> None:
        value = getattr(self, name)
        if value is not None:
            self._check_number(name, value, low, high, above=above, finite=finite)

    def _check_number(
        self,
        name: str,
        value: Any,
        low: float,
        high: float = math.inf,
        *,
        above: bool = False,
        finite: bool = False,
    ) -> None:
        bounds = [f"{'>' if above else '>='} {low:g}"] if low > -math.inf else []
        bounds += [f"<= {high:g}"] if high < math.inf else []
        must = " ".join(["a number", " and ".join(bounds)]).rstrip()
        if not isinstance(value, Real) or isinstance(value, bool):
            raise TypeError(f"{self._where}: {name} must be {must}, got {value!r}")
        number = float(value)
        if (
            math.isnan(number)
            or (finite and math.isinf(number))
            or not low <= number <= high
            or (above and number == low)
        ):
            raise ValueError(f"{self._where}: {name} must be {must}, got {value}")

    def _check_flags(self, *names: str) -> None:
        for name in names:
            if not isinstance(getattr(self, name), bool):
                got = getattr(self, name)
                raise TypeError(f"{self._where}: {name} must be True or False, got {got!r}")


@dataclass(frozen=True, kw_only=True)
class DecodeOptions(WindowOptions):
    """One window, one attempt."""

    temperature: float = 0.0  # 0: the likeliest words; above: sampled
    prompt: str | tuple[int, ...] | None = None  # what was said before; its last 223 tokens count

    _where: ClassVar[str] = "decode"

    @classmethod
    def _spellings(cls) -> dict[str, Callable[[Any], Any]]:
        return {**super()._spellings(), "prompt": _text_or_ids}

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_number("temperature", self.temperature, 0.0, finite=True)
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

    best_of: int | None = 5
    beam_size: int | None = 5
    temperature: tuple[float, ...] = (
        0.0,
        0.2,
        0.4,
        0.6,
        0.8,
        1.0,
    )  # tried in turn until one is fine
    compression_ratio_threshold: float | None = 2.4  # zlib ratio of the text above this: repetition
    logprob_threshold: float | None = -1.0  # avg_logprob below this: the attempt has failed
    no_speech_threshold: float | None = 0.6  # above this, and improbable words: silence, skipped
    condition_on_previous_text: bool = True  # a window's prompt is what was said before it
    initial_prompt: str | tuple[int, ...] | None = None  # stands before the first window
    carry_initial_prompt: bool = False  # initial_prompt stands before every window
    clip_timestamps: tuple[float, ...] = (
        0.0,
    )  # start, end, start, end, ... in s; last end optional

    # "sequential": each window begins where the words of the last one ended, and is prompted with
    # them. "independent": each clip is heard on its own, many at once, without
    # condition_on_previous_text and starting from initial_prompt; unless clip_timestamps say
    # otherwise, clips are at most 30 s and end at the quietest places.
    windows: Windows = "sequential"
    batch_size: int = 8  # most windows side by side; never changes a result

    _where: ClassVar[str] = "transcribe"

    @classmethod
    def _spellings(cls) -> dict[str, Callable[[Any], Any]]:
        return {
            **super()._spellings(),
            "temperature": _numbers,
            "initial_prompt": _text_or_ids,
            "clip_timestamps": _clip_list,
        }

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.temperature:
            raise ValueError("transcribe: temperature must hold at least one number, got ()")
        for value in self.temperature:
            self._check_number("temperature", value, 0.0, finite=True)
        for value in self.clip_timestamps:
            self._check_number("clip_timestamps", value, 0.0, finite=True)
        for name in ("compression_ratio_threshold", "logprob_threshold", "no_speech_threshold"):
            self._check_real(name)
        self._check_flags("condition_on_previous_text", "carry_initial_prompt")
        self._check_choice("windows", get_args(Windows))
        self._check_integer("batch_size", 1, _MOST_WINDOWS, optional=False)
        if self.patience is not None and self.beam_size is None and 0 in self.temperature:
            raise ValueError("transcribe: patience needs beam_size, got beam_size=None")

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


def _language(value: str | None) -> str | None:
    return None if value is None else language_code(value)


def _text_or_ids(value: str | Iterable[int] | None) -> str | tuple[int, ...] | None:
    return value if value is None or isinstance(value, str) else tuple(int(t) for t in value)


def _token_list(value: str | Iterable[int] | None) -> tuple[int, ...]:
    if isinstance(value, str):
        value = [_parsed(int, "suppress_tokens", t) for t in value.split(",")] if value else ()
    return tuple(int(token) for token in value or ())


def _numbers(value: float | Iterable[float]) -> tuple[float, ...]:
    return (float(value),) if isinstance(value, Real) else tuple(float(v) for v in value)  # type: ignore[union-attr]


def _clip_list(value: str | Iterable[float]) -> tuple[float, ...]:
    if isinstance(value, str):
        value = [_parsed(float, "clip_timestamps", v) for v in value.split(",")] if value else ()
    return _numbers(value)


Number = TypeVar("Number", int, float)


def _parsed(kind: type[Number], name: str, text: str) -> Number:
    try:
        return kind(text)
    except ValueError:
        raise ValueError(
            f"{name} must be numbers with commas between them, got {text.strip()!r}"
        ) from None
