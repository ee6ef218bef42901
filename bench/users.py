"""Word error rates as users get them: python bench/users.py --models DIR --data DIR

Every engine hears the same clips as its users would have it: language given, five beams or greedy,
five samples at a temperature above 0, and for the rest the engine's own defaults, retries at rising
temperatures included. Seeds are fixed where an engine has one. tiny.en hears the English clips,
base those in other languages; clips that spell digits and clips without a text are left out.

A loop is a hearing whose text repeats itself and whose reference does not: some words come again
and again in a row, or the text compresses better than 2.4 (scoring.judge). The words that it
inserts are counted apart: one loop would outweigh all that the other hearings say. Its other errors
count.

Texts are appended to --out as they come, and what stands there is not heard again. The tables count
the hearings that every engine has, and give 95 % bootstrap intervals over clips; a difference is
between two engines on the same clips.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import accuracy
import engines
import machine
import numpy as np
import scoring
import weights
from accuracy import MODELS, SEARCHES
from records import table

OUT = accuracy.ROOT / "build" / "bench" / "users.jsonl"
REFERENCE = "openai-whisper-float32"
ENGINES = (REFERENCE, *engines.OURS, "faster-whisper-float32", "faster-whisper-int8")
LANGUAGES = {"tiny.en": "english", "base": "others"}
FEWEST = 5  # clips that an interval can be told from
N_DRAWS = 4000


def clips_for(model: str, languages: str, data: Path) -> list[dict[str, Any]]:
    """languages: english, others, all. Without speech there is no language, which is English."""
    return [
        clip
        for clip in accuracy.clips_for(model, data)
        if languages == "all" or (clip["language"] in ("en", None)) == (languages == "english")
    ]


# --- hearing --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Turn:
    """What one process hears: an engine, with the hearings that are not there yet."""

    model: str
    search: str
    engine: str

    def is_of(self, record: dict[str, Any]) -> bool:
        return (record["model"], record["search"], record["engine"]) == (
            self.model,
            self.search,
            self.engine,
        )


def hear(turn: Turn, args: argparse.Namespace) -> None:
    """In a process of its own: appends a line a hearing."""
    adapter = engines.create(turn.engine, args.threads)
    adapter.load(weights.path_of(turn.model, engines.SPECS[turn.engine].weights, args.models))
    known = {record["file"] for record in read(args.out) if turn.is_of(record)}
    for level, clip in product(args.levels, args.clips[turn.model]):
        name = accuracy.hearing(clip["file"], level)
        if name in known:
            continue
        samples = accuracy.samples_of(args.data / clip["file"], level)
        text = adapter.transcribe_retrying(samples, clip["language"] or "en", SEARCHES[turn.search])
        record = {**vars(turn), "file": name, "text": text, "version": adapter.version()}
        with args.out.open("a", encoding="utf-8") as out:
            out.write(json.dumps(record, ensure_ascii=False) + "\n")


def hear_apart(turn: Turn, args: argparse.Namespace) -> str | None:
    """`hear` in a fresh process; what went wrong there."""
    command = [sys.executable, __file__, *sys.argv[1:], "--one", *vars(turn).values()]
    environment = engines.environment_of(turn.engine, args.threads)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    failed = None
    if done.returncode:
        failed = (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1]
    print(*vars(turn).values(), failed or "", file=sys.stderr, flush=True)
    return failed


def read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# --- counting -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hearing:
    """One text beside its reference."""

    name: str
    group: str
    n_words: int  # in the reference
    errors: int  # but for those of a loop
    loops: bool
    n_looped: int  # words that a loop inserted
    n_invented: int  # words where nobody speaks

    @classmethod
    def of(cls, heard: scoring.Heard, group: str) -> Hearing:
        loops = any(sign in ("loop", "compression") for sign in heard.signs)
        n_looped = heard.insertions if loops and heard.n_words else 0
        errors = heard.errors - n_looped if heard.n_words else 0
        n_invented = 0 if heard.n_words else heard.n_heard
        return cls(heard.file, group, heard.n_words, errors, loops, n_looped, n_invented)


def group_of(clip: dict[str, Any]) -> str:
    return clip["group"] + ("" if clip["language"] in ("en", None) else ", other languages")


def heard_by_all(found: dict[str, list[Hearing]]) -> dict[str, list[Hearing]]:
    """Of every engine the same hearings, in the same order."""
    counted = Counter(hearing.name for of_engine in found.values() for hearing in of_engine)
    return {
        engine: sorted(
            (h for h in of_engine if counted[h.name] == len(found)), key=lambda h: h.name
        )
        for engine, of_engine in found.items()
    }


class Rates:
    """Word error rates in percent with intervals, of several engines on the same hearings.

    Clips are drawn, not hearings: levels of a clip are much alike.
    """

    def __init__(self, found: dict[str, list[Hearing]]) -> None:
        names = [accuracy.clip_of(hearing.name) for hearing in next(iter(found.values()))]
        self.clips = list(dict.fromkeys(names))
        rows = {clip: row for row, clip in enumerate(self.clips)}
        at = [rows[name] for name in names]

        def by_clip(values: Iterable[int]) -> np.ndarray:
            return np.bincount(at, list(values), minlength=len(rows))

        self.n_words = by_clip(h.n_words for h in next(iter(found.values())))
        self._errors = {e: by_clip(h.errors for h in of) for e, of in found.items()}
        n = len(self.clips)
        self._draws = np.random.default_rng(0).multinomial(n, [1 / n] * n, N_DRAWS)

    def _told(self, errors: np.ndarray, sign: str = "") -> str:
        """`errors` (n_clips,) as a rate and its interval."""
        words = self._draws @ self.n_words
        drawn = 100 * (self._draws @ errors)[words > 0] / words[words > 0]
        rate = f"{100 * errors.sum() / self.n_words.sum():{sign}.2f}"
        if np.count_nonzero(self.n_words) < FEWEST:
            return rate
        low, high = np.percentile(drawn, [2.5, 97.5])
        return f"{rate} ({low:{sign}.2f} to {high:{sign}.2f})"

    def rate(self, engine: str) -> str:
        return self._told(self._errors[engine])

    def difference(self, engine: str, other: str) -> str:
        return self._told(self._errors[engine] - self._errors[other], "+")


def total_table(found: dict[str, list[Hearing]]) -> str:
    rates = Rates(found)
    rows = []
    for engine, of_engine in found.items():
        against = engine != REFERENCE and REFERENCE in found
        n_looped = sum(h.n_looped for h in of_engine)
        all_errors = n_looped + sum(h.errors for h in of_engine)
        rows.append(
            [
                engine,
                rates.rate(engine),
                rates.difference(engine, REFERENCE) if against else "",
                str(sum(h.loops for h in of_engine)),
                str(n_looped),
                f"{100 * all_errors / rates.n_words.sum():.2f}",
                str(sum(h.n_invented for h in of_engine)),
            ]
        )
    head = ["engine", "word errors, %", f"less {REFERENCE}'s", "loops", "words they insert"]
    return table([*head, "%, these included", "words where nobody speaks"], rows)


def group_table(found: dict[str, list[Hearing]]) -> str:
    groups = {h.group for h in next(iter(found.values())) if h.n_words}
    columns = {
        group: Rates({e: [h for h in of if h.group == group] for e, of in found.items()})
        for group in sorted(groups)
    }
    head = [f"{g}: {int(r.n_words.sum())} words, {len(r.clips)} clips" for g, r in columns.items()]
    rows = [[engine, *(rates.rate(engine) for rates in columns.values())] for engine in found]
    return table(["engine", *head], rows)


def judged(records: list[dict[str, Any]], model: str, data: Path) -> list[Hearing]:
    judge = accuracy.Judge(model, data)
    groups = {clip["file"]: group_of(clip) for clip in accuracy.clips_for(model, data)}
    return [Hearing.of(heard, groups[accuracy.clip_of(heard.file)]) for heard in judge(records)]


def report(records: list[dict[str, Any]], args: argparse.Namespace) -> str:
    parts = []
    for model, search in product(args.model, args.search):
        found = {}
        for engine in args.engines:
            turn = Turn(model, search, engine)
            wanted = {clip["file"] for clip in args.clips[model]}
            mine = {r["file"]: r for r in records if turn.is_of(r)}
            mine = {
                name: record
                for name, record in mine.items()
                if accuracy.clip_of(name) in wanted and accuracy.level_of(name) in args.levels
            }
            if mine:
                found[engine] = judged(list(mine.values()), model, args.data)
        found = heard_by_all(found)
        hearings = next(iter(found.values()), [])
        if not hearings:
            continue
        n_words = sum(h.n_words for h in hearings)
        n_clips = len({accuracy.clip_of(h.name) for h in hearings})
        what = f"{len(hearings)} hearings of {n_clips} clips, {n_words} words"
        parts += [f"## {model}, {search}: {what}", total_table(found), group_table(found)]
    versions = {r["engine"]: r["version"] for r in records}
    parts.append(table(["engine", "version"], [[e, v] for e, v in sorted(versions.items())]))
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    data = os.environ.get("SOTTOVOCE_DEV_DATA")
    parser.add_argument("--models", type=Path, required=True, help="holds tiny.en/ and base/")
    parser.add_argument("--data", type=Path, default=data and Path(data), required=not data)
    parser.add_argument("--model", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--search", nargs="+", choices=SEARCHES, default=list(SEARCHES))
    parser.add_argument("--engines", nargs="+", choices=engines.SPECS, default=ENGINES)
    parser.add_argument("--levels", nargs="+", type=float, default=[1.0], help="times the samples")
    parser.add_argument("--languages", choices=("english", "others", "all"))
    parser.add_argument("--groups", nargs="+", help="of the manifest; all, if not given")
    parser.add_argument("--threads", type=int, default=machine.n_cores(), help="of a process")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    parser.add_argument("--report", action="store_true", help="of what is there: hears nothing")
    parser.add_argument("--out", type=Path, default=OUT, help="texts, a line each")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.clips = {
        model: [
            clip
            for clip in clips_for(model, args.languages or LANGUAGES[model], args.data)
            if not args.groups or clip["group"] in args.groups
        ]
        for model in MODELS
    }
    if args.one:
        hear(Turn(*args.one), args)
        return
    args.out.parent.mkdir(parents=True, exist_ok=True)
    failed = None
    if not args.report:
        kinds = tuple({engines.SPECS[name].weights for name in args.engines})
        for model in args.model:
            weights.prepare(model, args.models, kinds)
        turns = [Turn(*names) for names in product(args.model, args.search, args.engines)]
        with ThreadPoolExecutor(args.jobs) as pool:
            failed = [f for f in pool.map(lambda turn: hear_apart(turn, args), turns) if f]
    print(report(read(args.out), args))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
