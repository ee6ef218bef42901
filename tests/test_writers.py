"""Transcripts as files: what openai-whisper writes, and subtitles that strict parsers take."""

import io
import json
import re
import stat
from types import SimpleNamespace

import pytest

from sottovoce.results import Segment
from sottovoce.transcription import Transcription
from sottovoce.writers import FORMATS, WRITERS, format_timestamp, save, write


def segment(i: int, start: float, end: float, text: str) -> Segment:
    return Segment(
        id=i,
        seek=0,
        start=start,
        end=end,
        text=text,
        tokens=(50364, 7) if text else (),
        temperature=0.0,
        avg_logprob=-0.25,
        compression_ratio=1.5,
        no_speech_prob=0.125,
    )


def transcript(text: str, segments: list[Segment], language: str) -> Transcription:
    return Transcription(segments, SimpleNamespace(language=language), text)


SEGMENTS = [
    segment(0, 0.0, 2.5, " Größe --> 日本\tx"),
    segment(1, 2.5, 2.5, ""),
    segment(2, 3599.9996, 3725.0004, " end "),
]
TRANSCRIPT = transcript(" Größe --> 日本\tx end ", SEGMENTS, "de")

EXPECTED = {
    "txt": "Größe --> 日本\tx\n\nend\n",
    "vtt": (
        "WEBVTT\n\n"
        "00:00.000 --> 00:02.500\nGröße -> 日本\tx\n\n"
        "01:00:00.000 --> 01:02:05.000\nend\n\n"
    ),
    "srt": (
        "1\n00:00:00,000 --> 00:00:02,500\nGröße -> 日本\tx\n\n"
        "2\n01:00:00,000 --> 01:02:05,000\nend\n\n"
    ),
    "tsv": "start\tend\ttext\n0\t2500\tGröße --> 日本 x\n2500\t2500\t\n3600000\t3725000\tend\n",
    "json": (
        '{"text": " Gr\\u00f6\\u00dfe --> \\u65e5\\u672c\\tx end ", "segments": ['
        '{"id": 0, "seek": 0, "start": 0.0, "end": 2.5, '
        '"text": " Gr\\u00f6\\u00dfe --> \\u65e5\\u672c\\tx", "tokens": [50364, 7], '
        '"temperature": 0.0, "avg_logprob": -0.25, "compression_ratio": 1.5, '
        '"no_speech_prob": 0.125}, '
        '{"id": 1, "seek": 0, "start": 2.5, "end": 2.5, "text": "", "tokens": [], '
        '"temperature": 0.0, "avg_logprob": -0.25, "compression_ratio": 1.5, '
        '"no_speech_prob": 0.125, "words": []}, '
        '{"id": 2, "seek": 0, "start": 3599.9996, "end": 3725.0004, "text": " end ", '
        '"tokens": [50364, 7], "temperature": 0.0, "avg_logprob": -0.25, '
        '"compression_ratio": 1.5, "no_speech_prob": 0.125}], "language": "de"}'
    ),
}


def written(found: Transcription, output_format: str) -> str:
    stream = io.StringIO()
    write(found, stream, output_format)
    return stream.getvalue()


@pytest.mark.parametrize("output_format", WRITERS)
def test_bytes_are_the_references(output_format):
    assert written(TRANSCRIPT, output_format) == EXPECTED[output_format]


@pytest.mark.parametrize(
    ("output_format", "expected"),
    [
        ("txt", ""),
        ("vtt", "WEBVTT\n\n"),
        ("srt", ""),
        ("tsv", "start\tend\ttext\n"),
        ("json", '{"text": "", "segments": [], "language": "en"}'),
    ],
)
def test_nothing_said_is_a_valid_file(output_format, expected):
    assert written(transcript("", [], "en"), output_format) == expected


def test_segments_without_words_are_no_subtitles():
    only = transcript("", [segment(0, 0.0, 30.0, "")], "en")
    assert written(only, "srt") == ""
    assert written(only, "vtt") == "WEBVTT\n\n"
    assert written(only, "txt") == "\n"
    mixed = [segment(0, 0.0, 1.0, " a"), segment(1, 1.0, 2.0, " \n "), segment(2, 2.0, 3.0, " b")]
    assert cues_of_srt(written(transcript("", mixed, "en"), "srt")) == ["a", "b"]
    assert cues_of_vtt(written(transcript("", mixed, "en"), "vtt")) == ["a", "b"]


