"""What policy asks of whoever runs it, and what it tells; the answers come from the network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..results import Segment, WindowTrace


@dataclass(frozen=True)
class EncodeRequest:
    """What the encoder makes of a window; `_core.AudioFeatures` are the answer."""

    frames: NDArray[np.float32]  # (n_mels, n_frames <= 3000), of the recording's mel
    n_ctx: int | None = None  # positions to encode, if it need not be all


@dataclass(frozen=True)
class LanguageRequest:
    """Which language a window is in; (n_languages,) probabilities are the answer."""

    features: _core.AudioFeatures
    sot: int
    language_tokens: tuple[int, ...]


@dataclass(frozen=True)
class DecodeRequest:
    """One attempt at a window; `Decoded` is the answer."""

    features: _core.AudioFeatures
    options: _core.DecodingOptions
    seek: int  # the window's first frame (10 ms)
    temperature: float
    failure: str  # of the attempt before, in words; "": this is the first


@dataclass(frozen=True)
class Decoded:
    """What came of an attempt."""

    result: _core.DecodingResult
    ms: float  # in the decoder; passes that windows share count in full


@dataclass(frozen=True)
class AlignRequest:
    """When each token of a window's text was said; a `_core.TokenAlignment` is the answer."""

    heard: _core.AudioFeatures | _core.KeptAttention
    options: _core.AlignmentOptions


Request = EncodeRequest | LanguageRequest | DecodeRequest | AlignRequest


@dataclass(frozen=True)
class HeardWindow:
    """What a window came to; no answer is wanted."""

    seek: int  # its first frame (10 ms)
    end: int  # the frame to go on from: all before it is heard
    segments: tuple[Segment, ...]  # ids count from the loop's first; (): silence, skipped
    trace: WindowTrace
