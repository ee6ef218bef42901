"""README.md's Python runs: block after block, in a folder that holds what they name."""

import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

import tiny_whisper
from oracle import clips
from sounds import tones, wav_bytes

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
    Path("call.wav").write_bytes(wav_bytes(tones(32000, 16000, 300, 400), 16000))
    Path("talk.rttm").write_text("SPEAKER talk 1 0 30 <NA> <NA> Ada <NA> <NA>\n")
    return tmp_path


def test_the_guide_to_speakers_runs_but_for_the_diarizers(desk):
    text = (ROOT / "docs" / "speakers.md").read_text("utf-8")
    first, pyannote, nemo, channels = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict = {}
    exec(compile(first, "docs/speakers.md, block 1", "exec"), names)
    assert "<v Ada>" in Path("talk.vtt").read_text() or not names["talk"].text.strip()
    assert "pyannote" in pyannote
    Path("talk.wav").write_bytes(Path("talk.mp3").read_bytes())
    names["diarizer"] = SimpleNamespace(diarize=lambda **_: [["0.0 9.5 speaker_0", "9.5 30 s1"]])
    exec(compile(nemo, "docs/speakers.md, block 3", "exec"), names)
    assert {s.speaker for s in names["talk"]} <= {"speaker_0", "s1", None}
    exec(compile(channels, "docs/speakers.md, block 4", "exec"), names)
    assert {s.speaker for s in names["call"]} <= {"agent", "customer"}  # tones say nothing


def test_the_readmes_python_runs(desk, capsys):
    assert BLOCKS
    names = {"paths": [clips.JFK, clips.JFK]}
    for number, block in enumerate(BLOCKS, start=1):
        exec(compile(block, f"README.md, python block {number}", "exec"), names)
    assert capsys.readouterr().out
