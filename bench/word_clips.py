"""Recordings whose words' times are known by construction: utterances joined with gaps.

An utterance knows when its words begin: all of them as a synthesizer says so, the first one of a
recorded prompt by its energy. A word starts with the first audible sample from there on, and ends
with the last one before the next word begins. The sound of the gaps, and noise over everything, are
added after that; the same seed gives the same clip.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import speech
from speech import SAMPLE_RATE

SENTENCES = Path(__file__).with_name("word_sentences.txt")
LOUDNESS = 80  # samples, 5 ms, over which it is measured
AUDIBLE = 0.01  # of the loudest 5 ms
SPEECH_RMS = 0.08  # of every utterance: some -22 dB
SOFT = 0.1  # times that: the sound between the utterances
FADE = 0.05  # s of such a sound, at both ends
MARGIN = 0.02  # s of an utterance that are kept before and after what is audible


@dataclass(frozen=True)
class Word:
    text: str
    start: float | None  # s; None: not known
    end: float | None


@dataclass(frozen=True)
class Utterance:
    samples: np.ndarray  # (n,) float32
    words: tuple[Word, ...]  # from its first sample


@dataclass(frozen=True)
class Clip:
    name: str
    samples: np.ndarray
    words: tuple[Word, ...]
    gaps: tuple[tuple[float, float], ...]  # s from the last audible sample to the next one

    @property
    def seconds(self) -> float:
        return len(self.samples) / SAMPLE_RATE


@dataclass(frozen=True)
class Recipe:
    """A clip as it is asked for."""

    name: str
    voice: str = ""  # of espeak-ng, one without an echo; none: recorded prompts
    words_per_minute: int = 170
    gaps: tuple[float, float] = (0.1, 2.0)  # s, between two utterances
    between: str = "silence"  # one of BETWEEN
    noise_db: float | None = None  # over all, below the speech
    silence: float = 0.0  # s more, before the first utterance and in the middle
    n_utterances: int = 8


RECIPES = (
    Recipe("plain", "en-us"),
    Recipe("long gaps", "en-us+f1", gaps=(1.0, 4.0)),
    Recipe("long silences", "en", silence=9.0),
    Recipe("fast", "en-us", 270, gaps=(0.1, 1.0), n_utterances=10),
    Recipe("slow", "en-us+f1", 110, n_utterances=6),
    Recipe("noise 30 dB", "en-us", noise_db=30),
    Recipe("noise 20 dB", "en", gaps=(0.3, 4.0), noise_db=20),
    Recipe("noise 10 dB", "en-us+f1", gaps=(0.3, 4.0), noise_db=10),
    Recipe("noise between", "en-us", gaps=(1.0, 4.0), between="noise"),
    Recipe("music between", "en", gaps=(1.0, 4.0), between="music"),
    Recipe("prompts", gaps=(0.1, 2.0)),
    Recipe("prompts, long silences", gaps=(1.0, 4.0), silence=9.0, n_utterances=6),
    Recipe("prompts, noise 20 dB", gaps=(0.3, 4.0), noise_db=20, n_utterances=7),
    Recipe("prompts, music between", gaps=(1.0, 4.0), between="music"),
)


def loudness(samples: np.ndarray) -> np.ndarray:
    """(n,): root mean square of the LOUDNESS samples around each."""
    squares = np.convolve(samples.astype(np.float64) ** 2, np.ones(LOUDNESS) / LOUDNESS, "same")
    return np.sqrt(np.maximum(squares, 0))


def audible(samples: np.ndarray) -> np.ndarray:
    """Indices of the samples that are."""
    loud = loudness(samples)
    return np.flatnonzero(loud > AUDIBLE * loud.max(initial=0.0))


def utterance(samples: np.ndarray, text: str, begins: Sequence[float | None]) -> Utterance:
    """`begins`: s at which each of text.split() begins at the earliest; None: not known."""
    heard = audible(samples)
    cut = max(0, heard[0] - round(MARGIN * SAMPLE_RATE))
    last = heard[-1] + 1 + round(MARGIN * SAMPLE_RATE)
    times = heard / SAMPLE_RATE
    words = []
    for i, word in enumerate(text.split()):
        following = begins[i + 1] if i + 1 < len(begins) else float("inf")
        start, end = begins[i], None
        if start is not None:
            after = times[times >= start]
            start = after[0] if len(after) and after[0] < (following or np.inf) else None
        if following is not None:
            before = times[times < following]
            end = before[-1] if len(before) and before[-1] > (begins[i] or 0.0) else None
        shift = cut / SAMPLE_RATE
        known = [None if t is None else float(t) - shift for t in (start, end)]
        words.append(Word(word, *known))
    rms = float(np.sqrt(np.mean(samples[heard] ** 2)))
    return Utterance((samples[cut:last] * (SPEECH_RMS / rms)).astype(np.float32), tuple(words))


# --- what is heard between them -------------------------------------------------------------------


def noise(n: int, rng: np.random.Generator) -> np.ndarray:
    """Wind or traffic: the higher the softer."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    spectrum /= np.maximum(np.arange(len(spectrum)) * SAMPLE_RATE / max(n, 1), 100.0)
    return np.fft.irfft(spectrum, n)


