"""Transcripts as files: what openai-whisper writes, and subtitles that strict parsers take."""

import csv
import html
import io
import json
import re
import stat
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from sottovoce.results import Segment, Word
from sottovoce.transcription import Transcription
from sottovoce.writers import (
    ALL,
    FORMATS,
    WRITERS,
    Layout,
    format_of,
    format_timestamp,
    save,
    write,
)
from sottovoce.writers.ass import _HEAD as ASS_HEAD

ROOT = Path(__file__).parents[1]


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
    info = SimpleNamespace(language=language, as_dict=lambda: {"language": language})
    return Transcription(segments, info, text)


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
    "lrc": "[00:00.00]Größe --> 日本 x\n[60:00.00]end\n",
    "csv": "start,end,text\n0,2500,Größe --> 日本\tx\n2500,2500,\n3600000,3725000,end\n",
    "ass": (
        ASS_HEAD
        + "Dialogue: 0,0:00:00.00,0:00:02.50,Default,,0,0,0,,Größe --> 日本\tx\n"
        + "Dialogue: 0,1:00:00.00,1:02:05.00,Default,,0,0,0,,end\n"
    ),
}


def written(found: Transcription, output_format: str, **layout) -> str:
    stream = io.StringIO()
    write(found, stream, output_format, Layout(**layout))
    return stream.getvalue()


def said(*segments: tuple[Word, ...]) -> Transcription:
    """A transcript of segments of these words."""
    spans = [(words[0].start, words[-1].end) if words else (0.0, 0.0) for words in segments]
    return transcript(
        "".join(word.word for words in segments for word in words),
        [
            replace(segment(i, *span, "".join(w.word for w in words)), words=words)
            for i, (span, words) in enumerate(zip(spans, segments, strict=True))
        ],
        "en",
    )


@pytest.mark.parametrize("output_format", EXPECTED)
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
        ("lrc", ""),
        ("csv", "start,end,text\n"),
        ("ass", ASS_HEAD),
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
    assert [p.name for p in paths] == [f"talk.one.{name}" for name in ALL]
    for path, name in zip(paths, ALL, strict=True):
        assert path.read_bytes() == EXPECTED[name].encode("utf-8")
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
    with pytest.raises(
        ValueError, match=r"one of txt, vtt, srt, tsv, json, lrc, csv, ass, full.json, got 'docx'"
    ):
        save(TRANSCRIPT, tmp_path, "talk", "docx")
    assert list(tmp_path.iterdir()) == []


def test_json_reads_back_as_the_references_result():
    result = json.loads(written(TRANSCRIPT, "json"))
    assert list(result) == ["text", "segments", "language"]
    assert result["segments"][0]["tokens"] == [50364, 7]


# --- words ---

SUBTITLES = json.loads((ROOT / "tests/golden/subtitles.json").read_text(encoding="utf-8"))["cases"]


@pytest.mark.parametrize("output_format", ["vtt", "srt"])
@pytest.mark.parametrize("case", SUBTITLES, ids=lambda case: json.dumps(case["options"]))
def test_words_stand_where_the_reference_puts_them(case, output_format):
    segments = [tuple(Word(*word, 1.0) for word in words) for words in case["segments"]]
    got = written(said(*segments), output_format, **case["options"])
    assert cues_with_times(got) == cues_with_times(case[output_format])


def cues_with_times(file: str) -> list[tuple[str, str]]:
    """Times and text of the cues that say something, blank lines in them aside, which end a cue."""
    found = re.findall(r"(\S+ --> \S+)\n(.*?)\n\n(?=\d+\n\d+:|[\d:.]+ -->|$)", file, re.DOTALL)
    cues = [(times, "\n".join(x for x in text.split("\n") if x.strip())) for times, text in found]
    return [(times, text) for times, text in cues if re.sub("</?u>", "", text).strip()]


def test_the_cases_have_cues():
    n_cues = [len(cues_with_times(case["srt"])) for case in SUBTITLES]
    assert sum(n_cues) > 200
    assert max(n_cues) > 20


WORDS = (
    Word(" {Now}", 0.0, 0.5, 0.9, (7,)),
    Word(" then\\N,", 0.5, 0.75, 0.5, (8, 9)),
    Word(" go!", 1.25, 2.0, 1.0, (10,)),
)


