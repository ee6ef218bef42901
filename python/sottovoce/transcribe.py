"""`WhisperModel`: a loaded model and its tokenizer, and the calls that people make.

    model = WhisperModel("base")
    segments, info = model.transcribe("talk.mp3")
    for segment in segments:
        print(f"[{segment.start:.2f} -> {segment.end:.2f}]{segment.text}")

What happens inside a window is decoding.py's; which window comes next, seek.py's. A model holds no
state of a call: any number of threads may use it at once.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import _core, decoding
from .decoding import WindowResult
from .options import DecodeKeywords, DecodeOptions, TranscribeKeywords, TranscribeOptions
from .seek import Listener
from .segments import Segment, full_text
from .tokenizer import Tokenizer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .audio import Audio


@dataclass
class CallMetrics:
    """Figures of one `transcribe` call; they grow until its segments are exhausted."""

    load_ms: float = 0.0  # reading, decoding and resampling the audio
    mel_ms: float = 0.0  # log-mel of the whole recording
    language_ms: float = 0.0  # detection, its encoding included
    core: _core.Metrics = field(default_factory=_core.Metrics)  # encoder and decoder

    def as_dict(self) -> dict[str, Any]:
        """All figures under their names, with those of the core: encoder_forward_ms, tokens, ..."""
        times = {"load_ms": self.load_ms, "mel_ms": self.mel_ms, "language_ms": self.language_ms}
        return {**times, **self.core.as_dict()}


@dataclass(frozen=True)
class TranscriptionInfo:
    """What is known of a recording before, or apart from, its segments."""

    language: str  # code: the given one, or the detected
    language_probability: float  # 1.0 if it was given
    all_language_probs: Mapping[str, float] | None  # by code; None if nothing was detected
    duration: float  # s
    options: TranscribeOptions  # as used, language included
    metrics: CallMetrics  # complete once the segments are exhausted


@dataclass(frozen=True)
class _Language:
    code: str
    probability: float = 1.0
    probabilities: Mapping[str, float] | None = None
    features: _core.AudioFeatures | None = None  # of mel[:, :3000], if that was listened to


class WhisperModel:
    """A Whisper model, ready to transcribe.

    Attributes:
        core: the network (`_core.Model`): encode, step, logits, cross-attention.
        tokenizer: text <-> ids.
    """

    def __init__(
        self,
        name_or_path: str | Path,
        device: str = "cpu",
        compute_type: str = "float32",
        cpu_threads: int = 0,
        *,
        isa: str = "",
        local_files_only: bool = False,
        download_root: str | Path | None = None,
    ) -> None:
        """Loads a model.

        Args:
            name_or_path: a directory or file, or a name such as "base" or "tiny.en".
            device: "cpu".
            compute_type: dtype of the packed weights.
            cpu_threads: threads of one call; 0: all that this process may use.
            isa: kernel table, one of `available_isas()`; "": the best for this CPU.
            local_files_only: never download.
            download_root: where downloads are kept; None: the hub's usual cache.

        Raises LoadError if the model cannot be had or read, ValueError for an unknown device.
        """
        from . import checkpoint, hub

        if device != "cpu":
            raise ValueError(f"WhisperModel: device must be 'cpu', got {device!r}")
        most_threads = 1024  # the core's
        if not isinstance(cpu_threads, int) or not 0 <= cpu_threads <= most_threads:
            raise ValueError(
                f"WhisperModel: cpu_threads must be 0 (all) to {most_threads}, got {cpu_threads!r}"
            )
        cache_dir = None if download_root is None else str(download_root)
        directory = hub.resolve(
            name_or_path, cache_dir=cache_dir, local_files_only=local_files_only
        )
        tensors = checkpoint.open_checkpoint(directory)
        # The tokenizer first: a wrong one is worth knowing before gigabytes are packed.
        self.tokenizer = Tokenizer.open(directory, tensors.dims.n_vocab)
        self.core = _core.Model(tensors, n_threads=cpu_threads, isa=isa, compute_type=compute_type)

    @classmethod
    def of_parts(cls, core: _core.Model, tokenizer: Tokenizer) -> WhisperModel:
        """A model from a network and a tokenizer that are already in memory."""
        model = cls.__new__(cls)
        model.core, model.tokenizer = core, tokenizer
        return model

    @property
    def dims(self) -> _core.ModelDims:
        """What the network is: the ten numbers of the checkpoint."""
        return self.core.dims

    @property
    def is_multilingual(self) -> bool:
        return self.tokenizer.is_multilingual

    def transcribe(
        self, audio: Audio, *, sample_rate: int | None = None, **options: Unpack[TranscribeKeywords]
    ) -> tuple[Iterator[Segment], TranscriptionInfo]:
        """Transcribes a recording of any length.

        Args:
            audio: a path, bytes, a binary file, or samples (n_samples,).
            sample_rate: of samples, in Hz; None: 16000.
            options: the fields of `TranscribeOptions`; `beam_size` is 5 (1: greedy), `temperature`
                (0.0, 0.2, ... 1.0), `language` detected, `task` "transcribe".

        Returns:
            The segments, decoded window by window while they are iterated over, and what is known
            about the recording. Audio without a sample has no segments.

        Raises TypeError and ValueError for options, LoadError for audio that cannot be read.
        """
        wanted = TranscribeOptions.from_keywords(options)
        self._check_language(wanted.language)
        metrics = CallMetrics()
        samples = self._samples(audio, sample_rate, metrics)
        mel = self._padded_mel(samples, metrics)
        language = self._language(wanted.language, mel, metrics)
        wanted = replace(wanted, language=language.code)
        listener = Listener(self.core, self.tokenizer, wanted, mel, metrics.core)
        info = TranscriptionInfo(
            language=language.code,
            language_probability=language.probability,
            all_language_probs=language.probabilities,
            duration=len(samples) / _core.SAMPLE_RATE,
            options=wanted,
            metrics=metrics,
        )
        return listener.segments(language.features), info

    def detect_language(
        self, audio: Audio, *, sample_rate: int | None = None
    ) -> tuple[str, dict[str, float]]:
        """The likeliest language of the first 30 s, and the probability of each by code.

        Raises ValueError for an English-only model.
        """
        if not self.is_multilingual:
            raise ValueError(
                "detect_language: must have a multilingual model, got an English-only one"
            )
        metrics = CallMetrics()
        mel = self._padded_mel(self._samples(audio, sample_rate, metrics), metrics)
        return decoding.detect_language(self.core, self.tokenizer, self._opening(mel, metrics))

    def decode(
        self,
        features: _core.AudioFeatures | NDArray[np.float32],
        **options: Unpack[DecodeKeywords],
    ) -> WindowResult:
        """Decodes one window, once: no retries, no skipping; greedy unless asked otherwise.

        Args:
            features: an encoded window, or its log-mel (n_mels, n_frames <= 3000) float32.
            options: the fields of `DecodeOptions`.

        Raises TypeError and ValueError for options, ShapeError for a mel that is no window.
        """
        wanted = DecodeOptions.from_keywords(options)
        self._check_language(wanted.language)
        if isinstance(features, np.ndarray):
            features = self.core.encode(features)
        return decoding.decode(self.core, self.tokenizer, features, wanted)

    def text(self, segments: Iterable[Segment]) -> str:
        """The text of a whole transcript, spaces as the model spelled them."""
        return full_text(segments, self.tokenizer)

    def _check_language(self, code: str | None) -> None:
        if code is None or code in self.tokenizer.language_codes:
            return
        if self.is_multilingual:
            self.tokenizer.language_token(code)  # raises: a language of large-v3 only
        if code != "en":
            raise ValueError(f"language must be 'en' for an English-only model, got {code!r}")

    def _samples(
        self, audio: Audio, sample_rate: int | None, metrics: CallMetrics
    ) -> NDArray[np.float32]:
        from . import audio as media

        started = time.perf_counter()
        samples = media.load(audio, sample_rate=sample_rate)
        metrics.load_ms = _ms_since(started)
        return samples

    def _padded_mel(
        self, samples: NDArray[np.float32], metrics: CallMetrics
    ) -> NDArray[np.float32]:
        """Log-mel of everything at once (its floor is relative to the loudest moment of all).

        Returns (n_mels, n_samples // 160 + 3000): 30 s of silence follow the recording.
        """
        started = time.perf_counter()
        mel = _core.log_mel(
            samples, self.dims.n_mels, padding=_core.N_SAMPLES, n_threads=self.core.n_threads
        )
        metrics.mel_ms = _ms_since(started)
        return mel

    def _language(
        self, code: str | None, mel: NDArray[np.float32], metrics: CallMetrics
    ) -> _Language:
        if code is not None or not self.is_multilingual:
            return _Language(code or "en")
        started = time.perf_counter()
        features = self._opening(mel, metrics)
        found, probabilities = decoding.detect_language(self.core, self.tokenizer, features)
        metrics.language_ms = _ms_since(started)
        # Shorter recordings are heard twice, as in openai-whisper: here followed by the silence of
        # the padding, as a window followed by zeros. The two encodings differ.
        is_whole_window = mel.shape[1] >= 2 * _core.N_FRAMES
        return _Language(
            found, probabilities[found], probabilities, features if is_whole_window else None
        )

    def _opening(self, mel: NDArray[np.float32], metrics: CallMetrics) -> _core.AudioFeatures:
        features = self.core.encode(np.ascontiguousarray(mel[:, : _core.N_FRAMES]))
        metrics.core.merge(features.metrics)
        return features


def _ms_since(started: float) -> float:
    return 1000 * (time.perf_counter() - started)
