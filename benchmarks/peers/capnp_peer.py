"""pycapnp: Cap'n Proto's own C++, driven by asyncio. Defaults, but for how much may be read in all.

Its streams are calls with no result, so they are not measured here as streams.
"""

import asyncio
import importlib.metadata
import os
import pathlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import capnp

T = TypeVar("T")

capnp.remove_import_hook()
Schema = capnp.load(str(pathlib.Path(__file__).with_name("bench.capnp")))
TRAVERSAL_LIMIT = 2**40
"""Words of a whole connection, of which the default is used up after some megabytes."""


def versions() -> dict[str, str]:
    """Return the versions of the libraries that are measured."""
    return {"pycapnp": importlib.metadata.version("pycapnp")}


class Service(Schema.Bench.Server):  # type: ignore[name-defined, misc]
    async def echo(self, tick: Any, _context: Any, **_: Any) -> Any:
        # Its builders are filled in place.
        made = _context.results.init("tick")
        made.symbol, made.price, made.size, made.at = tick.symbol, tick.price, tick.size, tick.at

    async def last(self, symbol: str, count: int, _context: Any, **_: Any) -> Any:
        assert symbol == "FX"
        made = _context.results.init("tick")
        made.symbol, made.price, made.size = "EURUSD", 1.0825, count
        made.at = 1_763_700_000_000_000_000

    async def blob(self, data: bytes, **_: Any) -> Any:
        return data


def serve() -> None:
    """See `benchmarks.peers.Peer`."""

    async def connected(stream: Any) -> None:
        server = capnp.TwoPartyServer(
            stream, bootstrap=Service(), traversal_limit_in_words=TRAVERSAL_LIMIT
        )
        await server.on_disconnect()

    async def main() -> None:
        server = await capnp.AsyncIoStream.create_server(connected, "127.0.0.1", 0)
        async with server:
            print(f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
            await server.serve_forever()

    asyncio.run(capnp.run(main()))


def run(address: str, work: Callable[["Client"], Awaitable[T]]) -> T:
    """See `benchmarks.peers.Peer`."""
    host, _, port = address.removeprefix("tcp://").rpartition(":")

    async def open_client() -> Any:
        stream = await capnp.AsyncIoStream.create_connection(host, int(port))
        client = capnp.TwoPartyClient(stream, traversal_limit_in_words=TRAVERSAL_LIMIT)
        return client, client.bootstrap().cast_as(Schema.Bench)

    async def main() -> T:
        connection, bench = await open_client()
        try:
            return await work(Client(bench, open_client))
        finally:
            connection.close()

    return asyncio.run(capnp.run(main()))


class Client:
    """One connection. See `benchmarks.peers.PeerClient`."""

    def __init__(self, bench: Any, open_client: Callable[[], Awaitable[Any]]) -> None:
        self._bench = bench
        self._open = open_client

    async def echo(self, count: int, in_flight: int = 1) -> list[float]:
        took: list[float] = []
        if in_flight == 1:
            await echo(self._bench, count, took)
        else:
            jobs = (echo(self._bench, count // in_flight, took) for _ in range(in_flight))
            await asyncio.gather(*jobs)
        return took

    async def last(self, count: int, in_flight: int = 1) -> None:
        async def one_at_a_time() -> None:
            for i in range(count // in_flight):
                tick = (await self._bench.last("FX", i & 63)).tick
                if tick.size != i & 63:
                    raise AssertionError(f"asked for size {i & 63}, got {tick}")

        await asyncio.gather(*(one_at_a_time() for _ in range(in_flight)))

    async def blob(self, count: int, size: int) -> list[float]:
        took: list[float] = []
        data = os.urandom(size)
        for _ in range(count):
            start = time.perf_counter()
            back = (await self._bench.blob(data)).data
            took.append(time.perf_counter() - start)
            if back != data:
                raise AssertionError("other bytes came back")
        return took

    async def connect(self, count: int) -> list[float]:
        took: list[float] = []
        for _ in range(count):
            start = time.perf_counter()
            connection, bench = await self._open()
            await echo(bench, 1, [])
            took.append(time.perf_counter() - start)
            connection.close()
        return took

    @asynccontextmanager
    async def idle(self, count: int) -> AsyncIterator[None]:
        held = [await self._open() for _ in range(count)]
        for _, bench in held:
            await echo(bench, 1, [])
        yield
        for connection, _ in held:
            connection.close()


async def echo(bench: Any, count: int, took: list[float]) -> None:
    """Call so many times, one at a time."""
    at = time.time_ns()
    for i in range(count):
        start = time.perf_counter()
        request = bench.echo_request()
        made = request.tick
        made.symbol, made.price, made.size, made.at = "EURUSD", 1.0825, i & 63, at
        tick = (await request.send()).tick
        took.append(time.perf_counter() - start)
        if (tick.symbol, tick.price, tick.size, tick.at) != ("EURUSD", 1.0825, i & 63, at):
            raise AssertionError(f"sent tick {i}, got {tick}")
