"""Every engine behind one face: load, log-mel, encode, decode so many tokens, transcribe.

The same work for all: language given, temperature 0 without another try, timestamps on, no voice
detection, tokens that are no speech suppressed as openai-whisper does it. An adapter times nothing:
`work.py` does. A module here is one engine; it imports its library when it is loaded.
"""

from __future__ import annotations

import importlib
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

HeardWord = tuple[str, float, float]  # as it stands in the text, with its marks; start, end in s


class UnavailableError(Exception):
    """This engine, or this way of using it, is not to be had here; the message says why."""


@dataclass(frozen=True)
class Spec:
    """An engine as it is asked for: which weights, which type, which environment."""

    module: str
    compute_type: str
    weights: str = "ctranslate2"  # one of weights.KINDS
    environment: dict[str, str] = field(default_factory=dict)
    n_rounds: int | None = None  # at most so many; None: as many as asked for
    settings: dict[str, str] = field(default_factory=dict)  # keywords of the adapter


_ISA = "avx512bw" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
_CT2 = {"CT2_FORCE_CPU_ISA": "AVX512"} if _ISA else {}  # or its vectors are AVX2 on an AMD CPU
_MKL = {**_CT2, "CT2_USE_MKL": "1"}  # or its GEMM is oneDNN's on an AMD CPU

SPECS = {
    "sottovoce-float32": Spec("sottovoce", "float32"),
    "sottovoce-bfloat16": Spec("sottovoce", "bfloat16"),
    "sottovoce-int8": Spec("sottovoce", "int8"),
    "sottovoce-int8-openmp": Spec("sottovoce", "int8", settings={"threading": "openmp"}),
    "sottovoce-float32-fast": Spec("sottovoce", "float32", settings={"word_times": "fast"}),
    "sottovoce-int8-fast": Spec("sottovoce", "int8", settings={"word_times": "fast"}),
    "sottovoce-float32-robust": Spec("sottovoce", "float32", settings={"policy": "robust"}),
    "sottovoce-int8-robust": Spec("sottovoce", "int8", settings={"policy": "robust"}),
    "faster-whisper-float32": Spec("faster_whisper", "float32", environment=_CT2),
    "faster-whisper-int8": Spec("faster_whisper", "int8", environment=_CT2),
    "faster-whisper-int8-mkl": Spec("faster_whisper", "int8", environment=_MKL, n_rounds=2),
    "faster-whisper-float32-vad": Spec(
        "faster_whisper", "float32", environment=_CT2, settings={"batches": "default"}
    ),
    "faster-whisper-int8-vad": Spec(
        "faster_whisper", "int8", environment=_CT2, settings={"batches": "default"}
    ),
    "whisper.cpp-f16": Spec("whisper_cpp", "f16", "ggml-f16"),
    "whisper.cpp-q8_0": Spec("whisper_cpp", "q8_0", "ggml-q8_0"),
    "whisper.cpp-f16-dtw": Spec("whisper_cpp", "f16", "ggml-f16", settings={"word_times": "dtw"}),
    "openai-whisper-float32": Spec("openai_whisper", "float32", "openai", n_rounds=2),
    "openai-whisper-bfloat16": Spec("openai_whisper", "bfloat16", "openai", n_rounds=2),
    "transformers-float32": Spec("transformers", "float32", "transformers", n_rounds=2),
    "transformers-bfloat16": Spec("transformers", "bfloat16", "transformers", n_rounds=2),
}
# faster-whisper's batches as they are by default: cut by its voice filter, without timestamps.
VAD = ("faster-whisper-float32-vad", "faster-whisper-int8-vad")
# Other ways to find the times of words.
WORD_TIMES = ("sottovoce-float32-fast", "sottovoce-int8-fast", "whisper.cpp-f16-dtw")
ROBUST = ("sottovoce-float32-robust", "sottovoce-int8-robust")  # others hear as openai-whisper
VARIANTS = (
    "sottovoce-int8-openmp",
    *ROBUST,
    *VAD,
    *WORD_TIMES,
)  # run only where they are asked for by name
OURS = tuple(n for n in SPECS if n.startswith("sottovoce") and n not in VARIANTS)
PEERS = tuple(name for name in SPECS if name not in (*OURS, *VARIANTS))


