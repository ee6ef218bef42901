"""The accuracy gate: python bench/accuracy.py --models DIR --data DIR

Transcribes a development set (clips and their manifest.jsonl) with every compute type of sottovoce,
tiny.en and base, greedy and with five beams; language given, temperature 0 without another try.
Every clip is heard at three levels, which mean nothing to the ear: without another try a long clip
can lose or win a window by the last bits of a score, in float32 as in the others, and one hearing
would judge that luck. It fails, with exit status 1, unless

  - float32 chooses the tokens recorded from openai-whisper (tests/golden/dev), but where the
    reference itself chose by less than TIE;
  - no clip shows a loop or a hallucination that is not float32's own: a compression ratio over 2.4,
    words repeated in a row, words without speech, a length far from the reference's. It is
    float32's own if it shows at any level; and so is repetition, of which a clip is too long as
    well, if float32, given every window that repeats itself and the text before it, repeats
    itself too: some windows do that to a model whatever its numbers, and an end of a segment 40 ms
    earlier is enough to meet one. The table counts both;
  - over all clips but those on which float32 goes astray, and but the hearings with such windows,
    the word error rate of bfloat16 is at most 0.1, that of int8 at most 0.2 (percent of all words)
    above float32's, over both searches of a model. In a search in which a type makes fewer errors
    than float32, it counts as making as many: luck there does not pay for the other one.

Clips that spell digits are left out; so is speech in other languages for English-only models. With
--engines, peers are scored as well. Prints a Markdown table, writes JSON.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import engines
import machine
import numpy as np
import scoring
import speech
import weights
from scoring import Heard

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "golden" / "dev"
OUT = ROOT / "build" / "bench" / "accuracy.json"
MODELS = ("tiny.en", "base")
SEARCHES = {"greedy": 1, "beam5": 5}
TYPES = ("float32", "bfloat16", "int8")
MOST_WORSE = {"bfloat16": 0.1, "int8": 0.2}  # percent of all words above float32
OF_REPETITION = ("compression", "loop", "too long")  # signs
LEVELS = (1.0, 0.9, 0.8)  # times the samples
TIE = 1e-4  # of a log-probability; float32 logits of order 20 agree to about 1e-5


def clips_for(model: str, data: Path) -> list[dict[str, Any]]:
    return [
        clip
        for clip in speech.manifest(data)
        if clip["reference"] is not None
        and not speech.spells_digits(clip)
        and (clip["language"] in ("en", None) or weights.DIMS[model].is_multilingual)
    ]


def hearing(file: str, level: float) -> str:
    """The name of a clip at a level; the clip's own at the first."""
    return file if level == 1.0 else f"{file} x {level}"


def clip_of(name: str) -> str:
    return name.partition(" x ")[0]


def level_of(name: str) -> float:
    return float(name.partition(" x ")[2] or 1.0)


def samples_of(path: Path, level: float) -> Any:
    sys.path[:0] = [str(ROOT / "tests")] * (str(ROOT / "tests") not in sys.path)
    from oracle import clips

    return clips.read(path) * np.float32(level)


# --- in a process of its own: the texts -----------------------------------------------------------


def transcripts(engine: str, model: str, beam_size: int, args: argparse.Namespace) -> list[Any]:
    """Of every clip: file, digest of the samples, text, and of sottovoce the segments' tokens."""
    adapter = engines.create(engine, args.threads)
    adapter.load(weights.path_of(model, engines.SPECS[engine].weights, args.models))
    out = []
    heard = [(clip, level) for level in LEVELS for clip in clips_for(model, args.data)]
    for clip, level in heard:
        samples = samples_of(args.data / clip["file"], level)
        record: dict[str, Any] = {"file": hearing(clip["file"], level)}
        record["samples_sha256"] = hashlib.sha256(samples.tobytes()).hexdigest()[:16]
        if engine in engines.OURS:
            segments = adapter.segments(samples, clip["language"], beam_size)
            record["segments"] = [[s.seek, list(s.tokens)] for s in segments]
            record["text"] = adapter.model.text(segments)
        else:
            # Language None: no speech; the peers hear it as English then.
            record["text"] = adapter.transcribe(samples, clip["language"] or "en", beam_size)
        out.append(record)
    return out


