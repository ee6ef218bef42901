"""What the policies are judged on: the development set in groups, and sounds made for it.

Among the made ones are those that make Whisper invent, repeat and lose words: silence, noise,
music, laughter, long pauses. What is said in them, and for how long nobody speaks, is known by
construction. The same seed gives the same sounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import speech
import word_clips
from espeak import Synthesizer
from speech import SAMPLE_RATE

STEADY = ("silence", "zero", "white noise", "pink noise", "hum")  # groups: nobody speaks
OTHER = ("music", "laughter", "applause", "click")  # nobody speaks either
PAUSES = (5, 15, 30, 60, 120)  # s, in front, between and behind
NOISES_DB = (10, 5)  # the speech above the noise
MINUTE = 60.0  # s
ROOM = 0.002  # RMS of a quiet room
GAP = 1.0  # s between languages and between speakers
FADE = 8.0  # s


@dataclass(frozen=True)
class Sound:
    """A recording, what is said in it, and for how long nobody speaks."""

    group: str
    name: str
    samples: np.ndarray  # (n,) float32
    reference: str = ""
    language: str | None = "en"  # None: to be detected
    silent: float = 0.0  # s

    @property
    def seconds(self) -> float:
        return len(self.samples) / SAMPLE_RATE

    @property
    def is_of_languages(self) -> bool:
        return self.group == CHANGING


CHANGING = "a language that changes"


def n_samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)


def at_level(sound: np.ndarray, rms: float) -> np.ndarray:
    return (sound * (rms / np.sqrt(np.mean(sound**2)))).astype(np.float32)


# --- without speech -------------------------------------------------------------------------------


def white(seconds: float, rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal(n_samples(seconds))


def pink(seconds: float, rng: np.random.Generator) -> np.ndarray:
    """As loud in every octave."""
    n = n_samples(seconds)
    spectrum = np.fft.rfft(rng.standard_normal(n))
    return np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)), n)


def hum(seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Of the mains, with overtones."""
    t = np.arange(n_samples(seconds)) / SAMPLE_RATE
    mains = rng.choice([50, 60])
    return np.sum([np.sin(2 * np.pi * mains * k * t) / k for k in (1, 2, 3, 5)], axis=0)


def music(seconds: float, rng: np.random.Generator) -> np.ndarray:
    return word_clips.music(n_samples(seconds), rng)


