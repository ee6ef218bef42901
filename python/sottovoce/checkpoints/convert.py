"""Any model that loads -> a Hugging Face directory, which every Whisper tool reads.

The `safetensors` library writes the tensors from where they are mapped: as they are, they need no
second copy, and bfloat16, which NumPy lacks, passes through as bits. Another dtype takes the memory
of the model in it. The directory appears whole or not at all.
"""

import os
import re
import shutil
from os import PathLike
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from .._core import Checkpoint
from ..atomic import atomic_directory
from ..errors import LoadError
from . import huggingface
from .alignment_heads import AlignmentHeads
from .formats import model_path, open_checkpoint
from .json_file import read_json

DType = Literal["float32", "float16"]

_TOKENIZER_FILES: Final = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
    "special_tokens_map.json",
    "normalizer.json",
)


def convert(
    src: str | PathLike[str],
    dst: str | PathLike[str],
    dtype: DType | None = None,
    *,
    overwrite: bool = False,
    alignment_heads: AlignmentHeads | bytes | str | None = None,
) -> Path:
    """Writes the model in `src` (a directory, or a file of it) as a Hugging Face directory `dst`.

    Keeps each tensor's dtype (quantised ones become float32) unless `dtype` names another.
    `alignment_heads` as in `open_checkpoint`. Returns `dst`.

    Raises LoadError if `src` cannot be read or a value does not fit `dtype`, ValueError for an
    unknown dtype, FileExistsError if `dst` holds something and `overwrite` is false.
    """
    if dtype not in (None, "float32", "float16"):
        raise ValueError(f"dtype must be float32, float16 or None (as it is), got {dtype!r}")
    source, destination = model_path(src), Path(dst).expanduser()
    tokenizer = _tokenizer_json(source)
    checkpoint = open_checkpoint(source, alignment_heads=alignment_heads)
    with atomic_directory(destination, overwrite=overwrite) as partial:
        write_safetensors(partial / "model.safetensors", checkpoint, dtype)
        _write_configs(partial, checkpoint, huggingface.special_tokens(tokenizer), source, dtype)
        for name in _TOKENIZER_FILES:
            if (source / name).is_file():
                shutil.copyfile(source / name, partial / name)
    return destination


def write_safetensors(path: Path, checkpoint: Checkpoint, dtype: DType | None) -> None:
    """Writes every tensor of the checkpoint to `path` under its Hugging Face name.

    Raises OSError if the file system refuses.
    """
    from safetensors import SafetensorError, TensorSpec, serialize_file

    tensors = {name: _tensor(checkpoint, name, dtype) for name in checkpoint.names()}
    specs = {
        huggingface.huggingface_name(name): TensorSpec(
            dtype=dtype or checkpoint.dtype(name),
            shape=tensor.shape,
            data_ptr=tensor.ctypes.data,  # `tensors` keeps it alive
            data_len=tensor.nbytes,
        )
        for name, tensor in tensors.items()
    }
    path.touch()
    mode = path.stat().st_mode  # the library replaces the file by one that its owner alone may read
    try:
        serialize_file(specs, path, metadata={"format": "pt"})
    except SafetensorError as error:
        if number := re.search(r"os error (\d+)", str(error)):  # the one thing it tells of errno
            code = int(number[1])
            raise OSError(code, os.strerror(code), str(path)) from error
        raise
    path.chmod(mode)


def _tensor(checkpoint: Checkpoint, name: str, dtype: DType | None) -> NDArray[Any]:
    """A view of the checkpoint's memory, or a cast copy. C-contiguous."""
    tensor = checkpoint.tensor(name)
    if dtype is None or dtype == checkpoint.dtype(name):
        return tensor
    return _cast(tensor, dtype, name)


def _cast(tensor: NDArray[Any], dtype: DType, name: str) -> NDArray[Any]:
    if tensor.dtype == np.uint16:  # bfloat16: the upper half of a float32
        tensor = (tensor.astype(np.uint32) << 16).view(np.float32)
    with np.errstate(over="ignore"):
        result: NDArray[Any] = tensor.astype(dtype)
    if np.isinf(result).any() and not np.isinf(tensor).any():
        raise LoadError(
            f"tensor {name}: values up to {np.abs(tensor).max():g} do not fit {dtype}; keep float32"
        )
    return result


def _tokenizer_json(source: Path) -> Path:
    path = source / "tokenizer.json"
    if not path.is_file():
        raise LoadError(f"{path}: missing; copy the one of the openai/whisper model it came from")
    return path


def _write_configs(
    partial: Path,
    checkpoint: Checkpoint,
    special: dict[str, int],
    source: Path,
    dtype: DType | None,
) -> None:
    kind = dtype or checkpoint.dtype("decoder.token_embedding.weight")
    huggingface.write_json(
        partial / "config.json", huggingface.model_config(checkpoint, special, kind)
    )
    # The checkpoint's fields come last: they may override the source's.
    generation = {
        **_source_generation(source),
        **huggingface.generation_config(checkpoint, special),
    }
    huggingface.write_json(partial / "generation_config.json", generation)
    huggingface.write_json(
        partial / "preprocessor_config.json", huggingface.preprocessor_config(checkpoint.dims)
    )


def _source_generation(source: Path) -> dict[str, Any]:
    """What the source says of generation beyond the checkpoint's own fields."""
    path = source / "generation_config.json"
    if path.is_file():
        return read_json(path)
    begin = read_json(source / "config.json").get("suppress_ids_begin")  # CTranslate2's word
    return {} if begin is None else {"begin_suppress_tokens": begin}
