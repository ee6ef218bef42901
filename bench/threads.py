"""The pool against OpenMP: python bench/threads.py --models DIR [--rounds N]

A table of milliseconds, base in int8: a window through the encoder, and a token (one step of one
row), for a model with threads of its own and for one that computes on the caller's OpenMP team.
Alone; with two busy processes a core; and in a process that uses PyTorch as well: a product of
matrices before every call of ours, or products all the time on another thread. PyTorch's wheel and
our module ask for the same libgomp.so.1, so both have the teams of one runtime.

Every run is a process of its own, in turn, there and back. A figure is the median over the rounds
of a run's mean: what a stalled step costs is part of it. Where PyTorch is missing, its lines are.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import engines
import machine
import numpy as np
import weights

KINDS = {"pool": "sottovoce-int8", "openmp": "sottovoce-int8-openmp"}  # engines
MODEL = "base"
N_WINDOWS, N_TOKENS = 6, 96
MOST_S = 12.0  # of either measurement in a run
SIDE = 512  # of PyTorch's matrices: some milliseconds a product


@dataclass(frozen=True)
class Situation:
    name: str
    torch: str = ""  # "between" our calls, or "alongside" them
    busy: bool = False


SITUATIONS = (
    Situation("alone"),
    Situation("two busy processes a core", busy=True),
    Situation("PyTorch between calls", "between"),
    Situation("PyTorch on another thread", "alongside"),
)


@contextmanager
def beside_torch(how: str, threads: int) -> Iterator[Callable[[], object]]:
    """What to call before every measurement; while it lasts, PyTorch computes as `how` says."""
    if not how:
        yield lambda: None
        return
    import torch

    torch.set_num_threads(threads)
    matrix = torch.rand(SIDE, SIDE)
    if how == "between":
        yield lambda: matrix @ matrix
        return
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            matrix @ matrix

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield lambda: None
    finally:
        stop.set()
        thread.join()


def mean_ms(call: Callable[[], object], before: Callable[[], object], n: int) -> float:
    """Of n calls, or as many as MOST_S allows; `before` each of them is not counted."""
    times: list[float] = []
    give_up = time.perf_counter() + MOST_S
    while len(times) < n and time.perf_counter() < give_up:
        before()
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return 1000 * statistics.mean(times)


def measure(kind: str, how: str, threads: int, models: Path) -> dict[str, Any]:
    """One run, in this process."""
    adapter: Any = engines.create(KINDS[kind], threads)
    adapter.load(weights.path_of(MODEL, "ctranslate2", models))
    core = adapter.model.core
    noise = np.random.default_rng(0).standard_normal(30 * 16000, dtype=np.float32) / 9
    mel = adapter.log_mel(noise)
    features = core.encode(mel)  # to warm up, like the step
    state = core.new_state([features], 1)
    state.step([[adapter.model.tokenizer.special.sot]])
    with beside_torch(how, threads) as before:
        window_ms = mean_ms(lambda: core.encode(mel), before, N_WINDOWS)
        token_ms = mean_ms(lambda: state.step([[11]]), before, N_TOKENS)
    maps = Path("/proc/self/maps").read_text(encoding="utf-8")
    libgomps = sorted(set(re.findall(r"(\S*libgomp\S*)", maps)))
    return {"window_ms": window_ms, "token_ms": token_ms, "libgomp": libgomps}


@contextmanager
def busy_processes(n: int) -> Iterator[None]:
    command = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(command) for _ in range(n)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def run(kind: str, situation: Situation, args: argparse.Namespace) -> dict[str, Any]:
    """One run, in a process of its own."""
    order = {"kind": kind, "how": situation.torch, "threads": args.threads}
    command = [sys.executable, __file__, "--models", str(args.models), "--order", json.dumps(order)]
    environment = engines.environment_of(KINDS[kind], args.threads)
    with busy_processes(2 * machine.n_cores() if situation.busy else 0):
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def line_of(name: str, runs: dict[str, list[dict[str, Any]]]) -> str:
    """A line of the table: token and window by the pool, the same by OpenMP."""
    cells = [
        f"{statistics.median(run[figure] for run in runs[kind]):.3g}"
        for figure in ("token_ms", "window_ms")
        for kind in KINDS
    ]
    return f"| {name} | {' | '.join(cells)} |"


def has_torch() -> bool:
    command = [sys.executable, "-c", "import torch"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=Path, required=True, help="holds base/")
    parser.add_argument("--threads", type=int, default=machine.n_cores())
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--order", type=json.loads, help=argparse.SUPPRESS)  # of run()
    args = parser.parse_args()
    if args.order:
        print(json.dumps(measure(**args.order, models=args.models)))
        return
    situations = [s for s in SITUATIONS if not s.torch or has_torch()]
    found: dict[Situation, dict[str, list[dict[str, Any]]]]
    found = {situation: {kind: [] for kind in KINDS} for situation in situations}
    usage = machine.Usage.now()
    for i in range(args.rounds):
        for situation in situations:
            for kind in tuple(KINDS)[:: 1 if i % 2 == 0 else -1]:
                result = run(kind, situation, args)
                found[situation][kind].append(result)
                about = {**dataclasses.asdict(situation), "kind": kind, **result}
                print(json.dumps(about), file=sys.stderr, flush=True)
    others = machine.Usage.now().others_since(usage)
    print(f"{machine.facts()['cpu']}, {args.threads} threads; others used {others:.0%} meanwhile\n")
    print("| ms | token, pool | token, OpenMP | window, pool | window, OpenMP |")
    print("|---|---|---|---|---|")
    for situation in situations:
        print(line_of(situation.name, found[situation]))


if __name__ == "__main__":
    main()
