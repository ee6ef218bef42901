"""The command line: what lands on which stream, and which status comes back."""

import argparse
import itertools
import json
import logging
import os
import re
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from fake_core import FakeCore, Heard, at, silence, word
from sottovoce import _core, audio, cli, model
from sottovoce.cli import arguments, parser
from sottovoce.cli import transcribe as transcribe_command
from sottovoce.cli.output import prepare_folder
from sottovoce.results import Progress, Segment, Word
from sottovoce.writers import ALL, saving, write

SAID = [at(0), word(1), at(2), at(2), word(2), at(3)]


class Recorder(FakeCore):
    """A fake core whose model keeps the keywords of its calls, and hears where nobody speaks."""

    def __post_init__(self):
        super().__post_init__()
        self.keywords: list[dict] = []

    def model(self):
        real = super().model()

        def keeping(method):
            def call(audio, **keywords):
                self.keywords.append(keywords)
                return method(audio, **{**keywords, "policy": "openai"})

            return call

        transcribe, many = keeping(real.transcribe), keeping(real.transcribe_many)
        return SimpleNamespace(transcribe=transcribe, transcribe_many=many, text=real.text)


def load(path, sample_rate=None):
    """Reads no file."""
    if str(path).startswith("bad"):
        raise _core.LoadError(f"{path}: not audio\nat all")
    return audio.Recording(silence(4))


@pytest.fixture
def core(monkeypatch):
    monkeypatch.setattr(_core, "DecodingOptions", SimpleNamespace)
    monkeypatch.setattr(audio, "read", load)
    monkeypatch.setattr(transcribe_command, "_exists", lambda path: True)
    core = Recorder(lambda _: Heard(SAID))
    monkeypatch.setattr(transcribe_command, "load_model", lambda arguments: core.model())
    return core


def transcribe(*arguments: str) -> int:
    return cli.main(["transcribe", "--model", "m", "--language", "en", *arguments])


@pytest.fixture
def terminal(monkeypatch):
    """Standard output is a terminal; standard error is not, so no bar moves."""

    def pretend():
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)

    return pretend


def usage_error(capsys, *arguments: str) -> str:
    with pytest.raises(SystemExit) as stop:
        cli.main([*arguments])
    assert stop.value.code == 2
    return capsys.readouterr().err


# --- where the transcript goes ---


def test_a_pipe_gets_plain_text_and_nothing_else(core, capsys):
    assert transcribe("a.wav") == 0
    assert capsys.readouterr() == ("w1\nw2\n", "")


def test_a_terminal_gets_lines_with_times(core, capsys, terminal):
    terminal()
    assert transcribe("a.wav") == 0
    out = capsys.readouterr().out
    assert out == "[00:00.000 --> 00:02.000]  w1\n[00:02.000 --> 00:03.000]  w2\n"


def test_verbose_false_is_plain_text_on_a_terminal_too(core, capsys, terminal):
    terminal()
    assert transcribe("a.wav", "--verbose", "False") == 0
    assert capsys.readouterr().out == "w1\nw2\n"


def test_a_format_without_a_directory_goes_to_standard_output(core, capsys, terminal):
    terminal()
    assert transcribe("a.wav", "-f", "srt") == 0
    assert capsys.readouterr().out.startswith("1\n00:00:00,000 --> 00:00:02,000\nw1\n\n2\n")


def test_json_is_one_document_a_line(core, capsys):
    assert transcribe("a.wav", "b.wav", "--output-format", "json") == 0
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [d["text"] for d in documents] == [" w1 w2", " w1 w2"]
    assert documents[0]["language"] == "en"


def test_a_directory_gets_all_formats_and_a_pipe_nothing(core, capsys, tmp_path):
    assert transcribe("x/talk.mp3", "-o", str(tmp_path / "out")) == 0
    names = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert names == ["talk.json", "talk.srt", "talk.tsv", "talk.txt", "talk.vtt"]
    assert capsys.readouterr() == ("", "")


def test_a_directory_and_a_format_give_one_file_and_lines_on_a_terminal(
    core, capsys, tmp_path, terminal
):
    terminal()
    assert transcribe("talk.mp3", "--output_dir", str(tmp_path), "--output_format", "txt") == 0
    assert [p.name for p in tmp_path.iterdir()] == ["talk.txt"]
    assert (tmp_path / "talk.txt").read_text(encoding="utf-8") == "w1\nw2\n"
    assert capsys.readouterr().out.startswith("[00:00.000 --> 00:02.000]")


def test_segments_without_words_are_not_printed(monkeypatch, capsys, core):
    core.script = lambda _: Heard([at(0), 220, at(2)])
    assert transcribe("a.wav") == 0
    assert capsys.readouterr().out == ""


