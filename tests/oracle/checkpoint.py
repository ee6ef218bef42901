"""What a checkpoint is: ten numbers and a dictionary of arrays; and random ones for tests."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Tensors = Mapping[str, NDArray[np.floating]]


@dataclass(frozen=True)
class Dims:
    """openai-whisper's ten; small by default, with no two of them alike by accident."""

    n_mels: int = 80
    n_audio_ctx: int = 24  # a window is twice as many mel frames
    n_audio_state: int = 96
    n_audio_head: int = 3
    n_audio_layer: int = 2
    n_vocab: int = 211
    n_text_ctx: int = 20
    n_text_state: int = 96
    n_text_head: int = 3
    n_text_layer: int = 2


def sinusoids(n_ctx: int, n_state: int) -> NDArray[np.float64]:
    """(n_ctx, n_state): sines, then cosines, of wavelengths 2 pi to 20000 pi in equal ratios."""
    half = n_state // 2
    frequencies = np.exp(-math.log(10000.0) * np.arange(half) / (half - 1))
    angles = np.outer(np.arange(n_ctx), frequencies)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)


def tensor_shapes(dims: Dims) -> dict[str, tuple[int, ...]]:
    """Every tensor of a checkpoint under openai-whisper's name."""
    shapes: dict[str, tuple[int, ...]] = {}

    def norm(name: str, n: int) -> None:
        shapes[f"{name}.weight"] = shapes[f"{name}.bias"] = (n,)

    def dense(name: str, n_out: int, *n_in: int, bias: bool = True) -> None:
        shapes[f"{name}.weight"] = (n_out, *n_in)
        if bias:
            shapes[f"{name}.bias"] = (n_out,)

    def attend(name: str, n: int) -> None:
        norm(f"{name}_ln", n)
        for part in ("query", "key", "value", "out"):
            dense(f"{name}.{part}", n, n, bias=part != "key")  # a key bias would cancel out

    def mlp(name: str, n: int) -> None:
        norm(f"{name}_ln", n)
        dense(f"{name}.0", 4 * n, n)
        dense(f"{name}.2", n, 4 * n)

    n = dims.n_audio_state
    dense("encoder.conv1", n, dims.n_mels, 3)
    dense("encoder.conv2", n, n, 3)
    shapes["encoder.positional_embedding"] = (dims.n_audio_ctx, n)
    for layer in range(dims.n_audio_layer):
        attend(f"encoder.blocks.{layer}.attn", n)
        mlp(f"encoder.blocks.{layer}.mlp", n)
    norm("encoder.ln_post", n)

    n = dims.n_text_state
    shapes["decoder.token_embedding.weight"] = (dims.n_vocab, n)
    shapes["decoder.positional_embedding"] = (dims.n_text_ctx, n)
    for layer in range(dims.n_text_layer):
        attend(f"decoder.blocks.{layer}.attn", n)
        attend(f"decoder.blocks.{layer}.cross_attn", n)
        mlp(f"decoder.blocks.{layer}.mlp", n)
    norm("decoder.ln", n)
    return shapes


def random_checkpoint(dims: Dims, rng: np.random.Generator) -> dict[str, NDArray[np.float32]]:
    """Random weights that keep activations of order one: a matrix has variance 1 / n_in, queries
    and keys a little more so that attention is not flat, norms stay near one, biases are small but
    never zero (a forgotten bias must show)."""
    tensors = {}
    for name, shape in tensor_shapes(dims).items():
        noise = rng.standard_normal(shape)
        if name == "encoder.positional_embedding":
            value = sinusoids(*shape)
        elif name == "decoder.positional_embedding":
            value = 0.3 * noise
        elif name == "decoder.token_embedding.weight":
            value = 2.0 * noise / math.sqrt(shape[1])  # logits of standard deviation 2
        elif name.endswith(".bias"):
            value = 0.1 * noise
        elif "_ln." in name or ".ln" in name:
            value = 1.0 + 0.1 * noise
        else:
            gain = 1.5 if ".query." in name or ".key." in name else 1.0
            value = gain * noise / math.sqrt(math.prod(shape[1:]))
        tensors[name] = value.astype(np.float32)
    return tensors
