"""The first minute: a line a step, and what to type next."""

import re

from sottovoce.checkpoints import pypi
from sottovoce.cli import demo


def test_the_clip_is_shipped():
    assert demo.CLIP.read_bytes()[:4] == b"fLaC"


def test_run_says_each_step_and_what_to_type_next(tiny_en_dir, monkeypatch):
    lines: list[str] = []
    monkeypatch.setattr(pypi, "fetch_model", lambda _: tiny_en_dir)
    demo.show("tiny.en", say=lines.append)
    report = "\n".join(lines)
    assert "ask not what your country can do for you" in report
    assert [line[:3] for line in lines if line[:1].isdigit()] == ["1/3", "2/3", "3/3"]
    assert "x real time" in report
    assert re.fullmatch(r"Now yours:  .+ transcribe YOUR_FILE --model tiny\.en", lines[-1])
