"""Text -> ids in the core: words, merging, and the table of Unicode behind the words.

The witnesses are tiktoken's ids (tests/golden/tokens, made by tools/make_token_golden.py), the
`tokenizers` library on vocabularies made up here, and the interpreter's own Unicode database.
"""

import hashlib
import json
import re
import sys
import threading
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from sottovoce._core import LoadError, Vocabulary
from sottovoce.text.vocabulary import BYTE_ALPHABET
from token_texts import TEXTS, every_code_point

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden" / "tokens"
BYTES = sorted(BYTE_ALPHABET)  # the pieces of one byte


def spelled(text):
    return "".join(BYTE_ALPHABET[byte] for byte in text.encode())


def vocabulary_of(pieces):
    return Vocabulary(pieces, {"<|endoftext|>": len(pieces)})


def vocabulary_with(*texts):
    """All single bytes, and these pieces in the order of their ids."""
    return vocabulary_of([*BYTES, *map(spelled, texts)])


def texts_of(vocabulary, text):
    return [vocabulary.bytes(token).decode() for token in vocabulary.encode(text)]


# ---- tiktoken ----


@pytest.mark.parametrize("model", ["tiny.en", "base"])
def test_ids_are_tiktokens(models_dir, model):
    vocabulary = Vocabulary.open(str(models_dir / model))
    golden = json.loads((GOLDEN / f"{model}.json").read_text(encoding="utf-8"))
    for text, ids in zip(TEXTS, golden["ids"], strict=True):
        assert vocabulary.encode(text) == ids, text
        assert vocabulary.decode(ids) == text
    ids = np.array(vocabulary.encode(every_code_point()), "<i4")
    assert hashlib.sha256(ids.tobytes()).hexdigest() == golden["every_code_point"]


# ---- the tokenizers library ----


def made_up_pieces(rng, n_merged):
    """All single bytes and as many merged pieces, each of which falls into two pieces in one way
    only: then a list of merges in the order of the ids says the same as the ids."""
    pieces = [*BYTES]
    usual = [*spelled("ab 's1é日\n")]
    while len(pieces) < 256 + n_merged:
        left, right = rng.choice(usual, 2)
        grown = {*pieces, left + right}
        if len(grown) > len(pieces) and all(len(splits(p, grown)) == 1 for p in grown if p[1:]):
            pieces.append(left + right)
            usual.append(left + right)
    return pieces


def splits(piece, pieces):
    halves = ((piece[:i], piece[i:]) for i in range(1, len(piece)))
    return [(left, right) for left, right in halves if left in pieces and right in pieces]


def witness(pieces):
    """The same by `tokenizers`."""
    tokenizers = pytest.importorskip("tokenizers", minversion="0.23")  # whose Unicode is 16
    ids = {piece: i for i, piece in enumerate(pieces)}
    merges = [pair for piece in pieces for pair in splits(piece, ids)]
    made = tokenizers.Tokenizer(tokenizers.models.BPE(ids, merges, ignore_merges=True))
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    return lambda text: made.encode(text).ids


SNIPPETS = [*"ab1é日\n\t.!?'😀", " ", "  ", "aba", "bab", "'s", "'ll", "é日", "\u00a0", "\u3000",
            "\u0301", "\x1f", "²", "Ⅷ", "ت", "\u2028", "\U00010d40"]  # fmt: skip


@pytest.mark.parametrize("n_merged", [0, 10, 60])
def test_ids_are_those_of_the_tokenizers_library(rng, n_merged):
    pieces = made_up_pieces(rng, n_merged)
    vocabulary, expected = vocabulary_of(pieces), witness(pieces)
    for _ in range(3000):
        text = "".join(rng.choice(SNIPPETS, int(rng.integers(0, 40))))
        assert vocabulary.encode(text) == expected(text), text


# ---- words ----

WORDS = {
    "can't I'll they've": ["can", "'t", " I", "'ll", " they", "'ve"],
    "'s't're've'm'll'd'x": ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'", "x"],
    "CAN'T": ["CAN", "'", "T"],
    "it''s 's": ["it", "''", "s", " '", "s"],
    "a1b²Ⅷ.c": ["a", "1", "b", "²Ⅷ", ".", "c"],
    " a 1 . é": [" a", " 1", " .", " é"],
    "a  b   c": ["a", " ", " b", "  ", " c"],
    "a\n\nb\n": ["a", "\n", "\n", "b", "\n"],
    "a \n b": ["a", " \n", " b"],
    "a   ": ["a", "   "],
    "\u00a0a\u3000\u3000 b": ["\u00a0", "a", "\u3000\u3000", " b"],
    "e\u0301a": ["e", "\u0301", "a"],
    "日本語、東京": ["日本語", "、", "東京"],
    "👍🏽 😀!": ["👍🏽", " 😀!"],
    "\x1f \u200b": ["\x1f", " \u200b"],  # neither is white space
    "<|en|>": ["<|", "en", "|>"],
}


@pytest.mark.parametrize(("text", "words"), WORDS.items())
def test_words(text, words):
    """Every run of bytes of the text is a piece, so that whole words are merged and nothing more
    than a word."""
    data = spelled(text)
    runs = {data[i:j] for i in range(len(data)) for j in range(i + 2, len(data) + 1)}
    vocabulary = vocabulary_of([*BYTES, *sorted(runs, key=lambda run: (len(run), run))])
    assert texts_of(vocabulary, text) == words


