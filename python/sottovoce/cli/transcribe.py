"""`sottovoce transcribe`: files in, their transcripts on standard output or in files."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import LoadError
from ..options import TranscribeOptions
from ..results import Segment, TranscriptionInfo
from ..transcription import Transcription
from ..writers import format_timestamp, save, written
from .failures import EXPECTED_ERRORS, UsageError, complain, note
from .output import prepare_folder
from .progress import say, show_progress
from .streams import put

if TYPE_CHECKING:
    from ..audio import Audio
    from ..model import WhisperModel

_OPTION_FLAGS = (
    *("task", "language", "best_of", "beam_size", "patience", "length_penalty", "suppress_tokens"),
    *("seed", "compression_ratio_threshold", "logprob_threshold", "no_speech_threshold"),
    *("condition_on_previous_text", "initial_prompt", "carry_initial_prompt", "clip_timestamps"),
    *("windows", "batch_size"),
)


def run(arguments: argparse.Namespace) -> int:
    """Transcribes the files, their windows side by side; status 1 if any failed."""
    keywords = _transcribe_keywords(arguments)
    _check_streams(arguments)
    if arguments.output_dir is not None:
        prepare_folder(Path(arguments.output_dir))
    model = _load(arguments)
    if len(arguments.audio) > 1 and arguments.batch_size > 1:
        many = model.transcribe_many(map(_input, arguments.audio), **keywords)
        with closing(many):
            return _deliver_all(model, many.__next__, arguments)
    audios = map(_input, arguments.audio)
    return _deliver_all(model, lambda: model.transcribe(next(audios), **keywords), arguments)


def _transcribe_keywords(arguments: argparse.Namespace) -> dict[str, Any]:
    """Keywords of `WhisperModel.transcribe`, checked before a model is loaded."""
    keywords = {name: getattr(arguments, name) for name in _OPTION_FLAGS}
    keywords["temperature"] = temperatures(
        arguments.temperature, arguments.temperature_increment_on_fallback
    )
    try:
        TranscribeOptions.from_keywords(keywords)
    except (TypeError, ValueError) as error:
        raise UsageError(str(error)) from error
    return keywords


def temperatures(start: float, increment: float | None) -> tuple[float, ...]:
    """start, start + increment, ... up to 1; only `start` without an increment."""
    if increment is None:
        return (start,)
    if not increment > 0:
        raise UsageError(
            f"--temperature_increment_on_fallback must be > 0 or None, got {increment}"
        )
    if not math.isfinite(start) or start < 0:
        raise UsageError(f"--temperature must be a number >= 0, got {start}")
    count = max(1, math.ceil((1.0 + 1e-6 - start) / increment))
    most = 100
    if count > most:
        raise UsageError(
            f"--temperature_increment_on_fallback must give at most {most} retries, got {increment}"
        )
    return tuple(start + i * increment for i in range(count))


# Formats of which standard output takes one document after the other.
_JOINABLE = ("txt", "json")


def _check_streams(arguments: argparse.Namespace) -> None:
    """Raises UsageError or OutputError for outputs, LoadError for an input, that cannot be."""
    if "-" in arguments.audio and sys.stdin is None:
        raise LoadError("-: standard input is closed")
    form = arguments.output_format
    if arguments.output_dir is None:
        if form == "all":
            raise UsageError("-f all writes several files; say where with -o DIR")
        if len(arguments.audio) > 1 and form not in (None, *_JOINABLE):
            raise UsageError(
                f"-f {form} puts one file on standard output, got {len(arguments.audio)} files; "
                "say where with -o DIR"
            )
        put("")
        return
    stems = [_stem(path) for path in arguments.audio]
    twice = next((stem for stem in stems if stems.count(stem) > 1), None)
    if twice is not None:
        raise UsageError(f"two inputs would both be written to {twice}.*; transcribe them apart")


def _load(arguments: argparse.Namespace) -> WhisperModel:
    from ..model import WhisperModel

    return WhisperModel(
        arguments.model,
        device=arguments.device,
        compute_type=arguments.compute_type,
        cpu_threads=arguments.threads,
        isa=arguments.isa,
        threading=arguments.threading,
        local_files_only=arguments.local_files_only,
        download_root=arguments.model_dir,
        weights_cache=arguments.weights_cache_dir or arguments.weights_cache,
    )


def _input(path: str) -> Audio:
    return sys.stdin.buffer if path == "-" else path


def _deliver_all(
    model: WhisperModel,
    next_transcript: Callable[[], tuple[Iterable[Segment], TranscriptionInfo]],
    arguments: argparse.Namespace,
) -> int:
    """Delivers a transcript for each file, or complains about it; returns the status."""
    status = 0
    for path in arguments.audio:
        try:
            segments, about = next_transcript()
            transcript = _hear(model, path, segments, about, arguments)
        except BrokenPipeError:
            raise
        except StopIteration:
            complain(RuntimeError("not transcribed: an error ended the run before its turn"), path)
            status = 1
        except EXPECTED_ERRORS as error:
            complain(error, path)
            status = 1
        else:
            status |= _deliver(transcript, path, arguments)
    return status


def _hear(
    model: WhisperModel,
    path: str,
    found: Iterable[Segment],
    about: TranscriptionInfo,
    arguments: argparse.Namespace,
) -> Transcription:
    """The whole transcript, which is printed as it comes where that is what is wanted."""
    if sys.stdout.isatty() and len(arguments.audio) > 1:
        note(f"== {path}")
    shown = show_progress(found, about.duration, enabled=sys.stderr.isatty())
    with closing(shown):
        segments = list(_printed(shown, arguments))
    return Transcription(segments, about, model.text(segments))


def _deliver(transcript: Transcription, path: str, arguments: argparse.Namespace) -> int:
    """Writes what is not printed as it comes; returns the status."""
    if arguments.output_dir is not None:
        formats = arguments.output_format or "all"
        try:
            save(transcript, Path(arguments.output_dir), _stem(path), formats)
        except OSError as error:
            complain(error)
            if not _prints(arguments):  # hours of work should not be lost for a full disk
                put(written(transcript, "txt"))
            return 1
    elif arguments.output_format is not None:
        # One JSON document a line.
        end = "\n" if arguments.output_format == "json" else ""
        put(written(transcript, arguments.output_format) + end)
    return 0


def _prints(arguments: argparse.Namespace) -> bool:
    """Whether segments are printed as they come."""
    if arguments.output_dir is not None:
        return _with_times(arguments)
    return arguments.output_format is None


def _with_times(arguments: argparse.Namespace) -> bool:
    return sys.stdout.isatty() and bool(arguments.verbose)


def _printed(segments: Iterator[Segment], arguments: argparse.Namespace) -> Iterator[Segment]:
    """Passes segments on; prints them on the way where the transcript is meant for the eye."""
    prints, with_times = _prints(arguments), _with_times(arguments)
    for segment in segments:
        if prints and segment.text.strip():
            start, end = format_timestamp(segment.start), format_timestamp(segment.end)
            say(f"[{start} --> {end}] {segment.text}" if with_times else segment.text.strip())
        yield segment


def _stem(path: str) -> str:
    return "stdin" if path == "-" else Path(path).stem
