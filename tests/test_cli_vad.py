"""`sottovoce vad`: regions and probabilities on standard output; `--vad_filter` of transcribe."""

from __future__ import annotations

import io
import json
import sys
from types import SimpleNamespace

import pytest

from oracle import clips
from sottovoce import cli, speech_timestamps, voice_activity


@pytest.fixture
def vad(capsys):
    def run(*arguments: str) -> tuple[int, str, str]:
        status = cli.main(["vad", *arguments])
        return status, *capsys.readouterr()

    return run


def test_a_line_for_each_region(vad):
    assert vad(str(clips.JFK)) == (0, "00:00.000 --> 00:11.000\n", "")
    status, out, _ = vad(str(clips.JFK), "--min_silence_duration_ms", "100", "--speech-pad-ms=0")
    assert status == 0
    assert len(out.splitlines()) > 2
    assert out.startswith("00:00.352 --> 00:02.2")


def test_json_has_seconds(vad):
    options = ("--min_silence_duration_ms", "100", "--threads", "1")
    status, out, err = vad(str(clips.JFK), "--json", *options)
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert found.keys() == {"duration", "regions"}
    assert found["duration"] == 11.0
    regions = speech_timestamps(clips.JFK, min_silence_duration_ms=100)
    assert found["regions"] == [{"start": start, "end": end} for start, end in regions]


def test_probabilities_are_rows_or_in_the_json(vad):
    expected = voice_activity(clips.JFK).tolist()
    _, out, _ = vad(str(clips.JFK), "--probabilities")
    rows = [tuple(map(float, line.split("\t"))) for line in out.splitlines()]
    assert [time for time, _ in rows[:3]] == [0.0, 0.032, 0.064]
    assert [p for _, p in rows] == pytest.approx(expected, abs=5e-7)
    _, out, _ = vad(str(clips.JFK), "--probabilities", "--json")
    found = json.loads(out)
    assert found["seconds_per_probability"] == 0.032
    assert found["probabilities"] == pytest.approx(expected, abs=5e-7)


def test_standard_input_is_a_recording(vad, monkeypatch):
    monkeypatch.setattr(
        sys, "stdin", SimpleNamespace(buffer=io.BytesIO(clips.JFK.read_bytes()), isatty=bool)
    )
    assert vad("-")[:2] == (0, "00:00.000 --> 00:11.000\n")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["missing.wav"], 1, "missing.wav: No such file or directory"),
        ([str(clips.JFK), "--threads", "-1"], 1, "n_threads"),
        ([str(clips.JFK), "--threshold", "2"], 2, "VadOptions: threshold must be a number >= 0"),
        ([str(clips.JFK), "--threshold", "x"], 2, "argument --threshold: invalid float value"),
        ([str(clips.JFK), "--speech_pad_ms", "0.5"], 2, "argument --speech_pad_ms: invalid int"),
        ([], 2, "the following arguments are required: AUDIO"),
        ([str(clips.JFK), "--model", "base"], 2, "unknown flag --model"),
    ],
)
def test_what_goes_wrong_is_one_line(vad, capsys, arguments, status, message):
    try:
        found = vad(*arguments)
    except SystemExit as stop:
        found = (stop.code, *capsys.readouterr())
    assert found[:2] == (status, "")
    assert found[2].startswith("sottovoce: ")
    assert found[2].count("\n") == 1
    assert message in found[2]


def test_closed_standard_input_is_told(vad, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    assert vad("-") == (1, "", "sottovoce: -: standard input is closed\n")


def test_transcribe_hears_speech_alone(tiny_en_dir, capsys):
    def info(*arguments: str) -> dict:
        command = ["transcribe", str(clips.JFK), "--model", str(tiny_en_dir), "-f", "full.json"]
        assert cli.main([*command, *arguments]) == 0
        return json.loads(capsys.readouterr().out)["info"]["options"]

    assert info()["vad_filter"] is False
    found = info("--vad_filter", "True", "--vad_min_silence_duration_ms", "300")
    assert found["vad_filter"] is True
    assert found["vad_parameters"]["min_silence_duration_ms"] == 300
    assert found["clip_timestamps"][0] == 0.0
