"""Any media -> float32 mono samples at 16 kHz in [-1, 1]: the door through which audio comes in.

Media (a path, bytes, a binary file) give what `ffmpeg -ac 1 -ar 16000 -f s16le` gives: PyAV carries
the same libraries, so the samples are 16-bit steps, as openai-whisper sees them. Arrays keep their
precision and take one NumPy path, whatever is installed; PCM WAV can do without PyAV too.
Deliberately not here: URLs and playlists (the file itself is read, nothing it points to), loudness
(nothing is normalised), and all that follows the samples (`_core.log_mel` makes the spectrogram).
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from sottovoce._core import SAMPLE_RATE, LoadError, ShapeError

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

Audio: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | NDArray[Any]

# Every array dtype taken, and the full scale that is divided by to land in [-1, 1].
_FULL_SCALE = {"u1": 2.0**7, "i2": 2.0**15, "i4": 2.0**31, "f4": 1.0, "f8": 1.0}
_MAX_CHANNELS = 32  # a wider array is not audio: a mel spectrogram has 80 or 128 rows
_RATES = range(1_000, 768_001)  # Hz

# libswresample's default filter.
_FILTER_SIZE = 32  # taps at the full band; a narrower band takes proportionally more
_CUTOFF = 0.97  # of the lower Nyquist frequency, when the rate goes down
_KAISER_BETA = 9.0


class AudioError(LoadError, ValueError):
    """Media that cannot be decoded: the message names the file and what the decoder said."""


def load(audio: Audio, *, sample_rate: int | None = None) -> NDArray[np.float32]:
    """`audio` as samples: (n_samples,) float32, mono, 16 kHz; (0,) for valid media of no length.

    audio: one of
        a path, to any container and codec that ffmpeg knows, the sound of a video included;
        bytes, bytearray, memoryview: the contents of such a file;
        a binary file object: read from its position to its end, and left open there;
        an array: float32 or float64 in [-1, 1], or int16, int32, uint8 over their full scale;
        (n_samples,), or with channels on either axis, the smaller one: these are averaged.
        A float32 array, mono at 16 kHz, is returned as it is, without a copy.
    sample_rate: Hz, of an array only (16000 unless told): media state their own.

    Raises FileNotFoundError and the other OSErrors of a path; AudioError: cannot be decoded;
    ImportError: PyAV is needed and missing; TypeError: another kind of object or dtype;
    ShapeError: a shape that is not audio; ValueError: NaN, infinity, an absurd sample_rate.
    """
    if isinstance(audio, np.ndarray):
        return _from_array(audio, SAMPLE_RATE if sample_rate is None else sample_rate)
    if sample_rate is not None:
        raise ValueError("load: sample_rate is for arrays; media state their own, leave it out")
    with _opened(audio) as (file, name):
        pcm = _decode(file, name)
    return np.multiply(pcm, np.float32(1 / _FULL_SCALE["i2"]), dtype=np.float32)


def held(audio: Audio) -> Audio:
    """The same, in memory of its own where the caller could change it before it is loaded.

    An array, a buffer and the rest of a file are copied; a path stays what it is, and so does what
    `load` would refuse. Raises what reading the file raises.
    """
    if isinstance(audio, np.ndarray):
        return np.array(audio)
    if isinstance(audio, (bytearray, memoryview)):
        return bytes(audio)
    if not isinstance(audio, (str, os.PathLike, bytes)) and hasattr(audio, "read"):
        with _opened(audio) as (file, _):
            copy = io.BytesIO(file.read())
        copy.name = getattr(audio, "name", type(audio).__name__)
        return copy
    return audio


# --- media ----------------------------------------------------------------------------------------


@contextlib.contextmanager
def _opened(audio: Any) -> Iterator[tuple[BinaryIO, str]]:
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


def _decode(file: BinaryIO, name: str) -> NDArray[np.int16]:
    """(n_samples,) int16 mono at 16 kHz. Memory holds these and one packet, never the media."""
    if not file.read(1):
        raise AudioError(f"load: {name} is empty; expected an audio or video file")
    file.seek(0)
    try:
        import av
    except ImportError as error:
        return _decode_wav(file, name, error)

    def refuse(url: str, flags: int, options: object) -> NoReturn:
        raise AudioError(f"load: {name} is a playlist; load the file it names: {url!r}")

    pcm = bytearray()
    try:
        # Together these keep playlists of every format from opening other files and addresses.
        with av.open(
            file,
            "r",
            options={"protocol_whitelist": "none"},
            io_open=refuse,
            metadata_errors="ignore",
        ) as container:
            for frame in _resampled(_frames(container, _best_stream(container, name))):
                pcm += frame.to_ndarray().tobytes()
    except av.error.FFmpegError as error:
        _fail(name, error.strerror, error)
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


def _decode_wav(file: BinaryIO, name: str, missing: ImportError) -> NDArray[np.int16]:
    """Mono or stereo PCM WAV of 8, 16, 24 or 32 bits -> (n_samples,) int16, without PyAV."""
    try:
        with wave.open(file) as wav:
            n_channels, width, rate = wav.getparams()[:3]
            raw = np.frombuffer(wav.readframes(wav.getnframes()), np.uint8)
        if n_channels > 2 or rate not in _RATES:
            raise wave.Error(f"{n_channels} channels at {rate} Hz")
    except (wave.Error, EOFError) as error:
        message = f"load: {name} needs PyAV, which is missing: pip install av (without it: {error})"
        raise ImportError(message) from missing
    raw = raw[: raw.size - raw.size % (n_channels * width)].reshape(-1, n_channels, width)
    words = np.zeros((*raw.shape[:2], 4), np.uint8)  # little-endian int32, the sample at its top
    words[..., -width:] = raw
    if width == 1:
        words[..., 3] ^= 0x80  # 8-bit WAV is unsigned
    samples: NDArray[np.int32] = words.view("<i4")[..., 0]  # (n_samples, n_channels)
    if n_channels == 1 and rate == SAMPLE_RATE:
        return (samples[:, 0] >> 16).astype(np.int16)
    mono = _resample(_down_mix(_as_float32(samples), channel_axis=1), rate)
    pcm: NDArray[np.int16] = (mono * 2**15).round().clip(-(2**15), 2**15 - 1).astype(np.int16)
    return pcm


# --- arrays ---------------------------------------------------------------------------------------


def _from_array(array: NDArray[Any], rate: int) -> NDArray[np.float32]:
    """Mono or multichannel, at `rate` Hz -> (n_samples,) at 16 kHz."""
    _check_rate(rate)
    axis = _channel_axis(array.shape)
    samples = _as_float32(array)
    finite = np.isfinite(samples)
    if not finite.all():
        index = tuple(int(i) for i in np.unravel_index(finite.argmin(), samples.shape))
        raise ValueError(f"load: samples must be finite, got {array[index]} at {index}")
    return np.ascontiguousarray(_resample(_down_mix(samples, axis), int(rate)))


def _check_rate(rate: int) -> None:
    if isinstance(rate, bool) or not isinstance(rate, (int, np.integer)):
        raise TypeError(f"load: sample_rate must be an int in Hz, got {rate!r}")
    if rate not in _RATES:
        raise ValueError(f"load: sample_rate must be in {_RATES[0]}..{_RATES[-1]} Hz, got {rate}")


def _channel_axis(shape: tuple[int, ...]) -> int | None:
    """The axis of the channels; None for mono."""
    if len(shape) == 1:
        return None
    if len(shape) != 2 or min(shape) > _MAX_CHANNELS or shape[0] == shape[1] > 1:
        raise ShapeError(
            "load: an array must be (n_samples,), (n_samples, n_channels) or (n_channels, "
            f"n_samples), n_channels the smaller and <= {_MAX_CHANNELS}, got {shape}"
        )
    return int(np.argmin(shape))


def _as_float32(array: NDArray[Any]) -> NDArray[np.float32]:
    """Any accepted dtype, its full scale to [-1, 1]; float32 is returned as it is."""
    kind = array.dtype.kind + str(array.dtype.itemsize)
    if kind not in _FULL_SCALE:
        raise TypeError(
            "load: an array must be float32 or float64 in [-1, 1], or int16, int32 or uint8, "
            f"got {array.dtype}; scale it and convert it with astype first"
        )
    with np.errstate(over="ignore"):  # beyond float32: becomes inf, and is reported as such
        samples = array.astype(np.float32, copy=False)
    if kind == "u1":
        samples -= np.float32(_FULL_SCALE[kind])
    if kind[0] != "f":
        samples *= np.float32(1 / _FULL_SCALE[kind])
    return samples


def _down_mix(samples: NDArray[np.float32], channel_axis: int | None) -> NDArray[np.float32]:
    """The mean of the channels: for stereo, also what ffmpeg's down-mix to s16 takes."""
    if channel_axis is None:
        return samples
    if 1 in samples.shape or not samples.size:
        return samples.reshape(-1)
    mono: NDArray[np.float32] = samples.mean(channel_axis, np.float64).astype(np.float32)
    return mono


