"""One recording of a call: what is known of it, and the walks that hear it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import _core
from .options import TranscribeOptions
from .seek import Walk


@dataclass
class CallMetrics:
    """Figures of one recording; they grow until its segments are exhausted."""

    load_ms: float = 0.0  # reading, decoding and resampling the audio
    mel_ms: float = 0.0  # log-mel of the whole recording
    language_ms: float = 0.0  # detection, its encoding included
    # Encoder and decoder. A pass that windows side by side share counts in full for each of them.
    core: _core.Metrics = field(default_factory=_core.Metrics)

    def as_dict(self) -> dict[str, Any]:
        """All figures under their names, with those of the core: encoder_forward_ms, tokens, ..."""
        times = {"load_ms": self.load_ms, "mel_ms": self.mel_ms, "language_ms": self.language_ms}
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


@dataclass(frozen=True)
class Recording:
    """A recording that is loaded, its language known, and nothing of it heard yet."""

    info: TranscriptionInfo
    walks: list[Walk]  # their segments, one walk after the other, are the transcript
