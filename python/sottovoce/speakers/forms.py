"""What diarizers return -> a list of `SpeakerTurn`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from reprlib import repr as shortened
from typing import Any, Protocol, TypeAlias

from .rttm import read_rttm
from .turns import SpeakerTurn, check_turn


class Annotation(Protocol):
    """What is read of a pyannote.core.Annotation."""

    def itertracks(self, yield_label: bool = ...) -> Iterable[Any]: ...


Turn: TypeAlias = SpeakerTurn | tuple[float, float, str] | Mapping[str, Any]
Turns: TypeAlias = str | os.PathLike[str] | Iterable[Turn] | Annotation


def as_turns(turns: Turns, *, where: str = "with_speakers") -> list[SpeakerTurn]:
    """The turns in any accepted form, in the order in which they come.

    Args:
        turns: a path to an RTTM file of one recording; an iterable of `SpeakerTurn`, of (start,
            end, speaker) or of dictionaries with these keys; a pyannote `Annotation`, or what
            holds one as `speaker_diarization`.
        where: what messages begin with.

    Raises TypeError and ValueError for turns that are none, LoadError for a file that is no RTTM.
    """
    if isinstance(turns, (str, os.PathLike)):
        return read_rttm(turns)
    annotation: Any = getattr(turns, "speaker_diarization", turns)
    if hasattr(annotation, "itertracks"):
        turns = _of_annotation(annotation)
    if not isinstance(turns, Iterable) or isinstance(turns, (Mapping, bytes, bytearray)):
        raise TypeError(
            f"{where}: turns must be a path to an RTTM file, (start, end, speaker) of each, "
            f"dictionaries of these or a pyannote Annotation, got {shortened(turns)}"
        )
    return [_turn(f"{where}: turn {i}", item) for i, item in enumerate(turns)]


def _of_annotation(annotation: Annotation) -> Iterator[tuple[float, float, str]]:
    """Labels of pyannote may be anything; names are text."""
    for segment, _, label in annotation.itertracks(yield_label=True):
        yield segment.start, segment.end, str(label)


def _turn(what: str, item: Any) -> SpeakerTurn:
    if isinstance(item, SpeakerTurn):
        return item
    if isinstance(item, Mapping) and {"start", "end", "speaker"} <= item.keys():
        parts = item["start"], item["end"], item["speaker"]
    elif isinstance(item, (tuple, list)) and len(item) == 3:
        parts = tuple(item)
    else:
        raise TypeError(
            f"{what} must be a SpeakerTurn, (start, end, speaker) or a dictionary of these, "
            f"got {shortened(item)}"
        )
    check_turn(what, *parts)
    return SpeakerTurn(*parts)
