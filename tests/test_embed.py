"""The library as a C++ application meets it: installed, moved, found by CMake, linked, run.

`tests/embed` is that application. It must print what the Python package finds, greedily and at
temperature 0. Everything is built in `build/embed`, which is kept: only the first run takes long.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

import tiny_whisper
from oracle import clips

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "embed"
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"


def run(*command, check=True):
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": PATH},
        timeout=540,
    )
    assert done.returncode == 0 or not check, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


def configure(source, build, *options):
    generator = "Ninja" if shutil.which("ninja", path=PATH) else "Unix Makefiles"
    cache = build / "CMakeCache.txt"
    if cache.is_file() and f"CMAKE_GENERATOR:INTERNAL={generator}\n" not in cache.read_text():
        shutil.rmtree(build)
    run("cmake", "-S", source, "-B", build, "-G", generator, *options)
    run("cmake", "--build", build, "--parallel", "2")


def install(build, prefix):
    """Installs what C++ needs to `prefix`, by way of another: the package must not mind."""
    first = prefix.with_name("first_prefix")
    shutil.rmtree(first, ignore_errors=True)
    shutil.rmtree(prefix, ignore_errors=True)
    run("cmake", "--install", build, "--prefix", first, "--component", "Development")
    first.rename(prefix)


@pytest.fixture(scope="session")
def prefix():
    """The installed library; one worker builds, the others wait and find it built."""
    if shutil.which("cmake", path=PATH) is None:
        pytest.skip("no cmake: install it from PyPI or Debian")
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        configure(ROOT, BUILD / "library", "-DSOTTOVOCE_PYTHON=OFF", "-DSOTTOVOCE_DEV=ON")
        install(BUILD / "library", BUILD / "prefix")
        configure(ROOT / "tests/embed", BUILD / "app", f"-DCMAKE_PREFIX_PATH={BUILD / 'prefix'}")
        fcntl.flock(lock, fcntl.LOCK_UN)
    return BUILD / "prefix"


@pytest.fixture(scope="session")
def app(prefix):
    return BUILD / "app" / "embed"


@pytest.fixture(scope="session")
def model_dir(tiny_en_dir, tmp_path_factory):
    """tiny.en as a Hugging Face directory, which is what the core reads by itself."""
    from sottovoce.checkpoints.convert import convert

    return convert(tiny_en_dir, tmp_path_factory.mktemp("embed") / "tiny.en")


def write_wav(path, samples, rate=clips.SAMPLE_RATE):
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(np.round(samples * 32768).astype("<i2").tobytes())
    return path


def test_nothing_private_is_installed(prefix):
    headers = {path.relative_to(prefix / "include") for path in prefix.glob("include/**/*.h")}
    public = ROOT / "csrc" / "include"
    assert headers == {path.relative_to(public) for path in public.glob("**/*.h")}
    for path in prefix.glob("lib*/**/*.cmake"):  # nothing remembers where it was built
        assert str(ROOT) not in path.read_text()


@pytest.mark.parametrize("clip", ["jfk", "pause_65s", "silence_5s"])
def test_same_text_as_python(app, model_dir, tmp_path, clip):
    import sottovoce

    samples = clips.build(clip)
    done = run(app, model_dir, write_wav(tmp_path / "clip.wav", samples))
    model = sottovoce.WhisperModel(model_dir)
    segments, _ = model.transcribe(samples, temperature=0.0, beam_size=1, policy="openai")
    assert done.stdout == model.text(segments) + "\n"
    assert done.stderr == ""


def test_a_prompt_reaches_the_decoder(app, model_dir, tmp_path):
    import sottovoce

    prompt, samples = "jfk, my fellow americans; ask not,", clips.build("jfk")
    done = run(app, model_dir, write_wav(tmp_path / "clip.wav", samples), "", prompt)
    model = sottovoce.WhisperModel(model_dir)
    segments, _ = model.transcribe(samples, temperature=0.0, beam_size=1, initial_prompt=prompt)
    assert done.stdout == model.text(segments) + "\n"


def test_packed_weights_in_a_folder(app, model_dir, tmp_path):
    wav = write_wav(tmp_path / "clip.wav", clips.build("jfk"))
    plain = run(app, model_dir, wav).stdout
    texts = {run(app, model_dir, wav, tmp_path / "cache").stdout for _ in range(2)}
    assert texts == {plain}
    assert len(list((tmp_path / "cache").iterdir())) == 1
    assert run(app, model_dir, wav, "/proc/nowhere").stdout == plain  # cannot be written


def test_a_program_with_an_openmp_team_of_its_own(prefix, tmp_path):
    program = BUILD / "app" / "own_team"
    if not program.exists():
        pytest.skip("the compiler has no OpenMP")
    done = run(program, tiny_whisper.write(tmp_path / "model"))
    assert done.stdout == "pool: 0 wrong\nopenmp: 0 wrong\n"


def test_every_allocation_may_fail(prefix, tmp_path):
    model = tiny_whisper.write(tmp_path / "model")
    done = run(BUILD / "app" / "allocation", model, tmp_path / "cache")
    calls = ("log_mel", "open_checkpoint", "Model", "encode", "decode", "detect_language")
    calls += ("open_model", "step")
    assert done.stdout.splitlines() == [f"{call}: many places, 0 wrong" for call in calls]
    assert done.stderr == ""


def test_a_program_can_leave_long_calls(prefix, tmp_path):
    done = run(BUILD / "app" / "interruption", tiny_whisper.write(tmp_path / "model"))
    assert done.stdout == (
        "log_mel: left\nencode: left\nModel: left\nstep: left\n"
        "from another thread: cancelled by its token\nat its time: its deadline has passed\n"
        "the inner check: called\nafterwards: the same\n"
    )


def test_a_program_may_have_rules_of_its_own(prefix, tmp_path):
    done = run(BUILD / "app" / "logit_filter", tiny_whisper.write(tmp_path / "model"))
    assert done.stdout == (
        "watched: the same, 6 calls\nforced: 1 2 3 4 5 6\n"
        "window 1: enough\nwindow 0: its end\n"
        "nan: decode: logit_filter must leave finite logits or -inf, got nan for token 7\n"
        "anything else: left\n"
    )


def test_a_program_tells_speech_from_other_sound(prefix, tmp_path):
    import sottovoce

    samples = clips.build("jfk")
    samples.tofile(tmp_path / "samples")
    weights = prefix / "share" / "sottovoce" / "silero_vad.safetensors"
    done = run(BUILD / "app" / "voice", weights, tmp_path / "samples")
    found = [float.fromhex(line) for line in done.stdout.splitlines()]
    assert found == sottovoce.voice_activity(samples).tolist()
    assert weights.with_suffix(".LICENSE").read_text().startswith("MIT License")
    done = run(BUILD / "app" / "voice", tmp_path / "samples", check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"voice: {tmp_path / 'samples'}: header")


def test_a_program_needs_openmp_if_the_library_was_built_with_it(prefix, tmp_path):
    with_it = _core_has_openmp(BUILD / "library")
    (config,) = prefix.glob("lib*/cmake/sottovoce/sottovoceConfig.cmake")
    assert ("OpenMP" in config.read_text()) == with_it
    options = ["-DSOTTOVOCE_PYTHON=OFF", "-DSOTTOVOCE_OPENMP=OFF"]
    run("cmake", "-S", ROOT, "-B", tmp_path, "-G", "Ninja", *options)
    assert "OpenMP" not in (tmp_path / "sottovoceConfig.cmake").read_text()


def _core_has_openmp(build):
    return "OpenMP_CXX_FLAGS:STRING=-" in (build / "CMakeCache.txt").read_text()


def test_errors_are_one_line(app, tmp_path):
    done = run(app, tmp_path, tmp_path / "clip.wav", check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"embed: open_checkpoint: '{tmp_path}' has no config.json")
    assert done.stderr.count("\n") == 1


def test_a_prompt_that_is_not_utf8(app, model_dir, tmp_path):
    path = write_wav(tmp_path / "clip.wav", np.zeros(8000))
    done = run(app, model_dir, path, "", "caf\udce9", check=False)  # Latin-1
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "embed: encode: text must be UTF-8, got the byte 233 at 4\n"


def test_audio_of_another_rate(app, model_dir, tmp_path):
    path = write_wav(tmp_path / "clip.wav", np.zeros(8000), rate=8000)
    done = run(app, model_dir, path, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "embed: the WAV file must be 16-bit PCM, mono, 16 kHz\n"