@pytest.mark.parametrize(
    ("output_format", "expected"),
    [
        (
            "srt",
            "1\n00:00:00,000 --> 00:00:00,500\n<u>{Now}</u> then\\N, go!\n\n"
            "2\n00:00:00,500 --> 00:00:00,750\n{Now} <u>then\\N,</u> go!\n\n"
            "3\n00:00:00,750 --> 00:00:01,250\n{Now} then\\N, go!\n\n"
            "4\n00:00:01,250 --> 00:00:02,000\n{Now} then\\N, <u>go!</u>\n\n",
        ),
        (
            "ass",
            ASS_HEAD + "Dialogue: 0,0:00:00.00,0:00:02.00,Default,,0,0,0,,"
            "{\\k50}\\{Now\\}{\\k25} then\\\N{WORD JOINER}N,{\\k50}{\\k75} go!\n",
        ),
        ("lrc", "[00:00.00]<00:00.00>{Now}<00:00.50> then\\N,<00:01.25> go!<00:02.00>\n"),
    ],
)
def test_words_light_up_as_they_are_said(output_format, expected):
    assert written(said(WORDS), output_format, highlight_words=True) == expected


def test_a_pause_of_three_seconds_is_bridged():
    """As in openai-whisper, where a longer one is not."""
    layout = {"max_line_width": 40, "max_line_count": 1}
    for pause, shown in ((3.0, ["a b"]), (3.125, ["a", "b"])):
        words = (Word(" a", 1.0, 1.5, 0.5), Word(" b", 1 + pause, 5.0, 0.5))
        assert cues_of_srt(written(said(words), "srt", **layout)) == shown


def test_no_moment_is_shorter_than_a_millisecond_can_tell():
    words = (Word(" a", 0.0, 1.0, 0.5), Word(" b", 1.0004, 2.0, 0.5), Word(" c", 2.0006, 3, 0.5))
    times = [
        times for times, _ in cues_with_times(written(said(words), "srt", highlight_words=True))
    ]
    assert [time[6:12] + time[-6:] for time in times] == [
        "00,00001,000",
        "01,00002,000",
        "02,00002,001",
        "02,00103,000",
    ]


def test_karaoke_goes_on_where_words_overlap():
    words = (Word(" a", 0.0, 1.0, 0.5), Word(" b", 0.5, 1.5, 0.5), Word(" c", 0.25, 0.75, 0.5))
    assert "{\\k100}a{\\k50} b{\\k0} c\n" in written(said(words), "ass", highlight_words=True)


def test_a_word_that_ends_its_line_adds_no_line():
    words = (Word(" a\n", 0.0, 1.0, 0.5), Word("\n \n", 1.0, 2.0, 0.5))
    assert written(said(words), "srt") == "1\n00:00:00,000 --> 00:00:02,000\na\n\n"


def test_the_longest_name_of_a_format_counts():
    assert format_of(Path("talk.full.json")) == "full.json"
    assert format_of(Path("talk.JSON")) == "json"
    assert format_of(Path("full.json")) == "json"
    assert format_of(Path("talk.docx")) == "docx"


def test_lines_of_a_subtitle_are_lines_of_lyrics():
    assert written(said(WORDS), "lrc", max_line_width=11) == (
        "[00:00.00]{Now}\n[00:00.50]then\\N, go!\n"
    )
    assert written(said(WORDS), "lrc", max_line_width=11, highlight_words=True) == (
        "[00:00.00]<00:00.00>{Now}<00:00.50>\n"
        "[00:00.50]<00:00.50>then\\N,<00:01.25> go!<00:02.00>\n"
    )


def test_the_full_json_keeps_everything():
    full = json.loads(written(said(WORDS), "full.json"))
    assert list(full) == ["text", "language", "segments", "info"]
    assert full["info"] == {"language": "en"}
    assert full["segments"][0]["words"][1] == {
        "word": " then\\N,",
        "start": 0.5,
        "end": 0.75,
        "probability": 0.5,
        "tokens": [8, 9],
        "speaker": None,
    }
    (segment,) = json.loads(written(said(WORDS), "json"))["segments"]
    assert list(segment["words"][1]) == ["word", "start", "end", "probability"]


