"""Windows side by side: the words, segments and numbers of one after the other; errors, threads."""

import gc
import io
import itertools
import json
import threading
import time
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import python_threads
import tiny_whisper
from fake_core import FakeBatch, FakeCore, Heard, at, silence, word
from oracle import clips
from sottovoce import LoadError, Segment, WhisperModel, _core
from sottovoce.audio import AudioError

LONG = Heard([at(0), word(1), at(30)])  # one sentence that fills a window


@pytest.fixture
def open_options(monkeypatch):
    """The core's options tell nobody what they hold; these do."""
    monkeypatch.setattr(_core, "DecodingOptions", SimpleNamespace)


@pytest.fixture(autouse=True)
def n_before():
    """Threads at the start of the test. None more is left at its end."""
    n_before = python_threads.count()
    yield n_before
    gc.collect()
    assert python_threads.count_down_to(n_before) == n_before


def one_by_one(model: WhisperModel, audios, **options) -> list[list[Segment]]:
    return [list(model.transcribe(audio, **options)) for audio in audios]


def together(model: WhisperModel, audios, **options) -> list[list[Segment]]:
    return [list(found) for found in model.transcribe_many(audios, **options)]


# --- the same bits ---


def noises(rng: np.random.Generator, *seconds: float) -> list[np.ndarray]:
    return [rng.standard_normal(round(16000 * n)).astype(np.float32) / 9 for n in seconds]


@pytest.mark.parametrize(
    "options",
    [
        *({}, {"beam_size": 1}, {"temperature": 0.6, "seed": 5}),
        *({"word_timestamps": True}, {"word_timestamps": "fast"}),
    ],
)
def test_many_recordings_are_as_one_by_one(rng, options):
    """Noise of one to three windows, with detection and retries."""
    model = tiny_whisper.model(n_threads=2)
    audios = noises(rng, 3, 31, 0, 12, 0.1, 65)
    options = {"temperature": (0.0, 0.4), "sample_len": 30, **options}
    expected = one_by_one(model, audios, **options)
    assert any(segment.temperature > 0 for segments in expected for segment in segments)
    for batch_size in (1, 3, 8):
        assert together(model, audios, batch_size=batch_size, **options) == expected


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_independent_windows_are_clips_on_their_own(rng, batch_size):
    model = tiny_whisper.model()
    (audio,) = noises(rng, 130)
    options = {"language": "en", "temperature": (0.0, 0.5), "initial_prompt": "so"}
    segments, info = model.transcribe(
        audio, windows="independent", batch_size=batch_size, **options
    )
    found = list(segments)
    times = info.options.clip_timestamps
    assert len(times) >= 10
    expected = []
    for clip in zip(times[::2], times[1::2], strict=True):
        alone, _ = model.transcribe(
            audio, clip_timestamps=clip, condition_on_previous_text=False, **options
        )
        expected += alone
    assert [replace(segment, id=0) for segment in found] == [replace(s, id=0) for s in expected]
    assert [segment.id for segment in found] == list(range(len(found)))
    assert info.options.condition_on_previous_text is False
    assert info.metrics.core.encoder_calls >= len(times) / 2


def test_many_recordings_of_independent_windows(rng):
    model = tiny_whisper.model()
    audios = noises(rng, 70, 2, 100)
    options = {"language": "en", "windows": "independent", "temperature": 0.0, "beam_size": 2}
    options["word_timestamps"] = True
    expected = one_by_one(model, audios, batch_size=1, **options)
    for batch_size in (2, 5):
        assert together(model, audios, batch_size=batch_size, **options) == expected


