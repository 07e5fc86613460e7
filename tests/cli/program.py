"""The command line as a program of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def start(*words: str, **options: object) -> "subprocess.Popen[str]":
    """Start it, in the folder of the project, with pipes that the test reads and writes."""
    settings: dict[str, object] = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
        "cwd": ROOT,
        # As a user's shell has it: a test of buffering must not pass because of this.
        "env": {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"},
    }
    command = [sys.executable, "-m", "avrpc.cli", *words]
    return subprocess.Popen(command, **(settings | options))  # type: ignore[call-overload, no-any-return]


@contextmanager
def serving(
    server: str = "tests.cli.desk:server", *options: str, bind: str = "tcp://127.0.0.1:0"
) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Start a server; give it, and its address once it can be reached."""
    with start("serve", server, "--bind", bind, *options) as program:
        assert program.stdout
        try:
            words, _, address = program.stdout.readline().strip().partition(" on ")
            assert words == "serving demo.Quotes, demo.Admin"
            yield program, address
        finally:
            program.kill()
