"""The command line: `sottovoce transcribe | info | convert | demo`.

Standard output carries results only; progress and messages go to standard error. Flags become
options and calls of `WhisperModel`: nothing here knows how a transcript is made.
"""

from .entry_point import main

__all__ = ["main"]