def test_real_speech(tiny_en, dev_data):
    """Some clips, greedy and with beams, with retries that are drawn by lot."""
    lines = (dev_data / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    manifest = map(json.loads, lines)
    audios = [dev_data / m["file"] for m in manifest if m["duration_s"] < 8 and "en" in m["file"]]
    of_words = ({"word_timestamps": True}, {"word_timestamps": "fast"})
    for options in ({"beam_size": 1, "logprob_threshold": -0.3}, {}, *of_words):
        options = {"temperature": (0.0, 0.4), **options}
        expected = one_by_one(tiny_en, audios[:6], **options)
        assert together(tiny_en, audios[:6], batch_size=4, **options) == expected


def test_real_independent_windows(tiny_en, jfk):
    audio = clips.tiled(jfk, 75)
    options = {"beam_size": 1, "temperature": 0.0, "windows": "independent"}
    one, three, eight = (
        list(tiny_en.transcribe(audio, batch_size=n, **options)) for n in (1, 3, 8)
    )
    assert one == three == eight
    assert tiny_en.text(one).count("what you can do for your country") >= 6
    assert all(a.end <= b.start + 0.1 for a, b in itertools.pairwise(one))


# --- order, laziness and figures ---


def lengths(core: FakeCore, *seconds: float, **options) -> list[tuple[int, float]]:
    """How many segments, and how long a recording, in the order they come."""
    results = core.model().transcribe_many(map(silence, seconds), language="en", **options)
    return [(len(segments), info.duration) for segments, info in results]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 128])
def test_results_come_in_the_order_of_the_recordings(open_options, batch_size):
    core = FakeCore(lambda _: LONG)
    found = lengths(core, 90, 30, 0, 60, 1, batch_size=batch_size)
    assert found == [(3, 90.0), (1, 30.0), (0, 0.0), (2, 60.0), (1, 1.0)]
    (batch,) = core.batches
    assert (batch.n_slots, batch.rows_per_slot) == (batch_size, 5)


def test_no_recordings():
    assert list(FakeCore([]).model().transcribe_many([])) == []


def test_recordings_are_asked_for_as_they_are_needed(open_options):
    asked = []

    def endless() -> Iterator[np.ndarray]:
        for number in itertools.count():
            asked.append(number)
            yield silence(30)

    core = FakeCore(lambda _: LONG)
    results = core.model().transcribe_many(endless(), language="en", batch_size=4)
    assert asked == []
    assert core.batches == []
    for number in range(10):
        next(results)
        assert len(asked) <= number + 1 + 2 * (4 + 2)
    results.close()
    assert len(core.encoded) <= len(asked)


def test_windows_wait_for_a_slot_in_bounded_number(open_options):
    core = FakeCore(lambda _: LONG)
    segments, _ = core.model().transcribe(
        silence(3000), language="en", windows="independent", batch_size=4
    )
    assert segments[0].seek == 0
    assert len(core.encoded) - len(core.asked) <= 4 + 2
    segments.close()


def test_independent_segments_come_as_soon_as_those_before_them_are_known(open_options, n_before):
    core = FakeCore(lambda _: LONG)
    segments, info = core.model().transcribe(silence(90), language="en", windows="independent")
    assert (core.asked, python_threads.count()) == ([], n_before)
    assert info.options.clip_timestamps == (0.0, 30.0, 30.0, 60.0, 60.0, 90.0)
    assert [(s.id, s.seek, s.start, s.end) for s in segments] == [
        (0, 0, 0.0, 30.0), (1, 3000, 30.0, 60.0), (2, 6000, 60.0, 90.0),
    ]  # fmt: skip
    assert core.batches[0].n_slots == 3


def test_independent_windows_are_not_prompted_but_by_the_initial_prompt(open_options):
    half = Heard([at(0), word(1), at(15), at(15), word(2)])  # and 15 s to come
    core = FakeCore(lambda options: half if options.initial_tokens[1] == 5 else LONG)
    segments, _ = core.model().transcribe(
        silence(60), language="en", windows="independent", initial_prompt=[5], temperature=0.0
    )
    assert len(list(segments)) == 4
    assert sorted(core.prompts()) == [[], [], [5], [5]]
    core = FakeCore(lambda _: LONG)
    segments, _ = core.model().transcribe(
        silence(60),
        language="en",
        windows="independent",
        initial_prompt=[5],
        carry_initial_prompt=True,
    )
    list(segments)
    assert core.prompts() == [[5], [5]]


