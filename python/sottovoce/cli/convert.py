"""`sottovoce convert`: any model that loads, as a Hugging Face directory."""

import argparse

from .streams import put


def run(arguments: argparse.Namespace) -> int:
    """Writes the directory and prints its path."""
    from ..checkpoints import hub
    from ..checkpoints.convert import convert

    source = hub.resolve(arguments.source)
    put(f"{convert(source, arguments.destination, arguments.dtype)}\n")
    return 0
