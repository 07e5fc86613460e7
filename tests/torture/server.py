"""The server that the other processes of a part talk to, and what it tells of itself.

    python -m tests.torture.server [LIMITS [tls]]

LIMITS are fields of `avrpc.Limits`, as JSON. It serves the desk of the tests, with handlers
more to the purpose: `last("park")` never ends, neither does `watch("park")` after its first item,
and `record("park")` takes none of its items.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path
from typing import Any

import trio

import avrpc
from tests.desk import Desk, desk_server, tick
from tests.torture.accounts import account
from tests.torture.processes import obey
from tests.torture.steps import Steps


async def last(symbol: str, depth: int) -> dict[str, Any]:
    if symbol == "park":
        await trio.sleep_forever()
    return await Desk().last(symbol, depth)


async def watch(symbol: str, count: int) -> AsyncGenerator[dict[str, Any]]:
    if symbol == "park":
        yield tick(symbol)
        await trio.sleep_forever()
    for number in range(count):
        yield tick(symbol, size=number)


async def record(symbol: str, ticks: Any) -> int:
    if symbol == "park":
        await trio.sleep_forever()
    return await Desk().record(symbol, ticks)


class Log(logging.StreamHandler[Any]):
    """Writes the log to nowhere, as what that costs counts, and counts its lines."""

    def __init__(self) -> None:
        super().__init__(Path(os.devnull).open("w"))  # noqa: SIM115 - as long as the process
        self.lines: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        self.lines[record.levelname] += 1


class Tortured:
    """A server, and what is asked of its process."""

    def __init__(self, limits: dict[str, Any]) -> None:
        self.server = desk_server(
            limits=avrpc.Limits(**limits), last=last, watch=watch, record=record
        )
        self._steps = Steps()
        self._log = Log()
        self._hoard: list[int] = []
        logging.basicConfig(handlers=[self._log], level=logging.WARNING)

    async def account(self) -> dict[str, Any]:
        """What it holds, and how long the longest step took since `reset`."""
        server, steps = self.server, self._steps
        told = account(server)
        waiting = sum(len(one._workers._idle) for one in server._connections if one._session)
        return told | {
            "tasks": told["tasks"] - waiting,  # those that wait for a call may come and go
            "connections": len(server._connections),
            "running": server.running,
            "half_values": server.limits.max_assembly_bytes - server._budget.available,
            "longest_step": steps.longest,
        }

    async def reset(self) -> None:
        """Forget the steps so far."""
        self._steps.reset()

    async def lines(self) -> dict[str, int]:
        """How many lines were logged, by level."""
        return self._log.lines

    async def hoard(self) -> None:
        """Open as many files as the process may."""
        try:
            while True:
                self._hoard.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            pass

    async def release(self) -> None:
        """Close them."""
        while self._hoard:
            os.close(self._hoard.pop())


async def main(limits: dict[str, Any], *, tls: bool) -> None:
    tortured = Tortured(limits)
    address, context = "tcp://127.0.0.1:0", None
    if tls:
        from tests.certificates import server_context

        address, context = "tls://127.0.0.1:0", server_context()
    gc.collect()
    gc.freeze()  # as docs/security.md has it: what a program begins with is never garbage
    async with trio.open_nursery() as nursery:
        (address,) = await nursery.start(partial(tortured.server.serve, address, tls=context))
        names = ("account", "reset", "lines", "hoard", "release")
        await obey({name: getattr(tortured, name) for name in names}, address)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    given = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
    trio.run(partial(main, given, tls="tls" in sys.argv[2:]))
