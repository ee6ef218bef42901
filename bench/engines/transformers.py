"""Hugging Face transformers over PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
import torch
import transformers
from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration
from weights import DIMS

from . import Engine


class Adapter(Engine):
    first_token_apart = False  # generate() encodes: two of them still differ by their steps alone

    def version(self) -> str:
        return f"{transformers.__version__}, PyTorch {torch.__version__}"

    def settings(self) -> dict[str, Any]:
        return {"threads": torch.get_num_threads(), "attention": "sdpa"}

    def load(self, path: Path) -> None:
        torch.set_num_threads(self.threads)
        torch.set_grad_enabled(False)
        transformers.logging.set_verbosity_error()
        self._dims = DIMS[path.name.removesuffix("-transformers")]
        self._dtype = getattr(torch, self.compute_type)
        self.model = WhisperForConditionalGeneration.from_pretrained(
            path, dtype=self._dtype, attn_implementation="sdpa"
        ).eval()
        self.extractor = WhisperFeatureExtractor(feature_size=self._dims.n_mels)
        self._words = tokenizers.Tokenizer.from_file(str(path / "tokenizer.json"))

    def log_mel(self, samples: np.ndarray) -> Any:
        mel = self.extractor(samples, sampling_rate=16000, return_tensors="pt").input_features
        return mel.to(self._dtype)

    def encode(self, mel: Any) -> Any:
        self.model.model.encoder(mel)
        return mel

    def _generate(self, mel: Any, language: str, beam_size: int, **more: Any) -> Any:
        if self._dims.is_multilingual:
            more |= {"language": language, "task": "transcribe"}
        return self.model.generate(
            mel, num_beams=beam_size, do_sample=False, return_timestamps=True, **more
        )

    def decode(self, features: Any, n_tokens: int, beam_size: int) -> None:
        self._generate(features, "en", beam_size, max_new_tokens=n_tokens, min_new_tokens=n_tokens)

    def transcribe(self, samples: np.ndarray, language: str, beam_size: int) -> str:
        inputs = self.extractor(
            samples,
            sampling_rate=16000,
            return_tensors="pt",
            truncation=False,
            padding="longest" if len(samples) > 480000 else "max_length",
            return_attention_mask=True,
        )
        (tokens,) = self._generate(
            inputs.input_features.to(self._dtype),
            language,
            beam_size,
            attention_mask=inputs.attention_mask,
            condition_on_prev_tokens=True,
        )
        return self._words.decode([t for t in tokens.tolist() if t < self._dims.eot])
