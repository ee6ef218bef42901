"""Voice activity from Python: audio, options, and recordings heard where there is speech."""

import json
import math
import pickle

import numpy as np
import pytest

import sottovoce
from oracle import clips
from sottovoce import (
    AudioWarning,
    SpeechRegion,
    TranscribeOptions,
    VadOptions,
    WhisperModel,
    speech_timestamps,
    voice_activity,
    voice_network,
)

RATE = 16000


@pytest.fixture(scope="module")
def quiet_talk(jfk):
    """Half a minute of faint noise, the sentence, 20 s of noise, and the sentence again."""
    noise = (3e-4 * np.random.default_rng(0).standard_normal(30 * RATE)).astype(np.float32)
    return np.concatenate([noise, jfk, noise[: 20 * RATE], jfk])


def test_voice_activity_takes_any_audio(jfk):
    expected = voice_network(n_threads=1).probabilities(jfk)
    np.testing.assert_array_equal(voice_activity(jfk), expected)
    np.testing.assert_array_equal(voice_activity(clips.JFK, cpu_threads=2), expected)
    assert voice_activity((jfk[::2] * 0.5).astype(np.float64), sample_rate=8000).shape == (344,)


def test_speech_timestamps_are_seconds(jfk):
    (region,) = speech_timestamps(jfk)
    assert isinstance(region, SpeechRegion)
    assert region == (region.start, region.end)
    assert 0 <= region.start < 0.5 < 10 < region.end <= 11
    fine = speech_timestamps(jfk, min_silence_duration_ms=100, speech_pad_ms=0)
    assert len(fine) > 2
    assert fine == speech_timestamps(
        jfk, options=VadOptions(min_silence_duration_ms=100), speech_pad_ms=0
    )
    TranscribeOptions(clip_timestamps=fine)


def test_warnings_of_audio_come_along():
    with pytest.warns(AudioWarning):
        assert speech_timestamps(np.zeros(RATE, np.float32)) == []


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"treshold": 1}, TypeError, "unknown option 'treshold'; did you mean 'threshold'"),
        ({"onset": 1}, TypeError, "unknown option 'onset': it is called threshold"),
        ({"window_size_samples": 1}, TypeError, "it is 512"),
        ({"options": 5}, TypeError, "options must be VadOptions or None, got int"),
        ({"threshold": 1.5}, ValueError, r"VadOptions: threshold must be a number >= 0 and <= 1"),
        ({"threshold": "high"}, TypeError, "VadOptions: threshold must be a number"),
        ({"neg_threshold": 0.6}, ValueError, "no more than threshold=0.5, got 0.6"),
        ({"speech_pad_ms": 0.5}, TypeError, "speech_pad_ms must be an int in 0"),
        (
            {"min_silence_duration_ms": -1},
            ValueError,
            "min_silence_duration_ms must be an int in 0",
        ),
        ({"max_speech_duration_s": 0.8}, ValueError, r"more than .* 0.832 s, got 0.8"),
        ({"max_speech_duration_s": 0}, ValueError, "must be a number > 0"),
        ({"max_speech_duration_s": math.nan}, ValueError, "must be a number > 0, got nan"),
        ({"cpu_threads": -1}, ValueError, "n_threads"),
    ],
)
def test_options_that_are_none(jfk, keywords, error, message):
    with pytest.raises(error, match=message):
        speech_timestamps(jfk[:RATE], **keywords)


@pytest.mark.parametrize("parameters", [5, "0.5", ["threshold"]])
def test_vad_parameters_are_options_or_a_mapping(parameters):
    with pytest.raises(TypeError, match="transcribe: vad_parameters must be VadOptions, a mapping"):
        TranscribeOptions(vad_parameters=parameters)


