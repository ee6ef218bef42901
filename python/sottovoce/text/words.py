"""Tokens -> words, as openai-whisper takes them apart.

A word has whole characters and whole tokens. Where it ends is a question of its language: the
tokens of one that writes no spaces are words of their own.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence

from .tokenizer import Tokenizer

_WITHOUT_SPACES = frozenset(("zh", "ja", "th", "lo", "my", "yue"))
_MOST_CUT = 3  # bytes, and so at most as many tokens, of a UTF-8 character behind a cut in it

SpelledWord = tuple[str, tuple[int, ...]]  # the text of some tokens, and the tokens


def split_words(tokenizer: Tokenizer, tokens: Sequence[int], language: str) -> list[SpelledWord]:
    """The words of a text; together they hold all of its tokens.

    Args:
        language: code of the spoken one, by which openai-whisper splits its translation as well.
    """
    pieces = split_characters(tokenizer, tokens)
    if language in _WITHOUT_SPACES:
        return list(pieces)
    return _split_spaces(pieces, tokenizer.special.eot)


def split_characters(tokenizer: Tokenizer, tokens: Sequence[int]) -> Iterator[SpelledWord]:
    """The shortest runs of tokens that cut no character.

    Bytes that are no UTF-8 are what `bytes.decode` replaces as one. Of some, openai-whisper takes
    the first for all of them, and then loses the words that follow, or raises IndexError.
    """
    first = 0
    for last in range(1, len(tokens) + 1):
        piece, rest = tokens[first:last], tokens[last : last + _MOST_CUT]
        text = tokenizer.decode_with_timestamps(piece)
        if "\ufffd" in text:
            separate = len(text) + len(tokenizer.decode_with_timestamps(rest))
            if separate > len(tokenizer.decode_with_timestamps((*piece, *rest))):
                continue
        yield text, tuple(piece)
        first = last


def _split_spaces(pieces: Iterator[SpelledWord], eot: int) -> list[SpelledWord]:
    """Words begin with a space, are punctuation, or special tokens; other pieces continue one.

    Punctuation is what `string.punctuation` contains as text, as in openai-whisper: "()" and "./",
    but not "...", and white space too.
    """
    words: list[SpelledWord] = []
    for text, tokens in pieces:
        begins = text.startswith(" ") or text.strip() in string.punctuation or tokens[0] >= eot
        if begins or not words:
            words.append((text, tokens))
        else:
            before, tokens_before = words[-1]
            words[-1] = (before + text, (*tokens_before, *tokens))
    return words
