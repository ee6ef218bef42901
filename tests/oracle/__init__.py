"""The whole of Whisper's forward pass, and Silero VAD's, in NumPy float64, written for reading.

It imports nothing of sottovoce, keeps no cache and takes no shortcut: what a test compares against
must be too simple to be wrong. Tensors go by openai-whisper's names, shapes stand in comments.
"""

from .alignment import (
    attention_matrix,
    best_path,
    median_filter,
    path_starts,
    path_table,
    text_probabilities,
)
from .checkpoint import Dims, random_checkpoint, sinusoids, tensor_shapes
from .decoder import DecoderPass, decode
from .encoder import encode, encoder_states
from .layers import attention, causal_mask, conv1d, erfc, gelu, layer_norm, linear, softmax
from .mel import hann, log_mel, mel_filters, power_spectrum
from .vad import lstm_cell, voice_activity

__all__ = [
    "DecoderPass",
    "Dims",
    "attention",
    "attention_matrix",
    "best_path",
    "causal_mask",
    "conv1d",
    "decode",
    "encode",
    "encoder_states",
    "erfc",
    "gelu",
    "hann",
    "layer_norm",
    "linear",
    "log_mel",
    "lstm_cell",
    "median_filter",
    "mel_filters",
    "path_starts",
    "path_table",
    "power_spectrum",
    "random_checkpoint",
    "sinusoids",
    "softmax",
    "tensor_shapes",
    "text_probabilities",
    "voice_activity",
]
