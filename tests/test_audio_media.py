"""audio.load: media, against ffmpeg and against known samples."""

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from oracle.clips import JFK
from sottovoce import audio
from sottovoce._core import LoadError
from sottovoce.errors import AudioWarning
from sounds import STEP, riff_bytes, tones, wav_bytes

DESCRIPTORS = Path("/proc/self/fd")


def encoded(form: str, codec: str, rate: int, *tracks: np.ndarray, default: int = 0) -> bytes:
    """A media file with one track for each (n_samples, n_channels) array of 16-bit values."""
    import av

    out = io.BytesIO()
    with av.open(out, "w", format=form) as container:
        for track in tracks:
            layout = "stereo" if track.shape[1] == 2 else "mono"
            container.add_stream(codec, rate=rate, layout=layout)
        if len(tracks) > 1:
            marked = av.stream.Disposition.default.value
            for index, stream in enumerate(container.streams):
                stream.disposition = marked if index == default else 0
        for stream, track in zip(container.streams, tracks, strict=True):
            interleaved = np.round(track / STEP).astype(np.int16).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(interleaved, "s16", stream.layout.name)
            frame.sample_rate, frame.pts = rate, 0
            container.mux([*stream.encode(frame), *stream.encode(None)])
    return out.getvalue()


def video_without_sound() -> bytes:
    import av

    out = io.BytesIO()
    with av.open(out, "w", format="matroska") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height = 32, 32
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), "rgb24")
        container.mux([*stream.encode(frame.reformat(format="yuv420p")), *stream.encode(None)])
    return out.getvalue()


