"""The demo's server as a program: ``python -m avrpc.demo.server [ADDRESS]``.

It prints its address once clients can connect, logs to standard error, and drains on SIGTERM or
SIGINT.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence

from avrpc.demo.service import server


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until a signal comes."""
    parser = argparse.ArgumentParser(
        prog="python -m avrpc.demo.server", description="Serve this machine's vitals."
    )
    parser.add_argument("address", nargs="?", default="tcp://127.0.0.1:0")
    parser.add_argument(
        "--until-eof", action="store_true", help="drain when standard input ends, too"
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    if options.until_eof:
        threading.Thread(target=end_with_input, args=(0,), daemon=True).start()
    server.run(options.address, ready=say_addresses)


def say_addresses(addresses: list[str]) -> None:
    """Tell whoever started this where clients connect."""
    print(*addresses, flush=True)


def end_with_input(file: int) -> None:
    """End this process when ``file`` ends: whoever held the other end is no more."""
    # Not sys.stdin: its lock, held by a daemon thread, would trouble the end of the interpreter.
    while os.read(file, 4096):
        pass
    signal.raise_signal(signal.SIGTERM)


if __name__ == "__main__":
    main()
