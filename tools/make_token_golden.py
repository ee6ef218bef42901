"""Makes tests/golden/tokens/*.json: the ids that openai-whisper's tiktoken gives to many texts.

    python tools/make_token_golden.py

Needs tiktoken, and the vocabularies that lie in the package of openai-whisper 20250625: installed,
or its source archive unpacked and on PYTHONPATH. It imports nothing of either's code but tiktoken.
"""

import base64
import hashlib
import importlib.util
import json
import sys
from array import array
from pathlib import Path

import tiktoken

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from token_texts import TEXTS, every_code_point  # noqa: E402  (the path above)

WHISPER = "openai-whisper 20250625"
# whisper/tokenizer.py, get_encoding
PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
NAMES = {"gpt2": "tiny.en", "multilingual": "base"}  # theirs, and a model of ours that has it


def encoding(name: str) -> tiktoken.Encoding:
    spec = importlib.util.find_spec("whisper")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"{WHISPER} is wanted: install it, or put its sources on PYTHONPATH")
    path = Path(spec.submodule_search_locations[0]) / "assets" / f"{name}.tiktoken"
    lines = [line.split() for line in path.read_text().splitlines() if line]
    ranks = {base64.b64decode(token): int(rank) for token, rank in lines}
    return tiktoken.Encoding(name, pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={})


def digest(tokens: list[int]) -> str:
    """SHA-256 of the ids as int32, little-endian as this machine is taken to be."""
    return hashlib.sha256(array("i", tokens).tobytes()).hexdigest()


def main() -> None:
    folder = ROOT / "tests" / "golden" / "tokens"
    folder.mkdir(exist_ok=True)
    for name, model in NAMES.items():
        made = encoding(name)
        record = {
            "made_by": f"tiktoken {tiktoken.__version__}, {name}.tiktoken of {WHISPER}",
            "every_code_point": digest(made.encode_ordinary(every_code_point())),
            "ids": [made.encode_ordinary(text) for text in TEXTS],
        }
        lines = json.dumps(record).replace(', "', ',\n"').replace("[[", "[\n[")
        text = lines.replace("], [", "],\n[").replace("]]", "]\n]") + "\n"
        (folder / f"{model}.json").write_text(text)


if __name__ == "__main__":
    main()
