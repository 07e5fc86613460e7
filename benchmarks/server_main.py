"""The server process; the first line that it prints is its address.

Run as: python -m benchmarks.server_main MODULE --settings '{"tls": true}'
"""

import argparse
import json
import sys
import traceback

from benchmarks.children import allow_connections, end_with_parent, last_words
from benchmarks.peers import load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("module")
    parser.add_argument("--settings", type=json.loads, default={})
    options = parser.parse_args()
    end_with_parent()
    allow_connections()
    try:
        load(options.module).serve(**options.settings)
    except Exception as error:  # noqa: BLE001 - whatever it is, the harness is told
        traceback.print_exc()
        sys.exit(last_words(error))


if __name__ == "__main__":
    main()
