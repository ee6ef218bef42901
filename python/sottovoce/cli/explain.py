"""`sottovoce explain`: why a transcript says what it says, and not what is missing."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import LoadError
from ..writers import format_timestamp
from .streams import put

_FRAMES_PER_SECOND = 100


def run(arguments: argparse.Namespace) -> int:
    """Prints the windows and what was tried with each."""
    path = arguments.transcript
    transcript = _read(path)
    windows = transcript["info"]["trace"]
    if arguments.at is not None:
        windows = [w for w in windows if w["start"] <= arguments.at < w["end"]]
        if not windows:
            duration = format_timestamp(transcript["info"]["duration"])
            put(f"nothing was heard at {format_timestamp(arguments.at)} of {duration}\n")
    put("".join(f"{line}\n" for w in windows for line in explained(w, transcript["segments"])))
    return 0


def explained(window: dict[str, Any], segments: list[dict[str, Any]]) -> Iterator[str]:
    """The lines about a window of the trace, with those of the segments that were heard in it."""
    yield f"{_span(window)}  {window['silence'] or 'heard'}"
    yield from _attempts(window)
    for again in window["again"]:
        yield f"  {_span(again)}  nothing covered the voice there: heard on its own"
        yield from (f"  {line}" for line in _attempts(again))
    heard = [again["start"] for again in window["again"]]
    seeks = [round(_FRAMES_PER_SECOND * start) for start in (window["start"], *heard)]
    # A window heard again begins at a whole frame, before the voice.
    for segment in segments:
        if any(seek - 1 <= segment["seek"] <= seek for seek in seeks) and segment["tokens"]:
            doubt = f"; doubted: {segment['doubt']}" if segment["doubt"] else ""
            yield f"  + {_said(segment)}{_evidence(segment)}{doubt}"
    for trace in (window, *window["again"]):
        for gone in trace["left_out"]:
            yield f"  - {_said(gone['segment'])}: {gone['reason']}{_evidence(gone['segment'])}"


def _attempts(window: dict[str, Any]) -> Iterator[str]:
    attempts = window["attempts"]
    for number, attempt in enumerate(attempts):
        stands = number == window["chosen"] % len(attempts)
        verdict = attempt["failure"] or "good enough"
        if stands and attempt["failure"]:
            verdict += "; the best there was"
        prompt = "after what was said before" if attempt["is_prompted"] else "without a prompt"
        short = f", {attempt['n_ctx'] / 50:.2f} s encoded" if attempt["n_ctx"] else ""
        yield (
            f"  {'=' if stands else ' '} temperature {attempt['temperature']:g}, {prompt}{short}: "
            f"{attempt['n_tokens']} tokens in {attempt['decode_ms']:.0f} ms, mean log-probability "
            f"{attempt['avg_logprob']:.2f}, compression {attempt['compression_ratio']:.2f}, "
            f"no speech {attempt['no_speech_prob']:.2f}: {verdict}"
        )
        if not stands and attempt["text"]:
            yield f"      {attempt['text']}"


def _evidence(segment: dict[str, Any]) -> str:
    known = segment["evidence"]
    if known is None:
        return ""
    return (
        f" (voice in {100 * known['share']:.0f} % of it, up to {known['voice']:.2f}; "
        f"{known['words_per_second']:.1f} words a second; mean log-probability "
        f"{known['avg_logprob']:.2f})"
    )


def _said(segment: dict[str, Any]) -> str:
    return f"{_span(segment)} {segment['text'].strip()}"


def _span(what: dict[str, Any]) -> str:
    return f"{format_timestamp(what['start'])} --> {format_timestamp(what['end'])}"


def _read(path: str) -> dict[str, Any]:
    if path == "-":
        if sys.stdin is None:
            raise LoadError("-: standard input is closed")
        data = sys.stdin.buffer.read()
    else:
        data = Path(path).read_bytes()
    try:
        found = json.loads(data)
        if isinstance(found, dict) and isinstance(found["info"]["trace"], list):
            return found
    except (ValueError, KeyError, TypeError):
        pass
    raise LoadError(f"{path}: must be a transcript that `sottovoce transcribe -f full.json` wrote")
