"""RTTM, NIST's Rich Transcription Time Marked: what diarizers write.

    SPEAKER talk 1 12.34 1.50 <NA> <NA> Ada <NA> <NA>

Recording, channel, start, duration, name; what is between and behind them is not read, and neither
are records of another type, comments (;;) and blank lines.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path

from ..errors import LoadError
from .turns import SpeakerTurn

_TYPE = re.compile(r"[A-Z][A-Z/_-]*")  # of a record
_FEWEST_FIELDS = 8  # up to the name: some writers leave out what follows it
_NOTHING = "<NA>"
_MOST_NAMED = 10  # recordings in a message


def turns_by_recording(path: str | os.PathLike[str]) -> dict[str, list[SpeakerTurn]]:
    """The turns of each recording of an RTTM file, as they stand there.

    Raises the OSErrors of a path, LoadError for what is no RTTM, with the line.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        got = f"byte 0x{error.object[error.start]:02x} at {error.start}"
        raise LoadError(f"read_rttm: {os.fspath(path)} must be UTF-8, got {got}") from None
    found: dict[str, list[SpeakerTurn]] = {}
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
        fields = re.split(r"[ \t]+", line.strip(" \t"))
        if fields == [""] or fields[0].startswith(";;"):
            continue
        try:
            if _is_speaker(fields[0]):
                recording, turn = _turn(fields)
                found.setdefault(recording, []).append(turn)
        except ValueError as error:
            raise LoadError(f"read_rttm: {os.fspath(path)}, line {number}: {error}") from None
    return found


def read_rttm(path: str | os.PathLike[str], *, recording: str | None = None) -> list[SpeakerTurn]:
    """The turns in an RTTM file, in the order in which they stand there.

    Args:
        path: of the file: UTF-8, with a byte order mark or without.
        recording: as the file calls it, if it holds several; None: the only one.

    Raises LoadError for a line that is no RTTM, for several recordings of which none is chosen and
    for one that is not there; the OSErrors of a path.
    """
    return turns_of(turns_by_recording(path), path, recording)


def turns_of(
    found: Mapping[str, list[SpeakerTurn]], path: str | os.PathLike[str], recording: str | None
) -> list[SpeakerTurn]:
    """Those of one recording that `turns_by_recording` has found; raises as `read_rttm` does."""
    names = ", ".join(repr(name) for name in list(found)[:_MOST_NAMED])
    names += ", ..." if len(found) > _MOST_NAMED else ""
    if recording is None:
        if len(found) > 1:
            raise LoadError(
                f"read_rttm: {os.fspath(path)} must hold one recording unless recording= says "
                f"which, got {len(found)}: {names}"
            )
        return next(iter(found.values()), [])
    if recording not in found:
        raise LoadError(
            f"read_rttm: {os.fspath(path)}: recording must be one of its own, "
            f"{names or 'of which there is none'}, got {recording!r}"
        )
    return found[recording]


def _is_speaker(kind: str) -> bool:
    if not _TYPE.fullmatch(kind):
        raise ValueError(
            f"must begin with the type of a record, such as SPEAKER, got {kind[:40]!r}"
        )
    return kind == "SPEAKER"


def _turn(fields: list[str]) -> tuple[str, SpeakerTurn]:
    if len(fields) < _FEWEST_FIELDS:
        raise ValueError(
            "must be SPEAKER, recording, channel, start, duration, <NA>, <NA>, name, <NA>, <NA>, "
            f"got {len(fields)} fields"
        )
    start, duration = _seconds("start", fields[3]), _seconds("duration", fields[4])
    if duration < 0:
        raise ValueError(f"duration must be >= 0, got {fields[4]}")
    if fields[7] == _NOTHING:
        raise ValueError(f"the speaker must have a name, got {_NOTHING}")
    return fields[1], SpeakerTurn(start, start + duration, fields[7])


def _seconds(name: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise ValueError(f"{name} must be a number of seconds, got {text!r}")
    return seconds
