"""One window, decoded once: what is said of it, and its language."""

from types import SimpleNamespace

import numpy as np
import pytest

import fake_core
from fake_core import ENGLISH, FakeCore, FakeFeatures, Heard, at, word
from sottovoce import _core
from sottovoce.engine import window
from sottovoce.options import DecodeOptions
from sottovoce.policy.window import compression_ratio

TOKENIZER = fake_core.tokenizer()
FEATURES = FakeFeatures(np.zeros((80, 3000), np.float32))


@pytest.fixture(autouse=True)
def open_options(monkeypatch):
    """The core's options tell nobody what they hold; these do."""
    monkeypatch.setattr(_core, "DecodingOptions", SimpleNamespace)


def test_text_is_stripped_and_without_timestamps():
    core = FakeCore([Heard([at(0), word(3), word(4), at(2)], -0.5, 0.25)])
    heard = window.decode(core, TOKENIZER, FEATURES, DecodeOptions(language="en"))
    assert heard.text == "w3 w4"
    assert heard.tokens == (at(0), word(3), word(4), at(2))
    assert (heard.avg_logprob, heard.no_speech_prob, heard.language) == (-0.5, 0.25, "en")
    assert heard.compression_ratio == compression_ratio("w3 w4")


def test_the_language_is_detected_if_none_is_given():
    core = FakeCore([Heard([])], language="de")
    heard = window.decode(core, TOKENIZER, FEATURES, DecodeOptions())
    assert heard.language == "de"
    assert core.asked[0].initial_tokens[1] == TOKENIZER.language_token("de")


def test_english_only_never_detects():
    core = FakeCore([Heard([])], n_vocab=ENGLISH)
    english = fake_core.tokenizer(ENGLISH)
    assert window.decode(core, english, FEATURES, DecodeOptions()).language == "en"
    assert core.detected_in == []
