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
from as_openai import AsOpenAI
from fake_core import FakeCore, Heard, at, silence
from sottovoce import Segment, WhisperModel, Word, _core
from sottovoce.policy import words as policy
from sottovoce.policy.segments import Cut
from sottovoce.policy.window import Window
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
    model = AsOpenAI.of_parts(core, tokenizer)
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


# --- edges that no golden case touches: openai-whisper's comparisons, which are strict ---


def timed(*words: tuple[str, float, float]) -> list[policy._Timed]:
    return [
        policy._Timed(text, (i,), start, end, 0.5) for i, (text, start, end) in enumerate(words)
    ]


def spoken(*words: tuple[float, float, float]) -> Segment:
    """Of words that begin and end, and are as likely, as these."""
    found = tuple(Word(" a", *word) for word in words)
    ends = (found[0].start, found[-1].end) if found else (0.0, 0.0)
    return Segment(0, 0, *ends, " a", (1,), 0.0, -0.5, 1.0, 0.0, found)


def test_a_mark_behind_a_space_is_a_word_of_its_own():
    words = timed(("a ", 0, 1), (",", 1, 2), ("b", 2, 3), (",", 3, 4))
    policy._merge_marks(words, "", ",")
    assert [word.text for word in words] == ["a ", ",", "b,", ""]


def test_a_word_may_begin_and_end_half_a_second_outside_of_its_segment():
    words = timed((" a", 0.5, 2.0), (" b", 2.0, 4.5))
    found = policy._agree(replace(spoken(), start=1.0, end=4.0), words, 0.25)
    assert (words[0].start, words[1].end, found.start, found.end) == (0.5, 4.5, 0.5, 4.5)
    words = timed((" a", 0.25, 2.0), (" b", 2.0, 4.75))
    found = policy._agree(replace(spoken(), start=1.0, end=4.0), words, 0.25)
    assert (words[0].start, words[1].end, found.start, found.end) == (1.0, 4.0, 1.0, 4.0)


def test_what_is_odd_is_heard_in_the_first_eight_words():
    normal = [(float(i), i + 1.0, 0.5) for i in range(8)]
    assert not policy._is_odd(spoken(*normal, (8.0, 14.0, 0.5)))
    assert policy._is_odd(spoken(*normal[1:], (8.0, 14.0, 0.5)))


@pytest.mark.parametrize(
    ("word", "is_odd"),
    [
        ((0.0, 1.0, 0.15), False),
        ((0.0, 1.0, 0.1499), True),
        ((0.0, 2.98, 0.5), False),
        ((0.0, 2.995, 0.5), True),
    ],
)
def test_one_word_is_odd_by_how_likely_and_how_long_it_is(word, is_odd):
    assert policy._is_odd(spoken(word)) is is_odd


def test_what_begins_before_the_threshold_follows_silence():
    """Which is measured from the start of the recording; a second after other speech as well."""
    window = Window(0, 3000)
    segment = spoken((5.0, 6.0, 0.5))
    assert policy._is_alone(segment, 4.0, None, window, 10.0)
    assert not policy._is_alone(segment, 4.0, None, window, 5.0)
    assert policy._is_alone(segment, 0.0, None, window, 4.75)
    assert not policy._is_alone(segment, 0.0, None, window, 24.0 + 1)


def test_without_words_a_long_silence_does_not_end_the_window():
    """A threshold of 30 s, and nothing said behind the window's start."""
    window = Window(1000, 3000)
    cut = Cut([replace(spoken(), start=10.0, end=10.0)], 1200, False, last_speech=10.0)
    assert policy.without_hallucinations(cut, window, 30.0, 9.0, 9000).seek == 1200
    late = replace(cut, last_speech=10.5)
    assert policy.without_hallucinations(late, window, 30.0, 9.0, 9000).seek == window.end


def test_a_void_window_does_not_forget_the_prompt():
    """As if it had not been heard: the next one is still prompted with what came before it."""
    tokens = fake_core.tokenizer().encode(" the")
    core = AligningCore(
        [Heard([at(0), *tokens, at(30)])] * 2,
        times=[([250, 251], [0.05]), ([0, 50], [0.9])],
    )
    options = {"language": "en", "temperature": 0.0, "word_timestamps": True}
    options |= {"hallucination_silence_threshold": 2.0, "initial_prompt": tokens}
    found = core.model().transcribe(silence(30), condition_on_previous_text=False, **options)
    assert [segment.seek for segment in found] == [500]
    assert core.prompts() == [tokens, tokens]


def test_words_are_none_unless_they_are_asked_for():
    found, core = one_window([at(0), 300, at(30)], [0, 1], word_timestamps=False)
    assert [segment.words for segment in found.segments] == [None]
    assert core.aligned == []
    assert "words" not in found.as_dict()["segments"][0]
