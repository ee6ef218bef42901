"""What bad input comes to, as a user meets it: one table for the Python API and the command line.

In Python: an exception of the right kind. On the command line: status 1 and exactly one line on
standard error, which names the help at status 2; nothing on standard output. Both say
the same. What goes wrong inside a single room has its tests with that room.
"""

import copy
import os
import pickle
import re
import shlex
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import ctranslate2_writer as ct2
import fake_core
import tiny_whisper
from fake_core import ENGLISH, MULTILINGUAL
from oracle import clips
from sottovoce import LoadError, ShapeError, StateError, WhisperModel, _core, cli
from sottovoce.audio import AudioError

WEIGHTS = "model.safetensors"


@dataclass
class Place:
    """Where a case happens: two good models, and a directory of its own."""

    multilingual: WhisperModel
    english: WhisperModel
    paths: dict[str, Path]  # multilingual, english: directories; clip: good audio; tmp: the case's

    def transcribe(self, audio, **options):
        segments, _ = self.multilingual.transcribe(audio, **{"language": "en", **options})
        return list(segments)

    def decode(self, **options):
        mel = np.zeros((80, 100), np.float32)
        return self.multilingual.decode(mel, **{"language": "en", **options})

    def core_decode(self, **options):
        special = self.multilingual.tokenizer.special
        given = {
            "eot": special.eot,
            "no_speech": special.no_speech,
            "no_timestamps": special.no_timestamps,
            "timestamp_begin": special.timestamp_begin,
            "initial_tokens": [special.sot],
        }
        options = _core.DecodingOptions(**{**given, **options})
        return self.core.decode([self.features()], [options])

    @property
    def core(self) -> _core.Model:
        return self.multilingual.core

    def features(self) -> _core.AudioFeatures:
        return self.core.encode(np.zeros((80, 100), np.float32))

    def state(self) -> _core.DecoderState:
        return self.core.new_state([self.features()], 1)


@dataclass(frozen=True)
class Case:
    call: Callable[[Place], object]
    exception: type[Exception]
    message: str
    command: str = ""  # "1: arguments": status and command line; {name} is a path of Place.paths
    prepare: Callable[[Path], object] = bool  # makes files in {tmp}


def model(prepare: Callable[[Path], object], message: str) -> Case:
    """`prepare` writes a bad model directory."""
    return Case(
        lambda at: WhisperModel(at.paths["tmp"]),
        LoadError,
        message,
        "1: transcribe {clip} --model {tmp}",
        prepare,
    )


def runtime(keywords: dict, flags: str, message: str) -> Case:
    return Case(
        lambda at: WhisperModel(at.paths["multilingual"], **keywords),
        ValueError,
        message,
        f"1: transcribe {{clip}} --model {{multilingual}} {flags}",
    )


def media(name: str, exception: type[Exception], message: str, contents: bytes | None) -> Case:
    """`contents` of the file; None: there is none."""

    def prepare(directory: Path) -> None:
        if contents is not None:
            (directory / name).write_bytes(contents)

    return Case(
        lambda at: at.transcribe(at.paths["tmp"] / name),
        exception,
        message,
        f"1: transcribe {{tmp}}/{name} --model {{multilingual}} --language en",
        prepare,
    )


def samples(array: np.ndarray, exception: type[Exception], message: str, **options) -> Case:
    return Case(lambda at: at.transcribe(array, **options), exception, message)


def option(keywords: dict, exception: type[Exception], message: str, flags: str = "") -> Case:
    """Of transcribe; flags are refused before a model is looked for."""
    call = f"2: transcribe x.wav --model x {flags}" if flags else ""
    return Case(lambda at: at.transcribe(SECOND, **keywords), exception, message, call)


def window(keywords: dict, exception: type[Exception], message: str) -> Case:
    return Case(lambda at: at.decode(**keywords), exception, message)


def core(call: Callable[[Place], object], exception: type[Exception], message: str) -> Case:
    return Case(call, exception, message)