@pytest.mark.parametrize("output_format", ["vtt", "srt", "ass", "lrc"])
@pytest.mark.parametrize(
    "layout",
    [{"highlight_words": True}, {"max_line_width": 40}, {"max_words_per_line": 3}],
    ids=lambda layout: next(iter(layout)),
)
def test_layouts_need_words(output_format, layout):
    message = f"{next(iter(layout))} needs the times of words: .* word_timestamps=True"
    with pytest.raises(ValueError, match=message):
        written(TRANSCRIPT, output_format, **layout)
    assert written(transcript("", [], "en"), output_format, **layout)[:1] in "W["


@pytest.mark.parametrize(
    ("layout", "error", "message"),
    [
        ({"max_line_width": 0}, ValueError, "max_line_width must be >= 1, got 0"),
        ({"max_line_count": 2.0}, TypeError, "max_line_count must be an int or None, got 2.0"),
        ({"max_words_per_line": True}, TypeError, "max_words_per_line must be an int"),
        ({"highlight_words": "False"}, TypeError, "highlight_words must be True or False, got 'F"),
    ],
)
def test_a_bad_layout_is_refused(layout, error, message):
    with pytest.raises(error, match=message):
        Layout(**layout)


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ({"max_line_count": 2}, "max_line_count has no effect without max_line_width"),
        (
            {"max_words_per_line": 2, "max_line_width": 9},
            "max_words_per_line has no effect with max_line_width",
        ),
    ],
)
def test_a_layout_without_effect_is_told(layout, message):
    with pytest.warns(UserWarning, match=message):
        Layout(**layout)


# --- speakers ---

NAMES = [
    "Ada",
    "Zoë & <Co> -->",
    "a\tb\nc\u2028d\r\n",
    "x, y; {z} \\N",
    "日本 語",
    "</v><b>",
    "Bob--",
    "&amp;",
    '"q"',
    "-->",
]
FLAT = [" ".join(name.split()) for name in NAMES]


@pytest.fixture(scope="module")
def named() -> Transcription:
    """A segment a name, with two words each; the last is nobody's."""
    words = [
        (
            Word(f" one{i}", i, i + 0.5, 0.5, (7,), name),
            Word(" two", i + 0.5, i + 1, 0.5, (8,), name),
        )
        for i, name in enumerate([*NAMES, None])
    ]
    found = said(*words)
    segments = [replace(s, speaker=s.words[0].speaker) for s in found.segments]
    return transcript(found.text, segments, "en")


@pytest.fixture(params=["words", "segments"])
def either(named, request) -> Transcription:
    """With words and without."""
    if request.param == "words":
        return named
    return transcript(named.text, [replace(s, words=None) for s in named.segments], "en")


def test_text_has_names_in_front(either):
    lines = written(either, "txt").splitlines()
    assert lines == [*(f"[{n}]: one{i} two" for i, n in enumerate(FLAT)), "one10 two"]


def test_lyrics_have_names_in_front(either):
    lines = written(either, "lrc").splitlines()
    assert lines[0] == "[00:00.00]\N{WORD JOINER}[Ada]: one0 two"
    assert [line[11:] for line in lines[:-1]] == [f"[{n}]: one{i} two" for i, n in enumerate(FLAT)]
    assert lines[-1] == "[00:10.00]one10 two"


def test_the_srt_library_reads_names(either):
    import srt

    found = [subtitle.content for subtitle in srt.parse(written(either, "srt"))]
    shown = [f"[{re.sub('--+>', '->', n)}]: one{i} two" for i, n in enumerate(FLAT)]
    assert found == [*shown, "one10 two"]


def test_webvtt_py_reads_names(either):
    import webvtt

    file = written(either, "vtt")
    assert "00:00.000 --> 00:01.000\n<v Ada>one0 two\n\n" in file
    found = list(webvtt.from_buffer(io.StringIO(file)))
    names = [None if c.voice is None else html.unescape(c.voice) for c in found]
    # Between a name's dashes and the ">" of its tag there is one dash, or a cue would end there.
    assert names == [*(re.sub("--+$", "-", n) for n in FLAT), None]
    assert [c.text for c in found] == [f"one{i} two" for i in range(11)]


def test_no_name_breaks_the_standard_of_webvtt(either):
    lines = written(either, "vtt").split("\n")
    for line in lines[2:]:
        if not re.fullmatch(r"[\d:.]+ --> [\d:.]+", line):
            assert "-->" not in line
            assert re.fullmatch(r"(<v [^<>]+>)?[^<>]*", line)
            assert not re.search("&(?!amp;|lt;|gt;)", line)


