"""The calls of the network for one window: encode it, tell its language, decode it once."""

from __future__ import annotations

import numpy as np

from .. import _core
from ..options import DecodeOptions
from ..policy.requests import EncodeRequest
from ..policy.window import core_options, window_result
from ..results import WindowResult
from ..text.tokenizer import Tokenizer


def encode(core: _core.Model, request: EncodeRequest) -> _core.AudioFeatures:
    """The features of the request's frames, (n_mels, n_frames <= 3000)."""
    # The core wants consecutive memory; it fills a short window with zeros in log-mel space.
    return core.encode(np.ascontiguousarray(request.frames), request.n_ctx)


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
