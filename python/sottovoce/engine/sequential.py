"""One seek loop alone: each request is answered as it comes, in the caller's thread."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeVar

import numpy as np

from .. import _core
from ..policy.requests import (
    AlignRequest,
    Decoded,
    DecodeRequest,
    EncodeRequest,
    HeardWindow,
    LanguageRequest,
)
from ..results import Segment
from .job import MAX_PASSES, Job
from .reports import log
from .window import Answer, answer, decoded

_Value = TypeVar("_Value")


def segments(core: _core.Model, job: Job) -> Generator[Segment, None, None]:
    """The segments of a recording that has one loop, as soon as they are known."""
    (loop,) = job.loops
    metrics, reports = job.info.metrics.core, job.reports
    decoder = core.new_batch(1, job.info.options.n_rows)
    if reports:
        reports.opened()
    reply: Answer | Decoded | None = None
    while True:
        _core.check_cancellation()
        try:
            item = loop.send(reply)
        except StopIteration:
            break
        log(item)
        if isinstance(item, HeardWindow):
            reply = None
            job.info.trace.add(0, item.trace)
            if reports:
                reports.heard(item)
            yield from item.segments
        elif isinstance(item, DecodeRequest):
            reply = _decode(decoder, item, metrics)
        else:
            reply = _answer(core, item, metrics)
    if reports:
        reports.over()


def result_of(
    core: _core.Model,
    requests: Generator[EncodeRequest | LanguageRequest | AlignRequest, Any, _Value],
    metrics: _core.Metrics,
) -> _Value:
    """Answers all that a generator requests, and returns what it does."""
    reply = None
    while True:
        try:
            item = requests.send(reply)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        reply = _answer(core, item, metrics)


def _answer(
    core: _core.Model,
    request: EncodeRequest | LanguageRequest | AlignRequest,
    metrics: _core.Metrics,
) -> Answer:
    found = answer(core, request)
    if not isinstance(found, np.ndarray):
        metrics.merge(found.metrics)
    return found


def _decode(decoder: _core.DecodeBatch, request: DecodeRequest, metrics: _core.Metrics) -> Decoded:
    decoder.submit(request.features, request.options)
    while not (finished := decoder.advance(MAX_PASSES)):
        pass  # in Python for a moment, where Ctrl-C gets through
    metrics.merge(finished[0].metrics)
    error = finished[0].error
    if error is None:
        return decoded(finished[0])
    del finished  # it holds the error, whose traceback would hold it
    try:
        raise error
    finally:
        del error
