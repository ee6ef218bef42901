"""Channels that are heard each on its own: the samples, the words, the order, the errors."""

import io
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import tiny_whisper
from sottovoce import TranscribeOptions, audio
from sottovoce.audio import AudioError
from sounds import STEP, riff_bytes, tones, wav_bytes

WHOLE = {"temperature": (0.0, 0.4), "sample_len": 30}


@pytest.fixture(scope="module")
def model():
    return tiny_whisper.model()


def noise(seconds: float, n_channels: int) -> np.ndarray:
    """(n_samples, n_channels) of whole 16-bit steps."""
    rng = np.random.default_rng(7)
    stored = rng.standard_normal((round(16000 * seconds), n_channels)) * 3000
    return np.float32(stored.clip(-32768, 32767).round() / 32768)


def bare(segments) -> list:
    """Without what a channel adds."""
    return [
        replace(
            s,
            id=0,
            speaker=None,
            words=None if s.words is None else tuple(replace(w, speaker=None) for w in s.words),
        )
        for s in segments
    ]


def merged(alone: list[list]) -> list:
    """The segments of channels in the order of their starts, the first channel's first."""
    every = [(s.start, c, i, s) for c, some in enumerate(alone) for i, s in enumerate(some)]
    return [s for *_, s in sorted(every, key=lambda row: row[:3])]


# --- samples ---


def sources(stored: np.ndarray, rate: int, folder):
    path = folder / "call.wav"
    path.write_bytes(wav_bytes(stored, rate))
    return [path, str(path), path.read_bytes(), io.BytesIO(path.read_bytes())]


@pytest.mark.parametrize("without_pyav", [False, True])
@pytest.mark.parametrize("rate", [8000, 16000, 44100])
@pytest.mark.parametrize("n_channels", [1, 2, 3])
def test_each_channel_of_a_file_is_as_if_it_came_alone(
    rate, n_channels, without_pyav, request, tmp_path
):
    if without_pyav:
        request.getfixturevalue("without_av")
    stored = tones(rate + 7, rate, *(300.0 * (i + 1) for i in range(n_channels)))
    alone = [audio.load(wav_bytes(stored[:, i : i + 1], rate)) for i in range(n_channels)]
    for source in sources(stored, rate, tmp_path):
        found = audio.read_channels(source)
        assert len(found.channels) == n_channels
        for got, expected in zip(found.channels, alone, strict=True):
            np.testing.assert_array_equal(got, expected)
        np.testing.assert_array_equal(found.samples, audio.load(wav_bytes(stored, rate)))


@pytest.mark.parametrize("rate", [16000, 44100])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
def test_each_channel_of_an_array_is_as_if_it_came_alone(rate, dtype):
    stored = tones(rate + 7, rate, 300, 1000)
    array = stored.astype(dtype) if dtype != np.int16 else (stored * 32767).astype(dtype)
    alone = [audio.load(array[:, i], sample_rate=rate) for i in range(2)]
    forms = [array, array.T, (rate, array), {"array": array.T, "sampling_rate": rate}]
    for form in forms:
        is_plain = isinstance(form, np.ndarray)
        found = audio.read_channels(form, sample_rate=rate if is_plain else None)
        for got, expected in zip(found.channels, alone, strict=True):
            np.testing.assert_array_equal(got, expected)
            assert got.flags.c_contiguous
        np.testing.assert_array_equal(found.samples, audio.load(array, sample_rate=rate))


