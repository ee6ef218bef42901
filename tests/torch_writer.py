"""Writes what `torch.save` writes, for tests without PyTorch: zip files of a hand-made pickle."""

import io
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from oracle import Dims

STORAGES = {"float32": "Float", "float16": "Half", "uint16": "BFloat16", "float64": "Double"}
STORAGES["int64"] = "Long"


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def tuple_of(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def dict_of(items: Mapping[str, bytes]) -> bytes:
    return b"}(" + b"".join(text(key) + value for key, value in items.items()) + b"u"


def global_of(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def tensor(key: str, array: np.ndarray, offset: int = 0, strides: tuple[int, ...] = ()) -> bytes:
    """A view of the storage `key`; by default all of it, row by row."""
    kind = f"{STORAGES[array.dtype.name]}Storage"
    strides = strides or tuple(stride // array.itemsize for stride in array.strides)
    fields = (text("storage"), global_of("torch", kind), text(key), text("cpu"))
    storage = tuple_of(*fields, number(array.size + offset)) + b"Q"
    places = (number(offset), tuple_of(*map(number, array.shape)), tuple_of(*map(number, strides)))
    hooks = global_of("collections", "OrderedDict") + b")R"
    rebuild = global_of("torch._utils", "_rebuild_tensor_v2")
    return rebuild + tuple_of(storage, *places, b"\x89", hooks) + b"R"


def pickled(value: bytes) -> bytes:
    return b"\x80\x02" + value + b"."


def archive(
    program: bytes,
    storages: Mapping[str, np.ndarray],
    compression: int = zipfile.ZIP_STORED,
    byte_order: str = "little",
) -> bytes:
    """A file of a pickle and the storages by key."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as file:
        file.writestr("archive/data.pkl", program)
        file.writestr("archive/byteorder", byte_order)
        for key, array in storages.items():
            file.writestr(f"archive/data/{key}", array.tobytes())
        file.writestr("archive/version", "3\n")
    return out.getvalue()


def state_dict(tensors: Mapping[str, np.ndarray]) -> tuple[bytes, dict[str, np.ndarray]]:
    """The program that makes a state dict, and its storages."""
    keys = {name: str(index) for index, name in enumerate(tensors)}
    program = global_of("collections", "OrderedDict") + b")R("
    program += b"".join(text(name) + tensor(keys[name], array) for name, array in tensors.items())
    # PyTorch hangs versions of modules on it.
    program += b"u" + dict_of({"_metadata": dict_of({"": dict_of({"version": number(1)})})}) + b"b"
    return program, {keys[name]: array for name, array in tensors.items()}


def write_state_dict(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """As `torch.save(model.state_dict(), path)`."""
    program, storages = state_dict(tensors)
    path.write_bytes(archive(pickled(program), storages))


def openai_file(tensors: Mapping[str, np.ndarray], dims: Dims, byte_order: str = "little") -> bytes:
    """As openai-whisper's .pt files."""
    program, storages = state_dict(tensors)
    fields = dict_of({name: number(value) for name, value in vars(dims).items()})
    whole = pickled(dict_of({"dims": fields, "model_state_dict": program}))
    return archive(whole, storages, byte_order=byte_order)
