"""The text decoder without a cache: all tokens of a row at once, under a causal mask."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .checkpoint import Dims, Tensors
from .encoder import mlp, self_attention
from .layers import attention, causal_mask, layer_norm, linear, softmax

Array = NDArray[np.float64]


@dataclass(frozen=True)
class DecoderPass:
    logits: Array  # (n_tokens, n_vocab), row i after token i
    cross_scores: Array  # (n_layer, n_head, n_tokens, n_audio_ctx), q . k / sqrt(d_head)

    @property
    def cross_weights(self) -> Array:  # the same shape; every row sums to 1
        return softmax(self.cross_scores)


def decode(tokens: Sequence[int], features: ArrayLike, tensors: Tensors, dims: Dims) -> DecoderPass:
    """Teacher forcing: `tokens` over one window's features, (n_audio_ctx, n_audio_state)."""
    w = {name.removeprefix("decoder."): t for name, t in tensors.items()}
    embedding = np.asarray(w["token_embedding.weight"], dtype=np.float64)
    x = embedding[list(tokens)] + w["positional_embedding"][: len(tokens)]
    scores = []
    for layer in range(dims.n_text_layer):
        prefix = f"blocks.{layer}."
        block = {n.removeprefix(prefix): t for n, t in w.items() if n.startswith(prefix)}
        x, layer_scores = decoder_block(x, features, block, dims.n_text_head)
        scores.append(layer_scores)
    x = layer_norm(x, w["ln.weight"], w["ln.bias"])
    return DecoderPass(logits=linear(x, embedding), cross_scores=np.stack(scores))


def decoder_block(x: Array, features: ArrayLike, w: Tensors, n_head: int) -> tuple[Array, Array]:
    normed = layer_norm(x, w["attn_ln.weight"], w["attn_ln.bias"])
    x = x + self_attention(normed, w, n_head, causal_mask(len(x)))

    normed = layer_norm(x, w["cross_attn_ln.weight"], w["cross_attn_ln.bias"])
    q = linear(normed, w["cross_attn.query.weight"], w["cross_attn.query.bias"])
    k = linear(features, w["cross_attn.key.weight"])
    v = linear(features, w["cross_attn.value.weight"], w["cross_attn.value.bias"])
    out, scores = attention(q, k, v, n_head)
    x = x + linear(out, w["cross_attn.out.weight"], w["cross_attn.out.bias"])

    return x + mlp(layer_norm(x, w["mlp_ln.weight"], w["mlp_ln.bias"]), w), scores
