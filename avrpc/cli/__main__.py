"""`python -m avrpc.cli`: the command line, where the script `avrpc` is not installed."""

import sys

from avrpc.cli import main

sys.exit(main())
