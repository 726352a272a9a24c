"""``python -m emotrace``: the command, also where its script is not on the path."""

import sys

from emotrace.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
