"""Standard streams that are closed, full, or in an encoding that lacks characters."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sottovoce import _core, cli
from sottovoce.cli import entry_point, failures, streams

# A command line whose model hears "日本" in whatever it is given, in a process of its own.
HEARS = """
import sys
from types import SimpleNamespace
import fake_core
from sottovoce import _core, audio, cli
_core.DecodingOptions = SimpleNamespace
audio.read = lambda path, sample_rate=None: audio.Recording(fake_core.silence(4))
words = fake_core.tokenizer().encode(" 日本 a")
core = fake_core.FakeCore(lambda _: fake_core.Heard([fake_core.at(0), *words, fake_core.at(2)]))
command = sys.modules["sottovoce.cli.transcribe"]
command._exists, command.load_model = lambda path: True, lambda arguments: core.model()
chosen = ["--model", "m", "--language", "en", "--policy", "openai"]
sys.exit(cli.main(["transcribe", *chosen, *sys.argv[1:]]))
"""

ORDINARY = {"PYTHONUTF8": "0", "PYTHONUNBUFFERED": ""}  # streams as people have them


def shell(redirections: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """The command line under a shell that redirects its streams."""
    package = str(Path(_core.__file__).parents[1])
    paths = os.pathsep.join([package, str(Path(__file__).parent)])
    return subprocess.run(
        ["sh", "-c", f'"$0" "$@" {redirections}', sys.executable, "-c", HEARS, *arguments],
        env={**os.environ, **ORDINARY, "PYTHONPATH": paths, **environment},
        capture_output=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp1252"])
def test_characters_that_an_encoding_lacks_are_replaced_and_told_once(encoding):
    ran = shell("", "a.wav", "b.wav", PYTHONIOENCODING=encoding)
    assert (ran.returncode, ran.stdout) == (0, b"?? a\n?? a\n")
    (line,) = ran.stderr.decode().splitlines()
    assert line.startswith("sottovoce: warning: standard output is ")
    assert "lacks characters" in line


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [("utf-8", " 日本 a".encode()), ("ascii:xmlcharrefreplace", b" &#26085;&#26412; a")],
)
def test_what_an_encoding_has_or_the_user_has_chosen_stays(encoding, expected):
    ran = shell("", "a.wav", PYTHONIOENCODING=encoding)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, expected.strip() + b"\n", b"")


def test_json_is_ascii_and_needs_no_note():
    ran = shell("", "a.wav", "-f", "json", PYTHONIOENCODING="ascii")
    assert (ran.returncode, ran.stderr) == (0, b"")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_do_not_keep_files_from_being_written(tmp_path, closed):
    ran = shell(closed, "a.wav", "b.wav", "-o", str(tmp_path), "-f", "txt")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"", b"")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "日本 a\n"
    assert (tmp_path / "b.txt").exists()


@pytest.mark.parametrize("closed", ["<&-", "2>&-"])
def test_closed_streams_do_not_keep_text_from_standard_output(closed):
    ran = shell(closed, "a.wav", PYTHONIOENCODING="utf-8")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "日本 a\n".encode(), b"")


@pytest.mark.parametrize(
    ("redirection", "arguments", "message"),
    [
        (">&-", ("a.wav",), b"standard output is closed"),
        (">&-", ("a.wav", "-f", "json"), b"standard output is closed"),
        (">/dev/full", ("a.wav",), b"standard output: No space left on device"),
        (">/dev/full", ("a.wav", "-f", "srt"), b"standard output: No space left on device"),
        ("<&-", ("-",), b"-: standard input is closed"),
    ],
)
def test_a_stream_that_is_needed_is_named(redirection, arguments, message):
    ran = shell(redirection, *arguments, PYTHONIOENCODING="utf-8")
    assert (ran.returncode, ran.stdout) == (1, b"")
    assert ran.stderr == b"sottovoce: " + message + b"\n"


def test_messages_that_nobody_can_read_fail_nothing():
    ran = shell("2>/dev/full", "a.wav", PYTHONIOENCODING="ascii")
    assert (ran.returncode, ran.stdout) == (0, b"?? a\n")


def test_a_file_never_gets_the_number_of_a_closed_stream():
    script = "from sottovoce.cli.streams import usable_streams\n"
    script += "with usable_streams(), open('/dev/zero') as file: assert file.fileno() > 2\n"
    package = str(Path(_core.__file__).parents[1])
    ran = subprocess.run(
        ["sh", "-c", '"$0" -c "$1" <&- >&- 2>&-', sys.executable, script],
        env={**os.environ, "PYTHONPATH": package},
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0


def test_streams_are_given_back(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    with streams.usable_streams():
        assert sys.stderr.write("x") == 1
    assert (sys.stdout, sys.stderr) == (None, None)


def test_a_stream_without_a_file_is_let_go_of():
    streams.abandon(io.StringIO())


def test_warnings_are_lines(monkeypatch, capsys):
    def warn(_):
        for _ in range(2):
            failures.warnings.warn("two\nlines", UserWarning, stacklevel=1)
        return 0

    monkeypatch.setattr(entry_point, "_run", warn)
    assert cli.main(["info", "m"]) == 0
    assert capsys.readouterr().err == "sottovoce: warning: two lines\n"
