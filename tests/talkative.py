"""A tiny model that has something to say: its texts hold words, timestamps and ends.

Random weights alone would almost never choose one token (eot) out of two hundred, and nearly always
one timestamp out of eighty. So the last layer norm gets a bias along one direction, and the rows of
the embedding lean along or against it.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

import oracle
from sottovoce import _core

DIMS = oracle.Dims(n_vocab=211, n_text_ctx=40)
EOT, SOT = 120, 121
LANGUAGES = list(range(122, 127))
SOT_PREV, NO_SPEECH, NO_TIMESTAMPS, TIMESTAMP_BEGIN = 130, 131, 132, 133
SPECIAL = {
    "eot": EOT,
    "no_speech": NO_SPEECH,
    "no_timestamps": NO_TIMESTAMPS,
    "timestamp_begin": TIMESTAMP_BEGIN,
}
TWINS = (17, 90, 44)  # tokens of one embedding: their logits are always equal


@cache
def checkpoint(seed: int = 0) -> _core.Checkpoint:
    rng = np.random.default_rng(seed)
    tensors = dict(oracle.random_checkpoint(DIMS, rng))
    direction = rng.standard_normal(DIMS.n_text_state).astype(np.float32)
    direction /= np.linalg.norm(direction)
    embedding = tensors["decoder.token_embedding.weight"].copy()
    embedding[EOT] = 2 * embedding[EOT] + 2.8 * direction
    embedding[EOT + 1 : TIMESTAMP_BEGIN] -= direction
    embedding[TIMESTAMP_BEGIN:] -= 0.45 * direction
    embedding[list(TWINS)] = embedding[TWINS[0]] + 0.9 * direction
    tensors["decoder.token_embedding.weight"] = embedding
    tensors["decoder.ln.bias"] = tensors["decoder.ln.bias"] + 3.0 * direction
    dims = _core.ModelDims(*(getattr(DIMS, name) for name in DIMS.__dataclass_fields__))
    return _core.Checkpoint(dims, tensors)


@cache
def model(isa: str = "", n_threads: int = 1, **runtime: str) -> _core.Model:
    return _core.Model(checkpoint(), isa=isa, n_threads=n_threads, **runtime)


def encode(of: _core.Model, n: int, seed: int = 0) -> list[_core.AudioFeatures]:
    """Features of n windows of noise."""
    rng = np.random.default_rng(seed)
    shape = (n, DIMS.n_mels, 2 * DIMS.n_audio_ctx)
    return [of.encode(mel) for mel in rng.standard_normal(shape, dtype=np.float32)]


def random_options(rng: np.random.Generator, **given: Any) -> dict[str, Any]:
    """Keywords of DecodingOptions: any prompt, any rules; `given` stand as they are."""
    prompt = rng.integers(0, EOT, rng.integers(0, 12)).tolist()
    options: dict[str, Any] = {
        **SPECIAL,
        "initial_tokens": [SOT_PREV, *prompt, SOT, LANGUAGES[0]] if prompt else [SOT, LANGUAGES[0]],
        "sot_index": len(prompt) + 1 if prompt else 0,
        "sample_len": int(rng.integers(1, 30)),
        "suppress_tokens": rng.integers(0, EOT, rng.integers(0, 20)).tolist(),
        "blank_tokens": [int(rng.integers(0, EOT)), EOT] if rng.random() < 0.6 else [],
        "timestamps": bool(rng.random() < 0.8),
        "max_initial_timestamp_index": int(rng.integers(0, 60)) if rng.random() < 0.6 else None,
    }
    if rng.random() < 0.7:
        options["suppress_tokens"] += [*range(SOT, NO_TIMESTAMPS)]
    return options | given


def max_steps(options: dict[str, Any]) -> int:
    """A text may be one token longer than the context: its last token is not fed."""
    room = DIMS.n_text_ctx + 1 - len(options["initial_tokens"])
    return min(options["sample_len"], room)


class Script:
    """The logits after `initial_tokens` and what followed, from the model's forward pass alone."""

    def __init__(
        self, of: _core.Model, features: _core.AudioFeatures, initial_tokens: Sequence[int]
    ) -> None:
        self._model, self._features = of, features
        self._initial_tokens = list(initial_tokens)
        self._known: dict[tuple[int, ...], np.ndarray] = {}

    def __call__(self, tokens: tuple[int, ...]) -> np.ndarray:
        if tokens not in self._known:
            fed = self._initial_tokens + list(tokens)
            self._known[tokens] = self._model.logits(fed, self._features)[-1]
        return self._known[tokens]


def decode_one(
    of: _core.Model, features: _core.AudioFeatures, options: dict[str, Any]
) -> _core.DecodingResult:
    return of.decode([features], [_core.DecodingOptions(**options)])[0]