@pytest.mark.parametrize(
    ("codec", "form"), [("flac", "flac"), ("aac", "mp4"), ("pcm_f32le", "wav")]
)
def test_channels_of_compressed_media_are_the_decoders(codec, form):
    import av

    stored = tones(48000, 48000, 300, 1000)
    out = io.BytesIO()
    with av.open(out, "w", format=form) as container:
        stream = container.add_stream(codec, rate=48000, layout="stereo")
        frame = av.AudioFrame.from_ndarray(np.float32(stored).reshape(1, -1), "flt", "stereo")
        frame.sample_rate, frame.pts = 48000, 0
        resampler = av.AudioResampler(format=stream.format.name, layout="stereo", rate=48000)
        for part in resampler.resample(frame):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    found = audio.read_channels(out.getvalue())
    for i, (got, hz) in enumerate(zip(found.channels, (300, 1000), strict=True)):
        spectrum = np.abs(np.fft.rfft(got[2000:14000]))
        assert abs(spectrum.argmax() * 16000 / 12000 - hz) < 3, i
    assert found.samples.shape == found.channels[0].shape == found.channels[1].shape


def test_empty_arrays_have_the_channels_of_their_shape():
    for shape, n in [((0,), 1), ((0, 2), 2), ((2, 0), 2)]:
        assert len(audio.read_channels(np.zeros(shape, np.float32)).channels) == n


def test_doubts_are_of_each_channel():
    stored = tones(16000, 16000, 300, 300) * [1, 0]
    (doubt,) = audio.read_channels(np.float32(stored)).doubts
    assert doubt.startswith("array (16000, 2) float32, channel 2, is digital silence")


def test_channels_that_come_and_go_are_told():
    import av

    def link(n_channels: int) -> bytes:
        out = io.BytesIO()
        with av.open(out, "w", format="ogg") as container:
            layout = "stereo" if n_channels == 2 else "mono"
            stream = container.add_stream("flac", rate=16000, layout=layout)
            pcm = (tones(8000, 16000, 300, 500)[:, :n_channels] * 9000).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), "s16", layout)
            frame.sample_rate, frame.pts = 16000, 0
            container.mux([*stream.encode(frame), *stream.encode(None)])
        return out.getvalue()

    both = link(2) + link(1)
    assert audio.load(both).size > 8000
    with pytest.raises(AudioError, match=r"same channels throughout .* got 2 and then 1"):
        audio.read_channels(both)


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("n_channels", [2, 3, 8])
def test_channels_of_integers_of_64_bits(rate, n_channels):
    """Which PyAV and NumPy do not exchange; without a layout the mix is the mean of them."""
    stored = tones(rate + 7, rate, *(300.0 * (i + 1) for i in range(n_channels)))
    stored = np.round(stored * 2.0**63).astype(np.int64)
    alone = [audio.load(riff_bytes(stored[:, i : i + 1], rate)) for i in range(n_channels)]
    found = audio.read_channels(riff_bytes(stored, rate, layout=0 if n_channels > 2 else None))
    for got, expected in zip(found.channels, alone, strict=True):
        np.testing.assert_array_equal(got, expected)
    # Two steps of 16 bits: the mix is rounded, and so are the channels.
    np.testing.assert_allclose(found.samples, np.mean(alone, axis=0), rtol=0, atol=2 * STEP)


def test_a_rate_is_for_samples():
    with pytest.raises(ValueError, match="sample_rate is for samples"):
        audio.read_channels(wav_bytes(tones(100, 16000, 300, 500), 16000), sample_rate=16000)


# --- words ---


@pytest.mark.parametrize("windows", ["sequential", "independent"])
@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_channels_are_heard_as_each_alone(model, windows, batch_size):
    call = noise(65, 3)
    options = {**WHOLE, "windows": windows, "word_timestamps": True, "language": "en"}
    alone = [list(model.transcribe(call[:, i], **options)) for i in range(3)]
    found = model.transcribe(call, channels="speakers", batch_size=batch_size, **options)
    segments = list(found.segments)
    assert bare(segments) == bare(merged(alone))
    assert [s.id for s in segments] == list(range(len(segments)))
    assert all(a.start <= b.start for a, b in pairwise(segments))
    for i, some in enumerate(alone, start=1):
        own = [s for s in segments if s.speaker == f"channel {i}"]
        assert bare(own) == bare(some)
    assert all(w.speaker == s.speaker for s in segments for w in s.words)
    assert found.info.duration == 65
    assert found.text == "".join(s.text for s in segments) == model.text(segments)
    assert found.info.options.channels == "speakers"


