"""A proxy that does to a connection what networks do to it, by a script.

It hands on the bytes of one TCP connection, both ways, and does one of nine things to them. Those
that slow a connection down lose nothing; the others strike once, after a number of bytes in one
direction. Everything that is drawn at random comes from the script's seed.
"""

from __future__ import annotations

import random
import socket
import struct
from dataclasses import dataclass
from enum import StrEnum

import trio


class Fault(StrEnum):
    """What the proxy does."""

    DELAY = "delay"  # holds each of the first chunks for a while
    CHOP = "chop"  # cuts some of the bytes into 1 to 7 at a time
    NARROW = "narrow"  # lets so many bytes a second through
    SLOW_ACCEPT = "slow-accept"  # lets the client wait before it accepts
    DROP = "drop"  # closes both sides
    RESET = "reset"  # closes both sides, with a RST
    HALF_CLOSE = "half-close"  # ends one direction, and loses what follows in it
    BLACKHOLE_UP = "blackhole-up"  # hands on nothing more to the server, not even its end
    BLACKHOLE_DOWN = "blackhole-down"  # nor to the client


GENTLE = frozenset({Fault.DELAY, Fault.CHOP, Fault.NARROW, Fault.SLOW_ACCEPT})


class Way(StrEnum):
    """A direction."""

    UP = "up"  # to the server
    DOWN = "down"

    @property
    def other(self) -> Way:
        return Way.DOWN if self is Way.UP else Way.UP


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What to do, and when.

    Attributes:
        fault: What.
        way: In which direction it strikes; the gentle ones go both ways.
        at: After so many bytes that way.
        seconds: DELAY: a chunk is held so long at most; SLOW_ACCEPT: so long.
        chunks: DELAY: of how many, each way.
        span: CHOP: how many bytes are cut up, from `at` on.
        rate: NARROW: bytes a second, each way.
        stalls: BLACKHOLE: takes no more bytes, instead of taking and losing them.
        seed: For what is drawn on the way.
    """

    fault: Fault
    way: Way = Way.UP
    at: int = 0
    seconds: float = 0.0
    chunks: int = 30
    span: int = 2000
    rate: float = 100_000
    stalls: bool = False
    seed: int = 0


class Proxy:
    """Hands on one connection.

    Args:
        script: What happens on the way.

    Attributes:
        carried: How many bytes were handed on, by the way.
        struck: Whether the fault has shown.
    """

    def __init__(self, script: Script) -> None:
        self.carried = {Way.UP: 0, Way.DOWN: 0}
        self.struck = False
        self._script = script
        self._random = random.Random(script.seed)
        self._ends: dict[Way, trio.SocketStream] = {}  # by the way that their bytes go
        self._held = {Way.UP: 0, Way.DOWN: 0}  # chunks, by DELAY
        self._silent: set[Way] = set()  # nothing more is handed on there
        self._carrying = 2
        self._scope = trio.CancelScope()

    async def run(
        self, port: int, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Wait for a connection, at the port that is told, and lead it to ``port`` until it ends.

        Both are on loopback.
        """
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        async with listener:
            task_status.started(listener.socket.getsockname()[1])
            if self._script.fault is Fault.SLOW_ACCEPT:
                await trio.lowlevel.wait_readable(listener.socket)
                self.struck = True
                await trio.sleep(self._script.seconds)
            client = await listener.accept()
        async with client, await trio.open_tcp_stream("127.0.0.1", port) as server:
            self._ends = {Way.UP: client, Way.DOWN: server}
            with self._scope:
                async with trio.open_nursery() as nursery:
                    for way in Way:
                        nursery.start_soon(self._carry, way)

    async def _carry(self, way: Way) -> None:
        try:
            while data := await self._receive(way):
                await self._hand_on(way, data)
            if way not in self._silent:
                await self._send_eof(way)
        except trio.ClosedResourceError:
            pass  # by the other direction's task
        self._done()

    def _done(self) -> None:
        self._carrying -= 1
        if not self._carrying:
            self._scope.cancel()

    # From one end to the other ...

    async def _receive(self, way: Way) -> bytes:
        try:
            return bytes(await self._ends[way].receive_some())
        except trio.BrokenResourceError:
            if way not in self._silent:
                self._reset()
            return b""

    async def _send(self, way: Way, data: bytes) -> None:
        if way in self._silent or not data:
            return
        self.carried[way] += len(data)
        try:
            await self._ends[way.other].send_all(data)
        except trio.BrokenResourceError:
            self._receiver_is_gone(way)

    async def _send_eof(self, way: Way) -> None:
        try:
            await self._ends[way.other].send_eof()
        except trio.BrokenResourceError:
            self._receiver_is_gone(way)

    def _receiver_is_gone(self, way: Way) -> None:
        # That is news from there, which goes the other way, if anything does.
        if way.other in self._silent:
            self._silent.add(way)
        else:
            self._reset()

    def _reset(self) -> None:
        for end in self._ends.values():
            if end.socket.fileno() >= 0:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.socket.close()

    # ... and what happens to it there.

    async def _hand_on(self, way: Way, data: bytes) -> None:
        script = self._script
        match script.fault:
            case Fault.DELAY if self._held[way] < script.chunks:
                self._held[way] += 1
                self.struck = True
                await trio.sleep(self._random.uniform(0, script.seconds))
            case Fault.CHOP:
                data = await self._chop(way, data)
            case Fault.NARROW:
                self.struck = True
                size = max(1, int(script.rate / 100))
                for start in range(0, len(data), size):
                    part = data[start : start + size]
                    await self._send(way, part)
                    await trio.sleep(len(part) / script.rate)
                return
            case Fault.DELAY | Fault.SLOW_ACCEPT:
                pass
            case _ if way is script.way and not self.struck:
                rest = script.at - self.carried[way]
                if len(data) >= rest:
                    await self._send(way, data[:rest])
                    await self._strike(way)
                    return
        await self._send(way, data)

    async def _chop(self, way: Way, data: bytes) -> bytes:
        """Send what lies in the span, in small parts, and what is before it; give the rest."""
        script = self._script
        before = max(0, script.at - self.carried[way])
        await self._send(way, data[:before])
        data = data[before:]
        while data and script.at <= self.carried[way] < script.at + script.span:
            self.struck = True
            size = self._random.randint(1, 7)
            await self._send(way, data[:size])
            await trio.lowlevel.checkpoint()  # it is the receiver's turn
            data = data[size:]
        return data

    async def _strike(self, way: Way) -> None:
        self.struck = True
        match self._script.fault:
            case Fault.DROP:
                for end in self._ends.values():
                    end.socket.close()
            case Fault.RESET:
                self._reset()
            case Fault.HALF_CLOSE:
                self._silent.add(way)
                await self._send_eof(way)
            case _:
                self._silent.add(way)
                if self._script.stalls:
                    self._done()
                    await trio.sleep_forever()
