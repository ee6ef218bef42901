"""Tables of what word_times.py measured, and its file: python bench/word_report.py [FILE]"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from records import calm, name_of, number, table, with_interval
from speech import SAMPLE_RATE
from word_clips import Clip, Word
from word_match import LONG_GAP, WITHIN, Errors, Heard

FILE = Path(__file__).resolve().parents[1] / "build" / "bench" / "words.json"
EDGES = ("start", "end")
Found = dict[str, list[Heard]]  # of each engine, a clip each
Chosen = list[set[int]]  # indices of words said, of each clip


def heard_by(clips: Sequence[Clip], records: Sequence[dict[str, Any]]) -> Found:
    return {
        r["engine"]: [
            Heard.of(clip, [Word(*word) for word in words])
            for clip, words in zip(clips, r["words"], strict=True)
        ]
        for r in records
        if "words" in r
    }


def common(found: Found) -> Chosen:
    """Words that every engine heard."""
    every = zip(*found.values(), strict=True)
    return [set.intersection(*(set(heard.pairs) for heard in of_clip)) for of_clip in every]


def errors(heard: Sequence[Heard], edge: str, among: Sequence[Collection[int]]) -> list[float]:
    return [e for one, said in zip(heard, among, strict=True) for e in one.errors(edge, said)]


def cells(
    heard: Sequence[Heard], among: Sequence[Collection[int]], pauses: bool = False
) -> list[str]:
    """Of the starts and of the ends, or of those at pauses: median (with sign), 95 %, shares."""
    out = []
    for edge in EDGES:
        kept = among
        if pauses:
            kept = [h.beside_pauses(edge) & set(said) for h, said in zip(heard, among, strict=True)]
        known = Errors.of(errors(heard, edge, kept))
        if known is None:
            out += [""] * 3
            continue
        shares = " / ".join(f"{100 * share:.0f}" for share in known.within)
        out += [f"{known.median:.3f} ({known.late:+.3f})", f"{known.p95:.2f}", shares]
    return out


def head(*first: str) -> list[str]:
    within = " / ".join(f"{most:g}" for most in WITHIN)
    of_edge = ("median s (late)", "95 % s", f"% within {within} s")
    return [*first, *(f"{edge}: {text}" for edge in EDGES for text in of_edge)]


def own(found: Found) -> str:
    """A line an engine: all the words that it heard."""
    rows = []
    for name, heard in found.items():
        n_said, n_pairs = sum(len(h.clip.words) for h in heard), sum(len(h.pairs) for h in heard)
        astray = [h.astray() for h in heard]
        lost = f"{sum(n for n, _ in astray)} ({sum(n for _, n in astray)} of them said)"
        figures = cells(heard, [h.pairs for h in heard])
        rows.append([name, f"{100 * n_pairs / n_said:.1f}", *figures, lost])
    return table([*head("engine", "% heard"), "words in gaps"], rows)


def shared(found: Found, among: Chosen, pauses: bool = False) -> str:
    """The same for the words that all heard."""
    rows = [[name, *cells(heard, among, pauses)] for name, heard in found.items()]
    return table(head("engine"), rows)


def by_clip(found: Found, among: Chosen) -> str:
    """A line a clip: how many percent of the starts lie within 0.2 s, and of the ends."""
    rows = []
    most = WITHIN.index(0.2)
    for i, said in enumerate(among):
        row = [next(iter(found.values()))[i].clip.name]
        for heard in found.values():
            known = [Errors.of(errors(heard[i : i + 1], edge, [said])) for edge in EDGES]
            row.append(", ".join(f"{100 * e.within[most]:.0f}" for e in known if e))
        rows.append(row)
    return table(["clip", *found], rows)


def n_known(clips: Sequence[Clip], among: Sequence[Collection[int]]) -> str:
    counts = [
        sum(
            getattr(clip.words[i], edge) is not None
            for clip, of in zip(clips, among, strict=True)
            for i in of
        )
        for edge in EDGES
    ]
    return f"{counts[0]} starts and {counts[1]} ends"


def times(clips: Sequence[Clip], records: list[dict[str, Any]]) -> str:
    found = heard_by(clips, records)
    if not found:
        return missing(records)
    among = common(found)
    every = [range(len(clip.words)) for clip in clips]
    minutes = sum(clip.seconds for clip in clips) / 60
    runs = [r for r in records if "words" in r]
    parts = [
        f"{len(clips)} clips, {minutes:.1f} minutes, {sum(map(len, every))} words, of which "
        f"{n_known(clips, every)} are known; {name_of(runs[0]['machine'], runs)}.",
        "The words that each heard:",
        own(found),
        f"The words that all of them heard ({n_known(clips, among)}):",
        shared(found, among),
        f"Of these, the starts after a gap of more than {LONG_GAP} s, and the ends before one:",
        shared(found, among, pauses=True),
        "All of these, percent within 0.2 s, starts and ends:",
        by_clip(found, among),
        missing(records),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def cost(records: list[dict[str, Any]]) -> str:
    """Medians over the rounds; a ratio is taken within a process."""
    runs = [r for r in records if "with_s" in r]
    rows = []
    for name in dict.fromkeys(r["engine"] for r in records):
        kept = calm([r for r in runs if r["engine"] == name])
        if not kept:
            continue
        row = [name + " (disturbed)" * kept[0]["disturbed"]]
        for files in (slice(0, 1), slice(0, None)):
            pairs = [[taken(r[way], files) for way in ("without_s", "with_s")] for r in kept]
            row += [number(statistics.median(p[i] for p in pairs)) for i in (0, 1)]
            row.append(with_interval([b / a for a, b in pairs]))
        rows.append([*row, str(len(kept))])
    kinds = ("without, s", "with, s", "ratio")
    columns = [f"{what}: {kind}" for what in ("11 s", "both recordings") for kind in kinds]
    where = name_of(runs[0]["machine"], runs) if runs else ""
    parts = [where, table(["engine", *columns, "runs"], rows), missing(records)]
    return "\n\n".join(filter(None, parts)) + "\n"


def taken(seconds: list[list[float]], files: slice) -> float:
    """Of the files together, the mean of the turns: there and back, so that a drift cancels."""
    return statistics.mean(sum(turn[files]) for turn in seconds)


def missing(records: list[dict[str, Any]]) -> str:
    gone = {r["engine"]: r["unavailable"] for r in records if "unavailable" in r}
    return "\n".join(f"- {name} is not to be had: {why}" for name, why in gone.items())


def told(clips: Sequence[Clip], records: Sequence[dict[str, Any]]) -> str:
    """All tables that there are records for."""
    tables = {"times": lambda of_it: times(clips, of_it), "cost": cost}
    of = {work: [r for r in records if r["work"] == work] for work in tables}
    return "\n".join(make(of[work]) for work, make in tables.items() if of[work])


def write(path: Path, clips: Sequence[Clip], records: Sequence[dict[str, Any]]) -> None:
    """The clips but for their samples, and the records."""
    about = [
        {
            "name": clip.name,
            "seconds": clip.seconds,
            "words": [dataclasses.astuple(word) for word in clip.words],
            "gaps": clip.gaps,
        }
        for clip in clips
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"clips": about, "records": records}) + "\n", encoding="utf-8")


def read(path: Path) -> tuple[list[Clip], list[dict[str, Any]]]:
    """What was written; the samples are silence."""
    found = json.loads(path.read_text(encoding="utf-8"))
    clips = [
        Clip(
            clip["name"],
            np.zeros(round(clip["seconds"] * SAMPLE_RATE), np.float32),
            tuple(Word(*word) for word in clip["words"]),
            tuple((start, end) for start, end in clip["gaps"]),
        )
        for clip in found["clips"]
    ]
    return clips, found["records"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, nargs="?", default=FILE)
    print(told(*read(parser.parse_args().file)))


if __name__ == "__main__":
    main()
