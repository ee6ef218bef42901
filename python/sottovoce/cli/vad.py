"""`sottovoce vad`: where in a recording somebody speaks."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any

from .. import _core
from ..errors import LoadError
from ..vad_options import VadOptions
from ..voice import hear
from ..writers import format_timestamp
from .failures import UsageError
from .streams import put
from .transcribe import open_input, vad_options

_SECONDS = _core.VAD_HOP_LENGTH / _core.SAMPLE_RATE  # of a frame


def run(arguments: argparse.Namespace) -> int:
    """Prints the regions, or the probabilities."""
    try:
        options = VadOptions(**vad_options(arguments))
    except (TypeError, ValueError) as error:
        raise UsageError(str(error)) from error
    if arguments.audio == "-" and sys.stdin is None:
        raise LoadError("-: standard input is closed")
    voice = hear(open_input(arguments.audio), cpu_threads=arguments.threads)
    regions = voice.regions(options)
    probabilities = [round(p, 6) for p in voice.probabilities.tolist()]
    if arguments.json:
        found: dict[str, Any] = {
            "duration": voice.duration,
            "regions": [region._asdict() for region in regions],
        }
        if arguments.probabilities:
            found |= {"seconds_per_probability": _SECONDS, "probabilities": probabilities}
        put(json.dumps(found) + "\n")
    elif arguments.probabilities:
        put("".join(_rows(probabilities)))
    else:
        times = [(format_timestamp(start), format_timestamp(end)) for start, end in regions]
        put("".join(f"{start} --> {end}\n" for start, end in times))
    return 0


def _rows(probabilities: list[float]) -> Iterator[str]:
    """When a frame begins, in s, and how likely there is speech in it."""
    for i, probability in enumerate(probabilities):
        yield f"{i * _SECONDS:.3f}\t{probability:.6f}\n"
