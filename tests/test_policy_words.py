"""Words, and what they say about segments and seeking: openai-whisper's, from made-up times."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import fake_core
from fake_core import FakeCore, Heard, at, silence
from sottovoce import WhisperModel, _core
from sottovoce.text.tokenizer import Tokenizer

ROOT = Path(__file__).parents[1]
CASES = json.loads((ROOT / "tests/golden/words.json").read_text(encoding="utf-8"))["cases"]


@pytest.fixture(autouse=True)
def open_options(monkeypatch):
    """The core's options tell nobody what they hold; these do."""
    monkeypatch.setattr(_core, "DecodingOptions", SimpleNamespace)
    monkeypatch.setattr(_core, "AlignmentOptions", SimpleNamespace)


@dataclass
class AligningCore(FakeCore):
    """Also says when the tokens of the window that it was asked for last have begun."""

    times: list[tuple[list[int], list[float]]] = field(default_factory=list)
    aligned: list[Any] = field(default_factory=list)  # options of each align()
    aligned_in: list[Any] = field(default_factory=list)  # features or kept attention of each

    def align(self, heard: Any, options: Any) -> Any:
        self.aligned_in.append(heard)
        self.aligned.append(options)
        starts, probabilities = self.times[len(self.asked) - 1]
        n_text = len(options.text_tokens)  # without what belongs to no segment
        return SimpleNamespace(
            starts=np.array(starts[: n_text + 1], np.int32),
            probabilities=np.array(probabilities[:n_text], np.float32),
            metrics=_core.Metrics(),
        )


def core_of(windows: list[dict[str, Any]]) -> AligningCore:
    heard = [Heard(w["tokens"], w["avg_logprob"], w["no_speech_prob"]) for w in windows]
    return AligningCore(heard, times=[(w["starts"], w["probabilities"]) for w in windows])


@pytest.fixture(scope="module")
def tokenizer(base_dir) -> Tokenizer:
    return WhisperModel(base_dir).tokenizer


@pytest.mark.parametrize("case", CASES, ids=map(str, range(len(CASES))))
def test_windows_come_to_what_the_reference_makes_of_them(case, tokenizer):
    core = core_of(case["windows"])
    model = WhisperModel.of_parts(core, tokenizer)
    options = {"temperature": 0.0, "word_timestamps": True, **case["options"]}
    found = model.transcribe(silence(case["seconds"]), **options)
    for segment, expected in zip(found, case["segments"], strict=True):
        assert (segment.seek, list(segment.tokens)) == (expected["seek"], expected["tokens"])
        assert (segment.start, segment.end) == (expected["start"], expected["end"])
        assert [w.word for w in segment.words] == [w["word"] for w in expected["words"]]
        for word, other in zip(segment.words, expected["words"], strict=True):
            assert (word.start, word.end) == (other["start"], other["end"])
            assert word.probability == pytest.approx(other["probability"], rel=2**-23)
    assert len(core.asked) == len(case["windows"])


def test_the_cases_reach_every_rule():
    """Words that are moved, windows that are void, texts that are left out."""
    assert sum(len(case["segments"]) for case in CASES) > 250
    seeks = [len({s["seek"] for s in case["segments"]}) for case in CASES]
    n_windows = [len(case["windows"]) for case in CASES]
    assert sum(n > k for n, k in zip(n_windows, seeks, strict=True)) > 20


def one_window(tokens: list[int], starts: list[int], **options: Any) -> tuple[Any, AligningCore]:
    core = AligningCore([Heard(tokens)], times=[(starts, [0.5] * (len(starts) - 1))])
    options = {"language": "en", "temperature": 0.0, "word_timestamps": True, **options}
    return core.model().transcribe(silence(30), **options), core


def test_the_core_is_asked_for_the_text_behind_the_task():
    tokens = [at(0), *fake_core.tokenizer().encode(" the then"), at(30)]
    found, core = one_window(tokens, [0, 100, 200, 300], task="translate")
    assert len(found.segments) == 1
    special = fake_core.tokenizer().special
    (asked,) = core.aligned
    assert asked.initial_tokens == [
        special.sot,
        special.sot + 1,
        special.translate,
        special.no_timestamps,
    ]
    assert asked.text_tokens == tokens[1:-1]
    assert (asked.eot, asked.n_frames) == (special.eot, 3000)
    assert core.aligned_in == core.heard_in
    assert not core.asked[0].keep_attention


def kept_of(heard: Heard, n_text: int) -> Heard:
    return replace(heard, attention=SimpleNamespace(n_text=n_text))


def test_fast_times_come_from_what_the_attempt_that_stands_has_kept():
    tokens = [at(0), *fake_core.tokenizer().encode(" the then"), at(30)]
    bad = kept_of(Heard(tokens, avg_logprob=-2.0), 3)
    good = kept_of(Heard(tokens), 3)
    core = AligningCore([bad, good], times=[([], []), ([0, 100, 200, 300], [0.5] * 3)])
    options = {"language": "en", "temperature": (0.0, 0.2), "word_timestamps": "fast"}
    found = core.model().transcribe(silence(30), **options)
    assert [word.end for word in found.segments[0].words] == [2.0, 6.0]
    assert all(options.keep_attention for options in core.asked)
    assert core.aligned_in == [good.attention]


def test_a_window_that_was_cut_short_is_read_again():
    """Its last word was never fed: nobody has seen how it attends."""
    tokens = [at(0), *fake_core.tokenizer().encode(" the then")]
    heard = kept_of(Heard(tokens), 2)
    core = AligningCore([heard], times=[([0, 100, 200, 300], [0.5] * 3)])
    options = {"language": "en", "temperature": 0.0, "word_timestamps": "fast"}
    found = core.model().transcribe(silence(30), **options)
    assert [word.end for word in found.segments[0].words] == [2.0, 6.0]
    assert core.aligned_in == core.heard_in


def test_without_text_nothing_is_asked():
    found, core = one_window([at(0), at(30)], [0])
    assert core.aligned == []
    assert [segment.words for segment in found.segments] == [()]
    assert found.as_dict()["segments"][0]["words"] == []


def test_words_know_their_tokens():
    tokens = fake_core.tokenizer().encode(" the then")
    found, _ = one_window([at(0), *tokens, at(30)], [0, 100, 200, 300])
    (segment,) = found.segments
    assert [word.word for word in segment.words] == [" the", " then"]
    assert [token for word in segment.words for token in word.tokens] == tokens
    assert found.as_dict()["segments"][0]["words"][0] == {
        "word": " the",
        "start": 0.0,
        "end": 2.0,
        "probability": 0.5,
    }


def test_words_are_none_unless_they_are_asked_for():
    found, core = one_window([at(0), 300, at(30)], [0, 1], word_timestamps=False)
    assert [segment.words for segment in found.segments] == [None]
    assert core.aligned == []
    assert "words" not in found.as_dict()["segments"][0]
