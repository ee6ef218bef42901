"""`sottovoce convert`: any model that loads, as a Hugging Face directory or as one file."""

import argparse

from .streams import put


def run(arguments: argparse.Namespace) -> int:
    """Writes the directory, or the file, and prints its path."""
    from ..checkpoints import hub
    from ..checkpoints.convert import convert

    source = hub.resolve(arguments.source)
    put(f"{convert(source, arguments.destination, arguments.dtype, base=arguments.base)}\n")
    return 0
