"""audio.load and audio.snapshot: what other libraries call audio."""

import array
import io
import re

import numpy as np
import pytest

from oracle.clips import JFK
from sottovoce import audio
from sounds import tones

RATE = 24000
TONE = tones(2400, RATE, 440)[:, 0].astype(np.float32)
SAMPLES = audio.load(TONE, sample_rate=RATE)


class Tensor:
    """PyTorch's, as far as it matters: it asks to be detached and moved."""

    def __init__(self, numbers: np.ndarray, *, attached: bool = True, on_device: bool = True):
        self._numbers, self._attached, self._on_device = numbers, attached, on_device

    def detach(self) -> "Tensor":
        return Tensor(self._numbers, attached=False, on_device=self._on_device)

    def cpu(self) -> "Tensor":
        return Tensor(self._numbers, attached=self._attached, on_device=False)

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        if self._attached or self._on_device:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad")
        return self._numbers


class Lazy:
    """An array of JAX's or TensorFlow's."""

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return TONE


class Bfloat16:
    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        raise TypeError("Got unsupported ScalarType BFloat16")


class Segment:
    """A pydub.AudioSegment: integers of one to four bytes, the channels in turn."""

    def __init__(self, code: str, samples: np.ndarray):
        self.frame_rate, self.channels = RATE, samples.shape[1]
        self._samples = array.array(code, samples.reshape(-1).tolist())

    def get_array_of_samples(self) -> array.array:
        return self._samples


def scaled(bits: int) -> np.ndarray:
    return np.round(TONE * 2.0 ** (bits - 1)).astype(np.int64)[:, None]


class Asynchronous:
    async def read(self, size: int = -1) -> bytes:
        raise NotImplementedError


STEREO = np.stack([TONE, TONE])
FORMS = {
    "gradio": lambda: (RATE, TONE),
    "gradio's 16 bits": lambda: (RATE, scaled(16)[:, 0].astype(np.int16)),
    "librosa": lambda: (TONE, RATE),
    "soundfile": lambda: (STEREO.T, np.int64(RATE)),
    "torchaudio": lambda: (Tensor(TONE[None]), RATE),
    "datasets": lambda: {"path": "gone.wav", "array": TONE, "sampling_rate": RATE},
    "transformers": lambda: {"raw": TONE, "sampling_rate": RATE},
    "pydub, 8 bits": lambda: Segment("b", scaled(8)),
    "pydub, 16 bits": lambda: Segment("h", scaled(16).repeat(2, 1)),
    "pydub, 32 bits": lambda: Segment("i", scaled(32)),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("keep", [lambda form: form, audio.snapshot], ids=["load", "snapshot"])
def test_a_form_with_its_rate_is_taken(form, keep, without_av):
    bits = 8 if "8 bits" in form else 16 if "16 bits" in form else 32
    tolerance = 2.0 ** (1 - bits) + 4 * np.finfo(np.float32).eps
    np.testing.assert_allclose(audio.load(keep(FORMS[form]())), SAMPLES, rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    "form",
    [Tensor(TONE), Lazy(), TONE.tolist(), tuple(TONE.tolist()), {"array": TONE}],
    ids=["torch", "jax", "list", "tuple", "no rate"],
)
@pytest.mark.parametrize("keep", [lambda form: form, audio.snapshot], ids=["load", "snapshot"])
def test_a_form_without_a_rate_takes_that_of_the_call(form, keep, without_av):
    np.testing.assert_array_equal(audio.load(keep(form), sample_rate=RATE), SAMPLES)
    np.testing.assert_array_equal(audio.load(keep(form)), TONE)


@pytest.mark.parametrize(
    "form", [{"path": str(JFK)}, {"bytes": JFK.read_bytes(), "path": None}], ids=["path", "bytes"]
)
def test_a_dictionary_may_hold_media(form, jfk):
    np.testing.assert_array_equal(audio.load(audio.snapshot(form)), jfk)


def test_a_rate_may_be_said_twice_if_it_is_the_same():
    np.testing.assert_array_equal(audio.load((RATE, TONE), sample_rate=RATE), SAMPLES)


def test_a_list_of_integers_is_no_guess():
    with pytest.raises(TypeError, match=r"must be float32 or float64 .* got int64"):
        audio.load([1, 2, 3])


def test_a_snapshot_is_not_the_callers_memory():
    for form in [(RATE, TONE.copy()), {"array": TONE.copy(), "sampling_rate": RATE}]:
        memory = form[1] if isinstance(form, tuple) else form["array"]
        kept = audio.snapshot(form)
        memory[:] = 0
        np.testing.assert_array_equal(audio.load(kept), SAMPLES)


def test_a_snapshot_of_a_buffer_is_not_the_callers_memory(jfk):
    buffer = bytearray(JFK.read_bytes())
    kept = audio.snapshot(buffer), audio.snapshot(memoryview(buffer))
    buffer[:] = bytes(len(buffer))
    for copy in kept:
        np.testing.assert_array_equal(audio.load(copy), jfk)


async def coroutine() -> bytes:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("form", "error", "message"),
    [
        ((RATE, TONE, 1), TypeError, "load: tuple of recordings goes to transcribe_many; one"),
        ([JFK, JFK], TypeError, "load: list of recordings goes to transcribe_many"),
        ([[0.0, 0.1]], TypeError, "load: list of recordings goes to transcribe_many"),
        ({"samples": 1}, TypeError, "'array' and 'sampling_rate', or 'bytes' or 'path', got 'sam"),
        ({}, TypeError, "got no keys"),
        ((10, TONE), ValueError, r"sample_rate must be in 1000\.\.768000 Hz, got 10"),
        ({"array": TONE, "sampling_rate": 16000.0}, TypeError, r"an int in Hz, got 16000\.0"),
        (Bfloat16(), TypeError, "Bfloat16 cannot be read as an array, give float32 .*: Got unsu"),
        (Tensor(TONE.astype(np.float16)), TypeError, "got float16; scale it and convert it"),
        (Asynchronous(), TypeError, "load: Asynchronous is asynchronous; await its contents"),
        ("https://example.com/talk.mp3", ValueError, "'https:.*mp3' is an address; download it"),
        (io.StringIO("text"), TypeError, "must be binary, got text"),
    ],
)
def test_what_is_not_taken_gets_advice(form, error, message):
    with pytest.raises(error, match=message):
        audio.load(form)


def test_a_coroutine_is_not_awaited():
    waiting = coroutine()
    with pytest.raises(TypeError, match="load: coroutine is asynchronous; await its contents"):
        audio.load(waiting)
    waiting.close()


def test_two_rates_that_differ_are_not_chosen_from():
    message = "sample_rate must be 24000, as with the samples, got 16000"
    for form in [(RATE, TONE), {"array": TONE, "sampling_rate": RATE}, Segment("h", scaled(16))]:
        with pytest.raises(ValueError, match=re.escape(message)):
            audio.load(form, sample_rate=16000)
