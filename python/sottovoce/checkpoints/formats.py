"""A model of any format we know -> `_core.Checkpoint`.

Tells formats apart, by the names in a directory and the first bytes of a file, and hands each to
its reader. Names on a hub are `hub.py`'s business.
"""

import logging
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Final

from .. import _core
from .._core import Checkpoint
from ..errors import LoadError
from .alignment_heads import (
    AlignmentHeads,
    alignment_heads_from_base85,
    with_alignment_heads,
)
from .file_kinds import file_kind, is_whole
from .huggingface import open_huggingface
from .lora import base_path, is_adapter

_SAFETENSORS: Final = ("model.safetensors", "model.safetensors.index.json")
_PYTORCH: Final = ("pytorch_model.bin", "pytorch_model.bin.index.json")
_BIN: Final = "model.bin"  # CTranslate2's name, and of others
_BESIDE_WEIGHTS: Final = (".json", ".txt")
_log = logging.getLogger("sottovoce.checkpoints")
_FORMATS: Final = (
    "a model is a directory with model.safetensors or pytorch_model.bin (Hugging Face), model.bin "
    "(CTranslate2) or a LoRA adapter, or a file: openai-whisper's .pt, whisper.cpp's ggml, or a "
    "safetensors file that `sottovoce convert` wrote"
)


def open_checkpoint(
    path: str | PathLike[str],
    *,
    alignment_heads: AlignmentHeads | bytes | str | None = None,
    base: str | PathLike[str] | None = None,
) -> Checkpoint:
    """Opens a model: a directory, a file of one, or a file that is all of it.

    `alignment_heads` overrides those of the files: (layer, head) pairs, or openai-whisper's base85
    dump. `base` is the model that a LoRA adapter is merged onto, in place of the one it names.
    Raises LoadError naming the file or the tensor.
    """
    checkpoint = _open(model_path(path), base)
    if alignment_heads is None:
        return checkpoint
    return with_alignment_heads(checkpoint, _as_heads(alignment_heads, checkpoint))


def model_path(path: str | PathLike[str]) -> Path:
    """Where the model is that `path` names: a file that is all of it, or else a directory.

    Raises LoadError if there is nothing, or a file of a format that cannot be read.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        return path
    if not path.exists():
        raise LoadError(f"{path}: no such file or directory")
    if path.suffix in _BESIDE_WEIGHTS:
        return path.parent
    kind = file_kind(path)
    if kind == "PyTorch" and path.with_name("config.json").is_file():
        return path.parent
    if kind in ("PyTorch", "ggml") or is_whole(path):
        return path
    if kind == "safetensors" or path.name == _BIN:
        return path.parent
    raise LoadError(f"{path}: not a model file; {_FORMATS}")


def is_model_directory(directory: Path) -> bool:
    """Whether `open_checkpoint` would recognise the directory (not whether its files are sound)."""
    names = (*_SAFETENSORS, *_PYTORCH, _BIN)
    return (
        any((directory / name).is_file() for name in names)
        or is_adapter(directory)
        or any(directory.glob("model-*.safetensors"))
    )


def checkpoint_identity(path: Path) -> str:
    """The core's, of an adapter and its base together."""
    identity = _core.checkpoint_identity(str(path))
    if _is_bare_adapter(path):
        return identity + checkpoint_identity(base_path(path, None))
    return identity


def _open(path: Path, base: str | PathLike[str] | None) -> Checkpoint:
    """Each format pays for its own reader alone: the others are not imported."""
    if path.is_file():
        if file_kind(path) != "PyTorch":
            return Checkpoint.open(str(path))
        from .openai import open_openai

        return open_openai(path)
    if _is_bare_adapter(path):
        from .lora import open_lora

        return open_lora(path, open_checkpoint(base_path(path, base)))
    if base is not None:
        raise LoadError(f"{path}: a base is for LoRA adapters, and this is none")
    if is_adapter(path):
        _log.warning("%s: the adapter beside the weights is not merged into them", path)
    if any((path / name).is_file() for name in _SAFETENSORS):
        if (path / _SAFETENSORS[0]).is_file():
            file_kind(path / _SAFETENSORS[0])  # a pointer of Git LFS, or a web page
        return open_huggingface(path)
    if any((path / name).is_file() for name in _PYTORCH):
        from .huggingface_torch import open_huggingface_torch

        return open_huggingface_torch(path)
    if (path / _BIN).is_file():
        return _open_bin(path)
    if any(path.glob("model-*.safetensors")):  # shards whose index was lost
        return open_huggingface(path)
    raise LoadError(f"{path}: no model in it ({_contents(path)}); {_FORMATS}")


def _open_bin(directory: Path) -> Checkpoint:
    """model.bin, whatever it is."""
    kind = file_kind(directory / _BIN)
    if kind == "ggml":
        return Checkpoint.open(str(directory / _BIN))
    if kind == "PyTorch":
        from .huggingface_torch import open_huggingface_torch

        return open_huggingface_torch(directory, _BIN)
    from .ctranslate2 import open_ctranslate2

    return open_ctranslate2(directory)


def _is_bare_adapter(path: Path) -> bool:
    """An adapter alone. Beside whole weights it may be merged already: nobody can tell."""
    names = (*_SAFETENSORS, *_PYTORCH, _BIN)
    return is_adapter(path) and not any((path / name).is_file() for name in names)


def _contents(directory: Path) -> str:
    names = sorted(entry.name for entry in directory.iterdir())
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    return f"it holds {shown}" if names else "it is empty"


def _as_heads(
    heads: AlignmentHeads | bytes | str, checkpoint: Checkpoint
) -> Sequence[tuple[int, int]]:
    if isinstance(heads, bytes | str):
        dims = checkpoint.dims
        return alignment_heads_from_base85(heads, dims.n_text_layer, dims.n_text_head)
    return heads
