"""`Transcription`: heard while it is read, kept, unpacked, saved, shown and sent elsewhere."""

import contextlib
import copy
import gc
import json
import multiprocessing
import pickle
import sys
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import asdict
from operator import methodcaller
from types import SimpleNamespace

import numpy as np
import pytest

import tiny_whisper
from fake_core import FakeCore, Heard, at, silence, word
from sottovoce import (
    AudioError,
    Segment,
    Segments,
    StateError,
    Transcription,
    TranscriptionInfo,
    Transcriptions,
    WhisperModel,
    _core,
)
from sottovoce.options import TranscribeOptions
from sottovoce.results import CallMetrics

PATIENCE = 15  # s, after which something hangs
LONG = Heard([at(0), word(1), at(30)])  # one sentence that fills a window


def segment(i: int, text: str = " word") -> Segment:
    return Segment(i, 0, float(i), i + 1.0, text, (i + 1,), 0.0, -0.5, 1.0, 0.25)


def info() -> TranscriptionInfo:
    options = TranscribeOptions(language="en")
    return TranscriptionInfo("en", 1.0, None, 3.0, options, CallMetrics())


def spelled(segments) -> str:
    return "".join(segment.text for segment in segments)


class Source:
    """Three segments and an end, and what was asked for."""

    def __init__(self, end: BaseException | None = None) -> None:
        self.end, self.n_asked, self.is_closed = end, 0, False

    def segments(self) -> Iterator[Segment]:
        try:
            for i in range(3):
                self.n_asked += 1
                yield segment(i)
            if self.end is not None:
                raise self.end
        finally:
            self.is_closed = True

    def transcription(self) -> Transcription:
        return Transcription(self.segments(), info(), spelled)


ALL = [segment(i) for i in range(3)]


# --- hearing ---


def test_segments_are_heard_as_they_are_asked_for_and_then_kept():
    source = Source()
    found = source.transcription()
    assert source.n_asked == 0
    for n, heard in enumerate(found, start=1):
        assert (heard, source.n_asked) == (ALL[n - 1], n)
    assert list(found) == list(found) == ALL
    assert source.n_asked == 3


def test_a_loop_that_breaks_off_may_be_begun_again():
    source = Source()
    found = source.transcription()
    for _ in found:
        break
    assert source.n_asked == 1
    assert [s.id for s in found] == [0, 1, 2]


def test_two_loops_in_each_other():
    found = Source().transcription()
    assert [(a.id, b.id) for a in found for b in found] == [
        (i, k) for i in range(3) for k in range(3)
    ]


@pytest.mark.parametrize(
    ("ask", "answer", "n_asked"),
    [
        (lambda s: s[0], ALL[0], 1),
        (lambda s: s[1], ALL[1], 2),
        (lambda s: s[np.int64(1)], ALL[1], 2),
        (lambda s: s[-1], ALL[2], 3),
        (lambda s: s[:2], tuple(ALL[:2]), 2),
        (lambda s: s[:0], (), 0),
        (lambda s: s[1:2], (ALL[1],), 2),
        (lambda s: s[1:], tuple(ALL[1:]), 3),
        (lambda s: s[-2:2], (ALL[1],), 3),
        (lambda s: s[:-1], tuple(ALL[:2]), 3),
        (lambda s: s[1::-1], (ALL[1], ALL[0]), 3),
        (lambda s: s[2:0:-1], (ALL[2], ALL[1]), 3),
        (len, 3, 3),
        (bool, True, 1),
        (lambda s: ALL[1] in s, True, 2),
        (lambda s: list(reversed(s)), ALL[::-1], 3),
        (lambda s: s == tuple(ALL), True, 3),
        (lambda s: s == ALL, True, 3),
        (lambda s: s == Segments(ALL), True, 3),
        (lambda s: s == ALL[:2], False, 3),
        (lambda s: s == "abc", False, 0),
        (repr, "<Segments: 0 so far>", 0),
    ],
)  # fmt: skip
def test_segments_are_a_sequence_that_hears_what_it_needs(ask, answer, n_asked):
    source = Source()
    assert ask(source.transcription().segments) == answer
    assert source.n_asked == n_asked


