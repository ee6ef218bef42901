"""A CTranslate2 Whisper directory -> Checkpoint: names, fused projections and quantised weights.

CTranslate2 stacks the rows of query, key and value of self-attention in one matrix, and of key and
value of cross-attention in another; here each is a slice of it, a view. Whisper has no key bias: a
constant added to every key changes no softmax, so that slice of the fused bias is left out.

Weights are handed out one at a time, when they are asked for. A quantised one becomes float32 then:
value = integer / scale, one scale an output row (int8) or a matrix (int16).
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._core import Checkpoint, ModelDims
from ..errors import LoadError
from .ctranslate2_file import Array, ModelFile, read_model_file
from .json_file import int_list, int_pairs, read_json

_SPEC: Final = "WhisperSpec"
_MAX_REVISION: Final = 3
_QUANTISED: Final = (np.dtype(np.int8), np.dtype(np.int16))


class _Rows(NamedTuple):
    """Part `part` of `n_parts` equal stacks of rows of one variable."""

    variable: str
    part: int = 0
    n_parts: int = 1


_SELF_ATTENTION: Final = {
    "query": _Rows("linear_0", 0, 3),
    "key": _Rows("linear_0", 1, 3),
    "value": _Rows("linear_0", 2, 3),
    "out": _Rows("linear_1"),
}
_CROSS_ATTENTION: Final = {
    "query": _Rows("linear_0"),
    "key": _Rows("linear_1", 0, 2),
    "value": _Rows("linear_1", 1, 2),
    "out": _Rows("linear_2"),
}
_SINGLES: Final = {
    "encoder.conv1.weight": "encoder/conv1/weight",
    "encoder.conv1.bias": "encoder/conv1/bias",
    "encoder.conv2.weight": "encoder/conv2/weight",
    "encoder.conv2.bias": "encoder/conv2/bias",
    "encoder.positional_embedding": "encoder/position_encodings/encodings",
    "encoder.ln_post.weight": "encoder/layer_norm/gamma",
    "encoder.ln_post.bias": "encoder/layer_norm/beta",
    "decoder.token_embedding.weight": "decoder/embeddings/weight",
    "decoder.positional_embedding": "decoder/position_encodings/encodings",
    "decoder.ln.weight": "decoder/layer_norm/gamma",
    "decoder.ln.bias": "decoder/layer_norm/beta",
}


def open_ctranslate2(directory: Path) -> Checkpoint:
    """Opens model.bin and config.json; LoadError names the file and the tensor that is wrong."""
    file = read_model_file(directory / "model.bin")
    _check_is_whisper(file)
    config_path = directory / "config.json"
    config = read_json(config_path)
    dims = _dims(file)
    return Checkpoint(
        dims,
        CTranslate2Tensors(file, dims),
        alignment_heads=_heads(int_pairs(config, "alignment_heads", config_path), dims),
        suppress_tokens=[
            token
            for token in int_list(config, "suppress_ids", config_path) or ()
            if 0 <= token < dims.n_vocab
        ],
        source=str(directory),
    )


class CTranslate2Tensors(Mapping[str, Array]):
    """The reference's names -> arrays of model.bin, sliced, and dequantised on access."""

    def __init__(self, file: ModelFile, dims: ModelDims) -> None:
        self._file = file
        self._rows = dict(_names(dims))

    def __getitem__(self, name: str) -> Array:
        rows = self._rows[name]
        array = _slice(self._file[rows.variable], rows, self._file.path)
        if array.dtype in _QUANTISED:
            return _dequantised(array, self._scale(rows, array), rows.variable, self._file.path)
        if array.dtype == np.int32:
            raise LoadError(f"{self._file.path}: {rows.variable}: int32 weights are not supported")
        return array

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def _scale(self, rows: _Rows, array: Array) -> Array:
        """() or (n_rows,): the scale of `array`, of the same slice of rows."""
        name = f"{rows.variable}_scale"
        scale = self._file[name]
        n_rows = len(self._file[rows.variable])
        if scale.size == 1:
            return scale.reshape(())
        if scale.shape != (n_rows,):
            raise LoadError(
                f"{self._file.path}: {name} must be ({n_rows},), one an output row, "
                f"got {scale.shape}"
            )
        return _slice(scale, rows, self._file.path)


def _heads(heads: list[tuple[int, int]] | None, dims: ModelDims) -> list[tuple[int, int]] | None:
    """A list that names heads which are not there is that of a distilled model's teacher: none."""
    fits = heads and all(
        0 <= layer < dims.n_text_layer and 0 <= head < dims.n_text_head for layer, head in heads
    )
    return heads if fits else None


def _check_is_whisper(file: ModelFile) -> None:
    if file.spec != _SPEC:
        raise LoadError(f"{file.path}: spec must be {_SPEC}, got {file.spec}: not a Whisper model")
    if file.revision > _MAX_REVISION:
        raise LoadError(
            f"{file.path}: {_SPEC} revision must be at most {_MAX_REVISION}, got {file.revision}"
        )
    for name in file.variables:
        if name.endswith("num_heads_kv"):
            raise LoadError(f"{file.path}: {name}: grouped key and value heads are not Whisper's")


