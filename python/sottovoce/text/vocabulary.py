"""The vocabulary files of a checkpoint directory, unchecked against any model.

The core reads them all; tokenizer.json and the older vocab.json are read here
as well, to tell what is wrong with them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .. import _core
from ..errors import LoadError

# GPT-2's character of each byte: itself if it prints in Latin-1, else the next from U+0100.
_PRINTING = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
_OTHERS = [byte for byte in range(256) if byte not in _PRINTING]
BYTE_ALPHABET = tuple(
    chr(byte) if byte in _PRINTING else chr(256 + _OTHERS.index(byte)) for byte in range(256)
)


@dataclass(frozen=True)
class VocabularyFiles:
    """What the files say."""

    source: Path  # the file, for messages
    pieces: Mapping[str, int]  # ordinary tokens in the byte alphabet -> id
    added: Mapping[str, int]  # special tokens by name -> id


def read_vocabulary(directory: Path) -> VocabularyFiles:
    """Reads the JSON files of a checkpoint directory.

    Raises LoadError naming the file that is missing or broken.
    """
    single, older = directory / "tokenizer.json", directory / "vocab.json"
    source = single if single.is_file() else older
    if not source.is_file():
        raise LoadError(f"{directory}: the vocabulary belongs to another model")
    try:
        files = _read_tokenizer_json(single) if source == single else _read_vocab_json(older)
        characters = set("".join(files.pieces))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LoadError(
            f"{source}: must be a byte-level BPE vocabulary, got {type(error).__name__}: {error}"
        ) from error
    odd = sorted(characters - set(BYTE_ALPHABET)) or sorted(set(BYTE_ALPHABET) - set(files.pieces))
    if odd:
        raise LoadError(
            f"{source}: must be a byte-level BPE vocabulary of all 256 bytes, but see {odd[0]!r}"
        )
    return files


def read_sound_vocabulary(path: Path) -> _core.Vocabulary | None:
    """The vocabulary of a directory or a file by the core's reader, many times as fast.

    None for JSON files that it does not take. Raises LoadError for other formats, which only the
    core reads, and where there is no vocabulary at all.
    """
    try:
        return _core.Vocabulary.open(str(path))
    except LoadError:
        if any((path / name).is_file() for name in ("tokenizer.json", "vocab.json")):
            return None
        raise


def spelled(vocabulary: _core.Vocabulary, n: int) -> list[str]:
    """The first `n` tokens in the byte alphabet."""
    return [vocabulary.spelled(token) for token in range(n)]


def _read_tokenizer_json(path: Path) -> VocabularyFiles:
    root = json.loads(path.read_text(encoding="utf-8"))
    added = {token["content"]: token["id"] for token in root["added_tokens"]}
    return _files(path, root["model"]["vocab"], added)


def _read_vocab_json(path: Path) -> VocabularyFiles:
    vocabulary = json.loads(path.read_text(encoding="utf-8"))
    beside = path.with_name("added_tokens.json")
    added = json.loads(beside.read_text(encoding="utf-8")) if beside.is_file() else {}
    end = {name: vocabulary[name] for name in ("<|endoftext|>",) if name in vocabulary}
    return _files(path, vocabulary, {**added, **end})


def _files(path: Path, vocabulary: Mapping[str, int], added: Mapping[str, int]) -> VocabularyFiles:
    pieces = {piece: token for piece, token in vocabulary.items() if piece not in added}
    return VocabularyFiles(path, pieces, added)
