"""Fixtures of all tests. Real weights and speech come from outside, named by the environment:

SOTTOVOCE_TEST_MODELS  a directory that holds `tiny.en/` and `base/`
SOTTOVOCE_DEV_DATA     a directory of clips with a `manifest.jsonl`
SOTTOVOCE_SLOW=1       runs what is marked slow as well (so does `-m slow`)
"""

import os
import signal
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from oracle import clips


def pytest_configure(config: pytest.Config) -> None:
    # OpenMP reads these when the module is loaded, which no test has done yet: teams are as large
    # as the tests ask for.
    for name in [name for name in os.environ if name.startswith("OMP_")]:
        del os.environ[name]
    # And as large as tests ask for, however few the CPUs of this machine.
    os.environ["SOTTOVOCE_MOST_THREADS"] = "64"
    # A shell ignores it for what it starts with `&`, and so would the programs that tests end.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "slow: left out unless SOTTOVOCE_SLOW=1 or `-m slow`")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("SOTTOVOCE_SLOW", "0") != "0" or "slow" in config.option.markexpr:
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in set(slow)]


EVERY_TABLE = ("test_kernels", "test_kernels_quantised", "test_compute_types", "test_house")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `isa` runs once for every kernel table of this machine; tests of more than
    kernels once for every kind of vector, with the table that has most."""
    if "isa" in metafunc.fixturenames:
        from sottovoce import _core

        isas = _core.available_isas()
        if Path(metafunc.module.__file__).stem not in EVERY_TABLE:
            isas = list({isa.split("_")[0]: isa for isa in isas}.values())
        metafunc.parametrize("isa", isas)


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """Random numbers that are the test's own: the same in any order and on any worker."""
    return np.random.default_rng(zlib.crc32(request.node.name.encode()))


@pytest.fixture
def without_av(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if PyAV were not installed."""
    monkeypatch.setitem(sys.modules, "av", None)


@pytest.fixture(scope="session")
def jfk() -> np.ndarray:
    """(176000,) float32, read-only: eleven seconds of speech."""
    samples = clips.read(clips.JFK)
    samples.flags.writeable = False
    return samples


def directory_from(variable: str, what: str) -> Path:
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"{variable} is not set: it names {what}")
    return Path(value)


@pytest.fixture(scope="session")
def models_dir() -> Path:
    return directory_from("SOTTOVOCE_TEST_MODELS", "a directory with tiny.en/ and base/")


@pytest.fixture(scope="session")
def tiny_en_dir(models_dir: Path) -> Path:
    return models_dir / "tiny.en"


@pytest.fixture(scope="session")
def base_dir(models_dir: Path) -> Path:
    return models_dir / "base"


@pytest.fixture(scope="session")
def dev_data() -> Path:
    return directory_from("SOTTOVOCE_DEV_DATA", "a directory of clips with a manifest.jsonl")


@pytest.fixture(scope="session")
def tiny_en(tiny_en_dir: Path):
    import sottovoce

    return sottovoce.WhisperModel(str(tiny_en_dir), device="")  # SOTTOVOCE_DEVICE's


@pytest.fixture(scope="session")
def base(base_dir: Path):
    import sottovoce

    return sottovoce.WhisperModel(str(base_dir), device="")
