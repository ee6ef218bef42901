"""One recording on its way through the engine, and the length of a step on that way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .._core import CancelToken
from ..policy.listening import SeekLoop
from ..results import TranscriptionInfo
from .reports import Reports

MAX_PASSES = 8  # of the decoder, before Python looks at what else there is


@dataclass(frozen=True)
class Job:
    """A recording that is loaded, its language known, and nothing of it decoded yet."""

    info: TranscriptionInfo
    mel: NDArray[np.float32]  # (n_mels, content_frames + 3000), 30 s of silence at its end
    loops: list[SeekLoop]  # their segments, one loop after the other, are the transcript
    reports: Reports | None = None  # for whoever wants to know how far it is
    doubts: tuple[str, ...] = ()  # about its audio, for `warn_of_audio`
    cancel: CancelToken | None = None  # ends the hearing
    is_of_channels: bool = False  # the loops are of channels, and their segments interleaved
