"""Speech by espeak-ng, with the time at which each word begins: the library that a wheel carries.

Synthetic voices are no people, but the synthesizer knows what it says when.
"""

from __future__ import annotations

import ctypes
import re
from typing import Any

import numpy as np
from speech import SAMPLE_RATE

RETRIEVAL = 1  # espeak_AUDIO_OUTPUT: the samples go to a callback
UTF8 = 1
RATE = 1  # espeak_PARAMETER: words a minute
END_OF_EVENTS, WORD = 0, 1  # espeak_EVENT_TYPE


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),  # characters, from 1
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),  # ms
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


def resampled(samples: np.ndarray, rate: int) -> np.ndarray:
    """At SAMPLE_RATE: the spectrum cut, or filled up with nothing."""
    n = round(len(samples) * SAMPLE_RATE / rate)
    spectrum = np.fft.rfft(samples)[: n // 2 + 1]
    return (np.fft.irfft(spectrum, n) * (n / len(samples))).astype(np.float32)


class Synthesizer:
    """One a process: the library has one voice at a time."""

    def __init__(self) -> None:
        try:
            import espeakng_loader
        except ImportError:
            raise SystemExit("the voices are espeak-ng's: pip install espeakng-loader") from None
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path().encode()
        self._rate = self._library.espeak_Initialize(RETRIEVAL, 0, data, 0)
        if self._rate <= 0:
            raise SystemExit("espeak-ng does not start")

    def say(
        self, text: str, voice: str, words_per_minute: int
    ) -> tuple[np.ndarray, list[float | None]]:
        """Samples (n,) float32 at SAMPLE_RATE, and at what second each of text.split() begins.

        None: it is said in one breath with the word before it ("in the"), and has no event.
        """
        if self._library.espeak_SetVoiceByName(voice.encode()):
            raise SystemExit(f"espeak-ng has no voice {voice}")
        # Some voices breathe, by chance.
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(0))
        self._library.espeak_SetParameter(RATE, words_per_minute, 0)
        parts, begins = self._spoken(text.encode("ascii"))
        samples = np.concatenate(parts).astype(np.float32) / 32768
        words = [begins.get(found.start()) for found in re.finditer(r"\S+", text)]
        return resampled(samples, self._rate), words

    def _spoken(self, text: bytes) -> tuple[list[np.ndarray], dict[int, float]]:
        """Pieces of sound; and by where a word begins in the text, when it begins in the sound."""
        parts: list[np.ndarray] = []
        begins: dict[int, float] = {}

        @_Callback
        def take(wave: Any, n: int, events: Any) -> int:
            if wave and n:
                parts.append(np.ctypeslib.as_array(wave, (n,)).copy())
            i = 0
            while events[i].type != END_OF_EVENTS:
                if events[i].type == WORD:
                    begins.setdefault(events[i].text_position - 1, events[i].sample / self._rate)
                i += 1
            return 0

        self._library.espeak_SetSynthCallback(take)
        failed = self._library.espeak_Synth(text, len(text) + 1, 0, 1, 0, UTF8, None, None)
        if failed or self._library.espeak_Synchronize():
            raise SystemExit(f"espeak-ng cannot say {text!r}")
        return parts, begins
