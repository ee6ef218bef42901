"""Whole transcripts against openai-whisper 20250625 (float32, CPU; tools/make_golden.py).

Words, tokens, times and seek points must be the same; probabilities within 1e-3. Where a transcript
parts from the reference at a choice that the reference itself made by less than TIE, rounding
decides, not the code: such a record is reported as an expected failure, with the margin.

Records of the development clips need SOTTOVOCE_DEV_DATA, all need SOTTOVOCE_TEST_MODELS. An
ordinary run takes a sample of every file; SOTTOVOCE_SLOW=1 takes everything.
"""

import hashlib
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oracle import clips

GOLDEN = Path(__file__).parent / "golden"
TIE = 1e-4  # of a log-probability; float32 logits of order 20 agree to about 1e-5

# Which records of a file an ordinary run takes; the others are slow.
ORDINARY = {
    "tiny.en-greedy": slice(0, None),
    "tiny.en-beam5": slice(0, None, 3),
    "tiny.en-words": slice(0, None, 2),
    "tiny.en-fallback": slice(0, None, 2),
    "base-greedy": slice(0, None, 3),
    "base-beam5": slice(1, None, 10),
    "base-words": slice(0, None, 4),
    "base-fallback": slice(2, None, 4),
    "dev/tiny.en-greedy": slice(1, None, 6),  # the first is four minutes long
    "dev/tiny.en-beam5": slice(2, None, 12),
    "dev/base-greedy": slice(1, None, 10),
    "dev/base-beam5": slice(3, None, 30),
}


def records() -> list:
    found = []
    for path in sorted(GOLDEN.glob("**/*.json")):
        stem = path.relative_to(GOLDEN).with_suffix("").as_posix()
        contents = json.loads(path.read_text(encoding="utf-8"))
        if "records" not in contents:
            continue
        taken = range(len(contents["records"]))[ORDINARY.get(stem, slice(0, None))]
        for index, record in enumerate(contents["records"]):
            marks = [] if index in taken else [pytest.mark.slow]
            name = f"{stem}-{record['name']}"
            found.append(pytest.param(contents["about"]["model"], record, id=name, marks=marks))
    return found


@pytest.mark.filterwarnings("ignore::sottovoce.OptionWarning")  # which the reference lacks
@pytest.mark.parametrize(("model_name", "record"), records())
def test_transcript_is_the_references(model_name, record, request):
    transcribed = transcribe(model_name, record, request)
    try:
        compare(transcribed, record["result"])
    except AssertionError as difference:
        margin = margin_where_they_part(transcribed["segments"], record["result"])
        if margin < TIE:
            pytest.xfail(f"the reference chose by {margin:.1e}: {difference}"[:300])
        raise


def transcribe(model_name: str, record: dict[str, Any], request: Any) -> dict[str, Any]:
    from sottovoce.options import TranscribeOptions

    options = {"policy": "openai", "beam_size": None, **record["options"]}
    missing = options.keys() - {field.name for field in fields(TranscribeOptions)}
    if missing:
        pytest.skip(f"transcribe has no {', '.join(sorted(missing))}")
    samples = samples_of(record, request)
    model = request.getfixturevalue(model_name.replace(".", "_"))
    generator, info = model.transcribe(samples, **options)
    segments = list(generator)
    return {
        "segments": segments,
        "text": model.text(segments),
        "language": info.language,
        "language_probs": info.all_language_probs,
        "n_windows": info.metrics.core.decode_calls,
    }


def samples_of(record: dict[str, Any], request: Any) -> np.ndarray:
    if "clip" in record:
        return clips.build(record["clip"])
    samples = clips.read(request.getfixturevalue("dev_data") / record["file"])
    if hashlib.sha256(samples.tobytes()).hexdigest()[:16] != record["samples_sha256"]:
        pytest.skip(f"this FFmpeg decodes or resamples {record['file']} to other samples")
    return samples


def compare(ours: dict[str, Any], golden: dict[str, Any]) -> None:
    assert ours["language"] == golden["language"]
    assert [s.seek for s in ours["segments"]] == [s["seek"] for s in golden["segments"]]
    for segment, expected in zip(ours["segments"], golden["segments"], strict=True):
        compare_segment(segment, expected)
    if "text" in golden:
        assert ours["text"] == golden["text"]
    else:  # not ours to ship
        digest = hashlib.sha256(ours["text"].encode()).hexdigest()[:16]
        assert digest == golden["text_sha256"]
    assert ours["n_windows"] == len(golden["windows"])
    for code, probability in golden.get("language_probs", {}).items():
        assert ours["language_probs"][code] == pytest.approx(probability, abs=1e-3)


def compare_segment(segment: Any, expected: dict[str, Any]) -> None:
    assert list(segment.tokens) == expected["tokens"]
    exact = ("id", "seek", "temperature", *(["text"] if "text" in expected else []))
    assert {n: getattr(segment, n) for n in exact} == {n: expected[n] for n in exact}
    near = {"start": 1e-6, "end": 1e-6, "compression_ratio": 1e-6}
    near |= {"avg_logprob": 1e-3, "no_speech_prob": 1e-3}
    for name, tolerance in near.items():
        assert getattr(segment, name) == pytest.approx(expected[name], abs=tolerance), name
    if expected.get("words"):
        assert [w.word for w in segment.words] == [w["word"] for w in expected["words"]]
        for word, other in zip(segment.words, expected["words"], strict=True):
            assert word.start == pytest.approx(other["start"], abs=1e-6)
            assert word.end == pytest.approx(other["end"], abs=1e-6)
            assert word.probability == pytest.approx(other["probability"], abs=1e-3)


def margin_where_they_part(ours: list[Any], golden: dict[str, Any]) -> float:
    """The reference's narrowest choice in the first window whose tokens differ; else infinity."""
    theirs = golden["segments"]
    mine = [(s.seek, list(s.tokens)) for s in ours]
    parts = [(s["seek"], s["tokens"]) for s in theirs]
    n_same = next(
        (i for i, (a, b) in enumerate(zip(mine, parts, strict=False)) if a != b),
        min(len(mine), len(parts)),
    )
    seeks = [x[n_same][0] for x in (mine, parts) if n_same < len(x)]
    if not seeks:
        return float("inf")
    margins = {window["seek"]: window["margin"] for window in golden["windows"]}
    return margins.get(min(seeks), float("inf"))
