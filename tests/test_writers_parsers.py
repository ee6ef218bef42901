"""Subtitles as libraries read them that nobody of ours wrote: srt, webvtt-py, pysubs2, FFmpeg.

What comes back must be the cues that went in: as many, their times to the format's resolution,
their text by the format's own unescaping. Where openai-whisper's bytes, which srt has, mislead a
parser, that is kept and stands here. An ordinary run takes texts that were made to do harm, with
every kind of time; SOTTOVOCE_SLOW=1 also what base hears in all of SOTTOVOCE_DEV_DATA, in every
layout.
"""

import csv
import html
import io
import json
import re
from collections.abc import Iterator
from itertools import pairwise

import pytest

from sottovoce import WhisperModel
from sottovoce.results import Word
from sottovoce.transcription import Transcription
from sottovoce.writers import Layout
from sottovoce.writers.cues import Cue, cues
from test_writers import said, segment, transcript, written

Read = list[tuple[int, int | None, str]]  # start and end in ms, text

NASTY = [
    " a --> b ---> c",
    " <i>not</i> AT&T &amp; <b> &lt; {b} </i>",
    " one\n\n\ntwo",
    "\u202b\u0645\u0631\u062d\u0628\u0627\u202c 123 \u05e9\u05dc\u05d5\u05dd",
    " {\\an8} \\N {y:i} 5 } { \\h \\ \\n \\{",
    "WEBVTT",
    "NOTE this",
    "7",
    " 00:00:01,000 --> 00:00:02,000",
    " \U0001f468\u200d\U0001f469\u200d\U0001f467 e\u0301\u2028x",
    " [Events]",
    " a|b;c,d\te",
    "",
    " \n ",
    " Dialogue: 0,0:00:00.00,0:00:01.00,Default,,0,0,0,,x",
    " STYLE ::cue { color: red }\nREGION",
    " v\x0bt f\x0cf g\x1cs n\x85l p\u2029s",
]
# Of no length; rounded up to a full second, minute and hour; hours beyond 99.
TIMES = [0.0, 0.0, 1.9999, 2.0, 59.9996, 61.0, 3599.9999, 3600.5, 5000.0, 5000.25, 5001.0, 5002.5]
TIMES += [359999.5, 360000.0, 360000.25, 400000.25, 400001.0, 400002.004]


def nasty() -> Transcription:
    segments = [
        segment(i, start, end, text)
        for i, ((start, end), text) in enumerate(zip(pairwise(TIMES), NASTY, strict=True))
    ]
    return transcript("".join(NASTY), segments, "en")


def nasty_words(texts: list[str]) -> Transcription:
    """The same texts as words, three a segment, with a pause behind each."""
    return said(
        *(
            tuple(
                Word(text, start, start + 0.995, 0.5) for start in (4.0 * i, 4 * i + 1, 4 * i + 2.5)
            )
            for i, text in enumerate(texts)
        )
    )


# --- the parsers ---


def by_srt(file: str) -> Read:
    import srt

    found = list(srt.parse(file))
    assert [x.index for x in found] == list(range(1, len(found) + 1))
    second = srt.timedelta(milliseconds=1)
    return [(round(x.start / second), round(x.end / second), x.content) for x in found]


def by_webvtt(file: str) -> Read:
    import webvtt

    found = []
    for cue in webvtt.from_buffer(io.StringIO(file)):
        start, end = (
            round(1000 * (3600 * t.hours + 60 * t.minutes + t.seconds)) + t.milliseconds
            for t in (cue.start_time, cue.end_time)
        )
        found.append((start, end, cue.raw_text))
    return found


def by_pysubs2(form: str, file: str) -> Read:
    import pysubs2

    raw = {} if form == "ass" else {"keep_html_tags": True, "keep_unknown_html_tags": True}
    found = pysubs2.SSAFile.from_string(file, format_=form, **raw)
    assert {event.type for event in found} <= {"Dialogue"}
    return [(event.start, event.end, event.text) for event in found]


