"""Makes tests/golden/words.json: what openai-whisper makes of windows whose tokens have times.

    python tools/make_words_golden.py

Its network is a script: each window says something, and its tokens begin somewhere. The rest is
openai-whisper's own: words, punctuation, durations, segments, where the next window begins, and
what is taken for a hallucination. Needs openai-whisper 20250625 (`make golden` has it in an
environment of its own).
"""

import json
import random
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import torch
import whisper
import whisper.timing
from whisper.audio import SAMPLE_RATE
from whisper.decoding import DecodingResult
from whisper.model import ModelDimensions
from whisper.timing import WordTiming
from whisper.tokenizer import get_tokenizer
from whisper.version import __version__

ROOT = Path(__file__).parents[1]
DIMS = ModelDimensions(80, 1500, 384, 6, 4, 51865, 448, 384, 6, 4)
N_CASES = 100
MOST_WINDOWS = 30
TEXTS = {
    "en": [
        *[
            " And",
            " so,",
            " my",
            " fellow",
            " Americans",
            " ask",
            " not",
            " what",
            " $3.50",
            " it's",
        ],
        *[
            " well-known",
            '"',
            " (",
            ")",
            ".",
            "...",
            "?",
            "!",
            " -",
            " 'tis",
            " I",
            " a",
            ",",
            " …",
        ],
        *[" 1,000", "%", " naïve", " 🙂", " AT&T", ":", " [Music]", " “so”", " No.", "  ", "\n"],
    ],
    "ja": [
        "そして",
        "、",
        "国",
        "が",
        "何",
        "を",
        "して",
        "くれるか",
        "。",
        "「",
        "」",
        "ABC",
        "🙂",
        "！",
    ],
    "th": ["และ", "เพื่อน", "ร่วม", "ชาติ", " ", "?", "ครับ", "๑๒"],
    "ar": [" مرحبا", " بكم", "،", " في", " 123", "؟", " العالم", "."],
    "zh": ["不要", "问", "你的", "国家", "，", "能", "为你", "做", "什么", "？", " ok"],
}


class TooLongError(Exception):
    pass


class Script:
    """What is said in window after window, made up as it is asked for."""

    def __init__(self, draw: random.Random, tokenizer, language: str) -> None:
        self._draw, self._tokenizer, self._texts = draw, tokenizer, TEXTS[language]
        self.windows: list[dict] = []

    def decode(self, _mel, _options) -> DecodingResult:
        if len(self.windows) == MOST_WINDOWS:
            raise TooLongError
        draw = self._draw
        tokens, at = [], draw.choice([0, 0, 10, 200])
        for i in range(draw.choice([1, 1, 2, 3])):
            tokens.append(self._timestamp(at))
            text = "".join(draw.choices(self._texts, k=draw.choice([0 if i else 1, 1, 2, 5, 9])))
            tokens += self._tokenizer.encode(text)
            at = min(at + draw.choice([1, 30, 150, 400, 700]), 1500)
            if draw.random() < 0.9:
                tokens.append(self._timestamp(at))
            at = min(at + draw.choice([0, 0, 5, 300]), 1500)
        if draw.random() < 0.5:  # the beginning of a segment that is not finished
            tokens.append(self._timestamp(at))
        text = [token for token in tokens if token < self._tokenizer.eot]
        now, starts = draw.choice([0, 0, 5, 150]), []
        for _ in range(len(text) + 1):
            starts.append(min(now, 1499))
            now += draw.choice([0, 0, 3, 10, 15, 30, 60, 400])
        likely = draw.choice([(0.0, 0.2), (0.1, 1.0), (0.9, 1.0)])
        window = {
            "tokens": tokens,
            "starts": starts,
            "probabilities": [round(draw.uniform(*likely), 4) for _ in text],
            "avg_logprob": draw.choice([-0.25, -0.25, -1.5]),
            "no_speech_prob": draw.choice([0.0, 0.0, 0.0, 0.9]),
        }
        self.windows.append(window)
        return DecodingResult(
            audio_features=None,
            language="en",
            tokens=tokens,
            text=self._tokenizer.decode(text),
            avg_logprob=window["avg_logprob"],
            no_speech_prob=window["no_speech_prob"],
            temperature=0.0,
            compression_ratio=1.0,
        )

    def _timestamp(self, position: int) -> int:
        return self._tokenizer.timestamp_begin + position

    def find_alignment(self, _model, tokenizer, text_tokens, _mel, _num_frames, **_):
        """whisper.timing.find_alignment behind the dynamic time warping."""
        if not text_tokens:
            return []
        window = self.windows[-1]
        words, word_tokens = tokenizer.split_to_word_tokens([*text_tokens, tokenizer.eot])
        if len(word_tokens) <= 1:
            return []
        borders = np.pad(np.cumsum([len(t) for t in word_tokens[:-1]]), (1, 0))
        times = np.array(window["starts"]) / whisper.timing.TOKENS_PER_SECOND
        probabilities = window["probabilities"]
        return [
            WordTiming(word, tokens, start, end, np.mean(probabilities[i:j]))
            for word, tokens, start, end, i, j in zip(
                words,
                word_tokens,
                times[borders[:-1]],
                times[borders[1:]],
                borders[:-1],
                borders[1:],
                strict=False,
            )
        ]


def case(seed: int) -> dict | None:
    draw = random.Random(seed)
    language = draw.choice(["en", "en", "en", *TEXTS])
    options = {"language": language, "condition_on_previous_text": draw.random() < 0.7}
    if draw.random() < 0.6:
        options["hallucination_silence_threshold"] = draw.choice([0.0, 0.5, 1.0, 2.0])
    if draw.random() < 0.2:
        options["prepend_punctuations"], options["append_punctuations"] = "(", ".,)"
    if draw.random() < 0.3:
        options["clip_timestamps"] = draw.choice(["2.5", "0.5,2,3,4.5", "1,3"])
    seconds = draw.choice([5, 29, 30, 47, 95])
    tokenizer = get_tokenizer(True, num_languages=99, language=language, task="transcribe")
    script = Script(draw, tokenizer, language)
    model = SimpleNamespace(
        dims=DIMS,
        device=torch.device("cpu"),
        is_multilingual=True,
        num_languages=99,
        decode=script.decode,
    )
    with mock.patch.object(whisper.timing, "find_alignment", script.find_alignment):
        try:
            result = whisper.transcribe(
                model,
                np.zeros(seconds * SAMPLE_RATE, np.float32),
                temperature=0.0,
                fp16=False,
                word_timestamps=True,
                **options,
            )
        except (TooLongError, IndexError):  # IndexError: of its own, over bytes that are no UTF-8
            return None
    keys = ("seek", "start", "end", "tokens", "words")
    segments = [{key: segment[key] for key in keys} for segment in result["segments"]]
    return {
        "options": options,
        "seconds": seconds,
        "windows": script.windows,
        "segments": segments,
    }


def main() -> None:
    cases: list[dict] = []
    seed = 0
    while len(cases) < N_CASES:
        made = case(seed)
        seed += 1
        if made is not None:
            cases.append(made)
    lines = ",\n".join(json.dumps(made, ensure_ascii=False, default=float) for made in cases)
    made_by = json.dumps(f"openai-whisper {__version__}")
    path = ROOT / "tests" / "golden" / "words.json"
    path.write_text(f'{{"made_by": {made_by}, "cases": [\n{lines}\n]}}\n', encoding="utf-8")
    print(f"{path}: {len(cases)} of {seed}")


if __name__ == "__main__":
    main()
