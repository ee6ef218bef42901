"""One model and many callers: Python threads, threads of the core, forked children, and no leaks.

What holds for the pool holds for OpenMP, where the core was built with it.

"The same" is equality here, of tokens, times and probabilities: rule 8 of CONTRIBUTING.md.
"""

import ctypes
import gc
import multiprocessing
import os
import platform
import shutil
import subprocess
import sys
import threading
import time
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import oracle
import talkative
import tiny_whisper
from sottovoce import DecodeOptions, Segment, StateError, WhisperModel, _core
from sottovoce.policy.window import core_options

# s, after which something hangs; nothing here takes a second of it, but under a sanitizer.
PATIENCE = float(os.environ.get("SOTTOVOCE_PATIENCE", "15"))


ROOT = Path(__file__).parents[1]


@pytest.fixture(params=["pool", "openmp"])
def kind(request) -> str:
    """Whose threads: one of `available_threading()`."""
    if request.param not in _core.available_threading():
        pytest.skip(f"built without {request.param}")
    return request.param


def said(model: WhisperModel, samples: np.ndarray, **options) -> list[Segment]:
    segments, _ = model.transcribe(samples, language="en", **options)
    return list(segments)


def noises(rng: np.random.Generator) -> list[np.ndarray]:
    """Four recordings of one and two windows."""
    return [rng.standard_normal(16000 * n).astype(np.float32) / 9 for n in (3, 31, 12, 7)]


def of_threads(call: Callable, arguments: list) -> list:
    """What `call` returns for each argument, all at once."""
    with ThreadPoolExecutor(len(arguments)) as pool:
        return list(pool.map(call, arguments, timeout=PATIENCE))


# --- threads ---


@pytest.mark.parametrize("n_threads", [1, 2])
def test_four_python_threads_hear_what_one_hears(rng, n_threads):
    model = tiny_whisper.model(n_threads=n_threads)
    recordings = noises(rng)
    alone = [said(model, samples) for samples in recordings]  # with retries, sampled ones too
    assert any(segment.temperature > 0 for segments in alone for segment in segments)
    assert of_threads(lambda samples: said(model, samples), recordings) == alone


def test_threads_of_the_core_change_no_bit(rng):
    recordings = noises(rng)[:2]
    one, two, three = (
        [said(tiny_whisper.model(n_threads=n), samples) for samples in recordings]
        for n in (1, 2, 3)
    )
    assert one == two == three


def answers(model: _core.Model) -> tuple:
    """All that a model computes, bit by bit: features, logits, and what greedy search, sampling
    and beams find in four windows side by side."""
    windows = talkative.encode(model, 4)
    logits = model.logits([1, 2, 3], windows[0])
    searches = ({}, {"temperature": 0.7, "best_of": 3, "seed": 5}, {"beam_size": 4}, {})
    rng = np.random.default_rng(1)
    options = [_core.DecodingOptions(**talkative.random_options(rng, **s)) for s in searches]
    found = [(r.tokens, r.sum_logprob, r.no_speech_prob) for r in model.decode(windows, options)]
    return [window.values.tobytes() for window in windows], logits.tobytes(), found


@pytest.mark.parametrize("compute_type", ["float32", "bfloat16", "int8"])
def test_threads_of_either_kind_change_no_bit(kind, compute_type):
    alone = answers(talkative.model(compute_type=compute_type))
    for n in (1, 2, 3, 8):
        model = talkative.model(n_threads=n, compute_type=compute_type, threading=kind)
        assert (model.n_threads, model.threading) == (n, kind)
        assert answers(model) == alone


def test_four_callers_of_either_kind_get_what_one_gets(kind):
    model = talkative.model(n_threads=2, threading=kind)
    assert of_threads(answers, [model] * 4) == [answers(talkative.model())] * 4


def test_real_weights_and_four_python_threads(tiny_en, jfk):
    clips = [jfk, jfk[16000:], jfk[:80000], jfk]
    options = {"beam_size": 1, "temperature": 0.0}
    alone = [said(tiny_en, samples, **options) for samples in clips[:3]]
    at_once = of_threads(lambda samples: said(tiny_en, samples, **options), clips)
    assert at_once == [*alone, alone[0]]
    assert "your country" in tiny_en.text(alone[0])


