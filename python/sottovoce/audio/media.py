"""Media files -> 16-bit samples, through PyAV where it is installed."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

import numpy as np
from numpy.typing import NDArray

from .._core import SAMPLE_RATE
from ..errors import AudioError
from .levels import Meter
from .wav import decode_wav

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer


@contextlib.contextmanager
def opened(audio: Any) -> Iterator[tuple[BinaryIO, str]]:
    """A seekable binary file at 0, and its name for messages; closed only if opened here."""
    if isinstance(audio, (str, os.PathLike)):
        with Path(audio).open("rb") as file:
            yield _seekable(file), repr(os.fspath(audio))
    elif isinstance(audio, (bytes, bytearray, memoryview)):
        yield io.BytesIO(audio), f"{type(audio).__name__} ({memoryview(audio).nbytes} bytes)"
    elif hasattr(audio, "read"):
        if not isinstance(audio.read(0), bytes):
            raise TypeError("load: the file must be binary, got text; open it with mode 'rb'")
        yield _seekable(audio), repr(getattr(audio, "name", type(audio).__name__))
        if _can_seek(audio):
            audio.seek(0, os.SEEK_END)
    else:
        raise TypeError(
            "load: audio must be a path, bytes, a binary file or a NumPy array, "
            f"got {type(audio).__name__}; numpy.asarray turns tensors and lists into arrays"
        )


def _can_seek(file: BinaryIO) -> bool:
    return hasattr(file, "seekable") and file.seekable()


def _seekable(file: BinaryIO) -> BinaryIO:
    """`file`, or its rest in memory: decoders seek, and take 0 for the start of the media."""
    return file if _can_seek(file) and file.tell() == 0 else io.BytesIO(file.read())


def decode(file: BinaryIO, name: str) -> NDArray[np.int16]:
    """(n_samples,) int16 mono at 16 kHz. Memory holds these and one packet, never the media."""
    if not file.read(1):
        raise AudioError(f"load: {name} is empty; expected an audio or video file")
    file.seek(0)
    try:
        import av
    except ImportError as error:
        return decode_wav(file, name, error)

    def refuse(url: str, flags: int, options: object) -> NoReturn:
        raise AudioError(f"load: {name} is a playlist; load the file it names: {url!r}")

    pcm = bytearray()
    meter = Meter()
    try:
        # Together these keep playlists of every format from opening other files and addresses.
        with av.open(
            file,
            "r",
            options={"protocol_whitelist": "none"},
            io_open=refuse,
            metadata_errors="ignore",
        ) as container:
            stream = _best_stream(container, name)
            frames = _frames(container, stream)
            if stream.codec_context.name.startswith("pcm_f"):
                frames = _measured(frames, meter)
            for frame in _resampled(frames):
                pcm += frame.to_ndarray().tobytes()
    except av.error.FFmpegError as error:
        _fail(name, error.strerror, error)
    meter.check(name)
    return np.frombuffer(pcm, np.int16)


def _fail(name: str, reason: object, cause: Exception | None = None) -> NoReturn:
    message = f"load: {name} has no audio stream that can be decoded: {reason}"
    raise AudioError(message) from cause


def _best_stream(container: InputContainer, name: str) -> AudioStream:
    """The stream ffmpeg takes: one marked default, then of the most channels, then the first."""
    streams = [stream for stream in container.streams.audio if stream.codec_context is not None]
    if not streams:
        kinds = ", ".join(stream.type for stream in container.streams) or "none"
        _fail(name, f"{container.format.name} format, streams: {kinds}")
    return max(streams, key=lambda s: (bool(s.disposition & s.disposition.default), s.channels))


def _packets(container: InputContainer, stream: AudioStream) -> Iterator[Any]:
    """Packets; the last one is empty and flushes the decoder, also where the file breaks off."""
    import av

    try:
        yield from container.demux(stream)
    except av.error.FFmpegError:
        yield None


def _frames(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    """Decoded frames. Damaged packets are skipped, as in ffmpeg, unless there is nothing else."""
    import av

    damage: Exception | None = None
    n_frames = 0
    for packet in _packets(container, stream):
        try:
            frames = stream.decode(packet)
        except av.error.FFmpegError as error:
            damage = error
            continue
        n_frames += len(frames)
        yield from frames
    if damage and not n_frames:
        raise damage


def _measured(frames: Iterator[AudioFrame], meter: Meter) -> Iterator[AudioFrame]:
    for frame in frames:
        meter.add(frame.to_ndarray())
        yield frame


def _resampled(frames: Iterator[AudioFrame]) -> Iterator[AudioFrame]:
    """s16 mono 16 kHz frames, through one resampler, replaced where the stream changes its format.

    As in ffmpeg, the milliseconds that the old one still held are then lost.
    """
    import av

    current = resampler = None
    for frame in frames:
        kind = frame.format.name, frame.layout.name, frame.sample_rate
        if resampler is None or kind != current:
            current = kind
            resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
        yield from resampler.resample(frame)
    if resampler is not None:
        yield from filter(None, resampler.resample(None))
