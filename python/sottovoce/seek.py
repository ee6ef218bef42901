"""The seek loop: window after window through a recording, each prompted with what came before.

Behaviour is openai-whisper's. A walk asks for encodings and attempts, and yields segments; `follow`
answers one walk at a time, batch.py many side by side. Nothing here touches audio or files.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core
from .decoding import Attempt, WindowResult, decode_with_fallback, is_silence, text_tokens
from .options import TranscribeOptions
from .segments import Segment, Window, cut_window, without_empty_speech
from .tokenizer import Tokenizer

# A window heard at a temperature above this is too uncertain to prompt the next one.
MAX_PROMPT_TEMPERATURE = 0.5
PASSES = 8  # of the decoder, before Python looks at what else there is


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
        self._most = n_text_ctx // 2 - 1  # that the decoder takes
        self._room = self._most - len(self._initial)

    def prompt(self) -> list[int]:
        """Ids that come before the next window; the decoder takes the last 223 of them."""
        if not self._options.carry_initial_prompt:
            return self._tokens[max(self._reset_since, len(self._tokens) - self._most) :]
        said = self._tokens[max(len(self._initial), self._reset_since) :]
        # openai-whisper's slice: a prompt that leaves no room ([-0:], [k:]) keeps most of the rest.
        return self._initial + said[-self._room :]

    def add(self, segments: Sequence[Segment], temperature: float) -> None:
        """Takes in one window; forgets all, the initial prompt too, if it must not prompt."""
        self._tokens += [token for segment in segments for token in segment.tokens]
        if not self._options.condition_on_previous_text or temperature > MAX_PROMPT_TEMPERATURE:
            self._reset_since = len(self._tokens)


@dataclass(frozen=True)
class Encoding:
    """Asks what the encoder makes of a window; `_core.AudioFeatures` are the answer."""

    frames: NDArray[np.float32]  # (n_mels, n_frames <= 3000), a view of the recording's mel


Question = Encoding | Attempt
# Yields segments and questions; wants to be sent the answer to the last question.
Walk = Generator[Segment | Question, Any, None]


@dataclass(frozen=True)
class Listener:
    """The ways through one recording; it asks and never calls the core."""

    tokenizer: Tokenizer
    dims: _core.ModelDims
    options: TranscribeOptions  # with the language known
    mel: NDArray[np.float32]  # (n_mels, content_frames + 3000), padded with 30 s of silence

    def walks(self, opening: _core.AudioFeatures | None = None) -> list[Walk]:
        """Walks whose segments, one after the other, are the transcript; none waits for another.

        One through all clips, or with windows="independent" one a clip. `opening`: mel[:, :3000]
        already encoded, for the window that covers exactly that.
        """
        content_frames = int(self.mel.shape[1]) - _core.N_FRAMES
        ways = [clips(self.options.clip_timestamps, content_frames)]
        if self.options.windows == "independent":
            ways = [[clip] for clip in ways[0]]
        return [self.walk(way, None if i else opening) for i, way in enumerate(ways)]

    def walk(
        self, way: Sequence[tuple[int, int]], opening: _core.AudioFeatures | None = None
    ) -> Walk:
        """Yields the segments of some clips, in order, and what it has to know for them."""
        history = History(self.tokenizer, self.dims.n_text_ctx, self.options)
        for start, end in way:
            seek = start
            while seek < end:
                window = Window(seek, min(_core.N_FRAMES, end - seek))
                result = yield from self._hear(window, history, opening)
                opening = None  # its memory is needed no longer
                if is_silence(result, self.options):
                    seek = window.end
                    continue
                cut = cut_window(window, result, self.tokenizer)
                seek = cut.seek
                said = [without_empty_speech(segment) for segment in cut.segments]
                history.add(said, result.temperature)
                yield from said

    def _hear(
        self, window: Window, history: History, opening: _core.AudioFeatures | None
    ) -> Generator[Question, Any, WindowResult]:
        features = opening
        if features is None or window != Window(0, _core.N_FRAMES):
            features = yield Encoding(self.mel[:, window.seek : window.end])
        prompt = history.prompt()
        # One encoding for all temperatures.
        return (
            yield from decode_with_fallback(
                self.tokenizer, self.dims, features, self.options, prompt, window.seek
            )
        )


def encode(core: _core.Model, asked: Encoding) -> _core.AudioFeatures:
    """The answer to a walk that asks for an encoding."""
    # The core wants consecutive memory; it fills a short window with zeros in log-mel space.
    return core.encode(np.ascontiguousarray(asked.frames))


def follow(core: _core.Model, walk: Walk, n_rows: int, metrics: _core.Metrics) -> Iterator[Segment]:
    """The segments of a walk, each question answered as it comes; `metrics` gets the figures.

    `n_rows`: most beams or samples of a window.
    """
    decoder = core.new_batch(1, n_rows)
    answer: _core.AudioFeatures | _core.DecodingResult | None = None
    while True:
        try:
            asked = walk.send(answer)
        except StopIteration:
            return
        if isinstance(asked, Segment):
            answer = None
            yield asked
        elif isinstance(asked, Encoding):
            answer = encode(core, asked)
            metrics.merge(answer.metrics)
        else:
            answer = _decoded(decoder, asked, metrics)


def _decoded(
    decoder: _core.DecodeBatch, asked: Attempt, metrics: _core.Metrics
) -> _core.DecodingResult:
    decoder.submit(asked.features, asked.options)
    while not (finished := decoder.advance(PASSES)):
        pass  # in Python for a moment, where Ctrl-C gets through
    metrics.merge(finished[0].metrics)
    if finished[0].error:
        raise _core.ShapeError(finished[0].error)
    return finished[0].result
