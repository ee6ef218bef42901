"""Ids and text, on a made-up vocabulary, and on real ones where they are."""

import json
from dataclasses import replace

import numpy as np
import pytest

import fake_core
from fake_core import ENGLISH, LARGE_V3, MULTILINGUAL, pieces
from sottovoce._core import LoadError, ShapeError, Vocabulary
from sottovoce.policy.window import suppressed_tokens
from sottovoce.text.languages import CODES_BY_NAME, LANGUAGES, language_code
from sottovoce.text.tokenizer import SpecialTokens, Tokenizer
from sottovoce.text.vocabulary import BYTE_ALPHABET


@pytest.mark.parametrize(
    ("n_vocab", "eot", "n_languages", "no_speech", "timestamp_begin"),
    [
        (ENGLISH, 50256, 99, 50361, 50363),
        (MULTILINGUAL, 50257, 99, 50362, 50364),
        (LARGE_V3, 50257, 100, 50363, 50365),
    ],
)
def test_special_ids_follow_from_the_size(n_vocab, eot, n_languages, no_speech, timestamp_begin):
    special = SpecialTokens.of_vocabulary(n_vocab)
    assert (special.eot, special.sot, special.n_languages) == (eot, eot + 1, n_languages)
    assert (special.no_speech, special.timestamp_begin) == (no_speech, timestamp_begin)
    assert special.timestamp_begin + 1501 == n_vocab
    assert sorted(special.names().values()) == list(range(special.eot, special.timestamp_begin))


def test_a_size_that_no_model_has_is_refused():
    with pytest.raises(LoadError, match=r"n_vocab must be 51864 .* or 51866 .*, got 50000"):
        SpecialTokens.of_vocabulary(50000)


def test_sot_sequence_of_english_only_knows_no_language_and_no_task():
    english = fake_core.tokenizer(ENGLISH)
    assert english.sot_sequence("en", "translate") == (50257,)
    assert english.language_tokens == ()
    assert english.language_codes == ()


def test_sot_sequence_of_multilingual_names_language_and_task():
    tokenizer = fake_core.tokenizer(MULTILINGUAL)
    assert tokenizer.sot_sequence("en", "transcribe") == (50258, 50259, 50359)
    assert tokenizer.sot_sequence("su", "translate") == (50258, 50259 + 98, 50358)


def test_cantonese_needs_the_vocabulary_of_large_v3():
    assert fake_core.tokenizer(LARGE_V3).language_token("yue") == 50259 + 99
    with pytest.raises(ValueError, match=r"one of the model's 99 languages, got 'yue'"):
        fake_core.tokenizer(MULTILINGUAL).language_token("yue")


def test_languages_are_found_by_code_name_and_alias():
    assert len(LANGUAGES) == 100
    assert len(CODES_BY_NAME) == 112
    assert list(LANGUAGES)[:3] == ["en", "zh", "de"]
    assert list(LANGUAGES)[-1] == "yue"
    asked = ["EN", " English ", "castilian", "Haitian Creole", "flemish", "jw", "mandarin"]
    assert [language_code(name) for name in asked] == ["en", "en", "es", "ht", "nl", "jw", "zh"]


def test_an_unknown_language_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match=r"got 'germann'; did you mean 'german'\?"):
        language_code("germann")


def test_merging_prefers_the_lowest_id_and_the_leftmost():
    tokenizer = fake_core.tokenizer()
    ids = {piece: i for i, piece in enumerate(pieces(MULTILINGUAL))}
    assert tokenizer.encode(" the") == [ids["Ġthe"]]
    assert tokenizer.encode(" he") == [ids["Ġ"], ids["he"]]
    assert tokenizer.encode("hehe") == [ids["he"], ids["he"]]
    assert tokenizer.encode("") == []
    assert tokenizer.encode(" ") == [220]


def test_long_words_are_encoded_in_time():
    tokenizer = fake_core.tokenizer()
    assert len(tokenizer.encode("he" * 20_000)) == 20_000


@pytest.mark.parametrize(
    "text", ["plain", "naïve é", "日本語 🎉", "a\n\t b  c", "<|en|>", "\x00\x7f"]
)
def test_decode_undoes_encode(text):
    tokenizer = fake_core.tokenizer()
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_names_of_special_tokens_in_text_are_only_text():
    tokenizer = fake_core.tokenizer()
    assert max(tokenizer.encode("<|endoftext|><|0.00|><|en|>")) < tokenizer.special.eot


