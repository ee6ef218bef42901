"""README.md's Python runs: block after block, in a folder that holds what they name."""

import re
import shutil
from pathlib import Path

import pytest

import tiny_whisper
from oracle import clips

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A working directory with every media file that the blocks name; any model is a tiny one."""
    from sottovoce.checkpoints import hub

    model = tiny_whisper.write(tmp_path / "model")
    monkeypatch.setattr(hub, "resolve", lambda *_, **__: model)
    monkeypatch.setenv("SOTTOVOCE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for name in re.findall(r'"([\w./]+\.(?:mp3|mp4|m4a|wav|flac|ogg))"', "".join(BLOCKS)):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clips.JFK, name)  # media are told by their contents
    return tmp_path


def test_the_readmes_python_runs(desk, capsys):
    assert BLOCKS
    names = {"paths": [clips.JFK, clips.JFK]}
    for number, block in enumerate(BLOCKS, start=1):
        exec(compile(block, f"README.md, python block {number}", "exec"), names)
    assert capsys.readouterr().out
