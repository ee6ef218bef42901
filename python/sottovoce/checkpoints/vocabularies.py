"""Where the vocabulary of a model is: in its own files, or, for a .pt, wherever one lies about.

openai-whisper keeps its vocabularies in its package and not with the weights. So do we not: one
that fits comes from beside the weights, from that package where it is installed, from a model of
the same vocabulary that is here, or from the hub.
"""

import importlib.util
import logging
from os import PathLike
from pathlib import Path
from typing import Final

from ..errors import LoadError
from . import hub
from .file_kinds import file_kind
from .lora import base_path, is_adapter

_TIKTOKEN: Final = {  # in openai-whisper, by n_vocab
    51864: "gpt2.tiktoken",
    51865: "multilingual.tiktoken",
    51866: "multilingual.tiktoken",
}
_BESIDE: Final = ("tokenizer.json", "vocab.json")
_IN_DIRECTORY: Final = (*_BESIDE, "vocabulary.json", "vocabulary.txt")
_log = logging.getLogger("sottovoce.checkpoints")


def vocabulary_path(
    model: Path,
    n_vocab: int,
    *,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    base: str | PathLike[str] | None = None,
) -> Path:
    """What to read the vocabulary of a model from: its directory, its file, or another's.

    `cache_dir` and `local_files_only` as in `hub.resolve`; `base` of an adapter as in
    `open_checkpoint`. Raises LoadError if a .pt file has none beside it and none can be had.
    """
    if model.is_dir() and is_adapter(model) and not _has_vocabulary(model):
        model = base_path(model, base)
    if model.is_dir():
        ggml = model / "model.bin"
        own = _has_vocabulary(model) or not ggml.is_file() or file_kind(ggml) != "ggml"
        return model if own else ggml
    if file_kind(model) != "PyTorch":
        return model
    found = _beside(model, n_vocab) or _of_openai_whisper(n_vocab)
    if found is None:
        found = hub.tokenizer_folder(n_vocab, cache_dir, local_files_only=local_files_only)
    if found is None:
        raise LoadError(
            f"{model}: openai-whisper's files hold no vocabulary, and there is none for "
            f"n_vocab={n_vocab}: put a tokenizer.json of the same kind of model beside it, or "
            "install openai-whisper, or let the Hugging Face hub be asked"
        )
    _log.info("%s: vocabulary of %s", model, found)
    return found


def _has_vocabulary(directory: Path) -> bool:
    return any((directory / name).is_file() for name in _IN_DIRECTORY)


def _beside(model: Path, n_vocab: int) -> Path | None:
    if any(model.with_name(name).is_file() for name in _BESIDE):
        return model.parent
    path = model.parent / _TIKTOKEN.get(n_vocab, "")
    return path if path.is_file() else None


def _of_openai_whisper(n_vocab: int) -> Path | None:
    """The file in the package, which is not imported: that would take seconds."""
    package = importlib.util.find_spec("whisper")
    if package is None or n_vocab not in _TIKTOKEN:
        return None
    folders = package.submodule_search_locations or ()
    paths = (Path(folder) / "assets" / _TIKTOKEN[n_vocab] for folder in folders)
    return next((path for path in paths if path.is_file()), None)
