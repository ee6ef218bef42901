"""Any model that loads -> a Hugging Face directory, which every Whisper tool reads, or one file.

The `safetensors` library writes the tensors from where they are mapped: as they are, they need no
second copy, and bfloat16, which NumPy lacks, passes through as bits. Another dtype takes the memory
of the model in it. The directory, or the file, appears whole or not at all.
"""

import json
import os
import re
import shutil
from os import PathLike
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from .._core import Checkpoint, Vocabulary, special_names
from ..atomic import atomic_directory, atomic_path
from ..errors import LoadError
from . import huggingface
from .alignment_heads import AlignmentHeads
from .file_kinds import file_kind
from .formats import model_path, open_checkpoint
from .json_file import read_json
from .tokenizer_file import tokenizer_json
from .vocabularies import vocabulary_path

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
    base: str | PathLike[str] | None = None,
) -> Path:
    """Writes the model in `src` as a Hugging Face directory `dst`.

    A `dst` that ends in .safetensors becomes one file: the weights, and in its metadata the
    configuration and the vocabulary. Keeps each tensor's dtype (quantised and merged ones become
    float32) unless `dtype` names another. `alignment_heads` and `base` as in `open_checkpoint`.
    Returns `dst`.

    Raises LoadError if `src` cannot be read or a value does not fit `dtype`, ValueError for an
    unknown dtype, FileExistsError if `dst` holds something and `overwrite` is false.
    """
    if dtype not in (None, "float32", "float16"):
        raise ValueError(f"dtype must be float32, float16 or None (as it is), got {dtype!r}")
    source, destination = model_path(src), Path(dst).expanduser()
    checkpoint = open_checkpoint(source, alignment_heads=alignment_heads, base=base)
    tokens = vocabulary_path(source, checkpoint.dims.n_vocab, base=base)
    if destination.suffix == ".safetensors":
        _write_file(destination, checkpoint, dtype, source, tokens, overwrite=overwrite)
        return destination
    with atomic_directory(destination, overwrite=overwrite) as partial:
        for name in _TOKENIZER_FILES:
            if (tokens / name).is_file():
                shutil.copyfile(tokens / name, partial / name)
        if not (tokens / "tokenizer.json").is_file():
            tokenizer = tokenizer_json(Vocabulary.open(str(tokens)), checkpoint.dims.n_vocab)
            huggingface.write_json(partial / "tokenizer.json", tokenizer)
        place = tokens if (tokens / "tokenizer.json").is_file() else partial
        special = huggingface.special_tokens(place / "tokenizer.json")
        write_safetensors(partial / "model.safetensors", checkpoint, dtype)
        for name, config in _configs(checkpoint, special, source, dtype).items():
            huggingface.write_json(partial / name, config)
    return destination


def _write_file(
    destination: Path,
    checkpoint: Checkpoint,
    dtype: DType | None,
    source: Path,
    tokens: Path,
    *,
    overwrite: bool,
) -> None:
    if destination.is_dir() or (destination.exists() and not overwrite):
        raise FileExistsError(
            f"{destination} is there; choose another name, or pass overwrite=True"
        )
    vocabulary = Vocabulary.open(str(tokens))
    special = special_names(checkpoint.dims.n_vocab)
    if not special:
        special = huggingface.special_tokens(tokens / "tokenizer.json")
    listed = {vocabulary.spelled(token): token for token in range(special["<|endoftext|>"])}
    added = [{"content": name, "id": token} for name, token in special.items()]
    configs = _configs(checkpoint, special, source, dtype)
    texts = {
        "sottovoce.config": configs["config.json"],
        "sottovoce.generation_config": configs["generation_config.json"],
        "sottovoce.tokenizer": {"added_tokens": added, "model": {"vocab": listed}},
    }
    metadata = {name: json.dumps(text, separators=(",", ":")) for name, text in texts.items()}
    with atomic_path(destination) as partial:
        write_safetensors(partial, checkpoint, dtype, metadata)


def write_safetensors(
    path: Path, checkpoint: Checkpoint, dtype: DType | None, metadata: dict[str, str] | None = None
) -> None:
    """Writes every tensor of the checkpoint to `path` under its Hugging Face name.

    `metadata`: texts beside the tensors. Raises OSError if the file system refuses.
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
        serialize_file(specs, path, metadata={"format": "pt", **(metadata or {})})
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


def _configs(
    checkpoint: Checkpoint, special: dict[str, int], source: Path, dtype: DType | None
) -> dict[str, dict[str, Any]]:
    """By file name."""
    kind = dtype or checkpoint.dtype("decoder.token_embedding.weight")
    return {
        "config.json": huggingface.model_config(checkpoint, special, kind),
        # The checkpoint's fields come last: they may override the source's.
        "generation_config.json": {
            **_source_generation(source),
            **huggingface.generation_config(checkpoint, special),
        },
        "preprocessor_config.json": huggingface.preprocessor_config(checkpoint.dims),
    }


def _source_generation(source: Path) -> dict[str, Any]:
    """What the source says of generation beyond the checkpoint's own fields."""
    if source.is_file():
        return _generation_of_file(source)
    path, older = source / "generation_config.json", source / "config.json"
    if path.is_file():
        return read_json(path)
    begin = read_json(older).get("suppress_ids_begin") if older.is_file() else None  # CTranslate2's
    return {} if begin is None else {"begin_suppress_tokens": begin}


def _generation_of_file(source: Path) -> dict[str, Any]:
    if file_kind(source) != "safetensors":
        return {}
    from safetensors import safe_open

    with safe_open(source, "np") as file:
        text = (file.metadata() or {}).get("sottovoce.generation_config", "{}")
    generation: dict[str, Any] = json.loads(text)  # which the core has read
    return generation
