"""Text <-> token ids of one model, and the ids of its special tokens and languages.

Ordinary pieces come from the checkpoint's own files; special ids follow from n_vocab, because that
is what the network was trained with, and the files are held against them. A `Tokenizer` never
changes after it is made: threads share it. It has no language and no task of its own; those belong
to a call.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

from .. import _core
from ..errors import LoadError, ShapeError
from .languages import LANGUAGES
from .vocabulary import VocabularyFiles, read_sound_vocabulary, read_vocabulary, spelled

N_TIMESTAMPS = _core.CHUNK_LENGTH * _core.TOKENS_PER_SECOND + 1  # <|0.00|> ... <|30.00|>

# n_vocab of English-only, multilingual and large-v3 models: <|endoftext|>, and languages.
KINDS = MappingProxyType({51864: (50256, 99), 51865: (50257, 99), 51866: (50257, 100)})

# Tokens that files of other projects, and of other years, call differently.
_OTHER_NAMES = {"<|nospeech|>": "<|nocaptions|>", "<|he|>": "<|iw|>"}


_ROLES = (
    *("endoftext", "startoftranscript", "translate", "transcribe"),
    *("startoflm", "startofprev", "nospeech", "notimestamps"),
)


@dataclass(frozen=True)
class SpecialTokens:
    """Ids of the special tokens; each vocabulary holds them in this order."""

    eot: int  # <|endoftext|>
    sot: int  # <|startoftranscript|>
    n_languages: int  # 99, or 100 from large-v3 on; their ids follow sot
    translate: int
    transcribe: int
    sot_lm: int  # <|startoflm|>
    sot_prev: int  # <|startofprev|>: what was said before this window follows
    no_speech: int  # <|nospeech|>; Hugging Face says <|nocaptions|>
    no_timestamps: int
    timestamp_begin: int  # <|0.00|>; the rest of the vocabulary are timestamps, 0.02 s apart
    n_vocab: int

    @classmethod
    def of_vocabulary(cls, n_vocab: int) -> SpecialTokens:
        """The ids of English-only, multilingual and large-v3 vocabularies, told apart by size.

        Raises LoadError for a size that no Whisper vocabulary has.
        """
        if n_vocab not in KINDS:
            raise LoadError(
                "tokenizer: n_vocab must be 51864 (English-only), 51865 (multilingual) or "
                f"51866 (large-v3), or a vocabulary must list its special tokens, got {n_vocab}"
            )
        eot, n_languages = KINDS[n_vocab]
        after = eot + 2 + n_languages  # the first id after the languages
        return cls(
            eot=eot,
            sot=eot + 1,
            n_languages=n_languages,
            translate=after,
            transcribe=after + 1,
            sot_lm=after + 2,
            sot_prev=after + 3,
            no_speech=after + 4,
            no_timestamps=after + 5,
            timestamp_begin=after + 6,
            n_vocab=n_vocab,
        )

    @classmethod
    def stated(cls, vocabulary: _core.Vocabulary, n_vocab: int) -> SpecialTokens | None:
        """The ids that a vocabulary lists, for models with more tokens, or with rows of padding.

        None where it does not list them all, or in another order than Whisper's.
        """
        ids = [_find(vocabulary, f"<|{role}|>") for role in _ROLES]
        known = [token for token in ids if token is not None]
        if len(known) < len(ids):
            return None
        eot, sot, translate, transcribe, sot_lm, sot_prev, no_speech, no_timestamps = known
        special = cls(
            eot=eot,
            sot=sot,
            n_languages=translate - sot - 1,
            translate=translate,
            transcribe=transcribe,
            sot_lm=sot_lm,
            sot_prev=sot_prev,
            no_speech=no_speech,
            no_timestamps=no_timestamps,
            timestamp_begin=no_timestamps + 1,
            n_vocab=n_vocab,
        )
        whole = special.timestamp_begin + N_TIMESTAMPS <= n_vocab
        return special if whole and _fits(vocabulary, special) else None

    @property
    def is_multilingual(self) -> bool:
        """Whether prompts name a language and a task: all but those that end with 50256 do."""
        return self.eot != 50256

    @property
    def unused(self) -> range:
        """Rows behind the last timestamp: padding, or tokens that somebody added."""
        return range(self.timestamp_begin + N_TIMESTAMPS, self.n_vocab)

    def names(self) -> dict[str, int]:
        """The ids under their names in tokenizer files, without the timestamps."""
        codes = list(LANGUAGES)[: self.n_languages]
        return {
            "<|endoftext|>": self.eot,
            "<|startoftranscript|>": self.sot,
            **{f"<|{code}|>": self.sot + 1 + i for i, code in enumerate(codes)},
            "<|translate|>": self.translate,
            "<|transcribe|>": self.transcribe,
            "<|startoflm|>": self.sot_lm,
            "<|startofprev|>": self.sot_prev,
            "<|nospeech|>": self.no_speech,
            "<|notimestamps|>": self.no_timestamps,
        }


class Tokenizer:
    """Ids <-> text of one vocabulary. Immutable, but for what is computed once it is asked for.

    Attributes:
        special: ids of the special tokens.
        is_multilingual: whether prompts name a language and a task.
        language_codes: the languages with a token in use, in token order; empty for English-only.
        language_tokens: their ids, (n_languages,).
    """

    def __init__(self, vocabulary: _core.Vocabulary, special: SpecialTokens) -> None:
        """`vocabulary` has an ordinary token for each id below eot, and for every single byte."""
        self._vocabulary = vocabulary
        self.special = special
        self.is_multilingual = special.is_multilingual
        codes = tuple(LANGUAGES)[: special.n_languages] if self.is_multilingual else ()
        self.language_codes = codes
        self.language_tokens = tuple(special.sot + 1 + i for i in range(len(codes)))
        self._language_ids = MappingProxyType(dict(zip(codes, self.language_tokens, strict=True)))
        names = {token: name.encode() for name, token in special.names().items()}
        self._special_names = MappingProxyType(names)

    @classmethod
    def open(cls, path: Path, n_vocab: int) -> Tokenizer:
        """Reads the vocabulary of a model's directory or file, or a .tiktoken file.

        Raises LoadError if there is none, or if it belongs to another model than one of `n_vocab`.
        """
        vocabulary = read_sound_vocabulary(path)
        # A tokenizer of another model lists fewer tokens than this one has, or others.
        if vocabulary is not None and (n_vocab not in KINDS or len(vocabulary) == n_vocab):
            stated = SpecialTokens.stated(vocabulary, n_vocab)
            if stated is not None:
                return cls(vocabulary, stated)
        special = SpecialTokens.of_vocabulary(n_vocab)
        if vocabulary is not None and _fits(vocabulary, special):
            return cls(vocabulary, special)
        if vocabulary is not None and _lists_no_special(vocabulary, special):
            pieces = spelled(vocabulary, special.eot)
            return cls(_core.Vocabulary(pieces, special.names()), special)
        # Something is wrong or unusual. The slow reader knows what.
        files = read_vocabulary(path)
        _check_vocabulary(files, special)
        texts = {token: piece for piece, token in files.pieces.items()}
        pieces = [texts[i] for i in range(special.eot)]
        return cls(_core.Vocabulary(pieces, special.names()), special)

    @cached_property
    def non_speech_tokens(self) -> tuple[int, ...]:
        """Ids that write music, brackets and other things nobody says; sorted."""
        return _non_speech_tokens(self)

    @cached_property
    def blank_tokens(self) -> tuple[int, ...]:
        """Ids that must not come first: a lone space and the end of text."""
        return (*self.encode(" "), self.special.eot)

    def encode(self, text: str) -> list[int]:
        """The ids of `text`; names of special tokens in it are spelled out like any other words.

        Raises UnicodeEncodeError for a lone surrogate, which no encoding of text has.
        """
        return self._vocabulary.encode(text)

    def decode(self, tokens: Iterable[int]) -> str:
        """Text of the ids below timestamp_begin; bytes that are not UTF-8 become U+FFFD.

        Raises ShapeError for an id outside the vocabulary.
        """
        return self._text(t for t in tokens if t < self.special.timestamp_begin)

    def decode_apart(self, parts: Iterable[Iterable[int]]) -> list[str]:
        """`decode` of each part; a character that a border would cut is whole, in the first part.

        Raises ShapeError for an id outside the vocabulary.
        """
        data = b""
        borders = [0]
        for tokens in parts:
            data += b"".join(self._bytes(t) for t in tokens if t < self.special.timestamp_begin)
            borders.append(len(data))
        borders = [_after_character(data, border) for border in borders]
        return [data[a:b].decode("utf-8", errors="replace") for a, b in pairwise(borders)]

    def decode_with_timestamps(self, tokens: Iterable[int]) -> str:
        """Like `decode`, with timestamps written out: "<|1.08|>"."""
        return self._text(tokens)

    def language_token(self, code: str) -> int:
        """The id of a language's token. Raises ValueError if the model does not have it."""
        if code not in self._language_ids:
            raise ValueError(
                f"language must be one of the model's {len(self._language_ids)} languages, "
                f"got {code!r}"
            )
        return self._language_ids[code]

    def sot_sequence(self, language: str, task: str) -> tuple[int, ...]:
        """What a transcript starts with: (sot,) for English-only, else (sot, language, task)."""
        if not self.is_multilingual:
            return (self.special.sot,)
        task_token = self.special.translate if task == "translate" else self.special.transcribe
        return (self.special.sot, self.language_token(language), task_token)

    def _text(self, tokens: Iterable[int]) -> str:
        return b"".join(map(self._bytes, tokens)).decode("utf-8", errors="replace")

    def _bytes(self, token: int) -> bytes:
        if not 0 <= token < self.special.n_vocab:
            raise ShapeError(
                f"decode: token ids must be in [0, n_vocab={self.special.n_vocab}), got {token}"
            )
        if token < self.special.eot:
            return self._vocabulary.bytes(token)
        if token < self.special.timestamp_begin:
            return self._special_names[token]
        seconds = (token - self.special.timestamp_begin) / _core.TOKENS_PER_SECOND
        return f"<|{seconds:.2f}|>".encode()


