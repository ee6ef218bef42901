"""faster-whisper over CTranslate2."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import ctranslate2
import faster_whisper
import numpy as np
from faster_whisper.audio import pad_or_trim
from weights import DIMS, Dims

from . import Engine, HeardWord


class Adapter(Engine):
    batches = True
    ways = ("plain", "vad_filter")

    def __init__(self, compute_type: str, threads: int, batches: str = "given cuts") -> None:
        """batches: "given cuts", with timestamps, or "default"."""
        super().__init__(compute_type, threads)
        self._windows = batches

    def version(self) -> str:
        return f"{faster_whisper.__version__}, CTranslate2 {ctranslate2.__version__}"

    def settings(self) -> dict[str, Any]:
        names = ("CT2_FORCE_CPU_ISA", "CT2_USE_MKL", "OMP_NUM_THREADS")
        return {
            **{name: os.environ[name] for name in names if name in os.environ},
            "cpu_threads": self.threads,
            "compute_type": self.model.model.compute_type,
            "batches": self._windows,
        }

    def load(self, path: Path) -> None:
        self.model = faster_whisper.WhisperModel(
            str(path), device="cpu", compute_type=self.compute_type, cpu_threads=self.threads
        )
        self._suppress = json.loads((path / "config.json").read_text())["suppress_ids"]
        self._dims: Dims = DIMS[path.name]

    def log_mel(self, samples: np.ndarray) -> Any:
        return pad_or_trim(self.model.feature_extractor(samples, padding=0))

    def encode(self, mel: Any) -> Any:
        return self.model.encode(mel)

    def together(self, mels: list[Any]) -> Any:
        return self.model.encode(np.stack(mels))

    def decode(self, features: Any, n_tokens: int, beam_size: int) -> None:
        results = self.model.model.generate(
            features,
            [self._dims.prompt] * features.shape[0],
            beam_size=beam_size,
            max_length=max(2 * n_tokens, 3),  # new tokens are half of it, and less than it by 2
            suppress_tokens=[*self._suppress, self._dims.eot],
            return_scores=True,
            return_no_speech_prob=True,
        )
        assert all(len(result.sequences_ids[0]) == n_tokens for result in results)

    def transcribe(self, samples: np.ndarray, language: str, beam_size: int) -> str:
        segments, _ = self.model.transcribe(
            samples, language=language, temperature=0.0, beam_size=beam_size
        )
        return "".join(segment.text for segment in segments)

    def words(self, samples: np.ndarray, language: str, beam_size: int) -> list[HeardWord]:
        segments, _ = self.model.transcribe(
            samples,
            language=language,
            temperature=0.0,
            beam_size=beam_size,
            word_timestamps=True,
        )
        return [(w.word, w.start, w.end) for segment in segments for w in segment.words or ()]

    def transcribe_retrying(self, samples: np.ndarray, language: str, beam_size: int) -> str:
        ctranslate2.set_random_seed(0)  # a thread of CTranslate2 reads it once, when it first draws
        segments, _ = self.model.transcribe(
            samples, language=language, beam_size=beam_size, best_of=5
        )
        return "".join(segment.text for segment in segments)

    def hear(
        self,
        samples: np.ndarray,
        language: str | None,
        beam_size: int,
        way: str,
        multilingual: bool,
    ) -> tuple[str, list[int]]:
        ctranslate2.set_random_seed(0)
        segments, _ = self.model.transcribe(
            samples,
            language=language,
            beam_size=beam_size,
            best_of=5,
            vad_filter=way == "vad_filter",
            multilingual=multilingual,
        )
        text, n_tokens = "", Counter[int]()
        for segment in segments:
            text += segment.text
            n_tokens[segment.seek] += len(segment.tokens)
        return text, list(n_tokens.values())

    def transcribe_windows(
        self,
        samples: np.ndarray,
        language: str,
        beam_size: int,
        batch_size: int,
        cuts: list[tuple[float, float]],
    ) -> str:
        wanted: dict[str, Any] = {}
        if self._windows == "given cuts":
            windows = [{"start": start, "end": end} for start, end in cuts]
            wanted = {"vad_filter": False, "clip_timestamps": windows, "without_timestamps": False}
        segments, _ = faster_whisper.BatchedInferencePipeline(self.model).transcribe(
            samples,
            language=language,
            temperature=0.0,
            beam_size=beam_size,
            batch_size=batch_size,
            **wanted,
        )
        return "".join(segment.text for segment in segments)
