"""Makes tests/golden/subtitles.json: what openai-whisper's writers make of words and options.

    python tools/make_subtitle_golden.py

Needs openai-whisper 20250625 (`make golden` has it in an environment of its own).
"""

import io
import itertools
import json
import random
from pathlib import Path

from whisper.utils import WriteSRT, WriteVTT
from whisper.version import __version__

ROOT = Path(__file__).parents[1]
LETTERS = "abcdefghij äöß 日本語ไทยعرب🙂'’-"
OPTIONS = [
    {"max_line_width": width, "max_line_count": count, "max_words_per_line": words}
    for width, count, words in itertools.product((None, 1, 12, 42), (None, 1, 2), (None, 1, 3))
    if (count is None or width is not None) and (words is None or width is None)
]


def transcript(draw: random.Random) -> list[list[list]]:
    """Segments of words (word, start, end): spaces of all kinds, pauses, no time at all."""
    segments, now = [], 0
    for _ in range(draw.randint(1, 6)):
        words = []
        for _ in range(draw.choice([0, 1, 2, 5, 12])):
            now += draw.choice([0, 0, 0, 5, 40, 299, 301, 700])
            word = "".join(draw.choices(LETTERS, k=draw.choice([0, 1, 3, 7, 15])))
            word = draw.choice([" ", " ", " ", "", "  "]) + word + draw.choice(["", "", ",", ". "])
            start, now = now, now + draw.choice([0, 2, 20, 33, 100])
            words.append([word, start / 100, now / 100])
        segments.append(words)
    return segments


def written(segments: list[list[list]], options: dict) -> dict[str, str]:
    keys = ("word", "start", "end")
    result = {
        "segments": [
            {
                "start": words[0][1] if words else 0.0,
                "end": words[-1][2] if words else 0.0,
                "text": "".join(word for word, *_ in words),
                "words": [dict(zip(keys, word, strict=True)) for word in words],
            }
            for words in segments
        ]
    }
    files = {}
    for name, writer in (("vtt", WriteVTT("")), ("srt", WriteSRT(""))):
        stream = io.StringIO()
        writer.write_result(result, stream, **options)
        files[name] = stream.getvalue()
    return files


def main() -> None:
    draw = random.Random(0)
    cases = []
    for options in OPTIONS:
        for highlight_words in (False, True):
            wanted = {**options, "highlight_words": highlight_words}
            segments = transcript(draw)
            cases.append({"options": wanted, "segments": segments, **written(segments, wanted)})
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    made_by = json.dumps(f"openai-whisper {__version__}")
    path = ROOT / "tests" / "golden" / "subtitles.json"
    path.write_text(f'{{"made_by": {made_by}, "cases": [\n{lines}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
