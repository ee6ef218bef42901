"""A vocabulary -> a tokenizer.json, for models whose files have none.

The `tokenizers` library merges by a list of pairs; here tokens are merged by their ids. The pair of
a token is what it is made of when all before it are merged: the two are the same order.
"""

from itertools import pairwise
from typing import Any

from .._core import CHUNK_LENGTH, TOKENS_PER_SECOND, Vocabulary, special_names
from ..errors import LoadError


def tokenizer_json(vocabulary: Vocabulary, n_vocab: int) -> dict[str, Any]:
    """The file's object. Raises LoadError for a size that no Whisper vocabulary has."""
    special = special_names(n_vocab)
    if not special:
        raise LoadError(f"tokenizer.json cannot be made for n_vocab={n_vocab}; put one beside it")
    n_pieces = special["<|endoftext|>"]
    pieces = [vocabulary.spelled(token) for token in range(n_pieces)]
    first = special["<|notimestamps|>"] + 1
    n_timestamps = CHUNK_LENGTH * TOKENS_PER_SECOND + 1
    times = {f"<|{i / TOKENS_PER_SECOND:.2f}|>": first + i for i in range(n_timestamps)}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            *(_added(name, token, special=True) for name, token in special.items()),
            *(_added(name, token, special=False) for name, token in times.items()),
        ],
        "normalizer": None,
        "pre_tokenizer": {**byte_level, "use_regex": True},
        "post_processor": None,
        "decoder": {**byte_level, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": {piece: token for token, piece in enumerate(pieces)},
            "merges": merges(pieces),
        },
    }


def merges(pieces: list[str]) -> list[str]:
    """The pairs that make the pieces of several characters, "a b", in the order of their ids."""
    ids = {piece: token for token, piece in enumerate(pieces)}
    pairs = []
    for token, piece in enumerate(pieces):
        parts = [*piece]
        while len(parts) > 2:
            joined = [ids.get(a + b, token) for a, b in pairwise(parts)]
            lowest = min(joined)
            if lowest >= token:
                break  # made of nothing: a word that was added later
            at = joined.index(lowest)
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        if len(parts) == 2:
            pairs.append(f"{parts[0]} {parts[1]}")
    return pairs


def _added(name: str, token: int, *, special: bool) -> dict[str, Any]:
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": token, "content": name, **plain, "special": special}