@pytest.fixture
def both_terminals(terminal, monkeypatch):
    def pretend():
        terminal()
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)

    return pretend


def notes(err: str) -> list[str]:
    """Lines of standard error that stay: a bar overwrites its own."""
    lines = [line.split("\r")[-1] for line in err.split("\n")]
    return [line for line in lines if line.strip()]


def test_a_terminal_is_told_what_was_heard_and_written(core, capsys, tmp_path, both_terminals):
    both_terminals()
    assert transcribe("a.wav", "b.wav", "-o", str(tmp_path)) == 0
    first, *lines, speed = notes(capsys.readouterr().err)
    assert first == "== a.wav"
    assert sorted(lines) == [
        "== b.wav",
        f"wrote {tmp_path}/a.{{txt,vtt,srt,tsv,json}}",
        f"wrote {tmp_path}/b.{{txt,vtt,srt,tsv,json}}",
    ]
    assert re.fullmatch(r"2 files, 8\.0 s of sound in \d+\.\d s, \d+\.\d x real time", speed)


def test_quiet_tells_nothing(core, capsys, tmp_path, both_terminals):
    both_terminals()
    assert transcribe("a.wav", "b.wav", "-o", str(tmp_path), "-q") == 0
    out, err = capsys.readouterr()
    assert (out.count("\n"), err) == (4, "")


# --- flags ---


def test_defaults_are_the_references(core):
    transcribe("a.wav")
    (keywords,) = core.keywords
    assert keywords["temperature"] == pytest.approx((0.0, 0.2, 0.4, 0.6, 0.8, 1.0))
    assert (keywords["beam_size"], keywords["best_of"]) == (5, 5)
    assert keywords["condition_on_previous_text"] is True
    assert (keywords["suppress_tokens"], keywords["clip_timestamps"]) == ("-1", "0")
    assert (keywords["windows"], keywords["batch_size"]) == ("sequential", 8)


@pytest.mark.parametrize("dashes", ["_", "-"])
def test_flags_have_two_spellings(core, dashes):
    flags = {"beam_size": "2", "best_of": "None", "no_speech_threshold": "none"}
    flags |= {"condition_on_previous_text": "False", "initial_prompt": "hi", "patience": "1.5"}
    arguments = [x for k, v in flags.items() for x in ("--" + k.replace("_", dashes), v)]
    assert transcribe("a.wav", *arguments) == 0
    (keywords,) = core.keywords
    assert (keywords["beam_size"], keywords["best_of"], keywords["patience"]) == (2, None, 1.5)
    assert keywords["no_speech_threshold"] is None
    assert keywords["condition_on_previous_text"] is False
    assert keywords["initial_prompt"] == "hi"


@pytest.mark.parametrize("dashes", ["_", "-"])
@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], False),
        (["--weights_cache"], True),
        (["--weights_cache_dir", "packed"], "packed"),
        (["--weights_cache_dir=packed"], "packed"),
        (["--weights_cache", "--weights_cache_dir", "packed"], "packed"),
    ],
)
def test_packed_weights_are_kept_where_told(monkeypatch, flags, expected, dashes):
    flags = [flag.replace("_", dashes) for flag in flags]
    parsed = arguments.build_parser().parse_args(["transcribe", "--model", "m", *flags, "a", "b"])
    assert parsed.audio == ["a", "b"]
    monkeypatch.setattr(model, "WhisperModel", lambda *_, **keywords: keywords)
    assert transcribe_command.load_model(parsed)["weights_cache"] == expected


def test_no_flag_takes_a_file_for_its_value():
    """A flag whose value may be left out would take the audio file that follows."""
    parsers = [arguments.build_parser()]
    while parsers:
        for action in parsers.pop()._actions:
            if isinstance(action, argparse._SubParsersAction):
                parsers += action.choices.values()
            assert not action.option_strings or action.nargs in (None, 0), action


