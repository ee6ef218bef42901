"""audio.load: arrays, against known samples and libswresample."""

import sys

import numpy as np
import pytest

from oracle.clips import JFK
from sottovoce import audio
from sottovoce._core import ShapeError
from sounds import STEP, tones


@pytest.mark.parametrize("shape", [(1600,), (1600, 1), (1, 1600)])
def test_float32_mono_at_16_khz_passes_untouched(shape, without_av):
    array = np.linspace(-1, 1, 1600, dtype=np.float32).reshape(shape)
    array.flags.writeable = False
    samples = audio.load(array)
    assert samples.shape == (1600,)
    assert np.shares_memory(samples, array)
    assert (samples is array) == (array.ndim == 1)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([-32768, 0, 16384], np.int16), [-1, 0, 0.5]),
        (np.array([-32768, 0, 16384], ">i2"), [-1, 0, 0.5]),
        (np.array([-(2**31), 0, 2**30], np.int32), [-1, 0, 0.5]),
        (np.array([0, 128, 192], np.uint8), [-1, 0, 0.5]),
        (np.array([-1, 0, 0.5], np.float64), [-1, 0, 0.5]),
        (np.array([-1, 0, 0.5], ">f4"), [-1, 0, 0.5]),
        (np.array([-1, 9, 0, 9, 0.5], np.float32)[::2], [-1, 0, 0.5]),
        (np.array([[0, 1], [0.5, 0], [1, 1]]), [0.5, 0.25, 1]),
        (np.array([[0, 0.5, 1], [1, 0, 1]]), [0.5, 0.25, 1]),
        (np.array([[-32768, -32768], [2, 4], [32767, 32767]], np.int16), [-1, 3 * STEP, 1 - STEP]),
        (np.array([[0.5]]), [0.5]),
        (np.zeros(0), []),
        (np.zeros((0, 2), np.int16), []),
        (np.zeros((2, 0)), []),
    ],
)
def test_arrays_are_scaled_and_mixed(array, expected, without_av):
    before = array.copy()
    samples = audio.load(array)
    assert samples.dtype == np.float32
    assert samples.flags.c_contiguous
    np.testing.assert_array_equal(samples, np.array(expected, np.float32))
    np.testing.assert_array_equal(array, before)


def swresample(samples: np.ndarray, rate: int) -> np.ndarray:
    """(n_samples,) float32 -> 16 kHz by libswresample in float32."""
    import av

    resampler = av.AudioResampler(format="fltp", layout="mono", rate=16000)
    frame = av.AudioFrame.from_ndarray(samples[None].copy(), "fltp", "mono")
    frame.sample_rate = rate
    frames = [*resampler.resample(frame), *resampler.resample(None)]
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


RATES = [8000, 11025, 12000, 22050, 24000, 32000, 44100, 48000, 96000, 192000]


# Both sum some 30 to 800 products in float32: 2e-7. Where the period of 16000 / rate has more than
# 1024 phases, libswresample interpolates between 1024 filters and ours stays exact: 1e-6 to 1e-5.
@pytest.mark.parametrize(
    ("rate", "tolerance"), [(rate, 3e-7) for rate in RATES] + [(44056, 2e-6), (16001, 2e-5)]
)
def test_resampling_without_pyav_is_libswresamples(rate, tolerance, rng, monkeypatch):
    array = rng.uniform(-0.5, 0.5, rate + 999).astype(np.float32)
    expected = swresample(array, rate)
    monkeypatch.setitem(sys.modules, "av", None)
    samples = audio.load(array, sample_rate=rate)
    assert samples.size == -(-array.size * 16000 // rate)
    assert 0 <= samples.size - expected.size <= 2  # libswresample may end a little early
    np.testing.assert_allclose(samples[: expected.size], expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("rate", [8000, 44100, 16001, 192000])
def test_resampling_is_by_libswresample(rate, rng):
    array = rng.uniform(-0.5, 0.5, 2 * (rate + 100_000)).astype(np.float32)[::2]
    np.testing.assert_array_equal(audio.load(array, sample_rate=rate), swresample(array, rate))


@pytest.mark.parametrize("n_samples", [1, 2, 5, 31, 32, 33, 100])
@pytest.mark.parametrize("rate", [8000, 44100, 96000])
def test_resampling_a_constant_of_any_length(n_samples, rate, without_av):
    samples = audio.load(np.full(n_samples, 0.5, np.float32), sample_rate=rate)
    assert samples.size == -(-n_samples * 16000 // rate)
    np.testing.assert_allclose(samples, 0.5, rtol=0, atol=2e-4)  # ripple of the filter's phases


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_resampling_keeps_a_tone_and_its_phase(rate, without_av):
    array = tones(rate, rate, 1000)[:, 0]
    samples = audio.load(array, sample_rate=rate)
    expected = tones(16000, 16000, 1000)[:, 0]
    np.testing.assert_allclose(samples[100:-100], expected[100:-100], rtol=0, atol=1e-4)


def test_resampling_removes_what_16_khz_cannot_hold(without_av):
    samples = audio.load(tones(48000, 48000, 9500)[:, 0], sample_rate=48000)
    assert np.abs(samples[100:-100]).max() < 4e-5  # 80 dB below


# --- bad input ---

ONE = np.zeros(100, np.float32)
NAN = np.array([[0, 0], [0, np.nan], [0, 0]])


@pytest.mark.parametrize(
    ("array", "sample_rate", "error", "message"),
    [
        (ONE.astype(complex), None, TypeError, "must be float32 or .* got complex128; scale it"),
        (ONE.astype(np.int64), None, TypeError, "got int64"),
        (ONE.astype(np.float16), None, TypeError, "got float16"),
        (ONE.astype(bool), None, TypeError, "got bool"),
        (np.array(["a"]), None, TypeError, "got <U1"),
        (np.float32([0.5]).reshape(()), None, ShapeError, r"n_samples\), .* got \(\)"),
        (ONE.reshape(2, 5, 10), None, ShapeError, r"got \(2, 5, 10\)"),
        (ONE.reshape(10, 10), None, ShapeError, r"n_channels the smaller .* got \(10, 10\)"),
        (np.zeros((80, 3000)), None, ShapeError, r"and <= 32, got \(80, 3000\)"),
        (NAN, None, ValueError, r"must be finite, got nan at \(1, 1\)"),
        (np.array([0, -np.inf]), 8000, ValueError, r"must be finite, got -inf at \(1,\)"),
        (np.array([0, 1e300]), None, ValueError, r"must be finite, got 1e\+300 at \(1,\)"),
        (ONE, -16000, ValueError, r"sample_rate must be in 1000..768000 Hz, got -16000"),
        (ONE, 0, ValueError, "got 0"),
        (ONE, 16, ValueError, "got 16"),
        (ONE, 10**9, ValueError, "got 1000000000"),
        (ONE, 16000.0, TypeError, r"sample_rate must be an int in Hz, got 16000\.0"),
        (ONE, True, TypeError, "got True"),
        (JFK, 16000, ValueError, "sample_rate is for samples"),
    ],
)
def test_bad_arrays(array, sample_rate, error, message):
    with pytest.raises(error, match=message):
        audio.load(array, sample_rate=sample_rate)
