"""Tables and plots of what run.py recorded: python bench/report.py [--records FILE] [--out DIR]

Writes report.md and SVG plots into DIR, a part for each CPU in the records; with --readme it prints
README's table instead. How figures, intervals and ratios come about: records.py.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ceiling
import engines
import plot
import speech
import targets
import weights
from records import Records, calm, interval, name_of, number, peaks_beside, table, value_of
from run import README, SLOW
from work import BATCH

OUT = Path(__file__).resolve().parents[1] / "build" / "bench"
STAGES = {
    "log_mel_ms": "log-mel",
    "encode_ms": "encode",
    "first_token_ms": "first token",
    "beam1_token_ms": "token, beam 1",
    "beam5_token_ms": "step, beam 5",
    "batch8_token_ms": f"token and window, batch {BATCH}",
}


def about(records: Records) -> str:
    machine = records.all[0]["machine"]
    probes = [r["probe_after"]["all"] for r in records.runs]
    rows = []
    units = {"float32": "GFLOP/s", "bfloat16": "GFLOP/s", "int8": "GOP/s"}
    for kind, unit in {**units, "dram": "GB/s", "cache": "GB/s"}.items():
        values = sorted(p[kind] for p in probes)
        middle = statistics.median(values)
        row = [kind, number(values[0]), number(middle), number(values[-1]), unit]
        rows.append(row)
    n_disturbed = sum(r["disturbed"] for r in records.runs)
    threads = sorted({r["threads"] for r in records.runs})
    versions = {}
    for r in records.runs:
        settings = ", ".join(f"{k}={v}" for k, v in r["settings"].items() if k != "system")
        versions[r["engine"]] = [r["engine"], r["version"], settings]
    lines = [
        f"{machine['cpu']}, {machine['n_cores']} cores, {machine['system']}; "
        f"sottovoce {machine['commit']}; {', '.join(map(str, threads))} threads; "
        f"{records.all[0]['run']}. {len(records.runs)} runs, {n_disturbed} of them disturbed "
        "(float32's peak moved by 5 %, DRAM's by 20 %, or others used 5 % of the machine).",
        table(["peak, all threads", "least", "median", "most", ""], rows),
        table(["engine", "version", "settings"], [versions[e] for e in sorted(versions)]),
    ]
    return "\n\n".join(lines)


def stage_table(records: Records, model: str) -> str:
    """Milliseconds with intervals, and the share of the roofline."""
    comparison = records.stage_comparison(model)
    rows = []
    for engine in records.engines(comparison, model, "encode_ms"):
        compute_type = engines.SPECS[engine].compute_type
        shares: dict[str, list[float]] = {field: [] for field in STAGES}
        for run in calm(records.of(comparison, model, engine)):
            peaks = peaks_beside(run)
            least = ceiling.stages_ms(weights.DIMS[model], compute_type, peaks, BATCH)
            for field, value in least.items():
                if taken := value_of(run, field):
                    shares[field].append(100 * value / taken)
        row = [engine]
        for field in STAGES:
            share = f", {statistics.median(shares[field]):.0f} %" if shares[field] else ""
            row.append(records.told(field, comparison, model, engine) + share)
        rows.append([*row, number(records.figure("peak_rss_mb", comparison, model, engine))])
    return table(["engine", *(f"{name}, ms" for name in STAGES.values()), "peak MB"], rows)


def latency_table(records: Records) -> str:
    rows = []
    for model in weights.DIMS:
        comparison = records.stage_comparison(model)
        for engine in engines.OURS:
            for search in ("beam1", "beam5", "batch8"):
                field = f"latency_ms.{search}_token_ms"
                values = [
                    records.figure(f"{field}.{q}", comparison, model, engine)
                    for q in ("p50", "p95", "max")
                ]
                if values[0] == values[0]:
                    rows.append([model, engine, search, *map(number, values)])
    return table(["model", "engine", "search", "p50 ms", "p95 ms", "max ms"], rows)


def load_table(records: Records) -> str:
    rows = []
    for model in weights.DIMS:
        for packed in (False, True):
            for engine in records.engines("load", model, "load_s"):
                more = {"packed": packed}
                if records.of("load", model, engine, **more):
                    figures = [
                        records.told(f, "load", model, engine, **more)
                        for f in ("load_s", "import_s", "peak_rss_mb")
                    ]
                    source = "packed cache" if packed else "checkpoint"
                    rows.append([model, engine, source, *figures])
    return table(["model", "engine", "from", "load s", "import s", "peak MB"], rows)


def file_table(records: Records, name: str, model: str, score: Callable[..., Any]) -> str:
    rows = []
    ours = records.best(engines.OURS, "file_s", name, model)
    for engine in records.engines(name, model, "file_s"):
        runs = records.of(name, model, engine)
        seconds = records.figure("file_s", name, model, engine)
        ratio = ""
        if ours and engine != ours:
            values, n_kept = records.ratios("file_s", name, model, engine, ours)
            low, high = interval(values) if values else (float("nan"),) * 2
            middle = statistics.median(values) if values else float("nan")
            ratio = f"{middle:.2f} ({low:.2f} to {high:.2f}){'*' * (n_kept > 0)}"
        tokens, rate = score(name, model, runs[-1]["text"])
        rows.append(
            [
                engine,
                records.told("file_s", name, model, engine),
                number(runs[-1]["audio_s"] / seconds),
                ratio or "1",
                str(tokens),
                "" if rate is None else f"{rate:.1f}",
                number(records.figure("peak_rss_mb", name, model, engine)),
            ]
        )
    head = ["engine", "seconds", "x real time", f"time / {ours}'s", "tokens", "WER %", "peak MB"]
    return table(head, rows)


def many_table(records: Records) -> str:
    """Recordings side by side; an engine's own ratio is taken within a run."""
    rows = []
    for engine in records.engines("many", "base", "many_s"):
        runs = calm(records.of("many", "base", engine))
        alone, together = (
            [value_of(r, field) or float("nan") for r in runs] for field in ("alone_s", "many_s")
        )
        ratios = [a / b for a, b in zip(alone, together, strict=True)]
        middles = (number(statistics.median(values)) for values in (alone, together, ratios))
        rows.append([engine, *middles])
    return table(["engine", "one by one, s", "side by side, s", "ratio"], rows)


