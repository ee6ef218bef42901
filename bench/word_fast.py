"""How far word_timestamps="fast" lies from the exact times: python bench/word_fast.py --models DIR

Both over the clips of SOTTOVOCE_DEV_DATA (tiny.en the English ones), greedy and with five beams,
temperature 0 without another try, float32. Windows begin where words ended, so that a time may move
a window and change its text: words are compared where all of a clip's texts are equal.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import machine
import numpy as np
from records import table

from sottovoce import WhisperModel, Word

MODELS = ("tiny.en", "base")
WITHIN = (0.0, 0.02, 0.1, 0.2, 0.5)  # s


def words_of(model: WhisperModel, path: Path, **options: object) -> list[Word]:
    heard = model.transcribe(path, temperature=0.0, policy="openai", **options)  # type: ignore[arg-type]
    return [word for segment in heard for word in segment.words or ()]


def shares(apart: list[float]) -> str:
    found = [np.mean(np.array(apart) <= most + 1e-6) for most in WITHIN]
    return " / ".join(f"{100 * share:.1f}" for share in found)


def row(model: WhisperModel, name: str, beam_size: int | None, clips: list[Path]) -> list[str]:
    pairs: list[tuple[Word, Word]] = []
    n_equal = 0
    for clip in clips:
        exact, fast = (
            words_of(model, clip, beam_size=beam_size, word_timestamps=how)
            for how in (True, "fast")
        )
        if [word.word for word in exact] == [word.word for word in fast]:
            n_equal += 1
            pairs += zip(exact, fast, strict=True)
    edges = [[abs(getattr(a, e) - getattr(b, e)) for a, b in pairs] for e in ("start", "end")]
    probability = np.mean([abs(a.probability - b.probability) for a, b in pairs])
    search = f"{beam_size} beams" if beam_size else "greedy"
    equal = f"{n_equal} of {len(clips)}"
    return [name, search, equal, str(len(pairs)), *map(shares, edges), f"{probability:.3f}"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    dev = os.environ.get("SOTTOVOCE_DEV_DATA")
    parser.add_argument("--models", type=Path, required=True, help="holds tiny.en/ and base/")
    parser.add_argument("--dev", type=Path, default=dev, required=dev is None)
    args = parser.parse_args()
    lines = (args.dev / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    rows = []
    for name in MODELS:
        model = WhisperModel(args.models / name, compute_type="float32")
        spoken = [e for e in entries if name == "base" or e["language"] == "en"]
        clips = [args.dev / e["file"] for e in spoken]
        rows += [row(model, name, beam_size, clips) for beam_size in (None, 5)]
    within = " / ".join(f"{most:g}" for most in WITHIN)
    edges = (f"{edge}: % within {within} s" for edge in ("start", "end"))
    print(machine.facts()["cpu"] + "\n")
    head = ["model", "search", "clips of one text", "words", *edges, "mean probability apart"]
    print(table(head, rows))


if __name__ == "__main__":
    main()
