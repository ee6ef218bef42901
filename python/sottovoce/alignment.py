"""What `WhisperModel.align` returns: a script's words, and the subtitles that they make."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from .results import AlignedWord, Segment, TranscriptionInfo
from .transcription import Transcription


class Alignment(Transcription):
    """When the words of a given text were said.

    As a transcription it has a segment for each line and sentence of the text that was said, with
    its words; what was not said is in none of them.

    Attributes:
        words: all words of the text, said or not.
    """

    words: tuple[AlignedWord, ...]

    def __init__(
        self, words: Sequence[AlignedWord], segments: Iterable[Segment], info: TranscriptionInfo
    ) -> None:
        segments = tuple(segments)
        super().__init__(segments, info, "".join(segment.text for segment in segments))
        self.words = tuple(words)

    def as_dict(self) -> dict[str, Any]:
        """As of a transcription; "words" has all words of the text, null for times of unsaid."""
        return {**super().as_dict(), "words": [asdict(word) for word in self.words]}

    def __repr__(self) -> str:
        n_said = sum(word.is_said for word in self.words)
        about = f"{self.info.duration:.1f} s, {self.language}"
        return f"<Alignment of {about}: {n_said} of {len(self.words)} words were said>"

    def __reduce__(self) -> tuple[type[Alignment], tuple[Any, ...]]:
        return Alignment, (self.words, tuple(self.segments), self.info)
