"""How long a file says its sound is, where that is more than a guess from its size."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

from .wav import read_header

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer

ID3_HEADER = 10  # bytes
_LONGEST_INFO_FRAME = 3000  # bytes, in front of an mp3: it says how many frames there are


def stated_duration(file: BinaryIO, container: InputContainer, stream: AudioStream) -> float | None:
    """s; None if the file does not say. `file`, which `container` reads, is left where it is."""
    form = container.format.name
    duration, unit = stream.duration, stream.time_base
    of_stream = float(duration * unit) if duration and unit else None
    place = file.tell()
    try:
        if form == "wav":
            file.seek(0)
            return read_header(file).duration
        if form == "mp3":
            return of_stream if _is_counted(file) else None
    except ValueError:
        return None
    finally:
        file.seek(place)
    if form == "matroska,webm":  # says how long the longest of its streams is
        in_all = container.duration if len(container.streams) == 1 else None
        return in_all / 1e6 if in_all else None
    return of_stream if form in ("flac", "mov,mp4,m4a,3gp,3g2,mj2") else None


def _is_counted(file: BinaryIO) -> bool:
    """Whether an mp3 file says in front how many frames it has."""
    file.seek(0)
    file.seek(n_id3_bytes(file.read(ID3_HEADER)), os.SEEK_SET)
    front = file.read(_LONGEST_INFO_FRAME)
    return any(mark in front for mark in (b"Xing", b"Info", b"VBRI"))


def n_id3_bytes(data: bytes | bytearray) -> int:
    """The length of an ID3 tag that begins here, header included; 0 if none does."""
    if data[:3] != b"ID3" or len(data) < ID3_HEADER:
        return 0
    return ID3_HEADER + sum(byte << 7 * (3 - i) for i, byte in enumerate(data[6:ID3_HEADER]))
