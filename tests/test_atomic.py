"""Files and directories: whole, or as they were."""

import os
from pathlib import Path

import pytest

from sottovoce.atomic import atomic_directory, atomic_file


def names(directory) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def fail(_: object) -> None:
    raise ValueError("half way")


def test_a_file_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "a.txt"
    with atomic_file(path) as file:
        file.write("one\ntwo — ü")
        assert not path.exists()
    assert path.read_bytes() == "one\ntwo — ü".encode()
    assert names(tmp_path) == ["a.txt"]


def test_a_file_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ValueError, match="half"), atomic_file(path) as file:
        fail(file.write("new"))
    assert (path.read_text(), names(tmp_path)) == ("old", ["a.txt"])


def fill(file) -> None:
    with Path("/dev/full").open("wb") as full:
        os.dup2(full.fileno(), file.fileno())
    file.write("x")


def test_a_full_disk_names_the_file(tmp_path):
    with pytest.raises(OSError, match="No space left") as caught, atomic_file(tmp_path / "a") as f:
        fill(f)
    assert (caught.value.filename, names(tmp_path)) == (str(tmp_path / "a"), [])


def test_a_folder_that_is_not_there_names_the_file(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, atomic_file(tmp_path / "none" / "a"):
        pass
    assert caught.value.filename == str(tmp_path / "none" / "a")


def test_other_errors_keep_their_names(tmp_path):
    with pytest.raises(OSError, match="other") as caught, atomic_file(tmp_path / "a"):
        raise FileNotFoundError(2, "No such file", "other")
    assert caught.value.filename == "other"


def test_the_longest_name_will_do(tmp_path):
    longest = os.pathconf(tmp_path, "PC_NAME_MAX")
    with atomic_file(tmp_path / ("a" * longest)) as file:
        file.write("x")
    with atomic_directory(tmp_path / ("b" * longest)):
        pass
    assert [len(name) for name in names(tmp_path)] == [longest, longest]


def test_a_directory_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "new" / "model"
    with atomic_directory(path) as partial:
        (partial / "a").touch()
        assert not path.exists()
    assert (names(path), names(path.parent)) == (["a"], ["model"])


def test_a_directory_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "model"
    path.mkdir()
    (path / "old").touch()
    with pytest.raises(ValueError, match="half"), atomic_directory(path, overwrite=True) as new:
        fail((new / "new").touch())
    assert (names(path), names(tmp_path)) == (["old"], ["model"])


def test_a_directory_replaces_another_if_it_may(tmp_path):
    path = tmp_path / "model"
    path.mkdir()
    (path / "old").touch()
    with pytest.raises(FileExistsError, match="is not empty"), atomic_directory(path):
        pass
    with atomic_directory(path, overwrite=True) as partial:
        (partial / "new").touch()
    assert (names(path), names(tmp_path)) == (["new"], ["model"])


def test_a_directory_replaces_no_file(tmp_path):
    (tmp_path / "model").touch()
    refused = pytest.raises(FileExistsError, match="is a file; name a directory")
    with refused, atomic_directory(tmp_path / "model", overwrite=True):
        pass
    assert (tmp_path / "model").is_file()
