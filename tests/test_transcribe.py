"""The seek loop and `WhisperModel`, with a scripted core: what it hears, where it goes on."""

import gc
import inspect
import threading
import weakref
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import fake_core
import sottovoce
from fake_core import ENGLISH, FakeCore, Heard, at, silence, word
from sottovoce import _core
from sottovoce.decoding import WindowResult
from sottovoce.seek import clips
from sottovoce.segments import Window, cut_window, without_empty_speech

TOKENIZER = fake_core.tokenizer()
SPECIAL = TOKENIZER.special
LONG = Heard([at(0), word(1), at(30)])  # one sentence that fills a window


@pytest.fixture(autouse=True)
def open_options(monkeypatch, request):
    """The core's options tell nobody what they hold; these do."""
    if not {"tiny_en", "base"} & set(request.fixturenames):
        monkeypatch.setattr(_core, "DecodingOptions", SimpleNamespace)


def run(script, seconds=60.0, **keywords):
    """The segments, and the core that was asked."""
    core = FakeCore(script)
    keywords = {"language": "en", "temperature": 0.0, **keywords}
    segments, _ = core.model().transcribe(silence(seconds), **keywords)
    return list(segments), core


def cut(tokens, seek=0, size=3000):
    """(start, end, tokens) of each segment, and where to go on."""
    heard = WindowResult(tuple(tokens), "", "en", 0.0, -0.5, 0.1, 1.0)
    found = cut_window(Window(seek, size), heard, TOKENIZER)
    return [(s.start, s.end, list(s.tokens)) for s in found.segments], found.seek


# --- tokens of a window -> segments ---


def test_adjacent_timestamps_end_one_segment_and_start_the_next():
    tokens = [at(0), word(1), at(2), at(2.5), word(2), at(4), at(4)]
    segments, seek = cut(tokens)
    assert segments == [(0.0, 2.0, tokens[:3]), (2.5, 4.0, tokens[3:6])]
    assert seek == 400


def test_words_after_the_last_pair_are_left_to_the_next_window():
    segments, seek = cut([at(0), word(1), at(2), at(2), word(2), word(3)], seek=100)
    assert segments == [(1.0, 3.0, [at(0), word(1), at(2)])]
    assert seek == 100 + 200


def test_a_single_timestamp_at_the_end_finishes_the_window():
    tokens = [at(0), word(1), at(2), at(2), word(2), at(9)]
    segments, seek = cut(tokens, size=1000)
    assert segments == [(0.0, 2.0, tokens[:3]), (2.0, 9.0, tokens[3:])]
    assert seek == 1000


def test_without_a_pair_the_last_timestamp_ends_the_only_segment():
    tokens = [at(0.5), word(1), at(7)]
    assert cut(tokens, seek=3000) == ([(30.0, 37.0, tokens)], 6000)


@pytest.mark.parametrize("tokens", [[word(1)], [at(0), word(1)], []])
def test_without_an_end_the_only_segment_lasts_as_long_as_the_window(tokens):
    assert cut(tokens, size=1234) == ([(0.0, 12.34, tokens)], 1234)


def test_a_lone_start_timestamp_is_taken_for_the_end_as_in_the_reference():
    assert cut([at(1.5), word(1)])[0] == [(0.0, 1.5, [at(1.5), word(1)])]


def test_a_pair_at_zero_does_not_hold_the_walk_up():
    assert cut([at(0), at(0), word(1)], size=500)[1] == 500


def test_segment_text_is_the_words_and_tokens_keep_the_timestamps():
    (segment,), _ = run([Heard([at(0), word(1), SPECIAL.sot, word(2), at(30)])], 30)
    assert segment.text == " w1 w2"
    assert segment.tokens == (at(0), word(1), SPECIAL.sot, word(2), at(30))


def test_segments_without_length_or_words_are_emptied_not_dropped():
    tokens = [at(0), word(1), at(0), at(0), 220, at(2), at(2), word(2), at(3)]
    segments, _ = run([Heard(tokens)], 30)
    assert [s.text for s in segments] == ["", "", " w2"]
    assert [s.tokens for s in segments] == [(), (), (at(2), word(2), at(3))]
    assert [s.is_empty for s in segments] == [True, True, False]
    assert [(s.id, s.start, s.end) for s in segments] == [(0, 0, 0), (1, 0, 2), (2, 2, 3)]
    assert without_empty_speech(segments[2]) is segments[2]


# --- windows ---