def transcripts_apart(
    engine: str, model: str, beam_size: int, args: argparse.Namespace
) -> list[Any] | str:
    """The same from a fresh process; a string says why not."""
    command = [sys.executable, __file__, "--models", str(args.models), "--data", str(args.data)]
    command += ["--threads", str(args.threads), "--one", engine, model, str(beam_size)]
    environment = engines.environment_of(engine, args.threads)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        return (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1]
    return json.loads(done.stdout.splitlines()[-1])


class Float32:
    """Hears single windows as another type met them."""

    def __init__(self, model: str, args: argparse.Namespace) -> None:
        name = "sottovoce-float32"
        self._adapter = engines.create(name, args.threads)
        self._adapter.load(weights.path_of(model, engines.SPECS[name].weights, args.models))
        self._clips = {clip["file"]: clip for clip in clips_for(model, args.data)}
        self._data = args.data

    def repeats_itself_too(self, record: dict[str, Any], beam_size: int) -> bool:
        """Whether some windows of a transcript repeat themselves, and float32 does so in each of
        them after the same text."""
        name = record["file"]
        clip = self._clips[clip_of(name)]
        samples = samples_of(self._data / clip["file"], level_of(name))
        before: list[int] = []
        found = False
        for seek, tokens in joined(record["segments"]):
            if scoring.repeats_itself(self._adapter.model.tokenizer.decode(tokens)):
                found = True
                heard = self._adapter.window_text(
                    samples, clip["language"], beam_size, seek, tuple(before)
                )
                if not scoring.repeats_itself(heard):
                    return False
            before += tokens
        return found


def joined(segments: list[Any]) -> list[tuple[int, list[int]]]:
    """Segments [seek, tokens] as windows: those of one seek are one."""
    windows: dict[int, list[int]] = {}
    for seek, tokens in segments:
        windows.setdefault(seek, []).extend(tokens)
    return list(windows.items())


# --- judging --------------------------------------------------------------------------------------


class Judge:
    """Word errors and signs of going astray over the clips of a model."""

    def __init__(self, model: str, data: Path) -> None:
        self._clips = {clip["file"]: clip for clip in clips_for(model, data)}
        self._split = scoring.splitter()

    def __call__(self, records: list[Any]) -> list[Heard]:
        return [
            self._one(r["file"], r["text"]) for r in records if clip_of(r["file"]) in self._clips
        ]

    def _one(self, file: str, text: str) -> Heard:
        clip = self._clips[clip_of(file)]
        reference, language = clip["reference"], clip["language"]
        words, said = (self._split(t, language) for t in (text, reference))
        return scoring.judge(file, text, reference, words, said)


def golden_records(model: str, search: str, models: Path) -> list[Any] | None:
    """openai-whisper's recorded results in the form of ours."""
    from sottovoce import _core

    path = GOLDEN / f"{model}-{search}.json"
    if not path.is_file():
        return None
    vocabulary = _core.Vocabulary.open(str(models / model))
    eot = weights.DIMS[model].eot
    out = []
    for record in json.loads(path.read_text(encoding="utf-8"))["records"]:
        segments = [[s["seek"], s["tokens"]] for s in record["result"]["segments"]]
        tokens = [token for _, part in segments for token in part if token < eot]
        out.append(
            {
                "file": record["file"],
                "samples_sha256": record["samples_sha256"],
                "segments": segments,
                "text": vocabulary.decode(tokens),
                "margins": {w["seek"]: w["margin"] for w in record["result"]["windows"]},
            }
        )
    return out


def other_tokens(ours: list[Any], golden: list[Any]) -> tuple[list[str], int, int]:
    """Files whose tokens are not the reference's; how many were compared, and how many parted at
    a tie."""
    theirs = {record["file"]: record for record in golden}
    different, n_compared, n_ties = [], 0, 0
    for record in ours:
        expected = theirs.get(record["file"])
        # Another FFmpeg may decode or resample a clip to other samples.
        if expected is None or expected["samples_sha256"] != record["samples_sha256"]:
            continue
        n_compared += 1
        mine, parts = record["segments"], expected["segments"]
        if mine == parts:
            continue
        pairs = zip(mine, parts, strict=False)
        at = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(mine), len(parts)))
        seek = min(side[at][0] for side in (mine, parts) if at < len(side))
        if expected["margins"].get(seek, 1.0) < TIE:
            n_ties += 1
        else:
            different.append(record["file"])
    return different, n_compared, n_ties


