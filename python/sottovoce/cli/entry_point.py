"""A command line in, the command called, an exit status out.

Status 0: all well; 1: something failed; 2: wrong usage; 124: the deadline passed before all was
heard; 130: interrupted; 141: the reader of our output went away.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from .arguments import build_parser
from .failures import EXPECTED_ERRORS, UsageError, complain, messages_as_lines
from .streams import OutputError, abandon, usable_streams


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command line (without the program's name) and returns the exit status."""
    with usable_streams(), messages_as_lines() as handler:
        try:
            arguments = build_parser().parse_args(argv)
            if arguments.debug:
                handler.show_all()
            return _run(arguments)
        except KeyboardInterrupt:
            return 130
        except BrokenPipeError:
            abandon(sys.stdout)
            return 141
        except (OutputError, *EXPECTED_ERRORS) as error:
            complain(error)
            return 1


def _run(arguments: argparse.Namespace) -> int:
    command: Callable[[argparse.Namespace], int] = arguments.command
    try:
        status = command(arguments)
    except UsageError as error:
        arguments.command_parser.error(str(error))
    sys.stdout.flush()
    return status
