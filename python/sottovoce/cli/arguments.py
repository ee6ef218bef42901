"""What may be typed: the commands, their arguments and their help.

Flags are openai-whisper's, in either spelling (--beam_size, --beam-size).
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from typing import Any, NoReturn, get_args

from .. import _core
from ..options import Hallucination, Policy, Task, TranscribeOptions, Windows
from ..text.languages import CODES_BY_NAME, LANGUAGES, spoken_language
from ..vad_options import VadOptions
from ..writers import FORMATS
from . import align, convert, demo, explain, info, transcribe, vad
from .parser import Parser
from .streams import put

_DEFAULTS = TranscribeOptions()
_TRANSCRIBE = """\
Transcribes audio or video files; "-" reads standard input. Windows of several files share a batch.

Where the transcript goes:
  neither -o nor -f   on standard output: lines with times on a terminal, plain text into a pipe
  -f FORMAT           that format on standard output
  -o DIR              into DIR/NAME.txt, .vtt, .srt, .tsv and .json (all), or the format of -f;
                      a terminal also shows the lines with times
Progress and messages go to standard error.
"""
_ALIGN = """\
Tells when each word of a given text was said: subtitles for a script, audio books.

The text is a file in UTF-8; its lines and sentences become the subtitles. Recording and text may
both hold what the other does not: words that were not said are left out.
Without -o and -f, subtitles go to standard output as srt.
"""
_VAD = """\
Tells where in a recording somebody speaks; needs no model.

Prints a line for each region: start --> end.
"""


_EXPLAIN = """\
Tells why a transcript says what it says: each window of the recording, what was tried and what
became of it.

