"""`WhisperModel`, with a scripted core: languages, laziness, threads; and with weights."""

import gc
import inspect
import io
import threading
import weakref
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import fake_core
import sottovoce
import tiny_whisper
from fake_core import ENGLISH, LARGE_V3, FakeCore, Heard, at, run, silence, word
from sottovoce import _core

TOKENIZER = fake_core.tokenizer()
SPECIAL = TOKENIZER.special
LONG = Heard([at(0), word(1), at(30)])  # one sentence that fills a window


@pytest.fixture(autouse=True)
def open_options(monkeypatch, request):
    """The core's options tell nobody what they hold; these do."""
    if not {"tiny_en", "base"} & set(request.fixturenames):
        monkeypatch.setattr(_core, "DecodingOptions", SimpleNamespace)


# --- languages ---


def test_the_language_is_detected_in_the_first_thirty_seconds():
    core = FakeCore([LONG, LONG], language="de")
    segments, info = core.model().transcribe(silence(45))
    assert (info.language, info.options.language) == ("de", "de")
    assert info.language_probability == pytest.approx(0.9)
    assert list(info.all_language_probs) == list(TOKENIZER.language_codes)
    list(segments)
    assert all(o.initial_tokens[-2] == TOKENIZER.language_token("de") for o in core.asked)


def test_a_long_recording_reuses_the_encoding_of_the_detection():
    core = FakeCore([LONG, LONG])
    segments, _ = core.model().transcribe(silence(45))
    list(segments)
    assert core.heard_in[0] is core.detected_in[0]
    assert [mel.shape[1] for mel in core.encoded] == [3000, 1500]


def test_a_short_recording_is_encoded_again_because_its_padding_differs(jfk):
    core = FakeCore([LONG])
    segments, _ = core.model().transcribe(jfk)
    list(segments)
    assert [mel.shape[1] for mel in core.encoded] == [3000, 1100]
    assert core.detected_in[0].mel[:, 1100:].max() < core.detected_in[0].mel.max()


@pytest.mark.parametrize("clip_timestamps", ["1", "0,20"])
def test_a_clip_that_is_not_the_first_window_is_encoded_itself(clip_timestamps):
    core = FakeCore([LONG, LONG])
    segments, _ = core.model().transcribe(silence(45), clip_timestamps=clip_timestamps)
    list(segments)
    assert core.heard_in[0] is not core.detected_in[0]


def test_a_given_language_is_not_detected():
    core = FakeCore([])
    _, info = core.model().transcribe(silence(1), language="French")
    assert (info.language, info.language_probability, info.all_language_probs) == ("fr", 1.0, None)
    assert core.encoded == []


def test_english_only_hears_english():
    core = FakeCore([Heard([at(0, ENGLISH), word(1, ENGLISH), at(1, ENGLISH)])], n_vocab=ENGLISH)
    segments, info = core.model().transcribe(silence(1))
    assert [s.text for s in segments] == [" w1"]
    assert (info.language, core.detected_in) == ("en", [])
    assert core.asked[0].initial_tokens == [50257]


@pytest.mark.parametrize(
    ("is_turbo", "words"),
    [
        (False, "needs a multilingual model: the model of parts knows English alone"),
        (True, "needs a model that has learnt to: the model of parts is a large-v3-turbo, which"),
    ],
)
def test_what_a_model_cannot_translate_it_refuses(is_turbo, words):
    core = FakeCore([], n_vocab=LARGE_V3 if is_turbo else ENGLISH)
    if is_turbo:
        core.dims.n_audio_layer, core.dims.n_text_layer = 32, 4
    model = core.model()
    for call in (
        lambda: model.transcribe(silence(1), task="translate", policy="robust"),
        lambda: model.transcribe_many([silence(1)] * 3, task="translate", policy="robust"),
        lambda: model.decode(np.zeros((80, 100), np.float32), task="translate"),
    ):
        with pytest.raises(ValueError, match=f"task='translate' {words}"):
            call()
    assert core.asked == []


