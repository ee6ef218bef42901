"""`sottovoce transcribe`: files in, their transcripts on standard output or in files."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from errno import ENOENT
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from .._core import CancelToken
from ..errors import LoadError, StoppedError
from ..options import TranscribeOptions
from ..results import Progress, Segment
from ..speakers import SpeakerTurn, turns_by_recording, turns_of
from ..transcription import Transcription
from ..vad_options import VadOptions
from ..writers import Layout, format_timestamp, prefixed
from .display import Display
from .failures import EXPECTED_ERRORS, UsageError, complain
from .output import Output, check_output, stem
from .streams import note

if TYPE_CHECKING:
    from ..audio import Audio
    from ..model import WhisperModel

_OPTION_FLAGS = (
    *("languages", "language_detection_segments", "language_detection_threshold"),
    *("task", "language", "best_of", "beam_size", "patience", "length_penalty", "suppress_tokens"),
    *("seed", "compression_ratio_threshold", "logprob_threshold", "no_speech_threshold"),
    *("condition_on_previous_text", "initial_prompt", "carry_initial_prompt", "clip_timestamps"),
    *(
        "policy",
        "hallucination",
        "short_windows",
        "windows",
        "vad_filter",
        "batch_size",
        "word_timestamps",
    ),
    *("prepend_punctuations", "append_punctuations", "hallucination_silence_threshold"),
    *("top_k", "n_best", "channels"),
)
_LAYOUT_FLAGS = ("highlight_words", "max_line_width", "max_line_count", "max_words_per_line")
# Of 256 colours, from red by way of yellow to green.
_COLOURS = (196, 202, 208, 214, 220, 226, 190, 154, 118, 82)


def run(arguments: argparse.Namespace) -> int:
    """Transcribes the files, their windows side by side.

    Status 124 if the deadline passed, 1 if any failed.
    """
    _check_words(arguments)
    keywords, layout = _transcribe_keywords(arguments), layout_of(arguments)
    if "-" in arguments.audio and sys.stdin is None:
        raise LoadError("-: standard input is closed")
    check_output(arguments.audio, arguments.output_dir, arguments.output_format)
    if not any(map(_exists, arguments.audio)):  # which is worth knowing before a download
        for path in arguments.audio:
            complain(FileNotFoundError(ENOENT, os.strerror(ENOENT)), path)
        return 1
    turns = _turns(arguments.speakers, arguments.audio)
    return _Run(arguments, load_model(arguments), keywords, layout, turns).status()


def _transcribe_keywords(arguments: argparse.Namespace) -> dict[str, Any]:
    """Keywords of `WhisperModel.transcribe`, checked before a model is loaded."""
    keywords = {name: getattr(arguments, name) for name in _OPTION_FLAGS}
    keywords["temperature"] = temperatures(
        arguments.temperature, arguments.temperature_increment_on_fallback
    )
    vad = vad_options(arguments, "vad_")
    if vad and not arguments.vad_filter:
        raise UsageError(f"--vad_{next(iter(vad))} needs --vad_filter True")
    if arguments.speakers is not None and arguments.channels != "mix":
        raise UsageError("--speakers and --channels exclude each other; give one")
    try:
        keywords["vad_parameters"] = VadOptions(**vad) if vad else None
        TranscribeOptions.from_keywords(keywords)
    except (TypeError, ValueError) as error:
        raise UsageError(str(error)) from error
    return keywords


def vad_options(arguments: argparse.Namespace, prefix: str = "") -> dict[str, Any]:
    """Those of the flags that were given, which are called so and begin with `prefix`."""
    given = {each.name: getattr(arguments, prefix + each.name) for each in fields(VadOptions)}
    return {name: value for name, value in given.items() if value is not None}


def _check_words(arguments: argparse.Namespace) -> None:
    """Refuses what needs the times of words without them."""
    for name in (*_LAYOUT_FLAGS, "hallucination_silence_threshold", "print_colors"):
        if not arguments.word_timestamps and getattr(arguments, name) not in (None, False):
            raise UsageError(f"--{name} needs --word_timestamps True")


def layout_of(arguments: argparse.Namespace) -> Layout:
    """How subtitles are laid out."""
    try:
        return Layout(**{name: getattr(arguments, name) for name in _LAYOUT_FLAGS})
    except ValueError as error:
        raise UsageError(f"--{error}") from error


def _turns(rttm: str | None, paths: Sequence[str]) -> list[list[SpeakerTurn]] | None:
    """Who speaks in each file: as it says of the one of that name, if it knows several."""
    if rttm is None:
        return None
    known = turns_by_recording(rttm)
    is_one = len(known) < 2
    return [turns_of(known, rttm, None if is_one else stem(path)) for path in paths]


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


def load_model(arguments: argparse.Namespace) -> WhisperModel:
    from ..checkpoints import hub
    from ..model import WhisperModel

    name = arguments.model
    if name is None:
        name = hub.default_name(arguments.model_dir)
        if not arguments.quiet:
            note(f"sottovoce: model {name}; --model NAME takes another")
    return WhisperModel(
        name,
        device=arguments.device,
        compute_type=arguments.compute_type,
        cpu_threads=arguments.threads,
        isa=arguments.isa,
        threading=arguments.threading,
        local_files_only=arguments.local_files_only,
        download_root=arguments.model_dir,
        weights_cache=arguments.weights_cache_dir or arguments.weights_cache,
    )


def _exists(path: str) -> bool:
    return path == "-" or os.access(path, os.F_OK)


def open_input(path: str) -> Audio:
    return sys.stdin.buffer if path == "-" else path


class _Run:
    """The recordings of a command line, on their way to where they are wanted."""

    def __init__(
        self,
        arguments: argparse.Namespace,
        model: WhisperModel,
        keywords: dict[str, Any],
        layout: Layout,
        turns: list[list[SpeakerTurn]] | None,
    ) -> None:
        """`turns` of each recording, if speakers are known."""
        self._turns = turns
        self._paths: list[str] = arguments.audio
        self._model = model
        self._keywords = keywords
        self._side_by_side = len(self._paths) > 1 and arguments.batch_size > 1
        to_files = arguments.output_dir is not None
        with_times = sys.stdout.isatty() and arguments.verbose
        prints = with_times if to_files else arguments.output_format is None
        notes = sys.stderr.isatty() and not arguments.quiet
        self._output = Output(
            arguments.output_dir, arguments.output_format, layout, shown=prints, notes=notes
        )
        in_colours = arguments.print_colors and sys.stdout.isatty() and not os.getenv("NO_COLOR")
        text = _in_colours if in_colours else _text
        line = partial(_with_times, text) if with_times else partial(_plain, text)
        headings = len(self._paths) > 1 and sys.stdout.isatty() and not arguments.quiet
        self._display = Display(
            self._paths, line=line if prints else None, headings=headings, notes=notes
        )
        # The last word of a recording is that all of it is heard, if its clips are in order.
        self._ends_are_told = keywords["clip_timestamps"] == "0" and keywords["channels"] == "mix"
        self._heard: dict[int, list[Segment]] = {i: [] for i in range(len(self._paths))}
        self._written: dict[int, bool] = {}  # whether that went well
        deadline = arguments.deadline_s
        self._cancel = None if deadline is None else CancelToken(deadline_s=deadline)
        self._is_stopped = False  # by it
        self._positions: dict[int, float] = {}  # s heard

    def status(self) -> int:
        """Hears and delivers them all; complains about those that fail."""
        with self._display, self._transcriptions() as transcription:
            for index, path in enumerate(self._paths):
                self._display.begin(index)
                try:
                    self._deliver(index, transcription(index))
                except BrokenPipeError:
                    raise
                except StoppedError as error:
                    self._keep(index, error.transcription)
                except StopIteration:
                    if self._is_stopped:
                        self._keep(index, None)
                        continue
                    why = "not transcribed: an error ended the run before its turn"
                    self._fail(RuntimeError(why), path)
                except EXPECTED_ERRORS as error:
                    self._fail(error, path)
        self._display.tell_speed()
        if self._is_stopped:
            return 124
        return 0 if all(self._written.get(i, False) for i in range(len(self._paths))) else 1

    @contextmanager
    def _transcriptions(self) -> Iterator[Callable[[int], Transcription]]:
        """What gives the transcriptions, to be asked for in their order."""

        def alone(index: int) -> Transcription:
            return self._model.transcribe(
                open_input(self._paths[index]),
                progress=lambda progress: self._take(replace(progress, index=index)),
                cancel=self._cancel,
                speakers=self._turns[index] if self._turns else None,
                **self._keywords,
            )

        if not self._side_by_side:
            yield alone
            return
        audios = map(open_input, self._paths)
        with self._model.transcribe_many(
            audios,
            progress=self._take,
            cancel=self._cancel,
            speakers=self._turns,
            **self._keywords,
        ) as many:
            yield lambda _: next(many)

    def _take(self, progress: Progress) -> None:
        """Shows what is heard; files are written once all of a recording is, in any order."""
        self._display.heard(progress)
        index, info = progress.index, progress.info
        self._positions[index] = progress.position
        if self._output.is_files and self._ends_are_told:
            self._heard[index] += progress.segments
            if progress.position == info.duration and index not in self._written:
                heard = sorted(self._heard.pop(index), key=attrgetter("seek"))
                segments = [replace(segment, id=i) for i, segment in enumerate(heard)]
                text = self._model.text(segments)
                self._write(index, Transcription(segments, info, text))

    def _deliver(self, index: int, transcription: Transcription) -> None:
        self._display.end(transcription.segments)
        if index not in self._written:
            self._write(index, transcription)

    def _keep(self, index: int, heard: Transcription | None) -> None:
        """Delivers what was heard of a recording when the deadline passed."""
        self._is_stopped = True
        what = "not transcribed: the deadline passed before its turn"
        if heard is not None:
            position = format_timestamp(self._positions.get(index, 0.0))
            duration = format_timestamp(heard.info.duration)
            what = f"incomplete: the deadline passed at {position} of {duration}"
            if heard.segments:
                self._deliver(index, heard)
        self._fail(RuntimeError(what), self._paths[index])

    def _write(self, index: int, transcription: Transcription) -> None:
        self._written[index] = self._output.write(self._paths[index], transcription)

    def _fail(self, error: BaseException, path: str) -> None:
        self._display.fail()
        complain(error, path)


def _with_times(text: Callable[[Segment], str], segment: Segment) -> str:
    start, end = format_timestamp(segment.start), format_timestamp(segment.end)
    said = text(segment)
    if segment.speaker is not None:
        said = prefixed(said.strip(), segment.speaker)
    return f"[{start} --> {end}] {said}"


def _plain(text: Callable[[Segment], str], segment: Segment) -> str:
    return prefixed(text(segment).strip(), segment.speaker)


def _text(segment: Segment) -> str:
    return segment.text


def _in_colours(segment: Segment) -> str:
    """The words, each in the colour of its probability; the spaces between have none."""
    if not segment.words:
        return segment.text
    shown = []
    for word in segment.words:
        colour = _COLOURS[min(int(word.probability * len(_COLOURS)), len(_COLOURS) - 1)]
        said = word.word.strip()
        coloured = f"\33[38;5;{colour}m{said}\33[0m"
        shown.append(word.word.replace(said, coloured, 1) if said else word.word)
    return "".join(shown)