def test_decode_drops_timestamps_and_spells_other_special_tokens():
    tokenizer = fake_core.tokenizer()
    special = tokenizer.special
    tokens = [special.sot, special.timestamp_begin + 54, *tokenizer.encode("hi"), special.eot]
    assert tokenizer.decode(tokens) == "<|startoftranscript|>hi<|endoftext|>"
    assert "<|1.08|>hi" in tokenizer.decode_with_timestamps(tokens)
    assert tokenizer.decode_with_timestamps([special.n_vocab - 1]) == "<|30.00|>"


def test_broken_bytes_decode_as_python_replaces_them(rng):
    tokenizer = fake_core.tokenizer()
    ids = {piece: i for i, piece in enumerate(pieces(MULTILINGUAL))}
    of_byte = [ids[char] for char in BYTE_ALPHABET]
    for data in (
        b"\xff",
        b"\xe2\x99",
        b"a\xf0\x9f\x8e b",
        b"\xed\xa0\x80",
        *map(bytes, _noise(rng)),
    ):
        assert tokenizer.decode([of_byte[b] for b in data]) == data.decode("utf-8", "replace")


def _noise(rng):
    return rng.integers(0, 256, (50, 12), dtype=np.uint8)


def test_the_byte_alphabet_is_a_bijection():
    assert len(set(BYTE_ALPHABET)) == 256
    for data in (bytes(range(256)), b" the"):
        spelled = "".join(BYTE_ALPHABET[byte] for byte in data)
        vocabulary = Vocabulary([spelled], {"<|endoftext|>": 1})
        assert vocabulary.bytes(0) == data


@pytest.mark.parametrize("token", [-1, MULTILINGUAL])
def test_an_id_outside_the_vocabulary_is_refused(token):
    with pytest.raises(ShapeError, match=rf"in \[0, n_vocab=51865\), got {token}"):
        fake_core.tokenizer().decode_with_timestamps([token])


def test_non_speech_tokens_are_single_symbols_and_first_tokens_of_notes():
    tokenizer = fake_core.tokenizer()
    ids = {piece: i for i, piece in enumerate(pieces(MULTILINGUAL))}
    unwanted = tokenizer.non_speech_tokens
    assert {ids["#"], ids["Ġ("], ids["Ġ-"], ids["Ġ'"]} <= set(unwanted)
    assert ids["âĻª"] in unwanted  # a note that is one token
    assert ids["â"] in unwanted  # other notes: their first token
    assert ids["Ġ"] in unwanted  # and that of a space before them
    assert not {ids["-"], ids["'"], ids["a"], ids[","]} & set(unwanted)
    assert list(unwanted) == sorted(set(unwanted))


def test_blank_is_a_space_or_the_end():
    assert fake_core.tokenizer(ENGLISH).blank_tokens == (220, 50256)
    assert fake_core.tokenizer(MULTILINGUAL).blank_tokens == (220, 50257)


@pytest.mark.parametrize("n_vocab", [ENGLISH, MULTILINGUAL, LARGE_V3])
def test_open_reads_tokenizer_json(tmp_path, n_vocab):
    fake_core.write_tokenizer_json(tmp_path, n_vocab)
    tokenizer = Tokenizer.open(tmp_path, n_vocab)
    assert tokenizer.decode(tokenizer.encode(" w7 the")) == " w7 the"
    assert tokenizer.special.n_vocab == n_vocab


def test_open_knows_the_other_names_of_tokens(tmp_path):
    rename = {"<|nospeech|>": "<|nocaptions|>", "<|he|>": "<|iw|>"}
    fake_core.write_tokenizer_json(tmp_path, ENGLISH, rename)
    assert Tokenizer.open(tmp_path, ENGLISH).special.no_speech == 50361


def test_open_reads_the_older_vocab_json(tmp_path):
    special = SpecialTokens.of_vocabulary(MULTILINGUAL)
    vocabulary = {piece: i for i, piece in enumerate(pieces(MULTILINGUAL))}
    added = special.names()
    vocabulary["<|endoftext|>"] = added.pop("<|endoftext|>")
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (tmp_path / "added_tokens.json").write_text(json.dumps(added), encoding="utf-8")
    assert Tokenizer.open(tmp_path, MULTILINGUAL).decode([special.eot]) == "<|endoftext|>"


def test_the_tokenizer_of_another_model_is_refused(tmp_path):
    fake_core.write_tokenizer_json(tmp_path, ENGLISH)
    with pytest.raises(LoadError, match=r"<\|endoftext\|> must have the id 50257 .*, got 50256"):
        Tokenizer.open(tmp_path, MULTILINGUAL)


def add_token(path, token):
    root = json.loads(path.read_text(encoding="utf-8"))
    root["added_tokens"].append({"content": "<|mine|>", "id": token})
    path.write_text(json.dumps(root), encoding="utf-8")