def _resample(samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """(n_samples,) at `rate` Hz -> 16 kHz: libswresample's windowed sinc, with exact phases.

    Output j stands at input position j * down / up. A period of `up` outputs repeats its filters
    `down` inputs further on, so one matrix-vector product serves one output of every period.
    `n_blocks` periods are stepped over at once: BLAS takes rows in place if they do not overlap.
    """
    if rate == SAMPLE_RATE or not samples.size:
        return samples
    divisor = math.gcd(rate, SAMPLE_RATE)
    up, down = SAMPLE_RATE // divisor, rate // divisor
    bandwidth = min(_CUTOFF * SAMPLE_RATE / rate, 1.0)
    half = math.ceil(_FILTER_SIZE / bandwidth / 2)
    n_taps = 2 * half
    n_blocks = math.ceil(n_taps / down)
    # As swresample does: mirrored about the first sample in front, behind the last one at the end.
    front = np.pad(samples[:n_taps], (half - 1, 0), "reflect")[: half - 1]
    back = np.pad(samples[-n_taps:], (0, half), "symmetric")[-half:]
    windows = sliding_window_view(np.concatenate([front, samples, back]), n_taps)
    gain = 1 / _taps(0.0, n_taps, bandwidth).sum()
    out = np.empty(-(-samples.size * up // down), np.float32)
    for phase in range(min(up, out.size)):
        start, remainder = divmod(phase * down, up)
        taps = (gain * _taps(remainder / up, n_taps, bandwidth)).astype(np.float32)
        for block in range(n_blocks):
            outputs = out[block * up + phase :: n_blocks * up]
            rows = windows[start + block * down :: n_blocks * down]
            outputs[:] = rows[: outputs.size] @ taps
    return out


def _taps(fraction: float, n_taps: int, bandwidth: float) -> NDArray[np.float64]:
    """(n_taps,) Kaiser-windowed sinc, centred `fraction` of a sample after tap n_taps / 2 - 1."""
    time = np.arange(n_taps) - (n_taps // 2 - 1) - fraction
    window = np.i0(_KAISER_BETA * np.sqrt(np.maximum(1 - (2 * time / n_taps) ** 2, 0)))
    taps: NDArray[np.float64] = np.sinc(bandwidth * time) * window
    return taps
