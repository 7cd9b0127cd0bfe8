"""`python -m systolab` is the `systolab` command."""

import sys

from systolab.cosim.cli import main

if __name__ == "__main__":
    sys.exit(main())