# --- files that are wrong ---


def written(**replaced: np.ndarray | None) -> Callable[[Path], object]:
    return lambda directory: tiny_whisper.write(directory, **replaced)


def changed(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    def prepare(directory: Path) -> None:
        tiny_whisper.write(directory)
        (directory / name).write_bytes(change((directory / name).read_bytes()))

    return prepare


def without(name: str) -> Callable[[Path], object]:
    def prepare(directory: Path) -> None:
        tiny_whisper.write(directory)
        (directory / name).unlink()

    return prepare


def truncated_ctranslate2(directory: Path) -> None:
    variables = ct2.variables_of(tiny_whisper.tensors(), n_audio_head=1, n_text_head=1)
    ct2.write_directory(directory, ct2.model_bin(variables)[:-1000])
    fake_core.write_tokenizer_json(directory, MULTILINGUAL)


def with_tokenizer_of(n_vocab: int) -> Callable[[Path], object]:
    def prepare(directory: Path) -> None:
        tiny_whisper.write(directory)
        fake_core.write_tokenizer_json(directory, n_vocab)

    return prepare


SECOND = np.zeros(16000, np.float32)


def spoilt(value: float) -> np.ndarray:
    array = SECOND.copy()
    array[5] = value
    return array


def mel(n_mels: int = 80, n_frames: int = 3000, dtype: str = "float32") -> np.ndarray:
    return np.zeros((n_mels, n_frames), dtype)


TABLE: dict[str, Case] = {
    # Models.
    "truncated weights": model(changed(WEIGHTS, lambda data: data[:-1000]),
        r"model\.safetensors: tensor '\S+': data offset \d+ lies past the end"),
    "truncated header": model(changed(WEIGHTS, lambda data: data[:5]),
        r"model\.safetensors: truncated: 5 bytes"),
    "lying header": model(changed(WEIGHTS, lambda data: struct.pack("<Q", 2**40) + data[8:]),
        r"model\.safetensors: not a safetensors file, or truncated: the header would have 1099511"),
    "missing tensor": model(written(**{"decoder.ln.bias": None}),
        r"tensor 'decoder\.ln\.bias' \(32,\) is missing"),
    "wrong shape": model(written(**{"encoder.conv1.weight": np.zeros((32, 81, 3), np.float32)}),
        r"tensor 'encoder\.conv1\.weight' must be \(32, 80, 3\), got \(32, 81, 3\)"),
    "NaN weights": model(written(**{"encoder.conv1.bias": np.full(32, np.nan, np.float32)}),
        r"tensor 'encoder\.conv1\.bias' must be finite, got NaN"),
    "config is no JSON": model(changed("config.json", lambda _: b"{"), r"config\.json: byte 1"),
    "truncated CTranslate2": model(truncated_ctranslate2,
        r"model\.bin: .* needs \d+ bytes at offset \d+, got \d+; the file is truncated"),
    "tokenizer of another model": model(with_tokenizer_of(ENGLISH),
        r"tokenizer\.json: token <\|endoftext\|> must have the id 50257 for a model of "
        r"n_vocab=51865, got 50256"),
    "no tokenizer": model(without("tokenizer.json"), r"has neither tokenizer\.json nor vocab"),
    "tokenizer is no JSON": model(changed("tokenizer.json", lambda _: b"{"),
        r"tokenizer\.json: must be a byte-level BPE vocabulary, got JSONDecodeError"),
    "empty directory": model(bool, r"no model in it \(it is empty\); a model is a directory with"),
    "no model": model(lambda directory: (directory / "thesis.tex").touch(),
        r"no model in it \(it holds thesis\.tex\); a model is a directory with"),
    "audio as model": Case(lambda at: WhisperModel(at.paths["clip"]), LoadError,
        r"jfk\.flac: not a model file", "1: transcribe {clip} --model {clip}"),
    "no such path": Case(lambda at: WhisperModel("/nowhere/model"), LoadError,
        r"/nowhere/model: no such file or directory", "1: info /nowhere/model"),
    "unknown name": Case(lambda at: WhisperModel("tiny.eng"), ValueError,
        r"unknown model 'tiny\.eng': did you mean 'tiny\.en'\? .* one of base, base\.en, ",
        "1: transcribe {clip} --model tiny.eng"),
    "not in the cache": Case(
        lambda at: WhisperModel("small", local_files_only=True, download_root=at.paths["tmp"]),
        LoadError, r"small: openai/whisper-small is not in the local cache, and the network is off",
        "1: transcribe {clip} --model small --local-files-only --model_dir {tmp}"),
    # Runtime.
    "device": runtime({"device": "cuda"}, "--device cuda",
        r"device must be 'cpu' or 'auto', got 'cuda'"),
    "compute_type": runtime({"compute_type": "int3"}, "--compute_type int3",
        r"compute_type must be 'float32', 'bfloat16', 'int8' or 'auto', got 'int3'"),
    "isa": runtime({"isa": "mmx"}, "--isa mmx", r"isa must be one .*scalar.*, got 'mmx'"),
    "threading": runtime({"threading": "tbb"}, "--threading tbb",
        r"threading must be one that was built \(pool.*\), got 'tbb'"),
    "weights_cache": Case(lambda at: WhisperModel(at.paths["multilingual"], weights_cache=3),
        TypeError, r"weights_cache must be True, False or a folder, got 3"),
    "weights_cache nowhere": Case(
        lambda at: WhisperModel(at.paths["multilingual"], weights_cache=""),
        ValueError, r"weights_cache must name a folder, got ''"),
    "identity of nothing": core(lambda at: _core.checkpoint_identity("/nowhere"), LoadError,
        r"cannot read '/nowhere': No such file or directory"),
    "packed_path isa": core(lambda at: _core.packed_path("/tmp", "m", isa="mmx"), ShapeError,
        r"isa must be one .*, got 'mmx'"),
    "open_packed compute_type": core(
        lambda at: _core.open_packed("/nowhere", "", compute_type="int3"), ShapeError,
        r"compute_type must be .*, got 'int3'"),
    "open_packed threading": core(
        lambda at: _core.open_packed("/nowhere", "", threading="tbb"), ShapeError,
        r"threading must be one that was built \(pool.*\), got 'tbb'"),
    "open_packed device": core(
        lambda at: _core.open_packed("/nowhere", "", device="cuda"), ShapeError,
        r"device must be 'cpu' or 'auto', got 'cuda'"),
    "save_packed nowhere": core(
        lambda at: _core.save_packed(at.core, "/proc/nowhere/a.packed", ""), LoadError,
        r"cannot make folder '/proc/nowhere': No such file or directory"),
    "cpu_threads": runtime({"cpu_threads": -1}, "--threads -1", r"threads must be 0 .*, got -1"),
    # Audio.
    "missing file": media("missing.wav", FileNotFoundError, r"No such file or directory", None),
    "directory": Case(lambda at: at.transcribe(at.paths["tmp"]), IsADirectoryError,
        r"Is a directory", "1: transcribe {tmp} --model {multilingual} --language en"),
    "empty file": media("a.wav", AudioError, r"a\.wav' is empty; expected an audio or video", b""),
    "text": media("a.txt", AudioError, r"a\.txt' has no audio stream that can", b"hello\n" * 99),
    "noise": media("a.mp3", AudioError, r"a\.mp3' has no audio stream that can be decoded",
        bytes(1000)),
    "empty bytes": Case(lambda at: at.transcribe(b""), AudioError,
        r"load: bytes \(0 bytes\) is empty"),
    "not audio": Case(lambda at: at.transcribe(object()), TypeError,
        r"load: audio must be a path, bytes, a binary file or samples \(.*\), got object"),
    "list of recordings": Case(lambda at: at.transcribe(["a.wav", "b.wav"]), TypeError,
        r"transcribe: audio must be one recording, got 2 of them; transcribe_many takes several"),
    "int64": samples(SECOND.astype(np.int64), TypeError,
        r"load: an array must be float32 or float64 .*, got int64"),
    "3-D": samples(np.zeros((2, 3, 99), np.float32), ShapeError,
        r"load: an array must be \(n_samples,\), .*, got \(2, 3, 99\)"),
    "mel as samples": samples(mel(), ShapeError, r"n_channels .* <= 32, got \(80, 3000\)"),
    "NaN samples": samples(spoilt(np.nan), ValueError,
        r"load: samples must be finite, got nan at \(5,\)"),
    "infinite samples": samples(spoilt(np.inf), ValueError,
        r"load: samples must be finite, got inf at \(5,\)"),
    "sample_rate 0": samples(SECOND, ValueError, r"sample_rate must be in 1000\.\.768000 Hz, got 0",
        sample_rate=0),
    "sample_rate float": samples(SECOND, TypeError, r"sample_rate must be an int in Hz, got 16000",
        sample_rate=16000.0),
    "sample_rate of a file": Case(
        lambda at: at.transcribe(at.paths["clip"], sample_rate=16000), ValueError,
        r"sample_rate is for samples; media state their own, leave it out"),
    # Options.
    "unknown task": option({"task": "summarise"}, ValueError,
        r"'summarise'", "--task summarise"),
    "unknown language": option({"language": "klingon"}, ValueError,
        r"one of.* 100 codes or.* names, got 'klingon'", "--language klingon"),
    "language of a later model": option({"language": "yue"}, ValueError,
        r"language must be one of the model's 99 languages, got 'yue'"),
    "French for an English model": Case(
        lambda at: at.english.transcribe(SECOND, language="fr"), ValueError,
        r"language must be 'en' for an English-only model, got 'fr'",
        "1: transcribe {clip} --model {english} --language French"),
    "detection by an English model": Case(
        lambda at: at.english.detect_language(SECOND), ValueError,
        r"detect_language: must have a multilingual model"),
    "unknown option": option({"beem_size": 5}, TypeError,
        r"transcribe: unknown option 'beem_size'; did you mean 'beam_size'\?"),
    "unknown flag": option({"beam": 5}, TypeError,
        r"unknown (option|flag) (--|')beam'?: it is called (--)?beam_size", "--beam 5"),
    "beam_size 0": option({"beam_size": 0}, ValueError,
        r"beam_size must be an int in 1\.\.256 or None, got 0", "--beam_size 0"),
    "beam_size text": option({"beam_size": "5"}, TypeError,
        r"beam_size must be an int in 1\.\.256 or None, got '5'"),
    "beam_size 257": option({"beam_size": 257}, ValueError,
        r"beam_size must be an int in 1\.\.256 or None, got 257"),
    "best_of -1": option({"best_of": -1}, ValueError,
        r"best_of must be an int in 1\.\.256 or None, got -1", "--best-of -1"),
    "temperature -1": option({"temperature": -1}, ValueError,
        r"temperature must be a number >= 0, got -1", "--temperature -1"),
    "no temperature": option({"temperature": ()}, ValueError,
        r"temperature must hold at least one number"),
    "patience 0": option({"patience": 0.0}, ValueError,
        r"patience must be a number > 0, got 0", "--patience 0"),
    "patience without beams": option({"patience": 2.0, "beam_size": None}, ValueError,
        r"patience needs beam_size, got beam_size=None", "--patience 2 --beam_size None"),
    "length_penalty 2": option({"length_penalty": 2}, ValueError,
        r"length_penalty must be a number >= 0 and <= 1, got 2", "--length_penalty 2"),
    "threshold NaN": option({"logprob_threshold": float("nan")}, ValueError,
        r"logprob_threshold must be a number, got nan", "--logprob_threshold nan"),
    "suppress_tokens text": option({"suppress_tokens": "a"}, ValueError,
        r"suppress_tokens must be numbers with commas", "--suppress_tokens a"),
    "suppress_tokens 99999": option({"suppress_tokens": [99999], "policy": "openai"}, ValueError,
        r"suppress_tokens must be -1 or in \[0, n_vocab=51865\), got 99999"),
    "clip_timestamps -1": option({"clip_timestamps": [-1]}, ValueError,
        r"clip_timestamps must be a number >= 0, got -1", "--clip_timestamps=-1"),
    "initial_prompt 99999": option({"initial_prompt": [99999]}, ValueError,
        r"token ids must be in \[0, n_vocab=51865\), got 99999"),
    "initial_prompt half a character": option({"initial_prompt": "\ud83d"}, UnicodeEncodeError,
        r"surrogates not allowed"),
    "prefix too long": option({"prefix": [1] * 500, "policy": "openai"}, ValueError,
        r"must be <= n_text_ctx=448, got 503"),
    "windows": option({"windows": "parallel"}, ValueError,
        r"windows must be 'sequential' or 'independent', got 'parallel'|"
        r"windows: invalid choice: 'parallel' \(choose from '?sequential'?, '?independent'?\)",
        "--windows parallel"),
    "batch_size 0": option({"batch_size": 0}, ValueError,
        r"batch_size must be an int in 1\.\.128, got 0", "--batch_size 0"),
    "batch_size 129": option({"batch_size": 129}, ValueError,
        r"batch_size must be an int in 1\.\.128, got 129", "--batch-size 129"),
    "batch_size None": option({"batch_size": None}, TypeError,
        r"batch_size must be an int in 1\.\.128, got None"),
    "many of one": Case(lambda at: at.multilingual.transcribe_many("talk.mp3"), TypeError,
        r"transcribe_many: audios must be an iterable of recordings, got str"),
    "many with an unknown option": Case(
        lambda at: at.multilingual.transcribe_many([SECOND], beem_size=5), TypeError,
        r"transcribe: unknown option 'beem_size'; did you mean 'beam_size'\?"),
    "a missing file among many": Case(
        lambda at: list(at.multilingual.transcribe_many([SECOND[:0], "/missing.wav"])),
        FileNotFoundError, r"No such file or directory"),
    "seed -1": option({"seed": -1}, ValueError, r"seed must be an int in 0\.\.", "--seed -1"),
    "beams and samples": window({"beam_size": 2, "best_of": 2}, ValueError,
        r"decode: beam_size and best_of exclude each other"),
    "samples at temperature 0": window({"best_of": 2}, ValueError,
        r"decode: best_of needs temperature > 0, got 0"),
    "beams at temperature 0.5": window({"beam_size": 2, "temperature": 0.5}, ValueError,
        r"decode: beam_size needs temperature 0, got temperature=0\.5"),
    "patience of one window": window({"patience": 2.0}, ValueError,
        r"decode: patience needs beam_size"),
    "option of transcribe": window({"logprob_threshold": -1}, TypeError,
        r"decode: unknown option 'logprob_threshold'"),
    "French for one window": Case(
        lambda at: at.english.decode(mel(), language="fr"), ValueError,
        r"language must be 'en' for an English-only model, got 'fr'"),
    # The network itself.
    "encode 128 mels": core(lambda at: at.core.encode(mel(n_mels=128)), ShapeError,
        r"encode: mel must be \(n_mels=80, n_frames<=3000\) float32, got \(128, 3000\) float32"),
    "encode 3001 frames": core(lambda at: at.core.encode(mel(n_frames=3001)), ShapeError,
        r"encode: mel must be \(n_mels=80, n_frames<=3000\) float32, got \(80, 3001\) float32"),
    "encode float64": core(lambda at: at.core.encode(mel(dtype="float64")), TypeError,
        r"encode: mel must be float32, got \(80, 3000\) float64; convert it with \.astype"),
    "encode strided": core(lambda at: at.core.encode(mel()[:, ::2]), ShapeError,
        r"encode: mel must be C-contiguous, .*; use numpy\.ascontiguousarray"),
    "encode NaN": core(lambda at: at.core.encode(mel() + np.float32(np.nan)), ShapeError,
        r"encode: mel must be finite, got NaN or infinity"),
    "decode 128 mels": core(lambda at: at.multilingual.decode(mel(n_mels=128)), ShapeError,
        r"encode: mel must be \(n_mels=80, n_frames<=3000\) float32, got \(128, 3000\) float32"),
    "prompt past the context": core(lambda at: at.core_decode(initial_tokens=[1] * 449), ShapeError,
        r"decode: initial_tokens has 449 tokens, n_text_ctx is 448"),
    "token past the vocabulary": core(lambda at: at.core_decode(initial_tokens=[51865]), ShapeError,
        r"decode: initial_tokens\[0\] must be in \[0, n_vocab=51865\), got 51865"),
    "core beams and temperature": core(
        lambda at: at.core_decode(beam_size=2, temperature=0.5), ShapeError,
        r"decode: beam_size=2 needs temperature 0, got 0\.5"),
    "slots of a batch": core(lambda at: at.core.new_batch(0, 5), ShapeError,
        r"n_slots and rows_per_slot must be at least 1, .* at most 65535, got 0 and 5"),
    "stepping past the context": core(
        lambda at: step_twice(at.state()), StateError,
        r"step: n_past=448 has reached n_text_ctx=448; start a new state"),
    "too much in one step": core(lambda at: at.state().step([[1] * 449]), StateError,
        r"step: n_past=0 and 449 more tokens pass n_text_ctx=448"),
    "rows": core(lambda at: at.state().step([[1], [1]]), ShapeError,
        r"one list a row, n_rows=1, got 2"),
}  # fmt: skip


def step_twice(state: _core.DecoderState) -> None:
    state.step([[1] * 448])
    state.step([[1]])


@pytest.fixture(scope="module")
def shelf(tmp_path_factory) -> dict[str, Path]:
    """Two good models and a clip."""
    directory = tmp_path_factory.mktemp("models")
    return {
        "multilingual": tiny_whisper.write(directory / "multilingual", MULTILINGUAL),
        "english": tiny_whisper.write(directory / "english", ENGLISH),
        "clip": clips.JFK,
    }


@pytest.fixture(scope="module")
def models(shelf) -> dict[str, WhisperModel]:
    return {name: WhisperModel(shelf[name], cpu_threads=1) for name in ("multilingual", "english")}


@pytest.fixture
def place(shelf, models, tmp_path, monkeypatch) -> Place:
    monkeypatch.setenv("SOTTOVOCE_CACHE", str(tmp_path / "none"))
    return Place(**models, paths={**shelf, "tmp": tmp_path})


@pytest.mark.parametrize("name", TABLE)
def test_python(place, name):
    case = TABLE[name]
    case.prepare(place.paths["tmp"])
    with pytest.raises(case.exception, match=case.message) as caught:
        case.call(place)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [name for name, case in TABLE.items() if case.command])
