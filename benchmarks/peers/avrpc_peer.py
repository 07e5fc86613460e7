"""avrpc, as its users have it: defaults everywhere, nothing switched off."""

import importlib.metadata
import json
import os
import pathlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from operator import itemgetter
from typing import Any, TypeVar

import trio

import avrpc

T = TypeVar("T")

Bench = avrpc.Registry(pathlib.Path(__file__).resolve().parent.parent)["avrpc.bench.Bench"]


def other_version(change: Callable[[list[dict[str, Any]]], object]) -> avrpc.Protocol:
    """Make a version of Bench of which the fields of a Tick differ."""
    protocol = json.loads(Bench.text)
    change(protocol["types"][0]["fields"])
    return avrpc.Protocol.parse(json.dumps(protocol))


# What most new versions bring is a field with a default. Before the server's version there was no
# `size`; in the next one there will be a `venue`. Each differs at the client alone, so that the
# server does the same work as for its own version, and the same bytes travel.
Older = other_version(lambda fields: fields.pop(2))
Newer = other_version(
    lambda fields: fields.append({"name": "venue", "type": "string", "default": ""})
)

SLOW_READER_PAUSE = 0.05
"""Seconds between two items that the slow reader takes: it stays far behind for any sender."""
INT_MAX = 2**31 - 1


def versions() -> dict[str, str]:
    """Return the versions of the libraries that are measured."""
    libraries = {name: importlib.metadata.version(name) for name in ("trio", "fastavro")}
    return {"avrpc": avrpc.__version__, **libraries}


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


def serve() -> None:
    """Serve on a free port of 127.0.0.1, print its address, and never return."""
    trio.run(_serve)


async def _serve() -> None:
    server = avrpc.Server({Bench: Handlers()})
    async with trio.open_nursery() as nursery:
        addresses = await nursery.start(server.serve, "tcp://127.0.0.1:0")
        print(addresses[0], flush=True)


# --- the client -------------------------------------------------------------------------------


def run(address: str, work: Callable[["Client"], Awaitable[T]]) -> T:
    """Connect, and return what `work` returns, in a loop of its own."""

    async def main() -> T:
        async with avrpc.connect(address, Bench) as client:
            return await work(Client(client, address))

    return trio.run(main)


class Client:
    """One connection. See `benchmarks.peers.PeerClient`."""

    def __init__(self, client: Any, address: str) -> None:
        self._client = client
        self._address = address
        self._fields = itemgetter("symbol", "price", "size", "at")

    async def echo(self, count: int, in_flight: int = 1) -> list[float]:
        took: list[float] = []
        at = time.time_ns()
        echo = self._client.echo

        async def one_at_a_time(calls: int) -> None:
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

        if in_flight == 1:
            await one_at_a_time(count)
        else:
            async with trio.open_nursery() as nursery:
                for _ in range(in_flight):
                    nursery.start_soon(one_at_a_time, count // in_flight)
        return took

    async def blob(self, count: int, size: int) -> list[float]:
        took: list[float] = []
        data = os.urandom(size)
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
        async with avrpc.connect(self._address, version) as client:
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
