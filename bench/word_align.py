"""How near `align`'s times of a text lie to `transcribe`'s: python bench/word_align.py --models DIR

The clips of SOTTOVOCE_DEV_DATA that are longer than a window, with their references, base, float32.
Words of both are matched by the fewest edits; a word that only one of them has counts as missing.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import machine
from records import table

from sottovoce import WhisperModel

WITHIN = (0.1, 0.2, 0.5)  # s
LONG = 30  # s


def spoken(word: str) -> str:
    return "".join(c for c in word.lower() if c.isalnum())


def shares(apart: list[float]) -> str:
    return " / ".join(f"{100 * sum(a <= w + 1e-6 for a in apart) / len(apart):.1f}" for w in WITHIN)


def row(model: WhisperModel, dev: Path, entry: dict[str, Any]) -> list[str]:
    path, language = dev / entry["file"], entry["language"]
    started = time.perf_counter()
    aligned = model.align(path, entry["reference"], language)
    between = time.perf_counter()
    heard = [
        word
        for segment in model.transcribe(
            path, language=language, word_timestamps=True, policy="openai"
        )
        for word in segment.words or ()
    ]
    seconds = (between - started, time.perf_counter() - between)
    said = [word for word in aligned.words if word.start is not None]
    texts = [[spoken(word.word) for word in words] for words in (said, heard)]
    matcher = SequenceMatcher(None, *texts, autojunk=False)
    pairs = [
        (said[block.a + i], heard[block.b + i])
        for block in matcher.get_matching_blocks()
        for i in range(block.size)
    ]
    edges = [
        [abs(getattr(a, edge) - getattr(b, edge)) for a, b in pairs] for edge in ("start", "end")
    ]
    took = " and ".join(f"{s:.1f}" for s in seconds)
    n_words = [str(len(aligned.words)), str(len(said)), str(len(pairs))]
    return [entry["file"], f"{entry['duration_s']:.0f}", *n_words, *map(shares, edges), took]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    dev = os.environ.get("SOTTOVOCE_DEV_DATA")
    parser.add_argument("--models", type=Path, required=True, help="holds base/")
    parser.add_argument("--dev", type=Path, default=dev, required=dev is None)
    args = parser.parse_args()
    dev = Path(args.dev)
    lines = (dev / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [e for e in map(json.loads, lines) if e["duration_s"] > LONG and e["reference"]]
    model = WhisperModel(args.models / "base", compute_type="float32")
    edges = [f"{e}: % within {' / '.join(map(str, WITHIN))} s" for e in ("start", "end")]
    head = ["clip", "s", "words", "said", "compared", *edges, "align and transcribe took, s"]
    print(machine.facts()["cpu"] + "\n")
    print(table(head, [row(model, dev, entry) for entry in entries]))


if __name__ == "__main__":
    main()
