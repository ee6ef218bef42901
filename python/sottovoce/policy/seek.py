"""The seek loop: window after window through a recording, each prompted with what came before.

Behaviour is openai-whisper's. A seek loop requests encodings and attempts, and tells what it heard;
engine/sequential.py runs one at a time, engine/batch.py many side by side.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..options import TranscribeOptions
from ..results import WindowResult
from ..text.tokenizer import Tokenizer
from .prompt import History
from .requests import AlignRequest, EncodeRequest, HeardWindow, Request
from .segments import Cut, cut_window, numbered, with_whole_characters, without_empty_speech
from .short_windows import looks_odd, short_context
from .window import Window, decode_with_fallback, is_silence
from .words import alignment_options, with_words, without_hallucinations


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


class EncodedWindow(NamedTuple):
    """A window that was encoded before its turn."""

    window: Window
    features: _core.AudioFeatures  # as the options have them


# Yields windows and requests; wants to be sent the answer to the last request.
SeekLoop = Generator[HeardWindow | Request, Any, None]


def seek_loops(
    tokenizer: Tokenizer,
    dims: _core.ModelDims,
    options: TranscribeOptions,
    mel: NDArray[np.float32],
    first: EncodedWindow | None = None,
) -> list[SeekLoop]:
    """Loops whose segments, one after the other, are the transcript; none waits for another.

    One through all clips, or with windows="independent" one a clip.

    Args:
        options: with the language known.
        mel: (n_mels, content_frames + 3000) of the recording and 30 s of silence.
        first: perhaps the first window.
    """
    recording = _Recording(tokenizer, dims, options, mel)
    groups = [clips(options.clip_timestamps, int(mel.shape[1]) - _core.N_FRAMES)]
    if options.windows == "independent":
        groups = [[clip] for clip in groups[0]]
    return [recording.seek_loop(group, first if i == 0 else None) for i, group in enumerate(groups)]


@dataclass(frozen=True)
class _Recording:
    """What every window of a recording shares."""

    tokenizer: Tokenizer
    dims: _core.ModelDims
    options: TranscribeOptions
    mel: NDArray[np.float32]  # (n_mels, content_frames + 3000)

    @property
    def most_frames(self) -> int:
        """Of a window: 30 s, or less where the network hears less."""
        return min(_core.N_FRAMES, self.dims.n_frames)

    def seek_loop(self, ranges: Sequence[tuple[int, int]], first: EncodedWindow | None) -> SeekLoop:
        """Yields the windows of some clips in order, and the requests for what it has to know.

        `ranges`: (first frame, frame after the last) of each clip; a frame is 10 ms.
        """
        history = History(self.tokenizer, self.dims.n_text_ctx, self.options)
        n_segments = 0
        last_speech = self._start_of_speech(ranges)
        for start, end in ranges:
            seek = start
            while seek < end:
                window = Window(seek, min(self.most_frames, end - seek))
                encoded = first.features if first and first.window == window else None
                first = None  # its memory is needed no longer
                features, result, kept = yield from self._transcribe_window(
                    window, history, encoded
                )
                del encoded
                if is_silence(result, self.options):
                    seek = window.end
                    yield HeardWindow(window.seek, seek, ())
                    continue
                cut = cut_window(window, result, self.tokenizer)
                if self.options.word_timestamps:
                    cut = yield from self._with_words(cut, window, features, kept, last_speech)
                    last_speech = cut.last_speech
                del features, kept
                seek = cut.seek
                spoken = with_whole_characters(
                    map(without_empty_speech, cut.segments), self.tokenizer
                )
                segments = tuple(numbered(spoken, n_segments))
                n_segments += len(segments)
                if not cut.is_void:
                    history.add(segments, result.temperature)
                yield HeardWindow(window.seek, seek, segments)

    def _looks_odd(self, result: WindowResult, window: Window) -> bool:
        return looks_odd(result, window, self.tokenizer, self.options, self.dims.n_text_ctx)

    def _start_of_speech(self, ranges: Sequence[tuple[int, int]]) -> float:
        """Where, in s, what was heard before a loop's first window ended."""
        is_first = self.options.windows == "sequential" or not ranges
        return 0.0 if is_first else ranges[0][0] / _core.FRAMES_PER_SECOND

    def _transcribe_window(
        self, window: Window, history: History, features: _core.AudioFeatures | None
    ) -> Generator[
        Request, Any, tuple[_core.AudioFeatures, WindowResult, _core.KeptAttention | None]
    ]:
        frames = self.mel[:, window.seek : window.end]
        n_ctx = None
        if self.options.short_windows:
            n_ctx = short_context(window.size, self.most_frames)
        options = self.options
        if n_ctx is not None:
            options = replace(options, temperature=options.temperature[:1])
        prompt = history.prompt()
        while True:
            features = features or (yield EncodeRequest(frames, n_ctx))
            # One encoding for all temperatures.
            result, kept = yield from decode_with_fallback(
                self.tokenizer, self.dims, features, options, prompt, window.seek
            )
            if n_ctx is None or not self._looks_odd(result, window):
                return features, result, kept
            features, options, n_ctx = None, self.options, None

    def _with_words(
        self,
        cut: Cut,
        window: Window,
        features: _core.AudioFeatures,
        kept: _core.KeptAttention | None,
        last_speech: float,
    ) -> Generator[Request, Any, Cut]:
        """The cut with its words, which also say where the next window begins."""
        alignment = None
        wanted = alignment_options(self.tokenizer, self.options, window, cut.segments)
        if wanted is not None:
            # The last token of a window that was cut short was never fed: nobody saw it attend.
            is_whole = kept is not None and kept.n_text >= len(wanted.text_tokens)
            alignment = yield AlignRequest(kept if kept and is_whole else features, wanted)
        cut = with_words(cut, alignment, self.tokenizer, self.options, window, last_speech)
        threshold = self.options.hallucination_silence_threshold
        if threshold is None:
            return cut
        n_frames = int(self.mel.shape[1]) - _core.N_FRAMES
        return without_hallucinations(cut, window, threshold, last_speech, n_frames)
