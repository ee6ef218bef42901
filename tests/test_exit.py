"""Programs that end while daemon threads compute: with their own status."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import tiny_whisper

PATIENCE = 60  # s, after which something hangs

# Each is what a thread does over and over when the program ends.
WORK = {
    "transcribe": "list(model.transcribe(samples, beam_size=2))",
    "logit_filter": "list(model.transcribe(samples, beam_size=2, logit_filter=lambda *_: None))",
    "transcribe_many": "list(model.transcribe_many([samples] * 3))",
    "encode": "core.encode(mel)",
    "log_mel": "sottovoce.log_mel(samples, 80)",
    "step": "core.new_state([features], 1).step([[1]])",
    "decode": "model.decode(features)",
    "load": "sottovoce.WhisperModel(directory)",
}
PROGRAM = """
    import sys, threading, time
    import numpy as np
    import sottovoce

    directory, status = sys.argv[1], int(sys.argv[2])
    model = sottovoce.WhisperModel(directory, cpu_threads=2)
    core = model.core
    samples = np.random.default_rng(0).uniform(-0.1, 0.1, 40 * 16000).astype(np.float32)
    mel = sottovoce.log_mel(samples[: 30 * 16000], core.dims.n_mels)
    features = core.encode(mel)

    def work():
        started.release()
        while True:
            {work}

    started = threading.Semaphore(0)
    for _ in range(3):
        threading.Thread(target=work, daemon=True).start()
    for _ in range(3):
        started.acquire()
    time.sleep(0.05 * (1 + int(sys.argv[3])))
    sys.exit(status)
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_whisper.write(tmp_path_factory.mktemp("tiny"))


@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize("status", [0, 3])
def test_a_program_ends_while_daemon_threads_compute(
    work: str, status: int, directory: Path
) -> None:
    program = textwrap.dedent(PROGRAM).replace("{work}", WORK[work])
    for attempt in range(2):
        ended = subprocess.run(
            [sys.executable, "-c", program, str(directory), str(status), str(attempt)],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert (ended.returncode, ended.stderr) == (status, "")
