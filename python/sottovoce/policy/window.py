"""One window: its place, what it must not say, an attempt as the core's options, a second try.

Behaviour is openai-whisper's. The rules for single tokens and the search are the core's; this file
only turns options into the core's token-level ones and judges what comes back. Decoding itself is
requested, and whoever runs the generator answers.
"""

from __future__ import annotations

import zlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

from .. import _core
from ..options import DecodeOptions, TranscribeOptions
from ..results import Alternative, Attempt, Hypothesis, WindowResult
from ..text.tokenizer import N_TIMESTAMPS, Tokenizer
from .prompt import initial_tokens, most_sampled_tokens
from .requests import Decoded, DecodeRequest


@dataclass(frozen=True)
class Window:
    """A piece of the recording, at most 30 s, in mel frames."""

    seek: int  # first frame
    size: int  # frames

    @property
    def offset(self) -> float:
        """Start in seconds."""
        return self.seek * _core.HOP_LENGTH / _core.SAMPLE_RATE

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.size * _core.HOP_LENGTH / _core.SAMPLE_RATE

    @property
    def end(self) -> int:
        """The frame after the last."""
        return self.seek + self.size


@dataclass(frozen=True)
class Heard:
    """What the attempts at a window came to."""

    result: WindowResult
    attention: _core.KeptAttention | None  # of its tokens to the audio, if that was kept
    attempts: tuple[Attempt, ...]
    chosen: int = -1  # which of them it is
    is_sure: bool = True  # nothing had to be tried twice


def compression_ratio(text: str) -> float:
    """UTF-8 bytes of `text` to their zlib-compressed size; 0.0 for empty text."""
    data = text.encode("utf-8")
    return len(data) / len(zlib.compress(data))


def suppressed_tokens(tokenizer: Tokenizer, suppress_tokens: Sequence[int]) -> list[int]:
    """Ids that are never chosen, sorted: the asked ones, the control tokens and rows of padding.

    An empty list switches the rule off, control tokens included, but not padding. -1 stands for all
    non-speech tokens. Languages stay allowed. Raises ValueError for ids outside the vocabulary.
    """
    special = tokenizer.special
    if not suppress_tokens:
        return [*special.unused]
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
    unwanted.update(special.unused)
    return sorted(unwanted)


def core_options(
    tokenizer: Tokenizer,
    dims: _core.ModelDims,
    options: DecodeOptions,
    language: str,
    *,
    keep_attention: bool = False,
    stop_loops: bool = False,
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
        sample_len=most_sampled_tokens(options, dims.n_text_ctx),
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
        logit_filter=options.logit_filter,
        top_k=options.top_k,
        n_best=options.n_best,
        keep_attention=keep_attention,
        stop_loops=stop_loops,
    )


def decode_with_fallback(
    tokenizer: Tokenizer,
    dims: _core.ModelDims,
    features: _core.AudioFeatures,
    options: TranscribeOptions,
    prompt: Sequence[int],
    seek: int,
    n_ctx: int | None = None,
) -> Generator[DecodeRequest, Decoded, Heard]:
    """Requests one temperature after the other until one is good enough; else the last one stands.

    The language is known. `seek` (first frame of the window) gives every window and attempt random
    numbers of its own; `n_ctx`: positions that the features hold, if not all.
    """
    keeps = options.word_timestamps == "fast"
    attempts: tuple[Attempt, ...] = ()
    failed = ""
    for number in range(len(options.temperature)):
        heard = yield from decode_once(
            tokenizer,
            dims,
            features,
            options,
            prompt,
            seek,
            number,
            n_ctx,
            failed,
            keep_attention=keeps,
        )
        attempts += heard.attempts
        failed = heard.attempts[-1].failure
        if not failed:
            break
    return replace(heard, attempts=attempts, is_sure=len(attempts) == 1)


def decode_once(
    tokenizer: Tokenizer,
    dims: _core.ModelDims,
    features: _core.AudioFeatures,
    options: TranscribeOptions,
    prompt: Sequence[int],
    seek: int,
    number: int,
    n_ctx: int | None,
    failed: str,
    *,
    keep_attention: bool,
    stop_loops: bool = False,
) -> Generator[DecodeRequest, Decoded, Heard]:
    """Requests the attempt at a window at the temperature of that number.

    `failed`: why the one before was not good enough.
    """
    temperature, language = options.temperature[number], options.language or "en"
    attempt = options.attempt(temperature, tuple(prompt), _attempt_seed(options.seed, seek, number))
    wanted = core_options(
        tokenizer,
        dims,
        attempt,
        language,
        keep_attention=keep_attention,
        stop_loops=stop_loops,
    )
    decoded = yield DecodeRequest(features, wanted, seek, temperature, failed)
    result = window_result(tokenizer, decoded.result, attempt, language)
    why = failure(result, options)
    return Heard(
        result,
        decoded.result.attention,
        (traced(result, decoded.ms, bool(prompt), n_ctx, why),),
    )


