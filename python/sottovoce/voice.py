"""Voice activity: where in a recording somebody speaks.

    for start, end in speech_timestamps("talk.mp3"):
        print(f"{start:.2f} -> {end:.2f}")

The network is Silero VAD's, of version 6.2.3 of the package; its weights come with this one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from . import _core
from .errors import warn_of_audio
from .policy.voice import Voice
from .results import SpeechRegion
from .vad_options import VadKeywords, VadOptions

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .audio import Audio

_WEIGHTS = Path(__file__).parent / "data" / "silero_vad.safetensors"


def voice_network(*, n_threads: int = 0, isa: str = "") -> _core.VoiceActivity:
    """The network, for sound that comes block by block: `_core.VoiceActivityStream` of it.

    `n_threads` and `isa` as `WhisperModel` has them (cpu_threads, isa).
    """
    return _core.VoiceActivity(os.fspath(_WEIGHTS), n_threads=n_threads, isa=isa)


def voice_activity(
    audio: Audio, *, sample_rate: int | None = None, cpu_threads: int = 0
) -> NDArray[np.float32]:
    """How likely somebody speaks, every 32 ms.

    Args:
        audio: a recording of any length, as `WhisperModel.transcribe` takes it.
        sample_rate: of samples, in Hz; None: 16000.
        cpu_threads: 0: one a core; the result is the same to the last bit.

    Returns (n_frames,) float32 in 0..1; silence follows the recording in its last frame. Raises
    LoadError for audio that cannot be read, ValueError for cpu_threads.
    """
    return hear(audio, sample_rate=sample_rate, cpu_threads=cpu_threads).probabilities


def speech_timestamps(
    audio: Audio,
    *,
    sample_rate: int | None = None,
    cpu_threads: int = 0,
    options: VadOptions | None = None,
    **keywords: Unpack[VadKeywords],
) -> list[SpeechRegion]:
    """Where somebody speaks, with a little silence around it, as faster-whisper tells it.

    Args:
        audio, sample_rate, cpu_threads: as of `voice_activity`.
        options: `VadOptions` instead of the keywords, its fields, or for them to override.

    Raises TypeError and ValueError for options, LoadError for audio that cannot be read.
    """
    wanted = VadOptions.from_keywords("speech_timestamps", keywords, options)
    return hear(audio, sample_rate=sample_rate, cpu_threads=cpu_threads).regions(wanted)


def hear(audio: Audio, *, sample_rate: int | None = None, cpu_threads: int = 0) -> Voice:
    """What both are taken from."""
    from . import audio as media

    network = voice_network(n_threads=cpu_threads)  # whose errors need no reading
    recording = media.read(audio, sample_rate=sample_rate)
    warn_of_audio(recording.doubts)
    samples = recording.samples
    return Voice(network.probabilities(samples), len(samples))
