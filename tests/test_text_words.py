"""Words of tokens: whole characters, whole tokens, nothing lost."""

from __future__ import annotations

import pytest

from sottovoce import WhisperModel
from sottovoce.text.tokenizer import Tokenizer
from sottovoce.text.words import split_words


@pytest.fixture(scope="module")
def tokenizer(base_dir) -> Tokenizer:
    return WhisperModel(base_dir).tokenizer


def words(tokenizer: Tokenizer, text: str, language: str) -> list[str]:
    return [word for word, _ in split_words(tokenizer, tokenizer.encode(text), language)]


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", " And so, it's $3.50.", [" And", " so", ",", " it's", " $3", ".50", "."]),
        ("en", " (well-known) …", [" (well", "-known", ")", " …"]),
        ("de", " Größe über alles", [" Größe", " über", " alles"]),
        ("ar", " مرحبا بكم", [" مرحبا", " بكم"]),
        ("en", " 👨‍👩‍👧 naïve", [" 👨‍👩‍👧", " naïve"]),
        ("ja", "そして国が", ["そして", "国", "が"]),
        ("en", " a\nb", [" a", "\nb"]),
    ],
)
def test_words_end_where_their_language_ends_them(tokenizer, language, text, expected):
    assert words(tokenizer, text, language) == expected


@pytest.mark.parametrize("language", ["en", "ja"])
def test_all_tokens_belong_to_words_in_their_order(tokenizer, language, rng):
    """Of any tokens, also such that make no UTF-8, with and without special ones."""
    for _ in range(200):
        n_ids = rng.choice([256, tokenizer.special.eot, tokenizer.special.n_vocab])
        tokens = rng.integers(0, n_ids, rng.integers(0, 30)).tolist()
        split = split_words(tokenizer, tokens, language)
        assert [token for _, of_word in split for token in of_word] == tokens
        assert all(of_word for _, of_word in split)
        whole = tokenizer.decode_with_timestamps(tokens)
        assert "".join(word for word, _ in split) == whole


def test_a_character_of_several_tokens_is_whole(tokenizer):
    text = "🙂日本語ไทย" * 3
    tokens = tokenizer.encode(text)
    for language in ("en", "zh"):
        for word, of_word in split_words(tokenizer, tokens, language):
            assert tokenizer.decode(of_word) == word
            assert "\ufffd" not in word
    assert len(words(tokenizer, text, "zh")) > 6


def test_special_tokens_are_words_of_their_own(tokenizer):
    eot = tokenizer.special.eot
    tokens = [*tokenizer.encode(" the"), eot, *tokenizer.encode("n"), eot + 1, eot + 2]
    split = [of_word for _, of_word in split_words(tokenizer, tokens, "en")]
    assert split == [tuple(tokens[:1]), tuple(tokens[1:3]), (eot + 1,), (eot + 2,)]


def test_nothing_has_no_words(tokenizer):
    assert split_words(tokenizer, [], "en") == []
