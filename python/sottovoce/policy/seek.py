"""The seek loop: window after window through a recording, each prompted with what came before.

Behaviour is openai-whisper's. A seek loop requests encodings and attempts, and tells what it heard;
engine/sequential.py runs one at a time, engine/batch.py many side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .. import _core
from ..results import Attempt, LeftOut, Segment, WindowTrace
from .listening import EncodedWindow, Listener, SeekLoop
from .prompt import History
from .requests import HeardWindow
from .segments import cut_window, numbered, with_whole_characters, without_empty_speech
from .window import Window, silence


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


@dataclass(frozen=True)
class OpenAILoop(Listener):
    """policy="openai": where the last words ended, the next window begins."""

    def seek_loop(self, ranges: Sequence[tuple[int, int]], first: EncodedWindow | None) -> SeekLoop:
        """Yields the windows of some clips in order, and the requests for what it has to know.

        `ranges`: (first frame, frame after the last) of each clip; a frame is 10 ms.
        """
        language = self.spoken_language()
        history = History(self.tokenizer, self.dims.n_text_ctx, self.options)
        n_segments = 0
        last_speech = self._start_of_speech(ranges)
        for start, end in ranges:
            seek = start
            while seek < end:
                window = Window(seek, min(self.most_frames, end - seek))
                features, heard = yield from self.hear(
                    window, history.prompt(), first, language=language
                )
                first = None  # its memory is needed no longer
                result = heard.result
                why_silent = silence(result, self.options)
                if why_silent:
                    seek = window.end
                    trace = traced(window, seek, heard.attempts, silence=why_silent)
                    yield HeardWindow(window.seek, seek, (), trace)
                    continue
                cut = cut_window(window, result, self.tokenizer)
                before = cut.segments
                if self.options.word_timestamps:
                    alignment = yield from self.aligned(cut, window, heard, features)
                    cut = self.with_words(cut, alignment, window, last_speech, result.language)
                    last_speech = cut.last_speech
                seek = cut.seek
                trace = traced(window, seek, heard.attempts, left_out=before[len(cut.segments) :])
                del features, heard  # as large as anything there is
                spoken = with_whole_characters(
                    map(without_empty_speech, cut.segments), self.tokenizer
                )
                segments = tuple(numbered(spoken, n_segments))
                n_segments += len(segments)
                if not cut.is_void:
                    history.add(segments, result.temperature)
                yield HeardWindow(window.seek, seek, segments, trace)

    def _start_of_speech(self, ranges: Sequence[tuple[int, int]]) -> float:
        """Where, in s, what was heard before a loop's first window ended."""
        is_first = self.options.windows == "sequential" or not ranges
        return 0.0 if is_first else ranges[0][0] / _core.FRAMES_PER_SECOND


def traced(
    window: Window,
    seek: int,
    attempts: tuple[Attempt, ...],
    *,
    silence: str = "",
    left_out: Sequence[Segment] = (),
) -> WindowTrace:
    """A window as the decision trace keeps it; `seek`: the frame to go on from."""
    gone = tuple(LeftOut(segment, "improbable words among silence") for segment in left_out)
    end = seek / _core.FRAMES_PER_SECOND
    return WindowTrace(window.offset, end, attempts, silence=silence, left_out=gone)
