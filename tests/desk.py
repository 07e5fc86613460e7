"""The protocol and the server that tests of sessions, calls, clients and servers share.

Each test gives the handlers that it is about, and gets a server with plain ones for the rest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import copy
from math import inf
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

import avrpc
from avrpc.client import Client
from avrpc.handshake import ClientHandshake, ServerHandshake
from avrpc.memory import ServerMemory, TextCache
from avrpc.opening import open_client, open_server
from avrpc.session import Session
from avrpc.testing import Link, open_pair
from avrpc.transport import StreamTransport
from avrpc.wire import Connection, Role

TICKS = {"type": "array", "items": "Tick"}
BLOBS = {"type": "array", "items": "bytes"}

DESK = avrpc.Protocol.parse(
    json.dumps(
        {
            "protocol": "Desk",
            "namespace": "test",
            "types": [
                {
                    "type": "record",
                    "name": "Tick",
                    "fields": [
                        {"name": "symbol", "type": "string"},
                        {"name": "price", "type": "double"},
                        {"name": "size", "type": "int", "default": 1},
                    ],
                },
                {
                    "type": "error",
                    "name": "UnknownSymbol",
                    "fields": [
                        {"name": "symbol", "type": "string"},
                        {"name": "hint", "type": "string", "default": ""},
                    ],
                },
            ],
            "messages": {
                "last": {
                    "doc": "The last tick of a symbol.",
                    "request": [
                        {"name": "symbol", "type": "string"},
                        {"name": "depth", "type": "int", "default": 1},
                    ],
                    "response": "Tick",
                    "errors": ["UnknownSymbol"],
                },
                "trade": {
                    "request": [
                        {"name": "from", "type": "string"},
                        {"name": "class", "type": "string", "default": "spot"},
                    ],
                    "response": "string",
                },
                "quote": {
                    "request": [{"name": "tick", "type": "Tick"}],
                    "response": "string",
                },
                "load": {
                    "request": [{"name": "data", "type": "bytes"}],
                    "response": "bytes",
                    "errors": ["UnknownSymbol"],
                },
                "note": {
                    "request": [{"name": "text", "type": "string"}],
                    "response": "null",
                    "one-way": True,
                },
                "watch": {
                    "request": [
                        {"name": "symbol", "type": "string"},
                        {"name": "count", "type": "int", "default": 3},
                    ],
                    "response": TICKS,
                    "errors": ["UnknownSymbol"],
                    "stream": "response",
                },
                "record": {
                    "request": [
                        {"name": "symbol", "type": "string"},
                        {"name": "ticks", "type": TICKS},
                    ],
                    "response": "long",
                    "errors": ["UnknownSymbol"],
                    "stream": "request",
                },
                "convert": {
                    "request": [{"name": "ticks", "type": TICKS}],
                    "response": TICKS,
                    "errors": ["UnknownSymbol"],
                    "stream": "both",
                },
                "pull": {
                    "request": [
                        {"name": "count", "type": "int"},
                        {"name": "size", "type": "int", "default": 10},
                    ],
                    "response": BLOBS,
                    "stream": "response",
                },
                "push": {
                    "request": [{"name": "blobs", "type": BLOBS}],
                    "response": "long",
                    "stream": "request",
                },
                "swap": {
                    "request": [{"name": "blobs", "type": BLOBS}],
                    "response": BLOBS,
                    "stream": "both",
                },
            },
        }
    ),
    source="desk.avpr",
)


def disguised(text: str) -> avrpc.Protocol:
    """The desk's protocol for our own end; the peer gets another text."""
    made = copy(DESK)
    made.text, data = text, text.encode()
    made.md5 = hashlib.md5(data, usedforsecurity=False).digest()
    made.sha256 = hashlib.sha256(data).digest()
    return made


# One message of each kind, by what a test calls the kind.
KINDS = ("unary", "one-way", "response", "request", "both")

Handler = Callable[..., Any]


def tick(symbol: str = "EURUSD", price: float = 1.25, size: int = 1) -> dict[str, Any]:
    """An item."""
    return {"symbol": symbol, "price": price, "size": size}


