"""Names of speakers, as files and terminals show them, and what is not seen in them."""

from collections.abc import Iterable

from ..results import Segment

WORD_JOINER = "\N{WORD JOINER}"  # breaks what a reader would take for a code, and is not seen


def one_line(name: str) -> str:
    """The name without line breaks and tabs, which would end the field or the line it is in."""
    return " ".join(name.split())


def in_front(speaker: str | None) -> str:
    """The name as whisperX writes it in front of a text; nothing of nobody."""
    return "" if speaker is None else f"[{one_line(speaker)}]: "


def prefixed(text: str, speaker: str | None) -> str:
    """The text behind its speaker's name; where nothing is said, nobody says it."""
    return in_front(speaker) + text if text else text


def has_speakers(segments: Iterable[Segment]) -> bool:
    """Whether a speaker of anything is known."""
    return any(
        segment.speaker is not None or any(word.speaker is not None for word in segment.words or ())
        for segment in segments
    )
