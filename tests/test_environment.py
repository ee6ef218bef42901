"""SOTTOVOCE_ISA and SOTTOVOCE_DEVICE: read once, when the core is loaded."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import tiny_whisper

# Two threads compute while a third writes the environment, which moves it about in memory.
WRITERS = """
    import os, threading, time
    import numpy as np
    import sottovoce

    end = time.monotonic() + 1.5

    def compute():
        samples = np.zeros(1600, np.float32)
        while time.monotonic() < end:
            sottovoce.log_mel(samples, 80)

    def write():
        n = 0
        while time.monotonic() < end:
            n += 1
            os.environ[f"SOTTOVOCE_TEST_{n % 500}"] = "x" * (n % 5000)

    threads = [threading.Thread(target=work) for work in (compute, compute, write)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""
OPEN = """
    import os, sys
    import sottovoce

    os.environ.update(SOTTOVOCE_ISA="altivec", SOTTOVOCE_DEVICE="abacus")  # too late to matter
    try:
        core = sottovoce.WhisperModel(sys.argv[1], device=sys.argv[2]).core
        print(core.isa, core.device)
    except ValueError as error:
        print(error)
"""


def run(program: str, *arguments: str, **environment: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *arguments],
        env={**os.environ, "SOTTOVOCE_ISA": "", "SOTTOVOCE_DEVICE": "", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def test_the_environment_may_be_written_while_the_core_computes() -> None:
    run(WRITERS)


def test_the_environment_chooses_what_nobody_else_does(tmp_path: Path) -> None:
    directory = str(tiny_whisper.write(tmp_path))
    isa, device = run(OPEN, directory, "", SOTTOVOCE_ISA="scalar").split()
    assert (isa, device) == ("scalar", "cpu")
    guarded = run(OPEN, directory, "", SOTTOVOCE_DEVICE="cpu-guarded")
    assert guarded.split()[1] == "cpu-guarded"
    assert run(OPEN, directory, "cpu", SOTTOVOCE_DEVICE="abacus").split()[1] == "cpu"
    assert "got 'sse1' from SOTTOVOCE_ISA" in run(OPEN, directory, "cpu", SOTTOVOCE_ISA="sse1")
    refused = run(OPEN, directory, "", SOTTOVOCE_DEVICE="abacus")
    assert "got 'abacus' from SOTTOVOCE_DEVICE" in refused