def test_clips_that_are_asked_for_stand(open_options):
    core = FakeCore(lambda _: LONG)
    segments, info = core.model().transcribe(
        silence(90), language="en", windows="independent", clip_timestamps="10,50,70"
    )
    assert [segment.seek for segment in segments] == [1000, 4000, 7000]
    assert info.options.clip_timestamps == (10.0, 50.0, 70.0)
    assert [mel.shape[1] for mel in core.encoded] == [3000, 2000, 1000]


def test_the_encoding_of_the_detection_serves_the_first_window(open_options):
    core = FakeCore(lambda _: LONG)
    list(core.model().transcribe_many([silence(45)], batch_size=2))
    assert [mel.shape[1] for mel in core.encoded] == [3000, 1500]


def test_a_retry_hears_the_same_features(open_options):
    core = FakeCore(lambda options: replace(LONG, avg_logprob=-3.0 + 4 * options.temperature))
    (result,) = core.model().transcribe_many([silence(30)], language="en", temperature=(0.0, 0.6))
    assert result.segments[0].temperature == 0.6
    assert core.heard_in[0] is core.heard_in[1]
    assert len(core.encoded) == 1


def test_figures_are_those_of_each_recording(rng):
    model = tiny_whisper.model()
    audios = noises(rng, 1, 31, 2)
    options = {"language": "en", "temperature": 0.0}
    alone = [model.transcribe(audio, **options) for audio in audios]
    tokens = [(len(list(segments)), info.metrics.core.tokens) for segments, info in alone]
    infos = []
    for segments, info in model.transcribe_many(audios, **options):
        infos.append(info)
        assert (len(segments), info.metrics.core.tokens) == tokens[len(infos) - 1]
    assert [i.metrics.core.encoder_calls for i in infos] == [
        i.metrics.core.encoder_calls for _, i in alone
    ]
    assert [i.metrics.core.decode_calls for i in infos] == [
        i.metrics.core.decode_calls for _, i in alone
    ]
    assert all(i.metrics.as_dict()["decoder_prefill_ms"] > 0 for i in infos)
    assert all(i.metrics.mel_ms > 0 for i in infos)


# --- errors ---


def test_a_recording_that_fails_raises_in_its_turn_and_the_others_go_on(open_options, tmp_path):
    (tmp_path / "empty.wav").touch()
    audios = [silence(30), "/missing.wav", silence(60), tmp_path / "empty.wav", silence(1)]
    results = FakeCore(lambda _: LONG).model().transcribe_many(audios, language="en")
    assert len(next(results).segments) == 1
    with pytest.raises(FileNotFoundError):
        next(results)
    assert len(next(results).segments) == 2
    with pytest.raises(AudioError, match="is empty"):
        next(results)
    assert len(next(results).segments) == 1
    with pytest.raises(StopIteration):
        next(results)
    assert issubclass(AudioError, LoadError)


def test_a_window_that_cannot_be_decoded_fails_its_recording_alone():
    model = tiny_whisper.model()
    everything = range(model.dims.n_vocab)
    options = {"suppress_tokens": everything, "without_timestamps": True, "language": "en"}
    with pytest.raises(_core.ShapeError) as alone:
        one_by_one(model, [silence(1)], **options)
    with pytest.raises(_core.ShapeError) as many:
        together(model, [silence(1)], **options)
    assert str(many.value) == str(alone.value)
    with pytest.raises(_core.ShapeError) as clips_of_one:
        list(model.transcribe(silence(90), windows="independent", **options))
    assert str(clips_of_one.value) == str(alone.value)


