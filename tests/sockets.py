"""A server on a real socket, calls of every kind on it, and what became of it."""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio

import avrpc
from avrpc.client import Client
from tests.desk import tick


@asynccontextmanager
async def served(
    server: avrpc.Server, address: str, tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """A server on a real socket, and its address."""
    async with trio.open_nursery() as nursery:
        (bound,) = await nursery.start(partial(server.serve, address, tls=tls))
        yield bound
        await server.aclose()


async def every_kind(client: Client) -> None:
    """One call of each kind, small and large."""
    assert await client.last("EURUSD") == tick()
    assert await client.quote(tick()) == "EURUSD 1.25 1"
    with pytest.raises(client.protocol.errors.UnknownSymbol):
        await client.last("???")
    data = bytes(range(256)) * 4000
    assert await client.load(data) == data
    await client.note("hello")
    async with client.watch("EURUSD", 100) as ticks:
        assert [one["size"] async for one in ticks] == list(range(100))
    async with client.pull(10, 200_000) as blobs:
        assert [len(one) async for one in blobs] == [200_000] * 10
    async with client.record("EURUSD") as call:
        for _ in range(100):
            await call.send(tick())
    assert await call.result() == 100
    async with client.swap() as both, trio.open_nursery() as nursery:

        async def send() -> None:
            for size in range(1, 400_000, 40_000):
                await both.send(bytes(size))
            await both.send_eof()

        nursery.start_soon(send)
        assert [len(one) async for one in both] == list(range(1, 400_000, 40_000))


async def all_gone(server: avrpc.Server) -> None:
    """Wait until a server has done with its connections."""
    with trio.fail_after(5):
        await server._wait_gone()


def the_line(caplog: pytest.LogCaptureFixture) -> str:
    """The one that was logged, beside where it is served."""
    (line,) = [one for one in caplog.records if one.levelno > logging.INFO]
    assert line.levelno == logging.WARNING
    assert line.exc_info is None
    assert "\n" not in line.message
    return line.message
