"""Which cross-attention heads follow the audio: (layer, head) pairs for word timestamps.

Reads openai-whisper's compact form, overrides what a checkpoint brought along, and knows the heads
of openai-whisper's own models. The default for a model that names none (every head of the last half
of the decoder) is the core's.
"""

import base64
import binascii
import gzip
import zlib
from collections.abc import Sequence

import numpy as np

from .._core import Checkpoint
from ..errors import LoadError

AlignmentHeads = Sequence[tuple[int, int]]  # (decoder layer, head)

# Of openai-whisper 20250625: layers of the decoder, heads of a layer, and layer.head.
_OFFICIAL = """
tiny.en 4 6 1.0 2.0 2.5 3.0 3.1 3.2 3.3 3.4
tiny 4 6 2.2 3.0 3.2 3.3 3.4 3.5
base.en 6 8 3.3 4.7 5.1 5.5 5.7
base 6 8 3.1 4.2 4.3 4.7 5.1 5.2 5.4 5.6
small.en 12 12 6.6 7.0 7.3 7.8 8.2 8.5 8.7 9.0 9.4 9.8 9.10 10.0 10.1 10.2 10.3 10.6 10.11 11.2 11.4
small 12 12 5.3 5.9 8.0 8.4 8.7 8.8 9.0 9.7 9.9 10.5
medium.en 24 16 11.4 14.1 14.12 14.14 15.4 16.0 16.4 16.9 17.12 17.14 18.7 18.10 18.15 20.0 20.3 \
20.9 20.14 21.12
medium 24 16 13.15 15.4 15.15 16.1 20.0 23.4
large-v1 32 20 9.19 11.2 11.4 11.17 22.7 22.11 22.17 23.2 23.15
large-v2 32 20 10.12 13.17 16.11 16.12 16.13 17.15 17.16 18.4 18.11 18.19 19.11 21.2 21.3 22.3 \
22.9 22.12 23.5 23.7 23.13 25.5 26.1 26.12 27.15
large-v3 32 20 7.0 10.17 12.18 13.12 16.1 17.14 19.11 21.4 24.1 25.6
turbo 4 20 2.4 2.11 3.3 3.6 3.11 3.14
"""


def alignment_heads_from_base85(
    dump: bytes | str, n_text_layer: int, n_text_head: int
) -> list[tuple[int, int]]:
    """Decodes openai-whisper's `_ALIGNMENT_HEADS` entries: base85 of gzip of a boolean mask.

    The mask is (n_text_layer, n_text_head) uint8, row-major. Raises LoadError if the text cannot
    be decoded, or if its mask belongs to a network of another size or is empty.
    """
    mask = np.frombuffer(_decompress(dump), dtype=np.uint8)
    expected = n_text_layer * n_text_head
    if mask.size != expected:
        raise LoadError(
            f"alignment heads: the mask must hold n_text_layer={n_text_layer} * "
            f"n_text_head={n_text_head} = {expected} flags, got {mask.size}; "
            "it belongs to another model"
        )
    rows, columns = np.nonzero(mask.reshape(n_text_layer, n_text_head))
    if rows.size == 0:
        raise LoadError("alignment heads: the mask selects no head")
    return [(int(layer), int(head)) for layer, head in zip(rows, columns, strict=True)]


def official_model(checkpoint: Checkpoint) -> str:
    """The model of openai-whisper that has the checkpoint's alignment heads; "" if there is none.

    It may be that model, or what was made of it.
    """
    dims = checkpoint.dims
    ours = {f"{layer}.{head}" for layer, head in checkpoint.alignment_heads or ()}
    for name, n_layers, n_heads, *heads in map(str.split, _OFFICIAL.strip().splitlines()):
        is_as_large = (int(n_layers), int(n_heads)) == (dims.n_text_layer, dims.n_text_head)
        if is_as_large and ours == set(heads):
            return name
    return ""


def with_alignment_heads(checkpoint: Checkpoint, heads: AlignmentHeads) -> Checkpoint:
    """The same checkpoint with other alignment heads; tensors are shared, not copied.

    Raises LoadError for a head that the decoder has not got.
    """
    dims = checkpoint.dims
    for layer, head in heads:
        if not (0 <= layer < dims.n_text_layer and 0 <= head < dims.n_text_head):
            raise LoadError(
                f"alignment heads: ({layer}, {head}) is outside the decoder's "
                f"{dims.n_text_layer} layers and {dims.n_text_head} heads"
            )
    return Checkpoint(
        dims,
        {name: checkpoint.tensor(name) for name in checkpoint.names()},
        alignment_heads=list(heads),
        suppress_tokens=checkpoint.suppress_tokens,
        source=checkpoint.source,
    )


def _decompress(dump: bytes | str) -> bytes:
    try:
        return gzip.decompress(base64.b85decode(dump))
    except (ValueError, binascii.Error, OSError, EOFError, zlib.error) as error:
        raise LoadError(
            f"alignment heads: expected base85 of a gzip stream, got {dump[:24]!r}: {error}"
        ) from error
