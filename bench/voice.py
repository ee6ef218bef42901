"""What voice activity costs and saves: python bench/voice.py --models DIR

The network over an hour of sound, on every instruction set, with one thread and with all. Then
recordings of a minute and more, the joined clips and those of SOTTOVOCE_DEV_DATA, by base with
vad_filter and without, there and back: windows, words, word errors against the references (by
openai-whisper's normalizers), seconds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from pathlib import Path

import machine
import numpy as np
import scoring
import speech
from records import table

from sottovoce import WhisperModel, audio, available_isas, voice_network

HOUR = 3600 * speech.SAMPLE_RATE
# Multiply-adds of 32 ms: spectra, convolutions, gates, output.
MACS = 4 * 65 * 257 + 128 * (10 * 129 + 5 * 64) + 64 * (2 * 64 + 128) + 2 * 128 * 4 * 128 + 128
ROUNDS = 3
TURNS = (False, True, True, False)


def of_an_hour(sound: np.ndarray) -> list[list[str]]:
    hour = np.resize(sound, HOUR)
    rows = []
    for isa in available_isas():
        for n_threads in sorted({1, machine.n_cores()}):
            network = voice_network(n_threads=n_threads, isa=isa)
            seconds = []
            for _ in range(ROUNDS):
                started = time.perf_counter()
                network.probabilities(hour)
                seconds.append(time.perf_counter() - started)
            speed = 2e-9 * MACS * HOUR / 512 / min(seconds)
            median = statistics.median(seconds)
            rows.append(
                [isa, str(n_threads), f"{median:.2f}", f"{min(seconds):.2f}", f"{speed:.0f}"]
            )
    return rows


def heard(model: WhisperModel, name: str, sound: np.ndarray, reference: str) -> list[list[str]]:
    words = scoring.splitter()
    said = words(reference, "en")
    rows = []
    for windows in ("sequential", "independent"):
        for beam_size in (None, 5):
            seconds: dict[bool, list[float]] = {False: [], True: []}
            figures = {}
            for vad_filter in TURNS:
                started = time.perf_counter()
                talk = model.transcribe(
                    sound, language="en", windows=windows, vad_filter=vad_filter,
                    beam_size=beam_size, policy="openai",
                )  # fmt: skip
                text = words(talk.text, "en")
                seconds[vad_filter].append(time.perf_counter() - started)
                metrics = talk.info.metrics
                wrong = 100 * scoring.word_errors(said, text) / len(said)
                figures[vad_filter] = (metrics.core.encoder_calls, len(text), f"{wrong:.1f}")
            columns = [f"{a}, {b}" for a, b in zip(figures[False], figures[True], strict=True)]
            before, after = (sum(seconds[on]) / 2 for on in (False, True))
            search = "greedy" if beam_size is None else f"{beam_size} beams"
            rows.append([name, windows, search, *columns, f"{before:.1f}, {after:.1f}"])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    dev = os.environ.get("SOTTOVOCE_DEV_DATA")
    parser.add_argument("--models", type=Path, required=True, help="holds base/")
    parser.add_argument("--dev", type=Path, default=dev, required=dev is None)
    parser.add_argument("--compute_type", default="int8")
    args = parser.parse_args()
    joined = speech.prepare(Path(args.dev))["long"]
    recordings = [(f"joined, {joined.seconds:.0f} s", speech.read(joined.path), joined.reference)]
    for clip in speech.manifest(Path(args.dev)):
        if clip["duration_s"] >= 60 and clip["reference"]:
            name = f"{clip['file']}, {clip['duration_s']:.0f} s"
            recordings.append((name, audio.load(Path(args.dev) / clip["file"]), clip["reference"]))
    print(machine.facts()["cpu"] + f", {args.compute_type}\n")
    head = ["table", "threads", "s an hour, median", "least", "Gop/s"]
    print(table(head, of_an_hour(recordings[0][1])) + "\n")
    model = WhisperModel(args.models / "base", compute_type=args.compute_type)
    rows = [row for recording in recordings for row in heard(model, *recording)]
    head = ["recording", "windows", "search", "encoded", "words", "WER, %", "s"]
    print("Each without the filter, with it.\n\n" + table(head, rows))


if __name__ == "__main__":
    main()
