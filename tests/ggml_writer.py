"""Writes whisper.cpp's ggml files for tests, and quantises as their formats say."""

import struct
from collections.abc import Mapping, Sequence

import numpy as np

from oracle import Dims

TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q5_0": 6, "q5_1": 7, "q8_0": 8}
BLOCK = 32
# What the header says of most tensors; 2000: the second version of the quantised blocks.
FILE_TYPES = {"f32": 0, "f16": 1, "q4_0": 2002, "q4_1": 2003}
FILE_TYPES |= {"q8_0": 2007, "q5_0": 2008, "q5_1": 2009}


def quantised(array: np.ndarray, kind: str) -> tuple[bytes, np.ndarray]:
    """The bytes of a float32 array whose rows are whole blocks, and the numbers they stand for."""
    blocks = array.reshape(-1, BLOCK)
    n_bits = int(kind[1])
    if kind.endswith("_1"):
        minimum = blocks.min(axis=1, keepdims=True).astype(np.float16)
        span = blocks.max(axis=1, keepdims=True) - minimum.astype(np.float32)
        scale = (span / (2**n_bits - 1)).astype(np.float16)
        zero = 0
    else:
        minimum = np.zeros((len(blocks), 1), np.float16)
        largest = np.abs(blocks).max(axis=1, keepdims=True)
        scale = (largest / (2 ** (n_bits - 1) - 1)).astype(np.float16)
        zero = 0 if kind == "q8_0" else 2 ** (n_bits - 1)
    step = np.maximum(scale.astype(np.float32), np.float32(1e-8))
    integers = np.rint((blocks - minimum.astype(np.float32)) / step).astype(np.int32) + zero
    low = -128 if kind == "q8_0" else 0
    integers = np.clip(integers, low, low + 2**n_bits - 1)
    stood_for = (integers - zero).astype(np.float32) * scale.astype(np.float32)
    stood_for = stood_for + minimum.astype(np.float32)
    parts = [scale.view(np.uint8)]
    if kind.endswith("_1"):
        parts.append(minimum.view(np.uint8))
    if n_bits == 5:
        parts.append(np.packbits(integers >> 4, axis=1, bitorder="little"))
    if n_bits == 8:
        parts.append(integers.astype(np.int8).view(np.uint8))
    else:
        nibbles = integers & 15
        half = BLOCK // 2
        parts.append((nibbles[:, :half] | nibbles[:, half:] << 4).astype(np.uint8))
    return np.concatenate(parts, axis=1).tobytes(), stood_for.reshape(array.shape)


def tensor(name: str, array: np.ndarray, kind: str) -> tuple[bytes, np.ndarray]:
    """An entry of a file, and the numbers in it. As whisper.cpp's, vectors stay float32."""
    if array.ndim == 1 or (array.shape[-1] % BLOCK and kind not in ("f32", "f16")):
        kind = "f32"
    numbers = array
    if kind == "f32":
        data = array.astype("<f4").tobytes()
    elif kind == "f16":
        numbers = array.astype(np.float16)
        data = numbers.tobytes()
    else:
        data, numbers = quantised(array, kind)
    shape = array.shape
    if name.startswith("encoder.conv") and array.ndim == 1:
        shape = (*shape, 1)
    head = struct.pack("<iii", len(shape), len(name), TYPES[kind])
    return head + struct.pack(f"<{len(shape)}i", *shape[::-1]) + name.encode() + data, numbers


def header(dims: Dims, kind: str = "f32") -> bytes:
    numbers = (dims.n_vocab, dims.n_audio_ctx, dims.n_audio_state, dims.n_audio_head)
    numbers += (dims.n_audio_layer, dims.n_text_ctx, dims.n_text_state, dims.n_text_head)
    return b"lmgg" + struct.pack("<11i", *numbers, dims.n_text_layer, dims.n_mels, FILE_TYPES[kind])


def filters(n_mels: int) -> bytes:
    return struct.pack("<ii", n_mels, 201) + bytes(4 * n_mels * 201)


def vocabulary(pieces: Sequence[bytes]) -> bytes:
    listed = b"".join(struct.pack("<i", len(piece)) + piece for piece in pieces)
    return struct.pack("<i", len(pieces)) + listed


def file(
    tensors: Mapping[str, np.ndarray],
    dims: Dims,
    kind: str = "f32",
    pieces: Sequence[bytes] = (),
) -> tuple[bytes, dict[str, np.ndarray]]:
    """A file, and the numbers of its tensors."""
    entries = {name: tensor(name, array, kind) for name, array in tensors.items()}
    head = header(dims, kind) + filters(dims.n_mels) + vocabulary(pieces)
    data = head + b"".join(entry for entry, _ in entries.values())
    return data, {name: numbers for name, (_, numbers) in entries.items()}
