"""pytorch_model.bin, alone or in shards, beside a config.json: what Hugging Face saved until 2023.

The core reads the directory's settings and translates the names; the tensors are `torch_file`'s.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .._core import Checkpoint
from ..errors import LoadError
from .json_file import read_json
from .torch_file import read_torch_file

SINGLE: Final = "pytorch_model.bin"
INDEX: Final = "pytorch_model.bin.index.json"
_WRAPPED: Final = ("state_dict", "model_state_dict")  # what trainers put a state dict in


def open_huggingface_torch(directory: Path, single: str = SINGLE) -> Checkpoint:
    """Opens config.json and the weights: the file `single`, else the shards of the index.

    LoadError names the file and what is wrong with it.
    """
    tensors: dict[str, NDArray[Any]] = {}
    for path in _files(directory, single):
        for name, tensor in read_state_dict(path).items():
            if name in tensors:
                raise LoadError(f"{path}: tensor {name} is in another shard as well")
            tensors[name] = tensor
    return Checkpoint.open(str(directory), tensors)


def read_state_dict(path: Path) -> dict[str, NDArray[Any]]:
    """The floating-point tensors of a saved state dict; float64 becomes float32."""
    saved = read_torch_file(path)
    for key in _WRAPPED:
        if isinstance(saved, dict) and isinstance(saved.get(key), dict):
            saved = saved[key]
    if not isinstance(saved, dict):
        raise LoadError(f"{path}: must hold a state dict, got a {type(saved).__name__}")
    arrays = {str(name): value for name, value in saved.items() if isinstance(value, np.ndarray)}
    return {
        name: array.astype(np.float32) if array.dtype == np.float64 else array
        for name, array in arrays.items()
        if array.dtype.kind == "f" or array.dtype == np.uint16
    }


def _files(directory: Path, single: str) -> list[Path]:
    if (directory / single).is_file():
        return [directory / single]
    index = directory / INDEX
    weight_map = read_json(index).get("weight_map")
    shards = set(weight_map.values()) if isinstance(weight_map, dict) else {None}
    for shard in shards:
        if not isinstance(shard, str) or Path(shard).name != shard:
            raise LoadError(
                f"{index}: weight_map must map tensors to files beside it, got {shard!r}"
            )
    return [directory / str(shard) for shard in sorted(map(str, shards))]