class Pipe(io.RawIOBase):
    """A binary file that cannot seek."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        return self._data.readinto(buffer)


class Reader:
    """The least a file object can be."""

    def __init__(self, data: bytes) -> None:
        self.read = io.BytesIO(data).read


# --- media ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [str, Path, Path.read_bytes, lambda path: bytearray(path.read_bytes())]
    + [lambda path, wrap=wrap: wrap(path.read_bytes()) for wrap in (memoryview, io.BytesIO)]
    + [lambda path, wrap=wrap: wrap(path.read_bytes()) for wrap in (Pipe, Reader)],
    ids=["str", "Path", "bytes", "bytearray", "memoryview", "BytesIO", "pipe", "reader"],
)
def test_every_kind_of_source_gives_the_same_samples(source, jfk):
    samples = audio.load(source(JFK))
    assert samples.dtype == np.float32
    assert samples.flags.c_contiguous
    np.testing.assert_array_equal(samples, jfk)


def test_an_open_file_is_read_from_its_position_and_left_open(tmp_path):
    clip = wav_bytes(tones(800, 16000, 440), 16000)
    path = tmp_path / "two.wav"
    path.write_bytes(b"header" + clip)
    with path.open("rb") as file:
        file.seek(6)
        samples = audio.load(file)
        assert not file.closed
        assert file.tell() == 6 + len(clip)
        file.seek(0)
        with pytest.raises(audio.AudioError, match=r"two\.wav"):
            audio.load(file)
        assert not file.closed
    np.testing.assert_array_equal(samples, audio.load(clip))


def test_a_file_that_is_read_from_its_start_is_left_at_its_end(monkeypatch):
    file = io.BytesIO(wav_bytes(tones(800, 16000, 440), 16000) + b"more")
    for without in (False, True):
        if without:
            monkeypatch.setitem(sys.modules, "av", None)
        file.seek(0)
        audio.load(file)
        assert file.tell() == len(file.getvalue())


@pytest.mark.skipif(not DESCRIPTORS.is_dir(), reason="counts descriptors in /proc")
def test_no_descriptor_is_left_open(tmp_path):
    rubbish = tmp_path / "rubbish.mp3"
    rubbish.write_bytes(bytes(1000))
    audio.load(JFK)
    before = len(list(DESCRIPTORS.iterdir()))
    for _ in range(5):
        audio.load(JFK)
        with pytest.raises(audio.AudioError):
            audio.load(rubbish)
    assert len(list(DESCRIPTORS.iterdir())) == before


@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_wav_is_mixed_and_resampled(rate, n_channels):
    stored = tones(rate // 2 + 7, rate, 300, 1000)[:, :n_channels]
    samples = audio.load(wav_bytes(stored, rate))
    expected = audio.load(stored, sample_rate=rate)
    assert abs(samples.size - expected.size) <= 2
    n_samples = min(samples.size, expected.size)
    # libswresample's own rounding: versions before 6 filter in 16 bits, and stay within 4 steps.
    np.testing.assert_allclose(samples[:n_samples], expected[:n_samples], rtol=0, atol=5 * STEP)
    np.testing.assert_array_equal(samples / STEP, np.round(samples / STEP))


@pytest.mark.parametrize("n_channels", [2, 3, 4, 6, 8, 9, 16, 32])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("header", ["plain", "extensible"])
def test_channels_without_a_layout_are_averaged(header, dtype, n_channels, monkeypatch):
    rate = 44100
    loud = np.arange(n_channels) == min(2, n_channels - 1)  # the third is a centre to ffmpeg
    samples = tones(rate // 10, rate, 440, level=0.9) * loud
    if np.dtype(dtype).kind != "f":
        samples = np.round(samples * (np.iinfo(dtype).max // 2)) + (dtype is np.uint8) * 128
    stored = samples.astype(dtype)
    media = riff_bytes(stored, rate, layout=0 if header == "extensible" else None)
    expected = audio.load(stored, sample_rate=rate)
    for without in (False, True):
        if without:
            monkeypatch.setitem(sys.modules, "av", None)
        heard = audio.load(media)
        # As above, and the mean is rounded on its way.
        np.testing.assert_allclose(heard, expected, rtol=0, atol=5 * STEP)


@pytest.mark.parametrize("format_name", ["fltp", "flt"])
def test_planes_without_a_layout_are_averaged_as_well(format_name):
    import av

    from sottovoce.audio.media import _mixed

    planes = np.arange(12, dtype=np.float32).reshape(3, 4) / 16
    stored = planes if format_name == "fltp" else planes.T.reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(stored), format_name, "3 channels")
    frame.sample_rate = 16000
    np.testing.assert_array_equal(_mixed(frame).to_ndarray(), planes.mean(0)[None])


def test_a_layout_is_mixed_as_ffmpeg_mixes_it():
    stored = np.zeros((1600, 6), np.int16)
    stored[:, 3] = 16000  # the low frequencies of 5.1, which no mix takes
    assert not audio.load(riff_bytes(stored, 16000, layout=0x3F)).any()
    stored[:, 2] = 16000  # the centre
    assert audio.load(riff_bytes(stored, 16000, layout=0x3F)).max() > 0.1


@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("rate", [16000, 11025, 48000])
def test_pcm_wav_needs_no_decoder_library(rate, width, n_channels, monkeypatch):
    clip = wav_bytes(tones(4000, rate, 300, 500)[:, :n_channels], rate, width)
    expected = audio.load(clip)
    monkeypatch.setitem(sys.modules, "av", None)
    samples = audio.load(clip)
    n_samples = min(samples.size, expected.size)
    assert samples.size - n_samples <= 2
    exact = rate == 16000 and n_channels == 1
    tolerance = 0 if exact else 5 * STEP
    np.testing.assert_allclose(samples[:n_samples], expected[:n_samples], rtol=0, atol=tolerance)


def test_a_wav_that_breaks_off_needs_no_decoder_library_either(without_av):
    clip = wav_bytes(tones(4000, 16000, 300, 500), 16000, 3)
    assert audio.load(clip[:-10]).size == 3998


@pytest.mark.parametrize(
    ("form", "codec", "rate"),
    [
        ("mp3", "libmp3lame", 16000),
        ("mp3", "libmp3lame", 44100),
        ("ogg", "libopus", 48000),
        ("mp4", "aac", 44100),
        ("flac", "flac", 44100),
        ("matroska", "pcm_s16le", 8000),
    ],
)
def test_compressed_media_keep_their_place_in_time(form, codec, rate):
    stored = tones(rate, rate, 440, 440)
    stored[: rate // 2] *= 0.2  # a step in loudness, to see a shift by
    samples = audio.load(encoded(form, codec, rate, stored))
    expected = audio.load(stored, sample_rate=rate)
    assert 0 <= samples.size - expected.size < 2048  # the codec's last frame may be padded
    np.testing.assert_allclose(samples[1000:15000], expected[1000:15000], rtol=0, atol=0.08)
    assert np.corrcoef(samples[1000:15000], expected[1000:15000])[0, 1] > 0.999


def test_mp3_drops_the_delay_and_padding_of_its_encoder():
    clip = encoded("mp3", "libmp3lame", 16000, tones(16000, 16000, 440))
    assert audio.load(clip).size == 16000


@pytest.mark.parametrize(
    ("default", "expected"), [(0, 300), (1, 2000)], ids=["the first", "the default"]
)
def test_of_several_tracks_it_takes(default, expected):
    tracks = tones(8000, 16000, 300), tones(8000, 16000, 2000)
    samples = audio.load(encoded("matroska", "pcm_s16le", 16000, *tracks, default=default))
    np.testing.assert_allclose(samples, tones(8000, 16000, expected)[:, 0], rtol=0, atol=STEP)


@pytest.mark.parametrize("most_first", [False, True])
def test_of_several_tracks_without_a_default_it_takes_that_of_most_channels(most_first):
    mono, stereo = tones(8000, 16000, 300), tones(8000, 16000, 2000, 2000)
    tracks = (stereo, mono) if most_first else (mono, stereo)
    samples = audio.load(encoded("matroska", "pcm_s16le", 16000, *tracks, default=-1))
    assert np.abs(samples - stereo[:, 0]).max() <= 2 * STEP


def test_a_change_of_format_midway_is_followed():
    first = encoded("adts", "aac", 44100, tones(44100, 44100, 440, 440))
    second = encoded("adts", "aac", 16000, tones(16000, 16000, 440))
    whole = audio.load(first + second)
    parts = [audio.load(first), audio.load(second)]
    assert abs(whole.size - sum(part.size for part in parts)) < 100
    np.testing.assert_array_equal(whole[:15000], parts[0][:15000])
    np.testing.assert_allclose(whole[-8000:], parts[1][-8000:], rtol=0, atol=2 * STEP)


@pytest.mark.filterwarnings("ignore:.* is damaged")  # FFmpeg 7 finds it, 8 decodes over it
def test_damage_is_skipped(jfk, capfd):
    clip = bytearray(JFK.read_bytes())
    middle = len(clip) // 2
    clip[middle : middle + 64] = bytes(64)
    samples = audio.load(clip)
    assert 0.9 * jfk.size < samples.size <= jfk.size
    n_intact = 70_000  # before the middle
    np.testing.assert_array_equal(samples[:n_intact], jfk[:n_intact])
    assert capfd.readouterr() == ("", "")  # libav's complaints stay in libav


def test_what_is_left_of_a_cut_file_is_decoded(jfk):
    with pytest.warns(AudioWarning, match=r"breaks off at [\d.]+ s of 11\.0; the rest is missing"):
        samples = audio.load(JFK.read_bytes()[:100_000])
    assert 60_000 < samples.size < jfk.size
    np.testing.assert_array_equal(samples[:60_000], jfk[:60_000])


@pytest.mark.parametrize("missing", [False, True], ids=["av", "without av"])
def test_media_of_no_length_give_no_samples(missing, monkeypatch):
    if missing:
        monkeypatch.setitem(sys.modules, "av", None)
    samples = audio.load(wav_bytes(np.zeros((0, 1)), 16000))
    assert samples.shape == (0,)
    assert samples.dtype == np.float32


@pytest.mark.parametrize(
    "playlist",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:11\n#EXTINF:11,\n{}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile {}\n",
    ],
    ids=["hls", "ffconcat"],
)
def test_a_playlist_opens_no_other_file(playlist, tmp_path):
    shutil.copy(JFK, tmp_path / "clip.flac")
    path = tmp_path / "list.m3u8"
    path.write_text(playlist.format("clip.flac"))
    with pytest.raises(audio.AudioError, match=r"list\.m3u8"):
        audio.load(path)


def test_the_decoder_library_is_imported_when_it_is_needed():
    code = "import sys, sottovoce.audio; sys.exit('av' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- bad input ------------------------------------------------------------------------------------

NOT_AUDIO = "no audio stream that can be decoded"
BAD_MEDIA = [
    (lambda: b"", audio.AudioError, r"load: bytes \(0 bytes\) is empty; expected an audio"),
    (lambda: io.BytesIO(), audio.AudioError, "load: 'BytesIO' is empty"),
    (lambda: b"not audio", audio.AudioError, rf"load: bytes \(9 bytes\) has {NOT_AUDIO}: Invalid"),
    (lambda: bytes(5000), audio.AudioError, NOT_AUDIO),
    (lambda: JFK.read_bytes()[5000:9000], audio.AudioError, NOT_AUDIO),
    (video_without_sound, audio.AudioError, f"{NOT_AUDIO}: matroska.* format, streams: video"),
    (lambda: io.StringIO("text"), TypeError, "must be binary, got text; open it with mode 'rb'"),
    (lambda: None, TypeError, r"samples \(an array, a tensor, .*\), got NoneType"),
]


@pytest.mark.parametrize(("make", "error", "message"), BAD_MEDIA)
def test_bad_media(make, error, message, capfd):
    with pytest.raises(error, match=message):
        audio.load(make())
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("notes.txt", audio.AudioError, f"load: '.*notes.txt' has {NOT_AUDIO}: "),
        ("nothing.wav", audio.AudioError, "load: '.*nothing.wav' is empty; expected an audio"),
        ("missing.wav", FileNotFoundError, "missing.wav"),
        ("directory", OSError, "directory"),
        ("https://example.com/a.mp3", ValueError, "is an address; download it first"),
    ],
)
def test_bad_paths(name, error, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("notes.txt").write_text("Dear diary,\n" * 100)
    Path("nothing.wav").touch()
    Path("directory").mkdir()
    with pytest.raises(error, match=message):
        audio.load(name)


def test_an_undecodable_file_is_a_load_error_and_a_value_error():
    assert issubclass(audio.AudioError, LoadError)
    assert issubclass(audio.AudioError, ValueError)


ADPCM_WAV = wav_bytes(np.zeros((10, 1)), 16000).replace(b"\x10\0\0\0\1\0", b"\x10\0\0\0\2\0")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (JFK, "load: '.*jfk.flac' needs PyAV, which is missing: pip install av"),
        (ADPCM_WAV, r"load: bytes .* pip install av \(without it: format 2 of 16 bits\)"),
        (
            riff_bytes(np.zeros((10, 6), np.int16), 16000, layout=0x3F),
            "without it: 6 channels with a layout",
        ),
        (wav_bytes(np.zeros((10, 1)), 10), r"without it: 1 channels at 10 Hz"),
    ],
)
def test_without_a_decoder_library_the_message_says_what_to_install(source, message, without_av):
    with pytest.raises(ImportError, match=message):
        audio.load(source)


# --- more clips -----------------------------------------------------------------------------------


def dev_clips(folder: Path) -> list[dict]:
    lines = (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_every_clip_has_its_length(dev_data):
    clips = dev_clips(dev_data)
    assert clips
    for clip in clips:
        samples = audio.load(dev_data / clip["file"])
        assert samples.size == pytest.approx(16000 * clip["duration_s"], abs=1600), clip["file"]
        assert -1 <= samples.min() <= samples.max() < 1, clip["file"]


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="compares with an installed ffmpeg")
def test_every_clip_is_what_ffmpeg_gives(dev_data):
    """With the same version of the libraries, to the bit; another one resamples a little apart."""
    for clip in dev_clips(dev_data):
        path = dev_data / clip["file"]
        command = ["ffmpeg", "-v", "quiet", "-nostdin", "-i", path, "-f", "s16le", "-ac", "1"]
        run = subprocess.run([*command, "-ar", "16000", "-"], check=True, capture_output=True)
        expected = np.frombuffer(run.stdout, "<i2") * np.float32(STEP)
        samples = audio.load(path)
        assert samples.size == expected.size, clip["file"]
        assert np.abs(samples - expected).max() <= 5 * STEP, clip["file"]
