"""The front end: samples -> log-mel, against the float64 oracle.

The transform is float64 and rounds once, so that its tolerance is that one rounding and the float32
of the filters: half a unit in the last place, and 2^-23 of an energy (two roundings of a filter),
which is 2^-23 / (4 ln 10) after (log10 + 4) / 4. openai-whisper's own float32 chain is some 700
times further from the oracle (4.8e-5 on speech).
"""

import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from oracle import mel as oracle
from sottovoce import _core
from sottovoce._core import HOP_LENGTH, N_FRAMES, N_SAMPLES, ShapeError

FILTER_ERROR = 2.0**-23 / (4 * math.log(10))


def assert_parity(got, samples, n_mels, padding=0):
    expected = oracle.log_mel(samples, n_mels, padding)
    assert got.dtype == np.float32
    assert got.shape == expected.shape
    excess = np.abs(got - expected) - 2.0**-24 * np.abs(expected)
    assert excess.max() <= 1.1 * FILTER_ERROR
    return np.abs(got - expected)


def noise(rng, n, scale=0.1):
    return (scale * rng.standard_normal(n)).astype(np.float32)


# --- parity ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_mels", [80, 128])
@pytest.mark.parametrize("padding", [0, N_SAMPLES])
def test_speech(jfk, n_mels, padding):
    error = assert_parity(_core.log_mel(jfk, n_mels, padding=padding), jfk, n_mels, padding)
    assert error.max() <= 1e-7
    assert error.mean() <= 3e-8