class Desk:
    """Plain handlers for every message."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    async def last(self, symbol: str, depth: int) -> dict[str, Any]:
        if symbol == "???":
            raise DESK.errors.UnknownSymbol(symbol=symbol)
        return tick(symbol, size=depth)

    async def trade(self, from_: str, class_: str) -> str:
        return f"{from_} {class_}"

    def quote(self, tick: dict[str, Any]) -> str:
        return f"{tick['symbol']} {tick['price']} {tick['size']}"

    async def load(self, data: bytes) -> bytes:
        return data

    async def note(self, text: str) -> None:
        self.notes.append(text)

    async def watch(self, symbol: str, count: int) -> AsyncGenerator[dict[str, Any]]:
        if symbol == "???":
            raise DESK.errors.UnknownSymbol(symbol=symbol)
        for number in range(count):
            yield tick(symbol, size=number)

    async def record(self, symbol: str, ticks: Any) -> int:
        if symbol == "???":
            raise DESK.errors.UnknownSymbol(symbol=symbol)
        return len([one async for one in ticks])

    async def convert(self, ticks: Any) -> AsyncGenerator[dict[str, Any]]:
        async for one in ticks:
            yield {**one, "size": one["size"] + 1}

    async def pull(self, count: int, size: int) -> AsyncGenerator[bytes]:
        for number in range(count):
            yield number.to_bytes(2) + bytes(size - 2)

    async def push(self, blobs: Any) -> int:
        return sum([len(one) async for one in blobs])

    async def swap(self, blobs: Any) -> AsyncGenerator[bytes]:
        async for one in blobs:
            yield one


def desk_server(
    *,
    limits: avrpc.Limits | None = None,
    threads: int = 40,
    authenticate: Callable[[avrpc.Presented], Any] | None = None,
    authorize: Callable[[avrpc.CallInfo], Any] | None = None,
    compression: str | None = None,
    **handlers: Handler,
) -> avrpc.Server:
    """A server of the desk, with some handlers of the test's own."""
    desk = Desk()
    plain: dict[str, Handler] = {
        name: getattr(desk, name) for name in DESK.messages if name not in handlers
    }
    return avrpc.Server(
        {DESK: {**plain, **handlers}},
        limits=limits,
        threads=threads,
        authenticate=authenticate,
        authorize=authorize,
        compression=compression,
    )


@asynccontextmanager
async def open_desk(
    *,
    limits: avrpc.Limits | None = None,
    client_limits: avrpc.Limits | None = None,
    link: Link | None = None,
    threads: int = 40,
    compression: str | None = None,
    **handlers: Handler,
) -> AsyncIterator[Client]:
    """A client of the desk, and its server in memory."""
    server = desk_server(limits=limits, threads=threads, compression=compression, **handlers)
    async with open_pair(
        server, DESK, limits=client_limits, link=link, compression=compression
    ) as client:
        yield client
        await wait_all_tasks_blocked()


# With these nothing happens by itself, however long a test's clock runs.
PATIENT = avrpc.Limits(keepalive_interval=inf, write_stall_timeout=inf)