def test_windows_follow_each_other_and_the_last_one_is_short():
    segments, core = run([LONG, LONG, Heard([at(0), word(2), at(4)])], 64.5)
    assert [mel.shape for mel in core.encoded] == [(80, 3000), (80, 3000), (80, 450)]
    assert [s.seek for s in segments] == [0, 3000, 6000]
    assert [s.id for s in segments] == [0, 1, 2]
    assert segments[2].end == 64.0


def test_a_window_starts_where_the_last_finished_sentence_ended():
    first = Heard([at(0), word(1), at(20), at(20), word(2)])
    _, core = run([first, LONG, LONG], 60)
    assert [mel.shape[1] for mel in core.encoded] == [3000, 3000, 1000]


def test_the_windows_are_slices_of_one_mel_padded_with_thirty_seconds(jfk):
    core = FakeCore([Heard([at(0), word(1), at(5), at(5), word(2)]), LONG])
    segments, _ = core.model().transcribe(jfk, language="en")
    list(segments)
    mel = _core.log_mel(jfk, 80, padding=480000)
    assert mel.shape == (80, 1100 + 3000)
    assert np.array_equal(core.encoded[0], mel[:, :1100])
    assert np.array_equal(core.encoded[1], mel[:, 500:1100])


def test_silence_is_skipped_without_a_segment_and_without_a_trace_in_the_prompt():
    quiet = Heard([word(9)], avg_logprob=-1.5, no_speech_prob=0.9)
    segments, core = run([LONG, quiet, LONG], 90)
    assert [s.seek for s in segments] == [0, 6000]
    assert [s.id for s in segments] == [0, 1]
    assert core.prompts()[2] == LONG.tokens


def test_confident_words_are_kept_despite_no_speech():
    segments, _ = run([Heard([word(9)], avg_logprob=-0.9, no_speech_prob=0.9)], 30)
    assert [s.text for s in segments] == [" w9"]


def test_each_window_is_encoded_once_for_all_temperatures():
    script = [Heard([word(1)], avg_logprob=-3.0)] * 3
    segments, core = run(script, 30, temperature=(0.0, 0.2, 0.6))
    assert len(core.encoded) == 1
    assert len(core.asked) == 3
    assert segments[0].temperature == 0.6


def test_segments_carry_the_figures_of_their_window():
    (segment,), _ = run([Heard([at(0), word(1), at(1)], -0.75, 0.5)], 30)
    assert (segment.avg_logprob, segment.no_speech_prob, segment.temperature) == (-0.75, 0.5, 0.0)
    assert segment.compression_ratio == 2 / 10


# --- clips ---


@pytest.mark.parametrize(
    ("timestamps", "expected"),
    [
        ([0.0], [(0, 5000)]),
        ([], [(0, 5000)]),
        ([1.0, 2.0], [(100, 200)]),
        ([1.0, 2.0, 3.005], [(100, 200), (300, 5000)]),
        ([0.0, 99.0], [(0, 5000)]),  # an end beyond the audio
        ([3.0, 4.0, 1.0, 2.0], [(300, 400), (100, 200)]),
    ],
)
def test_clips_are_pairs_and_a_missing_end_is_the_end_of_the_audio(timestamps, expected):
    assert clips(timestamps, 5000) == expected


def test_windows_stay_inside_their_clips():
    segments, core = run([LONG, LONG, LONG], 90, clip_timestamps="10,12.5,50")
    assert [mel.shape[1] for mel in core.encoded] == [250, 3000, 1000]
    assert [s.seek for s in segments] == [1000, 5000, 8000]


@pytest.mark.parametrize("clip_timestamps", ["100", "100,200", "5,5", "8,4"])
def test_clips_without_audio_are_passed_over(clip_timestamps):
    segments, core = run([], 60, clip_timestamps=clip_timestamps)
    assert (segments, core.encoded) == ([], [])


# --- prompts ---


def test_a_window_is_prompted_with_all_tokens_before_it_timestamps_included():
    _, core = run([LONG, LONG, LONG], 90)
    assert core.prompts() == [[], LONG.tokens, LONG.tokens * 2]


def test_unconditioned_windows_are_not_prompted():
    _, core = run([LONG, LONG], 60, condition_on_previous_text=False)
    assert core.prompts() == [[], []]


def test_the_initial_prompt_precedes_what_was_said():
    _, core = run([LONG, LONG], 60, initial_prompt=" the ")
    the = TOKENIZER.encode(" the")
    assert core.prompts() == [the, the + LONG.tokens]


def test_the_initial_prompt_is_forgotten_with_the_rest_if_unconditioned():
    _, core = run([LONG, LONG], 60, initial_prompt=[5], condition_on_previous_text=False)
    assert core.prompts() == [[5], []]