def test_pysubs2_reads_names(either):
    import pysubs2

    found = list(pysubs2.SSAFile.from_string(written(either, "ass")))
    assert [event.name for event in found] == [*(n.replace(",", ";") for n in FLAT), ""]
    assert [event.plaintext for event in found] == [f"one{i} two" for i in range(11)]


def test_tables_have_a_column_of_names(either):
    rows = list(csv.reader(io.StringIO(written(either, "csv"), newline="")))
    assert rows[0] == ["start", "end", "text", "speaker"]
    assert [row[3] for row in rows[1:]] == [*NAMES, ""]
    lines = [line.split("\t") for line in written(either, "tsv").rstrip("\n").split("\n")]
    assert lines[0] == ["start", "end", "text", "speaker"]
    assert lines[1] == ["0", "1000", "one0 two", "Ada"]
    assert [line[3:] for line in lines[1:]] == [*([n] for n in FLAT), [""]]


def test_json_has_names_in_segments_and_words(named):
    segments = json.loads(written(named, "json"))["segments"]
    assert [s["speaker"] for s in segments] == [*NAMES, None]
    assert [w["speaker"] for s in segments for w in s["words"]][::2] == [*NAMES, None]
    assert list(segments[0]["words"][0]) == ["word", "start", "end", "probability", "speaker"]
    segments = json.loads(written(named, "full.json"))["segments"]
    assert [s["speaker"] for s in segments] == [*NAMES, None]
    assert [w["speaker"] for s in segments for w in s["words"]][::2] == [*NAMES, None]


def test_one_name_is_enough_for_every_key():
    words = (Word(" a", 0, 1, 0.5, (7,)), Word(" b", 1, 2, 0.5, (8,), "Bob"))
    (entry,) = json.loads(written(said(words), "json"))["segments"]
    assert entry["speaker"] is None
    assert [word["speaker"] for word in entry["words"]] == [None, "Bob"]


LAYOUTS = [
    {},
    {"highlight_words": True},
    {"max_line_width": 200, "max_line_count": 5},
    {"max_line_width": 9, "max_line_count": 2},
    {"max_words_per_line": 5},
]


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("output_format", ["vtt", "srt", "ass", "lrc"])
def test_no_subtitle_mixes_speakers(layout, output_format):
    """Whether segments are cut where the speaker changes, or words alone know."""
    names = ["Ada", "Bob", "Bob", None, "Ada"]
    words = [
        Word(f" {name or 'nobody'}{i}", (4 * j + i) / 5, (4 * j + i + 1) / 5, 0.5, (7,), name)
        for j, name in enumerate(names)
        for i in range(4)
    ]
    for found in (said(tuple(words)), said(*(tuple(words[i : i + 4]) for i in range(0, 20, 4)))):
        file = written(found, output_format, **layout)
        for block in file.split("\n\n" if output_format in ("vtt", "srt") else "\n"):
            text = re.sub(r"<v (\w+)>|\[(\w+)\]: |Default,(\w*),", "", block)
            told = re.search(r"<v (\w+)>|\[([A-Z]\w+)\]: |Default,(\w+),", block)
            spoken = set(re.findall(r"(Ada|Bob|nobody)\d", text))
            assert len(spoken) <= 1
            if spoken:
                (name,) = spoken
                shown = next(filter(None, told.groups())) if told else "nobody"
                assert shown == name


@pytest.mark.parametrize(
    "layout", [each for each in LAYOUTS if "highlight_words" not in each], ids=str
)
@pytest.mark.parametrize("output_format", ["vtt", "srt", "ass", "lrc"])
def test_subtitles_of_speakers_at_once_are_in_order(layout, output_format):
    ada = tuple(Word(f" a{i}", i / 2, i / 2 + 0.5, 0.5, (7,), "Ada") for i in range(20))
    bob = tuple(Word(f" b{i}", i / 2, i / 2 + 0.5, 0.5, (7,), "Bob") for i in range(1, 19))
    file = written(said(ada, bob), output_format, **layout)
    times = re.findall(r"(?m)^(?:Dialogue: 0,|\[)?((?:\d+:)?\d+:\d+[.,]\d+)(?: -->|,|\])", file)
    starts = [time.rjust(12, "0") for time in times]
    assert len(starts) > 1
    assert starts == sorted(starts)