def music(n: int, rng: np.random.Generator) -> np.ndarray:
    """Chords of three decaying notes with overtones, one every 0.6 s."""
    out, step = np.zeros(n), round(0.6 * SAMPLE_RATE)
    for at in range(0, n, step):
        t = np.arange(n - at) / SAMPLE_RATE
        root = 220.0 * 2 ** (rng.integers(0, 12) / 12)
        for interval in (0, 4, 7):
            pitch = root * 2 ** (interval / 12)
            note = sum(np.sin(2 * np.pi * pitch * k * t) / k**2 for k in (1, 2, 3, 4))
            out[at:] += note * np.exp(-2.5 * t)
    return out


BETWEEN: dict[str, Callable[[int, np.random.Generator], np.ndarray]] = {
    "silence": lambda n, rng: np.zeros(n),
    "noise": noise,
    "music": music,
}


def softly(sound: np.ndarray, level: float) -> np.ndarray:
    """At a level (RMS), coming and going."""
    ramp = np.minimum(np.arange(len(sound)), np.arange(len(sound))[::-1]) / (FADE * SAMPLE_RATE)
    rms = float(np.sqrt(np.mean(sound**2))) if len(sound) else 0.0
    return sound * np.minimum(ramp, 1.0) * (level / rms if rms else 0.0)


# --- joining --------------------------------------------------------------------------------------


def joined(
    name: str,
    utterances: Sequence[Utterance],
    gaps: Sequence[float],
    between: str = "silence",
    noise_db: float | None = None,
    seed: int = 0,
) -> Clip:
    """`gaps`: s before each utterance, and after the last one."""
    rng = np.random.default_rng(seed)
    parts: list[np.ndarray] = []
    words: list[Word] = []
    silent: list[tuple[float, float]] = []
    at = n_samples = 0.0
    for gap, said in zip(gaps, [*utterances, None], strict=True):
        n = round(gap * SAMPLE_RATE)
        parts.append(softly(BETWEEN[between](n, rng), SOFT * SPEECH_RMS))
        begin, n_samples = at, n_samples + n
        at = n_samples / SAMPLE_RATE
        if said is None:
            silent.append((begin, at))
            break
        heard = audible(said.samples) / SAMPLE_RATE
        silent.append((begin, at + float(heard[0])))
        words += [Word(w.text, _later(w.start, at), _later(w.end, at)) for w in said.words]
        parts.append(said.samples)
        n_samples += len(said.samples)
        at += float(heard[-1])
    samples = np.concatenate(parts)
    if noise_db is not None:
        samples += rng.standard_normal(len(samples)) * SPEECH_RMS * 10 ** (-noise_db / 20)
    return Clip(name, samples.clip(-1, 1).astype(np.float32), tuple(words), tuple(silent))


def _later(time: float | None, seconds: float) -> float | None:
    return None if time is None else time + seconds


def gaps_of(recipe: Recipe, n: int, draw: random.Random) -> list[float]:
    """Of n utterances; short ones are as likely as long ones of twice the length."""
    low, high = recipe.gaps
    gaps = [low * (high / low) ** draw.random() for _ in range(n + 1)]
    gaps[0] += recipe.silence
    gaps[n // 2] += recipe.silence
    return gaps


def clips(dev: Path | None, seed: int = 0) -> Iterator[Clip]:
    """All RECIPES; without a development set, those that espeak-ng can say alone."""
    from espeak import Synthesizer

    synthesizer = Synthesizer()
    sentences = SENTENCES.read_text(encoding="ascii").splitlines()
    recorded = list(prompts(dev)) if dev else []
    for i, recipe in enumerate(RECIPES):
        draw = random.Random(f"{seed} {recipe.name}")
        if recipe.voice:
            texts = draw.sample(sentences, recipe.n_utterances)
            said = [
                utterance(sound, text, begins)
                for text in texts
                for sound, begins in [synthesizer.say(text, recipe.voice, recipe.words_per_minute)]
            ]
        elif recorded:
            said = draw.sample(recorded, min(recipe.n_utterances, len(recorded)))
        else:
            continue
        gaps = gaps_of(recipe, len(said), draw)
        yield joined(recipe.name, said, gaps, recipe.between, recipe.noise_db, seed + i)


def prompts(dev: Path) -> Iterator[Utterance]:
    """English telephone prompts of two words or more; of each, the first start and the last end."""
    from oracle import clips as recordings

    for clip in speech.manifest(dev):
        n = len((clip["reference"] or "").split())
        if clip["file"].startswith("asterisk-en-") and n > 1:
            samples = recordings.read(dev / clip["file"])
            yield utterance(samples, clip["reference"], [0.0, *[None] * (n - 1)])
