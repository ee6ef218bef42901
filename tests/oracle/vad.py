"""Silero VAD for 16 kHz, a frame at a time."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from .layers import Array

HOP, CONTEXT, N_FFT, STRIDE = 512, 64, 256, 128
STRIDES = (1, 2, 2, 1)  # of the convolutions


def voice_activity(
    weights: Mapping[str, NDArray[np.floating]], samples: NDArray[np.floating]
) -> Array:
    """How likely there is speech in each 512 samples, (n_frames,), zeros behind the last."""
    tensors = {name: tensor.astype(np.float64) for name, tensor in weights.items()}
    n_frames = -(-len(samples) // HOP)
    padded = np.zeros(CONTEXT + n_frames * HOP)
    padded[CONTEXT : CONTEXT + len(samples)] = samples
    hidden, cell = np.zeros(128), np.zeros(128)
    found = []
    for first in range(0, n_frames * HOP, HOP):
        heard = _encoded(tensors, padded[first : first + CONTEXT + HOP])
        hidden, cell = lstm(tensors, heard, hidden, cell)
        weight, bias = tensors["decoder.output.weight"], tensors["decoder.output.bias"]
        found.append(sigmoid(weight[0] @ relu(hidden) + bias[0]))
    return np.array(found)


def _encoded(tensors: Mapping[str, Array], sound: Array) -> Array:
    """(576,) -> (128,)."""
    x = magnitudes(np.pad(sound, (0, CONTEXT), mode="reflect"))  # (129, 4)
    for i, stride in enumerate(STRIDES):
        weight, bias = tensors[f"encoder.{i}.weight"], tensors[f"encoder.{i}.bias"]
        x = relu(_convolved(weight, bias, x, stride))
    return x[:, 0]


def magnitudes(sound: Array) -> Array:
    """Of the spectra of windows of 256 samples every 128, (129, n)."""
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)
    windows = [sound[i : i + N_FFT] * hann for i in range(0, len(sound) - N_FFT + 1, STRIDE)]
    return np.abs(np.fft.rfft(windows)).T


def _convolved(weight: Array, bias: Array, x: Array, stride: int) -> Array:
    """weight (n_out, n_in, 3) over x (n_in, n), a zero on either side: (n_out, ...)."""
    padded = np.pad(x, ((0, 0), (1, 1)))
    columns = [padded[:, i : i + 3] for i in range(0, x.shape[1], stride)]
    return np.stack([np.tensordot(weight, column, 2) + bias for column in columns], axis=1)


def lstm(tensors: Mapping[str, Array], x: Array, hidden: Array, cell: Array) -> tuple[Array, Array]:
    """One step; gates i, f, g, o stand one after the other."""
    gates = tensors["decoder.rnn.weight_ih"] @ x + tensors["decoder.rnn.bias_ih"]
    gates += tensors["decoder.rnn.weight_hh"] @ hidden + tensors["decoder.rnn.bias_hh"]
    return lstm_cell(gates.reshape(4, -1), cell)


def lstm_cell(gates: Array, cell: Array) -> tuple[Array, Array]:
    """gates (4, n), cell (n,) -> the next hidden state and cell."""
    taken, kept, new, shown = gates
    cell = sigmoid(kept) * cell + sigmoid(taken) * np.tanh(new)
    return sigmoid(shown) * np.tanh(cell), cell


def relu(x: Array) -> Array:
    return np.maximum(x, 0.0)


def sigmoid(x: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-x))