def test_an_empty_segment_of_a_speaker_is_an_empty_line():
    found = transcript("", [replace(segment(0, 0.0, 1.0, ""), speaker="Ada")], "en")
    assert written(found, "txt") == "\n"
    assert written(found, "vtt") == "WEBVTT\n\n"
    assert written(found, "srt") == ""


def test_a_notebook_shows_names():
    info = SimpleNamespace(language="en", duration=1.0)
    about = [replace(segment(0, 0.0, 1.0, " hi"), speaker="<A>")]
    assert ">[&lt;A&gt;]: hi</td>" in Transcription(about, info, " hi")._repr_html_()


@pytest.mark.parametrize("output_format", ["vtt", "srt", "ass", "lrc"])
@pytest.mark.parametrize("n_lines", [None, 1, 2, 3])
def test_a_line_has_room_for_the_name_in_front(output_format, n_lines):
    """Where it is seen: in vtt and ass it is no text."""
    words = [
        Word(f" wo{j}{i:02d}", 20 * j + i, 20 * j + i + 1, 0.5, (7,), name)
        for j, name in enumerate(["Ada", "Bobby", None])
        for i in range(20)
    ]
    layout = {"max_line_width": 24, "max_line_count": n_lines}
    file = written(said(tuple(words)), output_format, **layout)
    text = re.sub(r"Dialogue.*,,|<v \w+>|^\[\d+:[\d.]+\]", "", file, flags=re.MULTILINE)
    text = text.replace("\N{WORD JOINER}", "")
    lines = [line for line in re.split(r"\n|\\N", text) if "wo" in line]
    assert len(re.findall(r"wo\d+", text)) == 60
    # Four words of five letters are 23 wide; "[Ada]: " and three, 24.
    assert max(map(len, lines)) == (24 if output_format in ("srt", "lrc") else 23)


def test_a_word_of_nothing_leaves_no_space_behind_a_name():
    words = tuple(
        Word(said, i, i + 1, 0.5, (7,), "Ada") for i, said in enumerate([" ", " a", " b"])
    )
    for layout in ({}, {"max_line_width": 12}):
        assert cues_of_srt(written(said(words), "srt", **layout)) == ["[Ada]: a b"]


def test_a_word_is_its_own_speakers_before_its_segments():
    words = (Word(" a", 0, 1, 0.5, (7,)), Word(" b", 1, 2, 0.5, (8,), "Bob"))
    found = said(words)
    segments = [replace(segment, speaker="Ada") for segment in found.segments]
    file = written(transcript(found.text, segments, "en"), "srt")
    assert cues_of_srt(file) == ["[Ada]: a", "[Bob]: b"]


def test_a_name_that_leaves_no_room_stands_beside_a_word():
    words = tuple(Word(f" w{i}", i, i + 1, 0.5, (7,), "Bartholomew") for i in range(3))
    assert cues_of_srt(written(said(words), "srt", max_line_width=5)) == [
        "[Bartholomew]: w0\nw1 w2"
    ]


TIMES = ["[00:12.00] x", "a [1:02] b", "<00:12.00>", "[ 5:01.2]", "[-00:01.00]", "[x [03:04:05"]


@pytest.mark.parametrize("layout", [{}, {"highlight_words": True}], ids=str)
@pytest.mark.parametrize("time", TIMES)
def test_no_text_is_a_time_of_lyrics(time, layout):
    """Nor a name; the format cannot quote."""
    words = (Word(f" {time}", 1.0, 2.0, 0.5, (7,), "A"), Word(f" {time}", 2.0, 3.0, 0.5, (8,), "A"))
    named = [replace(word, speaker=time.strip("[]<>")) for word in words]
    for found in (said(words), said(tuple(named))):
        file = written(found, "lrc", **layout)
        times = re.findall(r"[\[<]\s*[+-]?\d+:[\d:.]*", file)
        assert times == ["[00:01.00", *(["<00:01.00", "<00:02.00", "<00:03.00"] if layout else [])]
        assert file.replace("\N{WORD JOINER}", "").count(time) >= 2


def test_what_is_no_time_stays_as_it_is_in_lyrics():
    words = (Word(" at 12:30 [sic] <b> [a:b]", 1.0, 2.0, 0.5),)
    assert written(said(words), "lrc") == "[00:01.00]at 12:30 [sic] <b> [a:b]\n"
