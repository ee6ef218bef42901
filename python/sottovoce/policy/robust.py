"""policy="robust": what was said, nothing that was not, and nothing left out.

openai-whisper's loop, that knows where somebody speaks. It passes over silence, doubts words that
nothing speaks for, hears again what no word covers, and prompts with nothing that had to be heard
twice. Where somebody speaks all the time and the first attempts are good, the windows, the prompts
and the words are those of policy="openai".
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import islice
from typing import Any

import numpy as np

from .. import _core
from ..options import TranscribeOptions
from ..results import Attempt, LeftOut, Segment, WindowTrace, Word
from ..text.units import units
from .evidence import doubt, evidence, joined
from .language import SpokenLanguage
from .listening import EncodedWindow, Listener, SeekLoop
from .prompt import History
from .requests import (
    Decoded,
    DecodeRequest,
    EncodeRequest,
    HeardWindow,
    Request,
)
from .segments import Cut, cut_window, numbered, with_whole_characters, without_empty_speech
from .voiced import Span, Voiced
from .window import Heard, Window, decode_once, silence
from .words import with_words

_LONGEST_SILENCE = 5.0  # s within a window: in more, Whisper likes to invent
_BEHIND = 0.5  # s of silence that a window ends with, before a long one
_LEAST_UNCOVERED = 1.0  # s of voice that no word covers, to be heard again
_GAP = 0.3  # s between voiced stretches that are heard again as one
_NEAR = 0.5  # s by which words cover what is around them
_LONGEST_WORD = 2.0  # s that a word covers
_BESIDE = 1.0  # s between what is heard again and segments that may hold it
_HANGING = 0.3  # s by which a time may hang over a pause


@dataclass(frozen=True)
class _Judged:
    """A segment, and what there is against it."""

    segment: Segment
    spans: tuple[Span, ...]
    doubt: str


@dataclass(frozen=True)
class RobustLoop(Listener):
    """policy="robust"."""

    voiced: Voiced

    def seek_loop(self, ranges: Sequence[tuple[int, int]], first: EncodedWindow | None) -> SeekLoop:
        """Yields the windows of some clips in order, and the requests for what it has to know.

        `ranges`: (first frame, frame after the last) of each clip; a frame is 10 ms.
        """
        language = self.spoken_language()
        history = History(self.tokenizer, self.dims.n_text_ctx, self.options)
        n_segments = 0
        for start, end in ranges:
            seek = start
            while seek < end:
                begin = self.voiced.first_heard_frame(seek, end)
                if begin > seek:
                    trace = WindowTrace(_seconds(seek), _seconds(begin), silence="nobody speaks")
                    yield HeardWindow(seek, begin, (), trace)
                    seek = begin
                    continue
                window = Window(seek, self._size(seek, end))
                features, heard = yield from self.hear(
                    window, history.prompt(), first, language=language
                )
                first = None  # its memory is needed no longer
                why_silent = silence(heard.result, self.options)
                judged: list[_Judged] = []
                seek = window.end
                if not why_silent:
                    cut = cut_window(window, heard.result, self.tokenizer)
                    cut, peaks = yield from self._timed(cut, window, features, heard)
                    seek = cut.seek
                    judged = self._judge(cut.segments, peaks)
                # As large as anything there is, and not needed for what is heard again.
                del features
                heard = replace(heard, attention=None)
                again = yield from self._hear_the_rest(window, seek, judged, language)
                kept = [each for each in judged if self._keeps(each)]
                kept += [each for found, _ in again for each in found]
                kept.sort(key=lambda each: each.segment.start)
                segments = tuple(numbered(map(self._finished, kept), n_segments))
                n_segments += len(segments)
                if heard.is_sure and not any(each.doubt for each in judged):
                    history.add(() if why_silent else segments, heard.result.temperature)
                elif not why_silent:
                    history.forget()
                trace = WindowTrace(
                    window.offset,
                    _seconds(seek),
                    heard.attempts,
                    heard.chosen,
                    why_silent,
                    _left_out(each for each in judged if not self._keeps(each)),
                    tuple(each for _, each in again),
                )
                yield HeardWindow(window.seek, seek, segments, trace)

    def attempts(
        self,
        features: _core.AudioFeatures,
        options: TranscribeOptions,
        prompt: Sequence[int],
        window: Window,
        n_ctx: int | None,
    ) -> Generator[DecodeRequest, Decoded, Heard]:
        """A second attempt goes without the prompt; if none is good, the likeliest stands.

        One that loops ends there, and the next one begins.
        """
        tries = [(0, tuple(prompt))]
        if prompt:
            tries.append((0, ()))
        tries += [(number, ()) for number in range(1, len(options.temperature))]
        found: list[Heard] = []
        traced: list[Attempt] = []
        failed = ""
        for number, start in tries:
            heard = yield from decode_once(
                self.tokenizer,
                self.dims,
                features,
                options,
                start,
                window.seek,
                number,
                n_ctx,
                failed,
                keep_attention=True,
                stop_loops=True,
            )
            found.append(heard)
            traced += heard.attempts
            failed = heard.attempts[-1].failure
            if not failed:
                break
        chosen = -1  # counted from the end: others may stand before these
        if failed:
            chosen = max(range(-len(found), 0), key=lambda i: self._worth(found[i], options))
        return replace(
            found[chosen], attempts=tuple(traced), chosen=chosen, is_sure=len(found) == 1
        )

    def encoding(self, window: Window, n_ctx: int | None) -> EncodeRequest:
        """Behind a window that ends before the recording does stands silence.

        Zeros are no silence, but sound of half the range that a mel has.
        """
        request = super().encoding(window, n_ctx)
        n_rest = self.most_frames - window.size
        is_last = window.end + _core.N_FRAMES >= self.mel.shape[1]
        if n_ctx is not None or n_rest == 0 or is_last:
            return request
        silence = self.mel.min()  # the recording is followed by half a minute of it
        frames = np.pad(request.frames, ((0, 0), (0, n_rest)), constant_values=silence)
        return EncodeRequest(frames, n_ctx)

    @property
    def _duration(self) -> float:
        return _seconds(int(self.mel.shape[1]) - _core.N_FRAMES)

    def _worth(self, heard: Heard, options: TranscribeOptions) -> tuple[bool, float]:
        ratio = options.compression_ratio_threshold
        repeats = ratio is not None and heard.result.compression_ratio > ratio
        return not (repeats or heard.result.loop_length), heard.result.avg_logprob

    def _size(self, seek: int, end: int) -> int:
        """Frames of a window: up to a long silence, or as much as the network hears."""
        most = min(self.most_frames, end - seek)
        here, limit = _seconds(seek), _seconds(seek + most)
        last = here
        for start, stop in self.voiced.within(here, limit):
            if start - last > _LONGEST_SILENCE and last > here:
                break
            last = stop
        following = self.voiced.next_start(last)
        if min(following, limit) - last > _LONGEST_SILENCE:
            return min(most, round((last + _BEHIND) * _core.FRAMES_PER_SECOND) - seek)
        return most

    def _timed(
        self, cut: Cut, window: Window, features: _core.AudioFeatures, heard: Heard
    ) -> Generator[Request, Any, tuple[Cut, list[float]]]:
        """The cut with words, and where in s each token of its text attends most.

        Unless words are asked for, the cut's times stay those of its tokens.
        """
        if self.options.word_timestamps is True:
            heard = replace(heard, attention=None)  # the exact times are those of a second look
        alignment = yield from self.aligned(cut, window, heard, features)
        if alignment is None:
            return cut, []
        language = heard.result.language
        if self.options.word_timestamps:
            timed = self.with_words(cut, alignment, window, window.offset, language)
        else:
            options = replace(self.options, language=language)
            own = with_words(cut, alignment, self.tokenizer, options, window, window.offset)
            pairs = zip(cut.segments, own.segments, strict=True)
            timed = replace(cut, segments=[replace(s, words=own.words) for s, own in pairs])
        return timed, (window.offset + alignment.peaks / _core.TOKENS_PER_SECOND).tolist()

    def _judge(self, segments: Sequence[Segment], peaks: Sequence[float]) -> list[_Judged]:
        """The segments that say anything, with their evidence.

        `peaks`: where in s each token of their text attends most, as far as it is known.
        """
        found = []
        eot = self.tokenizer.special.eot
        attended = iter(peaks)
        spoken = with_whole_characters(map(without_empty_speech, segments), self.tokenizer)
        for cut, segment in zip(segments, spoken, strict=True):
            attends = tuple(islice(attended, sum(token < eot for token in cut.tokens)))
            spans = tuple(map(_span, segment.words or ()))
            text = [p for t, p in zip(segment.tokens, segment.logprobs, strict=True) if t < eot]
            if segment.is_empty:
                found.append(_Judged(segment, (), ""))
                continue
            known = evidence(segment, spans, self.voiced, text, attends)
            segment = replace(segment, evidence=known)
            found.append(_Judged(segment, spans, doubt(known)))
        return found

    def _keeps(self, judged: _Judged) -> bool:
        return not judged.doubt or self.options.hallucination != "drop"

    def _finished(self, judged: _Judged) -> Segment:
        """As it stands in the transcript: its times within the voice."""
        segment = self._trimmed(judged.segment)
        if self.options.hallucination == "mark":
            segment = replace(segment, doubt=judged.doubt)
        if not self.options.word_timestamps:
            segment = replace(segment, words=None)
        return segment

    def _trimmed(self, segment: Segment) -> Segment:
        """Whose ends hang neither over a pause nor over the end of the recording.

        Nor do those of its first and last word.
        """
        if segment.is_empty:
            return segment
        start, end = (min(time, self._duration) for time in (segment.start, segment.end))
        spoken = self.voiced.within(start, end)
        if spoken:
            start = spoken[0][0] if spoken[0][0] - start > _HANGING else start
            end = spoken[-1][1] if end - spoken[-1][1] > _HANGING else end
        words = tuple(_within(word, start, end) for word in segment.words or ())
        return replace(segment, start=start, end=end, words=words)

    def _hear_the_rest(
        self,
        window: Window,
        seek: int,
        judged: Sequence[_Judged],
        language: SpokenLanguage | None,
    ) -> Generator[Request, Any, list[tuple[list[_Judged], WindowTrace]]]:
        """What is said in voiced stretches of the window that no word covers, each on its own."""
        heard_again = []
        covered = joined([span for each in judged for span in _covered(each)])
        for start, end in self._uncovered(window.offset, _seconds(seek), covered):
            first = int(start * _core.FRAMES_PER_SECOND)
            alone = Window(first, int(end * _core.FRAMES_PER_SECOND) - first)
            features, heard = yield from self.hear(alone, (), language=language, once=True)
            cut = cut_window(alone, heard.result, self.tokenizer)
            cut, peaks = yield from self._timed(cut, alone, features, heard)
            judged_again = self._judge(cut.segments, peaks)
            found = [each for each in judged_again if not each.segment.is_empty]
            against = heard.attempts[heard.chosen].failure or silence(heard.result, self.options)
            if not against and _is_said(found, judged):
                against = "the same as what is said beside it"
            found = [replace(each, doubt=each.doubt or against) for each in found]
            gone = _left_out(each for each in found if each.doubt)
            trace = WindowTrace(start, end, heard.attempts, heard.chosen, left_out=gone)
            heard_again.append(([each for each in found if not each.doubt], trace))
        return heard_again

    def _uncovered(self, start: float, end: float, covered: Sequence[Span]) -> list[Span]:
        """Stretches of voice, each with what little silence parts them, that nothing covers."""
        bare: list[Span] = []
        for first, last in self.voiced.within(start, end):
            for begin, stop in _without(first, last, covered):
                if bare and begin - bare[-1][1] <= _GAP:
                    begin = bare.pop()[0]
                bare.append((begin, stop))
        return [span for span in bare if span[1] - span[0] >= _LEAST_UNCOVERED]


def _left_out(judged: Iterable[_Judged]) -> tuple[LeftOut, ...]:
    return tuple(LeftOut(each.segment, each.doubt) for each in judged)


def _is_said(found: Sequence[_Judged], judged: Sequence[_Judged]) -> bool:
    """Whether most of it stands in a neighbouring segment already, whose times are not exact."""
    if not found:
        return False
    start, end = found[0].segment.start - _BESIDE, found[-1].segment.end + _BESIDE
    beside = [e.segment for e in judged if e.segment.start < end and e.segment.end > start]
    said = [unit.key for segment in beside for unit in units(segment.text)]
    again = [unit.key for each in found for unit in units(each.segment.text)]
    longest = SequenceMatcher(None, said, again, autojunk=False).find_longest_match()
    return 2 * longest.size > len(again)


def _covered(judged: _Judged) -> list[Span]:
    if judged.doubt or judged.segment.is_empty:
        return []
    spans = [(start, min(end, start + _LONGEST_WORD)) for start, end in judged.spans]
    spans = spans or [(judged.segment.start, judged.segment.end)]
    return [(start - _NEAR, end + _NEAR) for start, end in spans]


def _without(start: float, end: float, covered: Sequence[Span]) -> list[Span]:
    """What is left of a span; `covered` are in order and apart."""
    left = []
    for first, last in covered:
        if last <= start or first >= end:
            continue
        if first > start:
            left.append((start, first))
        start = max(start, last)
    if start < end:
        left.append((start, end))
    return left


def _span(word: Word) -> Span:
    return word.start, word.end


def _within(word: Word, start: float, end: float) -> Word:
    first, last = max(word.start, start), min(word.end, end)
    return replace(word, start=first, end=last) if first < last else word


def _seconds(frame: int) -> float:
    return frame / _core.FRAMES_PER_SECOND
