"""Writes csrc/io/unicode_ranges.inl: the letters, numbers and white space of Unicode 16.0.0.

    python tools/make_unicode_ranges.py [FILE]

That version is the one of tiktoken 0.14 and tokenizers 0.23 (compared on every code point). Needs
a Python of that version (3.14) or `pip install unicodedata2==16.0.0`.
"""

import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from types import ModuleType

VERSION = "16.0.0"
FILE = Path(__file__).parents[1] / "csrc" / "io" / "unicode_ranges.inl"
COLUMNS = 100
HEAD = f"""\
// Code points that are letters (general category L), numbers (N) or white space (White_Space) in
// Unicode {VERSION}: first, last, class; ascending. Made by tools/make_unicode_ranges.py.
// clang-format off
"""


def class_of(code: int, category: str) -> str:
    """L, N, S (white space) or nothing. White_Space is category Z and six control characters."""
    if category[0] in "LN":
        return category[0]
    return "S" if category[0] == "Z" or 0x09 <= code <= 0x0D or code == 0x85 else ""


def ranges(unicodedata: ModuleType) -> Iterator[tuple[int, int, str]]:
    """(first, last, class) of each run of code points of one class."""
    codes = range(sys.maxunicode + 1)
    for kind, run in groupby(codes, lambda c: class_of(c, unicodedata.category(chr(c)))):
        first, *rest = run
        if kind:
            yield first, (rest or [first])[-1], kind


def text_of(unicodedata: ModuleType) -> str:
    lines = [""]
    for first, last, kind in ranges(unicodedata):
        item = f"{{0x{first:X}, 0x{last:X}, {kind}}},"
        if len(lines[-1]) + 1 + len(item) > COLUMNS:
            lines.append("")
        lines[-1] += " " * bool(lines[-1]) + item
    return HEAD + "\n".join(lines) + "\n"


def database() -> ModuleType:
    """The module that knows VERSION, the interpreter's own or unicodedata2."""
    import unicodedata

    if unicodedata.unidata_version != VERSION:
        import unicodedata2 as unicodedata
    if unicodedata.unidata_version != VERSION:
        raise SystemExit(f"Unicode {VERSION} is wanted, this is {unicodedata.unidata_version}")
    return unicodedata


if __name__ == "__main__":
    (Path(sys.argv[1]) if len(sys.argv) > 1 else FILE).write_text(text_of(database()))
