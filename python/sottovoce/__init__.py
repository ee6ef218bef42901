"""Whisper speech-to-text on the CPU: openai-whisper's words from a C++ core."""

from ._core import (
    AudioFeatures,
    Checkpoint,
    DecoderState,
    Error,
    LoadError,
    Metrics,
    Model,
    ModelDims,
    ShapeError,
    StateError,
    __version__,
    available_isas,
    default_n_threads,
    log_mel,
)
from .batch import Transcripts
from .decoding import WindowResult
from .options import DecodeOptions, TranscribeOptions
from .recording import TranscriptionInfo
from .segments import Segment
from .tokenizer import Tokenizer
from .transcribe import WhisperModel

__all__ = [
    "AudioFeatures",
    "Checkpoint",
    "DecodeOptions",
    "DecoderState",
    "Error",
    "LoadError",
    "Metrics",
    "Model",
    "ModelDims",
    "Segment",
    "ShapeError",
    "StateError",
    "Tokenizer",
    "TranscribeOptions",
    "TranscriptionInfo",
    "Transcripts",
    "WhisperModel",
    "WindowResult",
    "__version__",
    "available_isas",
    "default_n_threads",
    "log_mel",
]
