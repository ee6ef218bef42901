"""One seek loop alone: each request is answered as it comes, in the caller's thread."""

from __future__ import annotations

from collections.abc import Iterator

from .. import _core
from ..errors import ShapeError
from ..policy.requests import DecodeRequest, EncodeRequest
from ..policy.seek import SeekLoop
from ..results import Segment
from .job import MAX_PASSES
from .window import encode


def segments(
    core: _core.Model, loop: SeekLoop, n_rows: int, metrics: _core.Metrics
) -> Iterator[Segment]:
    """The segments of a loop, as soon as they are known; `metrics` gets the figures.

    `n_rows`: most beams or samples of a window.
    """
    decoder = core.new_batch(1, n_rows)
    answer: _core.AudioFeatures | _core.DecodingResult | None = None
    while True:
        try:
            item = loop.send(answer)
        except StopIteration:
            return
        if isinstance(item, Segment):
            answer = None
            yield item
        elif isinstance(item, EncodeRequest):
            answer = encode(core, item)
            metrics.merge(answer.metrics)
        else:
            answer = _decode(decoder, item, metrics)


def _decode(
    decoder: _core.DecodeBatch, request: DecodeRequest, metrics: _core.Metrics
) -> _core.DecodingResult:
    decoder.submit(request.features, request.options)
    while not (finished := decoder.advance(MAX_PASSES)):
        pass  # in Python for a moment, where Ctrl-C gets through
    metrics.merge(finished[0].metrics)
    if finished[0].error:
        raise ShapeError(finished[0].error)
    return finished[0].result
