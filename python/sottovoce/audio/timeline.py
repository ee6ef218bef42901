"""Where decoded sound stands in time: holes that damage leaves, and where a recording breaks off.

Undamaged media are taken as ffmpeg takes them, sample after sample, whatever their time stamps say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._core import SAMPLE_RATE
from .stated import n_id3_bytes

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.container import InputContainer

Stretch = tuple[float, float]  # start and end, s

# Time stamps of elementary streams count packets: what is lost between two is not in them, but its
# bytes are. Those of Ogg and FLAC count samples: what they skip is lost.
_UNTIMED = frozenset({"mp3", "aac", "ac3", "eac3", "dts"})
_SAMPLE_COUNTING = frozenset({"ogg", "flac"})
_LEAST_JUMP = 0.1  # s; time stamps of Vorbis waver by less
_LEAST_SHARE = 0.25  # of the bytes that a hole's time would take, to be where it is
_LEAST_CUT = 0.5  # s that are missing at the end before it is told
# A hole is believed if the file could hold so long a recording at 400 bit/s, less than any codec's.
_FEWEST_BYTES = 50  # a second
_TAG_IN_FRONT = 1500  # bytes, in which a tag begins: the end of a frame may be before it


@dataclass
class _Hole:
    start: float  # s of sound before it, holes left out
    seconds: float = 0.0
    n_bytes: int = 0  # what its time is estimated from, if it is not known


class Timeline:
    """Is told of every packet and frame, and says afterwards what is missing."""

    def __init__(self, n_bytes: int) -> None:
        """`n_bytes`: the size of the file."""
        self.heard = 0.0  # s decoded so far
        self.position = 0  # in the file, of the last packet that was decoded
        self._n_bytes = n_bytes
        self._holes: list[_Hole] = []
        self._unreadable: str | None = None  # why reading ended before the file did
        self._format = ""
        self._is_alone = False  # the stream in its container
        self._start = 0  # of the container in the file, byte
        self._expected: float | None = None  # time stamp of the next frame, s
        self._lost = bytearray()  # the packets that failed since the last frame
        self._is_damaged = False

    def begin(self, container: InputContainer, start: int) -> None:
        """The frames that follow are of this container, which begins at byte `start`."""
        self._format = container.format.name
        self._is_alone = len(container.streams) == 1
        self._start = start
        self._expected = None
        self._lost.clear()
        self._is_damaged = False

    def skip(self, n_bytes: int) -> None:
        """A container of so many bytes could not be read."""
        self._holes.append(_Hole(self.heard, n_bytes=n_bytes))

    def packet_failed(self, packet: Any) -> None:
        """`packet` could not be decoded; None: what the decoder still held."""
        if packet is None:
            return
        self._is_damaged = True
        if self._format in _UNTIMED:
            self._lost += bytes(packet)

    def frame(self, frame: AudioFrame, packet: Any) -> None:
        """A frame of `packet` is decoded."""
        unit = frame.time_base
        time = None if frame.pts is None or unit is None else float(frame.pts * unit)
        position = None if packet is None else packet.pos
        if self._format in _UNTIMED:
            self._find_lost_bytes()
        elif time is not None and self._expected is not None:
            self._find_jump(time - self._expected, position)
        self._is_damaged = False
        self._lost.clear()
        seconds = frame.samples / frame.sample_rate
        if time is None:
            time = self._expected
        self._expected = None if time is None else time + seconds
        self.heard += seconds
        if position is not None:
            self.position = max(self.position, self._start + position)

    def _find_lost_bytes(self) -> None:
        n_bytes = len(self._lost) - _n_tag_bytes(self._lost)
        if n_bytes > 0 and self.heard:
            self._holes.append(_Hole(self.heard, n_bytes=n_bytes))

    def _find_jump(self, jump: float, position: int | None) -> None:
        if jump > _LEAST_JUMP and not self._is_damaged:
            self._is_damaged = self._format in _SAMPLE_COUNTING or self._skips(jump, position)
        if self._is_damaged and jump > 0:
            self._holes.append(_Hole(self.heard, jump))

    def _skips(self, jump: float, position: int | None) -> bool:
        """Whether the bytes of `jump` seconds are there, but not what they were."""
        if not self._is_alone or position is None:
            return False
        rate = position / (self.heard + jump)
        return position - self.position > _LEAST_SHARE * jump * rate

    def unreadable(self, reason: str) -> None:
        """The rest of the file cannot be read."""
        self._unreadable = reason

    def damage(self, stated: float | None) -> Damage:
        """All that is missing; `stated`: s, as the container says; None: it does not know."""
        self._estimate(stated)
        believed = self._n_bytes / _FEWEST_BYTES
        holes: list[Stretch] = []
        filled = 0.0
        for hole in self._holes:
            if filled + hole.seconds < believed:
                start = hole.start + filled
                holes.append((start, start + hole.seconds))
                filled += hole.seconds
        end = self.heard + filled
        if stated is None and self._unreadable and self.position:
            stated = end * self._n_bytes / self.position
        cut = (end, stated) if stated is not None and stated - end > _LEAST_CUT else None
        return Damage(tuple(holes), cut, self._unreadable)

    def _estimate(self, stated: float | None) -> None:
        """The time of holes of which the bytes are known: together what is stated, if that fits."""
        estimated = [hole for hole in self._holes if hole.n_bytes]
        if not estimated:
            return
        n_lost = sum(hole.n_bytes for hole in estimated)
        lost = n_lost * self.heard / max(self.position - n_lost, 1)
        rest = 0.0 if stated is None else stated - self.heard
        if abs(rest - lost) < max(_LEAST_CUT, 0.5 * lost):
            lost = max(rest, 0.0)
        for hole in estimated:
            hole.seconds = lost * hole.n_bytes / n_lost


@dataclass(frozen=True)
class Damage:
    """What of a recording is missing, in s of the recording with its holes filled."""

    holes: tuple[Stretch, ...] = ()
    cut: Stretch | None = None  # from its present end to the one that it should have
    unreadable: str | None = None  # why nothing could be read behind the present end

    @property
    def missing(self) -> tuple[Stretch, ...]:
        return (*self.holes, self.cut) if self.cut else self.holes

    def doubts(self, name: str) -> list[str]:
        """What should be said about the recording called `name`."""
        told = []
        if self.holes:
            seconds = sum(end - start for start, end in self.holes)
            n = f"{len(self.holes)} stretch{'' if len(self.holes) == 1 else 'es'}"
            told.append(
                f"{name} is damaged: {n} of {seconds:.2f} s in all, "
                f"the first at {self.holes[0][0]:.2f} s, cannot be decoded; silence stands there"
            )
        if self.cut:
            start, end = self.cut
            why = f"cannot be read further: {self.unreadable}" if self.unreadable else "breaks off"
            told.append(f"{name} {why} at {start:.1f} s of {end:.1f}; the rest is missing")
        return told


def _n_tag_bytes(data: bytearray) -> int:
    """Bytes of `data`, which no decoder took, that are no sound: tags of a file within the file."""
    if any(mark in data[:_TAG_IN_FRONT] for mark in (b"Xing", b"Info", b"VBRI", b"APETAGEX")):
        return len(data)
    start = data.find(b"ID3", 0, _TAG_IN_FRONT)
    return min(len(data) - start, n_id3_bytes(data[start:])) if start >= 0 else 0


def filled(pcm: NDArray[np.int16], holes: Sequence[Stretch]) -> NDArray[np.int16]:
    """(n_samples,) with silence where `holes` are, in s of the result."""
    parts: list[NDArray[np.int16]] = []
    taken = n_out = 0
    for start, end in holes:
        n_sound = max(0, round(start * SAMPLE_RATE) - n_out)
        n_silent = round(end * SAMPLE_RATE) - round(start * SAMPLE_RATE)
        parts += [pcm[taken : taken + n_sound], np.zeros(n_silent, np.int16)]
        taken += n_sound
        n_out += n_sound + n_silent
    return np.concatenate([*parts, pcm[taken:]]) if holes else pcm
