"""The client process of the soak: `python -m tests.torture.soak_client ADDRESS SEED`."""

from __future__ import annotations

import random
import socket
import struct
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import trio

import avrpc
from avrpc.client import Client
from tests.desk import DESK, tick
from tests.torture.accounts import account
from tests.torture.processes import obey
from tests.torture.raw import FIRST_PACK, LAST, Raw, connected

CLIENTS = 4
AT_ONCE = 16  # calls of each
CHURNING = 32  # connections at a time
LARGE = bytes(100_000)

Call = Callable[[Client], Awaitable[None]]


async def _unary(client: Client) -> None:
    assert await client.last("EURUSD", 7) == tick(size=7)


async def _error(client: Client) -> None:
    try:
        await client.last("???")
    except DESK.errors.UnknownSymbol:
        return
    raise AssertionError("it was to be an error")


async def _note(client: Client) -> None:
    await client.note("a line")


async def _thread(client: Client) -> None:
    assert await client.quote(tick()) == "EURUSD 1.25 1"


async def _large(client: Client) -> None:
    assert await client.load(LARGE) == LARGE


async def _response(client: Client) -> None:
    async with client.watch("EURUSD", 20) as ticks:
        assert len([one async for one in ticks]) == 20


async def _request(client: Client) -> None:
    async with client.record("EURUSD") as call:
        for _ in range(20):
            await call.send(tick())
        assert await call.result() == 20


async def _both(client: Client) -> None:
    async with client.convert() as call:
        for number in range(20):
            await call.send(tick(size=number))
        await call.send_eof()
        assert len([one async for one in call]) == 20


# With how often one is made, among 1,000.
CALLS: list[tuple[Call, int]] = [
    (_unary, 950),
    (_error, 10),
    (_note, 10),
    (_thread, 5),
    (_large, 2),
    (_response, 10),
    (_request, 8),
    (_both, 5),
]

# How connections end.
ENDS = ("cut in the handshake", "reset with a call open", "closed with a call open", "closed")


class Soak:
    """Clients, and what is done with them.

    Args:
        address: Of the server.
        clients: Connected to it.
        seed: Of all chance.
    """

    def __init__(self, address: str, clients: list[Client], seed: int) -> None:
        self._address = address
        self._clients = clients
        self._chance = random.Random(seed)

    async def calls(self, count: int) -> None:
        """Make so many calls, of every kind, and look at each answer."""
        kinds, weights = zip(*CALLS, strict=True)
        left = iter(range(count))

        async def work(client: Client) -> None:
            for _ in left:
                (call,) = self._chance.choices(kinds, weights)
                await call(client)

        async with trio.open_nursery() as nursery:
            for client in self._clients:
                for _ in range(AT_ONCE):
                    nursery.start_soon(work, client)

    async def churn(self, count: int) -> dict[str, int]:
        """Connect so many times, of which a tenth is cut in the handshake; tell how they ended."""
        ended: Counter[str] = Counter()
        left = iter(range(count))

        async def work() -> None:
            for _ in left:
                async with connected(self._address) as raw:
                    ended[await self._one_connection(raw)] += 1

        async with trio.open_nursery() as nursery:
            for _ in range(CHURNING):
                nursery.start_soon(work)
        return ended

    async def _one_connection(self, raw: Raw) -> str:
        if self._chance.random() < 0.1:
            await raw.send(FIRST_PACK[: self._chance.randrange(len(FIRST_PACK))])
            if self._chance.random() < 0.5:
                _reset(raw)
            return ENDS[0]
        await raw.shake_hands()
        await raw.send(raw.call("last", *LAST))
        match self._chance.randrange(3):
            case 0:
                _reset(raw)
                return ENDS[1]
            case 1:
                return ENDS[2]
        await raw.until_answered()
        return ENDS[3]

    async def account(self) -> dict[str, Any]:
        """What this process holds."""
        return account(*self._clients)


def _reset(raw: Raw) -> None:
    """Have the connection end by a reset, when it is closed."""
    raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def main(address: str, seed: int) -> None:
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(avrpc.connect(address, DESK)) for _ in range(CLIENTS)
        ]
        soak = Soak(address, clients, seed)
        names = ("calls", "churn", "account")
        await obey({name: getattr(soak, name) for name in names}, "ready")


if __name__ == "__main__":
    trio.run(main, sys.argv[1], int(sys.argv[2]))
