"""policy="openai" against policy="robust": python bench/policies.py --models DIR --data DIR

Both hear everything that material.py has, as users would have it: retries on, greedy unless
--beam_size asks for beams; the language is given but where it changes, and there everybody but
policy="openai" listens for it in every window. faster-whisper hears the same, with its voice
filter and without. Every process is one library with one compute type; its ways take turns, sound
by sound.

What is counted, by groups of sounds: word errors; invented words, which are those inserted in
sounds with a stretch in which nobody speaks, a minute of it; lost words, which are those left out;
loops, as users.py has them; windows of more than MOST_TOKENS tokens; seconds.

It fails, with exit status 1, unless robust, with every compute type of a model that was heard,

  - invents no word in silence, zeros and steady noise, and elsewhere at most a tenth of what openai
    does;
  - loses no more words than openai in any group;
  - takes no longer than openai over everything;
  - with int8 makes at most MOST_WORSE percent of all words more errors than with float32, words
    invented in silence included.

Texts are appended to --out as they come, and what stands there is not heard again. Prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import accuracy
import engines
import machine
import material
import scoring
import weights
from records import table

OUT = accuracy.ROOT / "build" / "bench" / "policies.jsonl"
ENGINES = ("sottovoce-float32", "sottovoce-int8", "faster-whisper-float32", "faster-whisper-int8")
QUICK = ("sottovoce-int8",)
MOST_TOKENS = 200
MOST_WORSE = 0.2  # percent of all words
MOST_INVENTED = 0.1  # of what openai invents
QUICK_STEP = 4  # of so many clips of the development set one


def sounds(model: str, args: argparse.Namespace) -> Iterable[material.Sound]:
    sys.path[:0] = [str(accuracy.ROOT / "tests")] * (str(accuracy.ROOT / "tests") not in sys.path)
    kinds: dict[str, int] = defaultdict(int)
    for sound in material.sounds(args.data, weights.DIMS[model].is_multilingual):
        kinds[sound.group] += 1
        if not args.quick or kinds[sound.group] % QUICK_STEP == 1:
            yield sound


# --- hearing --------------------------------------------------------------------------------------


def hear(engine: str, model: str, args: argparse.Namespace) -> None:
    """In a process of its own: appends a line a sound and way."""
    adapter = engines.create(engine, args.threads)
    adapter.load(weights.path_of(model, engines.SPECS[engine].weights, args.models))
    of_engine = [r for r in read(args.out) if (r["engine"], r["model"]) == (engine, model)]
    known = {(r["sound"], r["way"]) for r in of_engine if r["beam_size"] == args.beam_size}
    for i, sound in enumerate(sounds(model, args)):
        for way in adapter.ways[:: 1 if i % 2 else -1]:
            if (sound.name, way) in known:
                continue
            started = time.perf_counter()
            text, n_tokens = adapter.hear(
                sound.samples, sound.language, args.beam_size, way, sound.is_of_languages
            )
            record = {
                "model": model,
                "engine": engine,
                "way": way,
                "beam_size": args.beam_size,
                "sound": sound.name,
                "seconds": time.perf_counter() - started,
                "text": text,
                "n_tokens": n_tokens,
                "version": adapter.version(),
            }
            with args.out.open("a", encoding="utf-8") as out:
                out.write(json.dumps(record, ensure_ascii=False) + "\n")


def hear_apart(engine: str, model: str, args: argparse.Namespace) -> str | None:
    """`hear` in a fresh process; what went wrong there."""
    command = [sys.executable, __file__, *sys.argv[1:], "--one", engine, model]
    environment = engines.environment_of(engine, args.threads)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    failed = None
    if done.returncode:
        failed = (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1]
    print(engine, model, failed or "", file=sys.stderr, flush=True)
    return failed


def read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# --- counting -------------------------------------------------------------------------------------


@dataclass
class Count:
    """What some hearings come to."""

    n_words: int = 0  # in the references
    errors: int = 0
    invented: int = 0  # words
    lost: int = 0  # words
    loops: int = 0  # hearings
    long_runs: int = 0  # windows
    silent: float = 0.0  # s in which nobody speaks
    seconds: float = 0.0  # that it took

    def add(self, other: Count) -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    @classmethod
    def of(cls, sound: material.Sound, record: dict[str, Any], heard: scoring.Heard) -> Count:
        return cls(
            heard.n_words,
            heard.errors if heard.n_words else 0,
            heard.insertions if sound.silent else 0,
            heard.n_words - heard.n_heard + heard.insertions,
            int(any(sign in ("loop", "compression") for sign in heard.signs)),
            sum(n > MOST_TOKENS for n in record["n_tokens"]),
            sound.silent,
            record["seconds"],
        )

    @property
    def all_errors(self) -> int:
        """Those where nobody speaks at all included."""
        return self.errors + (0 if self.n_words else self.invented)

    @classmethod
    def total(cls, counts: Iterable[Count]) -> Count:
        total = cls()
        for each in counts:
            total.add(each)
        return total


Counts = dict[tuple[str, str], dict[str, Count]]  # by engine and way, by group


def counts(records: Sequence[dict[str, Any]], model: str, args: argparse.Namespace) -> Counts:
    """Of the sounds that every engine in its every way has heard."""
    split = scoring.splitter()
    heard: dict[tuple[str, str], dict[str, dict[str, Any]]] = defaultdict(dict)
    for record in records:
        if (record["model"], record["beam_size"]) == (model, args.beam_size):
            heard[record["engine"], record["way"]][record["sound"]] = record
    found: Counts = {key: {} for key in sorted(heard)}
    for sound in sounds(model, args):
        if not all(sound.name in of for of in heard.values()):
            continue
        language = "mixed" if sound.is_of_languages else sound.language
        said = split(sound.reference, language)
        for key, of_key in heard.items():
            record = of_key[sound.name]
            words = split(record["text"], language)
            judged = scoring.judge(sound.name, record["text"], sound.reference, words, said)
            of_group = found[key].setdefault(sound.group, Count())
            of_group.add(Count.of(sound, record, judged))
    return found


def failures(found: Counts, model: str) -> list[str]:
    """Every sentence is a reason why the gate is shut."""
    out = []
    for (engine, way), robust in found.items():
        if way != "robust":
            continue
        openai, name = found[engine, "openai"], f"{model} {engine}"
        for group, count in robust.items():
            if group in material.STEADY and count.invented:
                out.append(f"{name}: {count.invented} words invented in {group}")
            if count.lost > openai[group].lost:
                lost = f"{count.lost} words lost where openai loses {openai[group].lost}"
                out.append(f"{name}: {group}: {lost}")
        ours, theirs = (
            Count.total(c for g, c in of.items() if g not in material.STEADY)
            for of in (robust, openai)
        )
        if ours.invented > MOST_INVENTED * theirs.invented:
            out.append(f"{name}: {ours.invented} words invented where openai has {theirs.invented}")
        taken = [Count.total(of.values()).seconds for of in (robust, openai)]
        if taken[0] > taken[1]:
            out.append(f"{name}: took {taken[0]:.0f} s where openai took {taken[1]:.0f}")
    worse = percent_worse(found)
    if worse is not None and worse > MOST_WORSE:
        out.append(f"{model}: int8 {worse:.2f} above float32, {MOST_WORSE} allowed")
    return out


def percent_worse(found: Counts) -> float | None:
    try:
        int8, float32 = (
            Count.total(found[f"sottovoce-{kind}", "robust"].values())
            for kind in ("int8", "float32")
        )
    except KeyError:
        return None
    return 100 * (int8.all_errors - float32.all_errors) / float32.n_words


# --- telling --------------------------------------------------------------------------------------


def tables(found: Counts) -> str:
    keys = list(found)
    groups = list(next(iter(found.values()), {}))

    def of_groups(title: str, tell: Any, wanted: Sequence[str]) -> str:
        rows = [
            [f"{group}{tell(found[keys[0]][group])[1]}"]
            + [tell(found[key][group])[0] for key in keys]
            for group in wanted
        ]
        return f"{title}\n\n" + table(["group", *(f"{e}, {w}" for e, w in keys)], rows)

    spoken = [group for group in groups if found[keys[0]][group].n_words]
    silent = [group for group in groups if found[keys[0]][group].silent]
    totals = []
    for engine, way in keys:
        total = Count.total(found[engine, way].values())
        totals.append(
            [
                f"{engine}, {way}",
                f"{100 * total.all_errors / max(total.n_words, 1):.2f}",
                str(total.invented),
                str(total.lost),
                str(total.loops),
                str(total.long_runs),
                f"{total.seconds:.0f}",
            ]
        )
    head = ["engine", "word errors, %, silence included", "invented words", "lost words", "loops"]
    return "\n\n".join(
        [
            of_groups(
                "Word errors, %:",
                lambda c: (f"{100 * c.errors / c.n_words:.2f}", f", {c.n_words} words"),
                spoken,
            ),
            of_groups("Lost words:", lambda c: (str(c.lost), ""), spoken),
            of_groups(
                "Invented words a minute without speech:",
                lambda c: (f"{60 * c.invented / c.silent:.2f}", f", {c.silent / 60:.1f} min"),
                silent,
            ),
            "All of it:\n\n"
            + table([*head, f"windows over {MOST_TOKENS} tokens", "seconds"], totals),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    data = os.environ.get("SOTTOVOCE_DEV_DATA")
    parser.add_argument("--models", type=Path, required=True, help="holds tiny.en/ and base/")
    parser.add_argument("--data", type=Path, default=data and Path(data), help="development set")
    parser.add_argument("--model", nargs="+", choices=accuracy.MODELS, default=["base"])
    parser.add_argument("--engines", nargs="+", choices=ENGINES)
    parser.add_argument("--beam_size", type=int, default=1)
    parser.add_argument("--threads", type=int, default=machine.n_cores())
    parser.add_argument("--quick", action="store_true", help="every fourth sound, int8 alone")
    parser.add_argument("--report", action="store_true", help="of what is there: hears nothing")
    parser.add_argument("--out", type=Path, default=OUT, help="texts, a line each")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.engines = args.engines or (QUICK if args.quick else ENGINES)
    if args.one:
        hear(*args.one, args)
        return
    args.out.parent.mkdir(parents=True, exist_ok=True)
    reasons = []
    for model in args.model if not args.report else ():
        for engine in args.engines:
            failed = hear_apart(engine, model, args)
            reasons += [f"{model} {engine}: {failed}"] if failed else []
    records = [r for r in read(args.out) if r["engine"] in args.engines]
    print(machine.facts()["cpu"])
    for model in args.model:
        found = counts(records, model, args)
        reasons += failures(found, model)
        print(f"\n## {model}, beam_size={args.beam_size}\n\n{tables(found)}")
    print()
    print("\n".join(f"- {reason}" for reason in reasons) if reasons else "The gate is open.")
    sys.exit(1 if reasons else 0)


if __name__ == "__main__":
    main()