# ---- merging ----


def test_the_lowest_id_merges_first_and_the_leftmost_of_it():
    assert texts_of(vocabulary_with("bc", "ab"), "abc") == ["a", "bc"]
    assert texts_of(vocabulary_with("ab", "bc"), "abc") == ["ab", "c"]
    assert texts_of(vocabulary_with("aa"), "aaaaa") == ["aa", "aa", "a"]
    assert texts_of(vocabulary_with("aa", "aaa"), "aaaaa") == ["aa", "aaa"]
    assert texts_of(vocabulary_with("aa", "aaaa", "aaa"), "aaaaa") == ["aaaa", "a"]
    assert texts_of(vocabulary_with("bc", "abcd", "ab", "cd"), "abcde") == ["a", "bc", "d", "e"]


def test_a_whole_word_needs_no_merges():
    assert texts_of(vocabulary_with("abcd"), "abcd abcd") == ["abcd", " ", "a", "b", "c", "d"]


def test_only_pieces_below_the_end_of_text_are_merged():
    vocabulary = Vocabulary([*BYTES, "ab"], {"<|endoftext|>": 257, "b": 258, "bc": 259})
    assert texts_of(vocabulary, "bcab") == ["b", "c", "ab"]


def test_very_long_words():
    vocabulary = vocabulary_with("aa", "aaaa", "aaaaaaaa")
    assert len(vocabulary.encode("a" * 400_000)) == 50_000
    assert len(vocabulary.encode(" " * 400_000 + "a")) == 400_001
    assert len(vocabulary.encode("'s" * 200_000)) == 400_000


def test_many_threads_encode_at_once():
    vocabulary = vocabulary_with("ab", "abab", " a")
    text = "abab a b\n" * 500
    expected, found = vocabulary.encode(text), []
    threads = [
        threading.Thread(target=lambda: found.append(vocabulary.encode(text))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 8


# ---- what goes wrong ----


@pytest.mark.parametrize(
    ("pieces", "special", "message"),
    [
        (["a", "b", "a"], {"<|endoftext|>": 3}, r"tokens 0 and 2 are the same bytes"),
        (["a"], {"<|endoftext|>": 0}, r"id 0 of token 'a' stands twice"),
        (["a"], {}, r"has no token <\|endoftext\|>"),
        (["a"], {"<|endoftext|>": -1}, r"token '<\|endoftext\|>' needs an id in 0\.\.1048575"),
        (["a", " a"], {"<|endoftext|>": 2}, r"token ' a' is not spelled in the byte alphabet"),
        (["a", "日"], {"<|endoftext|>": 2}, r"token '日' is not spelled in the byte alphabet"),
    ],
)
def test_bad_pieces(pieces, special, message):
    with pytest.raises(LoadError, match=f"^Vocabulary: {message}$"):
        Vocabulary(pieces, special)


def test_a_byte_without_a_token():
    vocabulary = Vocabulary(["a", "c", "bc"], {"<|endoftext|>": 3})
    assert vocabulary.encode("abc") == [0, 2]
    with pytest.raises(LoadError, match=r"^Vocabulary: has no token of the single byte 98, and"):
        vocabulary.encode("ab")


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\ud83d\ude00"])
def test_lone_surrogates(text):
    with pytest.raises(UnicodeEncodeError, match="surrogates not allowed"):
        vocabulary_with().encode(text)


@pytest.mark.parametrize("text", [None, b"a", 1])
def test_what_is_no_text(text):
    with pytest.raises(TypeError, match=r"encode\(\): incompatible function arguments"):
        vocabulary_with().encode(text)


# ---- the table of Unicode ----


def table():
    """(first, last, class) of each line of csrc/io/unicode_ranges.inl, and its version."""
    text = (ROOT / "csrc" / "io" / "unicode_ranges.inl").read_text()
    (version,) = re.findall(r"Unicode ([\d.]+):", text)
    ranges = re.findall(r"\{0x(\w+), 0x(\w+), ([LNS])\}", text)
    return version, [(int(first, 16), int(last, 16), kind) for first, last, kind in ranges]


def test_the_table_is_sorted_and_without_overlaps():
    _, ranges = table()
    ends = [end for first, last, _ in ranges for end in (first, last + 1)]
    assert ends == sorted(ends)
    assert len(ranges) > 700


def test_the_table_agrees_with_the_interpreter(monkeypatch):
    """On every code point that both know: the same table if the versions are the same."""
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    import make_unicode_ranges

    version, ranges = table()
    assert version == make_unicode_ranges.VERSION
    ours = [""] * (sys.maxunicode + 1)
    for first, last, kind in ranges:
        ours[first : last + 1] = [kind] * (last + 1 - first)
    theirs = [""] * (sys.maxunicode + 1)
    for first, last, kind in make_unicode_ranges.ranges(unicodedata):
        theirs[first : last + 1] = [kind] * (last + 1 - first)
    known = [int(n) for n in version.split(".")]
    running = [int(n) for n in unicodedata.unidata_version.split(".")]
    differ = {chr(code) for code in range(len(ours)) if ours[code] != theirs[code]}
    if running < known:
        differ = {char for char in differ if unicodedata.category(char) != "Cn"}
    elif running > known:
        differ = {char for char in differ if ours[ord(char)]}
    assert not differ
