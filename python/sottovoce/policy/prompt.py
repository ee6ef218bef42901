"""What a window starts with: the prompt of what was said before, the task, a prefix.

Behaviour is openai-whisper's, down to its slices.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..options import DecodeOptions, TranscribeOptions
from ..results import Segment
from ..text.tokenizer import Tokenizer

# A window heard at a temperature above this is too uncertain to prompt the next one.
MAX_PROMPT_TEMPERATURE = 0.5


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
        limit = n_text_ctx // 2 - most_sampled_tokens(options, n_text_ctx)
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


def most_sampled_tokens(options: DecodeOptions, n_text_ctx: int) -> int:
    """Most tokens that an attempt may add to a window."""
    return options.sample_len or n_text_ctx // 2


class History:
    """What has been said, as far as it prompts the next window."""

    def __init__(self, tokenizer: Tokenizer, n_text_ctx: int, options: TranscribeOptions) -> None:
        self._options = options
        self._initial = text_tokens(tokenizer, options.initial_prompt)
        self._tokens = list(self._initial)  # all tokens so far
        self._reset_since = 0  # tokens before this index no longer prompt
        self._most = n_text_ctx // 2 - 1  # that the decoder takes
        self._room = self._most - len(self._initial)

    def prompt(self) -> list[int]:
        """Ids that come before the next window; the decoder takes the last 223 of them."""
        if not self._options.carry_initial_prompt:
            return self._tokens[max(self._reset_since, len(self._tokens) - self._most) :]
        said = self._tokens[max(len(self._initial), self._reset_since) :]
        # openai-whisper's slice: a prompt that leaves no room ([-0:], [k:]) keeps most of the rest.
        return self._initial + said[-self._room :]

    def add(self, segments: Sequence[Segment], temperature: float) -> None:
        """Takes in one window; forgets all, the initial prompt too, if it must not prompt."""
        self._tokens += [token for segment in segments for token in segment.tokens]
        if not self._options.condition_on_previous_text or temperature > MAX_PROMPT_TEMPERATURE:
            self._reset_since = len(self._tokens)

    def forget(self) -> None:
        """Nothing said so far prompts any more."""
        self._reset_since = len(self._tokens)
