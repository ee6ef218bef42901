"""What bench/word_times.py rests on: clips with known times, words matched, errors counted."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

import espeak
import word_clips
import word_report
from speech import SAMPLE_RATE
from word_clips import Clip, Word, joined, utterance
from word_match import Errors, Heard, in_company, in_gaps, matches, plain

BURSTS = ((0.1, 0.4), (0.5, 0.7), (0.7, 1.0))  # s: the words of an utterance
BEGINS = (0.0, 0.45, 0.7)  # s: when they begin at the earliest
TEXT = "one two, three."


def bursts():
    t = np.arange(round(1.3 * SAMPLE_RATE)) / SAMPLE_RATE
    on = sum(((a <= t) & (t < b)).astype(float) for a, b in BURSTS)
    return (0.5 * on * np.sin(2 * np.pi * 300 * t)).astype(np.float32)


def words(*found):
    return tuple(Word(*word) for word in found)


def test_words_of_a_clip_lie_where_its_sound_does():
    said = utterance(bursts(), TEXT, BEGINS)
    clip = joined("clip", [said, said], [0.8, 1.5, 0.6])
    assert [word.text for word in clip.words] == TEXT.split() * 2
    loud = word_clips.loudness(clip.samples) > 0.01
    spoken = np.zeros(len(loud), bool)
    slack = 5e-3  # s: the energy is measured over so much
    for word in clip.words:
        a, b = (round(time * SAMPLE_RATE) for time in (word.start, word.end))
        assert loud[a : b + 1].mean() > 0.99
        spoken[max(0, a - round(slack * SAMPLE_RATE)) : b + round(slack * SAMPLE_RATE)] = True
    assert not (loud & ~spoken).any()
    lengths = [word.end - word.start for word in clip.words]
    assert lengths == pytest.approx([b - a for a, b in BURSTS] * 2, abs=slack)
    for a, b in clip.gaps:
        assert not loud[round((a + slack) * SAMPLE_RATE) : round((b - slack) * SAMPLE_RATE)].any()
    wanted = [gap + margin for gap, margin in ((0.8, 0.02), (1.5, 0.04), (0.6, 0.02))]
    heard = Heard.of(clip, [])
    assert heard.beside_pauses("start") == {0, 3}
    assert heard.beside_pauses("end") == {2, 5}
    assert [b - a for a, b in clip.gaps] == pytest.approx(wanted, abs=slack)
    assert clip.gaps[-1][1] == clip.seconds


def test_of_a_prompt_the_first_start_and_the_last_end_are_known():
    said = utterance(bursts(), TEXT, [0.0, None, None])
    (first, second, third) = said.words
    assert first.start == pytest.approx(0.02, abs=5e-3)
    assert (first.end, second.start, second.end, third.start) == (None,) * 4
    assert third.end == pytest.approx(0.92, abs=5e-3)
    # No sound of its own: the next word begins before anything is heard.
    assert utterance(bursts(), "a b", [0.0, 0.05]).words[0] == Word("a", None, None)


@pytest.mark.parametrize("between", ["noise", "music"])
def test_what_fills_a_gap_is_soft_and_stays_there(between):
    said = utterance(bursts(), TEXT, BEGINS)
    quiet = joined("clip", [said], [1.0, 1.0])
    filled = joined("clip", [said], [1.0, 1.0], between, seed=1)
    assert filled.words == quiet.words
    sound = filled.samples - quiet.samples
    gap = slice(0, SAMPLE_RATE)
    level = word_clips.SOFT * word_clips.SPEECH_RMS
    assert 0.5 * level < np.sqrt(np.mean(sound[gap] ** 2)) <= level
    assert not sound[SAMPLE_RATE : -SAMPLE_RATE - 1].any()
    again = joined("clip", [said], [1.0, 1.0], between, seed=1)
    np.testing.assert_array_equal(again.samples, filled.samples)
    assert (joined("clip", [said], [1.0, 1.0], between, seed=2).samples != filled.samples).any()


def test_noise_is_as_loud_as_asked_for():
    said = utterance(bursts(), TEXT, BEGINS)
    noisy, quiet = (joined("clip", [said], [1.0, 1.0], noise_db=db) for db in (20, None))
    rms = np.sqrt(np.mean((noisy.samples - quiet.samples) ** 2))
    assert rms == pytest.approx(0.1 * word_clips.SPEECH_RMS, rel=0.02)


def test_a_sound_is_resampled_in_place():
    t = np.arange(22050) / 22050
    out = espeak.resampled(np.sin(2 * np.pi * 440 * t), 22050)
    expected = np.sin(2 * np.pi * 440 * np.arange(SAMPLE_RATE) / SAMPLE_RATE)
    np.testing.assert_allclose(out, expected, atol=1e-6)


def test_words_are_compared_without_marks():
    assert [plain(word) for word in (" Don't", "re-enter,", "“7”", "10.", "--", "Ça")] == [
        "dont",
        "reenter",
        "seven",
        "10",
        "",
        "ça",
    ]


def test_a_word_matches_the_same_word_with_the_fewest_edits():
    said = words(("a", 0.0, 1.0), ("red", 1.0, 2.0), ("dog", 2.0, 3.0), ("ran", 3.0, 4.0))
    heard = words((" The", 0.0, 1.0), (" dog", 2.1, 3.0), (" he", 3.0, 3.2), (" ran.", 3.2, 4.0))
    assert matches(said, heard) == {2: 1, 3: 3}
    assert matches(said, ()) == matches((), heard) == {}


def test_of_two_sentences_that_begin_alike_the_nearer_one_was_heard():
    said = words(("press", 0.0, 1.0), ("now", 1.0, 2.0), ("press", 8.0, 9.0), ("now", 9.0, 10.0))
    heard = words(("press", 7.5, 8.9), ("now", 8.9, 10.0))
    assert matches(said, heard) == {2: 0, 3: 1}
    ends_alone = tuple(Word(word.text, None, word.end) for word in said)
    assert matches(ends_alone, heard) == {2: 0, 3: 1}


def test_a_word_that_matches_alone_is_chance():
    assert in_company({0: 0, 1: 1, 3: 3, 5: 6, 6: 8, 7: 9}) == {0: 0, 1: 1, 6: 8, 7: 9}


def test_words_in_long_gaps_are_astray():
    heard = words(
        ("a", 0.0, 1.0), ("b", 0.8, 2.0), ("c", 2.0, 2.0), ("d", 2.9, 4.0), ("e", 5.1, 5.4)
    )
    assert in_gaps(heard, [(1.0, 3.0), (5.0, 5.5)]) == [1, 2]
    said = words(("a", 0.0, 1.0), ("b", 3.0, 4.0))
    clip = Clip("clip", np.zeros(SAMPLE_RATE), said, ((1.0, 3.0),))
    assert Heard.of(
        clip, [Word(" a", 0.0, 1.0), Word(" b", 1.5, 3.5), Word(" x", 2.0, 2.5)]
    ).astray() == (2, 1)


def test_errors_are_counted_with_and_without_their_sign():
    assert Errors.of([]) is None
    found = Errors.of([-0.1, -0.05, 0.0, 0.2, 2.0])
    assert (found.n, found.late, found.median) == (5, 0.0, pytest.approx(0.1))
    assert found.within == (0.6, 0.8, 0.8)
    assert 0.2 < found.p95 <= 2.0


def engine(name, *heard):
    machine = {"cpu": "CPU", "n_cores": 2}
    peaks = {"all": {"float32": 1.0, "bfloat16": 0.0, "int8": 2.0, "dram": 3.0}}
    about = {"engine": name, "work": "times", "machine": machine, "disturbed": False}
    return {
        **about,
        "probe_before": peaks,
        "probe_after": peaks,
        "words": [[list(word) for word in heard]],
    }


def test_tables_of_times_compare_engines_on_the_words_that_all_heard():
    said = words(("a", 1.0, 2.0), ("b", 2.0, 3.0), ("c", None, 4.0))
    clip = Clip("one", np.zeros(6 * SAMPLE_RATE), said, ((0.0, 1.0), (4.0, 6.0)))
    good = engine("good", ("a", 1.0, 2.0), ("b", 2.0, 3.0), ("c", 3.0, 4.0))
    poor = engine("poor", ("a", 0.7, 2.0), ("b", 4.5, 5.0))
    gone = {"engine": "gone", "work": "times", "unavailable": "no such thing"}
    told = word_report.times([clip], [good, poor, gone])
    lines = told.splitlines()
    assert "1 clips, 0.1 minutes, 3 words, of which 2 starts and 3 ends are known" in lines[0]
    assert lines[6].startswith("| good | 100.0 | 0.000 (+0.000) | 0.00 | 100 / 100 / 100 |")
    assert lines[7].startswith("| poor | 66.7 | 1.400 (+1.100) |")
    assert lines[7].endswith("| 1 (1 of them said) |")
    assert "The words that all of them heard (2 starts and 2 ends):" in told
    assert "| one | 100, 100 | 0, 50 |" in told
    assert told.endswith("- gone is not to be had: no such thing\n")
    assert word_report.times([clip], [gone]) == "- gone is not to be had: no such thing"


def test_tables_are_made_of_what_was_written(tmp_path):
    clip = Clip(
        "one", np.zeros(2 * SAMPLE_RATE), words(("a", 0.5, 1.0), ("b", 1.0, 1.5)), ((0, 0.5),)
    )
    records = [engine("good", ("a", 0.5, 1.0), ("b", 1.0, 1.5))]
    file = tmp_path / "words.json"
    word_report.write(file, [clip], records)
    read, same = word_report.read(file)
    assert same == records
    assert word_report.told(read, same) == word_report.told([clip], records)


def test_a_cost_is_a_ratio_within_a_process():
    def run(without, with_words, disturbed=False):
        both = {"without_s": [[without, 4.0]] * 2, "with_s": [[with_words, 5.0]] * 2}
        return {**engine("ours"), "work": "cost", **both, "disturbed": disturbed}

    told = word_report.cost([run(1.0, 2.0), run(1.0, 3.0), run(9.0, 9.0, disturbed=True)])
    ratios = ("1", "2.5", "2.5 (2 to 3)", "5", "7.5", "1.5 (1.4 to 1.6)")
    assert told.splitlines()[-1] == f"| ours | {' | '.join(ratios)} | 2 |"