def test_the_language_is_that_of_the_mix_and_found_once(model):
    call = noise(31, 2)
    mix = model.transcribe(call, **WHOLE).info
    found = model.transcribe(call, channels=("agent", "customer"), **WHOLE)
    assert found.info.language == mix.language
    assert found.info.all_language_probs == mix.all_language_probs
    alone = [list(model.transcribe(call[:, i], language=mix.language, **WHOLE)) for i in (0, 1)]
    assert bare(found.segments) == bare(merged(alone))
    assert {s.speaker for s in found.segments} == {"agent", "customer"}


def test_the_mix_is_what_it_was(model):
    call = noise(12, 2)
    mono = call.mean(1, np.float64).astype(np.float32)
    expected = list(model.transcribe(mono, **WHOLE))
    assert list(model.transcribe(call, channels="mix", **WHOLE)) == expected
    assert list(model.transcribe(call, **WHOLE)) == expected
    assert {s.speaker for s in expected} == {None}


def test_every_source_of_sound_says_the_same(model, tmp_path):
    call = noise(9, 2)
    pcm = (call * 32768).astype(np.int16)
    options = {**WHOLE, "channels": ["a", "b"], "language": "en"}
    expected = list(model.transcribe(call, **options))
    assert len({s.speaker for s in expected}) == 2
    for source in [pcm, (16000, pcm), *sources(call, 16000, tmp_path)]:
        assert list(model.transcribe(source, **options)) == expected


def test_many_calls_are_as_one_by_one(model, tmp_path):
    calls = [noise(33, 2), noise(3, 2)[::-1], noise(5, 2)]
    options = {**WHOLE, "channels": "agent, customer"}
    expected = [list(model.transcribe(call, **options)) for call in calls]
    for batch_size in (1, 8):
        many = model.transcribe_many(calls, batch_size=batch_size, **options)
        assert [list(found) for found in many] == expected


def test_one_call_of_another_shape_fails_alone(model):
    calls = [noise(2, 2), noise(2, 1)[:, 0], noise(2, 3), noise(2, 2)]
    many = model.transcribe_many(calls, channels=("a", "b"), language="en", **WHOLE)
    assert next(many).info.duration == 2
    for got in ("the 1 channel", "the 3 channels"):
        with pytest.raises(ValueError, match=f"must name {got} of the audio, got 2: 'a', 'b'"):
            next(many)
    assert next(many).info.duration == 2


def test_progress_is_of_the_recording(model):
    told = []
    call = noise(65, 2)
    segments = list(
        model.transcribe(call, channels=("a", "b"), language="en", progress=told.append, **WHOLE)
    )
    positions = [progress.position for progress in told]
    assert positions[0] == 0
    assert positions == sorted(positions)
    assert positions.index(65) == len(positions) - 1
    heard = [s for progress in told for s in progress.segments]
    assert sorted(map(repr, bare(heard))) == sorted(map(repr, bare(segments)))
    assert {s.speaker for s in heard} == {"a", "b"}


def test_one_channel_may_have_a_name(model):
    mono = noise(3, 1)[:, 0]
    found = list(model.transcribe(mono, channels=["me"], language="en", **WHOLE))
    assert bare(found) == bare(model.transcribe(mono, language="en", **WHOLE))
    assert {s.speaker for s in found} == {"me"}


def test_no_sound_has_no_segments(model):
    found = model.transcribe(np.zeros((0, 2), np.float32), channels="speakers", language="en")
    assert list(found) == []


def test_turns_may_be_merged_into_channels_as_well(model):
    found = model.transcribe(noise(3, 2), channels="speakers", language="en", **WHOLE)
    assert {s.speaker for s in found.with_speakers([(0, 30, "A")]) if s.text.strip()} <= {"A"}


