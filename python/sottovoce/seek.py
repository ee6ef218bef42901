"""The seek loop: window after window through a recording, each prompted with what came before.

Behaviour is openai-whisper's. One `Listener` belongs to one call; nothing here touches audio or
files, and the windows are encoded and decoded by the core.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from . import _core
from .decoding import WindowResult, decode_with_fallback, is_silence, text_tokens
from .options import TranscribeOptions
from .segments import Segment, Window, cut_window, without_empty_speech
from .tokenizer import Tokenizer

# A window heard at a temperature above this is too uncertain to prompt the next one.
MAX_PROMPT_TEMPERATURE = 0.5


def clips(timestamps: Sequence[float], content_frames: int) -> list[tuple[int, int]]:
    """(first frame, frame after the last) of each clip; timestamps are start, end, ... in seconds.

    A missing last end is the end of the audio, and so is an end beyond it (where openai-whisper
    would decode empty windows for ever).
    """
    points = [round(seconds * _core.FRAMES_PER_SECOND) for seconds in timestamps] or [0]
    if len(points) % 2 == 1:
        points.append(content_frames)
    ends = [min(end, content_frames) for end in points[1::2]]
    return list(zip(points[::2], ends, strict=True))


class History:
    """What has been said, as far as it prompts the next window."""

    def __init__(self, tokenizer: Tokenizer, n_text_ctx: int, options: TranscribeOptions) -> None:
        self._options = options
        self._initial = text_tokens(tokenizer, options.initial_prompt)
        self._tokens = list(self._initial)  # all tokens so far
        self._reset_since = 0  # tokens before this index no longer prompt
        self._room = n_text_ctx // 2 - 1 - len(self._initial)

    def prompt(self) -> list[int]:
        """Ids that come before the next window; the decoder takes the last 223 of them."""
        if not self._options.carry_initial_prompt:
            return self._tokens[self._reset_since :]
        said = self._tokens[max(len(self._initial), self._reset_since) :]
        # openai-whisper's slice: a prompt that leaves no room ([-0:], [k:]) keeps most of the rest.
        return self._initial + said[-self._room :]

    def add(self, segments: Sequence[Segment], temperature: float) -> None:
        """Takes in one window; forgets all, the initial prompt too, if it must not prompt."""
        self._tokens += [token for segment in segments for token in segment.tokens]
        if not self._options.condition_on_previous_text or temperature > MAX_PROMPT_TEMPERATURE:
            self._reset_since = len(self._tokens)


@dataclass(frozen=True)
class Listener:
    """One call's walk through one recording."""

    core: _core.Model
    tokenizer: Tokenizer
    options: TranscribeOptions  # with the language known
    mel: NDArray[np.float32]  # (n_mels, content_frames + 3000), padded with 30 s of silence
    metrics: _core.Metrics  # gets this call's figures

    def segments(self, opening: _core.AudioFeatures | None = None) -> Iterator[Segment]:
        """Yields the segments in order, as soon as their window is decoded.

        `opening`: mel[:, :3000] already encoded, for the window that covers exactly that.
        """
        n_said = 0
        history = History(self.tokenizer, self.core.dims.n_text_ctx, self.options)
        for start, end in clips(self.options.clip_timestamps, self._content_frames):
            seek = start
            while seek < end:
                window = Window(seek, min(_core.N_FRAMES, end - seek))
                result = self._hear(window, history, opening)
                opening = None  # its memory is needed no longer
                if is_silence(result, self.options):
                    seek = window.end
                    continue
                cut = cut_window(window, result, self.tokenizer)
                seek = cut.seek
                said = [without_empty_speech(segment) for segment in cut.segments]
                history.add(said, result.temperature)
                yield from (replace(segment, id=n_said + i) for i, segment in enumerate(said))
                n_said += len(said)

    @property
    def _content_frames(self) -> int:
        return int(self.mel.shape[1]) - _core.N_FRAMES

    def _hear(
        self, window: Window, history: History, opening: _core.AudioFeatures | None
    ) -> WindowResult:
        features = opening
        if features is None or window != Window(0, _core.N_FRAMES):
            features = self._encode(window)
        return decode_with_fallback(
            self.core,
            self.tokenizer,
            features,  # one encoding for all temperatures
            self.options,
            history.prompt(),
            window.seek,
            self.metrics,
        )

    def _encode(self, window: Window) -> _core.AudioFeatures:
        # The core wants consecutive memory; it fills a short window with zeros in log-mel space.
        frames = np.ascontiguousarray(self.mel[:, window.seek : window.end])
        features = self.core.encode(frames)
        self.metrics.merge(features.metrics)
        return features
