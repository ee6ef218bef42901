"""The policy around one window: what it starts with, what it must not say, whether to try again.

Behaviour is openai-whisper's. The rules for single tokens and the search are the core's; this file
only turns options into the core's token-level ones and judges what comes back. Where windows are
tried again it does not call the core either: it asks, and whoever runs it answers.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np

from . import _core
from .options import DecodeOptions, TranscribeOptions
from .tokenizer import N_TIMESTAMPS, Tokenizer


@dataclass(frozen=True)
class WindowResult:
    """What was heard in one window."""

    tokens: tuple[int, ...]  # with timestamps, without the initial tokens and the end of text
    text: str  # stripped
    language: str  # code
    temperature: float
    avg_logprob: float  # natural logarithm, mean over tokens and end of text
    no_speech_prob: float  # 0..1
    compression_ratio: float  # bytes of text to zlib bytes; high for repetition


@dataclass(frozen=True)
class Attempt:
    """Asks what is heard in a window; a `_core.DecodingResult` is the answer."""

    features: _core.AudioFeatures
    options: _core.DecodingOptions


def compression_ratio(text: str) -> float:
    """UTF-8 bytes of `text` to their zlib-compressed size; 0.0 for empty text."""
    data = text.encode("utf-8")
    return len(data) / len(zlib.compress(data))


def text_tokens(tokenizer: Tokenizer, text: str | Sequence[int] | None) -> list[int]:
    """Ids of a prompt or prefix, which continues other text: one space stands before it.

    Raises ValueError for ids outside the vocabulary.
    """
    if text is None:
        return []
    if isinstance(text, str):
        return tokenizer.encode(" " + text.strip())
    n_vocab = tokenizer.special.n_vocab
    for token in text:
        if not 0 <= token < n_vocab:
            raise ValueError(f"prompt: token ids must be in [0, n_vocab={n_vocab}), got {token}")
    return list(text)


def initial_tokens(
    tokenizer: Tokenizer, n_text_ctx: int, options: DecodeOptions, language: str
) -> list[int]:
    """[sot_prev, prompt ...] sot [language task] [no_timestamps] [prefix ...].

    Half of n_text_ctx less one is left for the prompt, of which the end counts. Raises ValueError
    if a prefix leaves no room.
    """
    tokens = list(tokenizer.sot_sequence(language, options.task))
    if options.without_timestamps:
        tokens.append(tokenizer.special.no_timestamps)
    if options.prefix:
        # openai-whisper's limit: with the default sample_len it is 0, and [-0:] keeps everything.
        limit = n_text_ctx // 2 - _sample_len(options, n_text_ctx)
        tokens += text_tokens(tokenizer, options.prefix)[-limit:]
    if options.prompt:
        prompt = text_tokens(tokenizer, options.prompt)[-(n_text_ctx // 2 - 1) :]
        tokens = [tokenizer.special.sot_prev, *prompt, *tokens]
    if len(tokens) > n_text_ctx:
        raise ValueError(
            "decode: prompt, prefix and the tokens between them must be "
            f"<= n_text_ctx={n_text_ctx}, got {len(tokens)}"
        )
    return tokens


def suppressed_tokens(tokenizer: Tokenizer, suppress_tokens: Sequence[int]) -> list[int]:
    """Ids that are never chosen, sorted: the asked ones and the control tokens.

    An empty list switches the rule off, control tokens included. -1 stands for all non-speech
    tokens. Languages stay allowed. Raises ValueError for ids outside the vocabulary.
    """
    if not suppress_tokens:
        return []
    special = tokenizer.special
    for token in suppress_tokens:
        if not -1 <= token < special.n_vocab:
            raise ValueError(
                f"suppress_tokens must be -1 or in [0, n_vocab={special.n_vocab}), got {token}"
            )
    unwanted = {token for token in suppress_tokens if token >= 0}
    if -1 in suppress_tokens:
        unwanted.update(tokenizer.non_speech_tokens)
    unwanted.update((special.transcribe, special.translate, special.sot))
    unwanted.update((special.sot_prev, special.sot_lm, special.no_speech))
    return sorted(unwanted)


def core_options(
    tokenizer: Tokenizer, dims: _core.ModelDims, options: DecodeOptions, language: str
) -> _core.DecodingOptions:
    """The core's token-level options of one attempt."""
    special = tokenizer.special
    tokens = initial_tokens(tokenizer, dims.n_text_ctx, options, language)
    beam_size = options.beam_size or 0
    if beam_size == 1 and options.patience is None:
        beam_size = 0  # one beam is greedy search, which needs no bookkeeping
    return _core.DecodingOptions(
        eot=special.eot,
        no_speech=special.no_speech,
        no_timestamps=special.no_timestamps,
        timestamp_begin=special.timestamp_begin,
        initial_tokens=tokens,
        sot_index=tokens.index(special.sot),
        sample_len=_sample_len(options, dims.n_text_ctx),
        temperature=options.temperature,
        best_of=options.best_of or 1,
        beam_size=beam_size,
        patience=options.patience or 1.0,
        length_penalty=options.length_penalty,
        seed=options.seed,
        suppress_tokens=suppressed_tokens(tokenizer, options.suppress_tokens),
        blank_tokens=tokenizer.blank_tokens if options.suppress_blank else (),
        timestamps=not options.without_timestamps,
        max_initial_timestamp_index=_timestamp_index(options.max_initial_timestamp),
    )


