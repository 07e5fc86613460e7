"""A client that sends what it likes, over a real socket."""

from __future__ import annotations

import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Self
from urllib.parse import urlsplit

import trio

import avrpc
from avrpc.handshake import ClientHandshake
from avrpc.memory import ServerMemory
from avrpc.replies import Agreement
from avrpc.wire.frames import HEADER, MORE, Kind
from avrpc.wire.packs import encode_pack
from avrpc.wire.primitives import decode_long, decode_string, encode_long
from tests.desk import DESK, frames_in
from tests.wire.pair import frame

NUMBERS = {name: message.number for name, message in DESK.messages.items()}
PIECE = 64_000  # bytes of a value in each frame
LAST = (b"\x02E", encode_long(1))  # parameters of `last`: symbol, depth
PARK = (b"\x08park", encode_long(1))  # of `last` and `watch`: see `tests.torture.server`
_HEAD = 12  # of a pack of one buffer: serial, count, length


def _handshake(protocol: avrpc.Protocol) -> ClientHandshake:
    limits, memory = avrpc.Limits(), ServerMemory()
    return ClientHandshake(protocol, protocol.name, address="raw", limits=limits, memory=memory)


# What an honest client says first.
FIRST_PACK = encode_pack(0, _handshake(DESK).first())


class Raw:
    """One connection.

    Attributes:
        socket: Its socket.
        last_id: Of the call opened last.
        frames: How many frames of each kind have come.
        statuses: How many STATUSes have come, by code.
        texts: What they said.
        goaway: The code of the GOAWAY that came; None if there was none.
    """

    def __init__(self, sock: trio.socket.SocketType, stream: trio.abc.Stream) -> None:
        self.socket = sock
        self._stream = stream
        self._received = bytearray()
        self.last_id = 0
        self.frames: Counter[int] = Counter()
        self.statuses: Counter[int] = Counter()
        self.texts: set[str] = set()
        self.goaway: int | None = None

    async def shake_hands(self, protocol: avrpc.Protocol = DESK) -> Self:
        """Do what an honest client does first."""
        handshake = _handshake(protocol)
        serial, content = 0, handshake.first()
        while True:
            await self.send(encode_pack(serial, content))
            answer = handshake.answer(await self._pack())
            if isinstance(answer, Agreement):
                return self
            serial, content = serial + 1, answer

    async def _pack(self) -> bytes:
        await self._take(_HEAD)
        size = int.from_bytes(self._received[8:_HEAD])
        await self._take(_HEAD + size)
        content = bytes(self._received[_HEAD : _HEAD + size])
        del self._received[: _HEAD + size]
        return content

    async def _take(self, size: int) -> None:
        while len(self._received) < size:
            data = await self._stream.receive_some(1 << 16)
            if not data:
                raise EOFError
            self._received += data

    async def send(self, *data: bytes) -> None:
        """Send some bytes."""
        await self._stream.send_all(b"".join(data))

    def call(self, name: str, *fields: int | str | bytes, flags: int = 0) -> bytes:
        """The CALL with the next id."""
        self.last_id += 1
        return frame(Kind.CALL, self.last_id, NUMBERS[name], *fields, flags=flags)

    def in_pieces(self, name: str, value: bytes) -> list[bytes]:
        """The CALL with the next id, whose parameters are too large for one frame."""
        first = self.call(name, value[:PIECE], flags=MORE)
        cut = range(PIECE, len(value), PIECE)
        pieces = [
            frame(
                Kind.CALL, self.last_id, value[at : at + PIECE], flags=MORE if at != cut[-1] else 0
            )
            for at in cut
        ]
        return [first, *pieces]

    async def receive(self) -> bool:
        """Take what comes next, and count its frames; False at the end."""
        try:
            data = await self._stream.receive_some(1 << 16)
        except trio.BrokenResourceError:
            return False
        self._received += data
        whole = frames_in(self._received)
        for kind, _, body in whole:
            self._count(kind, body)
        del self._received[: sum(HEADER.size + len(body) for _, _, body in whole)]
        return bool(data)

    def _count(self, kind: int, body: bytes) -> None:
        self.frames[kind] += 1
        if kind in (Kind.STATUS, Kind.GOAWAY):
            _, position = decode_long(body, 0, len(body))
            code, position = decode_long(body, position, len(body))
            if kind == Kind.GOAWAY:
                self.goaway = code
            else:
                self.statuses[code] += 1
                self.texts.add(decode_string(body, position, len(body))[0])

    @property
    def outcomes(self) -> int:
        """How many calls have been answered."""
        return sum(self.frames[kind] for kind in (Kind.RESULT, Kind.ERROR, Kind.STATUS))

    async def until_answered(self) -> None:
        """Take what comes until every call has its outcome. EOFError if that does not happen."""
        while self.outcomes < self.last_id:
            if not await self.receive():
                raise EOFError

    async def until_closed(self) -> str:
        """Take what comes until the server hangs up, and tell how it did."""
        while await self.receive():
            pass
        return "closed" if self.goaway is None else f"goaway {self.goaway}"


@asynccontextmanager
async def connected(address: str, *, receive_buffer: int | None = None) -> AsyncIterator[Raw]:
    """A connection on which nothing has been said yet.

    Args:
        address: Of the server, on TCP or TLS.
        receive_buffer: How many bytes the kernel takes that nobody reads; by default its own mind.
    """
    where = urlsplit(address)
    sock = trio.socket.socket()
    try:
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await sock.connect((where.hostname, where.port))
        stream: trio.abc.Stream = trio.SocketStream(sock)
        if where.scheme == "tls":
            stream = trio.SSLStream(stream, _any_certificate())
        yield Raw(sock, stream)
    finally:
        sock.close()


@cache
def _any_certificate() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