def test_command_line(place, capfd, name):
    case = TABLE[name]
    case.prepare(place.paths["tmp"])
    status, arguments = case.command.split(": ", 1)
    argv = [word.format(**place.paths) for word in shlex.split(arguments)]
    try:
        found = cli.main(argv)  # anything else that comes out of it would be a traceback
    except SystemExit as stop:
        found = stop.code
    out, err = capfd.readouterr()
    assert (str(found), out) == (status, "")
    (line,) = err.splitlines()
    assert line.startswith("sottovoce: ")
    assert re.search(case.message, line), line
    assert (status == "2") == (" --help'" in line)


# --- in a process of its own ---


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess:
    package = str(Path(_core.__file__).parents[1])
    return subprocess.run(
        [sys.executable, "-m", "sottovoce", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": package, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_missing_file_is_named_once(shelf):
    ran = run("transcribe", "/missing.wav", "--model", shelf["multilingual"])
    assert ran.stderr == "sottovoce: /missing.wav: No such file or directory\n"
    assert (ran.returncode, ran.stdout) == (1, "")


def test_an_offline_hub(shelf, tmp_path):
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "SOTTOVOCE_CACHE": str(tmp_path)}
    ran = run("transcribe", shelf["clip"], "--model", "small", **offline)
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (1, "", 1)
    assert "openai/whisper-small could not be had from the Hugging Face hub (" in ran.stderr
    assert "pass a directory" in ran.stderr


# --- what is fine ---


def seconds(n: float) -> Callable[[np.ndarray], np.ndarray]:
    """Speech again and again, to length."""
    return lambda jfk: clips.tiled(jfk, n)


FINE: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "no sample": lambda jfk: jfk[:0],
    "one sample": lambda jfk: jfk[:1],
    "0.1 s": seconds(0.1),
    "0.3 s": seconds(0.3),
    "silence": lambda jfk: clips.silence(5),
    "30 s": seconds(30.0),
    "30.01 s": seconds(30.01),
}


