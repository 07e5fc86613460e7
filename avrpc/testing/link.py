"""A connection in memory whose middle is in the test's hands.

trio has memory streams, too. These differ in what lies between the ends: bytes can be held there
(so that frames cross), lost with the connection after any number of them, arrive in chunks of any
size, and make the sender wait, as a socket's do.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from operator import index

import trio
from trio.lowlevel import ParkingLot, checkpoint


class Direction:
    """What goes one way over a `Link`.

    Attributes:
        sent: How many bytes the sender has got rid of.
        delivered: How many of them the receiver has taken.
        record: All bytes that were sent, if the link records; else empty.
    """

    def __init__(
        self,
        cut: Callable[[bool], None],
        capacity: float = inf,
        chunk: Callable[[], int] | None = None,
        *,
        record: bool = False,
    ) -> None:
        self.sent = 0
        self.delivered = 0
        self.record = bytearray()
        self._recording = record
        self._cut = cut
        self._cut_after = inf
        self._cut_eof = False
        self._capacity = capacity
        self._chunk = chunk
        self._middle = bytearray()
        self._passes = inf  # how many bytes of the middle, and of those to come, may arrive
        self._sender_closed = False
        self._receiver_closed = False
        self._broken = False  # by a cut
        self._changed = ParkingLot()
        self._sending = _Use("sending")
        self._receiving = _Use("receiving")

    @property
    def under_way(self) -> int:
        """How many bytes were sent and not delivered."""
        return len(self._middle)

    def hold(self) -> None:
        """Let nothing more arrive, until `release`."""
        self._passes = 0

    def release(self, count: float = inf) -> None:
        """Let bytes arrive again: all, or ``count`` more."""
        self._passes += count
        self._changed.unpark_all()

    def cut_after(self, count: int, *, eof: bool = False) -> None:
        """Cut the link as soon as ``count`` bytes, from the first, have been sent this way.

        They arrive; what the sender adds to them is lost. ``eof`` is that of `Link.cut`.
        """
        self._cut_after, self._cut_eof = count, eof
        if self.sent >= count:
            self._cut(eof)

    # What the ends do ...

    async def _send(self, data: bytes | bytearray | memoryview) -> None:
        with self._sending, memoryview(data) as rest:
            await checkpoint()
            position = 0
            while True:
                if self._sender_closed:
                    raise trio.ClosedResourceError("this end was closed")
                if self._broken or self._receiver_closed:
                    raise trio.BrokenResourceError("the other end is gone")
                if position == len(rest):
                    return
                room = min(self._capacity - len(self._middle), self._cut_after - self.sent)
                if room > 0:
                    stop = int(min(position + room, len(rest)))
                    self._put(rest[position:stop])
                    position = stop
                else:
                    await self._changed.park()

    def _put(self, part: memoryview) -> None:
        self._middle += part
        self.sent += len(part)
        if self._recording:
            self.record += part
        if self.sent >= self._cut_after:
            self._cut(self._cut_eof)
        self._changed.unpark_all()

    async def _wait_room(self) -> None:
        with self._sending:
            await checkpoint()
            while len(self._middle) >= self._capacity and not self._over:
                await self._changed.park()
            if self._sender_closed:
                raise trio.ClosedResourceError("this end was closed")

    @property
    def _over(self) -> bool:
        return self._sender_closed or self._receiver_closed or self._broken

    async def _receive(self, max_bytes: int | None) -> bytes:
        if max_bytes is not None and index(max_bytes) < 1:
            raise ValueError(f"expected at least 1 byte to receive, got {max_bytes}")
        with self._receiving:
            await checkpoint()
            while True:
                if self._receiver_closed:
                    raise trio.ClosedResourceError("this end was closed")
                ready = int(min(len(self._middle), self._passes))
                if ready:
                    return self._take(min(ready, max_bytes or ready))
                if self._broken and not self._cut_eof:
                    raise trio.BrokenResourceError("the link was cut")
                if self._broken or (self._sender_closed and not self._middle):
                    return b""
                await self._changed.park()

    def _take(self, size: int) -> bytes:
        if self._chunk is not None:
            size = min(size, self._chunk())
        data = bytes(self._middle[:size])
        del self._middle[:size]
        self._passes -= size
        self.delivered += size
        self._changed.unpark_all()
        return data

    # ... and what becomes of them.

    def _close_sender(self) -> None:
        self._sender_closed = True
        self._changed.unpark_all()

    def _close_receiver(self) -> None:
        self._receiver_closed = True
        self._middle.clear()
        self._changed.unpark_all()

    def _break(self, *, eof: bool) -> None:
        if not self._broken:
            self._broken, self._cut_eof = True, eof
            if self._passes < len(self._middle):
                del self._middle[int(self._passes) :]  # what was held back is lost
            self._changed.unpark_all()


class Link:
    """Two trio streams that lead to each other.

    Args:
        capacity: How many bytes may be under way in each direction before a send waits; None for
            no limit. With 1 the two ends go in step.
        chunk: Called for each receive: how many bytes it gives at most.
        record: Keep all bytes in `Direction.record`.

    Attributes:
        client: One end, for `avrpc.connect_stream`.
        server: The other, for `avrpc.Server.serve_stream`.
        to_server: What goes from ``client`` to ``server``.
        to_client: What goes the other way.
    """

    def __init__(
        self,
        *,
        capacity: int | None = None,
        chunk: Callable[[], int] | None = None,
        record: bool = False,
    ) -> None:
        limit = inf if capacity is None else capacity
        self.to_server = Direction(self._cut, limit, chunk, record=record)
        self.to_client = Direction(self._cut, limit, chunk, record=record)
        self.client: trio.abc.HalfCloseableStream = _End(self.to_server, self.to_client)
        self.server: trio.abc.HalfCloseableStream = _End(self.to_client, self.to_server)

    def cut(self, *, eof: bool = False) -> None:
        """Break the connection, for both ends.

        What is under way and not held back arrives. After it, receiving fails as it does when a
        connection is reset.

        Args:
            eof: Receiving ends instead, as it does when the other process ends.
        """
        self._cut(eof)

    def _cut(self, eof: bool) -> None:
        for direction in (self.to_server, self.to_client):
            direction._break(eof=eof)  # noqa: SLF001  # the two are one


class _End(trio.abc.HalfCloseableStream):
    """One end of a link."""

    def __init__(self, out: Direction, into: Direction) -> None:
        self._out = out
        self._into = into

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._out._send(data)  # noqa: SLF001

    async def wait_send_all_might_not_block(self) -> None:
        await self._out._wait_room()  # noqa: SLF001

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return await self._into._receive(max_bytes)  # noqa: SLF001

    async def send_eof(self) -> None:
        with self._out._sending:  # noqa: SLF001
            await checkpoint()
            if self._into._receiver_closed:  # noqa: SLF001
                raise trio.ClosedResourceError("this end was closed")
            self._out._close_sender()  # noqa: SLF001

    async def aclose(self) -> None:
        self._out._close_sender()  # noqa: SLF001
        self._into._close_receiver()  # noqa: SLF001
        await checkpoint()


class _Use:
    """That one task at a time does something with one direction."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._busy = False

    def __enter__(self) -> None:
        if self._busy:
            raise trio.BusyResourceError(f"another task is already {self._what}")
        self._busy = True

    def __exit__(self, *_: object) -> None:
        self._busy = False
