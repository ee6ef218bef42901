"""A progress bar on standard error, moved by the segments that pass, and lines beside it."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable
from contextlib import nullcontext

from ..results import Segment
from .streams import put


def show_progress(
    segments: Iterable[Segment], duration: float, *, enabled: bool
) -> Generator[Segment, None, None]:
    """Passes the segments on; `duration` is the recording's, in seconds."""
    if not enabled:
        yield from segments
        return
    from tqdm import tqdm  # type: ignore[import-untyped]

    form = "{percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s [{elapsed}<{remaining}]"
    with tqdm(total=duration, bar_format=form, file=sys.stderr, leave=False) as bar:
        for segment in segments:
            bar.update(max(0.0, min(segment.end, duration) - bar.n))
            yield segment
        bar.update(duration - bar.n)


def say(line: str) -> None:
    """Prints a line on standard output, above a bar if there is one."""
    tqdm = sys.modules.get("tqdm")
    with tqdm.tqdm.external_write_mode(sys.stdout) if tqdm else nullcontext():
        put(f"{line}\n")