def test_real_speech_of_two_is_told_apart(tiny_en, jfk):
    """The same sentence on both channels, two seconds later on the second."""
    left, right = np.pad(jfk, (0, 32000)), np.pad(jfk, (32000, 0))
    options = {"temperature": 0.0, "word_timestamps": True}
    alone = [list(tiny_en.transcribe(side, **options)) for side in (left, right)]
    call = np.stack([left, right], axis=1)
    found = tiny_en.transcribe(call, channels=("first", "second"), **options)
    assert bare(found.segments) == bare(merged(alone))
    for name in ("first", "second"):
        said = "".join(s.text for s in found if s.speaker == name)
        assert "ask not what your country can do for you" in said


def test_real_speech_is_cut_between_its_words(tiny_en, jfk):
    plain = tiny_en.transcribe(jfk, word_timestamps=True, temperature=0.0)
    words = [word for segment in plain for word in segment.words]
    turns = [(w.start, w.end, "AB"[i // 5 % 2]) for i, w in enumerate(words)]
    found = plain.with_speakers(turns)
    assert found.text == plain.text == tiny_en.text(found)
    assert "".join(s.text for s in found) == "".join(s.text for s in plain)
    assert [len(s.words) for s in found][:2] == [5, 5]
    assert len(found.segments) > len(words) // 5
    for segment in found:
        spoken = [t for t in segment.tokens if t < tiny_en.tokenizer.special.eot]
        assert tiny_en.tokenizer.decode(spoken) == segment.text
        assert [t for w in segment.words for t in w.tokens] == spoken


# --- what goes wrong ---


def test_one_channel_is_no_speakers(model):
    for mono in (noise(1, 1)[:, 0], noise(1, 1), wav_bytes(noise(1, 1), 16000)):
        with pytest.raises(
            ValueError,
            match=r"^transcribe: channels='speakers' needs audio of several channels, got one",
        ):
            model.transcribe(mono, channels="speakers")


def test_every_channel_needs_a_name(model):
    with pytest.raises(
        ValueError,
        match=r"^transcribe: channels must name the 2 channels of the audio, got 3: 'a', 'b', 'c'$",
    ):
        model.transcribe(noise(1, 2), channels=("a", "b", "c"))


@pytest.mark.parametrize(
    ("channels", "error", "message"),
    [
        ("stereo", ValueError, "'speakers' or the name of each channel, got 'stereo'"),
        ("a,", ValueError, r"none like another, got \('a', ''\)"),
        (("a", "a"), ValueError, r"none like another, got \('a', 'a'\)"),
        ((), ValueError, r"none like another, got \(\)"),
        (("a", " "), ValueError, r"none like another, got \('a', ' '\)"),
        (("a", 1), TypeError, r"the name of each channel, got \('a', 1\)"),
        (None, TypeError, "the name of each channel, got None"),
        (2, TypeError, "the name of each channel, got 2"),
        ({"left": "a"}, TypeError, "the name of each channel, got {"),
    ],
)
def test_bad_names_are_refused(channels, error, message):
    with pytest.raises(error, match=rf"^transcribe: channels must be 'mix', .*{message}$|got {{"):
        TranscribeOptions(channels=channels)


def test_spellings_of_names_become_one_form():
    for spelling in ("a, b", ["a", "b"], ("a", "b"), (np.str_("a"), "b"), iter(["a", "b"])):
        found = TranscribeOptions(channels=spelling).channels
        assert found == ("a", "b")
        assert {type(name) for name in found} == {str}
    assert TranscribeOptions(channels="mix").channels == "mix"


def test_an_error_in_one_channel_is_the_calls(model, monkeypatch):
    from sottovoce.engine import batch

    n_calls = 0
    answer = batch.answer

    def failing(core, request):
        nonlocal n_calls
        n_calls += 1
        if n_calls == 3:
            raise RuntimeError("broken")
        return answer(core, request)

    monkeypatch.setattr(batch, "answer", failing)
    found = model.transcribe(noise(65, 2), channels="speakers", language="en", **WHOLE)
    with pytest.raises(RuntimeError, match="broken"):
        list(found)
    assert found.segments.n_heard == 0