def test_there_is_no_segment_beyond_the_last():
    segments = Source().transcription().segments
    for index in (3, -4):
        with pytest.raises(IndexError):
            segments[index]
    with pytest.raises(TypeError, match="unhashable"):
        hash(segments)


def test_threads_share_one_hearing():
    found = Source().transcription()
    with ThreadPoolExecutor(8) as pool:
        heard = list(pool.map(lambda _: list(found), range(8), timeout=PATIENCE))
    assert heard == [ALL] * 8


def test_a_thread_waits_for_the_one_that_hears():
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> Iterator[Segment]:
        begun.set()
        assert go_on.wait(PATIENCE)
        yield segment(0)

    found = Segments(slow())
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(lambda: found[0])
        assert begun.wait(PATIENCE)
        second = pool.submit(lambda: found[0])
        assert not second.done()
        go_on.set()
        assert first.result(PATIENCE) is second.result(PATIENCE)
    assert not found.is_over  # the second had no need to hear more


def test_an_error_is_raised_again_after_what_was_heard():
    found = Source(AudioError("no more")).transcription()
    for _ in range(3):
        heard = []
        with pytest.raises(AudioError, match=r"^no more$"):
            heard.extend(found)
        assert heard == ALL
    for ask in (len, list, pickle.dumps, lambda s: s[-1]):
        with pytest.raises(AudioError, match=r"^no more$"):
            ask(found.segments)
    with pytest.raises(AudioError, match=r"^no more$"):
        _ = found.text
    assert found.segments[:3] == tuple(ALL)
    assert repr(found) == "<Transcription of 3.0 s, en: 3 segments>"


def test_an_error_keeps_nothing_alive():
    def source():
        yield segment(0)
        raise AudioError("no more")

    gc.collect()
    gc.disable()
    try:
        found = Segments(source())
        kept = weakref.ref(found)
        for _ in range(2):
            with contextlib.suppress(AudioError):
                list(found)
        del found
        assert kept() is None
    finally:
        gc.enable()


def test_an_error_that_cannot_be_copied_is_told():
    class TwoPartError(Exception):
        def __init__(self, one, two):
            super().__init__(f"{one} {two}")

    found = Source(TwoPartError("one", "two")).transcription()
    with pytest.raises(TwoPartError):
        list(found)
    with pytest.raises(StateError, match=r"^transcription: ended by TwoPartError\('one two'\)$"):
        list(found)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
def test_what_was_interrupted_says_so_later(interruption):
    found = Source(interruption()).transcription()
    with pytest.raises(interruption):
        list(found)
    message = (
        f"^transcription: {interruption.__name__} ended it after 3 segments; transcribe again for "
        "the rest$"
    )
    for _ in range(2):
        heard = []
        with pytest.raises(StateError, match=message):
            heard.extend(found)
        assert heard == ALL


@pytest.mark.parametrize("leave", ["close", "with"])
def test_closing_stops_and_keeps_what_was_heard(leave):
    source = Source()
    held = source.segments()  # by somebody else too
    found = Transcription(held, info(), spelled)
    if leave == "with":
        with found as entered:
            assert entered.segments[0] == ALL[0]
    else:
        assert found.segments[0] == ALL[0]
        found.close()
    assert source.is_closed
    assert found.segments[0] == ALL[0]
    with pytest.raises(StateError, match=r"^transcription: closed after 1 segments; transcribe"):
        _ = found.text
    found.close()


def test_closing_what_is_heard_changes_nothing():
    with Source().transcription() as found:
        assert len(found.segments) == 3
    assert found.text == " word word word"


def test_dropping_the_segments_ends_the_source():
    source = Source()
    segments, _ = source.transcription()
    assert segments[0] == ALL[0]
    del segments
    assert source.is_closed


