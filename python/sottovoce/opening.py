"""Recordings -> jobs: they are read, their language is found out, the loops through them planned.

Nothing is decoded yet; engine/ does that.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from . import _core
from .engine import window
from .engine.job import Job
from .engine.reports import ProgressFunction, Reports
from .errors import warn_of_audio
from .options import TranscribeOptions
from .policy.channels import channel_names, relabelled, spoken_by
from .policy.chunking import clips_between_pauses
from .policy.language import allowed, places_to_listen, together
from .policy.listening import EncodedWindow, SeekLoop
from .policy.policies import seek_loops
from .policy.short_windows import short_context
from .policy.voice import Voice, clips_of_speech
from .policy.voiced import LIKELY, Voiced
from .policy.window import Window
from .results import CallMetrics, TranscriptionInfo
from .speakers import Speakers, SpeakerTurn, Turns, as_turns
from .text.tokenizer import Tokenizer
from .voice import voice_network

if TYPE_CHECKING:
    from .audio import Audio, Recording

_log = logging.getLogger("sottovoce.model")


@dataclass(frozen=True)
class _Language:
    code: str
    probability: float = 1.0
    probabilities: Mapping[str, float] | None = None
    first: EncodedWindow | None = (
        None  # the window that was listened to first, if that can be of use
    )


@dataclass(frozen=True)
class Opener:
    """Opens recordings for a model."""

    core: _core.Model
    tokenizer: Tokenizer

    def open(
        self,
        audio: Audio,
        sample_rate: int | None,
        wanted: TranscribeOptions,
        progress: ProgressFunction | None,
        turns: Iterable[SpeakerTurn] | None = None,
        index: int = 0,
        cancel: _core.CancelToken | None = None,
    ) -> Job:
        """Reads a recording and finds out its language; nothing of it is decoded yet.

        `cancel` is for who hears it.
        """
        metrics = CallMetrics()
        names: tuple[str, ...] = ()
        if wanted.channels == "mix":
            recording = self._read(audio, sample_rate, metrics)
        else:
            recording = self._read_channels(audio, sample_rate, metrics)
            names = channel_names(wanted.channels, len(recording.channels))
        mel = self._padded_mel(recording.samples, metrics)
        voice = self._voice(recording.samples, wanted, metrics)
        language = self._language(wanted, mel, _begin(wanted, voice), metrics)
        options = replace(wanted, language=language.code)
        if names:
            loops = self._channel_loops(recording, names, options, metrics)
        else:
            options, loops = self._loops(mel, options, voice, language.first)
        if turns is not None:
            label = Speakers(turns).label
            loops = [relabelled(loop, label) for loop in loops]
        info = TranscriptionInfo(
            language=language.code,
            language_probability=language.probability,
            all_language_probs=language.probabilities,
            duration=len(recording.samples) / _core.SAMPLE_RATE,
            options=options,
            metrics=metrics,
            missing=recording.missing,
        )
        _log.info(
            "recording of %.2f s, language %s (probability %.2f), loaded in %.0f ms",
            *(info.duration, info.language, info.language_probability, metrics.load_ms),
        )
        reports = progress and Reports(progress, index, info, len(names) or None)
        return Job(info, mel, loops, reports, recording.doubts, cancel, bool(names))

    def open_later(
        self,
        audio: Audio,
        sample_rate: int | None,
        wanted: TranscribeOptions,
        progress: ProgressFunction | None,
        speakers: Turns | None,
        index: int,
        cancel: _core.CancelToken | None,
    ) -> Callable[[], Job]:
        """`open` for later, when the caller may have changed or closed what was given."""
        from . import audio as media

        where = f"transcribe_many: recording {index}"
        try:
            turns = None if speakers is None else as_turns(speakers, where=where)
            kept = media.snapshot(audio)
            return partial(self.open, kept, sample_rate, wanted, progress, turns, index, cancel)
        except Exception as error:
            return partial(_fail, error)

    def detect_language(
        self, audio: Audio, sample_rate: int | None
    ) -> tuple[str, dict[str, float]]:
        """The likeliest language of the first 30 s, and the probability of each by code."""
        metrics = CallMetrics()
        recording = self._read(audio, sample_rate, metrics)
        warn_of_audio(recording.doubts)
        mel = self._padded_mel(recording.samples, metrics)
        features = self._encode_window(mel[:, : self._most_frames], metrics)
        return window.detect_language(self.core, self.tokenizer, features)

    def _loops(
        self,
        mel: NDArray[np.float32],
        options: TranscribeOptions,
        voice: Voice | None,
        first: EncodedWindow | None = None,
    ) -> tuple[TranscribeOptions, list[SeekLoop]]:
        """The loops through a recording, and the options as they use them."""
        if voice is not None:
            options = _of_speech(options, voice)
        if options.windows == "independent":
            options = options.of_clips(clips_between_pauses(mel, mel.shape[1] - _core.N_FRAMES))
        voiced = Voiced.of(voice) if voice else None
        return options, seek_loops(self.tokenizer, self.core.dims, options, mel, first, voiced)

    def _voice(
        self, samples: NDArray[np.float32], options: TranscribeOptions, metrics: CallMetrics
    ) -> Voice | None:
        """Where somebody speaks, if that is asked for."""
        if not (options.vad_filter or options.policy == "robust"):
            return None
        started = time.perf_counter()
        network = voice_network(n_threads=self.core.n_threads, isa=self.core.isa)
        voice = Voice(network.probabilities(samples), len(samples))
        metrics.vad_ms += _ms_since(started)
        return voice

    def _channel_loops(
        self,
        recording: Recording,
        names: tuple[str, ...],
        options: TranscribeOptions,
        metrics: CallMetrics,
    ) -> list[SeekLoop]:
        """Those of each channel, one channel after the other, as if it were a recording alone."""
        found: list[SeekLoop] = []
        for name, samples in zip(names, recording.channels, strict=True):
            voice = self._voice(samples, options, metrics)
            _, loops = self._loops(self._padded_mel(samples, metrics), options, voice)
            found += [relabelled(loop, partial(spoken_by, speaker=name)) for loop in loops]
        return found

    def _read(self, audio: Audio, sample_rate: int | None, metrics: CallMetrics) -> Recording:
        from . import audio as media

        started = time.perf_counter()
        recording = media.read(audio, sample_rate=sample_rate)
        metrics.load_ms = _ms_since(started)
        return recording

    def _read_channels(
        self, audio: Audio, sample_rate: int | None, metrics: CallMetrics
    ) -> Recording:
        from . import audio as media

        started = time.perf_counter()
        recording = media.read_channels(audio, sample_rate=sample_rate)
        metrics.load_ms = _ms_since(started)
        return recording

    def _padded_mel(
        self, samples: NDArray[np.float32], metrics: CallMetrics
    ) -> NDArray[np.float32]:
        """Log-mel of everything at once (its floor is relative to the loudest moment of all).

        Returns (n_mels, n_samples // 160 + 3000): 30 s of silence follow the recording.
        """
        started = time.perf_counter()
        mel = _core.log_mel(
            samples, self.core.dims.n_mels, padding=_core.N_SAMPLES, n_threads=self.core.n_threads
        )
        metrics.mel_ms += _ms_since(started)
        return mel

    def _language(
        self,
        wanted: TranscribeOptions,
        mel: NDArray[np.float32],
        begin: int,
        metrics: CallMetrics,
    ) -> _Language:
        """That of what is said from frame `begin` on, unless it is known."""
        if wanted.language is not None or not self.tokenizer.is_multilingual:
            return _Language(wanted.language or "en")
        if len(wanted.languages) == 1:
            return _Language(wanted.languages[0])
        started = time.perf_counter()
        mel = mel[:, begin:]
        n_frames = mel.shape[1] - _core.N_FRAMES
        most = self._most_frames
        n_ctx = short_context(n_frames, most) if wanted.short_windows else None
        if n_ctx is None:
            features = self._encode_window(mel[:, :most], metrics)
        else:
            features = self._encode_window(mel[:, :n_frames], metrics, n_ctx)
        first = EncodedWindow(Window(begin, min(most, n_frames)), features)
        places = []
        for place in places_to_listen(n_frames, most, wanted.language_detection_segments):
            if place > 0:
                features = self._encode_window(mel[:, place : place + most], metrics)
            _, all_of_them = window.detect_language(self.core, self.tokenizer, features)
            places.append(allowed(all_of_them, wanted.languages))
            if max(places[-1].values()) >= wanted.language_detection_threshold:
                break
        probabilities = together(places, wanted.language_detection_threshold)
        found = max(probabilities, key=probabilities.__getitem__)
        metrics.language_ms = _ms_since(started)
        # Shorter recordings are heard twice, as in openai-whisper: here followed by the silence of
        # the padding, as a window followed by zeros. The two encodings differ.
        is_first_window = n_ctx is not None or n_frames >= most
        return _Language(
            found, probabilities[found], probabilities, first if is_first_window else None
        )

    @property
    def _most_frames(self) -> int:
        """Of a window."""
        return min(_core.N_FRAMES, self.core.dims.n_frames)

    def _encode_window(
        self, frames: NDArray[np.float32], metrics: CallMetrics, n_ctx: int | None = None
    ) -> _core.AudioFeatures:
        features = self.core.encode(np.ascontiguousarray(frames), n_ctx)
        metrics.core.merge(features.metrics)
        return features


def _of_speech(options: TranscribeOptions, voice: Voice) -> TranscribeOptions:
    """The options, with clips that hold the speech of what is to be heard if they want such."""
    if options.vad_filter:
        return replace(options, clip_timestamps=clips_of_speech(voice, options))
    if options.windows == "independent":
        likely = replace(options, vad_parameters=LIKELY)
        return options.of_clips(clips_of_speech(voice, likely))
    return options


def _begin(options: TranscribeOptions, voice: Voice | None) -> int:
    """The frame that is heard first, in a recording of which that is known before its windows."""
    if voice is None:
        return 0
    options = _of_speech(options, voice)
    begin = round(options.clip_timestamps[0] * _core.FRAMES_PER_SECOND)
    if options.policy == "robust":
        voiced = Voiced.of(voice)
        n_frames = voice.n_samples // _core.HOP_LENGTH
        heard = voiced.first_heard_frame(begin, n_frames)
        begin = heard if heard < n_frames else begin
    return begin


def with_turns(
    audios: Iterable[Audio], speakers: Iterable[Turns | None] | None
) -> Iterator[tuple[Audio, Turns | None]]:
    """Each recording, and who speaks in it; raises ValueError where there is one without other."""
    if speakers is None:
        yield from ((audio, None) for audio in audios)
        return
    nothing: Any = object()
    pairs = zip_longest(audios, speakers, fillvalue=nothing)
    for index, (audio, turns) in enumerate(pairs):
        if audio is nothing or turns is nothing:
            kind, n = ("recordings", "more") if audio is nothing else ("turns", "fewer")
            raise ValueError(
                f"transcribe_many: speakers must be as many as recordings, got {n}: no {kind} "
                f"behind the first {index}"
            )
        yield audio, turns


def _fail(error: Exception) -> NoReturn:
    raise error


def _ms_since(started: float) -> float:
    return 1000 * (time.perf_counter() - started)