@pytest.mark.parametrize(
    ("start", "increment", "expected"),
    [
        (0.0, 0.2, (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
        (0.5, 0.2, (0.5, 0.7, 0.9)),
        (0.0, None, (0.0,)),
        (1.0, 0.2, (1.0,)),
        (1.5, 0.2, (1.5,)),
    ],
)
def test_temperatures_rise_to_one(start, increment, expected):
    assert transcribe_command.temperatures(start, increment) == pytest.approx(expected)


def test_languages_are_given_by_code_or_name(core):
    assert cli.main(["transcribe", "a.wav", "--model", "m", "--language", "Castilian"]) == 0
    assert cli.main(["transcribe", "a.wav", "--model", "m", "--language", "None"]) == 0
    assert [k["language"] for k in core.keywords] == ["es", None]


# --- speakers ---

RTTM = "SPEAKER {} 1 0 2 <NA> <NA> Ada <NA> <NA>\nSPEAKER {} 1 2 2 <NA> <NA> Bob <NA> <NA>\n"


@pytest.fixture
def rttm(tmp_path):
    path = tmp_path / "who.rttm"
    path.write_text(RTTM.format("a", "a"))
    return path


def test_speakers_are_shown_in_front(core, capsys, terminal, rttm):
    assert transcribe("a.wav", "--speakers", str(rttm)) == 0
    assert capsys.readouterr().out == "[Ada]: w1\n[Bob]: w2\n"
    terminal()
    assert transcribe("a.wav", "--speakers", str(rttm)) == 0
    out = capsys.readouterr().out
    assert out == ("[00:00.000 --> 00:02.000] [Ada]: w1\n[00:02.000 --> 00:03.000] [Bob]: w2\n")


@pytest.mark.parametrize("batch_size", ["1", "8"])
def test_speakers_are_in_the_files(core, capsys, rttm, tmp_path, batch_size):
    arguments = ["--speakers", str(rttm), "-o", str(tmp_path / "out"), "--batch_size", batch_size]
    assert transcribe("a.wav", "b.wav", *arguments) == 0  # one recording's are everybody's
    for name in "ab":
        assert (tmp_path / "out" / f"{name}.txt").read_text() == "[Ada]: w1\n[Bob]: w2\n"
        assert "<v Bob>w2" in (tmp_path / "out" / f"{name}.vtt").read_text()
        document = json.loads((tmp_path / "out" / f"{name}.json").read_text())
        assert [s["speaker"] for s in document["segments"]] == ["Ada", "Bob"]
        assert [s["id"] for s in document["segments"]] == [0, 1]
        assert document["text"] == " w1 w2"


def test_of_several_recordings_each_file_takes_its_own(core, capsys, rttm):
    rttm.write_text(RTTM.format("a", "a") + "SPEAKER b 1 0 9 <NA> <NA> Cleo <NA> <NA>\n")
    assert transcribe("x/a.wav", "b.mp3", "--speakers", str(rttm)) == 0
    assert capsys.readouterr().out == "[Ada]: w1\n[Bob]: w2\n[Cleo]: w1\n[Cleo]: w2\n"
    assert transcribe("a.wav", "c.wav", "--speakers", str(rttm)) == 1
    told = capsys.readouterr().err
    assert told.endswith("recording must be one of its own, 'a', 'b', got 'c'\n")
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file or directory"), ("SPEAKER a 1 x", "line 1: must be SPEAKER, recording")],
)
def test_bad_rttm_is_one_line_before_the_model_is_loaded(
    capsys, monkeypatch, core, rttm, content, message
):
    monkeypatch.setattr(transcribe_command, "load_model", lambda _: pytest.fail("loaded"))
    if content is None:
        rttm.unlink()
    else:
        rttm.write_text(content)
    assert transcribe("a.wav", "--speakers", str(rttm)) == 1
    told = capsys.readouterr().err
    assert message in told
    assert str(rttm) in told
    assert told.count("\n") == 1


@pytest.fixture
def call(monkeypatch):
    """Any file is a call of two channels."""

    def load(path, sample_rate=None):
        return audio.Recording(silence(4), channels=(silence(4), silence(4)))

    monkeypatch.setattr(audio, "read_channels", load)


def test_channels_are_speakers(core, capsys, terminal, call, tmp_path):
    expected = "[channel 1]: w1\n[channel 2]: w1\n[channel 1]: w2\n[channel 2]: w2\n"
    assert transcribe("a.wav", "--channels", "speakers") == 0
    assert capsys.readouterr().out == expected
    assert core.keywords[-1]["channels"] == "speakers"
    arguments = ["--channels", "agent,customer", "-f", "txt", "-o", str(tmp_path)]
    assert transcribe("a.wav", "b.wav", *arguments) == 0
    expected = expected.replace("channel 1", "agent").replace("channel 2", "customer")
    for name in "ab":
        assert (tmp_path / f"{name}.txt").read_text() == expected


def test_a_file_with_other_channels_is_one_line_and_the_others_go_on(core, capsys, call):
    assert transcribe("a.wav", "--channels", "a,b,c") == 1
    assert capsys.readouterr().err == (
        "sottovoce: a.wav: transcribe: channels must name the 2 channels of the audio, "
        "got 3: 'a', 'b', 'c'\n"
    )


def test_colours_leave_spaces_where_they_are():
    """One in front of a word is between words, and none is left behind a time or a name."""
    words = tuple(Word(said, 0, 1, p) for said, p in [(" a", 0.0), ("b ", 0.6), (" ", 1.0)])
    segment = Segment(0, 0, 0.0, 1.0, " ab  ", (1,), 0.0, -0.1, 1.0, 0.0, words)
    shown = transcribe_command._in_colours(segment)
    assert shown == " \33[38;5;196ma\33[0m\33[38;5;190mb\33[0m  "
    named = replace(segment, speaker="Ada", words=words[:1])
    line = transcribe_command._with_times(transcribe_command._in_colours, named)
    assert line == "[00:00.000 --> 00:01.000] [Ada]: \33[38;5;196ma\33[0m"
    plain = transcribe_command._plain(transcribe_command._in_colours, named)
    assert plain == "[Ada]: \33[38;5;196ma\33[0m"


# --- what goes wrong ---


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND; try 'sottovoce --help'"),
        (["talk.mp3"], "'talk.mp3' is no command: recordings come after 'transcribe'"),
        (["trancribe", "a"], "unknown command 'trancribe'; did you mean 'transcribe'?"),
        (
            ["xyzzy"],
            "'xyzzy'; expected transcribe, align, vad, explain, info, convert, demo; try",
        ),
        (["info", "a", "b"], "there is no place for 'b'; try 'sottovoce info --help'"),
        (
            ["transcribe", "a", "--beam_sise", "1"],
            "unknown flag --beam_sise; did you mean --beam_s",
        ),
        (["transcribe", "a", "--xyzzy", "1"], "unknown flag --xyzzy; try"),
        (
            ["transcribe", "a", "--vad", "True"],
            "unknown flag --vad: --vad_filter True hears speech",
        ),
        (["transcribe", "a", "--vad-threshold", "0.3"], "--vad_threshold needs --vad_filter True"),
        (
            ["transcribe", "a", "--vad_filter", "True", "--vad_threshold", "3"],
            "VadOptions: threshold must be a number >= 0 and <= 1, got 3.0",
        ),
        (
            ["transcribe", "a", "--max_line_width", "9"],
            "--max_line_width needs --word_timestamps True",
        ),
        (["transcribe", "a", "--fp16", "False"], "--compute_type chooses the precision; try"),
        (
            ["transcribe", "a", "--output-srt"],
            "-f FORMAT is one of txt, vtt, srt, tsv, json, lrc, ",
        ),
        (["transcribe", "a", "-m", "base"], "unknown flag -m: it is called --model"),
        (
            ["transcribe", "a", "--num_beams", "5"],
            "unknown flag --num_beams: it is called --beam_si",
        ),
        (
            ["transcribe", "a", "--max_new_tokens", "5"],
            "it has no flag; in Python it is called sample_l",
        ),
        (["transcribe", "--quiet=1", "a"], "argument --quiet/-q: it takes no value, got '1'"),
        (
            ["transcribe", "--weights-cache=x", "a"],
            "got 'x'; --weights_cache_dir names a folder; try",
        ),
        (["transcribe", "--model", "m"], "the following arguments are required: AUDIO"),
        (["transcribe", "a", "--model", "m", "--beam_size", "x"], "an integer or None, got 'x'"),
        (["transcribe", "a", "--model", "m", "--verbose", "maybe"], "True or False, got 'maybe'"),
        (["transcribe", "a", "--word_timestamps", "slow"], "True, False or fast, got 'slow'"),
        (["transcribe", "a", "--model", "m", "--language", "xx"], "100 codes or 112 names"),
        (["transcribe", "a", "--model", "m", "--best_of", "0"], "best_of must be an int in 1..256"),
        (["transcribe", "a", "--model", "m", "--length-penalty", "2"], "length_penalty must be"),
        (["transcribe", "a", "--model", "m", "-f", "all"], "say where with -o DIR"),
        (["transcribe", "a", "--model", "m", "--channels", "x"], "of each channel, got 'x'"),
        (
            ["transcribe", "a", "--model", "m", "--channels", "speakers", "--speakers", "f"],
            "--speakers and --channels exclude each other; give one",
        ),
        (["transcribe", "a", "--diarize"], "unknown flag --diarize: --speakers takes a diarizer's"),
        (["transcribe", "a", "--model", "m", "--weights-cache-dir", ""], "a folder, got ''"),
        (["transcribe", "a/x.mp3", "b/x.wav", "--model", "m", "-o", "o"], "both be written to x.*"),
        (
            ["transcribe", "a", "--model", "m", "--temperature-increment-on-fallback", "0"],
            "must be > 0 or None, got 0.0",
        ),
    ],
)
def test_wrong_usage_is_status_two_and_says_why(capsys, arguments, message):
    told = usage_error(capsys, *arguments)
    assert message in told
    assert re.fullmatch(r"sottovoce: .*; try 'sottovoce( transcribe| info)? --help'\n", told)


