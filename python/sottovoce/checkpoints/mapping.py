"""Files as read-only memory."""

import mmap
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import LoadError


def map_file(path: Path) -> NDArray[np.uint8]:
    """(file size,) uint8 over the mapped file. LoadError if it cannot be mapped or is empty."""
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:  # ValueError: an empty file cannot be mapped
        raise LoadError(f"{path}: cannot be mapped: {error}") from error
    return np.frombuffer(mapped, dtype=np.uint8)