def traced(
    result: WindowResult,
    ms: float,
    is_prompted: bool,
    n_ctx: int | None,
    failure: str,
) -> Attempt:
    """An attempt as the decision trace keeps it."""
    return Attempt(
        temperature=result.temperature,
        is_prompted=is_prompted,
        n_ctx=n_ctx,
        text=result.text,
        n_tokens=len(result.tokens),
        avg_logprob=result.avg_logprob,
        no_speech_prob=result.no_speech_prob,
        compression_ratio=result.compression_ratio,
        failure=failure,
        decode_ms=ms,
        loop_length=result.loop_length,
    )


def failure(result: WindowResult, options: TranscribeOptions) -> str:
    """Why to try a higher temperature: repetition or improbable words, but not silence; or ""."""
    ratio, logprob = options.compression_ratio_threshold, options.logprob_threshold
    improbable = logprob is not None and result.avg_logprob < logprob
    if improbable and _sounds_silent(result, options):
        return ""
    if result.loop_length:
        return f"loop: a phrase of length {result.loop_length}"
    if improbable:
        return f"mean log-probability {result.avg_logprob:.2f} < {logprob:g}"
    if ratio is not None and result.compression_ratio > ratio:
        return f"compression ratio {result.compression_ratio:.2f} > {ratio:g}"
    return ""


def silence(result: WindowResult, options: TranscribeOptions) -> str:
    """Why to skip the window: likely no speech, and no confident words to the contrary; or ""."""
    threshold = options.logprob_threshold
    confident = threshold is not None and result.avg_logprob > threshold
    if confident or not _sounds_silent(result, options):
        return ""
    return f"no-speech probability {result.no_speech_prob:.2f} > {options.no_speech_threshold:g}"


def window_result(
    tokenizer: Tokenizer, decoded: _core.DecodingResult, options: DecodeOptions, language: str
) -> WindowResult:
    """What the tokens of an attempt say, and how far to believe them."""
    text = tokenizer.decode(decoded.tokens).strip()
    return WindowResult(
        tokens=tuple(decoded.tokens),
        text=text,
        language=language,
        temperature=float(options.temperature),
        avg_logprob=decoded.avg_logprob,
        no_speech_prob=decoded.no_speech_prob,
        compression_ratio=compression_ratio(text),
        logprobs=tuple(decoded.logprobs),
        alternatives=tuple(_alternatives(each, tokenizer) for each in decoded.alternatives),
        hypotheses=_hypotheses(decoded, tokenizer) if options.n_best > 1 else (),
        loop_length=decoded.loop.n_tokens if decoded.loop else 0,
    )


def _alternatives(
    found: Sequence[tuple[int, float]], tokenizer: Tokenizer
) -> tuple[Alternative, ...]:
    return tuple(
        Alternative(token, tokenizer.decode_with_timestamps([token]), logprob)
        for token, logprob in found
    )


def _hypotheses(decoded: _core.DecodingResult, tokenizer: Tokenizer) -> tuple[Hypothesis, ...]:
    return tuple(
        Hypothesis(
            text=tokenizer.decode(each.tokens).strip(),
            tokens=tuple(each.tokens),
            avg_logprob=each.sum_logprob / (len(each.tokens) + 1),
            score=each.score,
        )
        for each in decoded.hypotheses
    )


def _sounds_silent(result: WindowResult, options: TranscribeOptions) -> bool:
    threshold = options.no_speech_threshold
    return threshold is not None and result.no_speech_prob > threshold


def _timestamp_index(seconds: float | None) -> int | None:
    if not seconds:
        return None
    step = 1 / _core.TOKENS_PER_SECOND  # s between timestamps
    return round(min(seconds / step, N_TIMESTAMPS - 1))


def _attempt_seed(seed: int, seek: int, attempt: int) -> int:
    from hashlib import blake2b  # with OpenSSL behind it, slow to import

    digest = blake2b(f"{seed} {seek} {attempt}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")