def test_answers_to_flags_of_other_engines_speak_of_flags():
    parse = arguments.build_parser().parse_args(["transcribe", "a"]).command_parser
    for name, answer in parser.ANSWERS.items():
        if f"--{name}" in parse._option_string_actions:
            continue  # never unknown
        for flag in re.findall(r"--?\w+", re.sub(r"\w-\w", "", answer)):
            assert flag in [*parse._option_string_actions, "--help"], (name, answer)
        assert not re.search(r"WhisperModel|=|\(\.\.\.\)|transcribe_many|options", answer), name


def test_debug_shows_tracebacks_and_the_log(core, capsys):
    def talk(_):
        logging.getLogger("sottovoce.model").debug("one\ntwo")
        return Heard(SAID)

    core.script = talk
    assert transcribe("bad.wav", "a.wav", "--debug", "--batch_size", "1") == 1
    err = capsys.readouterr().err
    assert "sottovoce: bad.wav: bad.wav: not audio at all\n" in err
    assert "Traceback (most recent call last):\n" in err
    assert "\nsottovoce.model: DEBUG: one\ntwo\n" in err
    assert transcribe("bad.wav", "a.wav") == 1
    assert capsys.readouterr().err == "sottovoce: bad.wav: bad.wav: not audio at all\n"


