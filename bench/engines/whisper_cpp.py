"""whisper.cpp through pywhispercpp, compiled here for this CPU.

Its encoder computes the cross-attention's keys and values as well. Its low-level face feeds one
token of one text, without choosing the next; steps of a beam search are known from its own figures
of a whole window.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import _pywhispercpp as pw
import numpy as np
from pywhispercpp.model import Model
from weights import DIMS, RANDOM

from . import Engine, HeardWord

SEGMENT_TIMES = (pw.whisper_full_get_segment_t0, pw.whisper_full_get_segment_t1)  # 10 ms
# The attention heads that its alignment (DTW) reads, by model.
HEADS = {"tiny.en": "WHISPER_AHEADS_TINY_EN", "base": "WHISPER_AHEADS_BASE"}


class Adapter(Engine):
    first_token_apart = False

    def __init__(self, compute_type: str, threads: int, word_times: str = "tokens") -> None:
        """word_times: "tokens", by the probabilities of timestamps and the loudness, or "dtw"."""
        super().__init__(compute_type, threads)
        self._dtw = word_times == "dtw"

    def version(self) -> str:
        return f"pywhispercpp {importlib.metadata.version('pywhispercpp')}"

    def settings(self) -> dict[str, Any]:
        system = re.sub(r"\s+", " ", pw.whisper_print_system_info()).strip(" |")
        about = {"flash_attn": not self._dtw, "word_times": "dtw" if self._dtw else "tokens"}
        return {"n_threads": self.threads, **about, "system": system}

    def load(self, path: Path) -> None:
        self._name = re.sub(r"-(f16|q8_0)$", "", path.stem)
        wanted: Any = {"use_gpu": False, "flash_attn": True}
        if self._dtw:  # which flash attention knows nothing of
            heads = pw.whisper_alignment_heads_preset.__members__[HEADS[self._name]]
            wanted |= {"flash_attn": False, "dtw_token_timestamps": True}
            wanted |= {"dtw_aheads_preset": heads}
        self.model = Model(str(path), context_params=wanted)
        self._dims = DIMS[self._name]
        self._samples = np.zeros(0, np.float32)

    def log_mel(self, samples: np.ndarray) -> Any:
        self._samples = samples
        pw.whisper_pcm_to_mel(self.model._ctx, samples, len(samples), self.threads)

    def encode(self, mel: Any) -> Any:
        pw.whisper_encode(self.model._ctx, 0, self.threads)

    def decode(self, features: Any, n_tokens: int, beam_size: int) -> None:
        assert beam_size == 1
        tokens = [*self._dims.prompt, *[self._dims.timestamp_begin] * n_tokens]
        for position, token in enumerate(tokens[:-1]):
            pw.whisper_decode(self.model._ctx, token, 1, position, self.threads)

    def token_ms(self, features: Any, beam_size: int, n_tokens: int) -> float:
        if beam_size == 1:
            return super().token_ms(features, beam_size, n_tokens)
        pw.whisper_reset_timings(self.model._ctx)
        # Random weights never end a text.
        self._full(self._samples, "en", beam_size, n_tokens if self._name in RANDOM else 0)
        figures = {
            name: (float(total), int(n))
            for name, total, n in re.findall(
                r"(\w+) time =\s*([\d.]+) ms /\s*(\d+) runs", self._timings()
            )
        }
        steps_ms, n_fed = figures["batchd"]  # tokens fed: the prompt, then one a beam and step
        n_steps = 1 + (n_fed - len(self._dims.prompt)) / beam_size
        return (steps_ms + figures["sample"][0]) / n_steps

    def _timings(self) -> str:
        with tempfile.TemporaryFile("w+") as out, _stderr_to(out.fileno()):
            pw.whisper_print_timings(self.model._ctx)
            out.seek(0)
            return out.read()

    def transcribe(self, samples: np.ndarray, language: str, beam_size: int) -> str:
        self._full(samples, language, beam_size)
        n = pw.whisper_full_n_segments(self.model._ctx)
        texts = [pw.whisper_full_get_segment_text(self.model._ctx, i) for i in range(n)]
        return b"".join(texts).decode("utf-8", errors="replace")

    def words(self, samples: np.ndarray, language: str, beam_size: int) -> list[HeardWord]:
        # Segments of one word are its own way of telling; DTW says when each token ends.
        alone = {} if self._dtw else {"max_len": 1, "split_on_word": True}
        self._full(samples, language, beam_size, token_timestamps=True, **alone)
        n = pw.whisper_full_n_segments(self.model._ctx)
        return [
            word for i in range(n) for word in (self._aligned(i) if self._dtw else self._told(i))
        ]

    def _told(self, i: int) -> list[HeardWord]:
        text = pw.whisper_full_get_segment_text(self.model._ctx, i).decode(errors="replace")
        times = [t(self.model._ctx, i) / 100 for t in SEGMENT_TIMES]
        return [(text, times[0], times[1])] if text.strip() else []

    def _aligned(self, i: int) -> list[HeardWord]:
        """The words of a segment: each begins where the token before it ended."""
        ctx = self.model._ctx
        words: list[HeardWord] = []
        before = pw.whisper_full_get_segment_t0(ctx, i) / 100
        for j in range(pw.whisper_full_n_tokens(ctx, i)):
            token = pw.whisper_full_get_token_data(ctx, i, j)
            if token.id >= self._dims.eot:
                continue
            text = pw.whisper_token_to_bytes(ctx, token.id).decode(errors="replace")
            end = token.t_dtw / 100
            if words and not text.startswith(" "):
                so_far, start, last = words.pop()
                # A mark lasts until the next word is spoken.
                spoken = any(map(str.isalnum, text))
                words.append((so_far + text, start, end if spoken else last))
            else:
                words.append((text, before, end))
            before = end
        return words

    def _full(
        self,
        samples: np.ndarray,
        language: str,
        beam_size: int,
        max_tokens: int = 0,
        **more: Any,
    ) -> None:
        strategy = pw.whisper_sampling_strategy
        beams = beam_size > 1
        params = pw.whisper_full_default_params(
            strategy.WHISPER_SAMPLING_BEAM_SEARCH if beams else strategy.WHISPER_SAMPLING_GREEDY
        )
        wanted = {
            "n_threads": self.threads,
            "language": language,
            "temperature": 0.0,
            "temperature_inc": 0.0,  # no other try
            "suppress_nst": True,
            "max_tokens": max_tokens,  # of a window; 0: no limit
            "print_progress": False,
            "greedy": {"best_of": 1},
            "beam_search": {"beam_size": beam_size, "patience": -1.0},
            **more,
        }
        for name, value in wanted.items():
            setattr(params, name, value)
        pw.whisper_full(self.model._ctx, params, samples, len(samples))


@contextlib.contextmanager
def _stderr_to(descriptor: int) -> Iterator[None]:
    """What C writes to the standard error goes there."""
    sys.stderr.flush()
    kept = os.dup(2)
    os.dup2(descriptor, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
