"""Which cross-attention heads follow the audio: (layer, head) pairs for word timestamps.

Reads openai-whisper's compact form and overrides what a checkpoint brought along. The default for
a model that names none (every head of the last half of the decoder) is the core's.
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
