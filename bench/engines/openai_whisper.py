"""openai-whisper over PyTorch; bfloat16 by autocast."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
import whisper
from whisper.decoding import DecodingOptions, DecodingTask

from . import Engine, HeardWord


class Adapter(Engine):
    def version(self) -> str:
        return f"{whisper.__version__}, PyTorch {torch.__version__}"

    def settings(self) -> dict[str, Any]:
        return {"threads": torch.get_num_threads(), "autocast": self.compute_type == "bfloat16"}

    def load(self, path: Path) -> None:
        torch.set_num_threads(self.threads)
        torch.set_grad_enabled(False)
        self.model = whisper.load_model(str(path), device="cpu")
        # A file is known to have no heads for alignment: half of all would tell the times of words.
        self.model.set_alignment_heads(whisper._ALIGNMENT_HEADS[path.stem])
        # decode() wants float32 of it, whatever autocast made.
        self.model.encoder.register_forward_hook(lambda _module, _inputs, out: out.float())

    def _type(self) -> Any:
        if self.compute_type == "bfloat16":
            return torch.autocast("cpu", dtype=torch.bfloat16)
        return contextlib.nullcontext()

    def log_mel(self, samples: np.ndarray) -> Any:
        return whisper.log_mel_spectrogram(samples, self.model.dims.n_mels)[None]

    def encode(self, mel: Any) -> Any:
        with self._type():
            return self.model.encoder(mel)

    def decode(self, features: Any, n_tokens: int, beam_size: int) -> None:
        eot = 50257 if self.model.is_multilingual else 50256
        options = DecodingOptions(
            language="en",
            temperature=0.0,
            sample_len=n_tokens,
            beam_size=beam_size if beam_size > 1 else None,
            suppress_tokens=f"-1,{eot}",
            fp16=False,
        )
        with self._type():
            (result,) = DecodingTask(self.model, options).run(features)
        assert len(result.tokens) == n_tokens

    def transcribe(self, samples: np.ndarray, language: str, beam_size: int) -> str:
        return self._heard(samples, language, beam_size)["text"]

    def words(self, samples: np.ndarray, language: str, beam_size: int) -> list[HeardWord]:
        segments = self._heard(samples, language, beam_size, word_timestamps=True)["segments"]
        words = [word for segment in segments for word in segment["words"]]
        return [(w["word"], float(w["start"]), float(w["end"])) for w in words]

    def _heard(
        self, samples: np.ndarray, language: str, beam_size: int, **wanted: Any
    ) -> dict[str, Any]:
        wanted |= {"beam_size": beam_size} if beam_size > 1 else {}
        with self._type():
            return whisper.transcribe(
                self.model, samples, fp16=False, language=language, temperature=0.0, **wanted
            )

    def transcribe_retrying(self, samples: np.ndarray, language: str, beam_size: int) -> str:
        torch.manual_seed(0)
        search = {"beam_size": beam_size} if beam_size > 1 else {}
        with self._type():
            result = whisper.transcribe(
                self.model, samples, fp16=False, language=language, best_of=5, **search
            )
        return result["text"]