def kernel_table(records: Records) -> str:
    def named(kernel: dict[str, Any]) -> str:
        if "attention" in kernel:
            return f"{kernel['attention']} attention"
        return kernel["gemm"] + ", GELU" * (kernel["epilogue"] == "gelu")

    runs = calm([r for r in records.all if r["comparison"] == "roofline"])
    rows = [
        [
            named(k),
            k["type"],
            *(str(k.get(key, "")) for key in ("n", "k")),
            *(number(k[key]) for key in ("ms", "gops")),
            f"{100 * k['share']:.0f} %" if k["peak"] else "",
        ]
        for k in (runs[-1]["kernels"] if runs else ())
    ]
    return table(["1500 rows", "type", "n", "k", "ms", "GOP/s", "of the peak"], rows)


def scorer(models: Path | None) -> Callable[..., tuple[int | str, float | None]]:
    """Tokens (the model's own vocabulary) and word error rate of a whole file's text."""
    import scoring

    known_files = speech.REFERENCES
    references = json.loads(known_files.read_text(encoding="utf-8")) if known_files.exists() else {}
    split = scoring.splitter() if references else None

    def score(name: str, model: str, text: str) -> tuple[int | str, float | None]:
        known = references.get("short" if name == "short" else "long")
        rate = None
        if known and split:
            said, words = (split(t, known["language"]) for t in (known["reference"], text))
            rate = 100 * scoring.word_errors(said, words) / len(said)
        if models is None or not (models / model / "tokenizer.json").is_file():
            return "", rate
        import tokenizers

        words = tokenizers.Tokenizer.from_file(str(models / model / "tokenizer.json"))
        return len(words.encode(text, add_special_tokens=False)), rate

    return score


def readme_table(records: Records, score: Callable[..., Any]) -> str:
    """README's own: base, medians and their intervals; disturbed figures have an asterisk."""

    def cell(field: str, name: str, engine: str, unit: str) -> str:
        text = records.told(field, name, "base", engine, unit)
        runs = calm(records.of(name, "base", engine))
        return text + "*" * any(r["disturbed"] for r in runs if value_of(r, field) is not None)

    rows = []
    for engine in (*README, *SLOW):
        batched = cell("file_s", "batched", engine, " s")
        if by_default := cell("file_s", "batched", f"{engine}-vad", " s"):
            batched += f"; by default {by_default}"
        found = [
            cell("encode_ms", "encode", engine, " ms"),
            cell("file_s", "short", engine, " s"),
            cell("file_s", "long", engine, " s"),
            batched,
            cell("peak_rss_mb", "long", engine, " MB"),
        ]
        if any(found):
            rows.append([engine, *found])
    (machine,) = records.machines()
    head = [f"base, beam 5, temperature 0; {name_of(machine, records.runs)}", "encode 30 s"]
    head += ["11 s", "the long recording", f"the same, {BATCH} windows at once", "peak, long"]
    wrong = []
    for name in ("long", "batched"):
        for engine in records.engines(name, "base", "file_s"):
            _, rate = score(name, "base", records.of(name, "base", engine)[-1]["text"])
            wrong += [] if rate is None else [f"{name} {engine} {rate:.1f}"]
    versions = {r["engine"]: r["version"] for r in records.runs if r["engine"] in (*README, *SLOW)}
    notes = [
        "Words wrong, %: " + ", ".join(wrong) if wrong else "",
        ", ".join(f"{engine} {version}" for engine, version in sorted(versions.items())),
        f"sottovoce {machine['commit']}, {records.all[0]['run']}, {len(records.runs)} runs.",
    ]
    return "\n\n".join([table(head, rows), *filter(None, notes)])


