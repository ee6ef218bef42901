"""A thread for errands: their order, what comes back, and its end."""

import subprocess
import sys
import threading

import pytest

from sottovoce.errands import Errand, Errands


@pytest.fixture
def errands():
    errands = Errands("test-errands")
    yield errands
    errands.close()
    assert "test-errands" not in {thread.name for thread in threading.enumerate()}


def heard(errands: Errands, n: int, send) -> list[object]:
    """The answers to n errands, in the order in which they are collected."""
    found: list[object] = []
    send(lambda errand: found.append(errand.answer))
    while len(found) < n:
        assert errands.are_pending
        errands.collect(wait=True)
    assert not errands.are_pending
    return found


def test_what_is_urgent_goes_first(errands):
    begun, go = threading.Event(), threading.Event()

    def send(then):
        errands.send(lambda: (begun.set(), go.wait(15)) and "first", then, urgent=False)
        assert begun.wait(15)
        for name, urgent in (("b", False), ("A", True), ("c", False), ("B", True)):
            errands.send(lambda name=name: name, then, urgent=urgent)
        assert not errands.are_urgent  # what it is at
        errands.collect(wait=False)  # nothing yet
        go.set()

    assert heard(errands, 5, send) == ["first", "A", "B", "b", "c"]


def test_what_it_is_at_may_be_urgent(errands):
    begun, go = threading.Event(), threading.Event()

    def send(then):
        errands.send(lambda: (begun.set(), go.wait(15)), then, urgent=True)
        assert errands.are_urgent
        assert begun.wait(15)
        assert errands.are_urgent
        go.set()

    heard(errands, 1, send)
    assert not errands.are_urgent


def test_an_errand_has_what_the_call_returned_or_raised(errands):
    def fail():
        raise error

    error = ValueError("no")
    found: list[Errand] = []
    errands.send(lambda: 3, found.append, urgent=True)
    errands.send(fail, found.append, urgent=True)
    while len(found) < 2:
        errands.collect(wait=True)
    assert [(errand.answer, errand.error) for errand in found] == [(3, None), (None, error)]


def test_ctrl_c_is_for_who_collects(errands):
    def interrupt():
        raise KeyboardInterrupt

    found: list[Errand] = []
    errands.send(interrupt, found.append, urgent=True)
    with pytest.raises(KeyboardInterrupt):
        errands.collect(wait=True)
    assert found == []


def test_after_its_end_nobody_hears_of_it():
    errands = Errands("test-errands")
    begun, go, told = threading.Event(), threading.Event(), []
    errands.send(lambda: (begun.set(), go.wait(15)), told.append, urgent=False)
    errands.send(lambda: told.append("begun"), told.append, urgent=False)
    assert begun.wait(15)
    threading.Timer(0.1, go.set).start()
    errands.close()
    errands.collect(wait=False)
    assert told == []
    errands.close()  # once more is no error


def test_a_program_that_ends_does_not_wait_for_what_was_not_begun():
    program = (
        "import time\n"
        "from sottovoce.errands import Errands\n"
        "errands = Errands('left')\n"
        "for i in range(200):\n"
        "    errands.send(lambda: (print('.', flush=True), time.sleep(0.05)), print, urgent=True)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count(b".") < 100
