"""audio: float samples in another scale are refused; doubtful levels are told, and told once."""

import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import fake_core
from fake_core import FakeCore, Heard, at, word
from sottovoce import AudioWarning, WhisperModel, _core, audio
from sounds import riff_bytes, tones

SCALES = {"8 bits": 2.0**7, "16 bits": 2.0**15, "24 bits": 2.0**23, "32 bits": 2.0**31}


def told(source, **keywords) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        audio.load(source, **keywords)
    assert all(warning.category is AudioWarning for warning in caught)
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)
def test_float_arrays_in_the_scale_of_integers_are_refused(jfk, scale, dtype):
    array = (jfk[:32000] * scale).astype(dtype)
    peak = f"{np.abs(array).max():.6g}"
    message = r"load: float samples must be in \[-1, 1\], got up to .*: divide by .* \(32768 for"
    with pytest.raises(ValueError, match=message) as refused:
        audio.load(array)
    assert peak in str(refused.value)
    np.testing.assert_array_equal(audio.load(array / dtype(scale)), jfk[:32000])


@pytest.mark.parametrize("without", [False, True], ids=["av", "without av"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)
def test_float_files_in_the_scale_of_integers_are_refused(scale, dtype, without, jfk, monkeypatch):
    if without:
        monkeypatch.setitem(sys.modules, "av", None)
    clip = riff_bytes((jfk[:32000, None] * scale).astype(dtype), 16000)
    message = r"load: bytes \(\d+ bytes\): its float samples must be in \[-1, 1\], got up to"
    with pytest.raises(audio.AudioError, match=message):
        audio.load(clip)


@pytest.mark.parametrize("without", [False, True], ids=["av", "without av"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_float_files_are_read(dtype, without, jfk, monkeypatch):
    if without:
        monkeypatch.setitem(sys.modules, "av", None)
    stored = jfk[:16000, None].astype(dtype)
    np.testing.assert_array_equal(audio.load(riff_bytes(stored, 16000)), jfk[:16000])


@pytest.mark.parametrize("without", [False, True], ids=["av", "without av"])
def test_a_click_in_a_float_file_is_clipped_as_by_ffmpeg(without, jfk, monkeypatch):
    if without:
        monkeypatch.setitem(sys.modules, "av", None)
    stored = jfk[:16000, None].copy()
    stored[5000:5010] = 1e4
    samples = audio.load(riff_bytes(stored, 16000))
    np.testing.assert_array_equal(samples[:5000], jfk[:5000])
    np.testing.assert_array_equal(samples[5000:5010], 32767 / 32768)


def test_levels_as_they_are_raise_no_doubt(jfk):
    assert told(jfk) == []
    assert told(jfk / np.abs(jfk).max()) == []
    assert told(1.9 * jfk / np.abs(jfk).max()) == []  # an overshoot
    assert told(0.01 * jfk) == []
    assert told(np.zeros(0, np.float32)) == []
    assert told(np.float32([-1, 1, -1])) == []  # too short for a share


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: 20 * x, "reaches 1.*, where full scale is 1: it may be in another scale"),
        (lambda x: np.clip(20 * x, -1, 1), r"is clipped: \d\d % of its samples are at full scale"),
        (lambda x: 0 * x, "is digital silence: there is hardly any speech to hear"),
        (lambda x: 0 * x + np.float32(0.1), "is digital silence"),  # with an offset
        (lambda x: 1e-4 * x, r"peaks at -8\d dBFS: there is hardly any speech to hear"),
    ],
    ids=["overshoot", "clipped", "silence", "offset", "quiet"],
)
def test_doubtful_levels_are_told_once(change, message, jfk):
    array = change(jfk)
    with pytest.warns(AudioWarning, match=rf"^array \(176000,\) float32 {message}") as caught:
        np.testing.assert_array_equal(audio.load(array), array)
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_a_warning_names_the_file(tmp_path, jfk):
    path = tmp_path / "loud.wav"
    path.write_bytes(
        riff_bytes(np.clip(jfk * 2**19, -(2**15), 2**15 - 1).astype("i2")[:, None], 8000)
    )
    (message,) = told(path)
    assert message.startswith(f"{str(path)!r} is clipped")


# --- in a model's calls: on the line of whoever calls, whatever thread has read the recording ---

SILENCE = np.zeros(16000, np.float32)


@pytest.fixture
def model(monkeypatch):
    monkeypatch.setattr(_core, "DecodingOptions", SimpleNamespace)
    core = FakeCore(lambda _: Heard([at(0), word(1), at(1)]))
    return WhisperModel.of_parts(core, fake_core.tokenizer())


@pytest.mark.parametrize(
    "call",
    [
        lambda model: model.transcribe(SILENCE, language="en", policy="openai"),
        lambda model: list(model.transcribe_many([SILENCE], language="en", policy="openai")),
        lambda model: model.detect_language(SILENCE),
    ],
    ids=["transcribe", "transcribe_many", "detect_language"],
)
def test_doubts_are_told_on_the_line_of_the_call(call, model):
    with pytest.warns(AudioWarning, match="is digital silence") as caught:
        call(model)
    assert [warning.filename for warning in caught] == [__file__]


def test_a_warning_made_an_error_fails_its_recording_alone(model, tones_of_1_s):
    with warnings.catch_warnings():
        warnings.simplefilter("error", AudioWarning)
        many = model.transcribe_many(
            [tones_of_1_s, SILENCE, tones_of_1_s], language="en", policy="openai"
        )
        assert next(many).info.duration == 1
        with pytest.raises(AudioWarning, match="digital silence"):
            next(many)
        assert next(many).info.duration == 1


@pytest.fixture
def tones_of_1_s() -> np.ndarray:
    return tones(16000, 16000, 440)[:, 0]


def test_speech_of_all_kinds_raises_no_doubt(dev_data):
    for path in sorted(Path(dev_data).iterdir()):
        if path.suffix != ".jsonl" and not path.name.startswith("silence"):
            assert told(path) == [], path.name