def test_a_source_that_asks_for_its_own_end_is_told():
    def source() -> Iterator[Segment]:
        yield segment(0)
        len(found)
        yield segment(1)

    found = Segments(source())
    message = "^transcription: what a progress function, a logit filter or a signal handler inter"
    with pytest.raises(StateError, match=message):
        list(found)
    with pytest.raises(StateError, match=message):
        list(found)


def in_child(call) -> object:
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)
    child = context.Process(target=lambda: send.send(call()))
    child.start()
    assert receive.poll(PATIENCE), "the child hangs"
    answer = receive.recv()
    child.join(PATIENCE)
    return answer


def refusal(call) -> str:
    with pytest.raises(StateError) as raised:
        call()
    return str(raised.value)


def test_a_forked_child_cannot_go_on_with_its_parents_hearing():
    found = Source().transcription()
    assert found.segments[0] == ALL[0]
    assert in_child(lambda: refusal(lambda: found.text)) == (
        "transcription: a forked process cannot go on with what its parent hears; "
        "transcribe there again"
    )
    assert found.text == " word word word"
    assert in_child(lambda: found.text) == found.text


# --- unpacking ---


def test_it_unpacks_as_segments_and_info():
    found = Source().transcription()
    segments, about = found
    assert (segments, about) == (found.segments, found.info)
    assert isinstance(segments, Segments)
    (again, about), *more = found, 3
    assert (again is segments, about is found.info, more) == (True, True, [3])
    first, *rest = found
    assert (first is segments, rest) == (True, [found.info])
    with pytest.raises(ValueError, match="too many values to unpack"):
        (_,) = found
    with pytest.raises(ValueError, match="not enough values to unpack"):
        _, _, _ = found


def test_everything_else_iterates_over_segments():
    found = Source().transcription()

    def generated():
        yield from found

    def received(*all_of_them):
        return list(all_of_them)

    assert [s for s in found] == ALL  # noqa: C416
    assert (
        list(found) == [*found] == list(iter(found)) == list(generated()) == received(*found) == ALL
    )
    assert tuple(found) == (*found, *()) == tuple(ALL)
    assert list(map(Segment.__repr__, found)) == list(map(repr, ALL))
    assert [s for s, _ in zip(found, range(9), strict=False)] == ALL
    assert max(found, key=lambda s: s.id) == ALL[2]
    one, two, three = list(found)
    assert [one, two, three] == sorted(found, key=lambda s: s.id)
    assert ALL[1] in found
    assert {s.id for s in found} == {0, 1, 2}


def test_it_unpacks_wherever_it_stands():
    def of_generator():
        segments, about = yield
        yield segments, about

    async def of_coroutine(found):
        segments, about = found
        return segments, about

    found = Source().transcription()
    pair = (found.segments, found.info)
    generator = of_generator()
    next(generator)
    assert generator.send(found) == pair
    with pytest.raises(StopIteration) as returned:
        of_coroutine(found).send(None)
    assert returned.value.value == pair
    assert [(a, b) for a, b in [found]] == [pair]
    assert [(a, b) for n, (a, b) in enumerate([found])] == [pair]
    module = {"found": found}
    exec("segments, info = found\nlisted = list(found)\nfor segment in found: pass", module)
    assert (module["segments"], module["info"], module["listed"]) == (*pair, ALL)
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda f: (lambda pair: pair)([x for (x, y) in [f]]), [found])) == [
            [found.segments]
        ]


def test_it_unpacks_after_many_names_and_many_times():
    """Wide arguments of instructions, and instructions that specialise themselves."""
    found = Source().transcription()
    names = ", ".join(f"name{i}" for i in range(300))
    module = {"found": found}
    exec(f"{names} = range(300)\nfirst, *rest, last = found", module)
    assert (module["first"], module["rest"], module["last"]) == (found.segments, [], found.info)
    for value in [(1, 2), found] * 500 + [[1, 2], found] * 500:
        one, two = value
        assert (one, two) in [(1, 2), (found.segments, found.info)]


