"""JSON beside the weights, read with errors that name the file and the field."""

import json
from pathlib import Path
from typing import Any

from ..errors import LoadError


def read_json(path: Path) -> dict[str, Any]:
    """The object in `path`; LoadError if it is missing, malformed or not an object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LoadError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(value, dict):
        raise LoadError(f"{path}: must hold a JSON object, got {type(value).__name__}")
    return value


def int_list(config: dict[str, Any], field: str, path: Path) -> list[int] | None:
    """`config[field]` as integers; None where it is absent or null."""
    value = config.get(field)
    if value is None or (isinstance(value, list) and all(type(item) is int for item in value)):
        return value
    raise LoadError(f"{path}: {field} must be a list of integers, got {_clip(value)}")


def int_pairs(config: dict[str, Any], field: str, path: Path) -> list[tuple[int, int]] | None:
    """`config[field]` as pairs of integers; None where it is absent or null."""
    value = config.get(field)
    if value is None:
        return None
    if not isinstance(value, list) or not all(_is_pair(item) for item in value):
        raise LoadError(f"{path}: {field} must be a list of integer pairs, got {_clip(value)}")
    return [(first, second) for first, second in value]


def _is_pair(item: Any) -> bool:
    return isinstance(item, list) and len(item) == 2 and all(type(part) is int for part in item)


def _clip(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
