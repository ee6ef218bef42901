"""The layers of the network, one equation each. Rows are positions, columns are channels."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

EPSILON = 1e-5  # of every layer norm

_erfc = np.frompyfunc(math.erfc, 1, 1)


def erfc(x: ArrayLike) -> Array:
    """The C library's 1 - erf, element by element: slow, and right to the last place or so."""
    return np.asarray(_erfc(np.asarray(x, dtype=np.float64)), dtype=np.float64)


def gelu(x: ArrayLike) -> Array:
    """x Phi(x), exact: no tanh. Phi(x) = erfc(-x / sqrt 2) / 2 keeps its digits for x << 0."""
    x = np.asarray(x, dtype=np.float64)
    return 0.5 * x * erfc(x / -math.sqrt(2.0))


def layer_norm(x: ArrayLike, weight: ArrayLike, bias: ArrayLike) -> Array:
    """x (..., n), weight (n,), bias (n,): zero mean, unit biased variance, scale, shift."""
    x = np.asarray(x, dtype=np.float64)
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (centred**2).mean(axis=-1, keepdims=True)
    return centred / np.sqrt(variance + EPSILON) * weight + bias


def linear(x: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None) -> Array:
    """x (rows, k), weight (n, k), bias (n,) -> (rows, n)."""
    out = np.asarray(x, dtype=np.float64) @ np.asarray(weight, dtype=np.float64).T
    return out if bias is None else out + bias


def conv1d(x: ArrayLike, weight: ArrayLike, bias: ArrayLike, stride: int = 1) -> Array:
    """x (n_in, n_frames), weight (n_out, n_in, 3), zero padding 1 -> (n_out, n_frames / stride)."""
    x, weight = np.asarray(x, dtype=np.float64), np.asarray(weight, dtype=np.float64)
    n_frames = x.shape[1]
    padded = np.pad(x, ((0, 0), (1, 1)))
    taps = [weight[:, :, tap] @ padded[:, tap : tap + n_frames : stride] for tap in range(3)]
    return sum(taps) + np.asarray(bias, dtype=np.float64)[:, None]


def softmax(x: ArrayLike) -> Array:
    """Over the last axis; -inf gets exactly 0."""
    x = np.asarray(x, dtype=np.float64)
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def causal_mask(n: int) -> Array:
    """(n, n): 0 where a row may look (itself and the past), -inf where it may not."""
    return np.triu(np.full((n, n), -np.inf), k=1)


def attention(
    q: ArrayLike, k: ArrayLike, v: ArrayLike, n_head: int, mask: ArrayLike | float = 0.0
) -> tuple[Array, Array]:
    """q (n_q, n_state), k and v (n_kv, n_state), mask (n_q, n_kv) added to the scores.

    Returns the heads side by side, (n_q, n_state), and the scores before the softmax,
    (n_head, n_q, n_kv). Head h owns columns h d_head to (h + 1) d_head.
    """

    def heads(x: ArrayLike) -> Array:  # (rows, n_state) -> (n_head, rows, d_head)
        x = np.asarray(x, dtype=np.float64)
        return x.reshape(x.shape[0], n_head, -1).transpose(1, 0, 2)

    q, k, v = heads(q), heads(k), heads(v)
    d_head = q.shape[-1]
    scores = q @ k.transpose(0, 2, 1) / math.sqrt(d_head) + mask
    out = softmax(scores) @ v
    return out.transpose(1, 0, 2).reshape(out.shape[1], -1), scores
