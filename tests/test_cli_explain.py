"""`sottovoce explain`: the decision trace for a person."""

import json

import pytest

from sottovoce.cli import main
from sottovoce.cli.explain import explained

ATTEMPT = {
    "temperature": 0.0,
    "is_prompted": True,
    "n_ctx": None,
    "text": "so so so",
    "n_tokens": 3,
    "avg_logprob": -0.5,
    "no_speech_prob": 0.1,
    "compression_ratio": 3.0,
    "failure": "compression ratio 3.00 > 2.4",
    "decode_ms": 12.4,
}
GOOD = {**ATTEMPT, "is_prompted": False, "text": "hello", "compression_ratio": 0.9, "failure": ""}
SEGMENT = {
    "seek": 100,
    "start": 1.5,
    "end": 2.5,
    "text": " hello",
    "tokens": [1],
    "doubt": "",
    "evidence": {"share": 0.9, "voice": 0.99, "words_per_second": 1.1, "avg_logprob": -0.2},
}
GONE = {**SEGMENT, "text": " thanks", "start": 6.0, "end": 8.0}
WINDOW = {
    "start": 1.0,
    "end": 31.0,
    "attempts": [ATTEMPT, GOOD],
    "chosen": -1,
    "silence": "",
    "left_out": [{"segment": GONE, "reason": "nobody speaks: voice 0.03"}],
    "again": [],
}


def test_a_window_tells_its_attempts_what_it_says_and_what_it_does_not():
    assert list(explained(WINDOW, [SEGMENT, {**SEGMENT, "seek": 3100, "text": " no"}])) == [
        "00:01.000 --> 00:31.000  heard",
        "    temperature 0, after what was said before: 3 tokens in 12 ms, mean log-probability "
        "-0.50, compression 3.00, no speech 0.10: compression ratio 3.00 > 2.4",
        "      so so so",
        "  = temperature 0, without a prompt: 3 tokens in 12 ms, mean log-probability -0.50, "
        "compression 0.90, no speech 0.10: good enough",
        "  + 00:01.500 --> 00:02.500 hello (voice in 90 % of it, up to 0.99; 1.1 words a second; "
        "mean log-probability -0.20)",
        "  - 00:06.000 --> 00:08.000 thanks: nobody speaks: voice 0.03 (voice in 90 % of it, up to "
        "0.99; 1.1 words a second; mean log-probability -0.20)",
    ]


def test_the_best_of_bad_attempts_says_so_and_doubts_are_told():
    window = {**WINDOW, "attempts": [ATTEMPT, {**ATTEMPT, "n_ctx": 128}], "chosen": 0}
    lines = list(explained({**window, "left_out": []}, [{**SEGMENT, "doubt": "no voice"}]))
    assert lines[1].startswith("  = ")
    assert lines[1].endswith(": compression ratio 3.00 > 2.4; the best there was")
    assert ", 2.56 s encoded: " in lines[2]
    assert lines[-1].endswith("; doubted: no voice")


def test_silence_has_its_reason():
    quiet = {**WINDOW, "attempts": [], "silence": "nobody speaks", "left_out": []}
    assert list(explained(quiet, [])) == ["00:01.000 --> 00:31.000  nobody speaks"]


def test_what_was_heard_on_its_own_stands_below_its_window():
    again = {**WINDOW, "start": 20.005, "end": 25.0, "attempts": [GOOD], "left_out": []}
    window = {**WINDOW, "left_out": [], "again": [again]}
    lines = list(explained(window, [{**SEGMENT, "seek": 2000, "evidence": None}]))
    assert "  00:20.005 --> 00:25.000  nothing covered the voice there: heard on its own" in lines
    assert lines[-1] == "  + 00:01.500 --> 00:02.500 hello"


@pytest.fixture
def transcript(tmp_path):
    path = tmp_path / "talk.full.json"
    info = {"trace": [WINDOW, {**WINDOW, "start": 31.0, "end": 40.0}], "duration": 40.0}
    path.write_text(json.dumps({"info": info, "segments": [SEGMENT]}))
    return path


@pytest.mark.parametrize(
    ("time", "headings"),
    [
        (None, ["00:01.000 --> 00:31.000  heard", "00:31.000 --> 00:40.000  heard"]),
        ("30.5", ["00:01.000 --> 00:31.000  heard"]),
        ("0:31", ["00:31.000 --> 00:40.000  heard"]),
        ("0:01:00", ["nothing was heard at 01:00.000 of 00:40.000"]),
    ],
)
def test_a_time_narrows_it_down(transcript, capsys, time, headings):
    assert main(["explain", str(transcript), *(["--at", time] if time else [])]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == headings


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"info": []}', '{"info": {"trace": 1}}'])
def test_other_files_are_none(tmp_path, capsys, content):
    path = tmp_path / "talk.json"
    path.write_text(content)
    assert main(["explain", str(path)]) == 1
    error = capsys.readouterr().err
    assert "must be a transcript that `sottovoce transcribe -f full.json` wrote" in error


@pytest.mark.parametrize("time", ["x", "1:2:3:4", "-1", "inf", "nan", ""])
def test_other_times_are_none(transcript, capsys, time):
    with pytest.raises(SystemExit):
        main(["explain", str(transcript), f"--at={time}"])
    assert "--at: must be seconds or hh:mm:ss" in capsys.readouterr().err
