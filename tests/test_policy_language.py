"""Where a recording's language is listened for, and what several places come to."""

from types import SimpleNamespace

import numpy as np
import pytest

import fake_core
from fake_core import FakeCore, Heard, at, silence, word
from sottovoce import TranscribeOptions, _core
from sottovoce.policy.language import allowed, places_to_listen, together

LONG = Heard([at(0), word(1), at(30)])  # one sentence that fills a window


@pytest.mark.parametrize(
    ("n_frames", "most", "places"),
    [
        (0, 1, [0]),
        (0, 4, [0]),
        (2999, 4, [0]),
        (5999, 4, [0]),
        (6000, 1, [0]),
        (6000, 4, [0, 3000]),
        (9500, 4, [0, 3250, 6500]),
        (63000, 4, [0, 20000, 40000, 60000]),
    ],
)
def test_places_are_spread_and_do_not_overlap(n_frames, most, places):
    assert places_to_listen(n_frames, 3000, most) == places


def test_of_the_allowed_languages_something_is_spoken():
    heard = {"en": 0.2, "de": 0.1, "fr": 0.7}
    assert allowed(heard, ()) == heard
    assert allowed(heard, ("de", "en")) == pytest.approx({"en": 2 / 3, "de": 1 / 3})
    assert allowed({"en": 0.0, "de": 0.0, "fr": 1.0}, ("en", "de")) == {"en": 0.5, "de": 0.5}


def test_the_place_that_is_sure_decides_or_all_do():
    unsure, other = {"en": 0.4, "de": 0.3}, {"en": 0.1, "de": 0.35}
    assert together([unsure, {"en": 0.1, "de": 0.5}], 0.5) == {"en": 0.1, "de": 0.5}
    assert together([unsure, other], 0.5) == pytest.approx({"en": 0.25, "de": 0.325})
    assert together([unsure], 0.5) == unsure


class Polyglot(FakeCore):
    """Hears `spoken` in turn: the likeliest language and its probability; the next gets half the
    rest."""

    spoken = (("en", 0.9),)

    def detect_language(self, features, sot, language_tokens):
        self.detected_in.append(features)
        code, probability = self.spoken[len(self.detected_in) - 1]
        codes = fake_core.tokenizer(self.n_vocab).language_codes
        found = np.zeros(len(codes), np.float32)
        found[codes.index("nl")] = (1 - probability) / 2
        found[codes.index(code)] = probability
        return found


def heard(spoken, seconds=100.0, **options):
    core = Polyglot([Heard([at(0), word(1), at(30)])] * 4)
    core.spoken = spoken
    found = core.model().transcribe(silence(seconds), temperature=0.0, **options)
    list(found)
    return found.info, core


def test_one_place_by_default_the_first():
    info, core = heard([("de", 0.4)])
    assert (info.language, info.language_probability) == ("de", pytest.approx(0.4))
    assert len(core.detected_in) == 1
    assert core.heard_in[0] is core.detected_in[0]


def test_places_are_listened_to_until_one_is_sure():
    info, core = heard([("de", 0.3), ("fr", 0.6), ("en", 1.0)], language_detection_segments=4)
    assert (info.language, info.language_probability) == ("fr", pytest.approx(0.6))
    assert len(core.detected_in) == 2
    assert core.heard_in[0] is core.detected_in[0]  # decoding begins with the first all the same
    info, core = heard(
        [("de", 0.3), ("fr", 0.6), ("en", 0.8)],
        language_detection_segments=3,
        language_detection_threshold=0.7,
    )
    assert info.language == "en"


def test_if_none_is_sure_all_of_them_decide():
    info, core = heard([("de", 0.4), ("fr", 0.36), ("de", 0.4)], language_detection_segments=3)
    assert len(core.detected_in) == 3
    assert info.language == "nl"  # (0.3 + 0.32 + 0.3) / 3, before German with (0.4 + 0.4) / 3
    assert info.language_probability == pytest.approx(0.92 / 3)