def assert_sound(model: WhisperModel, audio: np.ndarray, **options) -> None:
    """Nothing is raised, and the segments are in order."""
    segments, info = model.transcribe(audio, **options)
    found = list(segments)
    assert info.duration == len(audio) / 16000
    assert [segment.id for segment in found] == list(range(len(found)))
    assert all(segment.start <= segment.end for segment in found)
    starts = [segment.start for segment in found]
    assert starts == sorted(starts)


@pytest.mark.parametrize("name", FINE)
@pytest.mark.parametrize("kind", ["multilingual", "english"])
def test_fine(models, jfk, kind, name):
    assert_sound(models[kind], FINE[name](jfk))  # all defaults: detection, beams, retries


@pytest.mark.parametrize("name", FINE)
def test_fine_with_real_weights(tiny_en, jfk, name):
    assert_sound(tiny_en, FINE[name](jfk), beam_size=1, temperature=0.0)


@pytest.mark.parametrize("carry", [False, True])
def test_a_long_prompt_counts_by_its_end(models, jfk, carry):
    prompt = list(range(1000, 1300))
    options = {"language": "en", "temperature": 0.0, "carry_initial_prompt": carry}
    assert_sound(models["multilingual"], jfk, initial_prompt=prompt, **options)
    assert_sound(models["multilingual"], jfk, initial_prompt="word " * 300, **options)