def impulse(n):
    samples = np.zeros(n, dtype=np.float32)
    samples[n // 2] = 1.0
    return samples


SIGNALS = {
    "silence": lambda rng: np.zeros(8000, dtype=np.float32),
    "dc": lambda rng: np.ones(8000, dtype=np.float32),
    "square wave": lambda rng: np.where(np.arange(8000) // 40 % 2, 1.0, -1.0).astype(np.float32),
    "alternating": lambda rng: np.where(np.arange(8000) % 2, 1.0, -1.0).astype(np.float32),
    "impulse": lambda rng: impulse(8000),
    "impulse at the start": lambda rng: np.eye(1, 8000)[0],
    "quiet noise": lambda rng: noise(rng, 8000, 1e-5),
    "inaudible noise": lambda rng: noise(rng, 8000, 1e-9),
    "loud noise": lambda rng: noise(rng, 8000, 1e3),
    "sine": lambda rng: np.sin(2 * np.pi * 440 / 16000 * np.arange(8000)).astype(np.float32),
}


@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize("n_mels", [80, 128])
def test_synthetic_signals(rng, name, n_mels):
    samples = SIGNALS[name](rng).astype(np.float32)
    assert_parity(_core.log_mel(samples, n_mels), samples, n_mels)


def test_silence_is_minus_one_and_a_half():
    """log10(1e-10) = -10 everywhere, also its own maximum: (-10 + 4) / 4."""
    mel = _core.log_mel(np.zeros(4800, dtype=np.float32), 80, padding=4800)
    np.testing.assert_array_equal(mel, np.full((80, 60), -1.5, dtype=np.float32))


def test_no_samples_but_padding_are_silence():
    mel = _core.log_mel(np.zeros(0, dtype=np.float32), 80, padding=1600)
    np.testing.assert_array_equal(mel, np.full((80, 10), -1.5, dtype=np.float32))


def test_floor_is_eight_decades_below_the_loudest_of_all(jfk):
    mel = _core.log_mel(jfk, 80, padding=N_SAMPLES)
    assert mel.min() == np.float32(mel.max() - 2.0)
    np.testing.assert_array_equal(mel[:, -N_FRAMES + 2 :], mel.min())


@pytest.mark.parametrize("n_mels", [1, 2, 40, 200])
def test_any_number_of_bands(rng, n_mels):
    samples = noise(rng, 4000)
    assert_parity(_core.log_mel(samples, n_mels), samples, n_mels)


@pytest.mark.parametrize(
    "n",
    [
        201,
        319,
        320,
        321,
        359,
        360,
        361,
        399,
        400,
        401,
        479,
        480,
        519,
        520,
        599,
        600,
        601,
        1279,
        1280,
        1281,
        1439,
        1440,
        1441,
        1600,
        2599,
    ],
)
@pytest.mark.parametrize("padding", [0, 1, 159, 160, 200, 201, 1600])
def test_lengths_around_frames_and_groups(rng, n, padding):
    samples = noise(rng, n)
    mel = _core.log_mel(samples, 80, padding=padding)
    assert mel.shape == (80, (n + padding) // HOP_LENGTH)
    assert_parity(mel, samples, 80, padding)


@pytest.mark.parametrize("n", range(1, 201, 37))
def test_few_samples_with_enough_padding(rng, n):
    samples = noise(rng, n)
    assert_parity(_core.log_mel(samples, 80, padding=400), samples, 80, 400)


# --- the same bits --------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 200, 201, 1441, 16000, 16123])
@pytest.mark.parametrize("padding", [300, 1600, 16001])
def test_padding_is_appended_zeros(rng, n, padding):
    samples = noise(rng, n)
    appended = np.concatenate([samples, np.zeros(padding, dtype=np.float32)])
    np.testing.assert_array_equal(
        _core.log_mel(samples, 80, padding=padding), _core.log_mel(appended, 80)
    )


@pytest.mark.parametrize("n_threads", [0, 2, 3, 8, 64])
def test_number_of_threads_does_not_matter(jfk, n_threads):
    alone = _core.log_mel(jfk, 80, padding=12345, n_threads=1)
    np.testing.assert_array_equal(_core.log_mel(jfk, 80, padding=12345, n_threads=n_threads), alone)


def test_instruction_set_does_not_matter(jfk, isa):
    np.testing.assert_array_equal(_core.log_mel(jfk, 80, isa=isa), _core.log_mel(jfk, 80))


def test_calls_from_many_threads(jfk):
    expected = _core.log_mel(jfk, 80)
    with ThreadPoolExecutor(4) as pool:
        for mel in pool.map(lambda _: _core.log_mel(jfk, 80, n_threads=2), range(8)):
            np.testing.assert_array_equal(mel, expected)


def test_frames_do_not_depend_on_their_lane(jfk):
    """Three frames less move every frame to another lane; edges and floor aside, no bit moves."""
    mel = _core.log_mel(jfk, 80)
    later = _core.log_mel(jfk[3 * HOP_LENGTH :], 80)
    floor = max(mel.min(), later.min())
    np.testing.assert_array_equal(
        np.maximum(mel[:, 5:-2], floor), np.maximum(later[:, 2:-2], floor)
    )


# --- the kernel -----------------------------------------------------------------------------------


def assert_power(power, frames):
    """An amplitude is off by a few roundings of the norm of its frame for each of 9 stages."""
    spectrum = np.abs(np.fft.rfft(frames, axis=0))
    error = 32 * np.finfo(np.float64).eps * np.linalg.norm(frames, axis=0)
    assert power.shape == (201, 8)
    assert (np.abs(power - spectrum**2) <= 2 * spectrum * error + error**2).all()


def test_power_spectrum_of_noise(isa, rng):
    frames = rng.standard_normal((400, 8)) * 10.0 ** np.arange(-6, 2)
    assert_power(_core.kernel(isa, "power_spectrum_f64")(frames), frames)


def test_power_spectrum_of_every_impulse(isa):
    """|DFT| of one sample is flat: each of the 400 inputs reaches each of the 201 outputs once."""
    kernel = _core.kernel(isa, "power_spectrum_f64")
    for group in np.eye(400).reshape(50, 8, 400):
        np.testing.assert_allclose(kernel(group.T.copy()), 1.0, rtol=1e-14)


def test_power_spectrum_of_every_cosine(isa):
    """A whole number of periods stands in one bin: (400 / 2)^2, and 400^2 at both ends."""
    kernel = _core.kernel(isa, "power_spectrum_f64")
    sample = np.arange(400)
    for first in range(0, 201, 8):
        bins = np.minimum(np.arange(first, first + 8), 200)
        frames = np.cos(2 * np.pi / 400 * (np.outer(sample, bins) % 400))
        expected = np.zeros((201, 8))
        expected[bins, np.arange(8)] = np.where(bins % 200 == 0, 400.0**2, 200.0**2)
        np.testing.assert_allclose(kernel(frames), expected, rtol=1e-14, atol=1e-20)


def test_power_spectrum_has_the_same_bits_on_every_isa(isa, rng):
    frames = rng.standard_normal((400, 8))
    scalar = _core.kernel("scalar", "power_spectrum_f64")(frames)
    np.testing.assert_array_equal(_core.kernel(isa, "power_spectrum_f64")(frames), scalar)


def test_power_spectrum_keeps_lanes_apart(isa, rng):
    kernel = _core.kernel(isa, "power_spectrum_f64")
    frame = rng.standard_normal(400)
    for lane in range(8):
        frames = np.zeros((400, 8))
        frames[:, lane] = frame
        power = kernel(frames)
        np.testing.assert_array_equal(np.delete(power, lane, axis=1), 0.0)
        np.testing.assert_array_equal(power[:, lane], kernel(np.tile(frame[:, None], 8))[:, 0])


# --- filters and masks ----------------------------------------------------------------------------


@pytest.mark.parametrize("n_mels", [1, 40, 80, 128, 200])
def test_filters_are_the_oracles_rounded_twice(n_mels):
    filters = _core.mel_filters(n_mels)
    assert filters.dtype == np.float32
    assert filters.shape == (n_mels, 201)
    # A weight next to its corner is a difference of hertz, hence the absolute part.
    np.testing.assert_allclose(filters, oracle.mel_filters(n_mels), rtol=2.0**-23, atol=1e-17)


@pytest.mark.parametrize("n_mels", [80, 128])
def test_filters_are_those_openai_whisper_ships(n_mels):
    whisper = pytest.importorskip("whisper")
    with np.load(Path(whisper.__file__).parent / "assets" / "mel_filters.npz") as shipped:
        np.testing.assert_array_equal(_core.mel_filters(n_mels), shipped[f"mel_{n_mels}"])


@pytest.mark.parametrize(
    ("n_samples", "n_real"),
    [(0, 0), (159, 0), (160, 1), (129600, 810), (129759, 810), (480000, 3000), (600000, 3000)],
)
def test_frame_mask(n_samples, n_real):
    mask = _core.frame_mask(n_samples, N_FRAMES)
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, np.arange(N_FRAMES) < n_real)


def test_frame_mask_of_no_frames():
    assert _core.frame_mask(16000, 0).shape == (0,)


# --- memory ---------------------------------------------------------------------------------------

PEAK = """
import resource
import numpy as np
from sottovoce import _core
samples = np.full(60 * 10 * 16000, 0.1, dtype=np.float32)
_core.log_mel(samples[:16000], 80)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
mel = _core.log_mel(samples, 80, padding=480000)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((after - before) * 1024 - mel.nbytes)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes on Linux")
def test_ten_minutes_need_no_memory_beyond_the_result():
    run = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 4 << 20


# --- refusals -------------------------------------------------------------------------------------


def with_value(value, index=7):
    samples = np.zeros(1600, dtype=np.float32)
    samples[index] = value
    return samples


OK = np.zeros(1600, dtype=np.float32)
BAD_CALLS = [
    (
        (OK.astype(np.float64), 80),
        {},
        TypeError,
        r"log_mel: samples must be float32, got \(1600,\) float64; convert it with "
        r"\.astype\(numpy\.float32\)",
    ),
    (
        (OK.astype(np.int16), 80),
        {},
        TypeError,
        r"log_mel: samples must be float32, got \(1600,\) int16",
    ),
    (
        (OK[None], 80),
        {},
        ShapeError,
        r"log_mel: samples must be \(n_samples,\) float32, got \(1, 1600\) float32",
    ),
    (
        (np.array(0.0, dtype=np.float32), 80),
        {},
        ShapeError,
        r"log_mel: samples must be \(n_samples,\) float32, got \(\) float32",
    ),
    (
        (OK[::2], 80),
        {},
        ShapeError,
        r"log_mel: samples must be C-contiguous, got a strided \(800,\) float32; "
        r"use numpy\.ascontiguousarray",
    ),
    (
        (with_value(np.nan), 80),
        {},
        ShapeError,
        r"log_mel: samples must be finite, got -?nan at sample 7",
    ),
    (
        (with_value(-np.inf, 1599), 80),
        {},
        ShapeError,
        r"log_mel: samples must be finite, got -inf at sample 1599",
    ),
    (
        (OK[:200], 80),
        {},
        ShapeError,
        r"log_mel: samples and padding must be 201\.\.2\*\*40 samples together, got 200 \+ 0",
    ),
    (
        (OK[:0], 80),
        {"padding": 200},
        ShapeError,
        r"log_mel: samples and padding must be 201\.\.2\*\*40 samples together, got 0 \+ 200",
    ),
    (
        (OK, 80),
        {"padding": 2**62},
        ShapeError,
        r"log_mel: samples and padding must be 201\.\.2\*\*40 samples together, got 1600 \+ ",
    ),
    ((OK, 80), {"padding": -1}, ShapeError, r"log_mel: padding must be 0 or more, got -1"),
    ((OK, 80), {"n_threads": -1}, ShapeError, r"log_mel: n_threads must be 0 or more, got -1"),
    ((OK, 0), {}, ShapeError, r"log_mel: n_mels must be 1\.\.200, got 0"),
    ((OK, 201), {}, ShapeError, r"log_mel: n_mels must be 1\.\.200, got 201"),
]


@pytest.mark.parametrize(("args", "options", "exception", "message"), BAD_CALLS)
def test_log_mel_refuses(args, options, exception, message):
    with pytest.raises(exception, match=f"^{message}"):
        _core.log_mel(*args, **options)


def test_log_mel_refuses_an_unknown_instruction_set():
    with pytest.raises(ShapeError, match=r"got 'sse1'$"):
        _core.log_mel(OK, 80, isa="sse1")


def test_the_last_sample_that_is_not_finite_is_found(rng):
    samples = noise(rng, 600000)
    samples[-1] = np.inf
    with pytest.raises(ShapeError, match="got inf at sample 599999"):
        _core.log_mel(samples, 80)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: _core.mel_filters(0), r"mel_filters: n_mels must be 1\.\.200, got 0"),
        (lambda: _core.mel_filters(201), r"mel_filters: n_mels must be 1\.\.200, got 201"),
        (lambda: _core.frame_mask(-1, 10), r"frame_mask: n_samples must be 0 or more, got -1"),
        (lambda: _core.frame_mask(10, -1), r"frame_mask: n_frames must be 0 or more, got -1"),
    ],
)
def test_filters_and_masks_refuse(call, message):
    with pytest.raises(ShapeError, match=f"^{message}$"):
        call()