def test_vad_parameters_are_told_apart():
    options = TranscribeOptions(vad_filter=True, vad_parameters={"threshold": 0.4})
    assert options.vad_parameters == VadOptions(threshold=0.4)
    assert options == TranscribeOptions(vad_filter=True, vad_parameters=VadOptions(threshold=0.4))
    with pytest.raises(
        TypeError, match="transcribe: vad_parameters: unknown option 'onset': it is"
    ):
        TranscribeOptions(vad_parameters={"onset": 0.4})
    with pytest.raises(TypeError, match="transcribe: vad_filter must be True or False, got 1"):
        TranscribeOptions(vad_filter=1)
    plain = json.loads(json.dumps(options.as_dict()))
    assert plain["vad_parameters"]["threshold"] == 0.4
    assert TranscribeOptions().as_dict()["vad_parameters"] is None
    assert pickle.loads(pickle.dumps(options)) == options


@pytest.mark.parametrize("windows", ["sequential", "independent"])
def test_speech_is_heard_where_it_is(tiny_en, quiet_talk, windows):
    found = tiny_en.transcribe(quiet_talk, vad_filter=True, windows=windows, temperature=0.0)
    assert [segment.text.count("country") for segment in found.segments].count(0) == 0
    starts = [segment.start for segment in found.segments]
    assert starts[0] == pytest.approx(30.0, abs=0.5)
    assert starts[-1] >= 61.0
    assert found.segments[-1].end <= 72.0
    assert found.info.metrics.core.encoder_calls == 2
    assert found.info.metrics.vad_ms > 0
    heard = found.info.options.clip_timestamps
    assert len(heard) == 4
    assert heard[0] == pytest.approx(30.0, abs=0.6)


def test_windows_side_by_side_change_nothing(tiny_en, quiet_talk, jfk):
    keywords = {"vad_filter": True, "windows": "independent", "temperature": 0.0}
    alone = [tiny_en.transcribe(audio, **keywords).segments for audio in (quiet_talk, jfk)]
    together = tiny_en.transcribe_many([quiet_talk, jfk], **keywords)
    assert [found.segments for found in together] == alone


@pytest.mark.filterwarnings("ignore::sottovoce.AudioWarning")
@pytest.mark.parametrize("windows", ["sequential", "independent"])
def test_without_speech_nothing_is_heard(tiny_en, quiet_talk, windows):
    told = []
    found = tiny_en.transcribe(
        quiet_talk[: 30 * RATE], vad_filter=True, windows=windows, progress=told.append
    )
    assert found.text == ""
    assert found.info.metrics.core.encoder_calls == 0
    assert told[-1].position == found.info.duration == 30.0


def test_channels_have_silences_of_their_own(tiny_en, jfk):
    silent = np.zeros_like(jfk)
    left, right = np.concatenate([jfk, silent]), np.concatenate([silent, jfk])
    found = tiny_en.transcribe(
        np.stack([left, right]), channels=("A", "B"), vad_filter=True, temperature=0.0
    )
    starts = {name: [s.start for s in found.segments if s.speaker == name] for name in "AB"}
    assert max(starts["A"]) < 11 <= min(starts["B"]) + 0.1


def test_the_language_is_that_of_the_speech(base, quiet_talk):
    language, _ = base.detect_language(quiet_talk)
    info = base.transcribe(quiet_talk, vad_filter=True).info
    assert info.language == "en"
    assert info.language_probability > 0.9 or language == "en"


def test_the_encoding_of_the_detection_serves_the_first_window(base, quiet_talk, jfk):
    talk = np.concatenate([quiet_talk[: 30 * RATE], *[jfk] * 3])
    told, found = (
        base.transcribe(talk, vad_filter=True, language=language) for language in ("en", None)
    )
    assert found.segments == told.segments
    assert found.segments[0].seek > 29 * 100
    assert found.info.metrics.core.encoder_calls == told.info.metrics.core.encoder_calls == 2


def test_the_door_is_open():
    assert {"VadOptions", "VoiceActivityStream", "speech_timestamps", "voice_activity"} <= set(
        sottovoce.__all__
    )
    assert isinstance(WhisperModel.transcribe.__doc__, str)
    assert "vad_filter (False)" in WhisperModel.transcribe.__doc__