def test_warnings_of_the_log_are_lines(core, capsys):
    def talk(_):
        logging.getLogger("sottovoce.checkpoints").warning("look here")
        return Heard(SAID)

    core.script = talk
    assert transcribe("a.wav") == 0
    assert capsys.readouterr().err == "sottovoce: warning: look here\n"
    assert logging.getLogger("sottovoce").handlers == []


def test_a_bad_file_is_one_line_and_the_others_go_on(core, capsys):
    assert transcribe("bad.wav", "good.wav") == 1
    out, err = capsys.readouterr()
    assert out == "w1\nw2\n"
    assert err == "sottovoce: bad.wav: bad.wav: not audio at all\n"


@pytest.mark.parametrize("form", ["srt", "vtt", "tsv"])
def test_two_files_do_not_run_together(core, capsys, form):
    message = f"-f {form} puts one file on standard output, got 2 files; say where with -o DIR"
    arguments = ["transcribe", "--model", "m", "a.wav", "b.wav", "-f", form]
    assert message in usage_error(capsys, *arguments)
    assert core.keywords == []


def test_txt_of_several_files_is_one_after_the_other(core, capsys):
    assert transcribe("a.wav", "b.wav", "-f", "txt") == 0
    assert capsys.readouterr().out == "w1\nw2\nw1\nw2\n"


def test_a_prompt_that_is_not_utf8_is_blamed_on_its_flag(core, capsys):
    arguments = ["transcribe", "--model", "m", "a.wav", "--initial_prompt", os.fsdecode(b"a\xff")]
    message = "argument --initial_prompt: expected text in UTF-8, got b'a\\xff'"
    assert message in usage_error(capsys, *arguments)
    assert core.keywords == []


@pytest.mark.parametrize("batch_size", ["1", "2", "8"])
def test_files_come_out_in_the_order_they_were_given(core, capsys, batch_size, tmp_path):
    assert transcribe("a.wav", "bad.wav", "c.wav", "-f", "json", "--batch-size", batch_size) == 1
    out, err = capsys.readouterr()
    assert [json.loads(line)["text"] for line in out.splitlines()] == [" w1 w2", " w1 w2"]
    assert err == "sottovoce: bad.wav: bad.wav: not audio at all\n"
    assert [b.n_slots for b in core.batches] == ([1, 1] if batch_size == "1" else [int(batch_size)])
    assert transcribe("a.wav", "b.wav", "-o", str(tmp_path), "--batch_size", batch_size) == 0
    assert {p.stem for p in tmp_path.iterdir()} == {"a", "b"}


def test_an_error_that_ends_the_run_is_told_of_every_file(core, capsys, monkeypatch):
    def no_room(*_):
        raise MemoryError("no room for the windows")

    monkeypatch.setattr(core, "new_batch", no_room)
    assert transcribe("a.wav", "b.wav") == 1
    out, err = capsys.readouterr()
    assert (out, err.splitlines()) == ("", [
        "sottovoce: a.wav: no room for the windows",
        "sottovoce: b.wav: not transcribed: an error ended the run before its turn",
    ])  # fmt: skip


def no_model(*_, **__):
    raise AssertionError("the model was loaded first")


