"""Run the ``showermask`` command: ``python -m showermask``."""

import sys

from showermask.cli import main

if __name__ == "__main__":
    sys.exit(main())
