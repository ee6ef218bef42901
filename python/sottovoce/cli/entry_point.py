"""A command line in, the command called, an exit status out.

Status 0: all well; 1: something failed; 2: wrong usage; 130: interrupted; 141: the reader of our
output went away.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from .arguments import build_parser
from .failures import EXPECTED_ERRORS, OutputError, UsageError, complain


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command line (without the program's name) and returns the exit status."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    command: Callable[[argparse.Namespace], int] = arguments.command
    try:
        status = command(arguments)
        sys.stdout.flush()
    except UsageError as error:
        arguments.usage_error(str(error))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Python would complain again when it flushes standard output at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (OutputError, *EXPECTED_ERRORS) as error:
        complain(error)
        return 1
    return status
