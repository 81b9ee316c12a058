"""`python -m mlobs` is `mlobs`."""

import sys

from mlobs.cli import main

if __name__ == "__main__":
    sys.exit(main())
