"""Rules and searches over logits, written for reading: one dictionary, one loop, no tricks.

`Logits` is the whole of a model here: a function from the tokens chosen so far to the next row of
logits, (n_vocab,) float32. Scores are float32 sums of float32 log-probs, as openai-whisper's are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Row = NDArray[np.float32]
Logits = Callable[[tuple[int, ...]], Row]


@dataclass(frozen=True)
class Hypothesis:
    tokens: tuple[int, ...]  # without eot
    sum_logprob: np.float32


def log_softmax(logits: Row) -> Row:
    shifted = logits.astype(np.float64) - np.max(logits)
    return (shifted - np.log(np.sum(np.exp(shifted)))).astype(np.float32)


def allowed(logits: Row, tokens: Sequence[int], options: dict[str, Any]) -> Row:
    """A copy of `logits` with -inf wherever `options` forbid to follow `tokens`."""
    logits = logits.copy()
    if not tokens:
        logits[list(options.get("blank_tokens", ()))] = -np.inf
    logits[list(options.get("suppress_tokens", ()))] = -np.inf
    if not options.get("timestamps", True):
        return logits

    eot, begin = options["eot"], options["timestamp_begin"]
    logits[options["no_timestamps"]] = -np.inf
    is_timestamp = [token >= begin for token in tokens]
    last = is_timestamp[-1] if tokens else False
    second_last = is_timestamp[-2] if len(tokens) >= 2 else True
    if last and second_last:
        logits[begin:] = -np.inf
    elif last:
        logits[:eot] = -np.inf
    if any(is_timestamp):
        latest = [token for token in tokens if token >= begin][-1]
        logits[begin : latest if last and not second_last else latest + 1] = -np.inf
    if not tokens:
        logits[:begin] = -np.inf
        if options.get("max_initial_timestamp_index") is not None:
            logits[begin + options["max_initial_timestamp_index"] + 1 :] = -np.inf

    probs = np.exp(log_softmax(logits).astype(np.float64))
    if probs[begin:].sum() > probs[:begin].max():
        logits[:begin] = -np.inf
    return logits


def loop_at_end(tokens: Sequence[int], eot: int) -> tuple[int, int] | None:
    """Index of the first token, and length, of the phrase that the text ends with thrice or more.

    Tokens from eot on do not count; phrases together have 30 tokens at least. The shortest wins.
    """
    indices = [index for index, token in enumerate(tokens) if token < eot]
    text = [tokens[index] for index in indices]
    for period in range(1, len(text) // 3 + 1):
        phrase = text[-period:]
        n_looping = period
        while n_looping < len(text) and text[-n_looping - 1] == phrase[-(n_looping % period) - 1]:
            n_looping += 1
        if n_looping >= 3 * period and n_looping >= 30:
            return indices[-n_looping], period
    return None


def stops(tokens: Sequence[int], options: dict[str, Any]) -> bool:
    """Whether `stop_loops` ends the text here."""
    return options.get("stop_loops", False) and loop_at_end(tokens, options["eot"]) is not None


def one_row(
    logits_of: Logits,
    options: dict[str, Any],
    max_steps: int,
    choose: Callable[[Row, int], int],
) -> Hypothesis:
    """One row: `choose(masked logits, step)` until eot, whose log-prob counts."""
    tokens: tuple[int, ...] = ()
    total = np.float32(0)
    for step in range(max_steps):
        logits = allowed(logits_of(tokens), tokens, options)
        token = choose(logits, step)
        total += log_softmax(logits)[token]
        if token == options["eot"]:
            break
        tokens += (token,)
        if stops(tokens, options):
            break
    return Hypothesis(tokens, total)


def greedy(logits_of: Logits, options: dict[str, Any], max_steps: int) -> Hypothesis:
    return one_row(logits_of, options, max_steps, lambda logits, _: int(np.argmax(logits)))


def uniform(seed: int, row: int, step: int) -> float:
    """[0, 1): Philox4x32-10, key `seed`, counter (row, step, 0, 0); its first 53 bits."""
    mask = 0xFFFFFFFF
    x = [row, step, 0, 0]
    for number in range(10):
        key0 = ((seed & mask) + number * 0x9E3779B9) & mask
        key1 = ((seed >> 32) + number * 0xBB67AE85) & mask
        high0, low0 = divmod(0xD2511F53 * x[0], 1 << 32)
        high1, low1 = divmod(0xCD9E8D57 * x[2], 1 << 32)
        x = [high1 ^ x[1] ^ key0, low1, high0 ^ x[3] ^ key1, low0]
    return ((x[0] << 32 | x[1]) >> 11) * 2.0**-53


def samples(logits_of: Logits, options: dict[str, Any], max_steps: int) -> list[Hypothesis]:
    """best_of rows: the token at a uniform quantile of softmax(logits / temperature)."""

    def sample(row: int) -> Hypothesis:
        def choose(logits: Row, step: int) -> int:
            tempered = (logits - logits.max()).astype(np.float64) / options["temperature"]
            cumulative = np.cumsum(np.exp(tempered))
            quantile = uniform(options.get("seed", 0), row, step) * cumulative[-1]
            return int(np.searchsorted(cumulative, quantile, side="right"))

        return one_row(logits_of, options, max_steps, choose)

    found = [sample(row) for row in range(options.get("best_of", 1))]
    return [each for each in found if not stops(each.tokens, options)] or found


def beams(logits_of: Logits, options: dict[str, Any], max_steps: int) -> list[Hypothesis]:
    """All candidates of a beam search in the order of openai-whisper's dictionaries."""
    eot, beam_size = options["eot"], options["beam_size"]
    wanted = round(beam_size * options.get("patience", 1.0))
    rows = [Hypothesis((), np.float32(0))] * beam_size
    finished: dict[tuple[int, ...], np.float32] = {}
    for _ in range(max_steps):
        scores: dict[tuple[int, ...], np.float32] = {}
        for row in rows:
            logits = allowed(logits_of(row.tokens), row.tokens, options)
            logprobs = log_softmax(logits)
            for token in np.argsort(-logits, kind="stable")[: beam_size + 1].tolist():
                scores[(*row.tokens, token)] = np.float32(row.sum_logprob + logprobs[token])
        rows = []
        for sequence in sorted(scores, key=lambda s: scores[s], reverse=True):
            if len(rows) == beam_size:
                break
            if sequence[-1] != eot:
                rows.append(Hypothesis(sequence, scores[sequence]))
            elif len(finished) < wanted:
                finished[sequence[:-1]] = scores[sequence]
        for row in [row for row in rows if stops(row.tokens, options)]:
            rows.remove(row)
            if len(finished) < wanted:
                finished[row.tokens] = row.sum_logprob
        if len(finished) >= wanted or not rows:
            break
    for index in np.argsort([row.sum_logprob for row in rows], kind="stable")[::-1]:
        if len(finished) >= beam_size:
            break
        finished[rows[index].tokens] = rows[index].sum_logprob
    return [Hypothesis(tokens, score) for tokens, score in finished.items()]


def best(candidates: Sequence[Hypothesis], length_penalty: float | None = None) -> Hypothesis:
    def score(candidate: Hypothesis) -> float:
        n = len(candidate.tokens)
        penalty = max(n, 1) if length_penalty is None else ((5 + n) / 6) ** length_penalty
        return float(candidate.sum_logprob) / penalty

    return candidates[int(np.argmax([score(candidate) for candidate in candidates]))]
