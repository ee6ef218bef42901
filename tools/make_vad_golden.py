"""Makes vad.json in tests/golden: Silero VAD's probabilities, and faster-whisper's regions of them.

    python tools/make_vad_golden.py [--dev DIR]

In an environment of its own: faster-whisper, and silero-vad==6.2.3 with --no-deps. Probabilities
are what onnxruntime makes of silero_vad_16k_op15.onnx, frame by frame, with its state handed on,
rounded to six places; the recordings are jfk.flac and, in golden/dev with --dev, dev clips.
Regions are get_speech_timestamps' of the rounded numbers, and of made-up ones.
"""

import argparse
import importlib.metadata
import json
import random
from pathlib import Path
from unittest import mock

import faster_whisper.vad
import numpy as np
import onnxruntime
from faster_whisper.audio import decode_audio
from faster_whisper.vad import VadOptions, get_speech_timestamps

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden"
JFK = ROOT / "python" / "sottovoce" / "data" / "jfk.flac"
HOP, CONTEXT = 512, 64
DEV = ["long_en_prompts.flac", "tts-hibari-gettysburg.flac", "noref-ami-2spk.wav"]
N_MADE_UP = 40
OPTIONS = [
    {},
    {"min_silence_duration_ms": 100},
    {"min_silence_duration_ms": 160, "max_speech_duration_s": 30},
    {"min_silence_duration_ms": 500, "speech_pad_ms": 0, "min_speech_duration_ms": 250},
    {"max_speech_duration_s": 5, "speech_pad_ms": 30},
    {"threshold": 0.3, "neg_threshold": 0.1, "max_speech_duration_s": 8},
]


def probabilities(samples: np.ndarray) -> list[float]:
    """One a frame; zeros stand before the first sample and behind the last."""
    path = importlib.metadata.distribution("silero-vad").locate_file(
        "silero_vad/data/silero_vad_16k_op15.onnx"
    )
    session = onnxruntime.InferenceSession(str(path))
    n_frames = -(-len(samples) // HOP)
    padded = np.zeros(CONTEXT + n_frames * HOP, np.float32)
    padded[CONTEXT : CONTEXT + len(samples)] = samples
    state, found = np.zeros((2, 1, 128), np.float32), []
    for first in range(0, n_frames * HOP, HOP):
        sound = padded[None, first : first + CONTEXT + HOP]
        out, state = session.run(None, {"input": sound, "state": state, "sr": np.array(16000)})
        found.append(round(float(out[0, 0]), 6))
    return found


def made_up(draw: random.Random) -> list[float]:
    """Speech and silence in turn, with numbers between the thresholds."""
    found: list[float] = []
    while len(found) < 400:
        level = draw.choice([0.02, 0.2, 0.4, 0.6, 0.95])
        for _ in range(draw.choice([1, 2, 3, 4, 5, 8, 20, 90])):
            found.append(round(min(max(level + draw.uniform(-0.2, 0.2), 0.0), 1.0), 3))
    return found


def regions(found: list[float], n_samples: int, options: dict) -> list[list[int]]:
    """faster-whisper's, in samples."""
    # It asks for the samples' number alone, once it has their probabilities.
    model = mock.Mock(return_value=np.array(found, np.float64))
    with mock.patch.object(faster_whisper.vad, "get_vad_model", return_value=model):
        stretches = get_speech_timestamps(np.zeros(n_samples, np.float32), VadOptions(**options))
    return [[int(each["start"]), int(each["end"])] for each in stretches]


def case(name: str, found: list[float], n_samples: int) -> dict:
    return {
        "name": name,
        "n_samples": n_samples,
        "probabilities": found,
        "regions": [[options, regions(found, n_samples, options)] for options in OPTIONS],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dev", type=Path, help="folder of clips")
    dev = parser.parse_args().dev
    if dev:
        save(GOLDEN / "dev" / "vad.json", [recorded(dev / name) for name in DEV])
    cases, draw = [recorded(JFK)], random.Random(0)
    for i in range(N_MADE_UP):
        found = made_up(draw)
        cases.append(case(f"made up {i}", found, len(found) * HOP - draw.randrange(HOP)))
    save(GOLDEN / "vad.json", cases)


def recorded(path: Path) -> dict:
    samples = decode_audio(str(path))
    return case(path.name, probabilities(samples), len(samples))


def save(path: Path, cases: list[dict]) -> None:
    packages = ("silero-vad", "onnxruntime", "faster-whisper")
    made_by = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    lines = ",\n".join(json.dumps(each, separators=(",", ":")) for each in cases)
    path.write_text(f'{{"made_by": {json.dumps(made_by)}, "cases": [\n{lines}\n]}}\n')
    print(f"{path}: {len(cases)} cases")


if __name__ == "__main__":
    main()