def test_a_window_that_cannot_be_encoded_fails_its_recording_alone(open_options):
    class Deaf(FakeCore):
        def encode(self, mel, n_ctx=None):
            if mel.shape[1] == 200:
                raise _core.ShapeError("encode: no")
            return super().encode(mel)

    audios = [silence(1), silence(32), silence(3)]
    results = Deaf(lambda _: LONG).model().transcribe_many(audios, language="en")
    assert len(next(results).segments) == 1
    with pytest.raises(_core.ShapeError, match="encode: no"):
        next(results)
    assert len(next(results).segments) == 1


def test_one_failing_clip_fails_the_recording(open_options):
    def hear(options):
        if len(core.asked) == 3:
            raise _core.ShapeError("decode: no")
        return LONG

    core = FakeCore(hear)
    results = core.model().transcribe_many(
        [silence(200), silence(30)], language="en", windows="independent", batch_size=2
    )
    with pytest.raises(_core.ShapeError, match="decode: no"):
        next(results)
    assert len(next(results).segments) == 1


def test_options_are_checked_at_the_call():
    model = FakeCore([]).model()
    with pytest.raises(TypeError, match="unknown option 'beam'"):
        model.transcribe_many([], beam=5)
    with pytest.raises(ValueError, match="language must be one of the model's 99 languages"):
        model.transcribe_many([], language="yue")


@pytest.mark.parametrize(
    "audios",
    [
        *("talk.mp3", b"RIFF", bytearray(b"RIFF"), Path("talk.mp3"), io.BytesIO(b"RIFF")),
        *(silence(1), {"array": silence(1), "sampling_rate": 16000}, None, 3),
    ],
)
def test_one_recording_is_not_many(audios):
    with pytest.raises(TypeError) as raised:
        FakeCore([]).model().transcribe_many(audios)
    assert str(raised.value) == (
        "transcribe_many: audios must be an iterable of recordings, got " + type(audios).__name__
    )


def test_what_an_iterable_raises_comes_after_its_recordings(open_options):
    def audios():
        yield silence(90)
        yield silence(30)
        raise OSError("the disk is gone")

    results = FakeCore(lambda _: LONG).model().transcribe_many(audios(), language="en")
    assert [len(next(results).segments), len(next(results).segments)] == [3, 1]
    with pytest.raises(OSError, match="the disk is gone"):
        next(results)
    with pytest.raises(StopIteration):
        next(results)


def test_an_array_may_be_filled_again_when_the_next_is_asked_for(open_options, rng):
    def audios():
        buffer = np.empty_like(noise)
        for loudness in (0.5, 0.05, 0.005, 0.0005):
            buffer[:] = noise * loudness
            yield buffer

    (noise,) = noises(rng, 1)
    core = FakeCore(lambda _: LONG)
    assert len(together(core.model(), audios(), language="en")) == 4
    means = [mel.mean() for mel in core.encoded]
    assert sorted(set(means), reverse=True) == means


def test_a_file_may_be_closed_when_the_next_is_asked_for(open_options):
    def audios():
        for _ in range(4):
            with clips.JFK.open("rb") as file:
                yield file
        with clips.JFK.open("rb") as file:
            file.close()
            yield file

    results = FakeCore(lambda _: LONG).model().transcribe_many(audios(), language="en")
    assert [next(results).info.duration for _ in range(4)] == [11.0] * 4
    with pytest.raises(ValueError, match="closed file"):
        next(results)


@pytest.mark.parametrize("batch_size", [1, 2, 4])
def test_what_is_heard_before_a_clip_that_fails_does_not_depend_on_the_batch(
    open_options, batch_size
):
    class Deaf(FakeCore):
        def encode(self, mel, n_ctx=None):
            if mel.shape[1] in (2000, 500):
                raise _core.ShapeError(f"encode: no {mel.shape[1]}")
            return super().encode(mel)

    segments, _ = (
        Deaf(lambda _: LONG)
        .model()
        .transcribe(
            silence(60),
            language="en",
            windows="independent",
            clip_timestamps="0,10,10,25,25,45,45,50",
            batch_size=batch_size,
        )
    )
    assert [segments[0].seek, segments[1].seek] == [0, 1000]
    with pytest.raises(_core.ShapeError, match="encode: no 2000"):
        segments[2]


