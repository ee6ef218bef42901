"""The calls of the network for one window: encode it, tell its language, decode it once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..options import DecodeOptions
from ..policy.requests import AlignRequest, Decoded, EncodeRequest, LanguageRequest
from ..policy.window import core_options, window_result
from ..results import WindowResult
from ..text.tokenizer import Tokenizer

Answer = _core.AudioFeatures | NDArray[np.float32] | _core.TokenAlignment


def answer(core: _core.Model, request: EncodeRequest | LanguageRequest | AlignRequest) -> Answer:
    """What a request wants to know, but for attempts, which go through a DecodeBatch."""
    if isinstance(request, LanguageRequest):
        return core.detect_language(request.features, request.sot, request.language_tokens)
    if isinstance(request, AlignRequest):
        return core.align(request.heard, request.options)
    # The core wants consecutive memory; it fills a short window with zeros in log-mel space.
    return core.encode(np.ascontiguousarray(request.frames), request.n_ctx)


def decoded(finished: _core.FinishedWindow) -> Decoded:
    """The answer to an attempt that did not fail."""
    took = finished.metrics
    return Decoded(finished.result, took.decoder_prefill_ms + took.decoder_token_ms.sum_ms)


def detect_language(
    core: _core.Model, tokenizer: Tokenizer, features: _core.AudioFeatures
) -> tuple[str, dict[str, float]]:
    """The likeliest language of a window and the probability of each, in token order.

    The model is multilingual: an English-only one has no languages to choose from.
    """
    found = core.detect_language(features, tokenizer.special.sot, tokenizer.language_tokens)
    probabilities = dict(zip(tokenizer.language_codes, found.tolist(), strict=True))
    return tokenizer.language_codes[int(np.argmax(found))], probabilities


def decode(
    core: _core.Model,
    tokenizer: Tokenizer,
    features: _core.AudioFeatures,
    options: DecodeOptions,
) -> WindowResult:
    """One attempt at one encoded window; a language of None is detected first."""
    language = options.language
    if language is None and tokenizer.is_multilingual:
        language, _ = detect_language(core, tokenizer, features)
    language = language or "en"
    wanted = core_options(tokenizer, core.dims, options, language)
    (decoded,) = core.decode([features], [wanted])
    return window_result(tokenizer, decoded, options, language)
