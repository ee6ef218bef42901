"""Byte-pair encoding of text by the ids of a vocabulary: what openai-whisper's tiktoken does.

The order of merging is that of the ids, so no list of merges is read: the lists that travel with
the multilingual models lack one (space + t), and " to" came out as two tokens.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from types import MappingProxyType

# GPT-2's character of each byte: itself if it prints in Latin-1, else the next from U+0100.
_PRINTING = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
_OTHERS = [byte for byte in range(256) if byte not in _PRINTING]
BYTE_ALPHABET = tuple(
    chr(byte) if byte in _PRINTING else chr(256 + _OTHERS.index(byte)) for byte in range(256)
)
_BYTE_OF_CHARACTER = {ord(char): chr(byte) for byte, char in enumerate(BYTE_ALPHABET)}


def to_bytes(spelled: str) -> bytes:
    """The bytes that a string in the byte alphabet stands for."""
    return spelled.translate(_BYTE_OF_CHARACTER).encode("latin-1")


class BytePairs:
    """Text -> ids. Immutable."""

    def __init__(self, ids: Mapping[str, int]) -> None:
        """`ids` by piece in the byte alphabet; every single byte is one."""
        from tokenizers.pre_tokenizers import ByteLevel

        self._ids = MappingProxyType(dict(ids))
        self._splitter = ByteLevel(add_prefix_space=False)  # GPT-2's words, in the byte alphabet

    def encode(self, text: str) -> list[int]:
        words = self._splitter.pre_tokenize_str(text)
        return [token for word, _ in words for token in self._encode_word(word)]

    def _encode_word(self, word: str) -> list[int]:
        """Merges the pair with the lowest id, leftmost first, until no pair is a piece."""
        if word in self._ids:
            return [self._ids[word]]
        parts = [*word]  # a merged part stands where its left half stood, its right half is ""
        after = [*range(1, len(parts) + 1)]  # of each part: the next one that still stands
        before = [*range(-1, len(parts) - 1)]
        waiting: list[tuple[int, int, str]] = []  # (id, place of the left half, piece)

        def consider(left: int) -> None:
            if left >= 0 and after[left] < len(parts):
                pair = parts[left] + parts[after[left]]
                if pair in self._ids:
                    heapq.heappush(waiting, (self._ids[pair], left, pair))

        for left in range(len(parts)):
            consider(left)
        while waiting:
            _, left, pair = heapq.heappop(waiting)
            right = after[left]
            if not parts[left] or right == len(parts) or parts[left] + parts[right] != pair:
                continue  # one of the halves has merged with another since
            parts[left], parts[right] = pair, ""
            after[left] = after[right]
            if after[left] < len(parts):
                before[after[left]] = left
            consider(before[left])
            consider(left)
        return [self._ids[part] for part in parts if part]
