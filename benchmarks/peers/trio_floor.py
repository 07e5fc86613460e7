"""Bare trio: a length and bytes. No codec, no ids, no tasks for calls, no flow control but TCP's.

It shows what trio's loop and the kernel take of any figure. A call in flight is a frame written
before an answer was read: all of them go in one write. Streams are written 64 KiB at a time.
"""

import itertools
import os
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import trio

T = TypeVar("T")

HEAD = struct.Struct(">BI")
"""What is wanted, and how many bytes follow."""
ECHO, WATCH, RECORD, CONVERT, END = range(5)
COUNT = struct.Struct(">II")
TICK = b"\x0cEURUSD" + b"\x00" * 18
BATCH = 64 * 1024
RECEIVE = 128 * 1024


def versions() -> dict[str, str]:
    """Return the versions of the libraries that are measured."""
    return {"trio": trio.__version__}


class Frames:
    """Frames of a stream, as they come."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._data = b""
        self._at = 0

    async def some(self) -> list[tuple[int, bytes]]:
        """Return all frames that are there, at least one; none at the end."""
        while True:
            data, at, size = self._data, self._at, len(self._data)
            found = []
            while size - at >= HEAD.size:
                kind, length = HEAD.unpack_from(data, at)
                begin = at + HEAD.size
                if size - begin < length:
                    break
                at = begin + length
                found.append((kind, data[begin:at]))
            self._data, self._at = data[at:], 0
            if found:
                return found
            missing = HEAD.size
            if len(self._data) >= HEAD.size:
                missing += HEAD.unpack_from(self._data)[1]
            parts = [self._data]
            have = len(self._data)
            while have < missing:
                more = await self.stream.receive_some(RECEIVE)
                if not more:
                    return []
                parts.append(more)
                have += len(more)
            self._data = b"".join(parts)


def frame(kind: int, value: bytes) -> bytes:
    """Put a length before it."""
    return HEAD.pack(kind, len(value)) + value


async def send_many(stream: trio.SocketStream, value: bytes, count: int) -> None:
    """Send the same frame so many times."""
    one = frame(RECORD, value)
    batch = max(1, BATCH // len(one))
    for begin in range(0, count, batch):
        await stream.send_all(b"".join(itertools.repeat(one, min(batch, count - begin))))


# --- the server -------------------------------------------------------------------------------


async def handle(stream: trio.SocketStream) -> None:
    frames = Frames(stream)
    got = 0
    while some := await frames.some():
        out = []
        for kind, value in some:
            if kind in {ECHO, CONVERT}:
                out.append(frame(kind, value))
            elif kind == RECORD:
                got += 1
            elif kind == END:
                out.append(frame(END, COUNT.pack(got, 0)))
                got = 0
            else:
                count, size = COUNT.unpack(value)
                await send_many(stream, TICK if size == len(TICK) else os.urandom(size), count)
        if out:
            await stream.send_all(b"".join(out))


def serve() -> None:
    """See `benchmarks.peers.Peer`."""

    async def main() -> None:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        print(f"tcp://127.0.0.1:{listener.socket.getsockname()[1]}", flush=True)
        await trio.serve_listeners(handle, [listener])

    trio.run(main)


# --- the client -------------------------------------------------------------------------------


def run(address: str, work: Callable[["Client"], Awaitable[T]]) -> T:
    """See `benchmarks.peers.Peer`."""
    host, _, port = address.removeprefix("tcp://").rpartition(":")

    async def connect() -> Frames:
        return Frames(await trio.open_tcp_stream(host, int(port)))

    async def main() -> T:
        frames = await connect()
        async with frames.stream:
            return await work(Client(frames, connect))

    return trio.run(main)


class Client:
    """One connection. See `benchmarks.peers.PeerClient`."""

    def __init__(self, frames: Frames, connect: Callable[[], Awaitable[Frames]]) -> None:
        self._frames = frames
        self._connections = [frames]
        self._connect = connect

    async def echo(self, count: int, in_flight: int = 1) -> list[float]:
        return await echo(self._frames, TICK, count, in_flight)

    async def spread(self, count: int) -> list[float]:
        took: list[float] = []

        async def one(frames: Frames) -> None:
            took.extend(await echo(frames, TICK, count // len(self._connections)))

        async with trio.open_nursery() as nursery:
            for frames in self._connections:
                nursery.start_soon(one, frames)
        return took

    async def blob(self, count: int, size: int) -> list[float]:
        return await echo(self._frames, os.urandom(size), count)

    async def watch(self, count: int) -> None:
        await self.chunks(count, len(TICK))

    async def chunks(self, count: int, size: int) -> None:
        await self._frames.stream.send_all(frame(WATCH, COUNT.pack(count, size)))
        got = 0
        while got < count:
            some = await self._frames.some()
            assert some
            got += len(some)

    async def record(self, count: int) -> None:
        await send_many(self._frames.stream, TICK, count)
        await self._frames.stream.send_all(frame(END, b""))
        ((_, result),) = await self._frames.some()
        assert COUNT.unpack(result)[0] == count

    async def convert(self, count: int) -> None:
        one = frame(CONVERT, TICK)

        async def send() -> None:
            for begin in range(0, count, BATCH // len(one)):
                await self._frames.stream.send_all(one * min(BATCH // len(one), count - begin))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            got = 0
            while got < count:
                got += len(await self._frames.some())

    async def connect(self, count: int) -> list[float]:
        took = []
        for _ in range(count):
            start = time.perf_counter()
            frames = await self._connect()
            async with frames.stream:
                await echo(frames, TICK, 1)
                took.append(time.perf_counter() - start)
        return took

    @asynccontextmanager
    async def connections(self, number: int) -> AsyncIterator[None]:
        self._connections = [await self._connect() for _ in range(number)]
        yield
        for frames in self._connections:
            await frames.stream.aclose()

    @asynccontextmanager
    async def idle(self, count: int) -> AsyncIterator[None]:
        held = [await self._connect() for _ in range(count)]
        for frames in held:
            await echo(frames, TICK, 1)
        yield
        for frames in held:
            await frames.stream.aclose()


async def echo(frames: Frames, value: bytes, count: int, in_flight: int = 1) -> list[float]:
    """Send so many at once, and wait for as many."""
    took = []
    batch = frame(ECHO, value) * in_flight
    for _ in range(count // in_flight):
        start = time.perf_counter()
        await frames.stream.send_all(batch)
        left = in_flight
        while left:
            some = await frames.some()
            assert some
            assert some[-1][1] == value
            left -= len(some)
        took.append(time.perf_counter() - start)
    return took
