"""A server in a process of its own (`tests.torture.server`), and what is asked of it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from tests.torture.processes import Child


class Served(Child):
    """A server; leaving the block ends it.

    Args:
        limits: Fields of `avrpc.Limits`.
        tls: Whether it serves TLS.
        open_files: How many descriptors it may have, if not as many as this process.
    """

    def __init__(
        self,
        limits: Mapping[str, float] | None = None,
        *,
        tls: bool = False,
        open_files: int | None = None,
    ) -> None:
        arguments = [json.dumps(dict(limits or {})), *(["tls"] if tls else [])]
        super().__init__("tests.torture.server", *arguments, open_files=open_files)

    @property
    def address(self) -> str:
        """Where it listens."""
        return str(self.told)

    def until(self, what: str, wanted: int, seconds: float = 30) -> dict[str, Any]:
        """Its account, when something has come to a number, or after a while."""
        end = time.monotonic() + seconds
        while True:
            told: dict[str, Any] = self.ask("account")
            if told[what] == wanted or time.monotonic() > end:
                return told
            time.sleep(0.05)

    def at_rest(self, connections: int) -> dict[str, Any]:
        """Its account, when so many connections are left, or after a while."""
        return self.until("connections", connections)
