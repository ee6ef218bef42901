"""A scripted stand-in for the network, and a made-up vocabulary: policy without weights.

The fake says what it is told to, window after window, and keeps what it was asked. Its vocabulary
has the size and the special tokens of a real one; ordinary piece i reads " wi".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from as_openai import AsOpenAI
from sottovoce import _core
from sottovoce.text.tokenizer import SpecialTokens, Tokenizer
from sottovoce.text.vocabulary import BYTE_ALPHABET

ENGLISH, MULTILINGUAL, LARGE_V3 = 51864, 51865, 51866  # n_vocab
_MERGED = ["Ġt", "he", "Ġthe", "Ġ-", "Ġ'", "Ġ(", "é", "Ã©", "âĻª"]


@cache
def pieces(n_vocab: int) -> tuple[str, ...]:
    """Spellings of the ids below eot: GPT-2's order of bytes, some merges, " w0", " w1", ..."""
    special = SpecialTokens.of_vocabulary(n_vocab)
    single = [c for c in BYTE_ALPHABET if ord(c) < 256] + [c for c in BYTE_ALPHABET if ord(c) > 255]
    merged = [piece for piece in _MERGED if piece not in single]
    n_words = special.eot - len(single) - len(merged)
    return (*single, *merged, *(f"Ġw{i}" for i in range(n_words)))


@cache
def tokenizer(n_vocab: int = MULTILINGUAL) -> Tokenizer:
    special = SpecialTokens.of_vocabulary(n_vocab)
    return Tokenizer(_core.Vocabulary(pieces(n_vocab), special.names()), special)


def write_tokenizer_json(
    directory: Path, n_vocab: int, rename: dict[str, str] | None = None
) -> None:
    special = SpecialTokens.of_vocabulary(n_vocab)
    names = {(rename or {}).get(name, name): i for name, i in special.names().items()}
    added = [{"content": name, "id": i} for name, i in names.items()]
    vocabulary = {piece: i for i, piece in enumerate(pieces(n_vocab))}
    root = {"added_tokens": added, "model": {"vocab": vocabulary, "merges": []}}
    (directory / "tokenizer.json").write_text(json.dumps(root), encoding="utf-8")


def word(i: int, n_vocab: int = MULTILINGUAL) -> int:
    """The id of " w<i>"."""
    return pieces(n_vocab).index("Ġw0") + i


def at(seconds: float, n_vocab: int = MULTILINGUAL) -> int:
    """The id of a timestamp."""
    return SpecialTokens.of_vocabulary(n_vocab).timestamp_begin + round(seconds * 50)


@dataclass
class Heard:
    """What the fake answers: the fields of `_core.DecodingResult`."""

    tokens: list[int]
    avg_logprob: float = -0.25
    no_speech_prob: float = 0.0
    logprobs: list[float] = field(default_factory=list)
    alternatives: list[list[tuple[int, float]]] = field(default_factory=list)
    hypotheses: list[Any] = field(default_factory=list)
    attention: Any = None  # if it was kept
    loop: Any = None  # that it was stopped in


@dataclass
class FakeFeatures:
    mel: np.ndarray
    metrics: Any = field(default_factory=_core.Metrics)


class FakeBatch:
    """Slots of a fake core. Each call finishes one window, the oldest and the newest in turn."""

    def __init__(self, core: FakeCore, n_slots: int, rows_per_slot: int) -> None:
        self.core, self.n_slots, self.rows_per_slot = core, n_slots, rows_per_slot
        self.n_submitted = self.n_finished = 0
        self.slots: dict[int, tuple[FakeFeatures, Any]] = {}

    @property
    def n_free(self) -> int:
        return self.n_slots - len(self.slots)

    def submit(self, features: FakeFeatures, options: Any) -> int:
        assert self.n_free > 0
        self.slots[self.n_submitted] = (features, options)
        self.n_submitted += 1
        return self.n_submitted - 1

    def advance(self, max_passes: int = 0) -> list[Any]:
        assert 0 < max_passes <= 8, "Ctrl-C would wait for the end of a window"
        if not self.slots:
            return []
        number = (min, max)[self.n_finished % 2](self.slots)
        features, options = self.slots.pop(number)
        self.n_finished += 1
        heard, error = None, None
        try:
            (heard,) = self.core.decode([features], [options])
        except _core.ShapeError as raised:
            error = raised
        metrics = _core.Metrics()
        return [SimpleNamespace(id=number, result=heard, error=error, metrics=metrics)]


@dataclass
class FakeCore:
    """Answers decode() with `script` in order; a function is asked with the options instead."""

    script: Sequence[Heard] | Callable[[Any], Heard] = ()
    n_vocab: int = MULTILINGUAL
    language: str | Sequence[str] = "en"  # of all windows, or of one after the other
    certainty: float = 0.9  # of it
    n_threads: int = 1
    n_text_ctx: int = 448

    def __post_init__(self) -> None:
        self.dims = SimpleNamespace(
            n_mels=80,
            n_vocab=self.n_vocab,
            n_text_ctx=self.n_text_ctx,
            n_frames=3000,
            n_audio_layer=6,
            n_text_layer=6,
        )
        self.encoded: list[np.ndarray] = []  # mels, (80, n_frames)
        self.contexts: list[int | None] = []  # n_ctx of each
        self.asked: list[Any] = []  # options of each decode()
        self.heard_in: list[FakeFeatures] = []  # features of each decode()
        self.detected_in: list[FakeFeatures] = []
        self.batches: list[FakeBatch] = []

    def encode(self, mel: np.ndarray, n_ctx: int | None = None) -> FakeFeatures:
        assert mel.flags.c_contiguous
        assert mel.dtype == np.float32
        self.encoded.append(mel)
        self.contexts.append(n_ctx)
        return FakeFeatures(mel)

    def decode(self, features: list, options: list, *, metrics: Any = None) -> list[Heard]:
        (wanted,) = options
        self.asked.append(wanted)
        self.heard_in += features
        if callable(self.script):
            return [self.script(wanted)]
        return [self.script[len(self.asked) - 1]]

    def detect_language(
        self, features: FakeFeatures, sot: int, language_tokens: Sequence[int]
    ) -> np.ndarray:
        self.detected_in.append(features)
        codes = tokenizer(self.n_vocab).language_codes
        language = self.language
        if not isinstance(language, str):
            language = language[len(self.detected_in) - 1]
        probabilities = np.full(len(language_tokens), 0.001, np.float32)
        probabilities[codes.index(language)] = self.certainty
        return probabilities

    def new_batch(self, n_slots: int, rows_per_slot: int) -> FakeBatch:
        self.batches.append(FakeBatch(self, n_slots, rows_per_slot))
        return self.batches[-1]

    def model(self) -> AsOpenAI:
        return AsOpenAI.of_parts(self, tokenizer(self.n_vocab))

    def prompts(self) -> list[list[int]]:
        """What stood between sot_prev and sot, of each decode()."""
        special = tokenizer(self.n_vocab).special
        found = []
        for options in self.asked:
            initial = list(options.initial_tokens)
            has_prompt = initial[0] == special.sot_prev
            found.append(initial[1 : options.sot_index] if has_prompt else [])
        return found


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * 16000), np.float32)


def run(script, seconds=60.0, **keywords):
    """The segments, and the core that was asked."""
    core = FakeCore(script)
    keywords = {"language": "en", "temperature": 0.0, **keywords}
    segments, _ = core.model().transcribe(silence(seconds), **keywords)
    return list(segments), core
