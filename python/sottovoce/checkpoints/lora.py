"""A LoRA adapter of PEFT: low-rank changes to the linear layers of a model, merged as it is opened.

    W' = W + scale * B A,  A (rank, n_in), B (n_out, rank),  scale = alpha / rank

Merged weights are float32, whatever the base is; layers without a change stay views of the base's
files. What changes a layer in another way (DoRA, convolutions) is refused by name: no adapter is
ever left out in silence.
"""

import math
import re
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .._core import Checkpoint
from ..errors import LoadError
from .huggingface import huggingface_name
from .json_file import read_json

CONFIG: Final = "adapter_config.json"
_WEIGHTS: Final = ("adapter_model.safetensors", "adapter_model.bin")
_FACTOR: Final = re.compile(r"(.+)\.lora_(embedding_)?([AB])(?:\.default)?(?:\.weight)?")
_DTYPES: Final[dict[str, np.dtype[Any]]] = {
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),  # the bits
    "F64": np.dtype("<f8"),
}
_WRAPPERS: Final = ("base_model.model.", "model.")

_Array = NDArray[Any]


def is_adapter(directory: Path) -> bool:
    return (directory / CONFIG).is_file() and any((directory / n).is_file() for n in _WEIGHTS)


def base_of(directory: Path) -> str:
    """The model that an adapter says it belongs to: a path or a name."""
    base = read_json(directory / CONFIG).get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise LoadError(f"{directory / CONFIG}: must name base_model_name_or_path, got {base!r}")
    return base


def open_lora(directory: Path, base: Checkpoint) -> Checkpoint:
    """`base` with the adapter in `directory` merged. LoadError names the file and the tensor."""
    adapter = _Adapter(directory)
    ours = {_stem(huggingface_name(name)): name for name in base.names()}
    tensors = {name: base.tensor(name) for name in base.names()}
    for stem, change in adapter.changes().items():
        if stem not in ours:
            raise LoadError(f"{adapter.path}: changes {stem}, which its base has not")
        tensors[ours[stem]] = change(tensors[ours[stem]])
    return Checkpoint(
        base.dims,
        tensors,
        alignment_heads=base.alignment_heads,
        suppress_tokens=base.suppress_tokens,
        source=str(directory),
    )


class _Adapter:
    """The files of an adapter."""

    def __init__(self, directory: Path) -> None:
        self._config_path = directory / CONFIG
        self._config = read_json(self._config_path)
        for field, expected in (
            ("peft_type", "LORA"),
            ("use_dora", False),
            ("fan_in_fan_out", False),
        ):
            got = self._config.get(field, expected)
            if got not in (expected, None):
                raise LoadError(f"{self._config_path}: {field} must be {expected!r}, got {got!r}")
        self.path = next(directory / name for name in _WEIGHTS if (directory / name).is_file())

    def changes(self) -> dict[str, Any]:
        """What becomes of the tensors of the base, by `_stem`: functions of the old ones."""
        factors: dict[str, dict[str, _Array]] = {}
        changes: dict[str, Any] = {}
        for name, tensor in _read(self.path).items():
            if match := _FACTOR.fullmatch(name):
                kind = ("embedding_" if match[2] else "") + match[3]
                factors.setdefault(_stem(match[1]), {})[kind] = tensor
            elif "lora_" in name:
                raise LoadError(f"{self.path}: tensor {name} is of a kind that cannot be merged")
            else:  # trained as a whole: modules_to_save, biases
                stem = _stem(name.replace(".modules_to_save", "").replace(".default", ""))
                changes[stem] = lambda _, whole=tensor: whole
        for layer, pair in factors.items():
            changes[f"{layer}.weight"] = self._merging(layer, pair)
        return changes

    def _merging(self, layer: str, pair: Mapping[str, _Array]) -> Any:
        plain = pair.keys() == {"A", "B"}
        if not plain and pair.keys() != {"embedding_A", "embedding_B"}:
            raise LoadError(
                f"{self.path}: {layer} must have both lora_A and lora_B, got {set(pair)}"
            )
        a, b = (_as_float32(pair[kind]) for kind in sorted(pair))
        if a.ndim != 2 or b.ndim != 2 or a.shape[0] != b.shape[1] or not len(a):
            raise LoadError(
                f"{self.path}: {layer}: lora_A must be (rank, n_in) and lora_B (n_out, rank), "
                f"got {a.shape} and {b.shape}"
            )
        change = self._scale(layer, len(a)) * (b @ a)
        if not plain:
            change = change.T  # of a table, whose rows are tokens

        def merged(weight: _Array) -> _Array:
            if weight.shape != change.shape:
                raise LoadError(
                    f"{self.path}: {layer}: changes a weight {change.shape}, its base has "
                    f"{weight.shape}"
                )
            result: _Array = np.add(_as_float32(weight), change, dtype=np.float32)
            return result

        return merged

    def _scale(self, layer: str, rank: int) -> np.float32:
        alpha = self._config.get("lora_alpha", 8)  # PEFT's default
        for pattern, other in (self._config.get("alpha_pattern") or {}).items():
            if re.fullmatch(rf"(.*\.)?({pattern})", layer):
                alpha = other
        if not isinstance(alpha, int | float) or not math.isfinite(alpha):
            raise LoadError(f"{self._config_path}: lora_alpha must be a number, got {alpha!r}")
        return np.float32(alpha / (math.sqrt(rank) if self._config.get("use_rslora") else rank))


def _read(path: Path) -> dict[str, _Array]:
    if path.suffix == ".bin":
        from .huggingface_torch import read_state_dict

        return read_state_dict(path)
    from safetensors import SafetensorError, deserialize

    try:
        data = path.read_bytes()  # an adapter is small
        entries = deserialize(data)  # type: ignore[no-untyped-call]
    except (OSError, SafetensorError) as error:
        raise LoadError(f"{path}: cannot be read: {error}") from error
    return {name: _tensor(entry, name, path) for name, entry in entries}


def _tensor(entry: dict[str, Any], name: str, path: Path) -> _Array:
    dtype = _DTYPES.get(entry["dtype"])
    if dtype is None:
        raise LoadError(
            f"{path}: tensor {name}: dtype must be one of {', '.join(_DTYPES)}, "
            f"got {entry['dtype']}"
        )
    tensor: _Array = np.frombuffer(entry["data"], dtype).reshape(entry["shape"])
    return tensor.astype(np.float32) if dtype.itemsize == 8 else tensor


def _stem(name: str) -> str:
    """A Hugging Face name without what stands in front of the stacks."""
    for wrapper in _WRAPPERS:
        while name.startswith(wrapper):
            name = name.removeprefix(wrapper)
    return name.replace(".base_layer", "")


def _as_float32(array: _Array) -> NDArray[np.float32]:
    if array.dtype == np.uint16:  # bfloat16: the upper half of a float32
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(np.float32)


def base_path(directory: Path, base: str | PathLike[str] | None) -> Path:
    """Where the base of an adapter is: `base`, or what the adapter names, beside it or on a hub."""
    from . import hub

    named = base_of(directory) if base is None else base
    beside = directory / str(named)
    return hub.resolve(beside if base is None and beside.exists() else named)
