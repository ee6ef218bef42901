"""RTTM: what diarizers write, and lines that are none of it."""

import pytest

import sottovoce
from sottovoce import LoadError, SpeakerTurn, read_rttm

TALK = """\
;; who speaks when
SPKR-INFO talk 1 <NA> <NA> <NA> unknown Ada <NA> <NA>
SPEAKER talk 1 0.50 1.25 <NA> <NA> Ada <NA> <NA>

SPEAKER talk 1 1.5 0.5 <NA> <NA> Bob <NA> <NA>
LEXEME talk 1 0.5 0.2 hello lex Ada 0.9 <NA>
"""
TURNS = [SpeakerTurn(0.5, 1.75, "Ada"), SpeakerTurn(1.5, 2.0, "Bob")]


@pytest.fixture
def rttm(tmp_path):
    def written(text: str | bytes):
        path = tmp_path / "talk.rttm"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return written


@pytest.mark.parametrize(
    "change",
    [
        str,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: text.replace(" ", "\t"),
        lambda text: text.replace(" ", "   "),
        lambda text: text.rstrip("\n"),
        lambda text: "\ufeff" + text,
        lambda text: text.replace(" <NA> <NA>\n", "\n"),  # the fields behind the name
        lambda text: text.replace("SPEAKER", "  SPEAKER"),
    ],
)
def test_turns_are_read_in_every_spelling(rttm, change):
    assert read_rttm(rttm(change(TALK))) == TURNS
    assert read_rttm(str(rttm(change(TALK)))) == TURNS


def test_names_are_whatever_is_between_spaces(rttm):
    names = ["Zoë", "日本", "a\u00a0b", "x\u2028y", "\u202babc", "<v", ";;", "SPEAKER"]
    text = "".join(f"SPEAKER f 1 {i} 1 <NA> <NA> {name} <NA>\n" for i, name in enumerate(names))
    assert [turn.speaker for turn in read_rttm(rttm(text))] == names


@pytest.mark.parametrize("text", ["", "\n \t\n", ";; nothing\n", "SPKR-INFO f 1\n", "\ufeff"])
def test_a_file_may_know_of_nobody(rttm, text):
    assert read_rttm(rttm(text)) == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("SPEAKER talk 1 0.5", "must be SPEAKER, recording, channel, start, .* got 4 fields"),
        ("SPEAKER talk 1 x 1 <NA> <NA> A", "start must be a number of seconds, got 'x'"),
        ("SPEAKER talk 1 <NA> 1 <NA> <NA> A", "start must be a number of seconds, got '<NA>'"),
        ("SPEAKER talk 1 0 nan <NA> <NA> A", "duration must be a number of seconds, got 'nan'"),
        ("SPEAKER talk 1 inf 1 <NA> <NA> A", "start must be a number of seconds, got 'inf'"),
        ("SPEAKER talk 1 0 -1 <NA> <NA> A", "duration must be >= 0, got -1"),
        ("SPEAKER talk 1 1e308 1e308 <NA> <NA> A", "end must be finite, got inf"),
        ("SPEAKER talk 1 0 1 <NA> <NA> <NA>", "the speaker must have a name, got <NA>"),
        ("speaker talk 1 0 1 <NA> <NA> A", "type of a record, such as SPEAKER, got 'speaker'"),
        ('{"start": 0}', "type of a record, such as SPEAKER, got '{\"start\":'"),
        ("start,end,speaker", "type of a record, such as SPEAKER, got 'start,end,speaker'"),
        ("0.0 1.0 A", "type of a record, such as SPEAKER, got '0.0'"),
        pytest.param("\0" * 100, "type of a record", id="zeros"),
    ],
)
def test_a_line_that_is_none_is_named(rttm, line, message):
    path = rttm(f"{TALK}{line}\n")
    with pytest.raises(LoadError, match=message) as raised:
        read_rttm(path)
    assert str(raised.value).startswith(f"read_rttm: {path}, line 7: ")
    assert len(str(raised.value)) < len(str(path)) + 250


def test_another_encoding_is_told(rttm):
    with pytest.raises(LoadError, match=r"must be UTF-8, got byte 0xff at 0"):
        read_rttm(rttm(TALK.encode("utf-16")))


def test_several_recordings_are_told_apart(rttm):
    path = rttm(TALK + "SPEAKER reply 1 3 1 <NA> <NA> Cleo <NA> <NA>\n")
    with pytest.raises(LoadError, match=r"unless recording= says which, got 2: 'talk', 'reply'$"):
        read_rttm(path)
    assert read_rttm(path, recording="talk") == TURNS
    assert read_rttm(path, recording="reply") == [SpeakerTurn(3, 4, "Cleo")]
    with pytest.raises(LoadError, match=r"one of its own, 'talk', 'reply', got 'Talk'$"):
        read_rttm(path, recording="Talk")


def test_of_many_recordings_some_are_named(rttm):
    path = rttm("".join(f"SPEAKER r{i} 1 0 1 <NA> <NA> A\n" for i in range(500)))
    with pytest.raises(LoadError, match=r"got 500: 'r0', .*'r9', \.\.\.$"):
        read_rttm(path)


def test_the_only_recording_needs_no_name_but_may_have_it(rttm):
    assert read_rttm(rttm(TALK), recording="talk") == TURNS
    with pytest.raises(LoadError, match="of which there is none, got 'talk'"):
        read_rttm(rttm(""), recording="talk")


def test_a_missing_file_is_the_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_rttm(tmp_path / "none.rttm")


def test_they_are_offered_at_the_top():
    assert {"SpeakerTurn", "read_rttm"} <= set(sottovoce.__all__)
