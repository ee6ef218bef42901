"""Measures sottovoce and its peers: python bench/run.py --models DIR [--readme] [--only WORK ...]

Every run is a process of its own (work.py). The engines of a comparison take turns, there and back
(A B C C B A), with a probe of the machine's peaks before and after each run; what a run gave is a
line of JSON in --out, which begins anew unless --append is given. report.py makes tables and plots
of it.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import engines
import machine
import speech
import weights
from work import Order

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "build" / "bench" / "records.jsonl"
# In every plan; PyTorch and CTranslate2's other GEMM, rarely the best peer, in the longest alone.
FAST = tuple(name for name in (*engines.OURS, *engines.PEERS) if not engines.SPECS[name].n_rounds)
BATCHED = (*(n for n in FAST if n.startswith(("sottovoce", "faster-whisper"))), *engines.VAD)
MOST_S = 900  # of one process
README = (*engines.OURS, "faster-whisper-int8", "faster-whisper-float32", "whisper.cpp-q8_0")
SLOW = ("openai-whisper-float32", "transformers-float32")  # in README's table without the long file
WORKS = ("roofline", "load", "encode", "stages", "short", "long", "batched", "many", "random")


@dataclass(frozen=True)
class Comparison:
    """One work for several engines that take turns."""

    name: str  # of WORKS
    order: Order  # but for the engine
    engines: tuple[str, ...]
    n_rounds: int


def plan(args: argparse.Namespace, recordings: dict[str, speech.Recording]) -> Iterator[Comparison]:
    thorough = not args.quick and not args.targets
    every = (*engines.OURS, *engines.PEERS) if thorough else FAST
    few, many = (4, 6) if thorough else (2, 2) if args.quick else (3, 5)
    sizes = ("base", "tiny.en") if thorough else ("base",)
    n_times, most_s = (5, 8.0) if thorough else (3, 3.0)

    def order(work: str, model: str, recording: str = "", **more: Any) -> Order:
        more = {"n_times": n_times, "most_s": most_s, **more}
        path = str(recordings[recording].path) if recording else ""
        return Order("", work, model, str(args.models), args.threads, path, **more)

    whole = {"n_times": 1, "most_s": 0.0}
    cuts = recordings["long"].cuts
    batched = order("file", "base", "long", windows="independent", cuts=cuts, **whole)
    if args.readme:
        yield Comparison("encode", order("encode", "base", "long"), (*README, *SLOW), 5)
        yield Comparison("short", order("file", "base", "short"), (*README, *SLOW), 5)
        yield Comparison("long", order("file", "base", "long", **whole), README, 3)
        yield Comparison("batched", batched, BATCHED, 3)
        return
    stages_of_random = {"n_times": 3, "n_tokens": 32}
    for model in sizes:
        loaders = (*engines.OURS, *(n for n in FAST if n not in engines.OURS))
        yield Comparison("load", order("load", model), loaders, few)
        yield Comparison("load", order("load", model, packed=True), engines.OURS, few)
        variants = tuple(n for n in engines.VARIANTS if n in (args.engines or ()))
        yield Comparison("stages", order("stages", model, "long"), (*every, *variants), few)
        yield Comparison("short", order("file", model, "short"), every, many)
    if thorough:
        yield Comparison("long", order("file", "base", "long", **whole), every, few)
        yield Comparison("batched", batched, BATCHED, few)
        yield Comparison("many", order("many", "base", "long", **whole), engines.OURS, few)
        for model in weights.RANDOM:
            asked = order("stages", model, "long", **stages_of_random)
            yield Comparison("random", asked, every, 2)
    if args.targets:
        # Latencies of our tokens on models that the peers are not compared on.
        yield Comparison("stages", order("stages", "tiny.en", "long"), engines.OURS, 3)
        yield Comparison("long", order("file", "base", "long", **whole), FAST, 3)
        yield Comparison("batched", batched, BATCHED, 3)
        compared = ("sottovoce-int8", "faster-whisper-int8")
        for model, names in (("small", engines.OURS), ("turbo", compared)):
            asked = order("stages", model, "long", **stages_of_random)
            yield Comparison("random", asked, names, 3)


def run_one(order: Order) -> dict[str, Any]:
    command = [sys.executable, str(HERE / "work.py"), json.dumps(dataclasses.asdict(order))]
    environment = engines.environment_of(order.engine, order.threads)
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=MOST_S
        )
    except subprocess.TimeoutExpired:
        return {"unavailable": f"not done after {MOST_S} s"}
    if done.returncode:
        last = (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1]
        if order.engine not in engines.PEERS:  # not to be taken for something that is missing
            raise SystemExit(f"{order.engine}, {order.work} of {order.model}: {last}")
        return {"unavailable": last}
    return json.loads(done.stdout.splitlines()[-1])


def compare(comparison: Comparison, args: argparse.Namespace, head: dict[str, Any]) -> None:
    names, n_rounds = comparison.engines, args.rounds or comparison.n_rounds
    gone = set()  # engines that cannot do this
    for name in names if comparison.order.packed else ():
        run_one(dataclasses.replace(comparison.order, engine=name))  # makes the cache
    before = machine.probe(args.threads)
    for i in range(n_rounds):
        turn = [n for n in names if i < (engines.SPECS[n].n_rounds or n_rounds)]
        for name in turn if i % 2 == 0 else turn[::-1]:
            if name in gone:
                continue
            if machine.wait_for_quiet(args.patience):
                before = machine.probe(args.threads)
            usage = machine.Usage.now()
            order = dataclasses.replace(comparison.order, engine=name)
            result = run_one(order)
            others = machine.Usage.now().others_since(usage)
            after = machine.probe(args.threads)
            record = {
                **head,
                "comparison": comparison.name,
                "round": i,
                **dataclasses.asdict(order),
                "probe_before": before,
                "probe_after": after,
                "others": round(others, 3),
                "disturbed": machine.disturbed(before, after, others),
                **result,
            }
            before = after
            with args.out.open("a", encoding="utf-8") as out:
                out.write(json.dumps(record) + "\n")
            if "unavailable" in result:
                gone.add(name)
            say(record)


def kernels(args: argparse.Namespace, head: dict[str, Any]) -> None:
    machine.wait_for_quiet(args.patience)
    before, usage = machine.probe(args.threads), machine.Usage.now()
    found = machine.roofline(args.threads)
    others, after = machine.Usage.now().others_since(usage), machine.probe(args.threads)
    shaken = machine.disturbed(before, after, others)
    record = {
        **head,
        "comparison": "roofline",
        "kernels": found,
        "probe_before": before,
        "probe_after": after,
        "disturbed": shaken,
    }
    with args.out.open("a", encoding="utf-8") as out:
        out.write(json.dumps(record) + "\n")
    print(f"roofline{' (disturbed)' * shaken}", flush=True)


def say(record: dict[str, Any]) -> None:
    figure = record.get("unavailable") or ", ".join(
        f"{name} {statistics.median(record[name]):.4g}"
        for name in (
            "file_s",
            "many_s",
            "alone_s",
            "encode_ms",
            "beam1_token_ms",
            "beam5_token_ms",
            "batch8_token_ms",
        )
        if record.get(name)
    )
    figure = figure or f"load_s {record['load_s']:.3g}"
    what = f"{record['comparison']} {record['model']} {record['engine']}"
    print(f"{what:48} {figure}{' (disturbed)' * record['disturbed']}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=Path, required=True, help="holds tiny.en/ and base/")
    parser.add_argument("--dev", type=Path, default=os.environ.get("SOTTOVOCE_DEV_DATA"))
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--quick", action="store_true", help="base alone, fast peers, few rounds")
    extent.add_argument("--readme", action="store_true", help="what README's table shows, no more")
    extent.add_argument("--targets", action="store_true", help="what targets.py asks for, no more")
    parser.add_argument("--only", nargs="+", choices=WORKS, default=WORKS)
    parser.add_argument("--model", dest="names", nargs="+", choices=weights.DIMS)
    parser.add_argument("--engines", nargs="+", choices=engines.SPECS)
    parser.add_argument("--rounds", type=int, help="instead of the plan's own")
    parser.add_argument("--threads", type=int, default=machine.n_cores())
    parser.add_argument(
        "--patience", type=float, default=0.0, help="s to wait before a run while others are busy"
    )
    parser.add_argument("--out", type=Path, default=OUT, help="records, a line each")
    parser.add_argument("--append", action="store_true", help="to the records that are there")
    args = parser.parse_args()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    recordings = speech.prepare(Path(args.dev) if args.dev else None)
    comparisons = [
        dataclasses.replace(
            c, engines=tuple(n for n in c.engines if not args.engines or n in args.engines)
        )
        for c in plan(args, recordings)
        if c.name in args.only and (not args.names or c.order.model in args.names)
    ]
    for model in dict.fromkeys(c.order.model for c in comparisons):
        kinds = {engines.SPECS[n].weights for c in comparisons for n in c.engines}
        command = [sys.executable, str(HERE / "weights.py"), "--models", str(args.models), model]
        subprocess.run([*command, "--kinds", *sorted(kinds)], check=True)
    if args.out.exists() and not args.append:
        args.out.replace(args.out.with_suffix(".old"))
    started = time.strftime("%Y-%m-%dT%H:%M:%S")
    head = {"run": started, "machine": machine.facts()}
    wants_roofline = "roofline" in args.only and not args.readme
    for _ in range(0 if not wants_roofline else 1 if args.quick or args.rounds else 3):
        kernels(args, head)
    for comparison in comparisons:
        compare(comparison, args, head)


if __name__ == "__main__":
    main()