class Note:
    """What a handler did, for the test to wait for.

    Attributes:
        lines: In the order in which they were written.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._changed = trio.lowlevel.ParkingLot()

    def __call__(self, line: str) -> None:
        self.lines.append(line)
        self._changed.unpark_all()

    async def wait_for(self, line: str) -> None:
        """Wait, for 100 virtual seconds at most, until a line was written."""
        with trio.fail_after(100):
            while line not in self.lines:
                await self._changed.park()


def at_rest(*ends: Client | avrpc.Server) -> list[str]:
    """What quiet ends still hold that they should not; nothing, if all is well.

    Of a server, each connection is looked at.
    """
    found: list[str] = []
    for end in ends:
        if isinstance(end, avrpc.Server):
            if end.running:
                found.append(f"server: running handlers: {end.running}")
            sessions = [one._session for one in end._connections if one._session is not None]
        else:
            sessions = [end._session]
        for session in sessions:
            role = session.connection.role.name.lower()
            found += [f"{role}: {name}: {count}" for name, count in _held(session) if count]
    return found


def _held(session: Session) -> list[tuple[str, int]]:
    connection = session.connection
    calls = connection._calls
    return [
        ("calls of the session", len(session.calls)),
        ("open calls", connection.open_calls),
        ("streamed calls", calls.streamed),
        ("values arriving in pieces", calls.assembling),
        ("values leaving in pieces", len(connection.outgoing._large)),
        ("bytes to send", len(connection.data_to_send())),
        ("bytes of half frames", len(connection.held)),
        ("contexts", sum(calls.contexts.held) if calls.contexts else 0),
        ("waiting for a slot", sum(map(len, session._slots))),
        ("waiting for room", len(session.room)),
        ("waiting for a place", len(session.freed)),
    ]


class RawPeer:
    """One end that has shaken hands and then sends what a test tells it to.

    Args:
        stream: Its end of the link.
    """

    def __init__(self, stream: trio.abc.HalfCloseableStream) -> None:
        self.stream = stream
        self._received = bytearray()

    async def send(self, *frames: bytes) -> None:
        """Send frames, made with `tests.wire.pair.frame`."""
        await self.stream.send_all(b"".join(frames))

    async def receive(self) -> tuple[int, int, bytes]:
        """The next frame: kind, flags and body. EOFError at the end."""
        while not (whole := frames_in(self._received)):
            data = await self.stream.receive_some()
            if not data:
                raise EOFError
            self._received += data
        kind, flags, body = whole[0]
        del self._received[: 4 + len(body)]
        return kind, flags, body


def frames_in(data: bytes | bytearray) -> list[tuple[int, int, bytes]]:
    """The whole frames that bytes begin with, taken apart."""
    found, position = [], 0
    while len(data) - position >= 4:
        word = int.from_bytes(data[position : position + 4])
        end = position + 4 + (word & 0xFFFFFF)
        if end > len(data):
            break
        found.append((word >> 24 & 0x0F, word >> 24 & 0xF0, bytes(data[position + 4 : end])))
        position = end
    return found


@asynccontextmanager
async def open_raw_server(
    client_limits: avrpc.Limits | None = None, mine: avrpc.Protocol = DESK
) -> AsyncIterator[tuple[Client, RawPeer]]:
    """A client, and a server that does nothing by itself."""
    link, limits = Link(), avrpc.Limits()
    connection = Connection(Role.SERVER, limits.wire())
    handshake = ServerHandshake({DESK.name: DESK}, limits=limits, texts=TextCache())
    transport = StreamTransport(link.server, "raw server")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(open_server, transport, connection, handshake, limits)
        async with avrpc.connect_stream(link.client, mine, limits=client_limits) as client:
            yield client, RawPeer(link.server)


@asynccontextmanager
async def open_raw_client(server: avrpc.Server, link: Link | None = None) -> AsyncIterator[RawPeer]:
    """A client that does nothing by itself, connected to a server."""
    link, limits = link or Link(), avrpc.Limits()
    connection = Connection(Role.CLIENT, limits.wire())
    memory = ServerMemory()
    handshake = ClientHandshake(DESK, DESK.name, address="raw", limits=limits, memory=memory)
    transport = StreamTransport(link.client, "raw client")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.serve_stream, link.server)
        await open_client(transport, connection, handshake, limits)
        yield RawPeer(link.client)
        await link.client.aclose()


async def lost(client: Client) -> avrpc.ConnectionLost:
    """What a call that waits for its answer comes to."""
    with pytest.raises(avrpc.ConnectionLost) as caught:
        await client.last("EURUSD")
    return caught.value


async def talk(server: avrpc.Server, data: bytes, *, end: bool = False) -> bytes:
    """What a server answers to some bytes, until it hangs up."""
    link = Link()
    received = b""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.serve_stream, link.server)
        await link.client.send_all(data)
        if end:
            await link.client.send_eof()
        while more := await link.client.receive_some():
            received += more
    return received


class SlowDesk:
    """A service whose calls take a while."""

    def __init__(self, seconds: float, note: Note) -> None:
        self.seconds = seconds
        self.note = note

    async def _work(self) -> None:
        try:
            await trio.sleep(self.seconds)
        except trio.Cancelled:
            self.note("cancelled")
            raise
        self.note("done")

    async def last(self, symbol: str, depth: int) -> Any:
        await self._work()
        return tick()

    async def watch(self, symbol: str, count: int) -> AsyncGenerator[Any]:
        yield tick()
        await self._work()
        yield tick()

    async def push(self, blobs: Any) -> int:
        total = sum([len(one) async for one in blobs])
        await self._work()
        return total

    def server(self, **limits: float) -> avrpc.Server:
        handlers: dict[str, Any] = {"last": self.last, "watch": self.watch, "push": self.push}
        return desk_server(limits=avrpc.Limits(**limits), **handlers)  # type: ignore[arg-type]