def test_a_hot_window_does_not_prompt_the_next_and_takes_the_past_with_it():
    def hear(options):
        first = len(core.asked) == 1
        return replace(LONG, avg_logprob=-2.0 if not first and options.temperature < 0.6 else -0.1)

    core = FakeCore(hear)
    segments, _ = core.model().transcribe(
        silence(90), language="en", temperature=(0.0, 0.6), initial_prompt=[5]
    )
    assert [s.temperature for s in segments] == [0.0, 0.6, 0.6]
    past = [5, *LONG.tokens]
    assert core.prompts() == [[5], past, past, [], []]


def test_a_window_at_half_heat_still_prompts_the_next():
    _, core = run([LONG, LONG], 60, temperature=0.5)
    assert core.prompts() == [[], LONG.tokens]


def test_emptied_segments_leave_the_prompt():
    _, core = run([Heard([at(0), 220, at(30)]), LONG], 60)
    assert core.prompts() == [[], []]


def test_a_carried_initial_prompt_stands_before_every_window():
    keywords = {"initial_prompt": [5, 6], "carry_initial_prompt": True}
    _, core = run([LONG, LONG], 60, condition_on_previous_text=False, **keywords)
    assert core.prompts() == [[5, 6], [5, 6]]
    _, core = run([LONG, LONG], 60, **keywords)
    assert core.prompts() == [[5, 6], [5, 6, *LONG.tokens]]


def test_a_carried_initial_prompt_shortens_the_rest_to_223_tokens_in_all():
    talk = Heard([at(0), *[word(i) for i in range(100)], at(30)])
    initial = list(range(300, 350))
    _, core = run([talk] * 3, 90, initial_prompt=initial, carry_initial_prompt=True)
    said = [*talk.tokens, *talk.tokens]
    assert core.prompts()[2] == initial + said[-173:]


def test_a_carried_initial_prompt_without_room_gives_way_as_in_the_reference():
    initial = list(range(300, 300 + 230))
    _, core = run([LONG] * 3, 90, initial_prompt=initial, carry_initial_prompt=True)
    said = [*LONG.tokens, *LONG.tokens]
    assert core.prompts()[2] == (initial + said[7:])[-223:]
    full = list(range(300, 300 + 223))
    _, core = run([LONG] * 3, 90, initial_prompt=full, carry_initial_prompt=True)
    assert core.prompts()[2] == (full + said)[-223:]


def test_a_prefix_starts_every_window():
    _, core = run([LONG, LONG], 60, prefix=[7])
    assert [o.initial_tokens[-1] for o in core.asked] == [7, 7]


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


def test_english_only_hears_english_whatever_the_task():
    core = FakeCore([Heard([at(0, ENGLISH), word(1, ENGLISH), at(1, ENGLISH)])], n_vocab=ENGLISH)
    segments, info = core.model().transcribe(silence(1), task="translate")
    assert [s.text for s in segments] == [" w1"]
    assert (info.language, core.detected_in) == ("en", [])
    assert core.asked[0].initial_tokens == [50257]


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
    next(segments)
    assert len(core.asked) == 1


def test_options_are_checked_before_the_audio_is_looked_at():
    with pytest.raises(TypeError, match=r"transcribe: unknown option 'beam'"):
        FakeCore([]).model().transcribe("no such file", beam=5)


def test_a_closed_iterator_lets_everything_go():
    core = FakeCore([LONG, LONG])
    segments, _ = core.model().transcribe(silence(60))
    next(segments)
    features = weakref.ref(core.heard_in[0])
    core.heard_in.clear(), core.detected_in.clear()
    segments.close()
    gc.collect()
    assert features() is None
    assert list(segments) == []


def test_the_encoding_of_a_window_is_let_go_before_its_segments_are_seen():
    core = FakeCore([LONG, LONG])
    segments, _ = core.model().transcribe(silence(60))
    next(segments)
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


def test_text_is_decoded_at_once_because_characters_may_span_segments():
    first, *rest = TOKENIZER.encode("☀")  # three bytes, three tokens
    assert len(rest) == 2
    model = FakeCore([Heard([at(0), first, at(30)]), Heard([at(0), *rest, at(30)])]).model()
    segments = list(model.transcribe(silence(60), language="en")[0])
    assert [s.text for s in segments] == ["\ufffd", "\ufffd\ufffd"]
    assert model.text(segments) == "☀"
    assert model.text([]) == ""


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


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"device must be 'cpu', got 'cuda'"):
        sottovoce.WhisperModel("tiny.en", device="cuda")


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
