"""sottovoce against its peers on the same audio and the same weights, whole files, fresh processes.

    python bench/peers.py --model DIR --audio FILE [FILE ...] [--engines A B ...] [--rounds 5]

Every engine gets the same samples, language given, temperature 0 without fallback, timestamps on,
no voice detection, as many threads as this process may use, and its best instruction set
(CT2_FORCE_CPU_ISA=AVX512 where the CPU has it). Engines take turns (A B ... B A), each run is a
process of its own that transcribes once to warm up and then `--repeat` times; what counts is the
median run. Ratios are taken within a round and reported as their median with a bootstrap interval,
with token counts and peak memory beside the times: an engine that says less is no quicker.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

# engine -> (function in wer.py, compute type)
ENGINES = {
    "sottovoce-float32": ("sottovoce", "float32"),
    "faster-whisper-float32": ("faster-whisper", "float32"),
    "faster-whisper-int8": ("faster-whisper", "int8"),
    "openai-whisper-float32": ("openai-whisper", "float32"),
}


def run_one(args: argparse.Namespace) -> dict[str, Any]:
    """In a fresh process: load, warm up, transcribe `--repeat` times."""
    from wer import ENGINES as TRANSCRIBERS

    from oracle import clips

    name, compute_type = ENGINES[args.run]
    args.compute_type = compute_type
    started = time.perf_counter()
    transcribe = TRANSCRIBERS[name](args)
    load_s = time.perf_counter() - started
    clip = {"language": args.language}
    samples = clips.read(args.audio[0])
    times, text = [], ""
    for _ in range(args.repeat + 1):
        started = time.perf_counter()
        text = transcribe(clip, samples)
        times.append(time.perf_counter() - started)
    return {
        "engine": args.run,
        "audio": args.audio[0].name,
        "audio_s": len(samples) / 16000,
        "load_s": load_s,
        "times_s": times[1:],
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "words": len(text.split()),
        "text": text.strip(),
    }


def spawn(engine: str, audio: Path, args: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, str(Path(__file__).resolve()), "--run", engine, "--model"]
    command += [str(args.model), "--audio", str(audio), "--language", args.language]
    command += ["--beam-size", str(args.beam_size), "--repeat", str(args.repeat)]
    command += ["--threads", str(args.threads)]
    environment = dict(os.environ, OMP_NUM_THREADS=str(args.threads))
    if "avx512bw" in Path("/proc/cpuinfo").read_text():
        environment["CT2_FORCE_CPU_ISA"] = "AVX512"
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise SystemExit(f"{engine}: {last}")
    return json.loads(done.stdout.splitlines()[-1])


def interval(ratios: list[float]) -> tuple[float, float]:
    """95 % bootstrap interval of the median."""
    draw = random.Random(0)
    medians = sorted(statistics.median(draw.choices(ratios, k=len(ratios))) for _ in range(2000))
    return medians[50], medians[1949]


def report(audio: Path, records: list[dict[str, Any]], engines: list[str]) -> None:
    by_engine = {e: [r for r in records if r["engine"] == e] for e in engines}
    typical = {e: [statistics.median(r["times_s"]) for r in by_engine[e]] for e in engines}
    print(f"\n{audio.name}, {records[0]['audio_s']:.1f} s\n")
    print("| engine | seconds | x real time | load s | peak MB | words | time / sottovoce's |")
    print("|---|---|---|---|---|---|---|")
    for engine in engines:
        runs = by_engine[engine]
        seconds = statistics.median(typical[engine])
        ratios = [a / b for a, b in zip(typical[engine], typical[engines[0]], strict=True)]
        low, high = interval(ratios)
        print(
            f"| {engine} | {seconds:.2f} | {runs[0]['audio_s'] / seconds:.1f} "
            f"| {statistics.median(r['load_s'] for r in runs):.2f} "
            f"| {max(r['peak_rss_mb'] for r in runs):.0f} | {runs[-1]['words']} "
            f"| {statistics.median(ratios):.2f} ({low:.2f} to {high:.2f}) |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True, help="CTranslate2 directory")
    parser.add_argument("--audio", type=Path, nargs="+", required=True)
    parser.add_argument("--language", default="en")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--beam-size", type=int, default=5, help="1: greedy")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeat", type=int, default=3, help="counted runs of a process")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--json", type=Path, help="append one record a process, a line each")
    parser.add_argument("--run", choices=ENGINES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run:
        print(json.dumps(run_one(args)))
        return
    for audio in args.audio:
        records = []
        for i in range(args.rounds):
            turn = args.engines if i % 2 == 0 else args.engines[::-1]
            records += [spawn(engine, audio, args) for engine in turn]
        if args.json:
            with args.json.open("a") as out:
                out.writelines(json.dumps(record) + "\n" for record in records)
        report(audio, records, args.engines)


if __name__ == "__main__":
    main()