def _after_character(data: bytes, border: int) -> int:
    """The end of the UTF-8 character that has bytes on both sides of a border; else the border."""
    lead = next((i for i in range(border - 1, border - 4, -1) if i >= 0 and data[i] >= 0xC0), None)
    if lead is None:
        return border
    for end in range(border + 1, min(lead + 4, len(data)) + 1):
        try:
            is_one = len(data[lead:end].decode("utf-8")) == 1
        except UnicodeDecodeError:
            continue
        return end if is_one else border
    return border


def _fits(vocabulary: _core.Vocabulary, special: SpecialTokens) -> bool:
    """What `_check_vocabulary` finds out, in one word."""
    return vocabulary.is_byte_level(special.eot) and all(
        expected in (vocabulary.special(name), vocabulary.special(_OTHER_NAMES.get(name, name)))
        for name, expected in special.names().items()
    )


def _find(vocabulary: _core.Vocabulary, name: str) -> int | None:
    found = vocabulary.special(name)
    return vocabulary.special(_OTHER_NAMES.get(name, name)) if found is None else found


def _lists_no_special(vocabulary: _core.Vocabulary, special: SpecialTokens) -> bool:
    """Whether it says nothing of special tokens, and their ids follow from the model alone."""
    return (
        vocabulary.special("<|startoftranscript|>") is None
        and vocabulary.special("<|endoftext|>") == special.eot
        and vocabulary.is_byte_level(special.eot)
    )


