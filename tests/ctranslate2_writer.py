"""Writes CTranslate2 Whisper directories for tests: random weights, any dtype, tiny dimensions.

Takes tensors under openai-whisper's names and does by hand what CTranslate2's converter does: fuses
projections (with a zero key bias), quantises, and lays model.bin out, binary version 6.
"""

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np

TYPE_IDS = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4, "uint16": 5}
SPECIAL = ("<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|de|>", "<|translate|>")
SPECIAL += ("<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nocaptions|>")
SPECIAL += ("<|notimestamps|>",)
FIRST_SPECIAL = 40

Variables = dict[str, np.ndarray]


def variables_of(tensors: Mapping[str, np.ndarray], n_audio_head: int, n_text_head: int):
    """CTranslate2's variables, float32, from tensors under openai-whisper's names."""
    out: Variables = {
        "encoder/num_heads": np.int16(n_audio_head),
        "decoder/num_heads": np.int8(n_text_head),
        "decoder/pre_norm": np.int8(1),
        "decoder/alignment_layer": np.int16(-1),
    }
    for stack, norm in (("encoder", "ln_post"), ("decoder", "ln")):
        out |= _norm(tensors, f"{stack}.{norm}", f"{stack}/layer_norm")
        out[f"{stack}/position_encodings/encodings"] = tensors[f"{stack}.positional_embedding"]
        layers = {name.split(".")[2] for name in tensors if name.startswith(f"{stack}.blocks.")}
        for layer in layers:
            out |= _block(tensors, f"{stack}.blocks.{layer}", f"{stack}/layer_{layer}")
    for conv in ("conv1", "conv2"):
        out |= _linear(tensors, f"encoder.{conv}", f"encoder/{conv}")
    out["decoder/embeddings/weight"] = tensors["decoder.token_embedding.weight"]
    return dict(sorted(out.items()))


def _block(tensors, name, scope):
    out = _fused(tensors, f"{name}.attn", ("query", "key", "value"), f"{scope}/self_attention", 0)
    out |= _linear(tensors, f"{name}.attn.out", f"{scope}/self_attention/linear_1")
    out |= _norm(tensors, f"{name}.attn_ln", f"{scope}/self_attention/layer_norm")
    if f"{name}.cross_attn.query.weight" in tensors:
        cross = f"{name}.cross_attn"
        out |= _linear(tensors, f"{cross}.query", f"{scope}/attention/linear_0")
        out |= _fused(tensors, cross, ("key", "value"), f"{scope}/attention", 1)
        out |= _linear(tensors, f"{cross}.out", f"{scope}/attention/linear_2")
        out |= _norm(tensors, f"{cross}_ln", f"{scope}/attention/layer_norm")
    out |= _linear(tensors, f"{name}.mlp.0", f"{scope}/ffn/linear_0")
    out |= _linear(tensors, f"{name}.mlp.2", f"{scope}/ffn/linear_1")
    return out | _norm(tensors, f"{name}.mlp_ln", f"{scope}/ffn/layer_norm")


def _fused(tensors, name, parts, scope, index):
    n_state = len(tensors[f"{name}.query.bias"])
    zero = np.zeros(n_state, np.float32)
    weights = [tensors[f"{name}.{part}.weight"] for part in parts]
    biases = [tensors.get(f"{name}.{part}.bias", zero) for part in parts]
    linear = f"{scope}/linear_{index}"
    return {f"{linear}/weight": np.concatenate(weights), f"{linear}/bias": np.concatenate(biases)}


def _linear(tensors, name, scope):
    return {f"{scope}/{kind}": tensors[f"{name}.{kind}"] for kind in ("weight", "bias")}


def _norm(tensors, name, scope):
    return {f"{scope}/gamma": tensors[f"{name}.weight"], f"{scope}/beta": tensors[f"{name}.bias"]}


def bfloat16_bits(array: np.ndarray) -> np.ndarray:
    """uint16: the upper half of a float32, cut off."""
    return (np.ascontiguousarray(array, np.float32).view(np.uint32) >> 16).astype(np.uint16)


def quantised(variables: Variables, kind: str) -> Variables:
    """The variables as CTranslate2 stores them for `kind`: float16, bfloat16, int8, int16, or
    int8_float16 and the like, where the second is of what is not quantised.
    """
    kind, _, other = kind.partition("_")
    out: Variables = {}
    for name, value in variables.items():
        if np.ndim(value) == 0 or kind == "float32":
            out[name] = value
        elif kind == "float16":
            out[name] = value.astype(np.float16)
        elif kind == "bfloat16":
            out[name] = bfloat16_bits(value)
        elif not name.endswith("/weight"):
            out[name] = quantised({name: value}, other or "float32")[name]
        else:
            out[name], out[f"{name}_scale"] = _integers(value, kind)
    return out


def _integers(value: np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray]:
    if kind == "int16":
        scale = np.float32(2**10 / np.abs(value).max())
        return np.rint(value * scale).astype(np.int16), scale
    rows = value.reshape(len(value), -1)
    scale = (127.0 / np.abs(rows).max(axis=1)).astype(np.float32)
    return np.rint(rows * scale[:, None]).astype(np.int8).reshape(value.shape), scale


def model_bin(
    variables: Variables,
    aliases: Mapping[str, str] | None = None,
    *,
    version: int = 6,
    spec: str = "WhisperSpec",
    revision: int = 3,
) -> bytes:
    if aliases is None:
        aliases = {"decoder/projection/weight": "decoder/embeddings/weight"}
    out = [struct.pack("<I", version), _string(spec)]
    out.append(struct.pack("<II", revision, len(variables)))
    for name, value in variables.items():
        array = np.asarray(value)
        out.append(_string(name) + struct.pack("<B", array.ndim))
        out.append(struct.pack(f"<{array.ndim}I", *array.shape))
        out.append(struct.pack("<BI", TYPE_IDS[array.dtype.name], array.nbytes))
        out.append(array.tobytes())
    out.append(struct.pack("<I", len(aliases)))
    out += [_string(alias) + _string(target) for alias, target in aliases.items()]
    return b"".join(out)


def write_directory(directory: Path, data: bytes, config: dict[str, object] | None = None) -> Path:
    """model.bin, config.json and a tokenizer.json that has little more than special tokens."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "model.bin").write_bytes(data)
    if config is None:
        config = {
            "alignment_heads": [[1, 0], [1, 2]],
            "suppress_ids": [1, 2, 7],
            "suppress_ids_begin": [20, FIRST_SPECIAL],
        }
    (directory / "config.json").write_text(json.dumps(config))
    added = [
        {"id": FIRST_SPECIAL + index, "content": content, "special": True}
        for index, content in enumerate(SPECIAL)
    ]
    tokenizer = {"added_tokens": added, "model": {"type": "BPE", "vocab": {}, "merges": []}}
    (directory / "tokenizer.json").write_text(json.dumps(tokenizer))
    return directory


def _string(text: str) -> bytes:
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"