def detect_language(
    core: _core.Model, tokenizer: Tokenizer, features: _core.AudioFeatures
) -> tuple[str, dict[str, float]]:
    """The likeliest language of a window and the probability of each, in token order.

    Raises ValueError for an English-only model, which has no languages to choose from.
    """
    if not tokenizer.is_multilingual:
        raise ValueError("detect_language: must have a multilingual model, got an English-only one")
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
    (heard,) = core.decode([features], [wanted])
    return _window_result(tokenizer, heard, options, language)


def decode_with_fallback(
    tokenizer: Tokenizer,
    dims: _core.ModelDims,
    features: _core.AudioFeatures,
    options: TranscribeOptions,
    prompt: Sequence[int],
    seek: int,
) -> Generator[Attempt, _core.DecodingResult, WindowResult]:
    """Asks for one temperature after the other until one is good enough; else the last one stands.

    The language is known. `seek` (first frame of the window) gives every window and attempt random
    numbers of its own.
    """
    language = options.language or "en"
    for number, temperature in enumerate(options.temperature):
        seed = _attempt_seed(options.seed, seek, number)
        attempt = options.attempt(temperature, tuple(prompt), seed)
        heard = yield Attempt(features, core_options(tokenizer, dims, attempt, language))
        result = _window_result(tokenizer, heard, attempt, language)
        if not needs_fallback(result, options):
            break
    return result


def needs_fallback(result: WindowResult, options: TranscribeOptions) -> bool:
    """Whether to try a higher temperature: repetition or improbable words, but not silence."""
    ratio, logprob = options.compression_ratio_threshold, options.logprob_threshold
    improbable = logprob is not None and result.avg_logprob < logprob
    if improbable and _sounds_silent(result, options):
        return False
    return improbable or (ratio is not None and result.compression_ratio > ratio)


def is_silence(result: WindowResult, options: TranscribeOptions) -> bool:
    """Whether to skip the window: likely no speech, and no confident words to the contrary."""
    confident = (
        options.logprob_threshold is not None and result.avg_logprob > options.logprob_threshold
    )
    return _sounds_silent(result, options) and not confident


def _window_result(
    tokenizer: Tokenizer, heard: _core.DecodingResult, options: DecodeOptions, language: str
) -> WindowResult:
    text = tokenizer.decode(heard.tokens).strip()
    return WindowResult(
        tokens=tuple(heard.tokens),
        text=text,
        language=language,
        temperature=float(options.temperature),
        avg_logprob=heard.avg_logprob,
        no_speech_prob=heard.no_speech_prob,
        compression_ratio=compression_ratio(text),
    )


def _sounds_silent(result: WindowResult, options: TranscribeOptions) -> bool:
    threshold = options.no_speech_threshold
    return threshold is not None and result.no_speech_prob > threshold


def _sample_len(options: DecodeOptions, n_text_ctx: int) -> int:
    return options.sample_len or n_text_ctx // 2


def _timestamp_index(seconds: float | None) -> int | None:
    if not seconds:
        return None
    step = 1 / _core.TOKENS_PER_SECOND  # s between timestamps
    return round(min(seconds / step, N_TIMESTAMPS - 1))


def _attempt_seed(seed: int, seek: int, attempt: int) -> int:
    digest = hashlib.blake2b(f"{seed} {seek} {attempt}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")