def test_a_recording_that_failed_keeps_no_slots(open_options):
    """Slots are hundreds of megabytes, which the garbage collector does not see."""
    alive = weakref.WeakSet()

    class Watched(FakeCore):
        def new_batch(self, n_slots, rows_per_slot):
            slots = FakeBatch(self, n_slots, rows_per_slot)
            alive.add(slots)
            return slots

    errors = []
    gc.collect()
    gc.disable()
    try:
        for leave in (False, True):
            audios = [silence(60), "/missing.wav", silence(30), silence(30)]
            results = Watched(lambda _: LONG).model().transcribe_many(audios, language="en")
            next(results)
            assert len(alive) == 1
            try:
                next(results)
            except FileNotFoundError as error:
                errors.append(error.with_traceback(None))  # which holds the iterator
            if not leave:
                list(results)
            del results
            assert not alive
    finally:
        gc.enable()
    assert len(errors) == 2


# --- threads ---


@pytest.mark.parametrize("leave", ["drop", "close", "with"])
def test_an_iterator_that_is_left_takes_its_thread_along(open_options, leave, n_before):
    core = FakeCore(lambda _: LONG)
    results = core.model().transcribe_many((silence(60) for _ in range(50)), language="en")
    next(results)
    assert python_threads.count() == n_before + 1
    if leave == "drop":
        del results
    elif leave == "close":
        results.close()
        assert list(results) == []
    else:
        with results:
            next(results)
    assert python_threads.count_down_to(n_before) == n_before
    assert len(core.asked) < 50


def test_segments_that_are_left_take_their_thread_along(open_options, n_before):
    core = FakeCore(lambda _: LONG)
    segments, _ = core.model().transcribe(silence(3000), language="en", windows="independent")
    assert segments[0].seek == 0
    assert python_threads.count() == n_before + 1
    del segments
    assert python_threads.count_down_to(n_before) == n_before


def test_the_thread_ends_with_the_last_recording(open_options, n_before):
    core = FakeCore(lambda _: LONG)
    results = core.model().transcribe_many([silence(30)], language="en")
    list(results)
    assert python_threads.count_down_to(n_before) == n_before


@pytest.mark.parametrize("place", ["decode", "encode"])
def test_ctrl_c_passes_through(open_options, place, n_before):
    class Interrupted(FakeCore):
        def encode(self, mel, n_ctx=None):
            if place == "encode":
                raise KeyboardInterrupt
            return super().encode(mel)

    def interrupt(_):
        raise KeyboardInterrupt

    results = Interrupted(interrupt).model().transcribe_many([silence(60)] * 9, language="en")
    with pytest.raises(KeyboardInterrupt):
        next(results)
    assert python_threads.count_down_to(n_before) == n_before


def test_the_next_window_is_encoded_while_this_one_is_decoded(open_options):
    """Neither of the two could end before the other began."""
    both = threading.Barrier(2, timeout=15)
    n_encoded = itertools.count()

    class Overlapping(FakeCore):
        def encode(self, mel, n_ctx=None):
            if next(n_encoded) == 1:
                both.wait()
            return super().encode(mel)

    def hear(_):
        if len(core.asked) == 1:
            both.wait()
        return LONG

    core = Overlapping(hear)
    assert len(together(core.model(), [silence(30), silence(30)], language="en", batch_size=1)) == 2


def test_callers_in_many_threads_have_batches_of_their_own(open_options):
    model = FakeCore(lambda _: LONG).model()
    found = []

    def work(n: int) -> None:
        time.sleep(0)
        found.append((n, len(together(model, [silence(30 * n)] * n, language="en"))))

    threads = [threading.Thread(target=work, args=(n,)) for n in (1, 2, 3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [(1, 1), (2, 2), (3, 3), (4, 4)]
