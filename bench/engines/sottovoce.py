"""sottovoce itself."""

from __future__ import annotations

import inspect
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from weights import MODELS

import sottovoce
from sottovoce import _core

from . import Engine, HeardWord, UnavailableError

PACKED = MODELS.parent / "packed"  # the cache of packed weights


class Adapter(Engine):
    batches = True
    ways = ("openai", "robust")

    def __init__(
        self,
        compute_type: str,
        threads: int,
        threading: str = "pool",
        word_times: bool | str = True,
        policy: str = "openai",
    ) -> None:
        super().__init__(compute_type, threads)
        self._word_times = word_times
        # Commits from before the choice know no such arguments.
        self._runtime = {} if threading == "pool" else {"threading": threading}
        known = any(field.name == "policy" for field in fields(sottovoce.TranscribeOptions))
        self._policy: Any = {"policy": policy} if known else {}

    def version(self) -> str:
        return sottovoce.__version__

    def settings(self) -> dict[str, Any]:
        core = self.model.core
        found = {"isa": core.isa, "n_threads": core.n_threads, "compute_type": core.compute_type}
        return {**found, **self._runtime}

    def load(self, path: Path) -> None:
        self._load(path)

    def load_packed(self, path: Path) -> None:
        if "weights_cache" not in inspect.signature(sottovoce.WhisperModel).parameters:
            raise UnavailableError("no cache of packed weights")
        self._load(path, weights_cache=PACKED)

    def _load(self, path: Path, **more: Any) -> None:
        self.model = sottovoce.WhisperModel(
            str(path),
            compute_type=self.compute_type,
            cpu_threads=self.threads,
            **self._runtime,
            **more,
        )
        self._suppress = json.loads((path / "config.json").read_text())["suppress_ids"]
        self._steps = _core.Metrics()

    def log_mel(self, samples: np.ndarray) -> Any:
        dims = self.model.dims
        return _core.log_mel(samples, dims.n_mels, n_threads=self.model.core.n_threads)

    def encode(self, mel: Any) -> Any:
        return [self.model.core.encode(mel)]

    def together(self, mels: list[Any]) -> Any:
        return [self.model.core.encode(mel) for mel in mels]

    def decode(self, features: Any, n_tokens: int, beam_size: int) -> None:
        special = self.model.tokenizer.special
        prompt = [special.sot]
        if self.model.is_multilingual:
            prompt += [special.sot + 1, special.transcribe]
        options = _core.DecodingOptions(
            eot=special.eot,
            no_speech=special.no_speech,
            no_timestamps=special.no_timestamps,
            timestamp_begin=special.timestamp_begin,
            initial_tokens=prompt,
            sample_len=n_tokens,
            beam_size=beam_size if beam_size > 1 else 0,
            suppress_tokens=[*self._suppress, special.eot],
            max_initial_timestamp_index=50,
        )
        results = self.model.core.decode(features, [options] * len(features), metrics=self._steps)
        assert all(len(result.tokens) == n_tokens for result in results)

    def latency_ms(self) -> dict[str, float] | None:
        steps, self._steps = self._steps.decoder_token_ms, _core.Metrics()
        return {
            "n": steps.count,
            "mean": steps.sum_ms / max(steps.count, 1),
            "p50": steps.quantile_ms(0.5),
            "p95": steps.quantile_ms(0.95),
            "max": steps.max_ms,
        }

    def segments(self, samples: np.ndarray, language: str | None, beam_size: int) -> list[Any]:
        found, _ = self.model.transcribe(
            samples, language=language, temperature=0.0, beam_size=beam_size, **self._policy
        )
        return list(found)

    def window_text(
        self,
        samples: np.ndarray,
        language: str | None,
        beam_size: int,
        seek: int,
        prompt: tuple[int, ...],
    ) -> str:
        """Of the window that begins at frame `seek` of a recording, after the text `prompt`."""
        core, silence = self.model.core, np.zeros(_core.N_SAMPLES, np.float32)
        mel = _core.log_mel(np.concatenate([samples, silence]), core.dims.n_mels)
        end = min(seek + _core.N_FRAMES, mel.shape[1] - _core.N_FRAMES)
        features = core.encode(np.ascontiguousarray(mel[:, seek:end]))
        found = self.model.decode(features, language=language, beam_size=beam_size, prompt=prompt)
        return found.text

    def transcribe(self, samples: np.ndarray, language: str, beam_size: int) -> str:
        return self.model.text(self.segments(samples, language, beam_size))

    def words(self, samples: np.ndarray, language: str, beam_size: int) -> list[HeardWord]:
        wanted: Any = {"word_timestamps": self._word_times}
        try:
            sottovoce.TranscribeOptions(**wanted)
        except (TypeError, ValueError) as error:  # commits that know no other way than True
            raise UnavailableError(str(error)) from None
        segments, _ = self.model.transcribe(
            samples,
            language=language,
            temperature=0.0,
            beam_size=beam_size,
            **wanted,
            **self._policy,
        )
        return [(w.word, w.start, w.end) for segment in segments for w in segment.words]

    def transcribe_retrying(self, samples: np.ndarray, language: str, beam_size: int) -> str:
        segments, _ = self.model.transcribe(
            samples, language=language, beam_size=beam_size, best_of=5, **self._policy
        )
        return self.model.text(list(segments))

    def hear(
        self,
        samples: np.ndarray,
        language: str | None,
        beam_size: int,
        way: str,
        multilingual: bool,
    ) -> tuple[str, list[int]]:
        talk = self.model.transcribe(
            samples,
            language=language,
            beam_size=beam_size,
            best_of=5,
            policy=way,
            multilingual=multilingual and way == "robust",
        )
        text = talk.text
        windows = [w for window in talk.info.trace for w in (window, *window.again) if w.attempts]
        return text, [window.attempts[window.chosen].n_tokens for window in windows]

    def transcribe_windows(
        self,
        samples: np.ndarray,
        language: str,
        beam_size: int,
        batch_size: int,
        cuts: list[tuple[float, float]],  # which it finds itself
    ) -> str:
        segments, _ = self.model.transcribe(
            samples,
            language=language,
            temperature=0.0,
            beam_size=beam_size,
            windows="independent",
            batch_size=batch_size,
            **self._policy,
        )
        return self.model.text(list(segments))

    def transcribe_many(
        self, recordings: list[np.ndarray], language: str, beam_size: int, batch_size: int
    ) -> list[str]:
        found = self.model.transcribe_many(
            recordings,
            language=language,
            temperature=0.0,
            beam_size=beam_size,
            batch_size=batch_size,
            **self._policy,
        )
        return [self.model.text(segments) for segments, _ in found]
