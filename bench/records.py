"""Records of runs, found by what was measured, and the statistics of them.

A figure of a run is the median of its repetitions; a figure of an engine the median of its runs. A
ratio is taken within a round: both engines in the same passage, there or back. Runs and rounds in
which the machine was disturbed are left out, unless nothing else was recorded. A share of a peak is
taken within a run too: clocks change from minute to minute.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterable
from typing import Any

import engines
import weights


def interval(values: list[float]) -> tuple[float, float]:
    """95 % bootstrap interval of the median."""
    draw = random.Random(0)
    medians = sorted(statistics.median(draw.choices(values, k=len(values))) for _ in range(2000))
    return medians[50], medians[1949]


def calm(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that nothing disturbed; all, if there is none."""
    return [r for r in runs if not r["disturbed"]] or runs


class Records:
    """What was recorded, found by what was measured."""

    def __init__(self, records: Iterable[dict[str, Any]]) -> None:
        self.all = list(records)
        self.runs = [r for r in self.all if "engine" in r and "unavailable" not in r]

    def of(self, comparison: str, model: str, engine: str, **more: Any) -> list[dict[str, Any]]:
        wanted = {"comparison": comparison, "model": model, "engine": engine, **more}
        return [r for r in self.runs if all(r.get(k) == v for k, v in wanted.items())]

    def failed(self, comparison: str, model: str, engine: str) -> bool:
        """Whether an engine that has runs of this, or should, was not to be had for one."""
        wanted = {"comparison": comparison, "model": model, "engine": engine}
        return any(
            "unavailable" in r for r in self.all if all(r.get(k) == v for k, v in wanted.items())
        )

    def stage_comparison(self, model: str) -> str:
        return "random" if model in weights.RANDOM else "stages"

    def figure(self, field: str, comparison: str, model: str, engine: str, **more: Any) -> float:
        """The median over runs of a field (of its median, if it is a list); NaN if there is none.

        A dotted field looks into an object: "latency_ms.beam1_token_ms.p95".
        """
        found = [value_of(r, field) for r in calm(self.of(comparison, model, engine, **more))]
        known = [value for value in found if value is not None]
        return statistics.median(known) if known else float("nan")

    def told(
        self, field: str, comparison: str, model: str, engine: str, unit: str = "", **more: Any
    ) -> str:
        """The same as text, with its interval; empty if there is none."""
        found = [value_of(r, field) for r in calm(self.of(comparison, model, engine, **more))]
        return with_interval([value for value in found if value is not None], unit)

    def machines(self) -> list[dict[str, Any]]:
        """The CPUs that something was recorded on, with the number of cores."""
        found = {(r["machine"]["cpu"], r["machine"]["n_cores"]): r["machine"] for r in self.all}
        return list(found.values())

    def on(self, machine: dict[str, Any]) -> Records:
        """What was recorded there."""
        kinds = ("cpu", "n_cores")
        return Records(r for r in self.all if all(r["machine"][k] == machine[k] for k in kinds))

    def engines(self, comparison: str, model: str, field: str) -> list[str]:
        """Those that have the figure, in the order of engines.SPECS."""
        return [
            name
            for name in engines.SPECS
            if any(value_of(r, field) is not None for r in self.of(comparison, model, name))
        ]

    def best(self, among: Iterable[str], field: str, comparison: str, model: str) -> str | None:
        known = [e for e in self.engines(comparison, model, field) if e in set(among)]
        return min(known, key=lambda e: self.figure(field, comparison, model, e), default=None)

    def ratios(
        self, field: str, comparison: str, model: str, above: str, below: str, **more: Any
    ) -> tuple[list[float], int]:
        """Of each round, above / below; and how many rounds were disturbed but kept."""
        pairs = []
        under = {r["run"] + str(r["round"]): r for r in self.of(comparison, model, below, **more)}
        for r in self.of(comparison, model, above, **more):
            other = under.get(r["run"] + str(r["round"]))
            a, b = (value_of(x, field) if x else None for x in (r, other))
            if a is not None and b:
                assert other
                pairs.append((a / b, r["disturbed"] or other["disturbed"]))
        undisturbed = [ratio for ratio, disturbed in pairs if not disturbed]
        if undisturbed:
            return undisturbed, 0
        return [ratio for ratio, _ in pairs], len(pairs)


def peaks_beside(run: dict[str, Any]) -> dict[str, float]:
    """The machine's peaks on all threads, the mean of the probes before and after a run.

    1e9 operations or bytes a second; 0 for a type that this CPU has no instruction for.
    """
    before, after = run["probe_before"]["all"], run["probe_after"]["all"]
    return {kind: (before[kind] + after[kind]) / 2 for kind in before}


def value_of(record: dict[str, Any], field: str) -> float | None:
    value: Any = record
    for part in field.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, list):
        return statistics.median(value) if value else None
    return value


def name_of(machine: dict[str, Any], runs: list[dict[str, Any]]) -> str:
    """A CPU, its cores and the peaks beside the runs, medians."""
    text = f"{machine['cpu']}, {machine['n_cores']} cores"
    if not runs:
        return text
    beside = [peaks_beside(run) for run in runs]
    peaks = {kind: number(statistics.median(p[kind] for p in beside)) for kind in beside[0]}
    gops = ", ".join(f"{kind} {peaks[kind]}" for kind in ("float32", "bfloat16", "int8"))
    return f"{text}; peaks {gops} G operations/s, DRAM {peaks['dram']} GB/s"


def with_interval(values: list[float], unit: str = "") -> str:
    """The median and, of more than one, its interval."""
    if not values:
        return ""
    middle, (low, high) = statistics.median(values), interval(values)
    spread = f" ({number(low)} to {number(high)})" if len(values) > 1 else ""
    return number(middle) + unit + spread


def number(value: float | None, digits: int = 3) -> str:
    if value is None or value != value:
        return ""
    return f"{value:.{digits}g}" if abs(value) < 100 else f"{value:.0f}"


def table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
