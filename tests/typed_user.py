"""A program of a user's, as type checkers see it: `make lint` runs mypy --strict over it.

What is ignored below are mistakes, and mypy complains if one is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import sottovoce
from sottovoce import (
    AudioError,
    Progress,
    Segment,
    Segments,
    TranscribeOptions,
    Transcription,
    TranscriptionInfo,
    WhisperModel,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from typing_extensions import assert_type
else:

    def assert_type(value: object, kind: object) -> object:
        return value


def unpacked(model: WhisperModel) -> str:
    segments, info = model.transcribe("talk.mp3")
    both: tuple[Segments, TranscriptionInfo] = segments, info
    assert_type(both[0][0], Segment)
    assert_type(segments[:2], tuple[Segment, ...])
    for segment in segments:
        assert_type(segment, Segment)
    return info.language


def iterated(model: WhisperModel) -> list[str]:
    transcription = model.transcribe(b"RIFF", language="de")
    assert_type(transcription, Transcription)
    assert_type(list(transcription), list[Segment])
    assert_type(sorted(transcription, key=lambda segment: segment.start), list[Segment])
    for number, segment in enumerate(transcription):
        assert_type((number, segment), tuple[int, Segment])
    assert_type([segment.start for segment in transcription], list[float])
    assert_type(transcription.text, str)
    assert_type(transcription.save("talk.srt"), Path)
    return [segment.text for segment in transcription]


def many(model: WhisperModel, paths: list[Path]) -> Iterator[str]:
    with model.transcribe_many(paths, batch_size=4, sample_rate=None) as found:
        for transcription in found:
            assert_type(transcription, Transcription)
            yield transcription.text
    for segments, info in model.transcribe_many(paths):
        assert_type(segments[0], Segment)
        assert_type(info.duration, float)


def with_options(model: WhisperModel) -> None:
    options = TranscribeOptions(beam_size=2, temperature=(0.0, 0.4))
    model.transcribe("a.wav", options=options, clip_timestamps=[(0, 5.5), (7, None)])
    model.transcribe("a.wav", temperature=0.0, suppress_tokens="-1", initial_prompt=[1, 2])
    model.transcribe("a.wav", beam_sise=3)  # type: ignore[call-arg]
    model.transcribe("a.wav", beam_size="3")  # type: ignore[arg-type]
    model.transcribe("a.wav", task="translation")  # type: ignore[arg-type]


def with_filter(model: WhisperModel) -> None:
    def ban(tokens: list[int], logits: NDArray[np.float32]) -> None:
        logits[tokens[-1]] = -np.inf

    model.transcribe("a.wav", logit_filter=ban)
    model.transcribe_many(["a.wav"], logit_filter=ban)
    model.transcribe("a.wav", logit_filter=lambda tokens: None)  # type: ignore[misc, arg-type]


def with_progress(model: WhisperModel) -> None:
    def show(progress: Progress) -> None:
        print(progress.position / progress.info.duration, [s.text for s in progress.segments])

    model.transcribe("a.wav", progress=show)
    model.transcribe_many(["a.wav"], progress=lambda progress: print(progress.index))
    model.transcribe("a.wav", progress=True)  # type: ignore[arg-type]


def with_speakers(model: WhisperModel) -> list[str | None]:
    turns = [(0.0, 1.5, "Ada"), (1.5, 2.0, "Bob")]
    talk = model.transcribe("talk.mp3", word_timestamps=True).with_speakers(turns)
    assert_type(talk, Transcription)
    talk.with_speakers("talk.rttm").with_speakers([{"start": 0, "end": 1, "speaker": "Ada"}])
    talk.with_speakers(sottovoce.read_rttm("all.rttm", recording="talk"))
    talk.with_speakers(3)  # type: ignore[arg-type]
    model.transcribe("talk.mp3", speakers=[sottovoce.SpeakerTurn(0, 1, "Ada")])
    model.transcribe_many(["a.wav", "b.wav"], speakers=["a.rttm", None])
    model.transcribe_many(["a.wav"], speakers=[3])  # type: ignore[list-item]
    model.transcribe("call.wav", channels="speakers")
    model.transcribe("call.wav", channels=("agent", "customer"))
    model.transcribe("call.wav", channels=2)  # type: ignore[arg-type]
    return [segment.speaker for segment in talk]


def models() -> WhisperModel:
    WhisperModel("base", device="tpu")  # type: ignore[arg-type]
    WhisperModel("base", compute_type="float8")  # type: ignore[arg-type]
    WhisperModel("base", model_size_or_path="base")  # type: ignore[call-arg]
    with WhisperModel("base", "cpu", "int8", isa=sottovoce.available_isas()[0]) as model:
        return model


def errors(model: WhisperModel) -> str | None:
    try:
        return model.transcribe(Path("talk.mp3")).text
    except (AudioError, FileNotFoundError):
        return None
