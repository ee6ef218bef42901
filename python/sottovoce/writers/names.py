"""Names of speakers, as files and terminals show them."""

from collections.abc import Iterable

from ..results import Segment


def one_line(name: str) -> str:
    """The name without line breaks and tabs, which would end the field or the line it is in."""
    return " ".join(name.split())


def prefixed(text: str, speaker: str | None) -> str:
    """The text behind its speaker's name, as whisperX writes it; nothing is said by nobody."""
    return f"[{one_line(speaker)}]: {text}" if speaker is not None and text else text


def has_speakers(segments: Iterable[Segment]) -> bool:
    """Whether a speaker of anything is known."""
    return any(
        segment.speaker is not None or any(word.speaker is not None for word in segment.words or ())
        for segment in segments
    )
