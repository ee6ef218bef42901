"""Channels that are heard each on its own: their names, and the order of what they say.

And seek loops whose segments get speakers on their way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from ..results import Segment
from .listening import SeekLoop
from .requests import HeardWindow
from .segments import numbered

Label = Callable[[Iterable[Segment]], Iterable[Segment]]


def channel_names(channels: str | Sequence[str], n_channels: int) -> tuple[str, ...]:
    """What the speakers are called; `channels` is the option, not "mix".

    Raises ValueError where it does not fit the recording.
    """
    if isinstance(channels, str):
        if n_channels == 1:
            raise ValueError(
                f"transcribe: channels={channels!r} needs audio of several channels, got one; "
                "channels='mix' hears it"
            )
        return tuple(f"channel {i}" for i in range(1, n_channels + 1))
    if len(channels) != n_channels:
        n = f"{n_channels} channel{'' if n_channels == 1 else 's'}"
        raise ValueError(
            f"transcribe: channels must name the {n} of the audio, got {len(channels)}: "
            f"{', '.join(map(repr, channels))}"
        )
    return tuple(channels)


def spoken_by(segments: Iterable[Segment], speaker: str) -> Iterable[Segment]:
    """The segments and their words as that speaker's."""
    for segment in segments:
        words = segment.words
        if words is not None:
            words = tuple(replace(word, speaker=speaker) for word in words)
        yield replace(segment, speaker=speaker, words=words)


def relabelled(loop: SeekLoop, label: Label) -> SeekLoop:
    """The loop, whose segments `label` may change and cut; what it prompts itself with stays."""
    answer: Any = None
    n_segments = 0
    try:
        while True:
            try:
                item = loop.send(answer)
            except StopIteration:
                return
            if isinstance(item, HeardWindow):
                segments = tuple(numbered(label(item.segments), n_segments))
                n_segments += len(segments)
                item = replace(item, segments=segments)
            answer = yield item
    finally:
        loop.close()


def interleaved(segments: Iterable[Segment]) -> list[Segment]:
    """The segments of all channels, one channel after the other, in the order of their starts.

    Of those that begin together, the one of the first channel is first.
    """
    return sorted(segments, key=lambda segment: segment.start)
