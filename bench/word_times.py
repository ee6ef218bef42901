"""How right the times of words are, and what they cost: python bench/word_times.py --models DIR

`times`: every engine hears the clips of word_clips.py, whose words' times are known. Words heard
are matched to words said (word_match.py), and only those count. A table for the words of each
engine, one for the words that all of them heard, one clip by clip.

`cost`: the time of a transcription with times of words over that without them: both in a process of
its own after a warm-up, in turn, there and back (A B B A), with the machine's peaks probed beside.

Greedy, temperature 0 without another try, language given. Prints Markdown, writes JSON: every clip
with its words, every run with what it heard or took.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import engines
import machine
import speech
import weights
import word_report
from word_clips import Clip, clips
from work import peak_rss_mb, warm_page_cache

ROOT = Path(__file__).resolve().parents[1]
CLIPS = ROOT / "build" / "bench" / "words"
WITH_OURS = ("sottovoce-float32", "sottovoce-float32-fast", "sottovoce-int8", "sottovoce-int8-fast")
WITH_FASTER = (*WITH_OURS, "faster-whisper-float32", "faster-whisper-int8")
ENGINES = {
    "times": (*WITH_FASTER, "whisper.cpp-f16", "whisper.cpp-f16-dtw", "openai-whisper-float32"),
    "cost": WITH_FASTER,
}
LONG = 110  # s of the long recording, for the cost
WARM_UP = 8  # s
MOST_S = 1800  # of one process
TURNS = (False, True, True, False)  # whether with times of words


def listen(engine: engines.Engine, files: list[str]) -> dict[str, Any]:
    """The words of each file: text, start, end."""
    return {"words": [engine.words(speech.read(Path(file)), "en", 1) for file in files]}


def cost(engine: engines.Engine, files: list[str]) -> dict[str, Any]:
    """Seconds of each file, with and without times of words, in the order they were taken."""
    recordings = [speech.read(Path(file)) for file in files]
    calls = {False: engine.transcribe, True: engine.words}
    for call in calls.values():
        call(recordings[0][: WARM_UP * speech.SAMPLE_RATE], "en", 1)
    seconds: dict[bool, list[list[float]]] = {False: [], True: []}
    for with_words in TURNS:
        taken = []
        for samples in recordings:
            started = time.perf_counter()
            calls[with_words](samples, "en", 1)
            taken.append(time.perf_counter() - started)
        seconds[with_words].append(taken)
    return {"without_s": seconds[False], "with_s": seconds[True]}


def run(order: dict[str, Any]) -> dict[str, Any]:
    """One engine's work, in this process."""
    name = order["engine"]
    try:
        engine = engines.create(name, order["threads"])
        path = weights.path_of(order["model"], engines.SPECS[name].weights, Path(order["models"]))
        warm_page_cache(path)
        engine.load(path)
        result = (listen if order["work"] == "times" else cost)(engine, order["files"])
    except engines.UnavailableError as error:
        return {"unavailable": str(error)}
    about = {"version": engine.version(), "settings": engine.settings()}
    return {**result, **about, "peak_rss_mb": peak_rss_mb()}


def run_apart(order: dict[str, Any]) -> dict[str, Any]:
    """The same in a fresh one."""
    command = [sys.executable, __file__, "--models", order["models"], "--order", json.dumps(order)]
    environment = engines.environment_of(order["engine"], order["threads"])
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=MOST_S
    )
    if done.returncode:
        last = (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1]
        if order["engine"].startswith("sottovoce"):  # not to be taken for something that is missing
            raise SystemExit(f"{order['engine']}: {last}")
        return {"unavailable": last}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measured(order: dict[str, Any], args: argparse.Namespace, **head: Any) -> dict[str, Any]:
    """A record of one run, with the machine before and after it."""
    machine.wait_for_quiet(args.patience)
    before, usage = machine.probe(args.threads), machine.Usage.now()
    result = run_apart(order)
    others, after = machine.Usage.now().others_since(usage), machine.probe(args.threads)
    shaken = machine.disturbed(before, after, others)
    what = f"{order['work']} {order['engine']}"
    print(
        f"{what:32} {result.get('unavailable', 'done')}{' (disturbed)' * shaken}", file=sys.stderr
    )
    beside = {"probe_before": before, "probe_after": after, "others": round(others, 3)}
    return {**head, **order, **beside, "disturbed": shaken, **result}


