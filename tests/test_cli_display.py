"""What a terminal shows while several recordings are heard: lines in their turn, notes, names."""

from types import SimpleNamespace

import pytest

from sottovoce.cli.display import Display, fitted
from sottovoce.results import Progress


def info(duration: float = 10.0, *, windows: str = "sequential", detected: bool = False):
    return SimpleNamespace(
        duration=duration,
        language="de",
        language_probability=0.974,
        all_language_probs={"de": 0.974} if detected else None,
        options=SimpleNamespace(windows=windows, channels="mix"),
    )


def segment(text: str):
    return SimpleNamespace(text=text)


def display(*names: str, notes: bool = False, headings: bool = False) -> Display:
    return Display(list(names), line=lambda s: s.text, headings=headings, notes=notes)


def test_lines_come_as_they_are_heard_and_those_of_others_in_their_turn(capsys):
    shown, about = display("a", "b"), info()
    shown.begin(0)
    shown.heard(Progress(0, about, 0.0, ()))
    shown.heard(Progress(1, about, 0.0, ()))
    shown.heard(Progress(1, about, 5.0, (segment("b1"),)))
    assert capsys.readouterr().out == ""
    shown.heard(Progress(0, about, 4.0, (segment("a1"), segment(" "))))
    assert capsys.readouterr().out == "a1\n"
    shown.heard(Progress(0, about, 10.0, (segment("a2"),)))
    shown.end([segment("a1"), segment(" "), segment("a2")])
    assert capsys.readouterr().out == "a2\n"
    shown.begin(1)
    assert capsys.readouterr().out == "b1\n"
    shown.heard(Progress(1, about, 10.0, (segment("b2"),)))
    shown.end([segment("b1"), segment("b2")])
    assert capsys.readouterr().out == "b2\n"


def test_windows_that_come_in_any_order_are_shown_at_the_end(capsys):
    shown, about = display("a"), info(windows="independent")
    shown.begin(0)
    shown.heard(Progress(0, about, 5.0, (segment("second"),)))
    shown.heard(Progress(0, about, 10.0, (segment("first"),)))
    assert capsys.readouterr().out == ""
    shown.end([segment("first"), segment("second")])
    assert capsys.readouterr().out == "first\nsecond\n"


def test_a_recording_that_fails_shows_no_more(capsys):
    shown = display("a", "b", headings=True)
    shown.begin(0)
    shown.heard(Progress(1, info(), 10.0, (segment("b1"),)))
    shown.fail()
    shown.begin(1)
    shown.end([segment("b1")])
    assert capsys.readouterr() == ("b1\n", "== a\n== b\n")


@pytest.fixture
def bars(monkeypatch):
    """Bars that keep what they would show."""
    found = []

    class Bar(SimpleNamespace):
        def __init__(self, **keywords):
            super().__init__(n=0, shown=[], is_closed=False, **keywords)
            found.append(self)

        def refresh(self):
            self.shown.append((self.desc, round(self.n), round(self.total)))

        def close(self):
            self.is_closed = True

    monkeypatch.setattr("sottovoce.cli.display._bar", lambda title, total: Bar())
    return found


def test_one_bar_goes_over_all_that_is_known(bars):
    shown = display("a", "b", notes=True)
    with shown:
        shown.begin(0)
        assert bars == []
        shown.heard(Progress(0, info(10), 0.0, ()))
        shown.heard(Progress(1, info(30), 0.0, ()))
        shown.heard(Progress(1, info(30), 20.0, ()))
        shown.fail()
        shown.begin(1)
    (bar,) = bars
    assert bar.is_closed
    assert bar.shown == [
        ("1/2 a", 0, 10), ("1/2 a", 0, 40), ("1/2 a", 20, 40), ("2/2 b", 20, 30)
    ]  # fmt: skip


def test_languages_that_were_detected_are_told_in_turn(bars, capsys):
    shown = display("a", "b", "c", notes=True)
    shown.begin(0)
    shown.heard(Progress(1, info(detected=True), 0.0, ()))
    shown.heard(Progress(0, info(detected=True), 0.0, ()))
    assert capsys.readouterr().err == "a: German (de), 97%\n"
    shown.begin(1)
    assert capsys.readouterr().err == "b: German (de), 97%\n"
    shown.begin(2)
    shown.heard(Progress(2, info(), 0.0, ()))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (9.0, "9.0 s of sound in "),
        (83.4, "1:23 min of sound in "),
        (7325, "2:02:05 h of sound in "),
    ],
)
def test_the_speed_is_told_at_the_end(bars, capsys, seconds, told):
    shown = display("a", notes=True)
    shown.begin(0)
    shown.heard(Progress(0, info(seconds), float(seconds), ()))
    shown.tell_speed()
    told_of = capsys.readouterr().err
    assert told_of.startswith(told)
    assert told_of.endswith(" x real time\n")


@pytest.mark.parametrize(
    ("name", "columns", "shown"),
    [
        ("talk.mp3", 8, "talk.mp3"),
        ("a long talk.mp3", 8, "…alk.mp3"),
        ("讲话.mp3", 8, "讲话.mp3"),
        ("长讲话.mp3", 8, "…话.mp3"),
        ("e\u0301e\u0301", 2, "e\u0301e\u0301"),
        ("[bold]", 6, "[bold]"),
    ],
)
def test_names_fit(name, columns, shown):
    assert fitted(name, columns) == shown
