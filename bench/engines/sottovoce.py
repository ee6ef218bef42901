"""sottovoce itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

import sottovoce
from sottovoce import _core

from . import Engine, UnavailableError

N_WINDOW = 480000  # samples


class Adapter(Engine):
    batches = True

    def version(self) -> str:
        return sottovoce.__version__

    def settings(self) -> dict[str, Any]:
        return {"isa": self.model.core.isa, "n_threads": self.model.core.n_threads}

    def load(self, path: Path) -> None:
        try:
            self.model = sottovoce.WhisperModel(
                str(path), compute_type=self.compute_type, cpu_threads=self.threads
            )
        except ValueError as error:  # a type that this build or this CPU lacks
            raise UnavailableError(str(error)) from None
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
            samples, language=language, temperature=0.0, beam_size=beam_size
        )
        return list(found)

    def transcribe(self, samples: np.ndarray, language: str, beam_size: int) -> str:
        return self.model.text(self.segments(samples, language, beam_size))

    def transcribe_windows(
        self, samples: np.ndarray, language: str, beam_size: int, batch_size: int
    ) -> str:
        windows: dict[str, Any] = {"windows": "independent", "batch_size": batch_size}
        try:
            segments, _ = self.model.transcribe(
                samples, language=language, temperature=0.0, beam_size=beam_size, **windows
            )
        except TypeError as error:
            raise UnavailableError(str(error)) from None
        return self.model.text(list(segments))
