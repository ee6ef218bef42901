"""What `torch.save` wrote, without PyTorch: a zip file of a pickle and one entry a storage.

The entries are stored, not deflated, so tensors are views of the mapped file. bfloat16 arrives as
uint16: its bits, NumPy has no such type. Files of before PyTorch 1.6, which are pickles without a
zip file around them, are refused.
"""

import struct
import zipfile
from math import prod
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import LoadError
from .file_kinds import file_kind
from .mapping import map_file
from .unpickling import unpickle

_DTYPES: Final = {  # PyTorch's classes of storages, by what they hold
    "Float": np.dtype("<f4"),
    "Half": np.dtype("<f2"),
    "BFloat16": np.dtype("<u2"),  # the bits
    "Double": np.dtype("<f8"),
    "Long": np.dtype("<i8"),
    "Int": np.dtype("<i4"),
    "Short": np.dtype("<i2"),
    "Char": np.dtype("i1"),
    "Byte": np.dtype("u1"),
    "Bool": np.dtype("?"),
}
_LOCAL_HEADER: Final = struct.Struct("<4s22xHH")  # signature, lengths of name and extra field


class _Storage(NamedTuple):
    data: NDArray[np.uint8]
    dtype: np.dtype[Any]


def read_torch_file(path: Path) -> Any:
    """What was saved: dicts, lists and numbers; tensors are arrays, mapped where they can be.

    Raises LoadError for a file of another kind, for damage, and for a pickle that mentions anything
    but tensors and containers.
    """
    if file_kind(path) != "PyTorch":
        raise LoadError(f"{path}: not a file of torch.save")
    archive = _Archive(path)
    names = {
        "collections.OrderedDict": dict,
        "torch._utils._rebuild_tensor_v2": _tensor,
        "torch._utils._rebuild_parameter": lambda data, *_: data,
        **{f"torch.{kind}Storage": dtype for kind, dtype in _DTYPES.items()},
    }
    pickled = archive.entry("data.pkl").tobytes()
    return unpickle(pickled, names, archive.storage, f"{path}: data.pkl")


class _Archive:
    """The entries of a zip file, as views of its bytes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._bytes = map_file(path)  # (file size,)
        try:
            with zipfile.ZipFile(path) as file:
                self._entries = {info.filename: info for info in file.infolist()}
        except (
            OSError,
            zipfile.BadZipFile,
            ValueError,
            NotImplementedError,
            struct.error,
        ) as error:
            raise LoadError(f"{path}: a PyTorch file that is damaged: {error}") from error
        # All entries lie in one folder, whatever its name.
        folders = [name for name in self._entries if name.endswith("/data.pkl")]
        if len(folders) != 1:
            raise LoadError(f"{path}: a zip file, but not PyTorch's: it has no data.pkl")
        self._folder = folders[0].removesuffix("data.pkl")
        if f"{self._folder}byteorder" in self._entries:
            order = self.entry("byteorder").tobytes()
            if order != b"little":
                raise LoadError(f"{path}: byte order must be little, got {order[:16]!r}")

    def entry(self, name: str) -> NDArray[np.uint8]:
        """The bytes of an entry, (n_bytes,)."""
        info = self._entries.get(self._folder + name)
        if info is None:
            raise LoadError(f"{self._path}: its entry {name} is missing")
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            raise LoadError(f"{self._path}: its entry {name} must be stored as it is, not deflated")
        start = info.header_offset + _LOCAL_HEADER.size
        head = self._bytes[info.header_offset : start].tobytes()
        if len(head) == _LOCAL_HEADER.size:
            signature, n_name, n_extra = _LOCAL_HEADER.unpack(head)
            start += n_name + n_extra
            if signature == b"PK\3\4" and start + info.file_size <= self._bytes.size:
                return self._bytes[start : start + info.file_size]
        raise LoadError(f"{self._path}: its entry {name} lies outside the file; it is truncated")

    def storage(self, identifier: Any) -> _Storage:
        """Of a persistent id: ("storage", class, entry, device, number of elements)."""
        kind, dtype, key, _, n_elements = identifier
        if kind != "storage" or not isinstance(dtype, np.dtype):
            raise ValueError("a persistent id is no storage")
        data = self.entry(f"data/{key}")
        if data.size != n_elements * dtype.itemsize:
            raise LoadError(
                f"{self._path}: its entry data/{key} must have {n_elements} elements of "
                f"{dtype.itemsize} bytes, got {data.size} bytes"
            )
        return _Storage(data, dtype)


def _tensor(
    storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any
) -> NDArray[Any]:
    """A view of the storage; offset and strides count elements. C-contiguous, by a copy if not."""
    data, dtype = storage
    size = dtype.itemsize
    if prod(shape) * size > data.size:  # an expanded tensor would be a copy without end
        raise ValueError(f"a tensor {shape} has more elements than its storage")
    array = np.ndarray(shape, dtype, data, offset * size, [stride * size for stride in strides])
    return array if array.flags.c_contiguous else array.copy()