def test_a_prompt_of_one_window_counts_by_its_last_223_tokens(models):
    decode, prompt = models["multilingual"].decode, list(range(1000, 1300))
    features = models["multilingual"].core.encode(mel())
    long = decode(features, language="en", prompt=prompt)
    assert long == decode(features, language="en", prompt=prompt[-223:])
    assert long != decode(features, language="en", prompt=prompt[-100:])


def test_features_of_a_deleted_model_belong_to_no_other():
    for _ in range(20):
        features = tiny_whisper.model().core.encode(mel())
        model = tiny_whisper.model()  # as often as not at the address of the deleted one
        with pytest.raises(ShapeError, match=r"must come from this model's encode"):
            model.core.new_state([features], 1)


def test_dims_cannot_be_written() -> None:
    dims = tiny_whisper.model().dims
    for name in ("n_vocab", "n_audio_head", "n_text_layer", "n_mels"):
        with pytest.raises(AttributeError):
            setattr(dims, name, 100_000)


def test_dims_and_metrics_are_values() -> None:
    model = tiny_whisper.model()
    dims = model.dims
    assert pickle.loads(pickle.dumps(dims)) == dims == copy.deepcopy(dims)
    assert len({dims, copy.copy(dims)}) == 1
    assert _core.Metrics() == _core.Metrics()
    model.core.encode(np.zeros((dims.n_mels, 3000), np.float32))
    figures = model.core.metrics
    assert figures != _core.Metrics()
    for twin in (pickle.loads(pickle.dumps(figures)), copy.copy(figures), copy.deepcopy(figures)):
        assert twin == figures
        assert twin.as_dict() == figures.as_dict()
    twin.merge(figures)
    assert twin != figures
