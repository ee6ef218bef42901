"""`sottovoce align`: what lands on which stream, and which status comes back."""

from __future__ import annotations

import io
import json

import pytest

from oracle import clips
from sottovoce import cli

TEXT = "And so my fellow Americans.\nAsk what you can do for your country."


@pytest.fixture
def align(tiny_en_dir, capsys):
    def run(*arguments: str) -> tuple[int, str, str]:
        status = cli.main(["align", "--model", str(tiny_en_dir), *arguments])
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def text(tmp_path) -> str:
    path = tmp_path / "script.txt"
    path.write_text("\ufeff" + TEXT, encoding="utf-8")  # as Windows' editor writes it
    return str(path)


def test_subtitles_go_to_standard_output(align, text):
    status, out, err = align(str(clips.JFK), text)
    assert (status, err) == (0, "")
    assert out.startswith("1\n00:00:00,")
    assert [line for line in out.splitlines() if line.startswith("A")] == TEXT.splitlines()


def test_files_and_layouts(align, text, tmp_path):
    out = tmp_path / "out"
    arguments = ("-o", str(out), "--max_words_per_line", "3", "--language", "en")
    assert align(str(clips.JFK), text, *arguments) == (0, "", "")
    assert sorted(path.suffix for path in out.iterdir()) == [
        ".json",
        ".srt",
        ".tsv",
        ".txt",
        ".vtt",
    ]
    assert (out / "jfk.srt").read_text().splitlines()[2] == "And so my"


def test_what_was_not_said_is_told_and_in_the_json(align, tmp_path):
    path = tmp_path / "script.txt"
    path.write_text(TEXT + " Nobody said anything of the kind.")
    status, out, err = align(str(clips.JFK), str(path), "-f", "json")
    assert (status, err) == (0, "sottovoce: 6 of the text's 19 words were not said\n")
    words = json.loads(out)["words"]
    assert [word["start"] is None for word in words] == [False] * 13 + [True] * 6


def test_the_text_may_come_by_standard_input(align, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode())))
    status, out, _ = align(str(clips.JFK), "-")
    assert status == 0
    assert "fellow Americans" in out


def test_a_text_of_something_else_is_one_line(align, tmp_path):
    path = tmp_path / "script.txt"
    path.write_text("The quick brown fox jumps over the lazy dog, and nobody knows why.")
    status, out, err = align(str(clips.JFK), str(path))
    assert (status, out) == (1, "")
    assert "have nothing to do with each other" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-", "-"], "AUDIO and TEXT cannot both be standard input"),
        ([str(clips.JFK), str(clips.JFK)], "TEXT must be a file in UTF-8, got"),
        (["a.wav", "b.txt", "-f", "all"], "-f all writes several files"),
        (["a.wav"], "the following arguments are required: TEXT"),
        (["a.wav", "b.txt", "--task", "translate"], "unknown flag --task"),
    ],
)
def test_wrong_usage_is_status_two(align, capsys, arguments, message):
    with pytest.raises(SystemExit) as stop:
        align(*arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_a_missing_text_is_told_before_a_model_is_opened(capsys):
    assert cli.main(["align", "a.wav", "/nowhere.txt"]) == 1
    assert capsys.readouterr().err == "sottovoce: /nowhere.txt: No such file or directory\n"