@pytest.mark.parametrize(
    ("n_vocab", "more"), [(ENGLISH, 1), (ENGLISH, 2), (MULTILINGUAL, 1), (LARGE_V3, 1)]
)
def test_one_token_more_makes_no_other_model(tmp_path, n_vocab, more):
    fake_core.write_tokenizer_json(tmp_path, n_vocab)
    add_token(tmp_path / "tokenizer.json", n_vocab + more - 1)
    tokenizer = Tokenizer.open(tmp_path, n_vocab + more)
    special = SpecialTokens.of_vocabulary(n_vocab)
    assert tokenizer.special == replace(special, n_vocab=n_vocab + more)
    assert tokenizer.is_multilingual == (n_vocab != ENGLISH)
    unused = [*range(n_vocab, n_vocab + more)]
    assert suppressed_tokens(tokenizer, ()) == unused
    assert set(unused) < set(suppressed_tokens(tokenizer, (-1,)))


def test_rows_of_padding(tmp_path):
    fake_core.write_tokenizer_json(tmp_path, MULTILINGUAL)
    tokenizer = Tokenizer.open(tmp_path, 51872)
    assert tokenizer.special.unused == range(51865, 51872)
    assert tokenizer.language_token("de") == 50261
    fake_core.write_tokenizer_json(tmp_path, MULTILINGUAL, {"<|de|>": "<|xx|>"})
    with pytest.raises(LoadError, match="or a vocabulary must list its special tokens, got 51872"):
        Tokenizer.open(tmp_path, 51872)


def test_a_missing_language_is_refused(tmp_path):
    fake_core.write_tokenizer_json(tmp_path, MULTILINGUAL, {"<|de|>": "<|xx|>"})
    with pytest.raises(LoadError, match=r"<\|de\|> must have the id 50261 .*, got None"):
        Tokenizer.open(tmp_path, MULTILINGUAL)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda vocabulary: vocabulary.pop("Ġw7"), r"below 50257 must have a piece, got none"),
        (lambda vocabulary: vocabulary.pop("Ġ"), r"all 256 bytes, but see 'Ġ'"),
        (lambda vocabulary: vocabulary.update({"▁the": 3}), r"all 256 bytes, but see '▁'"),
    ],
)
def test_a_vocabulary_that_is_not_byte_level_is_refused(tmp_path, change, message):
    fake_core.write_tokenizer_json(tmp_path, MULTILINGUAL)
    path = tmp_path / "tokenizer.json"
    root = json.loads(path.read_text(encoding="utf-8"))
    change(root["model"]["vocab"])
    path.write_text(json.dumps(root), encoding="utf-8")
    with pytest.raises(LoadError, match=message):
        Tokenizer.open(tmp_path, MULTILINGUAL)


@pytest.mark.parametrize("contents", ["", "{", "[]", "{}", '{"added_tokens": 3, "model": {}}'])
def test_a_broken_file_is_named(tmp_path, contents):
    (tmp_path / "tokenizer.json").write_text(contents, encoding="utf-8")
    with pytest.raises(LoadError, match=r"tokenizer\.json: must be a byte-level BPE vocabulary"):
        Tokenizer.open(tmp_path, MULTILINGUAL)


def test_a_directory_without_vocabulary_is_named(tmp_path):
    with pytest.raises(LoadError, match=r"has neither tokenizer\.json nor vocab\.json"):
        Tokenizer.open(tmp_path, MULTILINGUAL)


# Ids of openai-whisper 20250625's tiktoken encodings ; whisper itself is not needed here.
REAL = {
    "tiny.en": {
        " to any person": [284, 597, 1048],
        "日本語": [33768, 98, 17312, 105, 45739, 252],
        " I'll don't 123 4567": [314, 1183, 836, 470, 17031, 4153, 3134],
        " ♪♪ --": [20724, 103, 17992, 103, 1377],
    },
    "base": {
        " to any person": [281, 604, 954],
        "日本語": [27311, 31348],
        " I'll don't 123 4567": [286, 603, 500, 380, 34466, 6905, 22452],
        " ♪♪ --": [9061, 1350],
    },
}


@pytest.mark.parametrize("name", REAL)
def test_real_vocabularies_encode_as_the_reference(models_dir, name):
    n_vocab = ENGLISH if name == "tiny.en" else MULTILINGUAL
    tokenizer = Tokenizer.open(models_dir / name, n_vocab)
    assert {text: tokenizer.encode(text) for text in REAL[name]} == REAL[name]
    assert len(tokenizer.non_speech_tokens) == {"tiny.en": 84, "base": 82}[name]