def test_languages_that_it_may_be():
    info, core = heard([("de", 0.6)], languages=("dutch", "en"))
    assert (info.language, info.language_probability) == ("nl", pytest.approx(1.0))
    assert set(info.all_language_probs) == {"en", "nl"}
    info, core = heard([], languages="de")
    assert (info.language, core.detected_in) == ("de", [])


def test_spellings():
    assert TranscribeOptions(languages="de, English").languages == ("de", "en")
    assert TranscribeOptions(languages=["fr", "fr"]).languages == ("fr",)
    assert TranscribeOptions(languages=None).languages == ()
    with pytest.raises(ValueError, match="languages must be codes or names such as"):
        TranscribeOptions(languages=("de", "auto"))
    with pytest.raises(ValueError, match="got 'klingon'"):
        TranscribeOptions(languages=("klingon",))
    with pytest.raises(TypeError, match=r"languages must be codes or names .*, got 5"):
        TranscribeOptions(languages=5)
    with pytest.raises(ValueError, match="language must be one of languages, de, fr, got 'en'"):
        TranscribeOptions(language="en", languages=("de", "fr"))
    assert TranscribeOptions(language="de", languages=("de", "fr")).language == "de"


def test_a_model_must_know_them(tiny_en, jfk):
    with pytest.raises(ValueError, match="language must be 'en' for an English-only model"):
        tiny_en.transcribe(jfk, languages=("en", "de"))
    assert tiny_en.transcribe(jfk[:16000], languages=("en",)).info.language == "en"


# --- the language of every window ---


@pytest.fixture
def open_options(monkeypatch):
    """The core's options tell nobody what they hold; these do."""
    monkeypatch.setattr(_core, "DecodingOptions", SimpleNamespace)


def windows(core, seconds=90, **keywords):
    segments, _ = core.model().transcribe(
        silence(seconds), multilingual=True, temperature=0.0, **keywords
    )
    return [segment.language for segment in segments]


def asked_in(core):
    tokens = {fake_core.tokenizer().language_token(code): code for code in ("en", "de", "fr")}
    return [next(tokens[t] for t in each.initial_tokens if t in tokens) for each in core.asked]


def test_a_window_that_is_sure_changes_the_language(open_options):
    core = FakeCore([LONG] * 3, language=["en", "en", "de", "de"])  # the first two are one window
    assert windows(core) == ["en", "de", "de"]
    assert asked_in(core) == ["en", "de", "de"]


def test_a_window_in_another_language_is_not_prompted_in_the_last_one(open_options):
    core = FakeCore([LONG] * 3, language=["en", "en", "de", "de"])
    windows(core)
    assert [bool(prompt) for prompt in core.prompts()] == [False, False, True]


def test_a_window_that_is_likely_changes_nothing_until_the_next_one_is_too():
    core = FakeCore([LONG] * 4, language=["en", "en", "de", "en", "de"], certainty=0.6)
    assert windows(core, 120) == ["en"] * 4
    core = FakeCore([LONG] * 4, language=["en", "en", "de", "de", "de"], certainty=0.6)
    assert windows(core, 120) == ["en", "en", "de", "de"]


def test_independent_windows_begin_in_the_language_that_they_are_likeliest_in():
    languages = ["en", "en", "de", "fr"]
    core = FakeCore([LONG] * 3, language=languages, certainty=0.6)
    assert windows(core, windows="independent", clip_timestamps="0,30,30,60,60,90") == languages[1:]


def test_only_allowed_languages_are_looked_for_in_a_window():
    core = FakeCore([LONG] * 2, language=["en", "en", "de"])
    assert windows(core, 60, languages=("en", "fr")) == ["en", "en"]


def test_without_it_the_language_is_looked_for_once():
    core = FakeCore([LONG] * 3, language=["en"])
    segments, _ = core.model().transcribe(silence(90), temperature=0.0)
    assert [segment.language for segment in segments] == ["en"] * 3
