"""`sottovoce info`: what a model is, and how it would run here."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from pathlib import Path

from .. import _core
from ..text.tokenizer import KINDS, SpecialTokens
from .streams import put

_AUDIO_DIMS = ("n_mels", "n_audio_ctx", "n_audio_state", "n_audio_head", "n_audio_layer")
_TEXT_DIMS = ("n_vocab", "n_text_ctx", "n_text_state", "n_text_head", "n_text_layer")


def run(arguments: argparse.Namespace) -> int:
    """Shows the dimensions, the vocabulary and the machine; packs no weights."""
    from ..checkpoints import hub, open_checkpoint

    directory = hub.resolve(
        arguments.model, cache_dir=arguments.model_dir, local_files_only=arguments.local_files_only
    )
    model = open_checkpoint(directory)
    for name, value in _model_facts(model, directory):
        put(f"{name:<16}{value}\n")
    return 0


def _model_facts(model: _core.Checkpoint, directory: Path) -> Iterator[tuple[str, object]]:
    dims = model.dims
    yield "model", directory
    for name in (*_AUDIO_DIMS, *_TEXT_DIMS):
        yield name, getattr(dims, name)
    yield "vocabulary", _vocabulary_kind(dims.n_vocab)
    yield "parameters", f"{sum(math.prod(model.tensor(n).shape) for n in model.names()):,}"
    yield "dtypes", ", ".join(sorted({model.dtype(name) for name in model.names()}))
    yield "alignment heads", _heads(model)
    yield "kernels", f"{', '.join(_core.available_isas())} (the last is the best for this CPU)"
    yield "threads", f"{_core.default_n_threads()}, {' or '.join(_core.available_threading())}"


def _heads(model: _core.Checkpoint) -> str:
    """Which are in use, and who says so."""
    from ..checkpoints import official_model

    stated = " ".join(f"{layer}.{head}" for layer, head in model.alignment_heads or ())
    if not stated:
        return "not stated: every head of the last half of the decoder"
    name = official_model(model)
    whose = f"openai-whisper's of {name}" if name else "the checkpoint's own"
    return f"{stated} ({whose})"


def _vocabulary_kind(n_vocab: int) -> str:
    if n_vocab not in KINDS:
        return "of a size of its own: its files list the special tokens"
    special = SpecialTokens.of_vocabulary(n_vocab)
    languages = f"multilingual, {special.n_languages} languages"
    return languages if special.is_multilingual else "English-only"
