"""CTranslate2's model.bin, binary version 6 -> named arrays: the container, not its meaning.

Layout, little-endian: version u32, spec name, revision u32; a count u32 of variables, each a name,
rank u8, dimensions u32 * rank, type id u8, byte length u32, data; a count u32 of aliases, each a
name and the variable it stands for. A string is its length u16 (with the final NUL) and its bytes.

The file is memory-mapped and every array is a read-only view into it. Data follow names without
padding, so a view may be misaligned, which the core takes. bfloat16 arrives as uint16: its bits,
NumPy has no such type.
"""

import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import LoadError
from .mapping import map_file

Array = NDArray[Any]

BINARY_VERSION: Final = 6
_MAX_RANK: Final = 4  # a Whisper convolution has 3
_DTYPES: Final[dict[int, np.dtype[Any]]] = {  # the order of CTranslate2's DataType
    0: np.dtype("<f4"),
    1: np.dtype("i1"),
    2: np.dtype("<i2"),
    3: np.dtype("<i4"),
    4: np.dtype("<f2"),
    5: np.dtype("<u2"),  # bfloat16 bits
}


@dataclass(frozen=True)
class ModelFile:
    path: Path
    spec: str  # "WhisperSpec"
    revision: int
    variables: dict[str, Array]  # by CTranslate2's names, aliases included

    def __getitem__(self, name: str) -> Array:
        """The variable; LoadError if the file has none of that name."""
        if name not in self.variables:
            raise LoadError(f"{self.path}: tensor {name} is missing")
        return self.variables[name]


def read_model_file(path: Path) -> ModelFile:
    """Maps and indexes a model.bin; LoadError names the variable and the offset that is wrong."""
    cursor = _Cursor(path)
    version = cursor.integer("<I", "binary version")
    if version != BINARY_VERSION:
        raise LoadError(
            f"{path}: binary version must be {BINARY_VERSION}, got {version}; "
            "convert the model again with a current CTranslate2"
        )
    spec = cursor.string("spec name")
    revision = cursor.integer("<I", "spec revision")
    variables = _read_variables(cursor)
    _read_aliases(cursor, variables)
    if cursor.n_left:
        raise LoadError(
            f"{path}: {cursor.n_left} bytes follow the last entry; the counts are wrong"
        )
    return ModelFile(path, spec, revision, variables)


class _Cursor:
    """Walks the mapped bytes; every read is checked against the end of the file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._position = 0
        self._bytes = map_file(path)  # (file size,) uint8

    @property
    def n_left(self) -> int:
        return int(self._bytes.size) - self._position

    def take(self, n_bytes: int, what: str) -> NDArray[np.uint8]:
        """The next `n_bytes` as a view, (n_bytes,) uint8."""
        if n_bytes > self.n_left:
            raise LoadError(
                f"{self.path}: {what} needs {n_bytes} bytes at offset {self._position}, "
                f"got {self.n_left}; the file is truncated or not a CTranslate2 model"
            )
        start = self._position
        self._position += n_bytes
        return self._bytes[start : self._position]

    def integer(self, layout: str, what: str) -> int:
        (value,) = struct.unpack(layout, self.take(struct.calcsize(layout), what).data)
        return int(value)

    def string(self, what: str) -> str:
        data = self.take(self.integer("<H", f"length of {what}"), what).tobytes()
        try:
            return data.rstrip(b"\0").decode("utf-8")
        except UnicodeDecodeError as error:
            raise LoadError(f"{self.path}: {what} must be UTF-8, got {data[:24]!r}") from error


def _read_variables(cursor: _Cursor) -> dict[str, Array]:
    variables: dict[str, Array] = {}
    for index in range(cursor.integer("<I", "number of variables")):
        name = cursor.string(f"name of variable {index}")
        if name in variables:
            raise LoadError(f"{cursor.path}: tensor {name} appears twice")
        variables[name] = _read_variable(cursor, name)
    return variables


def _read_variable(cursor: _Cursor, name: str) -> Array:
    rank = cursor.integer("<B", f"rank of {name}")
    if rank > _MAX_RANK:
        raise LoadError(f"{cursor.path}: {name}: rank must be at most {_MAX_RANK}, got {rank}")
    shape = struct.unpack(f"<{rank}I", cursor.take(4 * rank, f"shape of {name}").data)
    dtype = _dtype(cursor.integer("<B", f"dtype of {name}"), name, cursor.path)
    n_bytes = cursor.integer("<I", f"byte length of {name}")
    expected = prod(shape) * dtype.itemsize
    if n_bytes != expected:
        raise LoadError(
            f"{cursor.path}: {name}: {shape} {dtype.name} must be {expected} bytes, got {n_bytes}"
        )
    return cursor.take(n_bytes, f"data of {name}").view(dtype).reshape(shape)


def _dtype(type_id: int, name: str, path: Path) -> np.dtype[Any]:
    if type_id not in _DTYPES:
        raise LoadError(f"{path}: {name}: dtype id must be one of 0..5, got {type_id}")
    return _DTYPES[type_id]


def _read_aliases(cursor: _Cursor, variables: dict[str, Array]) -> None:
    # An alias of a quantised weight stands for its scale too, without saying so.
    for index in range(cursor.integer("<I", "number of aliases")):
        alias = cursor.string(f"name of alias {index}")
        target = cursor.string(f"target of alias {alias}")
        if target not in variables:
            raise LoadError(f"{cursor.path}: {alias} stands for {target}, which is missing")
        variables[alias] = variables[target]
        if f"{target}_scale" in variables:
            variables[f"{alias}_scale"] = variables[f"{target}_scale"]
