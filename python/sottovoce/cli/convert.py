"""`sottovoce convert`: any model that loads, as a Hugging Face directory."""

import argparse


def run(arguments: argparse.Namespace) -> int:
    """Writes the directory and prints its path."""
    from ..checkpoints import hub
    from ..checkpoints.convert import convert

    source = hub.resolve(arguments.source)
    print(convert(source, arguments.destination, arguments.dtype))
    return 0
