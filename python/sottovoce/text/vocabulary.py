"""The vocabulary files of a checkpoint directory, unchecked against any model.

Reads tokenizer.json, the older vocab.json with added_tokens.json, and openai-whisper's .tiktoken.
"""

from __future__ import annotations

import base64
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
    """Reads the vocabulary of a checkpoint directory, of the directory that a file lies in, or of a
    .tiktoken file.

    Raises LoadError naming the file that is missing or broken.
    """
    if directory.suffix == ".tiktoken":
        return _read_tiktoken(directory)
    directory = directory if directory.is_dir() else directory.parent
    single, older = directory / "tokenizer.json", directory / "vocab.json"
    source = single if single.is_file() else older
    if not source.is_file():
        raise LoadError(f"{directory}: must hold tokenizer.json (or vocab.json), got neither")
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


def read_sound_vocabulary(directory: Path) -> _core.Vocabulary | None:
    """The same by the core's reader, many times as fast; None for whatever it does not take."""
    if directory.suffix == ".tiktoken":
        return None
    try:
        return _core.Vocabulary.open(str(directory if directory.is_dir() else directory.parent))
    except LoadError:
        return None


def _read_tokenizer_json(path: Path) -> VocabularyFiles:
    root = json.loads(path.read_text(encoding="utf-8"))
    added = {token["content"]: token["id"] for token in root["added_tokens"]}
    return _files(path, root["model"]["vocab"], added)


def _read_tiktoken(path: Path) -> VocabularyFiles:
    """A line a token: its bytes in base64, and its id. Special tokens are not in it."""
    try:
        lines = [line.split() for line in path.read_bytes().splitlines()]
        # A line without bytes is an id that no text has.
        spelled = {int(line[-1]): base64.b64decode(b"".join(line[:-1])) for line in lines if line}
    except (OSError, ValueError) as error:
        raise LoadError(f"{path}: must be base64 and an id a line: {error}") from error
    pieces = {"".join(BYTE_ALPHABET[b] for b in data): token for token, data in spelled.items()}
    return VocabularyFiles(path, pieces, {})


def _read_vocab_json(path: Path) -> VocabularyFiles:
    vocabulary = json.loads(path.read_text(encoding="utf-8"))
    beside = path.with_name("added_tokens.json")
    added = json.loads(beside.read_text(encoding="utf-8")) if beside.is_file() else {}
    end = {name: vocabulary[name] for name in ("<|endoftext|>",) if name in vocabulary}
    return _files(path, vocabulary, {**added, **end})


def _files(path: Path, vocabulary: Mapping[str, int], added: Mapping[str, int]) -> VocabularyFiles:
    pieces = {piece: token for piece, token in vocabulary.items() if piece not in added}
    return VocabularyFiles(path, pieces, added)
