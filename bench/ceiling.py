"""What the machine would need for each stage at its measured peaks: the roofline.

Operations and bytes that the network cannot do without (a window of n_audio_ctx positions), over
the peaks of the probe. float32 does all in float32, bfloat16 all in bfloat16; int8 does its linear
layers in int8, convolutions and attention in bfloat16. Keys and values of the audio take 4 bytes in
float32, 2 in bfloat16, 1 in int8. Bytes are counted as from DRAM: what fits into the last cache can
do better than 100 %.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from weights import Dims

WEIGHT_BYTES = {"float32": 4, "bfloat16": 2, "int8": 1, "f16": 2, "q8_0": 1.0625}


@dataclass(frozen=True)
class Load:
    """Operations (a multiply-add is two) and bytes read."""

    linear: float  # of linear layers
    wide: float  # of convolutions and attention: never in int8
    n_bytes: float

    def seconds(self, compute_type: str, peaks: Mapping[str, float]) -> float:
        """At least: the longer of computing and reading. `peaks`: 1e9 a second, by type."""
        linear = _peak(compute_type, peaks)
        wide = _peak("float32" if compute_type == "float32" else "bfloat16", peaks)
        compute = self.linear / linear + self.wide / wide
        return max(compute, self.n_bytes / peaks["dram"]) / 1e9


def _peak(compute_type: str, peaks: Mapping[str, float]) -> float:
    """float32's where this CPU has no instruction for the type."""
    wide = {"f16": "float32", "q8_0": "int8"}.get(compute_type, compute_type)
    return peaks[wide] or peaks["float32"]


def log_mel(dims: Dims) -> Load:
    """Real transforms of 400 points (2.5 n log2 n), powers, two filters a bin; always float32."""
    n_fft, n_bins = 400, 201
    operations = 2.5 * n_fft * math.log2(n_fft) + 3 * n_bins + 2 * 2 * n_bins
    n_frames = 2 * dims.n_audio_ctx
    return Load(operations * n_frames, 0.0, 4.0 * n_frames * (160 + dims.n_mels))


def encode(dims: Dims, compute_type: str) -> Load:
    n, t = dims.n_audio_state, dims.n_audio_ctx
    conv1, conv2 = 3 * dims.n_mels * n, 3 * n * n
    weights = 12 * n * n * dims.n_audio_layer
    wide_bytes = 4 if compute_type == "float32" else 2
    return Load(
        linear=2 * t * weights,
        wide=2 * (2 * t) * conv1 + 2 * t * conv2 + 4 * t * t * n * dims.n_audio_layer,
        n_bytes=weights * WEIGHT_BYTES[compute_type] + (conv1 + conv2) * wide_bytes,
    )


def cross_keys_values(dims: Dims, compute_type: str) -> Load:
    n, t = dims.n_text_state, dims.n_audio_ctx
    weights = 2 * n * n * dims.n_text_layer
    return Load(2 * t * weights, 0.0, weights * WEIGHT_BYTES[compute_type])


def token(dims: Dims, compute_type: str, n_rows: int = 1, n_windows: int = 1) -> Load:
    """One step of n_rows texts over n_windows; weights are read once, keys and values a window."""
    n, t = dims.n_text_state, dims.n_audio_ctx
    weights = 14 * n * n * dims.n_text_layer + dims.n_vocab * n
    keys_values = 2 * t * n * dims.n_text_layer
    value_bytes = {"float32": 4, "int8": 1}.get(compute_type, 2)
    return Load(
        linear=2 * weights * n_rows,
        wide=2 * keys_values * n_rows,
        n_bytes=weights * WEIGHT_BYTES[compute_type] + keys_values * value_bytes * n_windows,
    )


def stages_ms(
    dims: Dims, compute_type: str, peaks: Mapping[str, float], batch: int
) -> dict[str, float]:
    """Milliseconds at least, by the name of the record's field; tokens a window."""
    at_least: dict[str, Any] = {
        "encode_ms": [encode(dims, compute_type)],
        "first_token_ms": [cross_keys_values(dims, compute_type), token(dims, compute_type)],
        "beam1_token_ms": [token(dims, compute_type)],
        "beam5_token_ms": [token(dims, compute_type, n_rows=5)],
        "batch8_token_ms": [token(dims, compute_type, n_rows=batch, n_windows=batch)],
    }
    times = {
        name: 1000 * sum(load.seconds(compute_type, peaks) for load in loads)
        for name, loads in at_least.items()
    }
    times["batch8_token_ms"] /= batch
    times["log_mel_ms"] = 1000 * log_mel(dims).seconds("float32", peaks)
    return times
