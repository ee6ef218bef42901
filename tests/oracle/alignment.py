"""From cross-attention to the time of every token (openai-whisper timing.py), written for reading.

All in float64 but the costs of the path, which are float32 there, and so are its ties.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .layers import softmax

Array = NDArray[np.float64]


def median_filter(x: ArrayLike, width: int) -> Array:
    """Along the last axis, mirrored at the ends without repeating the edge; NaN above all numbers.

    An axis that is too short to be mirrored stays as it is.
    """
    x = np.asarray(x, dtype=np.float64)
    padding = width // 2
    if x.shape[-1] <= padding:
        return x
    padded = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(padding, padding)], mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, width, axis=-1)
    return np.sort(windows, axis=-1)[..., padding]


def standardise(weights: ArrayLike) -> Array:
    """(n_heads, n_tokens, n): each position less its mean over all tokens, in deviations."""
    weights = np.asarray(weights, dtype=np.float64)
    mean = weights.mean(axis=1, keepdims=True)
    deviation = np.sqrt(((weights - mean) ** 2).mean(axis=1, keepdims=True))
    with np.errstate(invalid="ignore", divide="ignore"):
        return (weights - mean) / deviation


def attention_matrix(
    scores: ArrayLike, n_positions: int, first_row: int, n_rows: int, width: int = 7
) -> Array:
    """Scores before the softmax (n_heads, n_tokens, n_ctx) -> (n_rows, n_positions)."""
    scores = np.asarray(scores, dtype=np.float64)[:, :, :n_positions]
    weights = softmax(scores) if n_positions else scores
    matrix = median_filter(standardise(weights), width).mean(axis=0)
    return matrix[first_row : first_row + n_rows]


def path_table(matrix: ArrayLike, dtype: type = np.float32) -> tuple[Array, Array]:
    """What the best path to each cell costs, and the last step of it, as (rows, columns).

    Both are (n_rows + 1, n_columns + 1), a row and a column before the matrix's first; costs are
    added up in `dtype`. Steps go on in both directions, to the next row or to the next column; the
    first two only where they are better than either other. NaN is never better, and may lead to row
    or column -1.
    """
    gain = np.asarray(matrix, dtype=np.float64)
    n_rows, n_columns = gain.shape
    cost = np.full((n_rows + 1, n_columns + 1), np.inf, dtype)
    step = np.empty((n_rows + 1, n_columns + 1), dtype=object)
    cost[0, 0] = 0
    for row in range(1, n_rows + 1):
        for column in range(1, n_columns + 1):
            both, down, right = (
                cost[row - 1, column - 1],
                cost[row - 1, column],
                cost[row, column - 1],
            )
            if both < down and both < right:
                before, step[row, column] = both, (1, 1)
            elif down < both and down < right:
                before, step[row, column] = down, (1, 0)
            else:
                before, step[row, column] = right, (0, 1)
            cost[row, column] = np.float64(before) - gain[row - 1, column - 1]
    step[0, :], step[:, 0] = [(0, 1)] * (n_columns + 1), [(1, 0)] * (n_rows + 1)
    return cost, step


def best_path(matrix: ArrayLike, dtype: type = np.float32) -> list[tuple[int, int]]:
    """Cells of (n_rows, n_columns) from the first to the last, whose sum is the largest."""
    _, step = path_table(matrix, dtype)
    row, column = (n - 1 for n in step.shape)
    path = []
    while row > 0 or column > 0:
        path.append((row - 1, column - 1))
        rows, columns = step[row, column]
        row, column = row - rows, column - columns
    return path[::-1]


def path_starts(matrix: ArrayLike, dtype: type = np.float32) -> list[int]:
    """The column at which the best path enters each row."""
    path = best_path(matrix, dtype)
    rows = [row for row, _ in path]
    assert sorted(set(rows)) == list(range(len(np.asarray(matrix))))
    return [column for i, (row, column) in enumerate(path) if i == 0 or rows[i - 1] != row]


def text_probabilities(logits: ArrayLike, text_tokens: ArrayLike, eot: int) -> Array:
    """Of each token among the ids below eot: logits (n_text, n_vocab), text_tokens (n_text,)."""
    text_tokens = np.asarray(text_tokens, dtype=int)
    if not text_tokens.size:
        return np.zeros(0)
    return softmax(np.asarray(logits)[:, :eot])[np.arange(len(text_tokens)), text_tokens]