Reads what `sottovoce transcribe -f full.json` has written.
"""


def build_parser() -> Parser:
    parser = Parser(
        prog="sottovoce", description="Whisper speech-to-text on the CPU.", allow_abbrev=False
    )
    parser.add_argument("--version", action=_Version)
    add = parser.add_subparsers(dest="name", required=True, metavar="COMMAND").add_parser
    _add_transcribe(_command(add, "transcribe", transcribe.run, _TRANSCRIBE))
    _add_align(_command(add, "align", align.run, _ALIGN))
    _add_vad(_command(add, "vad", vad.run, _VAD))
    _add_explain(_command(add, "explain", explain.run, _EXPLAIN))
    _add_info(_command(add, "info", info.run, "Shows what a model is and how it would run here."))
    _add_convert(
        _command(
            add, "convert", convert.run, "Writes a model as a Hugging Face directory, or a file."
        )
    )
    _add_demo(
        _command(add, "demo", demo.run, "Fetches a small model and transcribes a clip with it.")
    )
    return parser


class _Version(argparse.Action):
    """--version, on standard output."""

    def __init__(self, option_strings: Sequence[str], dest: str, **_: Any) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help="show the version")

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        put(f"sottovoce {_core.__version__}\n")
        parser.exit()


def _command(
    add: Callable[..., argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    description: str,
) -> argparse.ArgumentParser:
    parser = add(
        name,
        help=description[0].lower() + description[1:].split(";")[0].split(".")[0],
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(command=run, command_parser=parser)
    _flag(parser, "debug", "show tracebacks, and what the library logs", action="store_true")
    return parser


def _flag(
    group: argparse._ActionsContainer, name: str, help: str, *short: str, **keywords: Any
) -> None:
    """Adds --some_name, with --some-name as an alias that the help does not repeat."""
    if keywords.get("default") not in (None, ""):
        help += " (default: %(default)s)"
    group.add_argument(f"--{name}", *short, help=help, **keywords)
    if "_" in name:
        hidden = {k: v for k, v in keywords.items() if k != "default"}
        alias = f"--{name.replace('_', '-')}"
        group.add_argument(
            alias, dest=name, help=argparse.SUPPRESS, default=argparse.SUPPRESS, **hidden
        )


def _option(group: argparse._ActionsContainer, name: str, help: str, **keywords: Any) -> None:
    """`_flag` for the option of that name, with its default."""
    _flag(group, name, help, **{"default": getattr(_DEFAULTS, name), **keywords})


def _listed(numbers: Iterable[float]) -> str:
    return ",".join(f"{number:g}" for number in numbers)


def _add_info(parser: argparse.ArgumentParser) -> None:
    _add_model_source(parser)
    parser.add_argument("model", metavar="MODEL", help="name or directory")


def _add_convert(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SRC", help="name, directory or file of a model")
    parser.add_argument("destination", metavar="DST", help="directory, or .safetensors to make")
    parser.add_argument("--dtype", choices=["float32", "float16"], help="default: as it is in SRC")
    parser.add_argument("--base", metavar="MODEL", help="what a LoRA adapter in SRC is merged onto")


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", nargs="?", default="tiny.en", metavar="MODEL", help="tiny.en or base"
    )


def _add_model_source(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("where models are")
    _flag(group, "model_dir", "where downloads are kept (default: the hub's cache)", metavar="DIR")
    _flag(group, "local_files_only", "never download", action="store_true")


def _add_transcribe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("audio", nargs="+", metavar="AUDIO", help='files to transcribe, "-": stdin')
    _add_model(parser)
    output = parser.add_argument_group("output")
    _add_output(output)
    _add_verbose(output)
    _add_task(parser.add_argument_group("task"))
    _add_search(parser.add_argument_group("search"))
    _add_policy(parser.add_argument_group("retries, silence and context"))
    _add_vad_filter(parser.add_argument_group("voice activity"))
    _add_words(parser.add_argument_group("words and subtitles"))
    _add_speakers(parser.add_argument_group("speakers"))
    machine = parser.add_argument_group("machine")
    _add_runtime(machine)
    _add_deadline(machine)
    _add_model_source(parser)


def _add_align(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("audio", metavar="AUDIO", help='the recording, "-": stdin')
    parser.add_argument("text", metavar="TEXT", help='file with what was said, "-": stdin')
    _add_model(parser)
    _add_output(parser.add_argument_group("output"))
    _add_language(parser.add_argument_group("task"))
    _add_layout(parser.add_argument_group("words and subtitles"))
    _add_runtime(parser.add_argument_group("machine"))
    _add_model_source(parser)


def _add_vad(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("audio", metavar="AUDIO", help='the recording, "-": stdin')
    output = parser.add_argument_group("output")
    _flag(output, "json", "an object: duration, regions, times in s", action="store_true")
    _flag(
        output,
        "probabilities",
        "times and probabilities of each 32 ms, in place of regions or beside them in --json",
        action="store_true",
    )
    _add_vad_options(parser.add_argument_group("what is speech"), "")
    _add_threads(parser.add_argument_group("machine"))


def _add_explain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("transcript", metavar="FULL.JSON", help='the transcript, "-": stdin')
    _flag(
        parser,
        "at",
        "only what happened there: seconds, or hours:minutes:seconds",
        metavar="TIME",
        type=_time,
    )


def _time(text: str) -> float:
    try:
        parts = [float(part) for part in text.split(":")]
    except ValueError:
        parts = []
    if not 1 <= len(parts) <= 3 or not all(0 <= part < float("inf") for part in parts):
        raise argparse.ArgumentTypeError(f"must be seconds or hh:mm:ss, got {text!r}")
    seconds = 0.0
    for part in parts:
        seconds = 60 * seconds + part
    return seconds


def _add_model(parser: argparse.ArgumentParser) -> None:
    _flag(
        parser,
        "model",
        "name (tiny.en, base, ...) or directory (default: turbo if it was downloaded before, else "
        "base)",
        metavar="MODEL",
    )


def _add_output(group: argparse._ArgumentGroup) -> None:
    _flag(group, "output_dir", "directory for files, made if missing", "-o", metavar="DIR")
    _flag(
        group, "output_format", f"one of {', '.join(FORMATS)}", "-f", choices=FORMATS, metavar="F"
    )
    _flag(
        group, "quiet", "no progress and no notes, only what goes wrong", "-q", action="store_true"
    )


def _add_verbose(group: argparse._ArgumentGroup) -> None:
    _flag(
        group,
        "verbose",
        "show lines with times on a terminal; False: plain text, or nothing with -o",
        type=_boolean,
        default=True,
        metavar="BOOL",
    )


def _add_task(group: argparse._ArgumentGroup) -> None:
    _option(group, "task", "translate: into English", choices=get_args(Task))
    _add_language(group)
    _option(
        group,
        "languages",
        "those that it may be, with commas",
        metavar="LANGUAGES",
    )
    _option(
        group,
        "language_detection_segments",
        "most places to listen for it, until one is sure",
        type=int,
        metavar="N",
    )
    _option(
        group,
        "language_detection_threshold",
        "probability from which a place is sure",
        type=float,
        metavar="P",
    )


def _add_language(group: argparse._ArgumentGroup) -> None:
    _option(
        group,
        "language",
        "code or name of the spoken language (default: detected)",
        type=_language,
        metavar="LANGUAGE",
    )


def _add_search(group: argparse._ArgumentGroup) -> None:
    start = _DEFAULTS.temperature[0]
    _option(group, "temperature", "where retries start", type=float, default=start, metavar="T")
    _option(group, "best_of", "samples at T > 0", type=_optional(int), metavar="N")
    _option(group, "beam_size", "beams at T = 0; 1: greedy", type=_optional(int), metavar="N")
    _option(group, "patience", "wait for N * P beams", type=_optional(float), metavar="P")
    _option(
        group, "length_penalty", "0..1 (default: plain mean)", type=_optional(float), metavar="A"
    )
    _option(
        group,
        "suppress_tokens",
        'ids never chosen, with commas; "-1": non-speech',
        default=_listed(_DEFAULTS.suppress_tokens),
        metavar="IDS",
    )
    _option(group, "seed", "of the sampler", type=int, metavar="N")
    _option(group, "top_k", "alternatives of each token, in full.json", type=int, metavar="N")
    _option(group, "n_best", "texts of each window, in full.json", type=int, metavar="N")


def _add_policy(group: argparse._ArgumentGroup) -> None:
    def number(name: str, help: str) -> None:
        _option(group, name, help + '; "None": off', type=_optional(float), metavar="X")

    _option(
        group,
        "policy",
        "robust: passes over silence, doubts words that nobody speaks, hears again what was missed",
        choices=get_args(Policy),
    )
    _option(
        group,
        "hallucination",
        "what becomes of doubted words under --policy robust",
        choices=get_args(Hallucination),
    )
    first, second = _DEFAULTS.temperature[:2]
    _flag(
        group,
        "temperature_increment_on_fallback",
        'step of T after a failed attempt, up to 1; "None": off',
        type=_optional(float),
        default=second - first,
        metavar="X",
    )
    number("compression_ratio_threshold", "retry above this: repetition")
    number("logprob_threshold", "retry below this: improbable words")
    number("no_speech_threshold", "skip improbable windows above this: silence")
    _option(
        group,
        "condition_on_previous_text",
        "prompt windows with what was said before",
        type=_boolean,
        metavar="BOOL",
    )
    _option(group, "initial_prompt", "text before the first window", type=_text, metavar="TEXT")
    _option(
        group,
        "carry_initial_prompt",
        "put it before every window",
        type=_boolean,
        metavar="BOOL",
    )
    _option(
        group,
        "clip_timestamps",
        "start,end,start,... in seconds",
        default=_listed(_DEFAULTS.clip_timestamps),
        metavar="TIMES",
    )
    _switch(group, "short_windows", "encode short recordings only as far as they go")
    _option(
        group,
        "windows",
        "independent: clips cut at pauses, side by side, none knowing what the others said",
        choices=get_args(Windows),
    )


def _add_vad_filter(group: argparse._ArgumentGroup) -> None:
    _option(
        group,
        "vad_filter",
        "hear speech alone; what follows needs it",
        type=_boolean,
        metavar="BOOL",
    )
    _add_vad_options(group, "vad_")


def _add_vad_options(group: argparse._ArgumentGroup, prefix: str) -> None:
    """A flag for each option; None where it is not given."""
    for each in fields(VadOptions):
        kind = int if each.name.endswith("_ms") else float
        default = "" if each.default is None else f" (default: {each.default:g})"
        _flag(
            group,
            prefix + each.name,
            each.metadata["meaning"] + default,
            type=kind,
            metavar="N" if kind is int else "X",
        )


def _add_words(group: argparse._ArgumentGroup) -> None:
    _option(
        group,
        "word_timestamps",
        "when each word was said; what follows needs it; fast: in less time and nearly as right",
        type=_word_times,
        metavar="BOOL|fast",
    )
    _option(group, "prepend_punctuations", "marks that belong to the next word", metavar="MARKS")
    _option(group, "append_punctuations", "marks that belong to the word before", metavar="MARKS")
    _option(
        group,
        "hallucination_silence_threshold",
        'leave out odd words between silences longer than this, in s; "None": off',
        type=_optional(float),
        metavar="X",
    )
    _add_layout(group)
    _flag(
        group,
        "print_colors",
        "colour words on a terminal: green is sure, red is not",
        action="store_true",
    )


def _add_layout(group: argparse._ArgumentGroup) -> None:
    def count(name: str, help: str) -> None:
        _flag(group, name, help, type=_optional(int), metavar="N")

    _switch(group, "highlight_words", "words light up as they are said (vtt, srt, ass, lrc)")
    count("max_line_width", "most characters in a line of a subtitle")
    count("max_line_count", "most lines in a subtitle, with --max_line_width")
    count("max_words_per_line", "most words in a subtitle, without --max_line_width")


def _switch(group: argparse._ArgumentGroup, name: str, help: str) -> None:
    _flag(group, name, help, type=_boolean, default=False, metavar="BOOL")


def _add_speakers(group: argparse._ArgumentGroup) -> None:
    _flag(
        group,
        "speakers",
        "RTTM of any diarizer: who speaks when; of several recordings in it, each file takes the "
        "one of its name; with --word_timestamps True lines are cut where the speaker changes",
        metavar="FILE",
    )
    _option(
        group,
        "channels",
        "mix; speakers: each channel is a speaker, heard on its own; or their names, with commas",
        metavar="NAMES",
    )


def _add_threads(group: argparse._ArgumentGroup) -> None:
    _flag(
        group,
        "threads",
        "0: all that are allowed, with openmp at most OMP_NUM_THREADS",
        type=int,
        default=0,
        metavar="N",
    )


def _add_deadline(group: argparse._ArgumentGroup) -> None:
    _flag(
        group,
        "deadline_s",
        "end after so many s from when the model is loaded, with what is heard until then written, "
        "and status 124",
        type=_seconds,
        metavar="S",
    )


def _add_runtime(group: argparse._ArgumentGroup) -> None:
    _add_threads(group)
    _option(
        group,
        "batch_size",
        "most windows side by side, of several files or independent; changes no word",
        type=int,
        metavar="N",
    )
    _flag(group, "device", "cpu, or auto: the best there is", default="cpu", metavar="NAME")
    _flag(
        group, "compute_type", "float32, bfloat16, int8 or auto", default="float32", metavar="DTYPE"
    )
    # Two flags: one with an optional value would take the first audio file for it.
    _flag(
        group,
        "weights_cache",
        "keep packed weights in the user's cache: the next start is near instant",
        action="store_true",
    )
    _flag(group, "weights_cache_dir", "keep them in DIR", type=_folder, metavar="DIR")
    _flag(group, "isa", "kernels (default: the best for this CPU)", default="", metavar="NAME")
    _flag(
        group,
        "threading",
        "pool: threads of our own; openmp: OpenMP's, if it was built",
        default="pool",
        metavar="KIND",
    )


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not seconds >= 0:
        raise argparse.ArgumentTypeError(f"expected a number of s, got {text!r}")
    return seconds


def _boolean(text: str) -> bool:
    values = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.lower() not in values:
        raise argparse.ArgumentTypeError(f"expected True or False, got {text!r}")
    return values[text.lower()]


def _word_times(text: str) -> bool | str:
    try:
        return text if text == "fast" else _boolean(text)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"expected True, False or fast, got {text!r}") from None


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(
            f"expected text in UTF-8, got {os.fsencode(text)!r}"
        ) from None
    return text


def _folder(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("expected a folder, got ''")
    return text


def _optional(kind: type[int] | type[float]) -> Callable[[str], float | None]:
    def convert(text: str) -> float | None:
        try:
            return None if text.lower() == "none" else kind(text)
        except ValueError:
            expected = "an integer" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"expected {expected} or None, got {text!r}") from None

    return convert


def _language(text: str) -> str | None:
    if text.lower() == "none":
        return None
    try:
        return spoken_language(text)
    except ValueError:
        known = len(LANGUAGES), len(CODES_BY_NAME)
        raise argparse.ArgumentTypeError(
            f"expected one of {known[0]} codes or {known[1]} names, got {text!r}"
        ) from None