# --- all of it ------------------------------------------------------------------------------------


def part_of(
    records: Records, machine: dict[str, Any], score: Callable[..., Any], out: Path, suffix: str
) -> list[str]:
    """What was recorded on one machine; the names of its plots end in `suffix`."""

    def plotted(name: str, title: str, figures: list[tuple[str, float]]) -> str:
        plot.bars(out / f"{name}{suffix}.svg", title, figures)
        return f"![{title}]({name}{suffix}.svg)"

    def heading(title: str, runs: list[dict[str, Any]]) -> list[str]:
        return [f"## {title}", name_of(machine, runs)]

    parts = [f"# Measured on {machine['cpu']}", about(records), "## Targets"]
    parts.append(targets.table(records))
    for model in weights.DIMS:
        comparison = records.stage_comparison(model)
        if known := records.engines(comparison, model, "encode_ms"):
            kind = "random weights" if model in weights.RANDOM else "real weights"
            runs = [r for e in known for r in records.of(comparison, model, e)]
            figures = [(e, records.figure("encode_ms", comparison, model, e)) for e in known]
            parts += [*heading(f"Stages, {model} ({kind})", runs), stage_table(records, model)]
            parts.append(plotted(f"encode-{model}", f"encode one window, {model}, ms", figures))
    for name, title in (
        ("short", "a clip of 11 s, beam 5"),
        ("long", "a recording, beam 5, window after window"),
        ("batched", f"the same, independent windows, {BATCH} at once"),
    ):
        for model in weights.DIMS:
            if known := records.engines(name, model, "file_s"):
                runs = [r for e in known for r in records.of(name, model, e)]
                figures = [(e, records.figure("file_s", name, model, e)) for e in known]
                parts += heading(f"{model}: {title}", runs)
                parts.append(file_table(records, name, model, score))
                parts.append(plotted(f"{name}-{model}", f"{model}: {title}, s", figures))
    if records.engines("many", "base", "many_s"):
        parts += [f"## base: {BATCH} recordings of 30 s, beam 5", many_table(records)]
    parts += ["## Latency of a step", latency_table(records)]
    parts += ["## Loading, warm page cache", load_table(records)]
    parts += ["## Kernels of the core", kernel_table(records)]
    missing = {
        f"- {r['comparison']} {r['model']} {r['engine']}"
        + f"{', packed' * r['packed']}: {r['unavailable']}"
        for r in records.all
        if "unavailable" in r
    }
    if missing:
        parts += ["## Not to be had", "\n".join(sorted(missing))]
    return parts


def accuracy_part() -> list[str]:
    """Of the gate, if it was run."""
    path = OUT / "accuracy.json"
    if not path.exists():
        return []
    from accuracy import table as accuracy_table

    found = json.loads(path.read_text(encoding="utf-8"))
    gate = "open" if found["passed"] else "shut: " + "; ".join(found["failures"])
    title = f"# Accuracy ({found['machine']['commit']})"
    return [title, accuracy_table(found["rows"]), f"The gate is {gate}."]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=Path, nargs="+", default=[OUT / "records.jsonl"])
    parser.add_argument("--models", type=Path, help="whose vocabularies count tokens")
    parser.add_argument("--readme", action="store_true", help="print README's table, no more")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    lines = [line for path in args.records for line in path.read_text().splitlines()]
    records = Records(map(json.loads, lines))
    if not records.runs:
        raise SystemExit("no runs recorded")
    score = scorer(args.models)
    machines = [(machine, records.on(machine)) for machine in records.machines()]
    if args.readme:
        print("\n\n".join(readme_table(of, score) for _, of in machines if of.runs))
        return
    parts = []
    for i, (machine, of_machine) in enumerate(machines):
        if of_machine.runs:
            parts += part_of(of_machine, machine, score, args.out, f"-{i + 1}" if i else "")
    path = args.out / "report.md"
    path.write_text("\n\n".join([*parts, *accuracy_part()]) + "\n", encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
