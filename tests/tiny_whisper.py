"""Whole models of next to no network behind real vocabularies, windows and contexts.

The policy runs over them as it does in earnest, retries included, within a second and without files
from outside. What they say is noise.
"""

from functools import cache
from pathlib import Path

import numpy as np

import fake_core
import oracle
from as_openai import AsOpenAI
from fake_core import MULTILINGUAL
from huggingface_writer import write_model
from oracle import Dims
from sottovoce import _core
from sottovoce.text.tokenizer import SpecialTokens

Tensors = dict[str, np.ndarray]


def dims(n_vocab: int = MULTILINGUAL) -> Dims:
    return Dims(
        n_audio_ctx=1500,
        n_audio_state=32,
        n_audio_head=1,
        n_audio_layer=1,
        n_vocab=n_vocab,
        n_text_ctx=448,
        n_text_state=32,
        n_text_head=1,
        n_text_layer=1,
    )


@cache
def tensors(n_vocab: int = MULTILINGUAL) -> Tensors:
    """Random, but for one direction: the last layer norm leans along it, the end of text too, and
    timestamps against it. Without that, texts would hardly ever end, or hold a word."""
    rng = np.random.default_rng(n_vocab)
    tensors = oracle.random_checkpoint(dims(n_vocab), rng)
    special = SpecialTokens.of_vocabulary(n_vocab)
    direction = rng.standard_normal(32).astype(np.float32)
    direction /= np.linalg.norm(direction)
    embedding = tensors["decoder.token_embedding.weight"]
    embedding[special.eot] += 1.5 * direction
    embedding[special.timestamp_begin :] -= 0.5 * direction
    tensors["decoder.ln.bias"] += 3.0 * direction
    return tensors


def model(n_vocab: int = MULTILINGUAL, n_threads: int = 1, **runtime: str) -> AsOpenAI:
    """One in memory."""
    checkpoint = _core.Checkpoint(_core.ModelDims(**vars(dims(n_vocab))), tensors(n_vocab))
    core = _core.Model(checkpoint, n_threads=n_threads, **runtime)
    return AsOpenAI.of_parts(core, fake_core.tokenizer(n_vocab))


def write(directory: Path, n_vocab: int = MULTILINGUAL, **replaced: np.ndarray | None) -> Path:
    """One on disk, as Hugging Face has them; `replaced`: tensors by name, None: left out."""
    directory.mkdir(parents=True, exist_ok=True)
    kept = {n: t for n, t in {**tensors(n_vocab), **replaced}.items() if t is not None}
    fake_core.write_tokenizer_json(directory, n_vocab)
    return write_model(directory, kept, dims(n_vocab))
