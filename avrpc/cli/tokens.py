"""Tokens, from a file or the environment: never from the words of a command, which `ps` shows."""

from __future__ import annotations

import os
from pathlib import Path

from avrpc.cli.failures import Usage
from avrpc.cli.options import told

VARIABLE = "AVRPC_TOKEN"


def read_token(file: str | None) -> bytes | None:
    """Read the token in a file, else take the environment's; None if there is none.

    Raises:
        Usage: The file can't be read, or does not hold one line.
    """
    if file is None:
        return os.environ.get(VARIABLE, "").strip().encode(errors="surrogateescape") or None
    try:
        token = Path(file).read_bytes().strip()
    except OSError as error:
        raise Usage(told(error)) from None
    if not token or len(token.splitlines()) > 1:
        raise Usage(f"{file}: expected a token and nothing else, in one line")
    return token
