"""A script's words in a recording: hear it, match the two, ask again where they differ."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..options import TranscribeOptions
from ..results import AlignedWord, Segment
from ..text.tokenizer import Tokenizer
from ..text.units import units
from .doubts import Doubts
from .requests import AlignRequest, EncodeRequest
from .script import aligned_words, check_related, heard_units, match, script_words

_LEAST_MATCHED = 0.1  # of a long recording's words, without a doubt being settled


def check_script(text: object) -> None:
    """Raises TypeError or ValueError for what is no text, or has no words."""
    if not isinstance(text, str):
        raise TypeError(f"align: text must be a str, got {type(text).__name__}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"align: text must be Unicode, got a lone surrogate at character {error.start}"
        ) from None
    if not units(text):
        shown = text if len(text) < 40 else text[:40] + "..."
        raise ValueError(f"align: text must hold words, got {shown!r}")


def align_script(
    tokenizer: Tokenizer,
    dims: _core.ModelDims,
    options: TranscribeOptions,
    mel: NDArray[np.float32],
    script: str,
    segments: Sequence[Segment],
) -> Generator[EncodeRequest | AlignRequest, Any, list[AlignedWord]]:
    """The words of a script and when they were said, of what was heard with word times.

    Args:
        mel: (n_mels, content_frames + 3000) of the recording.

    Raises ScriptError if the two have nothing to do with each other.
    """
    words = script_words(script)
    heard = [word for segment in segments for word in segment.words or ()]
    parts = heard_units(heard)
    match(words, parts)
    doubts = Doubts(tokenizer, dims, options, mel)
    check_related(words, parts, 0.0 if doubts.is_short else _LEAST_MATCHED)
    yield from doubts.settle(script, words, heard, parts)
    check_related(words, parts)
    return aligned_words(script, words)
