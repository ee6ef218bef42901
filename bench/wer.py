"""Word error rate over clips with references, for sottovoce and for its peers on the same weights.

    python bench/wer.py --model DIR --data DIR [--beam-size 5] [--engine sottovoce] [--json OUT]

--model   a CTranslate2 directory (every engine here reads those)
--data    clips and their manifest.jsonl: file, language, reference, group, kind
--engine  sottovoce, openai-whisper, faster-whisper; or golden, which scores recorded tokens
          (--golden tests/golden/dev/base-greedy.json) without running anything

Language given, temperature 0 without fallback, no voice detection. Texts are compared after
openai-whisper's normalizers; Chinese and Japanese by characters. Left out: clips without a
reference, clips that count (they spell digits), and, for English-only models, other languages.
Clips without speech stand apart: every word there is an insertion.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tools")]

from oracle import clips  # noqa: E402  (the path above)

COUNTING = ("counting", "conteo", "comptage", "ginti", "conteggio", "kazoeru", "liczenie")
COUNTING += ("contagem", "jishu")
BY_CHARACTER = ("zh", "ja", "th", "lo", "my", "yue")

Transcriber = Callable[[dict[str, Any], np.ndarray], str]  # a line of the manifest, samples -> text


@dataclass
class Score:
    errors: int = 0  # substitutions, deletions and insertions
    words: int = 0  # in the references

    def add(self, errors: int, words: int) -> None:
        self.errors += errors
        self.words += words

    def as_dict(self) -> dict[str, Any]:
        rate = round(100 * self.errors / self.words, 2) if self.words else None
        return {"errors": self.errors, "words": self.words, "wer": rate}

    def __str__(self) -> str:
        rate = f"{100 * self.errors / self.words:6.2f} %" if self.words else "       -"
        return f"{rate}  {self.errors:5d} / {self.words}"


def word_errors(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """Levenshtein: row i of the table holds the costs of reference[:i] -> hypothesis[:j]."""
    row = list(range(len(hypothesis) + 1))
    for i, expected in enumerate(reference, 1):
        above, row = row, [i]
        for j, word in enumerate(hypothesis, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (word != expected)))
    return row[-1]


def normalizers() -> Callable[[str, str], list[str]]:
    try:
        from whisper.normalizers import BasicTextNormalizer, EnglishTextNormalizer
    except ImportError:
        raise SystemExit(
            "the normalizers are openai-whisper's: pip install openai-whisper"
        ) from None
    english, basic = EnglishTextNormalizer(), BasicTextNormalizer()
    characters = BasicTextNormalizer(split_letters=True)

    def words(text: str, language: str | None) -> list[str]:
        if language in (None, "en"):
            return english(text).split()
        return (characters if language in BY_CHARACTER else basic)(text).split()

    return words


# --- engines --------------------------------------------------------------------------------------


def sottovoce_engine(args: argparse.Namespace) -> Transcriber:
    import sottovoce

    model = sottovoce.WhisperModel(
        str(args.model), compute_type=args.compute_type, cpu_threads=args.threads
    )

    def transcribe(clip: dict[str, Any], samples: np.ndarray) -> str:
        segments, _ = model.transcribe(
            samples, language=clip["language"], temperature=0.0, beam_size=args.beam_size
        )
        return model.text(list(segments))

    return transcribe


def openai_whisper_engine(args: argparse.Namespace) -> Transcriber:
    import make_golden
    import torch
    import whisper

    torch.set_num_threads(args.threads or torch.get_num_threads())
    model = make_golden.load_model(args.model)
    search = {"beam_size": args.beam_size} if args.beam_size > 1 else {}

    def transcribe(clip: dict[str, Any], samples: np.ndarray) -> str:
        language = clip["language"]
        result = whisper.transcribe(
            model, samples, fp16=False, language=language, temperature=0.0, **search
        )
        return result["text"]

    return transcribe


def faster_whisper_engine(args: argparse.Namespace) -> Transcriber:
    from faster_whisper import WhisperModel

    model = WhisperModel(
        str(args.model), device="cpu", compute_type=args.compute_type, cpu_threads=args.threads
    )

    def transcribe(clip: dict[str, Any], samples: np.ndarray) -> str:
        segments, _ = model.transcribe(
            samples, language=clip["language"], temperature=0.0, beam_size=args.beam_size
        )
        return "".join(segment.text for segment in segments)

    return transcribe


def golden_engine(args: argparse.Namespace) -> Transcriber:
    from whisper.tokenizer import get_tokenizer

    if args.golden is None:
        raise SystemExit("--engine golden needs --golden FILE")
    contents = json.loads(args.golden.read_text(encoding="utf-8"))
    multilingual = not contents["about"]["model"].endswith(".en")
    tokenizer = get_tokenizer(multilingual)
    recorded = {record["file"]: record["result"]["segments"] for record in contents["records"]}

    def transcribe(clip: dict[str, Any], _samples: np.ndarray) -> str:
        tokens = (token for segment in recorded[clip["file"]] for token in segment["tokens"])
        return tokenizer.decode(list(tokens))

    return transcribe


ENGINES = {
    "sottovoce": sottovoce_engine,
    "openai-whisper": openai_whisper_engine,
    "faster-whisper": faster_whisper_engine,
    "golden": golden_engine,
}


# --- measuring ------------------------------------------------------------------------------------


def wanted_clips(data: Path, english_only: bool) -> list[dict[str, Any]]:
    lines = (data / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    return [
        clip
        for clip in map(json.loads, lines)
        if clip["reference"] is not None
        and not (clip["file"].startswith("synth-") and Path(clip["file"]).stem.endswith(COUNTING))
        and (clip["language"] == "en" or not english_only)
    ]


def is_english_only(model: Path) -> bool:
    """tokenizer.json of an English model has its end of text at 50256, not 50257."""
    added = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))["added_tokens"]
    return {"id": 50256, "content": "<|endoftext|>"} in [
        {"id": token["id"], "content": token["content"]} for token in added
    ]


def measure(transcribe: Transcriber, chosen: list[dict[str, Any]], data: Path) -> dict[str, Any]:
    split = normalizers()
    total, silent = Score(), Score()
    languages: dict[str, Score] = {}
    groups: dict[str, Score] = {}
    per_clip, busy = [], 0.0
    for clip in chosen:
        samples = clips.read(data / clip["file"])
        started = time.perf_counter()
        text = transcribe(clip, samples)
        busy += time.perf_counter() - started
        reference = split(clip["reference"], clip["language"])
        errors = word_errors(reference, split(text, clip["language"]))
        per_clip.append({"file": clip["file"], "errors": errors, "words": len(reference)})
        if not reference:
            silent.add(errors, 0)
            continue
        total.add(errors, len(reference))
        languages.setdefault(clip["language"], Score()).add(errors, len(reference))
        groups.setdefault(clip["group"], Score()).add(errors, len(reference))
    return {
        "total": total.as_dict(),
        "no_speech": silent.as_dict(),
        "languages": {name: score.as_dict() for name, score in sorted(languages.items())},
        "groups": {name: score.as_dict() for name, score in sorted(groups.items())},
        "seconds": round(busy, 1),
        "clips": per_clip,
    }


def show(figures: dict[str, Any]) -> None:
    def line(name: str, score: dict[str, Any]) -> None:
        print(f"  {name:16} {Score(score['errors'], score['words'])}")

    for title in ("languages", "groups"):
        print(title)
        for name, score in figures[title].items():
            line(name, score)
    print("all")
    line("speech", figures["total"])
    line("no speech", figures["no_speech"])
    print(f"{figures['seconds']} s")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--engine", choices=ENGINES, default="sottovoce")
    parser.add_argument("--beam-size", type=int, default=5, help="1: greedy")
    parser.add_argument("--compute-type", default="float32")
    parser.add_argument("--threads", type=int, default=0, help="0: the engine's default")
    parser.add_argument("--golden", type=Path)
    parser.add_argument("--json", type=Path, help="write the figures, clip by clip, here")
    args = parser.parse_args()
    chosen = wanted_clips(args.data, is_english_only(args.model))
    figures = measure(ENGINES[args.engine](args), chosen, args.data)
    show(figures)
    if args.json:
        head = {"engine": args.engine, "model": args.model.name, "beam_size": args.beam_size}
        args.json.write_text(json.dumps({**head, **figures}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
