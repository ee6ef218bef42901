"""What the engines listen to: a clip of eleven seconds and a recording of more than three minutes.

Both become 16-bit WAV files in build/bench/speech, so that every engine gets the same samples.
"""

from __future__ import annotations

import json
import sys
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
SPEECH = ROOT / "build" / "bench" / "speech"
REFERENCES = SPEECH / "references.json"  # by name: language, reference
SAMPLE_RATE = 16000  # Hz
LONG = 200.0  # s, at least
GAP = 0.5  # s of silence between the clips of the long recording
JFK = (
    "And so, my fellow Americans: ask not what your country can do for you, "
    "ask what you can do for your country."
)
# Spelled digits: engines write numbers as they like, so word errors say nothing.
COUNTING = ("counting", "conteo", "comptage", "ginti", "conteggio", "kazoeru", "liczenie")
COUNTING += ("contagem", "jishu")


@dataclass(frozen=True)
class Recording:
    path: Path
    language: str
    reference: str
    seconds: float
    cuts: tuple[tuple[float, float], ...]  # s at which independent windows begin and end


def read(path: Path) -> np.ndarray:
    """A WAV file of ours: (n_samples,) float32."""
    with wave.open(str(path)) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return pcm.astype(np.float32) / 32768


def write(path: Path, samples: np.ndarray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(np.rint(samples * 32768).clip(-32768, 32767).astype("<i2").tobytes())


def manifest(dev: Path) -> list[dict[str, Any]]:
    """The clips of a development set: file, language, reference, group, kind, ..."""
    lines = (dev / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def spells_digits(clip: dict[str, Any]) -> bool:
    return clip["file"].startswith("synth-") and Path(clip["file"]).stem.endswith(COUNTING)


def _chosen(dev: Path) -> Iterator[dict[str, Any]]:
    """Clips of English speech by people, each sentence once, in the order of the manifest."""
    heard = set()
    for clip in manifest(dev):
        wanted = clip["language"] == "en" and clip["kind"] == "real" and clip["group"] == "clip"
        key = "".join(filter(str.isalpha, (clip["reference"] or "").lower()))
        if wanted and key and key not in heard:
            heard.add(key)
            yield clip


def between_pauses(samples: np.ndarray) -> tuple[tuple[float, float], ...]:
    """The clips of a recording that sottovoce hears as independent windows."""
    from sottovoce import _core
    from sottovoce.policy.chunking import clips_between_pauses

    mel = _core.log_mel(samples.astype(np.float32), 80, padding=_core.N_SAMPLES)
    times = clips_between_pauses(mel, mel.shape[1] - _core.N_FRAMES)
    return tuple(zip(times[::2], times[1::2], strict=True))


def prepare(dev: Path | None) -> dict[str, Recording]:
    """`short` and `long`; without a development set, the long one is the short one repeated."""
    sys.path[:0] = [str(ROOT / "tests")]
    from oracle import clips

    SPEECH.mkdir(parents=True, exist_ok=True)
    short = clips.read(clips.JFK)
    parts, words, seconds = [], [], 0.0
    known = _chosen(dev) if dev else ()
    for clip in known:
        samples = clips.read(dev / clip["file"]) if dev else short
        parts += [samples, clips.silence(GAP)]
        words.append(clip["reference"])
        seconds += len(samples) / SAMPLE_RATE + GAP
        if seconds >= LONG:
            break
    while seconds < LONG:
        parts += [short, clips.silence(GAP)]
        words.append(JFK)
        seconds += len(short) / SAMPLE_RATE + GAP
    recordings = {}
    for name, samples, text in (
        ("short", short, JFK),
        ("long", np.concatenate(parts), " ".join(words)),
    ):
        path = SPEECH / f"{name}.wav"
        write(path, samples)
        seconds = len(samples) / SAMPLE_RATE
        recordings[name] = Recording(path, "en", text, seconds, between_pauses(samples))
    about = {n: {"language": r.language, "reference": r.reference} for n, r in recordings.items()}
    REFERENCES.write_text(json.dumps(about), encoding="utf-8")
    return recordings


def window(samples: np.ndarray, index: int) -> np.ndarray:
    """Window `index` of 30 s; past the end it begins anew."""
    n = 30 * SAMPLE_RATE
    n_windows = max(1, len(samples) // n)
    part = samples[index % n_windows * n :][:n]
    return np.pad(part, (0, n - len(part)))