def by_ffmpeg(form: str, file: str) -> Read:
    av = pytest.importorskip("av")
    found = []
    with av.open(io.BytesIO(file.encode()), format={"vtt": "webvtt"}.get(form, form)) as container:
        base = container.streams[0].time_base
        for packet in container.demux():
            if packet.pts is None:
                continue
            start = round(1000 * packet.pts * base)
            end = start + round(1000 * (packet.duration or 0) * base)
            text = bytes(packet).decode()
            if form == "ass":  # number, layer, style, name, three margins, effect
                text = text.split(",", 8)[8]
            found.append((start, None if form == "lrc" else end, text))
    return found


READERS = {
    "srt": {
        "srt": by_srt,
        "pysubs2": lambda file: by_pysubs2("srt", file),
        "ffmpeg": lambda file: by_ffmpeg("srt", file),
    },
    "vtt": {
        "webvtt-py": by_webvtt,
        "pysubs2": lambda file: by_pysubs2("vtt", file),
        "ffmpeg": lambda file: by_ffmpeg("vtt", file),
    },
    "ass": {
        "pysubs2": lambda file: by_pysubs2("ass", file),
        "ffmpeg": lambda file: by_ffmpeg("ass", file),
    },
    "lrc": {"ffmpeg": lambda file: by_ffmpeg("lrc", file)},
}
PAIRS = [(form, reader) for form, readers in READERS.items() for reader in readers]


def unescaped(form: str, text: str) -> str:
    """The text that a format's spelling stands for, words no longer lit up."""
    text = text.replace("\r\n", "\n").rstrip("\n")
    if form in ("srt", "vtt"):
        text = re.sub("</?u>", "", text)
        return html.unescape(text) if form == "vtt" else text
    if form == "ass":
        text = re.sub(r"(?<!\\){\\k\d+}", "", text).replace("\\N", "\n")
        return re.sub(r"\\([{}])", r"\1", text).replace("\\\N{WORD JOINER}", "\\")
    return re.sub(r"<\d\d:\d\d\.\d\d>", "", text).replace("\N{WORD JOINER}", "")


# --- what they should read ---


def expected(form: str, found: Transcription, layout: Layout) -> Read:
    return [
        (when(form, start), None if form == "lrc" else when(form, end), shown(form, text))
        for cue in cues(found, layout)
        for start, end, text in parts(form, cue, layout)
    ]


def parts(form: str, cue: Cue, layout: Layout) -> Iterator[tuple[float, float, str]]:
    """A cue is one part; but of words that light up each moment, and in lyrics each line."""
    if form in ("srt", "vtt") and layout.highlight_words:
        for start, end, _ in cue.moments():
            yield start, end, cue.text
    elif form == "lrc":
        begins = [i for i, piece in enumerate(cue.pieces) if i == 0 or piece.text[:1] == "\n"]
        for first, last in pairwise([*begins, len(cue.pieces)]):
            line = cue.pieces[first:last]
            yield line[0].start, line[-1].end, "".join(piece.text for piece in line)
    else:
        yield cue.start, cue.end, cue.text


def when(form: str, seconds: float) -> int:
    return 10 * round(100 * seconds) if form in ("ass", "lrc") else round(1000 * seconds)


def shown(form: str, text: str) -> str:
    """What should be seen of a text: without blank lines, which would end a cue."""
    if form == "lrc":
        return " ".join(text.split())
    lines = text.splitlines() if form == "ass" else re.split(r"\r\n|\r|\n", text)
    text = "\n".join(line for line in lines if line.strip())
    return re.sub("--+>", "->", text) if form in ("srt", "vtt") else text


def check(form: str, reader: str, found: Transcription, **layout) -> int:
    """How many cues came back, all as they were."""
    wanted = expected(form, found, Layout(**layout))
    got = [
        (start, end, unescaped(form, text))
        for start, end, text in READERS[form][reader](written(found, form, **layout))
    ]
    if reader == "pysubs2":  # which has ASS's line breaks for all formats, and drops last spaces
        got, wanted = (
            [(start, end, text.rstrip().replace("\n", "\\N")) for start, end, text in read]
            for read in (got, wanted)
        )
    assert got == wanted
    return len(wanted)


