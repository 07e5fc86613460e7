"""avrpc, as its users have it: defaults everywhere, nothing switched off."""

import importlib.metadata
import itertools
import json
import math
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from operator import itemgetter
from typing import Any, TypeVar

import trio
import trio.testing

import avrpc
from benchmarks import certificates, flight_rows, texts
from benchmarks.peers import LARGE_AT_ONCE
from benchmarks.protocols import Bench, Flights, Newer, Older, of_messages

T = TypeVar("T")

SLOW_READER_PAUSE = 0.05
"""Seconds between two items that the slow reader takes: it stays far behind for any sender."""
INT_MAX = 2**31 - 1


def versions() -> dict[str, str]:
    """Return the versions of the libraries that are measured."""
    libraries = {name: importlib.metadata.version(name) for name in ("trio", "fastavro")}
    return {"avrpc": avrpc.__version__, **libraries}


def limits(pieces: bool) -> avrpc.Limits | None:
    """Defaults; or frames that hold 4 MB, so that no value is cut. Only to measure what that does.

    No limit allows such frames, so the checks of this process and of its peer's, which is ours,
    are widened.
    """
    if pieces:
        return None
    import avrpc.limits
    from avrpc.wire import connection, frames

    largest = frames.MAX_LENGTH
    avrpc.limits._RANGES["maxFrameBytes"] = (16 * 1024, largest)  # noqa: SLF001
    connection.MAX_BUFFERED_PIECES = largest
    return avrpc.Limits(max_frame_bytes=largest)


# --- the server -------------------------------------------------------------------------------


class Handlers:
    async def echo(self, tick: Any) -> Any:
        return {
            "symbol": tick["symbol"],
            "price": tick["price"],
            "size": tick["size"],
            "at": tick["at"],
        }

    async def blob(self, data: bytes) -> bytes:
        return data

    async def echo_later(self, tick: Any) -> Any:
        await trio.lowlevel.checkpoint()
        return await self.echo(tick)

    async def last(self, symbol: str, count: int) -> Any:
        assert symbol == "FX"
        return {"symbol": "EURUSD", "price": 1.0825, "size": count, "at": 1_763_700_000_000_000_000}

    async def hold(self) -> None:
        await trio.sleep_forever()

    async def chunks(self, count: int, size: int) -> AsyncIterator[bytes]:
        data = os.urandom(size)
        for _ in range(count):
            yield data

    async def watch(self, count: int) -> AsyncIterator[Any]:
        at = time.time_ns()
        for i in range(count):
            yield {"symbol": "EURUSD", "price": 1.0825, "size": i & 63, "at": at}

    async def record(self, ticks: Any) -> int:
        count = 0
        async for tick in ticks:
            _ = (tick["symbol"], tick["price"], tick["size"], tick["at"])
            count += 1
        return count

    async def convert(self, ticks: Any) -> AsyncIterator[Any]:
        async for tick in ticks:
            yield {
                "symbol": tick["symbol"],
                "price": tick["price"],
                "size": tick["size"],
                "at": tick["at"],
            }


class FlightHandlers:
    def __init__(self) -> None:
        self.rows = flight_rows.load()

    async def flights(self, count: int) -> AsyncIterator[Any]:
        for row in itertools.islice(itertools.cycle(self.rows), count):
            yield row


def services(messages: int = 0) -> dict[avrpc.Protocol, object]:
    """Make what is served: Bench, or a version of it of so many messages."""
    handlers = Handlers()
    if not messages:
        return {Bench: handlers}
    protocol = of_messages(messages)
    for name in protocol.messages:
        setattr(handlers, name, handlers.echo)
    return {protocol: handlers}


def serve(
    *,
    tls: bool = False,
    compression: str | None = None,
    pieces: bool = True,
    flights: bool = False,
    messages: int = 0,
) -> None:
    """See `benchmarks.peers.Peer`."""
    server = avrpc.Server(
        {Flights: FlightHandlers()} if flights else services(messages),
        limits=limits(pieces),
        compression=compression,
    )
    context = avrpc.server_tls(certificates.folder() / "server.pem") if tls else None
    scheme = "tls" if tls else "tcp"

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            addresses = await nursery.start(
                lambda task_status: server.serve(
                    f"{scheme}://127.0.0.1:0", tls=context, task_status=task_status
                )
            )
            print(addresses[0].replace("tls://", "tcp://"), flush=True)

    trio.run(main)


