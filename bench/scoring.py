"""How right a transcript is: word errors against a reference, and signs of going astray."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

BY_CHARACTER = ("zh", "ja", "th", "lo", "my", "yue")
MOST_REPETITIVE = 2.4  # compression ratio, openai-whisper's threshold
N_GRAM, N_TIMES = 3, 4  # so many words, so many times in a row, are a loop


def edits(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[int, int]:
    """Word errors, and the insertions among them, as few as so many errors allow.

    Levenshtein: row i of the table holds the costs of reference[:i] -> hypothesis[:j].
    """
    error = 2 + len(hypothesis)  # outweighs all insertions, which cost 1 more
    row = [(error + 1) * j for j in range(len(hypothesis) + 1)]
    for i, expected in enumerate(reference, 1):
        above, row = row, [error * i]
        for j, word in enumerate(hypothesis, 1):
            replaced = above[j - 1] + error * (word != expected)
            row.append(min(above[j] + error, row[-1] + error + 1, replaced))
    return divmod(row[-1], error)


def word_errors(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    return edits(reference, hypothesis)[0]


def splitter() -> Callable[[str, str | None], list[str]]:
    """Text and language -> words after openai-whisper's normalizers; Chinese, Japanese and the like
    by characters."""
    try:
        from whisper.normalizers import BasicTextNormalizer, EnglishTextNormalizer
    except ImportError:
        raise SystemExit(
            "the normalizers are openai-whisper's: pip install openai-whisper"
        ) from None
    english, basic = EnglishTextNormalizer(), BasicTextNormalizer()
    characters = BasicTextNormalizer(split_letters=True)

    def words(text: str, language: str | None) -> list[str]:
        if language in (None, "en"):
            return english(text).split()
        return (characters if language in BY_CHARACTER else basic)(text).split()

    return words


def compression_ratio(text: str) -> float:
    data = text.encode()
    return len(data) / len(zlib.compress(data)) if data else 0.0


def repeats_itself(text: str) -> bool:
    """By openai-whisper's measure, for which the window would get another try."""
    return compression_ratio(text) > MOST_REPETITIVE


def has_loop(words: Sequence[str]) -> bool:
    """Whether N_GRAM words (or more, or fewer that make as much) come N_TIMES in a row."""
    for n in range(1, len(words) // N_TIMES + 1):
        times = max(N_TIMES, -(-N_GRAM * N_TIMES // n))  # of one word alone: 12
        for start in range(len(words) - n * times + 1):
            part = words[start : start + n * times]
            if all(part[i] == part[i % n] for i in range(n, len(part))):
                return True
    return False


@dataclass(frozen=True)
class Heard:
    """One transcript beside its reference."""

    file: str
    errors: int
    insertions: int  # among them
    n_words: int  # in the reference
    n_heard: int
    signs: tuple[str, ...]  # of going astray


def judge(file: str, text: str, reference: str, words: Sequence[str], said: Sequence[str]) -> Heard:
    """`words` of the text and `said` in the reference, both normalized."""
    signs = []
    # A reference that repeats itself is no loop: telephone prompts do.
    if compression_ratio(text) > max(MOST_REPETITIVE, 1.2 * compression_ratio(reference)):
        signs.append("compression")
    if has_loop(words) and not has_loop(said):
        signs.append("loop")
    if words and not said:
        signs.append("words without speech")
    if said and len(words) > 1.5 * len(said) + 5:
        signs.append("too long")
    if len(words) < 0.5 * len(said) - 2:
        signs.append("too short")
    return Heard(file, *edits(said, words), len(said), len(words), tuple(signs))
