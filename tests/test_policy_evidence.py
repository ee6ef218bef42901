"""What speaks for a segment and against it."""

import numpy as np
import pytest

from sottovoce.policy.evidence import doubt, evidence, joined, repeats
from sottovoce.policy.voiced import Voiced
from sottovoce.results import Evidence, Segment

VOICED = Voiced([(1.0, 3.0)], np.where(np.arange(400) < 94, 0.9, 0.05).astype(np.float32))


def segment(text=" one two three", **changes) -> Segment:
    plain = {
        "id": 0,
        "seek": 0,
        "start": 1.0,
        "end": 3.0,
        "text": text,
        "tokens": (1, 2, 3),
        "temperature": 0.0,
        "avg_logprob": -0.3,
        "compression_ratio": 1.0,
        "no_speech_prob": 0.1,
        "logprobs": (-0.5, -0.2, -0.2),
    }
    return Segment(**{**plain, **changes})


def test_evidence_is_of_the_words_where_they_are_timed():
    found = evidence(segment(), [(1.0, 1.5), (1.5, 2.0)], VOICED, [-0.5, -0.2])
    assert found.voiced == pytest.approx(1.2)  # 0.2 s behind it are near enough
    assert found.share == 1.0
    assert found.voice == np.float32(0.9)
    assert found.avg_logprob == pytest.approx(-0.3)
    assert found.min_logprob == -0.5
    assert (found.n_words, found.repeats) == (3, 1)
    assert found.words_per_second == pytest.approx(3 / 1.2)


def test_evidence_without_words_is_of_the_segments_time():
    found = evidence(segment(start=2.0, end=10.0), [], VOICED, [])
    assert found.voiced == pytest.approx(1.2)
    assert found.share == pytest.approx(1.2 / 8)


def test_words_apart_are_judged_where_they_are_and_not_between():
    found = evidence(segment(start=0.0, end=9.0), [(2.8, 3.0), (8.0, 8.5)], VOICED, [])
    assert found.voiced == pytest.approx(0.4)
    assert found.share == pytest.approx(0.4 / 0.7)


def known(**changes) -> Evidence:
    plain = {
        "voiced": 2.0,
        "share": 0.9,
        "voice": 0.9,
        "no_speech_prob": 0.1,
        "avg_logprob": -0.3,
        "min_logprob": -1.0,
        "compression_ratio": 1.0,
        "n_words": 5,
        "words_per_second": 2.5,
        "repeats": 1,
    }
    return Evidence(**{**plain, **changes})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"voiced": 0.0, "voice": 0.05}, "nobody speaks: voice 0.05"),
        ({"voiced": 0.0, "voice": 0.3}, ""),  # confident words, and perhaps a whisper
        ({"voiced": 0.0, "voice": 0.3, "no_speech_prob": 0.7}, "nobody speaks: voice 0.30"),
        ({"voiced": 0.0, "voice": 0.3, "avg_logprob": -1.2}, "nobody speaks: voice 0.30"),
        (
            {"words_per_second": 20.0, "n_words": 6, "voiced": 0.3, "avg_logprob": -1.2},
            "20 words a second in 0.3 s of voice",
        ),
        ({"words_per_second": 20.0, "n_words": 6, "voiced": 0.3}, ""),
        ({"words_per_second": 20.0, "n_words": 2, "voiced": 0.1, "avg_logprob": -1.2}, ""),
        (
            {"share": 0.1, "avg_logprob": -1.2},
            "voice in 10 % of its time, mean log-probability -1.20",
        ),
        ({"share": 0.1}, ""),
        ({"avg_logprob": -1.2}, ""),  # improbable words where somebody speaks: what else is there
    ],
)
def test_a_segment_is_doubted_for_where_and_how_it_was_heard(changes, words):
    assert doubt(known(**changes)) == words


@pytest.mark.parametrize(
    ("said", "times"),
    [
        ("", 1),
        ("a", 1),
        ("a b c", 1),
        ("a a", 2),
        ("x a b a b a b y", 3),
        ("a b a c a b", 1),
        ("no no no no", 4),
        ("a b c d a b c d e", 2),
    ],
)
def test_how_often_a_phrase_stands_in_a_row(said, times):
    assert repeats(said.split()) == times


def test_spans_are_joined_where_they_touch():
    assert joined([(3, 4), (0, 1), (1, 2), (3.5, 3.6)]) == [(0, 2), (3, 4)]
    assert joined([]) == []
