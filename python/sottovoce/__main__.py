"""`python -m sottovoce`: the command line."""

from .cli import main

raise SystemExit(main())
