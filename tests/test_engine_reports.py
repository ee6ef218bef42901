"""What a `progress` function is told, when, and in which thread."""

import threading
from types import SimpleNamespace

import pytest

import python_threads
from fake_core import FakeCore, Heard, at, silence, word
from sottovoce import Progress, StateError, _core

LONG = Heard([at(0), word(1), at(30)])  # one sentence that fills a window
HALF = Heard([at(0), word(1), at(10), at(10), word(2), at(20), at(20), word(3)])
QUIET = Heard([word(9)], avg_logprob=-1.5, no_speech_prob=0.9)


@pytest.fixture(autouse=True)
def open_options(monkeypatch):
    """The core's options tell nobody what they hold; these do."""
    monkeypatch.setattr(_core, "DecodingOptions", SimpleNamespace)


class Told:
    """A progress function that keeps what it is told."""

    def __init__(self) -> None:
        self.calls: list[Progress] = []
        self.threads: set[threading.Thread] = set()

    def __call__(self, progress: Progress) -> None:
        self.calls.append(progress)
        self.threads.add(threading.current_thread())

    def positions(self, index: int = 0) -> list[float]:
        return [call.position for call in self.calls if call.index == index]

    def segments(self, index: int = 0) -> list:
        return [s for call in self.calls if call.index == index for s in call.segments]


def told_of(script, seconds: float, **options) -> tuple[Told, list]:
    told, core = Told(), FakeCore(script)
    options = {"language": "en", "temperature": 0.0, **options}
    found = core.model().transcribe(silence(seconds), progress=told, **options)
    assert told.calls == []
    heard = list(found)
    assert all(call.info is found.info for call in told.calls)
    assert told.threads == {threading.main_thread()}
    return told, heard


def test_it_is_told_how_long_the_rest_will_take():
    told, _ = told_of([LONG, LONG, LONG], 75)
    first, *others, last = told.calls
    assert (first.duration, first.remaining) == (75.0, None)
    elapsed = [call.elapsed for call in told.calls]
    assert elapsed == sorted(elapsed)
    for call in others:
        pace = call.elapsed / call.position
        assert call.remaining == pytest.approx(pace * (75.0 - call.position))
    assert last.remaining == 0.0


@pytest.mark.parametrize(
    ("script", "seconds", "options", "positions"),
    [
        ([LONG, LONG, LONG], 75, {}, [0.0, 30.0, 60.0, 75.0]),
        ([LONG], 11.005, {}, [0.0, 11.005]),  # whose last frame is not whole
        ([HALF, LONG, LONG], 60, {}, [0.0, 20.0, 50.0, 60.0]),
        ([QUIET, LONG], 60, {}, [0.0, 30.0, 60.0]),
        ([LONG, QUIET], 60, {}, [0.0, 30.0, 60.0]),
        ([LONG, LONG], 90, {"clip_timestamps": "10,20,60,70"}, [0.0, 20.0, 70.0, 90.0]),
        ([], 0, {}, [0.0]),
        ([], 5, {"clip_timestamps": "8"}, [0.0, 5.0]),
    ],
)
def test_windows_one_after_the_other(script, seconds, options, positions):
    told, heard = told_of(script, seconds, **options)
    assert told.positions() == positions
    assert told.segments() == heard
    assert told.calls[0].segments == ()


def test_a_window_is_told_before_its_segments_are_handed_over():
    told = Told()
    model = FakeCore([HALF, LONG, LONG]).model()
    segments, _ = model.transcribe(silence(60), language="en", temperature=0.0, progress=told)
    assert segments[0].id == 0
    assert [s.id for s in told.segments()] == [0, 1]


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_independent_windows_add_up(batch_size):
    told, heard = told_of(lambda _: LONG, 90, windows="independent", batch_size=batch_size)
    assert told.positions() == [0.0, 30.0, 60.0, 90.0]
    assert sorted(s.start for s in told.segments()) == [s.start for s in heard]
    told, _ = told_of(lambda _: LONG, 90, windows="independent", clip_timestamps="0,10,50,70")
    assert told.positions()[0] == 0.0
    assert told.positions()[1] in (10.0, 20.0)
    assert told.positions()[2:] == [30.0, 90.0]


