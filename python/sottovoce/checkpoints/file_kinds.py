"""What a file is, by its first bytes: names and endings are shared by many formats."""

from pathlib import Path
from typing import Final, Literal

from ..errors import LoadError

FileKind = Literal["PyTorch", "ggml", "safetensors", "CTranslate2", "unknown"]

_N_BYTES: Final = 64  # of the head
_MOST_HEADER: Final = 16 << 20  # bytes of JSON that the core reads
_LEGACY_TORCH: Final = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19"  # a pickle of one large number
_OTHERS: Final = {
    _LEGACY_TORCH: "a PyTorch file of before version 1.6, which is not read; save it again with "
    "torch.save(torch.load(path), path)",
    b"\x80": "a pickle, which is not read; a model is saved by torch.save of PyTorch 1.6 or later, "
    "or as safetensors",
    b"GGUF": "a GGUF file, which is not read; whisper.cpp's own files are ggml",
    b"version https://git-lfs": "a pointer of Git LFS and not the file itself; run `git lfs pull`",
    b"<!doctype": "a web page, not a model; download the file itself",
    b"<html": "a web page, not a model; download the file itself",
    b"\x1f\x8b": "a gzip file; unpack it first",
    b"\x08": "an ONNX file, which is not read",
}


def file_kind(path: Path) -> FileKind:
    """The format of a file that may be a model; "unknown" if nothing gives it away.

    Raises LoadError if it is none that is read and we know which, or if it cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_N_BYTES)
    except OSError as error:
        raise LoadError(f"{path}: cannot be read: {error}") from error
    if not head:
        raise LoadError(f"{path}: is empty")
    if head.startswith(b"PK\3\4"):
        return "PyTorch"
    if head.startswith(b"lmgg"):  # the number 0x67676d6c
        return "ggml"
    if head[8:9] == b"{":  # after the length of the header
        return "safetensors"
    if head.startswith(b"\6\0\0\0"):  # the version of the format
        return "CTranslate2"
    for start, what in _OTHERS.items():
        if head.lower().startswith(start.lower()):
            raise LoadError(f"{path}: {what}")
    return "unknown"


def is_whole(path: Path) -> bool:
    """Whether a safetensors file holds all of a model: `convert` writes its settings into it."""
    with path.open("rb") as file:
        head = file.read(8)
        length = int.from_bytes(head, "little")
        return b'"sottovoce.config"' in file.read(min(length, _MOST_HEADER))
