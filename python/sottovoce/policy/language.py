"""Where to listen for the language of a recording, and what several places come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def places_to_listen(n_frames: int, size: int, most: int) -> list[int]:
    """First frames of up to `most` windows of `size` that do not overlap: the first, and others
    evenly behind it, the last of which ends with the recording of `n_frames`."""
    n_windows = min(most, n_frames // size)
    if n_windows <= 1:
        return [0]
    behind = n_frames - size
    return [number * behind // (n_windows - 1) for number in range(n_windows)]


def allowed(probabilities: Mapping[str, float], languages: Sequence[str]) -> dict[str, float]:
    """Those of the allowed languages alone, summing to 1; none allowed: all as they are."""
    if not languages:
        return dict(probabilities)
    kept = {code: probabilities[code] for code in probabilities if code in languages}
    total = sum(kept.values())
    return {code: each / total if total > 0 else 1 / len(kept) for code, each in kept.items()}


def together(places: Sequence[Mapping[str, float]], threshold: float) -> dict[str, float]:
    """The last place's, if it is sure; else the mean over all."""
    if max(places[-1].values()) >= threshold:
        return dict(places[-1])
    return {code: sum(place[code] for place in places) / len(places) for code in places[0]}
