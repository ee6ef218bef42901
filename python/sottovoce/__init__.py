"""Whisper speech-to-text on the CPU: openai-whisper's words from a C++ core."""

from ._core import (
    AudioFeatures,
    CancelToken,
    Checkpoint,
    DecoderState,
    Metrics,
    Model,
    ModelDims,
    VoiceActivityStream,
    __version__,
    available_isas,
    available_threading,
    default_n_threads,
    log_mel,
)
from .alignment import Alignment
from .errors import (
    AudioError,
    AudioWarning,
    CancelledError,
    DeadlineExceededError,
    Error,
    LoadError,
    OptionWarning,
    ScriptError,
    ShapeError,
    StateError,
    StoppedError,
)
from .model import WhisperModel
from .options import DecodeOptions, TranscribeOptions
from .results import (
    AlignedWord,
    Alternative,
    Hypothesis,
    Progress,
    Segment,
    SpeechRegion,
    TranscriptionInfo,
    WindowResult,
    Word,
)
from .speakers import SpeakerTurn, read_rttm
from .text.tokenizer import Tokenizer
from .transcription import Segments, Transcription, Transcriptions
from .vad_options import VadOptions
from .voice import speech_timestamps, voice_activity, voice_network

__all__ = [
    "AlignedWord",
    "Alignment",
    "Alternative",
    "AudioError",
    "AudioFeatures",
    "AudioWarning",
    "CancelToken",
    "CancelledError",
    "Checkpoint",
    "DeadlineExceededError",
    "DecodeOptions",
    "DecoderState",
    "Error",
    "Hypothesis",
    "LoadError",
    "Metrics",
    "Model",
    "ModelDims",
    "OptionWarning",
    "Progress",
    "ScriptError",
    "Segment",
    "Segments",
    "ShapeError",
    "SpeakerTurn",
    "SpeechRegion",
    "StateError",
    "StoppedError",
    "Tokenizer",
    "TranscribeOptions",
    "Transcription",
    "TranscriptionInfo",
    "Transcriptions",
    "VadOptions",
    "VoiceActivityStream",
    "WhisperModel",
    "WindowResult",
    "Word",
    "__version__",
    "available_isas",
    "available_threading",
    "default_n_threads",
    "log_mel",
    "read_rttm",
    "speech_timestamps",
    "voice_activity",
    "voice_network",
]
