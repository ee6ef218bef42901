"""One window of a recording: encoded, attempted, its words timed; what both policies share.

Everything is requested, and whoever runs the generator answers.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..options import TranscribeOptions
from ..results import Attempt, WindowResult
from ..text.tokenizer import Tokenizer
from .language import SpokenLanguage, allowed
from .requests import (
    AlignRequest,
    Decoded,
    DecodeRequest,
    EncodeRequest,
    HeardWindow,
    LanguageRequest,
    Request,
)
from .segments import Cut
from .short_windows import looks_odd, short_context
from .window import Heard, Window, decode_with_fallback
from .words import alignment_options, with_words, without_hallucinations

# Yields windows and requests; wants to be sent the answer to the last request.
SeekLoop = Generator[HeardWindow | Request, Any, None]


@dataclass(frozen=True)
class EncodedWindow:
    """A window that has been encoded, as the options have it."""

    window: Window
    features: _core.AudioFeatures


@dataclass(frozen=True)
class Listener:
    """What every window of a recording shares."""

    tokenizer: Tokenizer
    dims: _core.ModelDims
    options: TranscribeOptions
    mel: NDArray[np.float32]  # (n_mels, content_frames + 3000)

    @property
    def most_frames(self) -> int:
        """Of a window: 30 s, or less where the network hears less."""
        return min(_core.N_FRAMES, self.dims.n_frames)

    def attempts(
        self,
        features: _core.AudioFeatures,
        options: TranscribeOptions,
        prompt: Sequence[int],
        window: Window,
        n_ctx: int | None,
    ) -> Generator[DecodeRequest, Decoded, Heard]:
        """Decodes a window until an attempt is good enough; one policy differs in it."""
        return decode_with_fallback(
            self.tokenizer, self.dims, features, options, prompt, window.seek, n_ctx
        )

    def encoding(self, window: Window, n_ctx: int | None) -> EncodeRequest:
        """As openai-whisper: behind a window of less than 30 s stand zeros."""
        return EncodeRequest(self.mel[:, window.seek : window.end], n_ctx)

    def _looks_odd(self, result: WindowResult, window: Window) -> bool:
        return looks_odd(result, window, self.tokenizer, self.options, self.dims.n_text_ctx)

    def hear(
        self,
        window: Window,
        prompt: Sequence[int],
        first: EncodedWindow | None = None,
        *,
        language: SpokenLanguage | None = None,
        once: bool = False,
    ) -> Generator[Request, Any, tuple[_core.AudioFeatures, Heard]]:
        """What a window comes to, and its features; `first` may be it, encoded already.

        Args:
            language: so far, if it may change; then the prompt, which is in another, is left out.
            once: at the first temperature alone.
        """
        n_ctx = None
        if self.options.short_windows:
            n_ctx = short_context(window.size, self.most_frames)
        features = first.features if first is not None and first.window == window else None
        whole = self.options
        if language is not None:
            features = features or (yield self.encoding(window, n_ctx))
            before, code = language.code, (yield from self._language(features, language))
            whole = replace(whole, language=code)
            prompt = prompt if code == before else ()
        coldest = replace(whole, temperature=whole.temperature[:1])
        whole = coldest if once else whole
        options = coldest if n_ctx is not None else whole
        attempts: tuple[Attempt, ...] = ()
        while True:
            features = features or (yield self.encoding(window, n_ctx))
            # One encoding for all temperatures.
            heard = yield from self.attempts(features, options, prompt, window, n_ctx)
            attempts += heard.attempts
            if n_ctx is None or not self._looks_odd(heard.result, window):
                return features, replace(heard, attempts=attempts)
            features, options, n_ctx = None, whole, None

    def spoken_language(self) -> SpokenLanguage | None:
        """Where a loop begins; None: the language of the recording is that of every window."""
        if not self.options.multilingual:
            return None
        return SpokenLanguage(
            self.options.language or "en",
            is_known=self.options.windows == "sequential",
            threshold=self.options.language_detection_threshold,
        )

    def _language(
        self, features: _core.AudioFeatures, language: SpokenLanguage
    ) -> Generator[Request, Any, str]:
        tokens = tuple(self.tokenizer.language_tokens)
        found = yield LanguageRequest(features, self.tokenizer.special.sot, tokens)
        codes = self.tokenizer.language_codes
        probabilities = dict(zip(codes, map(float, found), strict=True))
        return language.hear(allowed(probabilities, self.options.languages))

    def aligned(
        self,
        cut: Cut,
        window: Window,
        heard: Heard,
        features: _core.AudioFeatures,
    ) -> Generator[Request, Any, _core.TokenAlignment | None]:
        """Where the text of a cut was said; None: it has none.

        By the attention that was kept; if that is not of all of it, by the features.
        """
        options = replace(self.options, language=heard.result.language)
        wanted = alignment_options(self.tokenizer, options, window, cut.segments)
        if wanted is None:
            return None
        # The last token of a window that was cut short was never fed: nobody saw it attend.
        kept = heard.attention
        is_whole = kept is not None and kept.n_text >= len(wanted.text_tokens)
        found: _core.TokenAlignment = yield AlignRequest(
            kept if kept and is_whole else features, wanted
        )
        return found

    def with_words(
        self,
        cut: Cut,
        alignment: _core.TokenAlignment | None,
        window: Window,
        last_speech: float,
        language: str,
    ) -> Cut:
        """The cut with its words, which also say where the next window begins."""
        options = replace(self.options, language=language)
        cut = with_words(cut, alignment, self.tokenizer, options, window, last_speech)
        threshold = self.options.hallucination_silence_threshold
        if threshold is None:
            return cut
        n_frames = int(self.mel.shape[1]) - _core.N_FRAMES
        return without_hallucinations(cut, window, threshold, last_speech, n_frames)
