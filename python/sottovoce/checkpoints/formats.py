"""A model of any format we know -> `_core.Checkpoint`.

Tells formats apart, by the names in a directory and the first bytes of a file, and hands each to
its reader. Names on a hub are `hub.py`'s business.
"""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Final

from .._core import Checkpoint
from ..errors import LoadError
from .alignment_heads import (
    AlignmentHeads,
    alignment_heads_from_base85,
    with_alignment_heads,
)
from .file_kinds import file_kind
from .huggingface import open_huggingface

_SAFETENSORS: Final = ("model.safetensors", "model.safetensors.index.json")
_CTRANSLATE2: Final = "model.bin"
_BESIDE_WEIGHTS: Final = (".json", ".txt")
_FORMATS: Final = (
    "a model is a directory with model.safetensors (Hugging Face) or model.bin (CTranslate2), or "
    "openai-whisper's .pt file"
)


def open_checkpoint(
    path: str | PathLike[str],
    *,
    alignment_heads: AlignmentHeads | bytes | str | None = None,
) -> Checkpoint:
    """Opens a model: a directory, a file of one, or a file that is all of it.

    `alignment_heads` overrides those of the files: (layer, head) pairs, or openai-whisper's base85
    dump. Raises LoadError naming the file or the tensor.
    """
    checkpoint = _open(model_path(path))
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
    if kind == "PyTorch":
        return path
    if kind == "safetensors" or path.name == _CTRANSLATE2:
        return path.parent
    raise LoadError(f"{path}: not a model file; {_FORMATS}")


def is_model_directory(directory: Path) -> bool:
    """Whether `open_checkpoint` would recognise the directory (not whether its files are sound)."""
    return any((directory / name).is_file() for name in (*_SAFETENSORS, _CTRANSLATE2))


def _open(path: Path) -> Checkpoint:
    if path.is_file():
        from .openai import open_openai  # each format pays for its own reader alone

        return open_openai(path)
    if any((path / name).is_file() for name in _SAFETENSORS):
        return open_huggingface(path)
    if (path / _CTRANSLATE2).is_file():
        from .ctranslate2 import open_ctranslate2

        return open_ctranslate2(path)
    raise LoadError(f"{path}: no model in it ({_contents(path)}); {_FORMATS}")


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