def environment_of(name: str, threads: int) -> dict[str, str]:
    """The environment of this engine's processes."""
    return {**os.environ, "OMP_NUM_THREADS": str(threads), **SPECS[name].environment}


def create(name: str, threads: int) -> Engine:
    """The adapter of engine `name`, its library imported. Raises UnavailableError."""
    spec = SPECS[name]
    try:
        module = importlib.import_module(f"engines.{spec.module}")
    except ImportError as error:
        raise UnavailableError(f"{name}: {error}") from None
    return module.Adapter(spec.compute_type, threads, **spec.settings)


class Engine:
    """What an adapter offers. `mel`, `features` are whatever the engine hands from stage to stage.

    first_token_apart: decode() of one token on `features` is the prompt and what the encoder's
        output needs before it; False where the library does not split the work there.
    batches: decodes several windows at once.
    """

    first_token_apart = True
    batches = False
    ways: tuple[str, ...] = ()  # that hear() knows

    def __init__(self, compute_type: str, threads: int) -> None:
        self.compute_type, self.threads = compute_type, threads

    def version(self) -> str:
        raise NotImplementedError

    def settings(self) -> dict[str, Any]:
        """What was chosen, for the record."""
        return {}

    def load(self, path: Path) -> None:
        """The weights, ready to use."""
        raise NotImplementedError

    def load_packed(self, path: Path) -> None:
        """The same from a cache of packed weights, made first if it is missing.

        Raises UnavailableError where there is no such thing.
        """
        raise UnavailableError("no cache of packed weights")

    def log_mel(self, samples: np.ndarray) -> Any:
        """Of one window: samples (480000,) float32."""
        raise NotImplementedError

    def encode(self, mel: Any) -> Any:
        raise NotImplementedError

    def together(self, mels: list[Any]) -> Any:
        """Features of several windows, for decode()."""
        raise UnavailableError("decodes one window at a time")

    def decode(self, features: Any, n_tokens: int, beam_size: int) -> None:
        """Exactly so many tokens after the prompt; the end of the text is suppressed."""
        raise NotImplementedError

    def token_ms(self, features: Any, beam_size: int, n_tokens: int) -> float:
        """Milliseconds of one step: a long decode less a short one, so that only steps remain."""
        n_few = 4
        times = []
        for n in (n_few, n_few + n_tokens):
            started = time.perf_counter()
            self.decode(features, n, beam_size)
            times.append(time.perf_counter() - started)
        return 1000 * (times[1] - times[0]) / n_tokens

    def latency_ms(self) -> dict[str, float] | None:
        """Quantiles of the steps of all decode() since the last call, if the engine tells."""
        return None

    def transcribe(self, samples: np.ndarray, language: str, beam_size: int) -> str:
        raise NotImplementedError

    def words(self, samples: np.ndarray, language: str, beam_size: int) -> list[HeardWord]:
        """The same, with the times of its words."""
        raise UnavailableError("tells no times of words")

    def transcribe_retrying(self, samples: np.ndarray, language: str, beam_size: int) -> str:
        """The same as users get it: the library's own temperatures, the best of five samples, and
        everything else by default. The seed is the same every time where there is one."""
        raise UnavailableError("its retries are not set up here")

    def hear(
        self,
        samples: np.ndarray,
        language: str | None,
        beam_size: int,
        way: str,
        multilingual: bool,
    ) -> tuple[str, list[int]]:
        """transcribe_retrying() in one of several ways: the text, and each window's tokens.

        `multilingual`: a language a window, if the way has such a thing.
        """
        raise UnavailableError("knows one way to transcribe")

    def transcribe_windows(
        self,
        samples: np.ndarray,
        language: str,
        beam_size: int,
        batch_size: int,
        cuts: list[tuple[float, float]],
    ) -> str:
        """The same with windows that know nothing of each other, several at once.

        `cuts`: seconds at which windows begin and end, in pauses, for engines that do not look for
        such places themselves.
        """
        raise UnavailableError("transcribes one window after the other")

    def transcribe_many(
        self, recordings: list[np.ndarray], language: str, beam_size: int, batch_size: int
    ) -> list[str]:
        """What transcribe() gives for each, several recordings at once."""
        raise UnavailableError("transcribes one recording after the other")