# --- texts that were made to do harm ---


def suits_pysubs2(form: str, text: str) -> bool:
    """No line of srt and vtt may have two times (see below)."""
    return form == "ass" or text.count(":") < 4


@pytest.mark.parametrize(("form", "reader"), PAIRS)
def test_nasty_texts_and_times_come_back(form, reader):
    segments = nasty().segments
    if reader == "pysubs2":  # whose hours have two digits
        segments = [s for s in segments if s.end < 360000 and suits_pysubs2(form, s.text)]
    assert check(form, reader, transcript("", list(segments), "en")) > 10


LAYOUTS = [
    {},
    {"highlight_words": True},
    {"max_line_width": 30, "max_line_count": 2},
    {"max_line_width": 12, "highlight_words": True},
    {"max_words_per_line": 2},
]


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize(("form", "reader"), PAIRS)
def test_nasty_words_come_back(form, reader, layout):
    texts = [text for text in NASTY if reader != "pysubs2" or suits_pysubs2(form, text)]
    assert check(form, reader, nasty_words(texts), **layout) > 10


def test_karaoke_lasts_as_long_as_its_line():
    import pysubs2

    found = pysubs2.SSAFile.from_string(written(nasty_words(NASTY), "ass", highlight_words=True))
    for event in found:
        lengths = re.findall(r"(?<!\\){\\k(\d+)}", event.text)
        assert 10 * sum(map(int, lengths)) == event.end - event.start
        assert len(lengths) >= 3


def test_python_reads_our_csv():
    rows = list(csv.reader(io.StringIO(written(nasty(), "csv"), newline="")))
    assert rows[0] == ["start", "end", "text"]
    assert [row[2] for row in rows[1:]] == [text.strip() for text in NASTY]
    assert [[int(row[0]), int(row[1])] for row in rows[1:]] == [
        [when("csv", start), when("csv", end)] for start, end in pairwise(TIMES)
    ]


# --- what was heard ---


@pytest.fixture(scope="module")
def heard(base_dir, dev_data) -> list[Transcription]:
    """All of the development clips, as base hears them in int8."""
    lines = (dev_data / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    files = [dev_data / json.loads(line)["file"] for line in lines]
    model = WhisperModel(base_dir, compute_type="int8")
    return list(model.transcribe_many(files, beam_size=None, temperature=0.0, word_timestamps=True))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sottovoce.AudioWarning")
@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize(("form", "reader"), PAIRS)
def test_what_was_heard_comes_back(form, reader, layout, heard):
    assert sum(check(form, reader, found, **layout) for found in heard) > 200


# --- where openai-whisper's bytes mislead ---


def test_two_times_in_a_line_of_srt_begin_a_cue_of_pysubs2():
    """It asks for two times, not for an arrow; srt has no escapes, and openai-whisper no care."""
    found = transcript("", [segment(0, 0.0, 1.0, " from 00:00:01,000 to 00:00:02,000")], "en")
    file = written(found, "srt")
    assert file == "1\n00:00:00,000 --> 00:00:01,000\nfrom 00:00:01,000 to 00:00:02,000\n\n"
    assert by_srt(file) == [(0, 1000, "from 00:00:01,000 to 00:00:02,000")]
    assert [times for *times, _ in by_pysubs2("srt", file)] == [[0, 1000], [1000, 2000]]


def test_a_tag_in_srt_is_a_style_to_who_knows_some():
    """As which openai-whisper underlines words."""
    import pysubs2

    found = transcript("", [segment(0, 0.0, 1.0, " if a <b> c")], "en")
    (event,) = pysubs2.SSAFile.from_string(written(found, "srt"), format_="srt")
    assert (event.text, event.plaintext) == ("if a {\\b1} c", "if a  c")
