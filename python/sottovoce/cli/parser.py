"""An argument parser whose errors are one line, and that knows the flags of other engines."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from .. import foreign
from .streams import note

_FORMAT = (
    "-f FORMAT is one of txt, vtt, srt, tsv, json, lrc, csv, ass and full.json, on standard output "
    "or with -o DIR in it"
)
_COMPUTE = "--compute_type chooses the precision"
_THREADS = "it is called --threads"
_WINDOW = "a window is 30 s long; --windows independent cuts a recording at its pauses"
_PROGRESS = "a terminal shows it; --quiet does not"
_CPU = "there is no device but the CPU"
_VAD = "--vad_filter True hears speech alone, --vad_threshold and others say what that is"
_SPEAKERS = (
    "--speakers takes a diarizer's RTTM, --channels speakers hears the sides of a call apart"
)
# What flags of other engines come to here, where it is not what the same keyword comes to.
_FLAGS = {
    **dict.fromkeys(("fp16", "quantization", "dtype", "precision"), _COMPUTE),
    **dict.fromkeys(("t", "n_threads", "num_threads", "cpu_threads"), _THREADS),
    **dict.fromkeys(("m", "model_size_or_path", "model_size", "model_name", "model_path"),
                    "it is called --model"),
    **dict.fromkeys(("l", "lang", "source_language", "language_code"), "it is called --language"),
    **dict.fromkeys(("tr", "translate"), "it is --task translate"),
    **dict.fromkeys(("download_root", "cache_dir", "download_dir"), "it is called --model_dir"),
    **dict.fromkeys((f"output_{name}" for name in ("txt", "vtt", "srt", "json", "csv", "tsv")),
                    _FORMAT),
    **dict.fromkeys(("output_file", "output", "format", "of"), _FORMAT),
    **dict.fromkeys(("chunk_length", "chunk_length_s", "chunk_size", "stride_length_s"), _WINDOW),
    **dict.fromkeys(("batched", "num_workers"), "--windows independent hears windows side by side"),
    **dict.fromkeys(("print_progress", "log_progress", "progress_bar", "progress"), _PROGRESS),
    **dict.fromkeys(("no_prints", "silent"), "it is called --quiet"),
    **dict.fromkeys(("max_len", "ml", "split_on_word"), "it is called --max_line_width"),
    **dict.fromkeys(("gpu", "device_index", "no_gpu", "flash_attn"), _CPU),
    **dict.fromkeys(("vad", "vad_options", "vad_method", "use_vad", "vad_parameters"), _VAD),
    **dict.fromkeys(("diarize", "diarization", "tinydiarize", "diarize_model"), _SPEAKERS),
    **dict.fromkeys(("min_speakers", "max_speakers", "num_speakers"), _SPEAKERS),
    "f": "recordings are given without a flag",
    "file": "recordings are given without a flag",
    "prompt": "it is called --initial_prompt",
    "timestamps": _FORMAT,
    "no_timestamps": "-f txt and --verbose False show none",
    "without_timestamps": "-f txt and --verbose False show none",
    "generate_kwargs": "each option has a flag: see --help",
    "decode_options": "each option has a flag: see --help",
    **dict.fromkeys(("use_auth_token", "token", "hf_token"), foreign.MODEL["token"]),
}  # fmt: skip
ANSWERS = {**foreign.TRANSCRIBE, **_FLAGS}


class Parser(argparse.ArgumentParser):
    """Errors are one line on standard error, with status 2 and without the usage."""

    def error(self, message: str) -> NoReturn:
        message = message.replace("ignored explicit argument", "it takes no value, got")
        if re.match("argument --weights.cache:", message):
            message += "; --weights_cache_dir names a folder"
        note(f"sottovoce: {' '.join(message.split())}; try '{self.prog} --help'")
        raise SystemExit(2)

    def parse_args(self, *arguments: Any) -> argparse.Namespace:  # type: ignore[override]
        found: tuple[argparse.Namespace, list[str]] = self.parse_known_args(*arguments)
        parsed, unknown = found
        if unknown:
            command: Parser = parsed.command_parser
            command.error(_what_is(unknown, command))
        return parsed

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:
            raise argparse.ArgumentError(None, _no_command(value, list(action.choices)))
        super()._check_value(action, value)


def _what_is(unknown: Sequence[str], parser: argparse.ArgumentParser) -> str:
    """What to say of arguments that the parser knows nothing of."""
    flag = next((word for word in unknown if word.startswith("-")), None)
    if flag is None:
        return f"there is no place for {' '.join(unknown)!r}"
    flag = flag.split("=")[0]
    name = flag.lstrip("-").replace("-", "_")
    flags = [f for f in parser._option_string_actions if f.startswith("--") and "-" not in f[2:]]
    answer = ANSWERS.get(name, "")
    if called := re.fullmatch(r"it is called (\w+)", answer):
        ours = called[1]
        in_python = f"it has no flag; in Python it is called {ours}"
        answer = f"it is called --{ours}" if f"--{ours}" in flags else in_python
    if answer:
        return f"unknown flag {flag}: {answer}"
    near = difflib.get_close_matches(f"--{name}", flags, n=1)
    return f"unknown flag {flag}" + (f"; did you mean {near[0]}?" if near else "")


def _no_command(word: str, commands: list[str]) -> str:
    if Path(word).suffix or Path(word).exists():
        return f"{word!r} is no command: recordings come after 'transcribe'"
    near = difflib.get_close_matches(word, commands, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"expected {', '.join(commands)}"
    return f"unknown command {word!r}; {hint}"
