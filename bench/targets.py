"""What sottovoce is to reach, one line a target: demanded, aimed at and achieved."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ceiling
import engines
import weights
from records import Records, calm, interval, number, peaks_beside, value_of
from records import table as markdown

TYPES = ("float32", "bfloat16", "int8")
SIZES = ("tiny.en", "base", "small", "turbo")
FASTER_WHISPER = tuple(name for name in engines.PEERS if name.startswith("faster-whisper"))
FASTER_WHISPER_INT8 = tuple(name for name in FASTER_WHISPER if "int8" in name)


@dataclass(frozen=True)
class Demand:
    least: float  # or most, of what is to be small
    aim: float | None = None


# By the key of a target. Speeds: so many times the peer's. Shares: of the peak, or of the roofline.
# Costs: at most so much of the other. Seconds and milliseconds: at most.
DEMANDED = {
    "encode-float32": Demand(1.6, 1.8),
    "encode-bfloat16": Demand(2.5, 3.0),
    "encode-int8": Demand(3.5, 4.2),
    "gemm-float32": Demand(90, 95),
    "gemm-bfloat16": Demand(90, 95),
    "gemm-int8": Demand(85, 95),
    "encoder-float32": Demand(80, 88),
    "encoder-bfloat16": Demand(70, 80),
    "encoder-int8": Demand(60, 70),
    "token-beam1": Demand(1.8, 2.5),
    "beam5-beam1": Demand(1.4, 1.2),
    "batch8-batch1": Demand(0.5, 0.4),
    "short": Demand(4, 5),
    "long": Demand(4, 5),
    "batched": Demand(4, 5),
    "load": Demand(0.15, 0.10),
    "load-packed": Demand(0.05, 0.02),
    "memory": Demand(0.65, 0.5),
    "turbo-encode": Demand(3, 4),
    "p95": Demand(10),  # of every model and search
}


@dataclass(frozen=True)
class Achieved:
    values: list[float]  # of the rounds
    against: str = ""  # what was compared
    n_disturbed: int = 0  # rounds kept although the machine was disturbed
    missing: tuple[str, ...] = ()  # peers that should have been compared and were not to be had


@dataclass(frozen=True)
class Target:
    key: str
    title: str
    at_least: bool  # else: at most
    unit: str  # "x", "%", "s", "ms"
    achieved: Callable[[Records], Achieved | None]

    def demand(self) -> Demand:
        return DEMANDED["p95" if self.key.startswith("p95-") else self.key]

    def verdict(self, value: float) -> str:
        def good(wanted: float | None) -> bool:
            if wanted is None:
                return False
            return value >= wanted if self.at_least else value <= wanted

        demanded = self.demand()
        return "aim" if good(demanded.aim) else "yes" if good(demanded.least) else "no"


def speed(
    field: str, comparison: str, model: str, ours: tuple[str, ...], peers: tuple[str, ...]
) -> Callable[[Records], Achieved | None]:
    """The best peer's time over that of the best of ours."""

    def achieved(records: Records) -> Achieved | None:
        mine = records.best(ours, field, comparison, model)
        theirs = records.best(peers, field, comparison, model)
        if not mine or not theirs:
            return None
        values, n = records.ratios(field, comparison, model, theirs, mine)
        missing = tuple(name for name in peers if records.failed(comparison, model, name))
        return Achieved(values, f"{mine} against {theirs}", n, missing) if values else None

    return achieved


def of_runs(
    runs: list[dict[str, Any]], what: str, value: Callable[[dict[str, Any]], float | None]
) -> Achieved | None:
    """The value of each undisturbed run, or of all, if there is no such run."""
    kept = calm(runs)
    values = [v for r in kept if (v := value(r)) is not None]
    n_disturbed = sum(r["disturbed"] for r in kept)
    return Achieved(values, what, n_disturbed) if values else None


def within(above: str, below: str, model: str) -> Callable[[Records], Achieved | None]:
    """One of our stages over another, of the type whose `below` is fastest."""

    def ratio(run: dict[str, Any]) -> float | None:
        a, b = value_of(run, above), value_of(run, below)
        return a / b if a and b else None

    def achieved(records: Records) -> Achieved | None:
        mine = records.best(engines.OURS, below, "stages", model)
        return of_runs(records.of("stages", model, mine), mine, ratio) if mine else None

    return achieved


def gemm_share(compute_type: str) -> Callable[[Records], Achieved | None]:
    """What all GEMMs of a type would take at the peak measured beside each, over what they took."""

    def share(run: dict[str, Any]) -> float | None:
        gemms = [
            k for k in run["kernels"] if k["type"] == compute_type and k.get("epilogue") == "none"
        ]
        if not gemms or not all(g["peak"] for g in gemms):
            return None
        at_least = sum(g["ms"] * g["gops"] / g["peak"] for g in gemms)
        return 100 * at_least / sum(g["ms"] for g in gemms)

    def achieved(records: Records) -> Achieved | None:
        runs = [r for r in records.all if r["comparison"] == "roofline"]
        return of_runs(runs, "shapes of base and large, without GELU", share)

    return achieved


def encoder_share(compute_type: str, model: str) -> Callable[[Records], Achieved | None]:
    load = ceiling.encode(weights.DIMS[model], compute_type)

    def share(run: dict[str, Any]) -> float:
        at_least = 1000 * load.seconds(compute_type, peaks_beside(run))
        return 100 * at_least / statistics.median(run["encode_ms"])

    def achieved(records: Records) -> Achieved | None:
        comparison = records.stage_comparison(model)
        return of_runs(records.of(comparison, model, f"sottovoce-{compute_type}"), model, share)

    return achieved


