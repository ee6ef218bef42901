"""A tokenizer.json made of a vocabulary's ids: the tokenizers library reads it, and agrees."""

import json

import pytest
from tokenizers import Tokenizer

from fake_core import MULTILINGUAL, pieces
from sottovoce._core import LoadError, Vocabulary, special_names
from sottovoce.checkpoints.tokenizer_file import merges, tokenizer_json

TEXTS = (" to any person", "日本語 I'll don't 123 4567", " ♪♪ -- naïve café\n\n  x", "The the THE")


def test_pairs_follow_from_ids():
    assert merges([*"abcd", "ab", "cd", "abc", "abcd"]) == ["a b", "c d", "ab c", "ab cd"]
    assert merges([*"ab", "ab", "a<|b"]) == ["a b"]  # the last is made of nothing


def test_a_size_that_no_model_has():
    vocabulary = Vocabulary(["a"], {"<|endoftext|>": 1})
    with pytest.raises(LoadError, match=r"tokenizer\.json cannot be made for n_vocab=51872"):
        tokenizer_json(vocabulary, 51872)


def test_a_made_up_vocabulary(tmp_path):
    vocabulary = Vocabulary(pieces(MULTILINGUAL), special_names(MULTILINGUAL))
    made = tokenizer_json(vocabulary, MULTILINGUAL)
    (tmp_path / "tokenizer.json").write_text(json.dumps(made), encoding="utf-8")
    again = Vocabulary.open(str(tmp_path))
    assert [again.bytes(token) for token in range(50364)] == [
        vocabulary.bytes(token) for token in range(50364)
    ]
    assert again.special("<|30.00|>") == 51864


@pytest.mark.parametrize(("name", "n_vocab"), [("tiny.en", 51864), ("base", 51865)])
def test_real_vocabularies(tmp_path, models_dir, name, n_vocab):
    vocabulary = Vocabulary.open(str(models_dir / name))
    made = tokenizer_json(vocabulary, n_vocab)
    real = json.loads((models_dir / name / "tokenizer.json").read_text(encoding="utf-8"))
    listed = (p.split(" ") if isinstance(p, str) else p for p in real["model"]["merges"])
    # Hugging Face has the pairs of multilingual models in another order, and one less.
    assert set(map(tuple, listed)) <= {tuple(pair.split(" ")) for pair in made["model"]["merges"]}
    (tmp_path / "tokenizer.json").write_text(json.dumps(made), encoding="utf-8")
    theirs = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for text in TEXTS:
        assert theirs.encode(text).ids == vocabulary.encode(text)
