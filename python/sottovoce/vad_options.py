"""What counts as speech (`VadOptions`): how probabilities become regions.

Names and defaults are faster-whisper's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeAlias, TypedDict

from . import foreign
from .spellings import Take, integer, number

_LONGEST = 2**31 - 1  # ms
_FRAME = 0.032  # s


def _option(default: Any, take: Take, meaning: str) -> Any:
    return field(default=default, metadata={"take": take, "meaning": meaning})


class VadKeywords(TypedDict, total=False):
    """Keywords of `speech_timestamps`, and what a dictionary of them may hold."""

    threshold: float
    neg_threshold: float | None
    min_speech_duration_ms: int
    max_speech_duration_s: float
    min_silence_duration_ms: int
    speech_pad_ms: int


@dataclass(frozen=True, kw_only=True)
class VadOptions:
    """How probabilities of speech become regions."""

    threshold: float = _option(
        0.5, number(0.0, 1.0), "speech begins where it is at least this probable"
    )
    neg_threshold: float | None = _option(
        None,
        number(0.0, 1.0, optional=True),
        "speech ends where it is less probable than this; None: threshold - 0.15, at least 0.01",
    )
    min_speech_duration_ms: int = _option(
        0, integer(0, _LONGEST), "speech that is no longer is none"
    )
    max_speech_duration_s: float = _option(
        math.inf,
        number(0.0, above=True),
        "longer regions are cut, at their last pause of 0.1 s if they have one",
    )
    min_silence_duration_ms: int = _option(
        2000, integer(0, _LONGEST), "silence that parts two regions; a shorter one belongs to both"
    )
    speech_pad_ms: int = _option(
        400,
        integer(0, _LONGEST),
        "silence that a region keeps on either side; two share what is between them",
    )

    @classmethod
    def from_keywords(
        cls, where: str, keywords: Mapping[str, Any], options: VadOptions | None = None
    ) -> VadOptions:
        """`options` (or the defaults), but for what the keywords say; `where` begins messages.

        Raises TypeError for an unknown keyword and for a wrong type, ValueError for a value out of
        range.
        """
        if options is not None and not isinstance(options, cls):
            raise TypeError(
                f"{where}: options must be VadOptions or None, got {type(options).__name__}"
            )
        known = [each.name for each in fields(cls)]
        for name in keywords:
            if name not in known:
                raise foreign.unknown(where, "option", name, known, foreign.VAD)
        return cls(**{**(vars(options) if options else {}), **keywords})

    def __post_init__(self) -> None:
        for each in fields(self):
            value = each.metadata["take"](f"VadOptions: {each.name}", getattr(self, each.name))
            object.__setattr__(self, each.name, value)
        if self.neg_threshold is not None and self.neg_threshold > self.threshold:
            raise ValueError(
                f"VadOptions: neg_threshold must be no more than threshold={self.threshold:g}, "
                f"got {self.neg_threshold:g}"
            )
        least = 2 * self.speech_pad_ms / 1000 + _FRAME
        if self.max_speech_duration_s <= least:
            raise ValueError(
                "VadOptions: max_speech_duration_s must be more than 0.032 and twice the speech_pad"
                f", {least:g} s, got {self.max_speech_duration_s:g}"
            )

    @property
    def silence_threshold(self) -> float:
        """The probability below which speech ends."""
        if self.neg_threshold is None:
            return max(self.threshold - 0.15, 0.01)
        return self.neg_threshold


# What `vad_parameters` may be.
VadParameters: TypeAlias = VadOptions | VadKeywords


def vad_parameters(what: str, value: Any) -> VadOptions | None:
    """The spellings of `vad_parameters`: options, or a mapping of some of them."""
    if value is None or isinstance(value, VadOptions):
        return value
    if not isinstance(value, Mapping):
        raise TypeError(
            f"{what} must be VadOptions, a mapping of its fields or None, got {value!r}"
        )
    return VadOptions.from_keywords(what, value)
