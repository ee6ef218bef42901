"""Media files -> 16-bit samples, through PyAV where it is installed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

import numpy as np
from numpy.typing import NDArray

from .._core import SAMPLE_RATE
from ..aside import check
from ..errors import AudioError
from .arrays import as_float32, down_mix
from .levels import Meter
from .sources import Part
from .splitting import Splitter, columns
from .stated import stated_duration
from .timeline import Stretch, Timeline, filled
from .wav import decode_wav

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

_NEW_STREAM = b"OggS\0\2"  # the head of a page of Ogg with which a stream begins
_BLOCK = 1 << 20  # bytes


@dataclass(frozen=True)
class Decoded:
    """What media hold."""

    pcm: NDArray[np.int16]  # (n_samples,) mono, 16 kHz, silence where it could not be decoded
    channels: tuple[NDArray[np.int16], ...] = ()  # (n_samples,) each; where they are asked for
    missing: tuple[Stretch, ...] = ()  # as in `Recording`
    doubts: tuple[str, ...] = ()


def decode(file: BinaryIO, name: str, *, split: bool = False) -> Decoded:
    """`file`, at 0, called `name`. Memory holds the samples and one packet, never the media.

    `split`: each channel is wanted beside their mix.
    """
    if not file.read(1):
        raise AudioError(f"load: {name} is empty; expected an audio or video file")
    file.seek(0)
    try:
        import av
    except ImportError as error:
        mix, channels = decode_wav(file, name, error, split=split)
        return Decoded(mix, channels)
    media = _Media(file, name, Splitter(name) if split else None)
    try:
        pcm = media.decode()
    except av.error.FFmpegError as error:
        _fail(name, error.strerror, error)
    damage = media.timeline.damage(media.stated)
    channels = tuple(filled(channel, damage.holes) for channel in media.channels())
    return Decoded(filled(pcm, damage.holes), channels, damage.missing, tuple(damage.doubts(name)))


def _fail(name: str, reason: object, cause: Exception | None = None) -> NoReturn:
    message = f"load: {name} has no audio stream that can be decoded: {reason}"
    raise AudioError(message) from cause


class _Media:
    """A file on its way through PyAV, and what is found out about it."""

    def __init__(self, file: BinaryIO, name: str, splitter: Splitter | None) -> None:
        self._file, self._name, self._splitter = file, name, splitter
        self.timeline = Timeline(file.seek(0, os.SEEK_END))
        self.stated: float | None = None  # s of sound, if the file says
        self._failure: str | None = None  # why a container could not be read to its end
        self._meter = Meter()

    def decode(self) -> NDArray[np.int16]:
        """(n_samples,) mono at 16 kHz, without what `timeline` knows to be missing."""
        pcm = bytearray()
        frames = self._frames()
        for frame in _resampled(self._splitter.shown(frames) if self._splitter else frames):
            pcm += frame.to_ndarray().tobytes()
        self._meter.check(self._name)
        return np.frombuffer(pcm, np.int16)

    def channels(self) -> tuple[NDArray[np.int16], ...]:
        """As `decode`, of each channel; () if nobody asked."""
        return self._splitter.channels() if self._splitter else ()

    def _frames(self) -> Iterator[AudioFrame]:
        """All frames: of the file, and of the links of a chained Ogg at which its reader gives up.

        It does where codec or rate change. From there on each link is a container of its own.
        """
        import av

        with self._open(0) as container:
            stream = _best_stream(container, self._name)
            self.stated = stated_duration(self._file, container, stream)
            is_ogg = container.format.name == "ogg"
            yield from self._frames_of(container, stream, 0)
        start = 0
        while self._failure is not None:
            read_to = max(start, self.timeline.position)
            link = _next_link(self._file, read_to + 1) if is_ogg else None
            if link is None:
                self.timeline.unreadable(self._failure)
                return
            if read_to == start > 0:
                self.timeline.skip(link - start)
            start = link
            try:
                with self._open(start) as container:
                    stream = _best_stream(container, self._name)
                    yield from self._frames_of(container, stream, start)
            except (av.error.FFmpegError, AudioError) as error:
                self._failure = str(error)

    def _open(self, start: int) -> InputContainer:
        """The container that begins at byte `start`."""
        import av

        def refuse(url: str, flags: int, options: object) -> NoReturn:
            raise AudioError(f"load: {self._name} is a playlist; load the file it names: {url!r}")

        self._file.seek(0)
        # Together these keep playlists of every format from opening other files and addresses.
        return av.open(
            Part(self._file, start) if start else self._file,
            "r",
            options={"protocol_whitelist": "none"},
            io_open=refuse,
            metadata_errors="ignore",
        )

    def _frames_of(
        self, container: InputContainer, stream: AudioStream, start: int
    ) -> Iterator[AudioFrame]:
        """Decoded frames of the container that begins at byte `start`.

        Damaged packets are skipped, as in ffmpeg, unless there is nothing else.
        """
        import av

        self.timeline.begin(container, start)
        is_float = stream.codec_context.name.startswith("pcm_f")
        damage: Exception | None = None
        n_frames = 0
        for packet in self._packets(container, stream):
            check()
            try:
                frames = stream.decode(packet)
            except av.error.FFmpegError as error:
                damage = error
                self.timeline.packet_failed(packet)
                continue
            n_frames += len(frames)
            for frame in frames:
                if is_float:
                    self._meter.add(frame.to_ndarray())
                self.timeline.frame(frame, packet)
                yield frame
        if damage and not n_frames:
            raise damage

    def _packets(self, container: InputContainer, stream: AudioStream) -> Iterator[Any]:
        """Packets; the last is empty and flushes the decoder, also where the file breaks off."""
        import av

        self._failure = None
        try:
            yield from container.demux(stream)
        except av.error.FFmpegError as error:
            self._failure = error.strerror
            yield None


def _best_stream(container: InputContainer, name: str) -> AudioStream:
    """The stream ffmpeg takes: one marked default, then of the most channels, then the first."""
    streams = [stream for stream in container.streams.audio if stream.codec_context is not None]
    if not streams:
        kinds = ", ".join(stream.type for stream in container.streams) or "none"
        _fail(name, f"{container.format.name} format, streams: {kinds}")
    return max(streams, key=lambda s: (bool(s.disposition & s.disposition.default), s.channels))


def _next_link(file: BinaryIO, start: int) -> int | None:
    """Where the next stream of an Ogg file begins, at byte `start` or later."""
    file.seek(start)
    kept = b""
    while block := file.read(_BLOCK):
        check()
        data = kept + block
        found = data.find(_NEW_STREAM)
        if found >= 0:
            return file.tell() - len(data) + found
        kept = data[1 - len(_NEW_STREAM) :]
    return None


def _mixed(frame: AudioFrame) -> AudioFrame:
    """`frame`, or the mean of its channels where there are more than two and none has a name."""
    import av

    n_channels = frame.layout.nb_channels
    if n_channels <= 2 or frame.layout.name != f"{n_channels} channels":
        return frame
    stored = columns(frame)
    if stored.dtype == np.int64:
        stored = (stored >> 32).astype(np.int32)
    mono = av.AudioFrame.from_ndarray(down_mix(as_float32(stored), 0)[None], "flt", "mono")
    mono.sample_rate = frame.sample_rate
    return mono


def _resampled(frames: Iterator[AudioFrame]) -> Iterator[AudioFrame]:
    """s16 mono 16 kHz frames, through one resampler, replaced where the stream changes its format.

    As in ffmpeg, the milliseconds that the old one still held are then lost.
    """
    import av

    current = resampler = None
    for frame in map(_mixed, frames):
        kind = frame.format.name, frame.layout.name, frame.sample_rate
        if resampler is None or kind != current:
            current = kind
            resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
        yield from resampler.resample(frame)
    if resampler is not None:
        yield from filter(None, resampler.resample(None))