def test_as_openai_whisper_a_translation_may_be_none():
    core = FakeCore([Heard([at(0, ENGLISH), word(1, ENGLISH), at(1, ENGLISH)])], n_vocab=ENGLISH)
    segments, _ = core.model().transcribe(silence(1), task="translate", policy="openai")
    assert [segment.text for segment in segments] == [" w1"]


def test_english_only_hears_no_other_language_in_any_window():
    with pytest.raises(ValueError, match=r"multilingual=True needs a multilingual model"):
        FakeCore([], n_vocab=ENGLISH).model().transcribe(silence(1), multilingual=True)


def test_english_only_refuses_other_languages():
    model = FakeCore([], n_vocab=ENGLISH).model()
    model.transcribe(silence(1), language="en")
    with pytest.raises(ValueError, match=r"must be 'en' for an English-only model, got 'de'"):
        model.transcribe(silence(1), language="de")
    with pytest.raises(ValueError, match=r"must have a multilingual model"):
        model.detect_language(silence(1))


def test_a_language_of_a_later_model_is_refused():
    with pytest.raises(ValueError, match=r"one of the model's 99 languages, got 'yue'"):
        FakeCore([]).model().transcribe(silence(1), language="yue")


def test_detect_language_tells_all_probabilities():
    code, probabilities = FakeCore([], language="ja").model().detect_language(silence(1))
    assert code == "ja"
    assert len(probabilities) == 99


# --- calls ---


def test_nothing_is_decoded_before_the_first_segment_is_asked_for():
    core = FakeCore([LONG, LONG])
    segments, info = core.model().transcribe(silence(60), language="en")
    assert core.asked == []
    assert info.duration == 60.0
    assert segments[0].seek == 0
    assert len(core.asked) == 1


@pytest.mark.parametrize(
    "audio", [["a.wav", Path("b.wav")], ("a.wav",), [b"RIFF", b"RIFF"], [io.BytesIO()]]
)
def test_several_recordings_are_for_transcribe_many(audio):
    with pytest.raises(TypeError) as raised:
        FakeCore([]).model().transcribe(audio)
    assert str(raised.value) == (
        f"transcribe: audio must be one recording, got {len(audio)} of them; "
        "transcribe_many takes several"
    )


def test_options_are_checked_before_the_audio_is_looked_at():
    with pytest.raises(TypeError, match=r"transcribe: unknown option 'beam'"):
        FakeCore([]).model().transcribe("no such file", beam=5)


def test_a_closed_transcript_lets_everything_go():
    core = FakeCore([LONG, LONG])
    segments, _ = core.model().transcribe(silence(60))
    assert segments[0].seek == 0
    features = weakref.ref(core.heard_in[0])
    core.heard_in.clear(), core.detected_in.clear()
    segments.close()
    gc.collect()
    assert features() is None


def test_the_encoding_of_a_window_is_let_go_before_its_segments_are_seen():
    core = FakeCore([LONG, LONG])
    segments, _ = core.model().transcribe(silence(60))
    assert segments[0].seek == 0
    features = weakref.ref(core.heard_in[0])
    core.heard_in.clear(), core.detected_in.clear()
    gc.collect()
    assert features() is None


def test_ctrl_c_passes_through():
    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(interrupt, 30)


@pytest.mark.parametrize("n_samples", [0, 1, 159])
def test_no_audio_has_no_segments_but_a_language(n_samples):
    core = FakeCore([], language="de")
    segments, info = core.model().transcribe(np.zeros(n_samples, np.float32))
    assert list(segments) == []
    assert info.language == "de"
    assert info.duration == n_samples / 16000


def test_a_tenth_of_a_second_is_a_window_of_ten_frames():
    segments, core = run([Heard([at(0), word(1), at(0.1)])], 0.1)
    assert [mel.shape for mel in core.encoded] == [(80, 10)]
    assert segments[0].end == 0.1


def test_metrics_grow_until_the_segments_are_exhausted():
    core = FakeCore([LONG])
    segments, info = core.model().transcribe(silence(30))
    list(segments)
    figures = info.metrics.as_dict()
    assert figures["mel_ms"] > 0
    assert figures["language_ms"] > 0
    assert {"load_ms", "encoder_forward_ms", "decode_calls", "tokens"} <= figures.keys()


