"""The units in which two texts are compared: words, or characters of scripts without spaces.

Their keys leave out what two spellings of the same speech differ in: case, accents, punctuation,
widths.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

_APOSTROPHES = "'’ʼ＇"
_VOICING = "\u3099\u309a"  # of kana, which are other letters without it
# Scripts in which words are not set apart: Thai and Lao, Burmese, Khmer, kana, Han.
_WITHOUT_SPACES = (
    *((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3041, 0x30FF), (0x31F0, 0x31FF)),
    *((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0xFF66, 0xFF9D), (0x20000, 0x3FFFF)),
)


@dataclass(frozen=True)
class Unit:
    """A word, or a character that is one."""

    key: str  # equal keys: the same was said
    begin: int  # characters of the text
    end: int


def units(text: str) -> list[Unit]:
    """The units of a text in order; what lies between them is said by nobody."""
    return [Unit(key, begin, end) for begin, end in _places(text) if (key := _key(text[begin:end]))]


def stands_alone(character: str) -> bool:
    """Whether it belongs to a script without spaces, and so is a unit."""
    return any(first <= ord(character) <= last for first, last in _WITHOUT_SPACES)


def _places(text: str) -> Iterator[tuple[int, int]]:
    begin = 0
    while begin < len(text):
        if not _is_said(text[begin]):
            begin += 1
            continue
        end = begin + 1
        alone = stands_alone(text[begin])
        while end < len(text) and (_is_mark(text[end]) if alone else _continues(text, end)):
            end += 1
        yield begin, end
        begin = end


def _continues(text: str, index: int) -> bool:
    """Whether a word goes on, by a letter or an apostrophe between letters."""
    character = text[index]
    if character in _APOSTROPHES and index + 1 < len(text):
        return _continues(text, index + 1) and text[index + 1] not in _APOSTROPHES
    return (_is_said(character) and not stands_alone(character)) or _is_mark(character)


def _is_said(character: str) -> bool:
    return unicodedata.category(character)[0] in "LN"


def _is_mark(character: str) -> bool:
    """Vowel signs, accents, the long mark of kana: of the character before."""
    return unicodedata.category(character)[0] == "M" or character == "ー"


def _key(word: str) -> str:
    whole = unicodedata.normalize("NFKD", word.casefold())
    return "".join(c for c in whole if unicodedata.category(c)[0] in "LN" or c in _VOICING)