def cues_of_vtt(file: str) -> list[str]:
    """The text of each cue, by the letter of the standard; what it forbids is an AssertionError."""
    lines = file.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert lines[:2] == ["WEBVTT", ""]
    cues = []
    for block in "\n".join(lines[2:]).split("\n\n"):
        if block:
            timing, *text = block.split("\n")
            assert re.fullmatch(r"(\d\d+:)?\d\d:\d\d\.\d{3} --> (\d\d+:)?\d\d:\d\d\.\d{3}", timing)
            assert text
            cues.append("\n".join(text))
    for cue in cues:
        assert "-->" not in cue
        assert "<" not in cue
        assert not re.search("&(?!amp;|lt;)", cue)
    return [cue.replace("&lt;", "<").replace("&amp;", "&") for cue in cues]


def cues_of_srt(file: str) -> list[str]:
    """The text of each cue; numbers must follow each other, and no cue may be blank."""
    cues = []
    for number, block in enumerate(file.split("\n\n")[:-1], start=1):
        first, timing, *text = block.splitlines()
        assert first == str(number)
        assert re.fullmatch(r"\d\d+:\d\d:\d\d,\d{3} --> \d\d+:\d\d:\d\d,\d{3}", timing)
        assert text
        assert all(line.strip() and "-->" not in line for line in text)
        cues.append("\n".join(text))
    return cues


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (" AT&T &amp; <b>you</b>", "AT&T &amp; <b>you</b>"),
        (" a --> b", "a -> b"),
        (" a ---> b <!----->", "a -> b <!->"),
        (" a -> b -- c > d", "a -> b -- c > d"),
        (" one\ntwo", "one\ntwo"),
        (" one\n\n \t\ntwo\n", "one\ntwo"),
        ("\r\n\r\n one\r\n\r\ntwo\r\rthree", "one\ntwo\nthree"),
        ("1\n00:00:01,000 --> 00:00:02,000\nx", "1\n00:00:01,000 -> 00:00:02,000\nx"),
    ],
)
def test_subtitles_are_valid_whatever_is_said(said, shown):
    found = transcript("", [segment(0, 0.0, 1.0, said), segment(1, 1.0, 2.0, " z")], "en")
    assert cues_of_vtt(written(found, "vtt")) == [shown, "z"]
    assert cues_of_srt(written(found, "srt")) == [shown, "z"]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.0, "00:00.000"),
        (0.0005, "00:00.000"),  # to even, as round() does
        (0.0015, "00:00.002"),
        (59.9996, "01:00.000"),
        (3600.0, "01:00:00.000"),
        (360000.0, "100:00:00.000"),
    ],
)
def test_timestamps_are_rounded_to_milliseconds(seconds, expected):
    assert format_timestamp(seconds) == expected


def test_hours_can_be_forced():
    assert format_timestamp(1.0, always_hours=True, marker=",") == "00:00:01,000"


def test_save_writes_all_formats(tmp_path):
    paths = save(TRANSCRIPT, tmp_path / "new" / "dir", "talk.one", "all")
    assert [p.name for p in paths] == [f"talk.one.{name}" for name in WRITERS]
    for path, expected in zip(paths, EXPECTED.values(), strict=True):
        assert path.read_bytes() == expected.encode("utf-8")
    assert (*WRITERS, "all") == FORMATS


def test_saved_files_have_the_usual_permissions(tmp_path):
    (path,) = save(TRANSCRIPT, tmp_path, "talk", "txt")
    ordinary = tmp_path / "ordinary"
    ordinary.touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(ordinary.stat().st_mode)


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "talk.json").write_text("old", encoding="utf-8")
    broken = transcript("", [segment(0, 0.0, object(), "a")], "en")
    with pytest.raises(TypeError):
        save(broken, tmp_path, "talk", "json")
    assert [p.name for p in tmp_path.iterdir()] == ["talk.json"]
    assert (tmp_path / "talk.json").read_text(encoding="utf-8") == "old"


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"one of txt, vtt, srt, tsv, json, got 'docx'"):
        save(TRANSCRIPT, tmp_path, "talk", "docx")
    assert list(tmp_path.iterdir()) == []


def test_json_reads_back_as_the_references_result():
    result = json.loads(written(TRANSCRIPT, "json"))
    assert list(result) == ["text", "segments", "language"]
    assert result["segments"][0]["tokens"] == [50364, 7]