def measure_times(args: argparse.Namespace, head: dict[str, Any]) -> tuple[list[Clip], list[Any]]:
    CLIPS.mkdir(parents=True, exist_ok=True)
    made, files = list(clips(args.dev)), []
    for clip in made:
        files.append(str(CLIPS / f"{clip.name.replace(' ', '_')}.wav"))
        speech.write(Path(files[-1]), clip.samples)
    orders = [order(args, "times", name, files) for name in wanted(args, "times")]
    return made, [measured(o, args, **head) for o in orders]


def measure_cost(args: argparse.Namespace, head: dict[str, Any]) -> list[dict[str, Any]]:
    recordings = speech.prepare(args.dev)
    CLIPS.mkdir(parents=True, exist_ok=True)
    part = CLIPS / "long.wav"
    speech.write(part, speech.read(recordings["long"].path)[: LONG * speech.SAMPLE_RATE])
    files = [str(recordings["short"].path), str(part)]
    names, gone, records = wanted(args, "cost"), set(), []
    for i in range(args.rounds):
        for name in names if i % 2 == 0 else names[::-1]:
            if name not in gone:
                records.append(measured(order(args, "cost", name, files), args, round=i, **head))
                if "unavailable" in records[-1]:
                    gone.add(name)
    return records


def wanted(args: argparse.Namespace, work: str) -> list[str]:
    return [n for n in ENGINES[work] if not args.engines or n in args.engines]


def order(args: argparse.Namespace, work: str, engine: str, files: list[str]) -> dict[str, Any]:
    about = {"engine": engine, "model": args.model, "models": str(args.models)}
    return {"work": work, **about, "threads": args.threads, "files": files}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    dev = os.environ.get("SOTTOVOCE_DEV_DATA")
    parser.add_argument("--models", type=Path, required=True, help="holds tiny.en/ and base/")
    parser.add_argument("--dev", type=Path, default=Path(dev) if dev else None)
    parser.add_argument("--model", default="base", choices=("tiny.en", "base"))
    parser.add_argument("--only", choices=ENGINES, nargs="+", default=list(ENGINES))
    parser.add_argument("--engines", nargs="+", choices=ENGINES["times"])
    parser.add_argument("--rounds", type=int, default=3, help="of the cost")
    parser.add_argument("--threads", type=int, default=machine.n_cores())
    parser.add_argument(
        "--patience", type=float, default=0.0, help="s to wait before a run while others are busy"
    )
    parser.add_argument("--out", type=Path, default=word_report.FILE, help="clips and records")
    parser.add_argument("--order", type=json.loads, help=argparse.SUPPRESS)  # of run_apart()
    args = parser.parse_args()
    if args.order:
        print(json.dumps(run(args.order)))
        return
    kinds = {engines.SPECS[name].weights for work in args.only for name in wanted(args, work)}
    weights.prepare(args.model, args.models, tuple(sorted(kinds)))
    head = {"run": time.strftime("%Y-%m-%dT%H:%M:%S"), "machine": machine.facts()}
    made: list[Clip] = []
    records: list[dict[str, Any]] = []
    if "times" in args.only:
        made, records = measure_times(args, head)
        word_report.write(args.out, made, records)
    if "cost" in args.only:
        records += measure_cost(args, head)
        word_report.write(args.out, made, records)
    print(word_report.told(made, records))


if __name__ == "__main__":
    main()