@pytest.mark.parametrize("with_opcodes", [False, True])
def test_it_unpacks_under_a_debugger(with_opcodes):
    events = []

    def trace(frame, event, _):
        frame.f_trace_opcodes = with_opcodes
        events.append(event)
        return trace

    def user(found):
        segments, about = found
        return segments, about, [s for s in found]  # noqa: C416

    found = Source().transcription()
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        heard = user(found)
    finally:
        sys.settrace(before)
    assert heard == (found.segments, found.info, ALL)
    assert "line" in events


def test_it_has_no_indices():
    found = Source().transcription()
    with pytest.raises(TypeError, match=r"^a Transcription has no indices; take \.segments or \.i"):
        found[0]
    with pytest.raises(TypeError, match=r"has no len\(\)"):
        len(found)
    assert bool(found)


# --- what it tells ---


def test_text_language_and_dict():
    found = Source().transcription()
    assert (found.text, found.language) == (" word word word", "en")
    plain = found.as_dict()
    assert list(plain) == ["text", "segments", "language"]
    assert plain["segments"][1]["tokens"] == [2]
    assert json.loads(json.dumps(plain)) == plain


def test_the_repr_hears_nothing():
    source = Source()
    found = source.transcription()
    assert repr(found) == "<Transcription of 3.0 s, en: 0 segments so far>"
    assert found.segments[0] == ALL[0]
    assert repr(found) == "<Transcription of 3.0 s, en: 1 segment so far>"
    assert source.n_asked == 1
    list(found)
    assert repr(found) == "<Transcription of 3.0 s, en: 3 segments>"


def test_a_notebook_shows_all_of_it_and_no_markup_of_others():
    said = [segment(0, " <b>&"), segment(1, ""), segment(2, " אבג")]
    said[1] = Segment(**{**asdict(said[1]), "tokens": ()})
    shown = Transcription(iter(said), info(), spelled)._repr_html_()
    assert "<td>00:00.000</td><td>00:01.000</td>" in shown
    assert "&lt;b&gt;&amp;</td>" in shown
    assert 'dir="auto"' in shown
    assert shown.count("<tr>") == 1 + 2


# --- files ---


@pytest.mark.parametrize("name", ["talk.srt", "talk.SRT", "talk.txt", "a.b.json"])
def test_a_file_has_the_format_of_its_suffix(tmp_path, name):
    from sottovoce import writers

    found = Source().transcription()
    assert found.save(tmp_path / name) == tmp_path / name
    suffix = name.rsplit(".")[-1].lower()
    (expected,) = writers.save(found, tmp_path / "other", "x", suffix)
    assert (tmp_path / name).read_bytes() == expected.read_bytes()


def test_a_format_may_be_named(tmp_path):
    path = Source().transcription().save(str(tmp_path / "talk.txt.part"), format="srt")
    assert path.read_text().startswith("1\n00:00:00,000 --> ")


@pytest.mark.parametrize(
    ("name", "keywords", "got"),
    [("talk", {}, "''"), ("talk.docx", {}, "'docx'"), ("talk.srt", {"format": "all"}, "'all'")],
)
def test_an_unknown_format_is_refused_before_anything_is_heard(tmp_path, name, keywords, got):
    source = Source()
    names = "txt, vtt, srt, tsv, json, lrc, csv, ass, full.json"
    with pytest.raises(ValueError, match=rf"{name}'\): format must be one of {names}, got {got}$"):
        source.transcription().save(tmp_path / name, **keywords)
    assert source.n_asked == 0
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_named_before_anything_is_heard(tmp_path):
    source = Source()
    with pytest.raises(FileNotFoundError, match=r"no such folder: '.*missing'$"):
        source.transcription().save(tmp_path / "missing" / "talk.srt")
    assert source.n_asked == 0