@pytest.mark.parametrize("folder", ["file", "file/below", "x" * 300])
def test_a_folder_that_cannot_be_written_is_told_before_the_model_is_loaded(
    capsys, tmp_path, monkeypatch, folder
):
    monkeypatch.setattr(transcribe_command, "load_model", no_model)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert transcribe("a.wav", "-o", folder) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"sottovoce: {folder}: the output folder")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_files_of_which_none_is_there_are_told_before_the_model_is_loaded(capsys, monkeypatch):
    monkeypatch.setattr(transcribe_command, "load_model", no_model)
    assert transcribe("none.wav", "no\nne.wav") == 1
    assert capsys.readouterr() == (
        "",
        "sottovoce: none.wav: No such file or directory\n"
        "sottovoce: no\ufffdne.wav: No such file or directory\n",
    )


@contextmanager
def full_disk(**_):
    with Path("/dev/full").open("wb") as file:
        yield file


def test_a_full_disk_is_told_before_the_model_is_loaded(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(transcribe_command, "load_model", no_model)
    monkeypatch.setattr(tempfile, "TemporaryFile", full_disk)
    assert transcribe("a.wav", "-o", str(tmp_path)) == 1
    assert capsys.readouterr().err == (
        f"sottovoce: {tmp_path}: the output folder: No space left on device\n"
    )


def test_trying_a_folder_leaves_nothing_in_it(tmp_path):
    prepare_folder(tmp_path / "new" / "folder")
    assert list((tmp_path / "new" / "folder").iterdir()) == []


@pytest.mark.parametrize("batch_size", ["1", "8"])
def test_a_disk_that_fills_up_keeps_what_is_finished(
    core, capsys, tmp_path, monkeypatch, batch_size
):
    def full(transcript, stream, output_format, layout):
        write(transcript, stream, output_format, layout)
        if output_format == "vtt" and next(turn) == 1:
            raise OSError(28, "No space left on device")

    turn = itertools.count()
    monkeypatch.setattr(saving, "write", full)
    files = [f"{name}.wav" for name in "abc"]
    assert transcribe(*files, "-o", str(tmp_path), "--batch_size", batch_size) == 1
    out, err = capsys.readouterr()
    told = re.fullmatch(rf"sottovoce: {tmp_path}/([abc])\.vtt: No space left on device\n", err)
    failed = told.group(1)
    assert out == "w1\nw2\n"  # of that file
    whole = {f"{stem}.{name}" for stem in {*"abc"} - {failed} for name in ALL}
    assert {path.name for path in tmp_path.iterdir()} == {f"{failed}.txt", *whole}


class Interrupted:
    """A model that hears the second recording before the first, and is interrupted then."""

    def __init__(self, core) -> None:
        self.model = core.model()
        self.text = self.model.text

    @contextmanager
    def transcribe_many(self, audios, progress, **keywords):
        first, second = audios
        begun = self.model.transcribe(first, **keywords)
        progress(Progress(0, begun.info, 0.0, ()))
        heard = self.model.transcribe(second, **keywords)
        segments = tuple(replace(s, seek=200 * i) for i, s in enumerate(heard.segments))
        if keywords["windows"] == "independent":
            segments = segments[::-1]
        progress(Progress(1, heard.info, 0.0, ()))
        for position, segment in zip((2.0, heard.info.duration), segments, strict=True):
            progress(Progress(1, heard.info, position, (segment,)))
        yield self.interrupted()

    def interrupted(self):
        raise KeyboardInterrupt
        yield


@pytest.mark.parametrize("windows", ["sequential", "independent"])
def test_ctrl_c_keeps_every_file_that_is_finished(core, capsys, tmp_path, monkeypatch, windows):
    monkeypatch.setattr(transcribe_command, "load_model", lambda _: Interrupted(core))
    out = tmp_path / "out"
    arguments = ["a.wav", "b.wav", "-o", str(out), "-f", "txt", "--windows", windows]
    assert transcribe(*arguments) == 130
    assert [path.name for path in out.iterdir()] == ["b.txt"]
    assert (out / "b.txt").read_text() == "w1\nw2\n"
    assert capsys.readouterr() == ("", "")


def test_a_model_is_chosen_and_told_where_none_is_named(capsys, monkeypatch):
    from sottovoce.checkpoints import hub

    monkeypatch.setattr(hub, "default_name", lambda folder: f"best of {folder}")
    monkeypatch.setattr(model, "WhisperModel", lambda name, **_: name)
    parse = arguments.build_parser().parse_args
    parsed = parse(["transcribe", "a", "--model-dir", "d"])
    assert transcribe_command.load_model(parsed) == "best of d"
    assert capsys.readouterr().err == "sottovoce: model best of d; --model NAME takes another\n"
    assert transcribe_command.load_model(parse(["transcribe", "a", "-q"])) == "best of None"
    assert capsys.readouterr().err == ""


def test_windows_may_be_independent(core, capsys):
    assert transcribe("a.wav", "--windows", "independent") == 0
    assert core.keywords[0]["windows"] == "independent"
    assert capsys.readouterr().out == "w1\nw2\n"


def test_a_file_that_is_not_there_is_named_once(core, capsys, tmp_path):
    core.script = open_missing
    assert transcribe("a.wav") == 1
    assert capsys.readouterr().err == "sottovoce: a.wav: No such file or directory\n"


def open_missing(_):
    raise FileNotFoundError(2, "No such file or directory", "a.wav")


def test_a_model_that_is_not_there_is_one_line(capsys, tmp_path):
    audio = str(Path(__file__))
    assert cli.main(["transcribe", audio, "--model", str(tmp_path / "none")]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("sottovoce: ")
    assert err.count("\n") == 1


def test_ctrl_c_is_status_130(core, capsys):
    def interrupt(_):
        raise KeyboardInterrupt

    core.script = interrupt
    assert transcribe("a.wav", "b.wav") == 130
    assert len(core.keywords) == 1


class Stopping:
    """A core's answers, and a token that is cancelled at one of them."""

    def __init__(self, core, monkeypatch, last):
        self.core, self.last, self.deadlines = core, last, []
        self.token = _core.CancelToken()
        monkeypatch.setattr(transcribe_command, "CancelToken", self.make)
        core.script = self.say

    def make(self, deadline_s):
        self.deadlines.append(deadline_s)
        return self.token

    def say(self, _):
        if len(self.core.asked) == self.last:
            self.token.cancel()
        return Heard([at(0), word(len(self.core.asked)), at(2), at(2)])


@pytest.mark.parametrize("batch_size", ["1", "8"])
def test_what_is_heard_when_the_deadline_passes_is_written(
    core, capsys, tmp_path, monkeypatch, batch_size
):
    stopping = Stopping(core, monkeypatch, 4)
    arguments = ["a.wav", "b.wav", "c.wav", "-o", str(tmp_path), "-f", "txt"]
    assert transcribe(*arguments, "--deadline_s", "60", "--batch_size", batch_size) == 124
    assert stopping.deadlines == [60.0]
    texts = {path.stem: path.read_text().split() for path in tmp_path.iterdir()}
    err = capsys.readouterr().err
    if batch_size == "1":
        assert texts == {"a": ["w1", "w2"], "b": ["w3"]}
        assert err == (
            "sottovoce: b.wav: incomplete: the deadline passed at 00:02.000 of 00:04.000\n"
            "sottovoce: c.wav: not transcribed: the deadline passed before its turn\n"
        )
    else:
        assert 0 < sum(map(len, texts.values())) <= 4
        assert "incomplete: the deadline passed at " in err


def test_what_is_printed_when_the_deadline_passes_is_printed_once(core, capsys, monkeypatch):
    Stopping(core, monkeypatch, 2)
    assert transcribe("a.wav", "--deadline-s", "60") == 124
    assert capsys.readouterr() == (
        "w1\n",
        "sottovoce: a.wav: incomplete: the deadline passed at 00:02.000 of 00:04.000\n",
    )


def test_a_deadline_at_once_writes_nothing(core, capsys, tmp_path):
    assert transcribe("a.wav", "-o", str(tmp_path), "--deadline_s", "0") == 124
    assert [*tmp_path.iterdir()] == []
    assert capsys.readouterr() == (
        "",
        "sottovoce: a.wav: not transcribed: the deadline passed before its turn\n",
    )


@pytest.mark.parametrize("seconds", ["-1", "nan", "soon"])
def test_a_deadline_is_a_number(capsys, seconds):
    message = usage_error(capsys, "transcribe", "a.wav", f"--deadline_s={seconds}")
    assert f"expected a number of s, got '{seconds}'" in message


def test_our_own_bugs_keep_their_traceback(core):
    def bug(_):
        raise AssertionError("bug")

    core.script = bug
    with pytest.raises(AssertionError, match="bug"):
        transcribe("a.wav")


def command(*arguments: str, **keywords) -> subprocess.CompletedProcess:
    """The command line in a process of its own."""
    package = Path(_core.__file__).parents[1]
    path = os.pathsep.join([str(package), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-m", "sottovoce", *arguments],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **keywords,
    )


def test_version_is_the_cores():
    ran = command("--version")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"sottovoce {_core.__version__}\n", "")


def test_a_reader_that_goes_away_is_no_traceback():
    script = (
        "import os, sys\n"
        "from sottovoce import cli\n"
        "read, write = os.pipe(); os.close(read); os.dup2(write, 1)\n"
        "cli.info.run = lambda _: print('x' * 100_000) or 0\n"
        "sys.exit(cli.main(['info', 'm']))\n"
    )
    package = str(Path(_core.__file__).parents[1])
    ran = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": package},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (141, "")


def test_starting_up_loads_no_media_library_and_no_hub():
    script = "import sys, sottovoce.cli; print(*sorted(sys.modules))"
    package = str(Path(_core.__file__).parents[1])
    ran = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": package},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert not {"av", "huggingface_hub", "tqdm", "safetensors", "torch"} & set(ran.stdout.split())


# --- with weights ---


def test_info_shows_a_real_model(tiny_en_dir, capsys):
    assert cli.main(["info", str(tiny_en_dir)]) == 0
    out = capsys.readouterr().out
    assert "n_audio_state   384" in out
    assert "vocabulary      English-only" in out
    heads = "1.0 2.0 2.5 3.0 3.1 3.2 3.3 3.4 (openai-whisper's of tiny.en)"
    assert f"alignment heads {heads}\n" in out


@pytest.mark.parametrize(
    ("heads", "shown"),
    [
        ([[3, 4], [3, 5]], "3.4 3.5 (the checkpoint's own)"),
        ([[2, 2], [3, 0], [3, 5], [3, 4], [3, 2], [3, 3]], "(openai-whisper's of tiny)"),
        ([], "not stated: every head of the last half of the decoder"),
    ],
)
def test_info_says_whose_alignment_heads_are_used(tiny_en_dir, tmp_path, capsys, heads, shown):
    for path in tiny_en_dir.iterdir():
        (tmp_path / path.name).symlink_to(path)
    config = json.loads((tiny_en_dir / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "config.json").unlink()
    (tmp_path / "config.json").write_text(json.dumps({**config, "alignment_heads": heads}))
    assert cli.main(["info", str(tmp_path)]) == 0
    line = next(x for x in capsys.readouterr().out.splitlines() if x.startswith("alignment heads"))
    assert line.endswith(shown)


def test_convert_writes_a_model_that_loads(tiny_en_dir, tmp_path, capsys):
    target = tmp_path / "converted"
    assert cli.main(["convert", str(tiny_en_dir), str(target), "--dtype", "float16"]) == 0
    assert capsys.readouterr().out == f"{target}\n"
    assert cli.main(["info", str(target)]) == 0
    assert cli.main(["convert", str(tiny_en_dir), str(target)]) == 1


def test_a_real_file_is_transcribed_into_a_pipe(tiny_en_dir):
    clip = Path(__file__).parent / "data" / "jfk.flac"
    ran = command("transcribe", str(clip), "--model", str(tiny_en_dir), "--beam-size", "1")
    assert ran.returncode == 0
    assert ran.stderr == ""
    assert "ask what you can do for your country" in ran.stdout
    with clip.open("rb") as stream:
        piped = command("transcribe", "-", "--model", str(tiny_en_dir), "-f", "vtt", stdin=stream)
    assert piped.stdout.startswith("WEBVTT\n\n00:00.000 --> ")


@pytest.mark.parametrize("words", ["False", "True"])
def test_the_full_json_says_how_sure_it_is(tiny_en_dir, tmp_path, capsys, words):
    jfk = str(Path(__file__).parent / "data/jfk.flac")
    flags = ["--model", str(tiny_en_dir), "--beam_size", "3", "--word_timestamps", words]
    flags += ["--top_k", "2", "--n_best", "3"]
    assert cli.main(["transcribe", jfk, *flags, "-q", "-f", "full.json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert cli.main(["transcribe", jfk, *flags, "-q", "-f", "full.json", "-o", str(tmp_path)]) == 0
    filed = json.loads((tmp_path / "jfk.full.json").read_text(encoding="utf-8"))
    assert filed["segments"] == document["segments"]
    for segment in document["segments"]:
        n_tokens = len(segment["tokens"])
        assert n_tokens == len(segment["logprobs"]) == len(segment["alternatives"]) > 0
        for each in segment["alternatives"]:
            assert [list(alternative) for alternative in each] == [["token", "text", "logprob"]] * 2
        assert len(segment["hypotheses"]) == 3
        for hypothesis in segment["hypotheses"]:
            assert list(hypothesis) == ["text", "tokens", "avg_logprob", "score"]
            assert "ask" in hypothesis["text"]
    # openai-whisper's has none of it.
    assert cli.main(["transcribe", jfk, *flags, "-q", "-f", "json"]) == 0
    (segment, *_) = json.loads(capsys.readouterr().out)["segments"]
    assert not segment.keys() & {"logprobs", "alternatives", "hypotheses"}