def summary(heard: list[Heard]) -> dict[str, Any]:
    speech_of = [h for h in heard if h.n_words]
    errors, n_words = (sum(getattr(h, k) for h in speech_of) for k in ("errors", "n_words"))
    return {
        "errors": errors,
        "words": n_words,
        "wer": 100 * errors / n_words if n_words else 0.0,
        "heard": sum(h.n_heard for h in speech_of),
        "words_without_speech": sum(h.n_heard for h in heard if not h.n_words),
        "signs": {h.file: list(h.signs) for h in heard if h.signs},
        "clips": {h.file: [h.errors, h.n_words] for h in heard},
    }


def astray(float32: dict[str, Any], row: dict[str, Any]) -> set[str]:
    """All hearings of clips on which float32 goes astray, and those with a window that `row` met
    and on which it would."""
    clips = {clip_of(file) for file in float32["signs"]}
    return {file for file in row["clips"] if clip_of(file) in clips} | set(row.get("shared", ()))


def steady(row: dict[str, Any], astray: set[str]) -> tuple[int, int]:
    """Word errors and words of speech but for hearings astray, which are chance."""
    kept = [heard for file, heard in row["clips"].items() if file not in astray]
    spoken = [(errors, n_words) for errors, n_words in kept if n_words]
    return sum(errors for errors, _ in spoken), sum(n_words for _, n_words in spoken)


def new_signs(heard: dict[str, Any], before: dict[str, Any]) -> dict[str, list[str]]:
    """Signs that a clip shows now and did not show before, at any level."""
    known = {(clip_of(file), sign) for file, signs in before["signs"].items() for sign in signs}
    new = {
        file: [sign for sign in signs if (clip_of(file), sign) not in known]
        for file, signs in heard["signs"].items()
    }
    return {file: signs for file, signs in new.items() if signs}


def without_repetition(signs: dict[str, list[str]], shared: list[str]) -> dict[str, list[str]]:
    """Signs but for those that the windows of `shared` hearings bring along."""
    left = {
        file: [sign for sign in of_file if file not in shared or sign not in OF_REPETITION]
        for file, of_file in signs.items()
    }
    return {file: of_file for file, of_file in left.items() if of_file}


def failures(rows: list[dict[str, Any]]) -> list[str]:
    """Every sentence is a reason why the gate is shut."""
    out = []
    for row in rows:
        name = f"{row['model']} {row['search']} {row['engine']}"
        if row.get("other_tokens"):
            files = ", ".join(row["other_tokens"])
            out.append(f"{name}: tokens other than openai-whisper's in {files}")
        if "unavailable" in row and row["engine"] in engines.OURS:
            out.append(f"{name}: {row['unavailable']}")
        if row["engine"] == "sottovoce-float32" and not row.get("n_compared"):
            out.append(f"{name}: nothing to compare its tokens with")
        out += [
            f"{name}: {file}: {', '.join(signs)}"
            for file, signs in row.get("new_signs", {}).items()
        ]
    for model in dict.fromkeys(row["model"] for row in rows):
        for compute_type, most in MOST_WORSE.items():
            if not any(r["engine"] == f"sottovoce-{compute_type}" for r in rows):
                continue
            worse = percent_worse(rows, model, compute_type)
            if worse is None:
                out.append(f"{model} {compute_type}: no words to compare with float32's")
            elif worse > most:
                out.append(f"{model} {compute_type}: {worse:.2f} above float32, {most} allowed")
    return out


def percent_worse(rows: list[dict[str, Any]], model: str, compute_type: str) -> float | None:
    """Word errors beyond float32's, of the searches in which there are more: percent of words."""
    errors, n_words = 0, 0
    for search in SEARCHES:
        of_search = {
            row["engine"]: row
            for row in rows
            if row["model"] == model and row["search"] == search and "clips" in row
        }
        try:
            reference, other = (
                of_search[f"sottovoce-{kind}"] for kind in ("float32", compute_type)
            )
        except KeyError:
            continue
        left_out = astray(reference, other)
        before, words = steady(reference, left_out)
        errors += max(steady(other, left_out)[0] - before, 0)
        n_words += words
    return 100 * errors / n_words if n_words else None


