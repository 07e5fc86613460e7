"""``python -m avrpc.conformance``."""

import sys

from avrpc.conformance.app import main

if __name__ == "__main__":
    sys.exit(main())