def applause(seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Sixty claps a second, each a burst of noise that dies away within 30 ms."""
    out = np.zeros(n_samples(seconds))
    clap = np.exp(-np.arange(800) / 150)
    for at in rng.integers(0, len(out) - len(clap), round(60 * seconds)):
        out[at : at + len(clap)] += rng.standard_normal(len(clap)) * clap
    return out


def laughter(seconds: float, rng: np.random.Generator) -> np.ndarray:
    """A voice without words: four or five bursts a second, in fits, its pitch falling in each."""
    t = np.arange(n_samples(seconds)) / SAMPLE_RATE
    pace, fits = rng.uniform(4, 5), rng.uniform(0.2, 0.4)
    pitch = rng.uniform(150, 250) * (1.2 - 0.4 * (fits * t % 1))
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    voice = np.sum([np.sin(k * phase) / k for k in range(1, 12)], axis=0)
    breath = 0.3 * rng.standard_normal(len(t))
    bursts = np.clip(np.sin(2 * np.pi * pace * t), 0, None) ** 0.5
    return (voice + breath) * bursts * (np.sin(2 * np.pi * fits * t) > -0.3)


def click(rng: np.random.Generator) -> np.ndarray:
    """20 ms of noise in half a minute of digital zero."""
    out = np.zeros(n_samples(30.0))
    out[n_samples(10.0) : n_samples(10.02)] = 0.5 * rng.standard_normal(n_samples(0.02))
    return out.astype(np.float32)


def without_speech(data: Path | None, rng: np.random.Generator) -> Iterator[Sound]:
    def sound(group: str, name: str, samples: np.ndarray) -> Sound:
        seconds = len(samples) / SAMPLE_RATE
        return Sound(group, name, samples.astype(np.float32), silent=seconds)

    yield sound("zero", "zero", np.zeros(n_samples(MINUTE)))
    kinds: tuple[tuple[str, Callable[..., np.ndarray], Sequence[float]], ...] = (
        ("silence", white, (1e-5, 1e-4, 1e-3)),  # of a converter, of a room
        ("white noise", white, (0.01, 0.05, 0.2)),
        ("pink noise", pink, (0.01, 0.05, 0.2)),
        ("hum", hum, (0.01, 0.1)),
        ("music", music, (0.02, 0.05, 0.1)),
        ("laughter", laughter, (0.02, 0.1)),
        ("applause", applause, (0.02, 0.1)),
    )
    for group, make, levels in kinds:
        for rms in levels:
            yield sound(group, f"{group} {rms}", at_level(make(MINUTE, rng), rms))
    yield sound("click", "click", click(rng))
    for clip in speech.manifest(data) if data else ():
        if clip["reference"] == "":
            group = "music" if "music" in clip["file"] else "white noise"
            group = "zero" if "silence" in clip["file"] else group
            yield sound(group, clip["file"], samples_of(data, clip))


# --- with speech ----------------------------------------------------------------------------------


def samples_of(data: Path | None, clip: dict[str, Any]) -> np.ndarray:
    from oracle import clips

    assert data is not None
    return clips.read(data / clip["file"])


def noisy(samples: np.ndarray, db: float, rng: np.random.Generator) -> np.ndarray:
    """`db`: the speech above the noise, which is white for one clip and pink for the next."""
    make = white if rng.random() < 0.5 else pink
    noise = make(len(samples) / SAMPLE_RATE, rng)
    rms = float(np.sqrt(np.mean(samples**2))) * 10 ** (-db / 20)
    return (samples + at_level(noise, rms)).clip(-1, 1)


def by_telephone(samples: np.ndarray) -> np.ndarray:
    """300 to 3400 Hz, in the 8 bits of G.711's mu-law."""
    spectrum = np.fft.rfft(samples)
    frequencies = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    spectrum[(frequencies < 300) | (frequencies > 3400)] = 0
    narrow = np.fft.irfft(spectrum, len(samples)).clip(-1, 1)
    companded = np.sign(narrow) * np.log1p(255 * np.abs(narrow)) / np.log(256)
    coded = np.round(companded * 127) / 127
    return (np.sign(coded) * np.expm1(np.abs(coded) * np.log(256)) / 255).astype(np.float32)


def room(seconds: float, rng: np.random.Generator) -> np.ndarray:
    return (ROOM * white(seconds, rng)).astype(np.float32)


def of_the_set(data: Path, is_multilingual: bool, rng: np.random.Generator) -> Iterator[Sound]:
    """Its clips as they are, in noise and by telephone."""
    known = [c for c in speech.manifest(data) if c["reference"] and not speech.spells_digits(c)]
    for clip in known:
        samples, about = samples_of(data, clip), (clip["reference"], clip["language"])
        if clip["language"] != "en":
            if is_multilingual:
                yield Sound("other languages", clip["file"], samples, *about)
            continue
        if clip["notes"] == "whispered":
            yield Sound("whispered", clip["file"], samples, *about)
            continue
        yield Sound("clean", clip["file"], samples, *about)
        if clip["group"] == "long":
            continue  # four minutes, once
        for db in NOISES_DB:
            name = f"{clip['file']}, noise {db} dB"
            yield Sound("noisy", name, noisy(samples, db, rng), *about)
        yield Sound("telephone", f"{clip['file']}, telephone", by_telephone(samples), *about)


def whispered() -> Iterator[Sound]:
    """By a synthesizer: breath in the place of a voice."""
    synthesizer = Synthesizer()
    sentences = word_clips.SENTENCES.read_text(encoding="ascii").splitlines()
    for i, text in enumerate(sentences[:8]):
        samples, _ = synthesizer.say(text, "en-us+whisper", 150)
        yield Sound("whispered", f"synthesizer {i}", at_level(samples, 0.03), text)


def with_pauses(
    said: Sequence[dict[str, Any]], data: Path, rng: np.random.Generator
) -> Iterator[Sound]:
    """Two clips with a pause in front, between and behind: of zeros, and of a quiet room."""
    first, second = (samples_of(data, clip) for clip in said)
    text = " ".join(clip["reference"] for clip in said)
    for seconds in PAUSES:
        for name, pause in (("zeros", np.zeros(n_samples(seconds))), ("room", None)):
            gaps = [room(seconds, rng) if pause is None else pause for _ in range(3)]
            joined = np.concatenate([gaps[0], first, gaps[1], second, gaps[2]])
            name = f"pauses of {seconds} s, {name}"
            yield Sound("pauses", name, joined.astype(np.float32), text, silent=3.0 * seconds)


def joined(
    group: str, name: str, clips: Sequence[dict[str, Any]], data: Path, language: str | None
) -> Sound:
    silence = np.zeros(n_samples(GAP), np.float32)
    parts = [part for clip in clips for part in (samples_of(data, clip), silence)]
    text = " ".join(clip["reference"] for clip in clips)
    return Sound(group, name, np.concatenate(parts), text, language)


def faded(clip: dict[str, Any], data: Path) -> Sound:
    """A recording that goes on talking while it is faded out over its last seconds."""
    samples = samples_of(data, clip).copy()
    n = min(n_samples(FADE), len(samples))
    samples[-n:] *= np.geomspace(1, 0.01, n)
    silence = np.zeros(n_samples(20.0), np.float32)
    samples = np.concatenate([samples, silence])
    return Sound("fade-out", f"{clip['file']}, faded", samples, clip["reference"], silent=20.0)


def sounds(data: Path | None, is_multilingual: bool, seed: int = 0) -> Iterator[Sound]:
    """Everything; without a development set, what needs none."""
    rng = np.random.default_rng(seed)
    yield from without_speech(data, rng)
    yield from whispered()
    if data is None:
        return
    yield from of_the_set(data, is_multilingual, rng)
    known = [
        clip
        for clip in speech.manifest(data)
        if clip["reference"] and not speech.spells_digits(clip) and clip["group"] != "long"
    ]
    english = [c for c in known if c["language"] == "en"]
    voices = {
        name: [c for c in english if c["file"].startswith(name)]
        for name in ("jfk", "asterisk", "tts-piper", "tts-hibari-tech")
    }
    prompts = sorted(voices["asterisk"], key=lambda clip: -clip["duration_s"])
    yield from with_pauses([voices["jfk"][0], prompts[0]], data, rng)
    for i, prompt in enumerate(prompts[1:7]):  # a woman, and now a man and now another woman
        other = (*voices["jfk"], *voices["tts-piper"], *voices["tts-hibari-tech"])[i % 3]
        name = f"{prompt['file']}, {other['file']}"
        yield joined("two speakers", name, [prompt, other, prompts[0]], data, "en")
    for clip in (voices["jfk"][0], *prompts[:3]):
        yield faded(clip, data)
    if not is_multilingual:
        return
    real = [clip for clip in known if clip["kind"] == "real"]
    for language in ("fr", "es", "it", "ru", "nl", "cs"):
        said = [clip for clip in real if clip["language"] == language]
        clips = [*voices["jfk"][:1], *said, prompts[0]]
        yield joined(CHANGING, f"en, {language}, en", clips, data, None)
