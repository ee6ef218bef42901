"""What bench/ computes without running an engine: scores, ratios, the roofline, ggml blocks."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

import ceiling
import scoring
import speech
import weights
from records import Records, interval


@pytest.mark.parametrize(
    ("reference", "hypothesis", "errors"),
    [("a b c", "a b c", 0), ("a b c", "a c", 1), ("", "a b", 2), ("a b", "b a", 2), ("a", "", 1)],
)
def test_word_errors(reference, hypothesis, errors):
    assert scoring.word_errors(reference.split(), hypothesis.split()) == errors


def test_a_loop_is_words_that_come_again_and_again():
    once = ["the", "sun", "is", "up", "and", "the", "day", "is", "long"]
    assert not scoring.has_loop(once)
    assert not scoring.has_loop(["no", "no", "no", "no", "I", "said", "no"])
    assert scoring.has_loop([*once, *["so", "it", "goes", "on"] * 4])
    assert scoring.has_loop(["oh"] * 12)


def test_signs_of_going_astray():
    def signs(text, reference):
        return set(scoring.judge("clip", text, reference, text.split(), reference.split()).signs)

    assert signs("a quiet day", "a quiet day") == set()
    assert signs("thank you", "") == {"words without speech"}
    assert signs("", "one two three four five six") == {"too short"}
    assert {"loop", "too long"} <= signs("and so it is " * 9, "and so it is")
    prompts = "press one to go on " * 9
    assert signs(prompts, prompts) == set()


def test_the_roofline_counts_what_the_network_does():
    base = weights.DIMS["base"]
    encoder = ceiling.encode(base, "float32")
    assert (encoder.gemm + encoder.attention) / 1e9 == pytest.approx(87.4, abs=0.1)
    step = ceiling.token(base, "int8")
    assert step.n_bytes / 1e6 == pytest.approx(48.6 + 18.4, abs=0.1)
    peaks = {"float32": 500.0, "bfloat16": 1000.0, "int8": 2000.0, "dram": 40.0}
    assert step.seconds("int8", peaks) == pytest.approx(67.0e6 / 40e9, rel=1e-2)
    peaks["bfloat16"] = 0.0  # no such instruction
    assert encoder.seconds("bfloat16", peaks) == encoder.seconds("float32", peaks)


def run(engine, round_, seconds, disturbed=False):
    record = {"run": "now", "comparison": "short", "model": "base", "engine": engine}
    return {**record, "round": round_, "file_s": [seconds], "disturbed": disturbed}


def test_ratios_are_of_rounds_and_leave_out_the_disturbed():
    theirs = [run("theirs", i, 2.0) for i in range(4)]
    ours = [run("ours", i, 1.0) for i in range(3)] + [run("ours", 3, 9.0, disturbed=True)]
    records = Records(theirs + ours)
    assert records.ratios("file_s", "short", "base", "theirs", "ours") == ([2.0] * 3, 0)
    only_disturbed = Records([*theirs, ours[3]])
    assert only_disturbed.ratios("file_s", "short", "base", "theirs", "ours") == ([2.0 / 9.0], 1)
    assert records.figure("file_s", "short", "base", "ours") == 1.0
    assert interval([1.0, 2.0, 3.0]) == (1.0, 3.0)


def test_q8_0_blocks_give_the_weights_back(rng):
    array = rng.standard_normal((4, 64)).astype(np.float32)
    array[1, :32] = 0.0
    blocks = np.frombuffer(weights.q8_0(array), [("scale", "<f2"), ("values", "i1", 32)])
    back = blocks["scale"].astype(np.float32)[:, None] * blocks["values"]
    step = np.abs(array).reshape(-1, 32).max(axis=1, keepdims=True) / 127
    # Half a step of rounding, and the scale's own: 2^-11 of up to 127 steps.
    assert np.all(np.abs(back - array.reshape(-1, 32)) <= step * (0.5 + 127 * 2.0**-11))


def test_special_tokens_of_the_three_vocabularies():
    found = {name: (d.prompt, d.timestamp_begin) for name, d in weights.DIMS.items()}
    assert found["tiny.en"] == ([50257], 50363)
    assert found["base"] == ([50258, 50259, 50359], 50364)
    assert found["turbo"] == ([50258, 50259, 50360], 50365)


def test_windows_begin_anew_past_the_end():
    samples = np.arange(70 * speech.SAMPLE_RATE, dtype=np.float32)
    assert [speech.window(samples, i)[0] for i in range(3)] == [0, 480000, 0]
    assert len(speech.window(samples[:5], 3)) == 480000