def best_figure(
    field: str, comparison: str, model: str, **more: Any
) -> Callable[[Records], Achieved | None]:
    """The least of ours."""

    def achieved(records: Records) -> Achieved | None:
        found = [
            of_runs(
                records.of(comparison, model, engine, **more), engine, lambda r: value_of(r, field)
            )
            for engine in engines.OURS
        ]
        known = [f for f in found if f]
        return min(known, key=lambda f: statistics.median(f.values), default=None)

    return achieved


def memory(comparison: str, model: str) -> Callable[[Records], Achieved | None]:
    """Peak memory of ours in int8 over faster-whisper's."""

    def achieved(records: Records) -> Achieved | None:
        ours, theirs = "sottovoce-int8", "faster-whisper-int8"
        values, _ = records.ratios("peak_rss_mb", comparison, model, ours, theirs)
        # Who else is at work does not change it.
        return Achieved(values, f"{ours} against {theirs}") if values else None

    return achieved


def all_targets() -> list[Target]:
    def types(compute_type: str) -> tuple[str, ...]:
        return (f"sottovoce-{compute_type}",)

    out = [
        Target(
            "encode-float32",
            "encode one window, float32, against CTranslate2 float32",
            True,
            "x",
            speed("encode_ms", "stages", "base", types("float32"), ("faster-whisper-float32",)),
        ),
        *(
            Target(
                f"encode-{kind}",
                f"encode one window, {kind}, against CTranslate2's best type",
                True,
                "x",
                speed("encode_ms", "stages", "base", types(kind), FASTER_WHISPER),
            )
            for kind in ("bfloat16", "int8")
        ),
        *(
            Target(f"gemm-{kind}", f"GEMMs, {kind}: of the peak", True, "%", gemm_share(kind))
            for kind in TYPES
        ),
        *(
            Target(
                f"encoder-{kind}",
                f"whole encoder, {kind}: of the roofline",
                True,
                "%",
                encoder_share(kind, "base"),
            )
            for kind in TYPES
        ),
        Target(
            "token-beam1",
            "ms per token, beam 1, best type against best peer",
            True,
            "x",
            speed("beam1_token_ms", "stages", "base", engines.OURS, engines.PEERS),
        ),
        Target(
            "beam5-beam1",
            "a step of beam 5 over one of beam 1",
            False,
            "x",
            within("beam5_token_ms", "beam1_token_ms", "base"),
        ),
        Target(
            "batch8-batch1",
            "ms per token and window, batch 8 over batch 1",
            False,
            "x",
            within("batch8_token_ms", "beam1_token_ms", "base"),
        ),
        Target(
            "short",
            "whole clip of 11 s, beam 5, against the best peer",
            True,
            "x",
            speed("file_s", "short", "base", engines.OURS, engines.PEERS),
        ),
        Target(
            "long",
            "whole long recording, beam 5, window after window, against the best peer",
            True,
            "x",
            speed("file_s", "long", "base", engines.OURS, engines.PEERS),
        ),
        Target(
            "batched",
            "the same, 8 windows at once, against faster-whisper batched",
            True,
            "x",
            speed("file_s", "batched", "base", engines.OURS, (*FASTER_WHISPER, *engines.VAD)),
        ),
        Target(
            "load",
            "load from the checkpoint, warm page cache, best type",
            False,
            "s",
            best_figure("load_s", "load", "base", packed=False),
        ),
        Target(
            "load-packed",
            "load from the packed cache, warm page cache, best type",
            False,
            "s",
            best_figure("load_s", "load", "base", packed=True),
        ),
        Target(
            "memory",
            "peak memory, int8, long recording, over faster-whisper int8",
            False,
            "x",
            memory("long", "base"),
        ),
        Target(
            "turbo-encode",
            "encode one window, turbo's dimensions, int8, against CTranslate2 int8",
            True,
            "x",
            speed("encode_ms", "random", "turbo", types("int8"), FASTER_WHISPER_INT8),
        ),
    ]
    for search, name in (("beam1", "greedy"), ("beam5", "beam 5")):
        for model in SIZES:
            comparison = "random" if model in weights.RANDOM else "stages"
            field = f"latency_ms.{search}_token_ms.p95"
            out.append(
                Target(
                    f"p95-{model}-{search}",
                    f"p95 latency of a token, {model}, {name}, best type",
                    False,
                    "ms",
                    best_figure(field, comparison, model),
                )
            )
    return out


def table(records: Records) -> str:
    """Markdown.

    A verdict has a question mark if it is from disturbed runs alone or fewer than three, if the
    interval does not settle it, or if a peer is missing.
    """
    rows = []
    for target in all_targets():
        found = target.achieved(records)
        demanded = target.demand()
        sign = "at least" if target.at_least else "at most"
        wanted = f"{sign} {number(demanded.least)} {target.unit}"
        aim = "" if demanded.aim is None else f"{number(demanded.aim)} {target.unit}"
        if found is None:
            rows.append([target.title, wanted, aim, "not measured", "", "", ""])
            continue
        middle = statistics.median(found.values)
        low, high = interval(found.values)
        settled = len({target.verdict(value) == "no" for value in (low, middle, high)}) == 1
        sure = settled and len(found.values) >= 3 and not found.n_disturbed and not found.missing
        reached = target.verdict(middle) + "?" * (not sure)
        spread = f"{number(low)} to {number(high)}, n = {len(found.values)}"
        spread += f", {found.n_disturbed} disturbed" * (found.n_disturbed > 0)
        spread += "".join(f", without {name}" for name in found.missing)
        achieved = f"{number(middle)} {target.unit}"
        rows.append([target.title, wanted, aim, achieved, spread, reached, found.against])
    head = ["target", "demanded", "aim", "achieved", "95 % interval", "reached", "what"]
    return markdown(head, rows)