def test_one_model_serves_many_threads_at_once():
    model = FakeCore(lambda options: LONG).model()
    texts = []

    def work(n_windows):
        segments, _ = model.transcribe(silence(30 * n_windows), language="en")
        texts.append((n_windows, len(list(segments))))

    threads = [threading.Thread(target=work, args=(n,)) for n in (1, 2, 3, 1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(texts) == [(1, 1), (1, 1), (2, 2), (2, 2), (3, 3), (3, 3)]


def test_decode_takes_a_mel_or_features():
    core = FakeCore([LONG, LONG])
    mel = np.zeros((80, 100), np.float32)
    model = core.model()
    assert model.decode(mel, language="en").text == "w1"
    assert model.decode(core.encode(mel), language="en", temperature=0.5, best_of=2).text == "w1"
    assert [o.best_of for o in core.asked] == [1, 2]
    with pytest.raises(TypeError, match=r"decode: unknown option 'clip_timestamps'"):
        model.decode(mel, clip_timestamps="0")


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"model_size_or_path": "base"}, "unknown argument 'model_size_or_path': it is called na"),
        ({"n_threads": 2}, "unknown argument 'n_threads': it is called cpu_threads"),
        ({"num_workers": 2}, "'num_workers': it is not needed: any number of threads may use"),
        ({"beam_size": 2}, "unknown argument 'beam_size': transcribe takes it"),
        ({"computetype": "int8"}, "'computetype'; did you mean 'compute_type'"),
        ({"xyzzy": 1}, "unknown argument 'xyzzy'$"),
        ({"device": "int8"}, "device must be 'cpu' or 'auto', got 'int8', which is a compute type"),
        ({"device": 0}, "device must be a str, got 0"),
        ({"compute_type": None}, "compute_type must be a str, got None"),
        ({"cpu_threads": True}, r"cpu_threads must be 0 \(all\) to 1024, got True"),
        ({"cpu_threads": "2"}, r"cpu_threads must be 0 \(all\) to 1024, got '2'"),
    ],
)
def test_arguments_of_others_and_of_wrong_types_are_told(keywords, message):
    with pytest.raises((TypeError, ValueError), match=f"^WhisperModel: .*{message}"):
        sottovoce.WhisperModel("nowhere/model", **keywords)


@pytest.mark.parametrize("name", [3, None, b"base"])
def test_a_model_has_a_name_or_a_path(name):
    with pytest.raises(TypeError, match=f"^WhisperModel: name_or_path must be .*, got {name!r}$"):
        sottovoce.WhisperModel(name)


def test_a_slip_of_places_is_told():
    with pytest.raises(ValueError, match="which is a compute type: compute_type='int8'"):
        sottovoce.WhisperModel("base", "int8")


@pytest.mark.parametrize("cached", [False, True])
def test_the_device_asked_for_is_taken(tmp_path, cached):
    directory = tiny_whisper.write(tmp_path / "model")
    folder = tmp_path / "packed" if cached else False
    for device in ("cpu", "auto", "cpu"):
        model = sottovoce.WhisperModel(directory, device=device, weights_cache=folder)
        assert model.core.device == "cpu"


def test_every_exported_name_exists():
    assert all(hasattr(sottovoce, name) for name in sottovoce.__all__)
    assert inspect.isclass(sottovoce.WhisperModel)


# --- with weights ---


def test_real_speech_is_transcribed(tiny_en, jfk):
    segments, info = tiny_en.transcribe(jfk, beam_size=1)
    heard = tiny_en.text(segments)
    assert "ask not what your country can do for you" in heard
    assert info.metrics.core.encoder_calls == 1
    assert info.metrics.core.tokens > 20


def test_real_audio_of_no_length_says_nothing(tiny_en):
    for n_samples in (0, 1600):
        segments, info = tiny_en.transcribe(np.zeros(n_samples, np.float32), temperature=0.0)
        assert all(s.end <= 30 for s in segments)
        assert info.language == "en"


