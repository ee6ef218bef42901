"""The spellings of an option's value that people write -> its one form, or an error that names it.

Each function, or what it returns, takes `what`, which begins the message ("transcribe: beam_size"),
and the value that came. Wrong types are TypeErrors, wrong values ValueErrors. Numbers may be
NumPy's; True and False are none, and NaN is refused everywhere.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral, Real
from reprlib import repr as shortened
from typing import Any, NoReturn, TypeVar

import numpy as np

from .text.languages import spoken_language

Take = Callable[[str, Any], Any]

_TEXTS = (str, bytes, bytearray, memoryview)


def choice(*choices: str) -> Take:
    def take(what: str, value: Any) -> Any:
        if value not in choices:
            names = " or ".join(repr(choice) for choice in choices)
            raise ValueError(f"{what} must be {names}, got {value!r}")
        return value

    return take


def flag(what: str, value: Any) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{what} must be True or False, got {value!r}")
    return bool(value)


def flag_or(*choices: str) -> Take:
    """True, False, or a word for something between."""
    names = " or ".join(map(repr, choices))

    def take(what: str, value: Any) -> bool | str:
        if isinstance(value, bool | np.bool_):
            return bool(value)
        if value in choices:
            return str(value)
        kind = ValueError if isinstance(value, str) else TypeError
        raise kind(f"{what} must be True, False or {names}, got {value!r}")

    return take


def integer(low: int, high: int, *, optional: bool = False) -> Take:
    must = f"an int in {low}..{high}{' or None' if optional else ''}"

    def take(what: str, value: Any) -> int | None:
        if value is None and optional:
            return None
        if not _is_int(value):
            raise TypeError(f"{what} must be {must}, got {value!r}")
        if not low <= int(value) <= high:
            raise ValueError(f"{what} must be {must}, got {value}")
        return int(value)

    return take


def number(
    low: float = -math.inf,
    high: float = math.inf,
    *,
    above: bool = False,
    finite: bool = False,
    optional: bool = False,
) -> Take:
    """`above`: `low` itself is too low."""
    bounds = [f"{'>' if above else '>='} {low:g}"] if low > -math.inf else []
    bounds += [f"<= {high:g}"] if high < math.inf else []
    must = " ".join(["a number", " and ".join(bounds)]).rstrip()

    def take(what: str, value: Any) -> float | None:
        if value is None and optional:
            return None
        if not _is_number(value):
            raise TypeError(f"{what} must be {must}, got {value!r}")
        given = float(value)
        if (
            math.isnan(given)
            or (finite and math.isinf(given))
            or not low <= given <= high
            or (above and given == low)
        ):
            raise ValueError(f"{what} must be {must}, got {value}")
        return given

    return take


def language(what: str, value: Any) -> str | None:
    """A code; None for what asks for detection."""
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{what} must be a code or name such as 'en', or None, got {value!r}")
    return None if value is None else spoken_language(value)


def logit_filter(what: str, value: Any) -> Any:
    if value is None:
        return None
    must = "a function of (tokens, logits) or None"
    if not callable(value):
        raise TypeError(f"{what} must be {must}, got {value!r}")
    try:
        inspect.signature(value).bind([], None)
    except TypeError as error:
        raise TypeError(f"{what} must be {must}, got {value!r}: {error}") from None
    except ValueError:  # a builtin that does not tell
        pass
    return value


def languages(what: str, value: Any) -> tuple[str, ...]:
    """Codes, each once; () for any. Text may have commas."""
    if isinstance(value, str):
        value = [name.strip() for name in value.split(",")] if value else ()
    if value is None:
        return ()
    must = "codes or names such as ('en', 'de')"
    if not _is_listing(value):
        raise TypeError(f"{what} must be {must}, got {value!r}")
    found = [language(what, each) for each in value]
    if None in found:
        raise ValueError(f"{what} must be {must}, got {shortened(value)}")
    return tuple(dict.fromkeys(code for code in found if code is not None))


def text(what: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{what} must be text, got {value!r}")
    return value


def text_or_ids(what: str, value: Any) -> str | tuple[int, ...] | None:
    if value is None or isinstance(value, str):
        return value
    return _ids(what, value, "text, token ids or None")


def token_list(what: str, value: Any) -> tuple[int, ...]:
    if isinstance(value, str):
        return tuple(_parsed(int, what, text) for text in value.split(",")) if value else ()
    return () if value is None else _ids(what, value, "token ids such as [-1, 50256]")


_temperature = number(0.0, finite=True)
_seconds = number(0.0, finite=True)


def temperatures(what: str, value: Any) -> tuple[float, ...]:
    if not _is_listing(value):
        return (_temperature(what, value),)
    found = tuple(_temperature(what, each) for each in value)
    if not found:
        raise ValueError(f"{what} must hold at least one number, got {value!r}")
    return found


def clips(what: str, value: Any) -> tuple[float, ...]:
    """start, end, start, end, ... in s; the last end may be missing."""
    if isinstance(value, str):
        value = [_parsed(float, what, text) for text in value.split(",")] if value else ()
    elif not _is_listing(value):
        value = (value,)
    points: list[Any] = []
    for each in value:
        if not isinstance(each, Mapping) and not _is_listing(each):
            points.append(each)
            continue
        if len(points) % 2:
            _refuse_clip(what, value)
        points += _clip(what, each)
    if len(points) % 2 == 0 and points and points[-1] is None:
        points.pop()
    found = tuple(_seconds(what, point) for point in points)
    for start, end in zip(found[::2], found[1::2], strict=False):
        if end < start:
            raise ValueError(
                f"{what} must not end a clip before its start, got {start:g} to {end:g}"
            )
    return found


def channels(what: str, value: Any) -> str | tuple[str, ...]:
    """ "mix", "speakers", or the names of all channels: several, or text with commas."""
    if isinstance(value, str):
        if value in ("mix", "speakers"):
            return value
        value = tuple(name.strip() for name in value.split(",")) if "," in value else value
    must = "'mix', 'speakers' or the name of each channel"
    if not _is_listing(value):
        raise (ValueError if isinstance(value, str) else TypeError)(
            f"{what} must be {must}, got {value!r}"
        )
    names = tuple(value)
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"{what} must be {must}, got {shortened(value)}")
    if not names or not all(name.strip() for name in names) or len(set(names)) < len(names):
        raise ValueError(f"{what} must be {must}, none like another, got {shortened(value)}")
    return tuple(map(str, names))


def _clip(what: str, value: Any) -> tuple[Any, Any]:
    """Start and end of one clip; its end may be None."""
    if isinstance(value, Mapping):
        if not {"start"} <= value.keys() <= {"start", "end"}:
            _refuse_clip(what, value)
        return value["start"], value.get("end")
    start_and_end = tuple(value)
    if len(start_and_end) != 2:
        _refuse_clip(what, value)
    return start_and_end


def _refuse_clip(what: str, value: Any) -> NoReturn:
    raise ValueError(
        f"{what} must be start, end, start, end, ... in s, or pairs or dicts of start and end, "
        f"got {shortened(value)}"
    )


def _ids(what: str, value: Any, must: str) -> tuple[int, ...]:
    ids = tuple(value) if _is_listing(value) else (None,)
    if not all(_is_int(each) for each in ids):
        raise TypeError(f"{what} must be {must}, got {shortened(value)}")
    return tuple(int(each) for each in ids)


def _is_listing(value: Any) -> bool:
    """Whether it holds several things in order; text, bytes and arrays of no dimension do not."""
    if isinstance(value, np.ndarray):
        return value.ndim > 0
    return isinstance(value, Iterable) and not isinstance(value, (*_TEXTS, Mapping))


def _is_int(value: Any) -> bool:
    return type(value) is int or (isinstance(value, Integral) and not isinstance(value, bool))


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


Number = TypeVar("Number", int, float)


def _parsed(kind: type[Number], what: str, text: str) -> Number:
    try:
        return kind(text)
    except ValueError:
        raise ValueError(
            f"{what} must be numbers with commas between them, got {text.strip()!r}"
        ) from None
