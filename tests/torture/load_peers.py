"""The process of many connections: `python -m tests.torture.load_peers ADDRESS`."""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack
from typing import Any

import trio

import avrpc
from avrpc.wire import StatusCode
from avrpc.wire.frames import Kind
from avrpc.wire.primitives import encode_bytes
from tests.torture.processes import obey
from tests.torture.raw import LAST, PARK, Raw, connected
from tests.wire.pair import frame

_AT_ONCE = 100  # connections that are being made at a time, where that is not the point


class Peers:
    """Connections, and what is done with all of them.

    Args:
        address: Of the server.
        stack: Closes them.
    """

    def __init__(self, address: str, stack: AsyncExitStack) -> None:
        self._address = address
        self._stack = stack
        self._all: list[Raw] = []

    async def open(self, count: int) -> int:
        """Open so many more, and shake hands."""
        limiter = trio.CapacityLimiter(_AT_ONCE)

        async def one() -> None:
            async with limiter:
                raw = await self._stack.enter_async_context(connected(self._address))
                self._all.append(await raw.shake_hands())

        async with trio.open_nursery() as nursery:
            for _ in range(count):
                nursery.start_soon(one)
        return len(self._all)

    async def call(self) -> None:
        """Make a call on each."""
        for raw in self._all:
            await raw.send(raw.call("last", *LAST))
            await raw.until_answered()

    async def park(self, calls: int) -> None:
        """Make so many calls on each, none of which ends."""
        for raw in self._all:
            await raw.send(*(raw.call("last", *PARK) for _ in range(calls)))

    async def cancel(self) -> int:
        """Cancel every call; gives how many were told to be cancelled."""
        cancelled = 0
        for raw in self._all:
            await raw.send(*(frame(Kind.CANCEL, number + 1) for number in range(raw.last_id)))
            await raw.until_answered()
            cancelled += raw.statuses[StatusCode.CANCELLED]
        return cancelled

    async def halves(self, calls: int, size: int) -> dict[str, Any]:
        """Send all but the last piece of a large value with each of so many calls.

        Tells how many were refused, and with what words; then cancels the others.
        """
        value = encode_bytes(bytes(size))[:size]
        most = avrpc.Limits().max_values_in_pieces
        for begin in range(0, calls, most):
            raw = self._all[begin // most]
            for _ in range(min(most, calls - begin)):
                await raw.send(*raw.in_pieces("load", value)[:-1])
        texts: set[str] = set()
        for raw in self._all:
            await raw.send(frame(Kind.PING, 1))  # what is answered before was decided before
            while not raw.frames[Kind.PONG] and await raw.receive():
                pass
            texts |= raw.texts
        refused = sum(raw.statuses[StatusCode.RESOURCE_EXHAUSTED] for raw in self._all)
        return {"refused": refused, "texts": sorted(texts)}

    async def close(self) -> None:
        """Close all."""
        self._all.clear()
        await self._stack.aclose()

    async def at_once(self, count: int) -> int:
        """Connect so many at the same moment, each for a call; gives how many were answered."""
        answered = 0

        async def one() -> None:
            nonlocal answered
            async with connected(self._address) as raw:
                await raw.shake_hands()
                await raw.send(raw.call("last", *LAST))
                await raw.until_answered()
                answered += raw.frames[Kind.RESULT]

        async with trio.open_nursery() as nursery:
            for _ in range(count):
                nursery.start_soon(one)
        return answered


async def main(address: str) -> None:
    async with AsyncExitStack() as stack:
        peers = Peers(address, stack)
        names = ("open", "call", "park", "cancel", "halves", "close", "at_once")
        await obey({name: getattr(peers, name) for name in names}, "ready")


if __name__ == "__main__":
    trio.run(main, sys.argv[1])
