"""What the library logs under "sottovoce", and that nobody hears of it unless they ask."""

import logging
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

import tiny_whisper
from fake_core import FakeCore, Heard, at, silence, word
from sottovoce import WhisperModel, _core

LONG = Heard([at(0), word(1), at(30)])  # one sentence that fills a window
QUIET = Heard([word(9)], avg_logprob=-1.5, no_speech_prob=0.9)
AGAIN = [word(7)] * 99


@pytest.fixture
def open_options(monkeypatch):
    """The core's options tell nobody what they hold; these do."""
    monkeypatch.setattr(_core, "DecodingOptions", SimpleNamespace)


def test_a_model_and_its_recordings_are_logged(tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="sottovoce")
    model = WhisperModel(tiny_whisper.write(tmp_path), cpu_threads=1, isa="scalar")
    model.transcribe(silence(2), language="de")
    opened, recording = [(r.name, r.levelname, r.getMessage()) for r in caplog.records]
    assert opened[:2] == recording[:2] == ("sottovoce.model", "INFO")
    assert re.fullmatch(
        rf"opened {tmp_path}: cpu, float32, scalar kernels, 1 threads \(pool\), \d+ ms", opened[2]
    )
    assert re.fullmatch(
        r"recording of 2\.00 s, language de \(probability 1\.00\), loaded in \d+ ms", recording[2]
    )


@pytest.mark.parametrize("many", [False, True])
def test_second_attempts_and_skipped_windows_are_logged(open_options, caplog, many):
    caplog.set_level(logging.DEBUG, logger="sottovoce.engine")
    script = [Heard(AGAIN), Heard([word(1)], avg_logprob=-2.0), LONG, QUIET]
    model = FakeCore(script).model()
    options = {"language": "en", "temperature": (0.0, 0.4, 0.8), "batch_size": 1}
    if many:
        list(model.transcribe_many([silence(60)], **options))
    else:
        list(model.transcribe(silence(60), **options))
    assert [r.getMessage() for r in caplog.records] == [
        "window at 0.00 s: again at temperature 0.4, compression ratio 19.73 > 2.4",
        "window at 0.00 s: again at temperature 0.8, mean log-probability -2.00 < -1",
        "window at 30.00 s: skipped, no speech",
    ]
    assert {r.levelname for r in caplog.records} == {"DEBUG"}


def test_nothing_is_configured():
    program = (
        "import logging, sottovoce\n"
        "names = [n for n in logging.root.manager.loggerDict if n.split('.')[0] == 'sottovoce']\n"
        "assert 'sottovoce.model' in names and 'sottovoce.engine' in names\n"
        "for name in [*names, None]:\n"
        "    logger = logging.getLogger(name)\n"
        "    assert not logger.handlers and logger.level in (0, logging.WARNING), name\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
