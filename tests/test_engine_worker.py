"""A worker's calls: their order, what comes back, and its end."""

import subprocess
import sys
import threading

import pytest

import python_threads
from sottovoce.engine.worker import Call, Worker


@pytest.fixture
def worker():
    n_threads = python_threads.count()
    worker = Worker()
    yield worker
    worker.close()
    assert python_threads.count_down_to(n_threads) == n_threads


def results_of(worker: Worker, n: int, submit) -> list[object]:
    """Of n calls, in the order in which they are collected."""
    found: list[object] = []
    submit(lambda call: found.append(call.result))
    while len(found) < n:
        assert worker.has_pending
        worker.collect(wait=True)
    assert not worker.has_pending
    return found


def test_what_is_urgent_goes_first(worker):
    begun, go = threading.Event(), threading.Event()

    def submit(on_done):
        worker.submit(lambda: (begun.set(), go.wait(15)) and "first", on_done, urgent=False)
        assert begun.wait(15)
        for name, urgent in (("b", False), ("A", True), ("c", False), ("B", True)):
            worker.submit(lambda name=name: name, on_done, urgent=urgent)
        assert not worker.next_is_urgent  # the present call
        worker.collect(wait=False)  # nothing yet
        go.set()

    assert results_of(worker, 5, submit) == ["first", "A", "B", "b", "c"]


def test_the_present_call_may_be_urgent(worker):
    begun, go = threading.Event(), threading.Event()

    def submit(on_done):
        worker.submit(lambda: (begun.set(), go.wait(15)), on_done, urgent=True)
        assert worker.next_is_urgent
        assert begun.wait(15)
        assert worker.next_is_urgent
        go.set()

    results_of(worker, 1, submit)
    assert not worker.next_is_urgent


def test_a_call_has_what_the_function_returned_or_raised(worker):
    def fail():
        raise error

    error = ValueError("no")
    found: list[Call] = []
    worker.submit(lambda: 3, found.append, urgent=True)
    worker.submit(fail, found.append, urgent=True)
    while len(found) < 2:
        worker.collect(wait=True)
    assert [(call.result, call.error) for call in found] == [(3, None), (None, error)]


def test_ctrl_c_is_for_who_collects(worker):
    def interrupt():
        raise KeyboardInterrupt

    found: list[Call] = []
    worker.submit(interrupt, found.append, urgent=True)
    with pytest.raises(KeyboardInterrupt):
        worker.collect(wait=True)
    assert found == []


def test_after_its_end_nobody_is_told():
    worker = Worker()
    begun, go, told = threading.Event(), threading.Event(), []
    worker.submit(lambda: (begun.set(), go.wait(15)), told.append, urgent=False)
    worker.submit(lambda: told.append("begun"), told.append, urgent=False)
    assert begun.wait(15)
    threading.Timer(0.1, go.set).start()
    worker.close()
    worker.collect(wait=False)
    assert told == []
    worker.close()  # once more is no error


def test_a_program_that_ends_does_not_wait_for_what_was_not_begun():
    program = (
        "import time\n"
        "from sottovoce.engine.worker import Worker\n"
        "worker = Worker()\n"
        "for i in range(200):\n"
        "    function = lambda: (print('.', flush=True), time.sleep(0.05))\n"
        "    worker.submit(function, print, urgent=True)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count(b".") < 100


CHILD = """
import os, signal, threading, time
from sottovoce import StateError
from sottovoce.engine.worker import Worker

worker = Worker()
worker.submit(lambda: time.sleep(1), print, urgent=True)
if child := os.fork():
    worker.close()
    raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
signal.alarm(10)
calls = (
    lambda: worker.submit(print, print, urgent=True),
    lambda: worker.collect(wait=True),
    lambda: worker.has_pending,
    lambda: worker.next_is_urgent,
)
for call in calls:
    try:
        call()
    except StateError as error:
        assert "a forked process cannot go on with its parent's" in str(error)
    else:
        os._exit(1)
worker.close()
os._exit(7)
"""


def test_a_forked_child_is_refused_and_waits_for_nobody():
    ran = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, timeout=60)
    assert ran.returncode == 7, ran.stderr