def measure(args: argparse.Namespace) -> list[dict[str, Any]]:
    rows = []
    # float32 first: the others are judged by it.
    kinds = dict.fromkeys(("float32", *args.types))
    names = [f"sottovoce-{kind}" for kind in kinds] + list(args.engines)
    for model in args.model:
        judge = Judge(model, args.data)
        for search in args.search:
            golden = golden_records(model, search, args.models)
            row: dict[str, Any] = {"model": model, "search": search}
            if golden:
                rows.append(
                    {**row, "engine": "openai-whisper (recorded)", **summary(judge(golden))}
                )
            float32: dict[str, Any] | None = None
            for name in names:
                print(f"{model} {search} {name}", file=sys.stderr, flush=True)
                records = transcripts_apart(name, model, SEARCHES[search], args)
                if isinstance(records, str):
                    rows.append({**row, "engine": name, "unavailable": records})
                    continue
                found = summary(judge(records))
                if name == "sottovoce-float32":
                    float32 = found
                    if golden:
                        different, n_compared, n_ties = other_tokens(records, golden)
                        found |= {"other_tokens": different, "n_compared": n_compared}
                        found |= {"n_ties": n_ties}
                elif name in engines.OURS and float32:
                    new = new_signs(found, float32)
                    again = Float32(model, args) if new else None
                    by_file = {record["file"]: record for record in records}
                    found["shared"] = [
                        file
                        for file in new
                        if again and again.repeats_itself_too(by_file[file], SEARCHES[search])
                    ]
                    found["new_signs"] = without_repetition(new, found["shared"])
                if float32:
                    found["steady"] = steady(found, astray(float32, found))
                rows.append({**row, "engine": name, **found})
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| model | search | engine | WER %, all clips | words | WER %, float32 steady | words "
        "| words without speech | hearings astray, shared, new | tokens as recorded |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        head = f"| {row['model']} | {row['search']} | {row['engine']} |"
        if "unavailable" in row:
            lines.append(f"{head} not to be had: {row['unavailable']} | | | | | | |")
            continue
        errors, n_words = row.get("steady", (0, 0))
        rate = f"{100 * errors / n_words:.2f}" if n_words else ""
        n_astray = str(len(row["signs"]))
        if "new_signs" in row:
            n_astray += f", {len(row['shared'])}, {len(row['new_signs'])}"
        tokens = ""
        if "n_compared" in row:
            same = row["n_compared"] - len(row["other_tokens"]) - row["n_ties"]
            tokens = f"{same} of {row['n_compared']}" + f", {row['n_ties']} ties" * (
                row["n_ties"] > 0
            )
        lines.append(
            f"{head} {row['wer']:.2f} | {row['words']} | {rate} | {n_words or ''} "
            f"| {row['words_without_speech']} | {n_astray} | {tokens} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    data = os.environ.get("SOTTOVOCE_DEV_DATA")
    parser.add_argument("--models", type=Path, required=True, help="holds tiny.en/ and base/")
    parser.add_argument("--data", type=Path, default=data and Path(data), required=not data)
    parser.add_argument("--model", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--search", nargs="+", choices=SEARCHES, default=list(SEARCHES))
    parser.add_argument("--types", nargs="+", choices=TYPES, default=TYPES)
    parser.add_argument("--engines", nargs="+", choices=engines.PEERS, default=(), help="peers")
    parser.add_argument("--threads", type=int, default=machine.n_cores())
    parser.add_argument("--json", type=Path, default=OUT, help="the figures, clip by clip")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        engine, model, beam_size = args.one
        try:
            print(json.dumps(transcripts(engine, model, int(beam_size), args)))
        except engines.UnavailableError as error:
            raise SystemExit(str(error)) from None
        return
    for model in args.model if args.engines else ():
        weights.prepare(
            model, args.models, tuple({engines.SPECS[name].weights for name in args.engines})
        )
    rows = measure(args)
    reasons = failures(rows)
    print(table(rows))
    print()
    print("\n".join(f"- {reason}" for reason in reasons) if reasons else "The gate is open.")
    args.json.parent.mkdir(parents=True, exist_ok=True)
    figures = {"machine": machine.facts(), "passed": not reasons, "failures": reasons, "rows": rows}
    args.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    sys.exit(1 if reasons else 0)


if __name__ == "__main__":
    main()