def test_no_file_is_begun_before_all_is_heard(tmp_path):
    def source():
        yield segment(0)
        assert list(tmp_path.iterdir()) == []
        yield segment(1)

    Transcription(source(), info(), spelled).save(tmp_path / "talk.srt")
    assert [path.name for path in tmp_path.iterdir()] == ["talk.srt"]


def test_an_error_in_the_middle_leaves_the_old_file(tmp_path):
    (tmp_path / "talk.srt").write_text("old")
    with pytest.raises(AudioError):
        Source(AudioError("no more")).transcription().save(tmp_path / "talk.srt")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


# --- elsewhere ---


@pytest.mark.parametrize(
    "through", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_copies_and_pickles_are_heard_to_the_end(through):
    source = Source()
    found = through(source.transcription())
    assert source.n_asked == 3
    assert (list(found), found.text, found.language) == (ALL, " word word word", "en")
    assert found.info.options == info().options
    segments, about = through(Source().transcription().segments), through(info())
    assert (segments, about.duration) == (ALL, 3.0)


def test_what_a_model_heard_goes_through_a_pool():
    model = tiny_whisper.model()
    found = model.transcribe(silence(2), temperature=0.0)  # with detection
    again = pickle.loads(pickle.dumps(found))
    assert (list(again), again.text) == (list(found), found.text)
    assert again.info.all_language_probs == found.info.all_language_probs
    assert again.info.metrics.as_dict() == found.info.metrics.as_dict()
    plain = asdict(found.info)
    assert plain["options"]["language"] == found.language
    assert plain["metrics"]["mel_ms"] > 0
    for about in (found.info, info()):  # detected, given
        read = json.loads(json.dumps(about.as_dict()))
        assert (read["language"], read["duration"]) == (about.language, about.duration)
        assert read["all_language_probs"] == about.all_language_probs
        assert read["options"]["beam_size"] == 5
        assert read["metrics"].keys() == about.metrics.as_dict().keys()


def test_a_model_works_in_a_pool_of_processes(tmp_path):
    model = WhisperModel(tiny_whisper.write(tmp_path), cpu_threads=1)
    hear = methodcaller("transcribe", silence(1), language="en", temperature=0.0)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        found = pool.submit(hear, model).result(60)
    assert (list(found), found.text) == (list(hear(model)), hear(model).text)


# --- by a model ---


@pytest.fixture
def open_options(monkeypatch):
    """The core's options tell nobody what they hold; these do."""
    monkeypatch.setattr(_core, "DecodingOptions", SimpleNamespace)


def test_transcribe_and_transcribe_many_give_transcriptions(open_options):
    model = FakeCore(lambda _: LONG).model()
    one = model.transcribe(silence(60), language="en")
    assert isinstance(one, Transcription)
    assert (one.text, len(one.segments)) == (" w1 w1", 2)
    many = model.transcribe_many([silence(30)] * 2, language="en")
    assert isinstance(many, Transcriptions)
    for found in many:
        assert repr(found) == "<Transcription of 30.0 s, en: 1 segment>"
        segments, about = found
        assert (segments, about.language, found.text) == (found.segments, "en", " w1")


def test_a_forked_child_cannot_go_on_with_its_parents_many(open_options):
    many = FakeCore(lambda _: LONG).model().transcribe_many([silence(30)] * 4, language="en")
    next(many)
    assert in_child(lambda: refusal(lambda: next(many))) == (
        "transcribe_many: a forked process cannot go on with its parent's iterator; "
        "call transcribe_many there again"
    )
    assert in_child(many.close) is None
    assert len(list(many)) == 3


def test_a_forked_child_drops_its_parents_hearing(open_options):
    """Whoever of the threads holds what: the child ends nothing of it, and does not hang."""
    model = FakeCore(lambda _: LONG).model()
    many = [model.transcribe_many([silence(30)] * 4, language="en")]
    next(many[0])
    assert in_child(many.clear) is None
    assert len(list(many[0])) == 3


def test_threads_take_turns_at_many(open_options):
    many = FakeCore(lambda _: LONG).model().transcribe_many([silence(30)] * 20, language="en")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: list(many), range(4), timeout=PATIENCE))
    assert sum(map(len, found)) == 20


