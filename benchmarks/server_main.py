"""The server process: `python -m benchmarks.server_main MODULE`, address on the first line."""

import sys
import traceback

from benchmarks.children import end_with_parent, last_words
from benchmarks.peers import load


def main() -> None:
    end_with_parent()
    try:
        load(sys.argv[1]).serve()
    except Exception as error:  # noqa: BLE001 - whatever it is, the harness is told
        traceback.print_exc()
        sys.exit(last_words(error))


if __name__ == "__main__":
    main()
