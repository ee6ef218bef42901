"""A model directory of any format we know -> `_core.Checkpoint`.

Tells a Hugging Face directory from a CTranslate2 one and hands it to its reader. Names on a hub are
`hub.py`'s business.
"""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from .._core import Checkpoint
from ..errors import LoadError
from .alignment_heads import (
    AlignmentHeads,
    alignment_heads_from_base85,
    with_alignment_heads,
)
from .huggingface import open_huggingface

_SAFETENSORS = ("model.safetensors", "model.safetensors.index.json")
_CTRANSLATE2 = ("model.bin",)
_MODEL_SUFFIXES = (".safetensors", ".json", ".txt")
_FOREIGN = {
    ".pt": "an openai-whisper .pt file",
    ".pth": "a PyTorch file",
    ".bin": "a ggml or PyTorch .bin file",
    ".gguf": "a GGUF file",
    ".onnx": "an ONNX file",
}
_FORMATS = "a model is a directory with model.safetensors (Hugging Face) or model.bin (CTranslate2)"


def open_checkpoint(
    path: str | PathLike[str],
    *,
    alignment_heads: AlignmentHeads | bytes | str | None = None,
) -> Checkpoint:
    """Opens a model directory, or the directory of the model file `path` names.

    `alignment_heads` overrides those of the files: (layer, head) pairs, or openai-whisper's base85
    dump. Raises LoadError naming the file or the tensor.
    """
    directory = model_directory(path)
    checkpoint = _open(directory)
    if alignment_heads is None:
        return checkpoint
    return with_alignment_heads(checkpoint, _as_heads(alignment_heads, checkpoint))


def model_directory(path: str | PathLike[str]) -> Path:
    """The directory of the model that `path` names: itself, or the parent of a model's file.

    Raises LoadError if there is nothing, or a file of a format that cannot be read.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        return path
    if not path.exists():
        raise LoadError(f"{path}: no such file or directory")
    if path.name in _CTRANSLATE2 or path.suffix in _MODEL_SUFFIXES:
        return path.parent
    what = _FOREIGN.get(path.suffix, "not a model file")
    raise LoadError(f"{path}: {what}, which sottovoce does not read; {_FORMATS}")


def is_model_directory(directory: Path) -> bool:
    """Whether `open_checkpoint` would recognise the directory (not whether its files are sound)."""
    return any((directory / name).is_file() for name in _SAFETENSORS + _CTRANSLATE2)


def _open(directory: Path) -> Checkpoint:
    if any((directory / name).is_file() for name in _SAFETENSORS):
        return open_huggingface(directory)
    if (directory / "model.bin").is_file():
        from .ctranslate2 import open_ctranslate2  # cached weights and other formats need no reader

        return open_ctranslate2(directory)
    raise LoadError(f"{directory}: no model in it ({_contents(directory)}); {_FORMATS}")


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
