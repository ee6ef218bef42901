"""The audio encoder: a window of log-mel in, features out."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .checkpoint import Dims, Tensors
from .layers import attention, conv1d, gelu, layer_norm, linear

Array = NDArray[np.float64]


def encoder_states(mel: ArrayLike, tensors: Tensors, dims: Dims) -> list[Array]:
    """mel (n_mels, n_frames <= 2 n_audio_ctx), short ones filled with 0.0 (in log-mel, as the
    reference does). Returns the embedding, then the output of every block, each
    (n_audio_ctx, n_audio_state)."""
    mel = np.asarray(mel, dtype=np.float64)
    mel = np.pad(mel, ((0, 0), (0, 2 * dims.n_audio_ctx - mel.shape[1])))
    w = {name.removeprefix("encoder."): t for name, t in tensors.items()}
    x = gelu(conv1d(mel, w["conv1.weight"], w["conv1.bias"]))
    x = gelu(conv1d(x, w["conv2.weight"], w["conv2.bias"], stride=2))
    states = [x.T + w["positional_embedding"]]
    for layer in range(dims.n_audio_layer):
        prefix = f"blocks.{layer}."
        block = {n.removeprefix(prefix): t for n, t in w.items() if n.startswith(prefix)}
        states.append(encoder_block(states[-1], block, dims.n_audio_head))
    return states


def encoder_block(x: Array, w: Tensors, n_head: int) -> Array:
    x = x + self_attention(layer_norm(x, w["attn_ln.weight"], w["attn_ln.bias"]), w, n_head)
    return x + mlp(layer_norm(x, w["mlp_ln.weight"], w["mlp_ln.bias"]), w)


def self_attention(x: Array, w: Tensors, n_head: int, mask: ArrayLike | float = 0.0) -> Array:
    q = linear(x, w["attn.query.weight"], w["attn.query.bias"])
    k = linear(x, w["attn.key.weight"])
    v = linear(x, w["attn.value.weight"], w["attn.value.bias"])
    out, _ = attention(q, k, v, n_head, mask)
    return linear(out, w["attn.out.weight"], w["attn.out.bias"])


def mlp(x: Array, w: Tensors) -> Array:
    hidden = gelu(linear(x, w["mlp.0.weight"], w["mlp.0.bias"]))
    return linear(hidden, w["mlp.2.weight"], w["mlp.2.bias"])


def encode(mel: ArrayLike, tensors: Tensors, dims: Dims) -> Array:
    """Features of one window: (n_audio_ctx, n_audio_state), after the final layer norm."""
    last = encoder_states(mel, tensors, dims)[-1]
    return layer_norm(last, tensors["encoder.ln_post.weight"], tensors["encoder.ln_post.bias"])
