"""openai-whisper's .pt files, as it keeps them in ~/.cache/whisper: dims and a state dict.

The tensors have the names that all of sottovoce uses. The files hold no vocabulary:
`vocabularies.py` finds one.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from .._core import Checkpoint, ModelDims
from ..errors import LoadError
from .huggingface import is_reference_name
from .torch_file import read_torch_file

_FIELDS: Final = (
    *("n_mels", "n_audio_ctx", "n_audio_state", "n_audio_head", "n_audio_layer"),
    *("n_vocab", "n_text_ctx", "n_text_state", "n_text_head", "n_text_layer"),
)
_WRAPPERS: Final = ("_orig_mod.", "module.")  # what torch.compile and DataParallel put in front


def open_openai(path: Path) -> Checkpoint:
    """Opens a .pt file. LoadError names the file and what is wrong with it."""
    saved = read_torch_file(path)
    state = saved.get("model_state_dict") if isinstance(saved, dict) else None
    if not isinstance(state, dict) or not isinstance(saved.get("dims"), dict):
        raise LoadError(
            f"{path}: must hold a dict with dims and model_state_dict, as openai-whisper's files "
            f"do, got {_summary(saved)}; weights of Hugging Face belong beside their config.json"
        )
    return Checkpoint(_dims(saved["dims"], path), _tensors(state), source=str(path))


def plain_name(name: str) -> str:
    """The name of a tensor without those of wrappers around its network."""
    for wrapper in _WRAPPERS:
        name = name.removeprefix(wrapper)
    return name


def _dims(fields: Mapping[str, Any], path: Path) -> ModelDims:
    for field in _FIELDS:
        value = fields.get(field)
        if type(value) is not int or not 0 <= value < 1 << 31:
            raise LoadError(f"{path}: dims: {field} must be a number, got {value!r}")
    return ModelDims(*(fields[field] for field in _FIELDS))


def _tensors(state: Mapping[str, Any]) -> dict[str, np.ndarray[Any, Any]]:
    """What the network needs; buffers that can be computed are left out."""
    named = ((plain_name(name), value) for name, value in state.items())
    return {
        name: value.astype(np.float32) if value.dtype == np.float64 else value
        for name, value in named
        if isinstance(value, np.ndarray) and is_reference_name(name)
    }


def _summary(saved: Any) -> str:
    if not isinstance(saved, dict):
        return f"a {type(saved).__name__}"
    keys = [str(key) for key in saved]
    return f"one with {', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''}" if keys else "{}"
