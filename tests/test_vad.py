"""The network that hears speech: against float64, against onnxruntime, and however it is fed."""

import json
import math
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import oracle
from sottovoce import LoadError, ShapeError, VoiceActivityStream, _core, audio, voice_network

WEIGHTS = Path(_core.__file__).parent / "data" / "silero_vad.safetensors"
GOLDEN = Path(__file__).parent / "golden"
EPS = float(np.finfo(np.float32).eps) / 2


def golden(path):
    return {
        case["name"]: np.array(case["probabilities"])
        for case in json.loads(path.read_text())["cases"]
    }


@pytest.fixture(scope="module")
def network():
    return voice_network(n_threads=1)


def test_probabilities_are_those_of_float64(isa, jfk, rng):
    """A product of k terms is the exact one of weights that are changed by up to k roundings, and
    as it happens by the root of k: the bound is what such a change of them all does in float64."""
    weights, samples = load_file(WEIGHTS), jfk[: 6 * 16000]
    exact = oracle.voice_activity(weights, samples)
    change = math.sqrt(3 * 129) * EPS  # of the longest product
    changed = {
        name: tensor * (1 + change * rng.choice([-1, 1], tensor.shape))
        for name, tensor in weights.items()
    }
    bound = np.abs(oracle.voice_activity(changed, samples) - exact).max()
    got = voice_network(n_threads=1, isa=isa).probabilities(samples)
    assert np.abs(got - exact).max() <= bound < 1e-4


def test_probabilities_are_onnxruntimes(network, jfk):
    (expected,) = [p for name, p in golden(GOLDEN / "vad.json").items() if name == "jfk.flac"]
    np.testing.assert_allclose(network.probabilities(jfk), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", golden(GOLDEN / "dev" / "vad.json"))
def test_probabilities_of_dev_clips_are_onnxruntimes(network, dev_data, name):
    samples = audio.load(dev_data / name)
    expected = golden(GOLDEN / "dev" / "vad.json")[name]
    np.testing.assert_allclose(network.probabilities(samples), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("n_threads", [2, 3, 16])
def test_threads_change_no_bit(network, jfk, n_threads):
    expected = network.probabilities(jfk)
    np.testing.assert_array_equal(voice_network(n_threads=n_threads).probabilities(jfk), expected)


def test_blocks_of_any_size_change_no_bit(network, jfk, rng):
    stream = VoiceActivityStream(network)
    for _ in range(2):  # the second recording knows nothing of the first
        found, at = [], 0
        while at < len(jfk):
            size = int(rng.choice([0, 1, 100, 511, 512, 513, 5000, 70000]))
            found.append(stream.feed(jfk[at : at + size]))
            at += size
        found.append(stream.finish())
        np.testing.assert_array_equal(np.concatenate(found), network.probabilities(jfk))


def test_frames_come_as_soon_as_they_are_whole(network, jfk):
    stream = VoiceActivityStream(network)
    assert [len(stream.feed(jfk[i : i + 256])) for i in range(0, 1536, 256)] == [0, 1] * 3
    assert len(stream.finish()) == 0
    assert len(stream.feed(jfk[:1])) == 0
    assert len(stream.finish()) == 1


@pytest.mark.parametrize(("n_samples", "n_frames"), [(0, 0), (1, 1), (512, 1), (513, 2)])
def test_the_last_frame_is_filled_with_zeros(network, jfk, n_samples, n_frames):
    got = network.probabilities(jfk[:n_samples])
    assert got.shape == (n_frames,)
    assert got.dtype == np.float32
    filled = np.zeros(n_frames * 512, np.float32)
    filled[:n_samples] = jfk[:n_samples]
    np.testing.assert_array_equal(network.probabilities(filled), got)


def test_a_network_is_for_many_threads_at_once(network, jfk):
    expected = network.probabilities(jfk)
    shared = voice_network(n_threads=2)
    with ThreadPoolExecutor(4) as pool:
        for got in pool.map(shared.probabilities, [jfk] * 8):
            np.testing.assert_array_equal(got, expected)


class RungError(Exception):
    pass


def test_an_interrupted_stream_begins_anew(network, jfk):
    def ring(*_):
        raise RungError

    stream = VoiceActivityStream(network)
    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        with pytest.raises(RungError):
            stream.feed(np.zeros(3600 * 16000, np.float32))
    finally:
        signal.signal(signal.SIGALRM, before)
    found = np.concatenate([stream.feed(jfk), stream.finish()])
    np.testing.assert_array_equal(found, network.probabilities(jfk))


NOT_FINITE = np.zeros(2000, np.float32)
NOT_FINITE[1300] = np.nan


@pytest.mark.parametrize(
    ("samples", "error", "message"),
    [
        (np.zeros(512), TypeError, r"samples must be float32, got \(512,\) float64"),
        (
            np.zeros((2, 512), np.float32),
            ShapeError,
            r"must be \(n_samples,\) float32, got \(2, 512",
        ),
        (np.zeros(1024, np.float32)[::2], ShapeError, "must be C-contiguous"),
        (NOT_FINITE, ShapeError, "samples must be finite, got nan at sample 1300"),
    ],
)
def test_samples_that_are_none(network, jfk, samples, error, message):
    with pytest.raises(error, match=f"voice_activity: .*{message}"):
        network.probabilities(samples)
    stream = VoiceActivityStream(network)
    found = [stream.feed(jfk[:3000])]
    with pytest.raises(error, match=message):
        stream.feed(samples)
    found += [stream.feed(jfk[3000:]), stream.finish()]  # as if it had not been asked
    np.testing.assert_array_equal(np.concatenate(found), network.probabilities(jfk))


def test_what_the_machine_has_not():
    with pytest.raises(ShapeError, match="isa must be one this CPU has"):
        voice_network(isa="mmx")
    with pytest.raises(ShapeError, match="n_threads"):
        voice_network(n_threads=-1)


def test_weights_that_are_others(tmp_path):
    weights, path = load_file(WEIGHTS), tmp_path / "other.safetensors"
    with pytest.raises(LoadError, match="missing"):
        _core.VoiceActivity(str(tmp_path / "missing"))
    save_file({**weights, "encoder.1.weight": weights["encoder.1.weight"][:, :5].copy()}, path)
    with pytest.raises(
        LoadError,
        match=r"other.safetensors': tensor 'encoder.1.weight' must be \(64, 128, 3\), got",
    ):
        _core.VoiceActivity(str(path))
    save_file({n: t for n, t in weights.items() if n != "decoder.output.bias"}, path)
    with pytest.raises(LoadError, match=r"has no tensor 'decoder\.output\.bias'"):
        _core.VoiceActivity(str(path))


def test_a_network_tells_what_it_runs_on(isa):
    network = voice_network(n_threads=3, isa=isa)
    assert (network.n_threads, network.isa) == (3, isa)