# --- the client -------------------------------------------------------------------------------


def run(
    address: str,
    work: Callable[["Client"], Awaitable[T]],
    *,
    tls: bool = False,
    compression: str | None = None,
    pieces: bool = True,
    flights: bool = False,
    messages: int = 0,
) -> T:
    """See `benchmarks.peers.Peer`."""
    protocol = Flights if flights else of_messages(messages) if messages else Bench
    context = avrpc.client_tls(ca=certificates.folder() / "ca.pem") if tls else None
    if tls:
        address = address.replace("tcp://", "tls://")
    allowed = limits(pieces)

    def connect(protocol: avrpc.Protocol = protocol) -> AbstractAsyncContextManager[Any]:
        return avrpc.connect(
            address, protocol, tls=context, compression=compression, limits=allowed
        )

    async def main() -> T:
        async with connect() as client:
            assert client.compression == compression
            return await work(Client(client, connect))

    return trio.run(main)


class Client:
    """One connection. See `benchmarks.peers.PeerClient`."""

    def __init__(self, client: Any, connect: Callable[..., Any]) -> None:
        self._client = client
        self._clients = [client]
        self._connect = connect
        self._fields = itemgetter("symbol", "price", "size", "at")

    async def echo(self, count: int, in_flight: int = 1) -> list[float]:
        return await self._echo([self._client] * in_flight, count)

    async def echo_later(self, count: int, in_flight: int = 1) -> list[float]:
        return await self._echo([self._client] * in_flight, count, "echo_later")

    async def spread(self, count: int) -> list[float]:
        return await self._echo(self._clients, count)

    async def _echo(self, clients: list[Any], count: int, name: str = "echo") -> list[float]:
        """Call one at a time for each of the clients, of which one may be there several times."""
        took: list[float] = []
        at = time.time_ns()

        async def one_at_a_time(client: Any, calls: int) -> None:
            echo = client[name]
            for i in range(calls):
                start = time.perf_counter()
                tick = await echo({"symbol": "EURUSD", "price": 1.0825, "size": i & 63, "at": at})
                took.append(time.perf_counter() - start)
                if (tick["symbol"], tick["price"], tick["size"], tick["at"]) != (
                    "EURUSD",
                    1.0825,
                    i & 63,
                    at,
                ):
                    raise AssertionError(f"sent tick {i}, got {tick}")

        if len(clients) == 1:
            await one_at_a_time(clients[0], count)
        else:
            async with trio.open_nursery() as nursery:
                for client in clients:
                    nursery.start_soon(one_at_a_time, client, count // len(clients))
        return took

    async def last(self, count: int, in_flight: int = 1, within: float = 0) -> None:
        async def one_at_a_time() -> None:
            for i in range(count // in_flight):
                with trio.fail_after(within or math.inf):
                    tick = await self._client.last("FX", i & 63)
                if tick["size"] != i & 63:
                    raise AssertionError(f"asked for size {i & 63}, got {tick}")

        async with trio.open_nursery() as nursery:
            for _ in range(in_flight):
                nursery.start_soon(one_at_a_time)

    async def blob(self, count: int, size: int, text: bool = False) -> list[float]:
        took: list[float] = []
        data = texts.of(size) if text else os.urandom(size)
        for _ in range(count):
            start = time.perf_counter()
            back = await self._client.blob(data)
            took.append(time.perf_counter() - start)
            if back != data:
                raise AssertionError("other bytes came back")
        return took

    async def watch(self, count: int, streams: int = 1) -> None:
        if streams == 1:
            await self._watch(count)
        else:
            async with trio.open_nursery() as nursery:
                for _ in range(streams):
                    nursery.start_soon(self._watch, count // streams)

    async def _watch(self, count: int) -> None:
        got = 0
        fields = self._fields
        async with self._client.watch(count) as ticks:
            async for tick in ticks:
                _ = fields(tick)
                got += 1
        if got != count:
            raise AssertionError(f"wanted {count} items, got {got}")

    async def chunks(self, count: int, size: int) -> None:
        got = 0
        async with self._client.chunks(count, size) as items:
            async for item in items:
                got += len(item)
        if got != count * size:
            raise AssertionError(f"wanted {count * size} bytes, got {got}")

    async def flights(self, count: int) -> None:
        got = 0
        look = itemgetter(*(f["name"] for f in json.loads(Flights.text)["types"][0]["fields"]))
        async with self._client.flights(count) as rows:
            async for row in rows:
                _ = look(row)
                got += 1
        if got != count:
            raise AssertionError(f"wanted {count} rows, got {got}")

    async def record(self, count: int) -> None:
        at = time.time_ns()
        async with self._client.record() as call:
            for i in range(count):
                await call.send({"symbol": "EURUSD", "price": 1.0825, "size": i & 63, "at": at})
            arrived = await call.result()
        if arrived != count:
            raise AssertionError(f"sent {count} items, {arrived} arrived")

    async def convert(self, count: int) -> None:
        at = time.time_ns()
        got = 0

        async def send_all(call: Any) -> None:
            for i in range(count):
                await call.send({"symbol": "EURUSD", "price": 1.0825, "size": i & 63, "at": at})
            await call.send_eof()

        async with self._client.convert() as call, trio.open_nursery() as nursery:
            nursery.start_soon(send_all, call)
            async for tick in call:
                _ = (tick["symbol"], tick["price"], tick["size"], tick["at"])
                got += 1
        if got != count:
            raise AssertionError(f"sent {count} items, got {got} back")

    def older(self) -> AbstractAsyncContextManager[None]:
        return self._as(Older, "symbol", "price", "at")

    def newer(self) -> AbstractAsyncContextManager[None]:
        return self._as(Newer, "symbol", "price", "size", "at", "venue")

    @asynccontextmanager
    async def _as(self, version: avrpc.Protocol, *fields: str) -> AsyncIterator[None]:
        own = self._client, self._fields
        async with self._connect(version) as client:
            self._client, self._fields = client, itemgetter(*fields)
            yield
        self._client, self._fields = own

    @asynccontextmanager
    async def slow_reader(self) -> AsyncIterator[None]:
        async def read_slowly(task_status: trio.TaskStatus[None]) -> None:
            async with self._client.watch(INT_MAX) as ticks:
                await ticks.receive()
                task_status.started()
                while True:
                    await trio.sleep(SLOW_READER_PAUSE)
                    await ticks.receive()

        async with trio.open_nursery() as nursery:
            await nursery.start(read_slowly)
            yield
            nursery.cancel_scope.cancel()

    @asynccontextmanager
    async def large_values(self, size: int) -> AsyncIterator[None]:
        data = os.urandom(size)

        async def send_and_receive() -> None:
            while True:
                assert len(await self._client.blob(data)) == size

        async with trio.open_nursery() as nursery:
            for _ in range(LARGE_AT_ONCE):
                nursery.start_soon(send_and_receive)
            yield
            nursery.cancel_scope.cancel()

    # Connections, and what is held.

    async def connect(self, count: int) -> list[float]:
        took = []
        for _ in range(count):
            start = time.perf_counter()
            async with self._connect() as client:
                await self._echo([client], 1)
                took.append(time.perf_counter() - start)
        return took

    @asynccontextmanager
    async def connections(self, number: int) -> AsyncIterator[None]:
        async with holding(number, lambda _: self._connected()) as self._clients:
            yield
        self._clients = [self._client]

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Any]:
        async with self._connect() as client:
            await self._echo([client], 1)
            yield client

    @asynccontextmanager
    async def idle(self, count: int) -> AsyncIterator[None]:
        async with holding(count, lambda _: self._connected()):
            yield

    @asynccontextmanager
    async def calls(self, count: int) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            for _ in range(count):
                nursery.start_soon(self._client.hold)
            await trio.testing.wait_all_tasks_blocked()
            await self._echo([self._client], 1)  # behind all of them
            yield
            nursery.cancel_scope.cancel()

    @asynccontextmanager
    async def streams(self, count: int) -> AsyncIterator[None]:
        held = len(self._clients)
        async with holding(count, lambda i: self._clients[i % held].convert()):
            await self._echo(self._clients, held)
            yield


@asynccontextmanager
async def holding(
    count: int, opened: Callable[[int], AbstractAsyncContextManager[Any]]
) -> AsyncGenerator[list[Any]]:
    """Have so many open at once, each by a task of its own, as a program would."""
    done = trio.Event()

    async def hold(number: int, task_status: trio.TaskStatus[Any]) -> None:
        async with opened(number) as it:
            task_status.started(it)
            await done.wait()

    async with trio.open_nursery() as nursery:
        yield [await nursery.start(hold, number) for number in range(count)]
        done.set()