def _check_vocabulary(files: VocabularyFiles, special: SpecialTokens) -> None:
    """A tokenizer of another model would decode fluent nonsense; this is where it is caught."""
    says_more = files.added.keys() - {"<|endoftext|>"}
    for name, expected in special.names().items() if says_more else ():
        got = files.added.get(name, files.added.get(_OTHER_NAMES.get(name, name)))
        if got != expected:
            raise LoadError(
                f"{files.source}: token {name} must have the id {expected} for a model of "
                f"n_vocab={special.n_vocab}, got {got}"
            )
    missing = set(range(special.eot)) - set(files.pieces.values())
    if missing:
        raise LoadError(
            f"{files.source}: every id below {special.eot} must have a piece, got none for "
            f"{min(missing)} ({len(missing)} missing)"
        )


def _non_speech_tokens(tokenizer: Tokenizer) -> tuple[int, ...]:
    """Ids that begin or are one of the symbols below, with and without a space before (sorted).

    A symbol of several tokens is left alone, because its parts have other uses; the notes are the
    exception: whatever starts with their common first bytes is a pictograph. A hyphen or an
    apostrophe is only unwanted where it starts a word.
    """
    symbols = [*'"#()*+/:;<=>@[\\]^_`{|}~「」『』']
    symbols += ["<<", ">>", "<<<", ">>>", "--", "---", "-(", "-[", "('", '("', "((", "))"]
    symbols += ["(((", ")))", "[[", "]]", "{{", "}}", "♪♪", "♪♪♪"]
    notes = [*"♩♪♫♬♭♮♯"]
    unwanted = {tokenizer.encode(" -")[0], tokenizer.encode(" '")[0]}
    for symbol in symbols + notes:
        for tokens in (tokenizer.encode(symbol), tokenizer.encode(" " + symbol)):
            if len(tokens) == 1 or symbol in notes:
                unwanted.add(tokens[0])
    return tuple(sorted(unwanted))