def test_real_weights_and_threads_of_the_core(tiny_en_dir, jfk, kind):
    one, two = (
        said(WhisperModel(tiny_en_dir, **runtime), jfk, beam_size=2, temperature=0.0)
        for runtime in ({"cpu_threads": 1}, {"cpu_threads": 2, "threading": kind})
    )
    assert one == two
    assert [s.avg_logprob for s in one] == [s.avg_logprob for s in two]


def test_a_state_serves_one_thread_at_a_time():
    model = tiny_whisper.model()
    features = model.core.encode(np.zeros((80, 3000), np.float32))
    state = model.core.new_state([features], 1)

    def step_often(token: int) -> list[str]:
        refusals = []
        for _ in range(100):
            try:
                state.step([[token]])
            except StateError as error:
                refusals.append(str(error))
        return refusals

    refusals = [message for each in of_threads(step_often, [1, 2, 3]) for message in each]
    assert all("another thread is using this state" in message for message in refusals)
    assert state.n_past == [300 - len(refusals)]


# --- OpenMP ---


def compiled(tmp_path: Path, source: str, *more: str) -> Path:
    """A program over csrc/base alone."""
    compiler = shutil.which(os.environ.get("CXX", "c++"))
    if compiler is None:
        pytest.skip("no C++ compiler on the path")
    (tmp_path / "main.cpp").write_text(source)
    base = ROOT / "csrc" / "base"
    program = tmp_path / "program"
    command = [compiler, "-std=c++17", "-O0", "-pthread", "-I", str(base)]
    command += ["-I", str(ROOT / "csrc/include"), "-o", str(program), str(tmp_path / "main.cpp")]
    names = ("threads", "thread_pool", "parallel", "forks", "environment")
    command += [str(base / f"{name}.cpp") for name in names]
    subprocess.run([*command, *more], check=True)
    return program


def test_a_build_without_openmp_says_so(tmp_path):
    source = """
        #include <cstdio>
        #include <exception>
        #include "threads.h"
        int main() {
          if (sottovoce::make_threads("pool", 2)->n_threads() != 2) return 1;
          try {
            sottovoce::make_threads("openmp", 2);
          } catch (const std::exception& error) {
            std::puts(error.what());
          }
        }"""
    program = compiled(tmp_path, source, str(ROOT / "csrc/base/openmp_absent.cpp"))
    done = subprocess.run([program], check=True, capture_output=True, text=True)
    assert done.stdout == "threading must be one that was built (pool), got 'openmp'\n"


