"""What short_windows=True saves and changes: python bench/short_windows.py --models DIR

Clips of SOTTOVOCE_DEV_DATA from 1 to 10 s (tiny.en the English ones), language given, retries on,
with and without: time of each clip there and back, texts that are equal, word errors against the
references, which need openai-whisper's normalizers, and windows that were heard again in full.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from pathlib import Path
from typing import Any

import machine
import scoring
from records import table

from sottovoce import WhisperModel

MODELS = ("tiny.en", "base")
SEARCHES = {"greedy": None, "5 beams": 5}
TURNS = (False, True, True, False)


def row(
    model: WhisperModel, dev: Path, entries: list[dict[str, Any]], **options: Any
) -> tuple[int, list[str]]:
    words = scoring.splitter()
    texts: dict[bool, list[str]] = {False: [], True: []}
    errors = {False: 0, True: 0}
    ratios, n_windows, n_encoded, n_words = [], 0, 0, 0
    for entry in entries:
        seconds: dict[bool, list[float]] = {False: [], True: []}
        for short in TURNS:
            started = time.perf_counter()
            heard = model.transcribe(
                dev / entry["file"],
                language=entry["language"],
                short_windows=short,
                policy="openai",
                **options,
            )
            text = heard.text
            seconds[short].append(time.perf_counter() - started)
            if len(seconds[short]) == 1:
                said = words(entry["reference"], entry["language"])
                texts[short].append(text)
                errors[short] += scoring.word_errors(said, words(text, entry["language"]))
                n_words += 0 if short else len(said)
                calls = heard.info.metrics.core.encoder_calls
                n_windows, n_encoded = n_windows + (not short), n_encoded + short * calls
        ratios.append(sum(seconds[True]) / sum(seconds[False]))
    n_equal = sum(a == b for a, b in zip(texts[False], texts[True], strict=True))
    wrong = [f"{100 * errors[short] / n_words:.1f}" for short in (False, True)]
    return n_words, [
        f"{n_equal} of {len(entries)}",
        *wrong,
        str(n_encoded - n_windows),
        f"{statistics.median(ratios):.2f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    dev = os.environ.get("SOTTOVOCE_DEV_DATA")
    parser.add_argument("--models", type=Path, required=True, help="holds tiny.en/ and base/")
    parser.add_argument("--dev", type=Path, default=dev, required=dev is None)
    parser.add_argument("--compute_type", default="float32")
    args = parser.parse_args()
    dev = Path(args.dev)
    lines = (dev / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [e for e in map(json.loads, lines) if 1 <= e["duration_s"] <= 10 and e["reference"]]
    rows = []
    for name in MODELS:
        model = WhisperModel(args.models / name, compute_type=args.compute_type)
        spoken = [e for e in entries if name == "base" or e["language"] == "en"]
        for without in (False, True):
            for search, beam_size in SEARCHES.items():
                n_words, found = row(
                    model, dev, spoken, without_timestamps=without, beam_size=beam_size
                )
                times = "no" if without else "yes"
                rows.append([name, search, times, str(n_words), *found])
    head = ["model", "search", "timestamps", "words", "same text", "WER, whole", "WER, short"]
    print(machine.facts()["cpu"] + f", {args.compute_type}\n")
    print(table([*head, "heard again in full", "time, short over whole"], rows))


if __name__ == "__main__":
    main()