def test_many_recordings_are_told_apart_by_their_index():
    told = Told()
    seconds = (45, 0, 20, 70)
    model = FakeCore(lambda _: LONG).model()
    found = list(model.transcribe_many(map(silence, seconds), language="en", progress=told))
    assert told.threads == {threading.main_thread()}
    for index, transcription in enumerate(found):
        assert told.segments(index) == list(transcription)
        assert {id(call.info) for call in told.calls if call.index == index} == {
            id(transcription.info)
        }
    assert [told.positions(index) for index in range(4)] == [
        [0.0, 30.0, 45.0], [0.0], [0.0, 20.0], [0.0, 30.0, 60.0, 70.0],
    ]  # fmt: skip


def test_a_recording_that_fails_is_never_told_to_be_over():
    class Deaf(FakeCore):
        def encode(self, mel, n_ctx=None):
            if mel.shape[1] == 1000:
                raise _core.ShapeError("encode: no")
            return super().encode(mel)

    told, audios = Told(), ["/missing.wav", silence(70), silence(30)]
    model = Deaf(lambda _: LONG).model()
    with model.transcribe_many(audios, language="en", progress=told) as found:
        with pytest.raises(FileNotFoundError):
            next(found)
        with pytest.raises(_core.ShapeError):
            next(found)
        assert len(next(found).segments) == 1
    assert [told.positions(index) for index in range(3)] == [[], [0.0, 30.0, 60.0], [0.0, 30.0]]


def test_windows_that_go_on_after_another_failed_tell_no_end():
    class Deaf(FakeCore):
        def encode(self, mel, n_ctx=None):
            if mel.shape[1] == 1000:
                raise _core.ShapeError("encode: no")
            return super().encode(mel)

    for batch_size in (1, 2, 8):
        told, model = Told(), Deaf(lambda _: LONG).model()
        audios = [silence(200), silence(20)]
        options = {
            "language": "en",
            "windows": "independent",
            "clip_timestamps": "0,20,20,30,30,60,60,90,90,120",
            "batch_size": batch_size,
        }
        with model.transcribe_many(audios, progress=told, **options) as found:
            with pytest.raises(_core.ShapeError):
                next(found)
            list(found)
        assert 200.0 not in told.positions(0)
        assert told.positions(1)[-1] == 20.0


class StopError(Exception):
    """Of a caller who has heard enough."""


@pytest.mark.parametrize("windows", ["sequential", "independent"])
@pytest.mark.parametrize("place", [0.0, 30.0, 90.0])
def test_what_the_function_raises_ends_the_call(windows, place):
    def stop(progress):
        if progress.position == place:
            raise StopError(progress.position)

    model = FakeCore(lambda _: LONG).model()
    n_threads = python_threads.count()
    options = {"language": "en", "windows": windows, "progress": stop}
    found = model.transcribe(silence(90), **options)
    for _ in range(2):
        with pytest.raises(StopError, match=str(place)):
            list(found)
    many = model.transcribe_many([silence(90), silence(90)], **options)
    with pytest.raises(StopError, match=str(place)):
        next(many)
    assert python_threads.count_down_to(n_threads) == n_threads


def test_the_function_cannot_hear_further_itself():
    def ask(progress):
        if progress.position == 30:
            found.segments[1]

    found = FakeCore(lambda _: LONG).model().transcribe(silence(90), language="en", progress=ask)
    with pytest.raises(StateError, match="what a progress function, a logit filter or a sig"):
        list(found)


@pytest.mark.parametrize("where", ["transcribe", "transcribe_many"])
def test_progress_is_a_function(where):
    call = getattr(FakeCore([]).model(), where)
    with pytest.raises(TypeError, match=f"^{where}: progress must be a function or None, got True"):
        call([], progress=True)
