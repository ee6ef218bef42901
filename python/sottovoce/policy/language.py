"""Where to listen for a recording's language, what several places come to, and when it changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_SURE = 0.8  # the probability from which a window alone changes the language


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


class SpokenLanguage:
    """The language of a recording that may change from window to window, but not for a moment."""

    def __init__(self, code: str, *, is_known: bool, threshold: float) -> None:
        """`is_known`: the windows begin in it; else the first one may be in another."""
        self.code = code
        self._is_known, self._threshold = is_known, threshold
        self._suspect = ""  # another that the last window seemed to be in

    def hear(self, probabilities: Mapping[str, float]) -> str:
        """The code for a window: another where it is sure, or likely for the second time."""
        likeliest = max(probabilities, key=probabilities.__getitem__)
        probability = probabilities[likeliest]
        is_sure = probability >= (_SURE if self._is_known else self._threshold)
        is_likely = likeliest == self._suspect and probability >= self._threshold
        if is_sure or is_likely:
            self.code = likeliest
        self._suspect = likeliest if likeliest != self.code else ""
        self._is_known = True
        return self.code