def test_openmp_takes_by_default_what_its_environment_says():
    if "openmp" not in _core.available_threading():
        pytest.skip("built without openmp")
    script = (
        "import tiny_whisper as t;"
        "print(*(t.model(n_threads=n, threading='openmp').core.n_threads for n in (0, 1, 3)))"
    )
    for n in (1, 1000):
        environment = {**os.environ, "OMP_NUM_THREADS": str(n), "PYTHONPATH": str(ROOT / "tests")}
        done = subprocess.run(
            [sys.executable, "-c", script],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        assert done.stdout.split() == [str(min(n, _core.default_n_threads())), "1", "3"]


# --- what the process may use ---


def threads_taken(cpus: set[int], **environment: str) -> list[str]:
    """By default, and of 1, 2, 3 and 8 asked for; or the error."""
    script = (
        "import os\n"
        f"os.sched_setaffinity(0, {cpus})\n"
        "import tiny_whisper as t\n"
        "try:\n"
        "    print(*(t.model(n_threads=n).core.n_threads for n in (0, 1, 2, 3, 8)))\n"
        "except ValueError as error:\n"
        "    print(error)\n"
    )
    inherited = {name: text for name, text in os.environ.items() if "MOST_THREADS" not in name}
    inherited["PYTHONPATH"] = str(ROOT / "tests")
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=inherited | environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.split()


def test_no_more_threads_than_cpus():
    cpus = sorted(os.sched_getaffinity(0))
    assert threads_taken({cpus[0]}) == ["1"] * 5
    few = set(cpus[:3])
    assert threads_taken(few)[1:] == [str(min(n, len(few))) for n in (1, 2, 3, 8)]


def test_a_variable_says_how_many_threads_at_most():
    cpu = {min(os.sched_getaffinity(0))}
    assert threads_taken(cpu, SOTTOVOCE_MOST_THREADS="3") == ["1", "1", "2", "3", "3"]
    for bad in ("0", "1025", "-1", "two", "2x"):
        message = " ".join(threads_taken(cpu, SOTTOVOCE_MOST_THREADS=bad))
        assert message == f"SOTTOVOCE_MOST_THREADS must be 1 to 1024, got '{bad}'"


def test_siblings_are_one_core(tmp_path):
    known = {0: "0,4", 4: "0,4", 1: "1,5", 5: "1,5", 2: "2-3", 3: "2-3", 9: ""}
    for cpu, siblings in known.items():
        topology = tmp_path / f"sys/devices/system/cpu/cpu{cpu}/topology"
        topology.mkdir(parents=True)
        (topology / "thread_siblings_list").write_text(siblings + "\n")

    def cores(*cpus: int) -> int:
        return _core.physical_cores(str(tmp_path), cpus)

    assert cores(0) == cores(0, 4) == cores(2, 3) == 1
    assert cores(0, 1, 2, 3, 4, 5) == 3
    assert cores(0, 5, 7, 8, 9) == 5  # of three nothing is known
    assert _core.physical_cores("/nowhere", [0, 1]) == 2


@pytest.mark.parametrize(
    ("files", "cpus"),
    [
        ({}, None),
        ({"cpu.max": "max 100000"}, None),
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "10000 100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        # Seen from outside a container or service: its group, and those above.
        ({"a/b/cpu.max": "200000 100000", "a/cpu.max": "max 100000"}, 2),
        ({"a/b/cpu.max": "800000 100000", "a/cpu.max": "400000 100000"}, 4),
        ({"cpu/x/y/cpu.cfs_quota_us": "50000", "cpu/x/y/cpu.cfs_period_us": "10000"}, 5),
    ],
)
def test_quotas_of_the_group_and_of_those_above_it(tmp_path, files, cpus):
    groups = "12:cpuset:/q\n3:cpu,cpuacct:/x/y\n0::/a/b\n"
    files = {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    for name, text in {**files, "proc/self/cgroup": groups}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    found = _core.cgroup_cpus(str(tmp_path))
    assert found == cpus if cpus else found > 1 << 20
    assert _core.cgroup_cpus("/nowhere") > 1 << 20


def test_a_line_that_names_no_group_allows_everything(tmp_path):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::\n0::a\nnothing\n:\n")
    assert _core.cgroup_cpus(str(tmp_path)) > 1 << 20


@pytest.mark.skipif(platform.machine() != "x86_64", reason="knows the register of x86 alone")
@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_thread_that_flushes_subnormals_computes_the_same_bits(tmp_path, rng, n_threads, kind):
    """As torch.set_flush_denormal and libraries with -ffast-math make it. Half of these weights are
    subnormal in float16, and the scalar table widens them by arithmetic."""
    source, library = tmp_path / "flush.cpp", tmp_path / "flush.so"
    source.write_text('extern "C" void flush() { __builtin_ia32_ldmxcsr(0x9fc0); }\n')
    subprocess.run(["g++", "-shared", "-fPIC", "-o", library, source], check=True)
    dims = oracle.Dims()
    tensors = {
        name: (tensor * 1e-4).astype(np.float16)
        for name, tensor in oracle.random_checkpoint(dims, rng).items()
    }

    def features() -> np.ndarray:
        checkpoint = _core.Checkpoint(_core.ModelDims(**vars(dims)), tensors)
        model = _core.Model(checkpoint, isa="scalar", n_threads=n_threads, threading=kind)
        return model.encode(np.ones((dims.n_mels, 2 * dims.n_audio_ctx), np.float32)).values

    def flushed() -> np.ndarray:
        ctypes.CDLL(str(library)).flush()
        assert np.float32(1e-39) * np.float32(1) == 0
        return features()

    with ThreadPoolExecutor(1) as pool:  # a thread of its own, which ends with its register
        np.testing.assert_array_equal(pool.submit(flushed).result(PATIENCE), features())


FE_UPWARD = {"x86_64": 0x800, "aarch64": 0x400000}


@pytest.mark.parametrize("compute_type", ["float32", "int8"])
def test_a_thread_that_rounds_upwards_computes_the_same_bits(rng, compute_type):
    """As fesetround and libraries of interval arithmetic make it."""
    if platform.machine() not in FE_UPWARD:
        pytest.skip("knows the C library of x86 and ARM alone")
    samples = noises(rng)[0]
    mels = rng.standard_normal((3, 80, 2 * talkative.DIMS.n_audio_ctx)).astype(np.float32)
    searches = ({}, {"temperature": 0.7, "best_of": 3, "seed": 5}, {"beam_size": 4})
    options = [_core.DecodingOptions(**talkative.random_options(rng, **s)) for s in searches]
    model = _core.Model(talkative.checkpoint(), n_threads=1, compute_type=compute_type)

    def heard() -> tuple:
        windows = [model.encode(mel) for mel in mels]
        arrays = [window.values for window in windows]
        arrays += [_core.log_mel(samples, 80, n_threads=1), _core.mel_filters(80)]
        arrays.append(model.logits([1, 2, 3], windows[0]))
        arrays.append(model.detect_language(windows[0], talkative.SOT, talkative.LANGUAGES))
        found = [(r.tokens, r.avg_logprob) for r in model.decode(windows, options)]
        return found, [zlib.crc32(array.tobytes()) for array in arrays]

    def rounded_upwards() -> tuple:
        set_rounding = ctypes.CDLL(None).fesetround
        assert set_rounding(FE_UPWARD[platform.machine()]) == 0
        try:
            assert np.float32(1) + np.float32(1e-9) > 1
            return heard()
        finally:
            set_rounding(0)  # to nearest

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(rounded_upwards).result(PATIENCE) == heard()


# --- the interpreter's lock ---


@pytest.fixture
def counter():
    """[n]: what a Python thread has counted so far.

    It offers the lock at every step, and nobody is made to give it up: while a call of the main
    thread keeps the lock, the number stands still.
    """
    count, stop = [0], threading.Event()

    def work():
        while not stop.is_set():
            count[0] += 1
            time.sleep(0)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    thread = threading.Thread(target=work)
    thread.start()
    yield count
    stop.set()
    thread.join()
    sys.setswitchinterval(interval)


def core_calls() -> dict[str, Callable[[], object]]:
    model = tiny_whisper.model()
    core, special = model.core, model.tokenizer.special
    mel = np.zeros((80, 3000), np.float32)
    samples = np.zeros(_core.N_SAMPLES, np.float32)
    features = core.encode(mel)
    options = _core.DecodingOptions(
        eot=special.eot,
        no_speech=special.no_speech,
        no_timestamps=special.no_timestamps,
        timestamp_begin=special.timestamp_begin,
        initial_tokens=[special.sot],
        suppress_tokens=[special.eot],
    )
    return {
        "log_mel": lambda: _core.log_mel(samples, 80),
        "Model": tiny_whisper.model,
        "encode": lambda: core.encode(mel),
        "decode": lambda: core.decode([features], [options]),
        "advance": lambda: advance(core.new_batch(1, 1), features, options),
        "logits": lambda: core.logits([1] * 448, features),
        "step": lambda: core.new_state([features], 1).step([[1] * 448]),
    }


def advance(batch: _core.DecodeBatch, features, options) -> None:
    batch.submit(features, options)
    batch.advance()


@pytest.mark.parametrize(
    "name", ["log_mel", "Model", "encode", "decode", "advance", "logits", "step"]
)
def test_the_lock_is_released(name, counter):
    call = core_calls()[name]

    def counted_meanwhile() -> int:
        before = counter[0]
        call()
        return counter[0] - before

    # Once is enough, for it cannot happen under the lock; a busy system may need some calls.
    assert any(counted_meanwhile() for _ in range(500))


# --- fork ---


def in_child(call: Callable[[], object]) -> object:
    """What `call` returns in a forked child; fails if that hangs or dies."""
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)
    child = context.Process(target=lambda: send.send(call()))
    with warnings.catch_warnings():
        # Python 3.12 and newer: "this process is multi-threaded, use of fork() may lead to ..."
        warnings.simplefilter("ignore", DeprecationWarning)
        child.start()
    send.close()
    try:
        assert receive.poll(PATIENCE), "the child hangs"
        result = receive.recv()
        child.join(PATIENCE)
        assert child.exitcode == 0, "the child hangs or fails at its end"
        return result
    finally:
        if child.is_alive():
            child.kill()
        child.join()
        child.close()
        receive.close()


@pytest.mark.parametrize("n_threads", [1, 3])
def test_a_forked_child_uses_the_model_of_its_parent(rng, n_threads):
    model = tiny_whisper.model(n_threads=n_threads)
    samples = noises(rng)[0]
    before = said(model, samples)
    assert in_child(lambda: said(model, samples)) == before
    assert said(model, samples) == before  # the parent is as it was


def test_a_forked_child_deletes_the_model_of_its_parent(kind):
    models = [tiny_whisper.model(n_threads=3, threading=kind)]

    def delete():
        models.clear()
        gc.collect()
        return "deleted"

    assert in_child(delete) == "deleted"


def test_a_fork_in_the_middle_of_other_threads_work(rng, kind):
    model = tiny_whisper.model(n_threads=2, threading=kind)
    mel = rng.standard_normal((80, 3000)).astype(np.float32)
    expected = model.core.encode(mel).values.copy()
    stop = threading.Event()

    def work():
        while not stop.is_set():
            model.core.encode(mel)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(3):
            found = in_child(lambda: model.core.encode(mel).values.copy())
            np.testing.assert_array_equal(found, expected)
    finally:
        stop.set()
        thread.join()


def test_a_forked_child_makes_models_of_its_own():
    """What a server does that forks its workers first: they have threads, and lose them again."""
    tiny_whisper.tensors()

    def work():
        n_before = n_tasks()
        model = tiny_whisper.model(n_threads=3)
        n_during = n_tasks()
        model.core.encode(np.zeros((80, 3000), np.float32))
        del model
        return n_during - n_before, settled_tasks(n_before) - n_before

    assert in_child(work) == (2, 0)


def test_a_forked_child_has_openmp_threads_but_where_it_forked():
    """A team that the parent left in the thread that forks would be waited for in vain."""
    if "openmp" not in _core.available_threading():
        pytest.skip("built without openmp")
    expected = answers(talkative.model())
    parent = talkative.model(n_threads=3, threading="openmp")
    assert answers(parent) == expected

    def work():
        own = _core.Model(talkative.checkpoint(), n_threads=3, threading="openmp")
        n_before = n_tasks()

        def found(model: _core.Model) -> tuple[bool, int]:
            same = answers(model) == expected
            return same, n_tasks() - n_before

        here = [found(model) for model in (parent, own)]
        elsewhere = []
        for model in (parent, own):  # on a thread of the child's own
            elsewhere += of_threads(found, [model])
            settled_tasks(n_before)
        return here, elsewhere

    assert in_child(work) == ([(True, 0)] * 2, [(True, 3)] * 2)


def test_a_forked_child_with_real_weights(tiny_en, jfk):
    options = {"beam_size": 1, "temperature": 0.0}
    samples = jfk[:80000]
    before = said(tiny_en, samples, **options)
    assert in_child(lambda: said(tiny_en, samples, **options)) == before


def test_forks_under_load(rng):
    """Whatever lock another thread holds as the process forks, the child goes on without it."""
    model = tiny_whisper.model(n_threads=1)
    mel = rng.standard_normal((80, 3000)).astype(np.float32)
    features = model.core.encode(mel)
    stop = threading.Event()

    def make_states():
        while not stop.is_set():
            model.core.new_state([features], 1)

    def use() -> int:
        model.core.new_state([features], 1)
        return len(model.core.encode(mel).values) + model.core.metrics.encoder_calls

    threads = [threading.Thread(target=make_states) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(int(os.environ.get("SOTTOVOCE_FORKS", "20"))):
            assert in_child(use) == 1502
    finally:
        stop.set()
        for thread in threads:
            thread.join()


# --- signals ---

WAITS = """
import os, signal, sys
import numpy as np
import tiny_whisper

threading, many = sys.argv[1:]
model = tiny_whisper.model(n_threads=3, threading=threading)
noise = np.random.default_rng(1).standard_normal(16000 * 3).astype(np.float32) / 9
said = model.transcribe_many([noise] * 3, language="en", temperature=0.0)
next(said)  # its worker is there
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
for _ in range(int(many)):
    os.kill(os.getpid(), signal.SIGTERM)
    found = signal.sigtimedwait({signal.SIGTERM}, 5)
    assert found is not None and found.si_signo == signal.SIGTERM
    model.core.encode(np.zeros((80, 3000), np.float32))
print("waited")
"""


def test_no_thread_takes_the_signals_of_the_application(kind):
    """A process that waits for SIGTERM, and blocked it only after it had made its model."""
    paths = os.pathsep.join([str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", WAITS, kind, os.environ.get("SOTTOVOCE_SIGNALS", "20")],
        # NumPy's own threads take signals.
        env={**os.environ, "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE,
    )
    assert (done.returncode, done.stdout) == (0, "waited\n"), done.stderr


# --- leaks ---


def n_tasks() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def settled_tasks(most: int) -> int:
    """Threads of this process; one that was joined may take a moment to leave the list."""
    gc.collect()
    give_up = time.monotonic() + 10
    while (n := n_tasks()) > most and time.monotonic() < give_up:
        time.sleep(0.01)
    return n


def resident_bytes() -> int:
    gc.collect()
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(status.split("VmRSS:")[1].split()[0])


def use(model: WhisperModel) -> None:
    features = model.core.encode(np.ones((80, 3000), np.float32))
    model.core.new_state([features], 2).step([[1, 2], [3]])


def grown_by(call: Callable[[], object], n: int) -> int:
    """Resident bytes that n more calls leave behind, after some to warm up."""
    for _ in range(3):
        call()
    before = resident_bytes()
    for _ in range(n):
        call()
    return resident_bytes() - before


def test_models_take_their_threads_and_memory_with_them():
    n_before = n_tasks()
    n = 30
    one = tiny_whisper.model().core.weights_bytes
    assert grown_by(lambda: use(tiny_whisper.model(n_threads=3)), n) < n * one / 2
    assert settled_tasks(n_before) <= n_before


def test_windows_and_states_leave_no_memory():
    model = tiny_whisper.model()
    n = 100
    dims = model.dims
    one = 3 * 4 * dims.n_audio_ctx * dims.n_audio_state  # features, keys and values, float32
    assert grown_by(lambda: use(model), n) < n * one / 2


def test_windows_that_went_through_a_batch_leave_no_memory():
    model = tiny_whisper.model()
    batch = model.core.new_batch(2, 1)
    wanted = core_options(model.tokenizer, model.dims, DecodeOptions(sample_len=1), "en")
    mel = np.ones((80, 3000), np.float32)

    def hear() -> None:
        batch.submit(model.core.encode(mel), wanted)
        batch.advance()

    n = 100
    one = 3 * 4 * model.dims.n_audio_ctx * model.dims.n_audio_state
    assert grown_by(hear, n) < n * one / 2


def test_a_failed_call_leaves_no_memory():
    wrong = tiny_whisper.tensors() | {"decoder.ln.weight": np.full(32, np.nan, np.float32)}
    checkpoint = _core.Checkpoint(_core.ModelDims(**vars(tiny_whisper.dims())), wrong)

    def fail():
        with pytest.raises(_core.LoadError, match="must be finite"):
            _core.Model(checkpoint, n_threads=3)

    n_before = n_tasks()
    n = 30
    assert grown_by(fail, n) < n * tiny_whisper.model().core.weights_bytes / 2
    assert settled_tasks(n_before) <= n_before
