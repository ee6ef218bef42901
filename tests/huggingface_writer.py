"""Writes Hugging Face Whisper directories for tests: good ones with the `safetensors` library, and
the parts that bad ones are put together from by hand.
"""

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import save as save_numpy

from oracle import Dims
from sottovoce.checkpoints.huggingface import huggingface_name


def config_of(dims: Dims) -> dict[str, object]:
    return {
        "model_type": "whisper",
        "num_mel_bins": dims.n_mels,
        "max_source_positions": dims.n_audio_ctx,
        "d_model": dims.n_audio_state,
        "encoder_attention_heads": dims.n_audio_head,
        "encoder_layers": dims.n_audio_layer,
        "vocab_size": dims.n_vocab,
        "max_target_positions": dims.n_text_ctx,
        "decoder_attention_heads": dims.n_text_head,
        "decoder_layers": dims.n_text_layer,
    }


def as_kind(array: np.ndarray, kind: str) -> np.ndarray:
    """The array as float32, float16, or the bits of bfloat16 (cut off, not rounded)."""
    if kind == "bfloat16":
        return (array.view(np.uint32) >> 16).astype(np.uint16)
    return array.astype(kind)


def container(header: object, data: bytes = b"") -> bytes:
    """A safetensors file of a header (or its text) and the data block."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def save(path: Path, tensors: Mapping[str, np.ndarray], kind: str = "float32") -> None:
    data = save_numpy({name: as_kind(array, kind) for name, array in tensors.items()})
    if kind == "bfloat16":  # which NumPy lacks: written as uint16, renamed in the header
        end = 8 + struct.unpack("<Q", data[:8])[0]
        data = container(data[8:end].replace(b'"U16"', b'"BF16"'), data[end:])
    path.write_bytes(data)


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


def write_model(
    directory: Path,
    tensors: Mapping[str, np.ndarray],
    dims: Dims,
    kind: str = "float32",
    prefix: str = "model.",
    n_shards: int = 1,
) -> Path:
    """A Hugging Face directory; tensors under openai-whisper's names."""
    write_json(directory / "config.json", config_of(dims))
    theirs = {prefix + huggingface_name(n).removeprefix("model."): t for n, t in tensors.items()}
    if n_shards == 1:
        save(directory / "model.safetensors", theirs, kind)
        return directory
    weight_map: dict[str, str] = {}
    for i in range(n_shards):
        shard = f"model-{i + 1:05}-of-{n_shards:05}.safetensors"
        part = dict(list(theirs.items())[i::n_shards])
        save(directory / shard, part, kind)
        weight_map.update(dict.fromkeys(part, shard))
    write_json(directory / "model.safetensors.index.json", {"weight_map": weight_map})
    return directory
