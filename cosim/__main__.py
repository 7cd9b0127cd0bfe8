"""`python -m cosim` is the `systolab` command."""

import sys

from cosim.cli import main

if __name__ == "__main__":
    sys.exit(main())