# --- the model itself, elsewhere and closed ---


def test_a_model_pickles_as_its_constructors_arguments(tmp_path, monkeypatch):
    tiny_whisper.write(tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    model = WhisperModel("model", "cpu", "int8", 1, isa="scalar", weights_cache="packed")
    sent = pickle.dumps(model)
    monkeypatch.chdir("/")
    assert len(sent) < 1000
    for again in (pickle.loads(sent), copy.copy(model), copy.deepcopy(model)):
        assert again.core is not model.core
        assert repr(again) == repr(model)
        said = [
            list(m.transcribe(silence(1), language="en", temperature=0.0)) for m in (again, model)
        ]
        assert said[0] == said[1]
    assert repr(model) == f"<WhisperModel {tmp_path}/model: cpu, int8, scalar, 1 thread>"


def test_a_model_keeps_its_name_where_no_such_path_exists(monkeypatch, tmp_path):
    from sottovoce.checkpoints import hub

    directory = tiny_whisper.write(tmp_path / "model")
    monkeypatch.setattr(hub, "resolve", lambda *_, **__: directory)
    model = pickle.loads(pickle.dumps(WhisperModel("base", cpu_threads=1, isa="scalar")))
    assert repr(model) == "<WhisperModel base: cpu, float32, scalar, 1 thread>"


def test_a_model_of_parts_does_not_pickle():
    model = tiny_whisper.model()
    assert repr(model).startswith("<WhisperModel of parts: cpu, float32, ")
    for send in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError) as raised:
            send(model)
        assert str(raised.value) == (
            "WhisperModel: one made by of_parts cannot be pickled or copied; open it by its name "
            "or path"
        )


def test_a_closed_model_refuses_and_lets_go(tmp_path):
    directory = tiny_whisper.write(tmp_path)
    with WhisperModel(directory) as model:
        heard = model.transcribe(silence(1), language="en", policy="openai", temperature=0.0)
        text = heard.text
        under_way = model.transcribe(silence(61), language="en", policy="openai", temperature=0.0)
        assert under_way.segments[0].id == 0
        independent = model.transcribe(
            silence(90), language="en", policy="openai", windows="independent"
        )
        assert independent.segments[0].id == 0
        many = model.transcribe_many(
            [silence(1)] * 9, language="en", policy="openai", temperature=0.0
        )
        next(many)
        core = weakref.ref(model.core)
    gc.collect()
    assert core() is None
    for call in (
        lambda: model.transcribe(silence(1)),
        lambda: model.transcribe_many([silence(1)]),
        lambda: model.detect_language(silence(1)),
        lambda: model.decode(np.zeros((80, 100), np.float32)),
        lambda: model.dims,
        lambda: model.core,
    ):
        assert refusal(call) == "WhisperModel: it is closed; open another"
    for call in (lambda: under_way.text, lambda: list(independent), lambda: next(many)):
        assert refusal(call) == "transcription: its model was closed before it was heard"
    assert (heard.text, under_way.segments[0].id) == (text, 0)
    assert repr(model) == f"<WhisperModel {directory}: closed>"
    model.close()
    assert pickle.loads(pickle.dumps(model)).core.dims.n_mels == 80


def test_a_model_is_closed_while_another_thread_hears(open_options):
    decoding, closing = threading.Event(), threading.Event()

    def hear(_):
        decoding.set()
        assert closing.wait(PATIENCE)
        return LONG

    model = FakeCore(hear).model()
    found = model.transcribe(silence(90), language="en")
    with ThreadPoolExecutor(2) as pool:
        hearing = pool.submit(lambda: list(found))
        assert decoding.wait(PATIENCE)
        closed = pool.submit(model.close)
        closing.set()
        closed.result(PATIENCE)
        error = hearing.exception(PATIENCE)
    assert error is None or "its model was closed" in str(error)