def test_real_languages_are_told_apart(base, jfk):
    code, probabilities = base.detect_language(jfk)
    assert code == "en"
    assert sum(probabilities.values()) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize(
    "unavailable",
    [{"device": "tpu"}, {"isa": "mmx"}, {"compute_type": "int3"}, {"threading": "fibers"}],
    ids=lambda option: next(iter(option)),
)
def test_what_this_machine_lacks_is_told_before_a_download(unavailable, monkeypatch):
    from sottovoce.checkpoints import hub

    monkeypatch.setattr(hub, "resolve", lambda *_, **__: pytest.fail("asked the hub"))
    (value,) = unavailable.values()
    with pytest.raises(_core.ShapeError, match=rf"got '{value}'"):
        sottovoce.WhisperModel("base", **unavailable)


def test_how_sure_it_is_of_real_speech(base, jfk):
    plain = base.transcribe(jfk, language="en").segments
    found = base.transcribe(jfk, language="en", top_k=3, n_best=4).segments
    for segment, other in zip(found, plain, strict=True):
        assert (segment.tokens, segment.logprobs) == (other.tokens, other.logprobs)
        assert (other.alternatives, other.hypotheses) == ((), ())
        assert len(segment.tokens) == len(segment.logprobs) == len(segment.alternatives)
        for logprob, alternatives in zip(segment.logprobs, segment.alternatives, strict=True):
            assert len(alternatives) == 3
            assert logprob <= alternatives[0].logprob
            assert alternatives[0].text
        texts = [hypothesis.text for hypothesis in segment.hypotheses]
        assert len({hypothesis.tokens for hypothesis in segment.hypotheses}) == 4
        assert all("fellow Americans" in text for text in texts)
        assert segment.hypotheses[0].tokens[: len(segment.tokens)] == segment.tokens or segment.id


def test_one_window_says_how_sure_it_is(base, jfk):
    mel = _core.log_mel(jfk, base.dims.n_mels)
    plain = base.decode(mel, language="en", beam_size=4)
    found = base.decode(mel, language="en", beam_size=4, top_k=3, n_best=4)
    assert (found.tokens, found.logprobs) == (plain.tokens, plain.logprobs)
    assert len(found.tokens) == len(found.logprobs) > 20
    assert (plain.alternatives, plain.hypotheses) == ((), ())
    assert [len(each) for each in found.alternatives] == [3] * len(found.tokens)
    for token, logprob, each in zip(found.tokens, found.logprobs, found.alternatives, strict=True):
        assert [a.logprob for a in each] == sorted((a.logprob for a in each), reverse=True)
        assert {a.logprob for a in each if a.token == token} <= {logprob}
        assert all(a.text == base.tokenizer.decode_with_timestamps([a.token]) for a in each)
    best, *others = found.hypotheses
    assert (best.tokens, best.text) == (found.tokens, found.text)
    assert best.avg_logprob == pytest.approx(found.avg_logprob, rel=1e-6)
    assert len(others) == 3
    scores = [hypothesis.score for hypothesis in found.hypotheses]
    assert scores == sorted(scores, reverse=True)
    assert all(h.text == base.tokenizer.decode(h.tokens).strip() for h in others)
    (greedy,) = base.decode(mel, language="en", n_best=3).hypotheses  # which ends with one
    assert greedy.tokens == base.decode(mel, language="en").tokens


def test_many_recordings_say_how_sure_they_are(base, jfk):
    keywords = {"language": "en", "beam_size": 2, "top_k": 2, "n_best": 2, "temperature": 0.0}
    alone = [list(base.transcribe(samples, **keywords)) for samples in (jfk, jfk[:80000])]
    many = [list(found) for found in base.transcribe_many([jfk, jfk[:80000]], **keywords)]
    assert many == alone
    for segment in (segment for segments in many for segment in segments):
        assert len(segment.tokens) == len(segment.logprobs) == len(segment.alternatives) > 0
        assert {len(each) for each in segment.alternatives} == {2}
        assert len(segment.hypotheses) == 2
