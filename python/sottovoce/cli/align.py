"""`sottovoce align`: a recording and its text in, subtitles with the text's words out."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..errors import LoadError, ScriptError
from .display import Display
from .failures import UsageError, complain
from .output import Output, check_output
from .streams import note
from .transcribe import layout_of, load_model, open_input


def run(arguments: argparse.Namespace) -> int:
    """Aligns the text with the recording; status 1 if that failed."""
    layout = layout_of(arguments)
    if arguments.audio == arguments.text == "-":
        raise UsageError("AUDIO and TEXT cannot both be standard input")
    audio, form = arguments.audio, arguments.output_format
    if form is None and arguments.output_dir is None:
        form = "srt"
    check_output([audio], arguments.output_dir, form)
    text = _read(arguments.text)
    model = load_model(arguments)
    notes = sys.stderr.isatty() and not arguments.quiet
    output = Output(arguments.output_dir, form, layout, shown=False, notes=notes)
    display = Display([audio], line=None, headings=False, notes=notes)
    try:
        with display:
            display.begin(0)
            found = model.align(
                open_input(audio),
                text,
                arguments.language,
                progress=display.heard,
                batch_size=arguments.batch_size,
            )
            display.end(found.segments)
    except ScriptError as error:
        complain(error, audio)
        return 1
    display.tell_speed()
    n_unsaid = sum(not word.is_said for word in found.words)
    if n_unsaid and not arguments.quiet:
        note(f"sottovoce: {n_unsaid} of the text's {len(found.words)} words were not said")
    return 0 if output.write(audio, found) else 1


def _read(path: str) -> str:
    """The text of a file in UTF-8."""
    if path == "-":
        if sys.stdin is None:
            raise LoadError("-: standard input is closed")
        data = sys.stdin.buffer.read()
    else:
        data = Path(path).read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"TEXT must be a file in UTF-8, got {path!r}, whose byte {error.start} is not"
        ) from None
