"""Windows far under 30 s, encoded only as far as they go, and whether to believe what they came to.

The network was never taught shorter windows: cut, it loops. With the features of an empty window
behind what is there the words are nearly those of the whole window, and what is not looks odd.
"""

from __future__ import annotations

from .. import _core
from ..options import TranscribeOptions
from ..results import WindowResult
from ..text.tokenizer import Tokenizer
from .prompt import most_sampled_tokens
from .window import Window, failure, is_silence

_MARGIN = 64  # positions (20 ms) behind the audio
_STEP = 64  # positions: windows of nearly one length share a workspace
_BEYOND = 0.2  # s by which a time may lie behind the audio


def short_context(size: int, most_frames: int) -> int | None:
    """Positions to encode of a window of `size` frames; None: as good as all of `most_frames`."""
    n_positions = -(-size // _core.INPUT_STRIDE)
    n_ctx = -(-n_positions // _STEP) * _STEP + _MARGIN
    return n_ctx if n_ctx < most_frames // _core.INPUT_STRIDE else None


def looks_odd(
    result: WindowResult,
    window: Window,
    tokenizer: Tokenizer,
    options: TranscribeOptions,
    n_text_ctx: int,
) -> bool:
    """Whether the window should be heard again in full."""
    if failure(result, options) or is_silence(result, options):
        return True
    first = tokenizer.special.timestamp_begin
    latest = max((token - first for token in result.tokens if token >= first), default=0)
    if latest / _core.TOKENS_PER_SECOND > window.duration + _BEYOND:
        return True
    attempt = options.attempt(result.temperature)
    return len(result.tokens) >= most_sampled_tokens(attempt, n_text_ctx)
