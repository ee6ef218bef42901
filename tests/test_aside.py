"""Work that can be left, and Ctrl-C in the midst of it: heard at once, never lost."""

from __future__ import annotations

import contextvars
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

import tiny_whisper
from sottovoce.aside import UnwantedError, Work, aside, check, in_front

PATIENCE = 15  # s, after which something hangs


def thread() -> int:
    return threading.get_ident()


def working(work: Work, function):
    """Calls the function on a thread that is about `work`, and returns that thread."""

    def begin():
        work.begin()
        function()

    started = threading.Thread(target=begin)
    started.start()
    return started


def test_another_thread_does_it_and_its_result_or_error_comes_back():
    assert aside(thread) != thread()
    assert aside(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        aside(divmod, 7, 0)


def test_it_has_the_context_of_who_asks():
    variable = contextvars.ContextVar("variable", default=0)
    variable.set(3)
    assert aside(variable.get) == 3


def test_a_thread_of_the_application_does_it_itself():
    found: list[bool] = []
    other = threading.Thread(target=lambda: found.append(aside(thread) == thread()))
    other.start()
    other.join(PATIENCE)
    assert found == [True]


def test_what_is_done_in_front_is_done_by_who_asked():
    assert aside(in_front, thread) == thread()
    assert in_front(thread) == thread()
    with pytest.raises(ZeroDivisionError):
        aside(in_front, divmod, 7, 0)


def test_who_asked_waits_on_after_an_error_in_front():
    def work():
        try:
            in_front(divmod, 7, 0)
        except ZeroDivisionError:
            return in_front(thread)

    assert aside(work) == thread()


def test_an_interruption_in_front_ends_both():
    def interrupt():
        raise KeyboardInterrupt

    def work():
        try:
            in_front(interrupt)
        except UnwantedError as error:
            ended.append(error)
            raise

    ended: list[UnwantedError] = []
    with pytest.raises(KeyboardInterrupt):
        aside(work)
    assert len(ended) == 1


def test_what_is_not_wanted_ends_at_its_next_check():
    def work():
        begun.set()
        try:
            while True:
                check()
                time.sleep(0.001)
        except UnwantedError:
            ended.set()

    begun, ended, present = threading.Event(), threading.Event(), Work()
    doing = working(present, work)
    assert begun.wait(PATIENCE)
    assert not ended.is_set()
    present.is_wanted = False
    assert ended.wait(PATIENCE)
    doing.join(PATIENCE)
    check()  # of the present thread nothing is unwanted


def test_who_waits_for_work_aside_ends_as_soon_as_nobody_waits_for_it():
    def work():
        with pytest.raises(UnwantedError):
            aside(lambda: (begun.set(), go.wait(PATIENCE)))
        ended.set()

    begun, go, ended, present = threading.Event(), threading.Event(), threading.Event(), Work()
    doing = working(present, work)
    assert begun.wait(PATIENCE)
    present.is_wanted = False
    assert ended.wait(PATIENCE)
    assert not go.is_set()
    go.set()
    doing.join(PATIENCE)


def test_the_cores_calls_end_as_well():
    def work():
        try:
            while True:
                model.core.encode(mel)
        except UnwantedError:
            ended.set()

    model = tiny_whisper.model()
    mel = np.zeros((80, 3000), np.float32)
    ended, present = threading.Event(), Work()
    doing = working(present, work)
    present.is_wanted = False
    assert ended.wait(PATIENCE)
    doing.join(PATIENCE)
    model.core.encode(mel)


# Each goes on for a good while; what it returns is the same each time.
KINDS = {
    "a path": "load('long.flac')",
    "a buffer": "load(media)",
    "a file of the caller's": "load(Slow(media))",
    "a FIFO": "load('fifo')",
    "an array": "load(noise, sample_rate=44100)",
    "an array, without PyAV": "_windowed_sinc(noise, 44100)",
    "log_mel": "log_mel(noise, 80)",
    "encode": "[core.encode(mel).values for _ in range(20)][0]",
    "encode_windows": "core.encode_windows([mel] * 20)[3].values",
    "step": "state_over(core)",
    "transcribe": "model.transcribe('short.flac', temperature=0.0).as_dict()['segments']",
    "transcribe_many": "[t.text for t in model.transcribe_many(two, temperature=0.0)]",
    "side by side": "model.transcribe('short.flac', windows='independent', temperature=0.0).text",
    "a model": "WhisperModel(directory).dims",
}
PROGRAM = """
    import io, os, signal, sys, time
    import av
    import numpy as np
    from sottovoce import WhisperModel, log_mel
    from sottovoce.audio.loading import load
    from sottovoce.audio.resampling import _windowed_sinc

    directory = sys.argv[1]
    model = WhisperModel(directory, cpu_threads=2)
    core = model.core
    random = np.random.default_rng(0)
    noise = random.uniform(-0.1, 0.1, 300 * 44100).astype(np.float32)
    mel = random.uniform(-1, 1, (80, 3000)).astype(np.float32)
    features = core.encode(mel)

    def state_over(core):
        state = core.new_state([features], 1)
        return [state.step([[1 + i]]) for i in range(200)][-1]

    class Slow(io.BytesIO):
        def read(self, n=-1):
            time.sleep(0.002)
            return super().read(n)

    def write_flac(path, n_samples):
        with av.open(path, "w") as container:
            stream = container.add_stream("flac", rate=16000, layout="mono")
            for at in range(0, n_samples - 4096, 4096):
                pcm = (noise[None, at : at + 4096] * 32767).astype(np.int16)
                frame = av.AudioFrame.from_ndarray(pcm, "s16", "mono")
                frame.sample_rate = 16000
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))

    write_flac("long.flac", noise.size)
    write_flac("short.flac", 40 * 16000)
    two = ["short.flac"] * 2
    media = open("long.flac", "rb").read()
    os.mkfifo("fifo")

    def interrupt(*_):
        raise KeyboardInterrupt

    def work():
        return {work}

    signal.signal(signal.SIGALRM, interrupt)
    duration, expected = 0.3, None
    if "fifo" not in {work!r}:
        work()
        start = time.perf_counter()
        expected = work()
        duration = min(time.perf_counter() - start, 1.0)
    n_lost, latest = 0, 0.0
    for share in random.uniform(0.05, 0.8, 12):
        sent = 0.002 + share * duration
        start = time.perf_counter()
        try:
            try:
                signal.setitimer(signal.ITIMER_REAL, sent)
                work()
            finally:
                end = time.perf_counter()
                signal.setitimer(signal.ITIMER_REAL, 0)
            n_lost += end - start > sent + 0.1
        except KeyboardInterrupt:
            latest = max(latest, end - start - sent)
    if expected is not None:
        np.testing.assert_equal(work(), expected)
    print(n_lost, latest)
"""


@pytest.mark.parametrize("work", KINDS.values(), ids=KINDS)
def test_a_signal_is_heard_within_every_kind_of_work(work, tmp_path):
    directory = tiny_whisper.write(tmp_path / "model")
    program = textwrap.dedent(PROGRAM).replace("{work!r}", repr(work)).replace("{work}", work)
    command = [sys.executable, "-c", program, str(directory)]
    ran = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stderr
    n_lost, latest = ran.stdout.split()
    assert int(n_lost) == 0
    assert float(latest) < 1.0  # s
    assert "Traceback" not in ran.stderr


def test_the_command_line_ends_with_130(tmp_path, tiny_en_dir):
    program = [sys.executable, "-m", "sottovoce", "transcribe", "fifo", "--model", str(tiny_en_dir)]
    os.mkfifo(tmp_path / "fifo")
    ran = subprocess.Popen(
        program, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    # The other end opens once the program reads.
    with (tmp_path / "fifo").open("wb") as other_end:
        other_end.write(b"fLaC")
        other_end.flush()
        ran.send_signal(signal.SIGINT)
        start = time.monotonic()
        out, err = ran.communicate(timeout=PATIENCE)
    assert time.monotonic() - start < 5
    assert (ran.returncode, out) == (130, "")
    assert "Traceback" not in err