def _dims(file: ModelFile) -> ModelDims:
    n_audio_state, n_mels, _ = _shape(file, "encoder/conv1/weight", rank=3)
    n_audio_ctx, _ = _shape(file, "encoder/position_encodings/encodings", rank=2)
    n_vocab, n_text_state = _shape(file, "decoder/embeddings/weight", rank=2)
    n_text_ctx, _ = _shape(file, "decoder/position_encodings/encodings", rank=2)
    return ModelDims(
        n_mels=n_mels,
        n_audio_ctx=n_audio_ctx,
        n_audio_state=n_audio_state,
        n_audio_head=_integer(file, "encoder/num_heads"),
        n_audio_layer=_n_layers(file, "encoder"),
        n_vocab=n_vocab,
        n_text_ctx=n_text_ctx,
        n_text_state=n_text_state,
        n_text_head=_integer(file, "decoder/num_heads"),
        n_text_layer=_n_layers(file, "decoder"),
    )


def _shape(file: ModelFile, name: str, *, rank: int) -> tuple[int, ...]:
    shape = file[name].shape
    if len(shape) != rank:
        raise LoadError(f"{file.path}: {name}: rank must be {rank}, got shape {shape}")
    return shape


def _integer(file: ModelFile, name: str) -> int:
    array = file[name]
    if array.size != 1 or array.dtype.kind != "i":
        raise LoadError(
            f"{file.path}: {name} must be an integer scalar, got {array.shape} {array.dtype}"
        )
    return int(array.item())


def _n_layers(file: ModelFile, stack: str) -> int:
    pattern = re.compile(rf"{stack}/layer_(\d+)/")
    return len({match[1] for name in file.variables if (match := pattern.match(name))})


def _names(dims: ModelDims) -> Iterator[tuple[str, _Rows]]:
    for name, variable in _SINGLES.items():
        yield name, _Rows(variable)
    for layer in range(dims.n_audio_layer):
        yield from _block(f"encoder.blocks.{layer}", f"encoder/layer_{layer}", has_cross=False)
    for layer in range(dims.n_text_layer):
        yield from _block(f"decoder.blocks.{layer}", f"decoder/layer_{layer}", has_cross=True)


def _block(name: str, scope: str, *, has_cross: bool) -> Iterator[tuple[str, _Rows]]:
    yield from _attention(f"{name}.attn", f"{scope}/self_attention", _SELF_ATTENTION)
    if has_cross:
        yield from _attention(f"{name}.cross_attn", f"{scope}/attention", _CROSS_ATTENTION)
    yield from _layer_norm(f"{name}.mlp_ln", f"{scope}/ffn/layer_norm")
    for kind in ("weight", "bias"):
        yield f"{name}.mlp.0.{kind}", _Rows(f"{scope}/ffn/linear_0/{kind}")
        yield f"{name}.mlp.2.{kind}", _Rows(f"{scope}/ffn/linear_1/{kind}")


def _attention(name: str, scope: str, parts: Mapping[str, _Rows]) -> Iterator[tuple[str, _Rows]]:
    yield from _layer_norm(f"{name}_ln", f"{scope}/layer_norm")
    for role, (linear, part, n_parts) in parts.items():
        for kind in ("weight", "bias"):
            if (role, kind) != ("key", "bias"):
                yield f"{name}.{role}.{kind}", _Rows(f"{scope}/{linear}/{kind}", part, n_parts)


def _layer_norm(name: str, scope: str) -> Iterator[tuple[str, _Rows]]:
    yield f"{name}.weight", _Rows(f"{scope}/gamma")
    yield f"{name}.bias", _Rows(f"{scope}/beta")


def _slice(array: Array, rows: _Rows, path: Path) -> Array:
    if rows.n_parts == 1:
        return array
    if array.ndim == 0 or len(array) % rows.n_parts:
        raise LoadError(
            f"{path}: {rows.variable}: rows must be a multiple of {rows.n_parts} "
            f"(fused projections), got shape {array.shape}"
        )
    n_rows = len(array) // rows.n_parts
    return array[rows.part * n_rows : (rows.part + 1) * n_rows]


def _dequantised(array: Array, scale: Array, name: str, path: Path) -> NDArray[np.float32]:
    factor = _as_float32(scale)
    if not (np.isfinite(factor).all() and (factor > 0).all()):
        raise LoadError(f"{path}: {name}_scale: scales must be finite and positive")
    if factor.ndim:
        factor = factor.reshape(-1, *(1,) * (array.ndim - 1))
    result: NDArray[np.float32] = np.divide(array, factor, dtype=np.float32)
    return result


def _as_float32(array: Array) -> NDArray[np.float32]:
    if array.dtype == np.uint16:  # bfloat16: the upper half of a float32
        return (array.astype(np.uint32) << 16).view(np.float32)
    result: NDArray[Any] = array.astype(np.float32)
    return result
