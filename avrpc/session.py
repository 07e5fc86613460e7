"""One connection on trio: the table of its calls, what they wait for, and how it ends.

`reader` takes bytes and has `wire` make events of them, each of which is told to its call here.
What calls and events have to say to the peer they put into the connection's queue, which `writer`
sends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, ClassVar, Protocol
from weakref import proxy

import trio
from trio.lowlevel import ParkingLot

from avrpc.errors import (
    AvrpcError,
    ConnectionClosed,
    ConnectionLost,
    LimitExceeded,
    Unavailable,
    fresh,
    lost,
)
from avrpc.limits import Limits
from avrpc.log import logger
from avrpc.reader import Reader, Stop
from avrpc.shown import shown
from avrpc.transport import Transport
from avrpc.wire import (
    CallReceived,
    CancelReceived,
    Connection,
    CreditReceived,
    EndReceived,
    ErrorReceived,
    GoawayCode,
    GoawayReceived,
    ItemsReceived,
    PeerViolated,
    PongReceived,
    ResultReceived,
    Role,
    StatusCode,
    StatusReceived,
    ValueTooLarge,
)
from avrpc.writer import HIGH_WATER, Writer

# How long a GOAWAY that says why may take to leave, in seconds.
_LAST_WORDS = 1.0

Outcome = ResultReceived | ErrorReceived | StatusReceived


class CallEntry(Protocol):
    """What the reader tells a call. None of these may wait or raise."""

    def on_items(self, data: bytes, count: int) -> None: ...
    def on_end(self) -> None: ...
    def on_credit(self) -> None: ...
    def on_cancel(self) -> None: ...
    def on_outcome(self, outcome: Outcome) -> None: ...
    def on_failure(self, error: AvrpcError) -> None:
        """The call is over for this end, without an outcome from the peer."""


class Session:
    """One connection that has shaken hands.

    Args:
        transport: Its bytes. Closed when the session ends.
        connection: Its rules, in the native phase.
        limits: Of this end.
        accept: Takes the calls that come, at a server. Must not wait or raise.

    Attributes:
        calls: Those that this end has not finished with, by id.
        ended: Why the connection takes no more calls; None while it does.
        over: It has ended, and no call goes on.
        reader: What reads it.
        room, kick, wake: The writer's; see there.
    """

    def __init__(
        self,
        transport: Transport,
        connection: Connection,
        limits: Limits,
        accept: Callable[[CallReceived], Stop | None] | None = None,
    ) -> None:
        self.transport = transport
        self.connection = connection
        self.outgoing = connection.outgoing
        self.calls: dict[int, CallEntry] = {}
        self.ended: AvrpcError | None = None
        # Wait for a slot; [1]: for a streamed call. A server opens none.
        is_client = connection.role is Role.CLIENT
        self._slots = (ParkingLot(), ParkingLot()) if is_client else ()
        self._parked = 0  # how many wait in these or in `idle`; a look at a lot costs 0.1 µs
        self._accept = accept
        self._writer = Writer(transport, connection, self.calls, proxy(self))
        self.room = self._writer.room
        self.kick, self.wake = self._writer.kick, self._writer.wake
        self.reader = Reader(transport, connection, limits, self._writer, self)
        self.over = False
        self._scope: trio.CancelScope | None = None  # around `send`
        self._failure: AvrpcError | None = None  # why sending stopped

    # Most connections never need these: 240 bytes each.

    @cached_property
    def freed(self) -> ParkingLot:
        """Waits for a large value to have left."""
        return ParkingLot()

    @cached_property
    def idle(self) -> ParkingLot:
        """Waits until no call is open."""
        return ParkingLot()

    # The two tasks ...

    async def run(self, events: list[Any]) -> None:
        """Receive and send until the connection has ended. Raises nothing but Cancelled.

        Args:
            events: What came together with the end of the handshake.
        """
        async with trio.open_nursery() as nursery:
            self.reader.start(events)
            nursery.start_soon(self.reader.run)
            await self.send(nursery.cancel_scope)
            nursery.cancel_scope.cancel()
        self.forget()

    async def send(self, scope: trio.CancelScope) -> None:
        """Send until the connection has ended, and close it. Raises nothing but Cancelled.

        Others read meanwhile, by `reader`.

        Args:
            scope: Around this; it ends when the last words have had their time. One of our own for
                each idle connection would be 0.7 KiB.
        """
        self._scope = scope
        if self.over:
            scope.deadline = trio.current_time() + _LAST_WORDS
        try:
            await self._writer.run()
            while not self.over:
                await self._park(self.idle)
        finally:
            self.gone()
            await self.transport.aclose()  # at once: the peer may be waiting for our end

    async def flush(self) -> None:
        """Wait until all that is queued has been sent."""
        await self._writer.flush()

    def forget(self) -> None:
        """Nobody reads or sends any more: leave no cycle for the garbage collector to find."""
        del self.reader

    # ... what the second tells ...

    def sending_blocked(self, since: float | None) -> None:
        self.reader.sending_blocked(since)

    def large_value_left(self) -> None:
        self.freed.unpark_all()
        if self.connection.role is Role.SERVER:
            self._check_idle()

    def sending_failed(self, error: Exception) -> None:
        # What the peer said before may still be on its way, so the reader goes on for a moment.
        self._failure = self._broken(error)
        self._take_no_more(self._failure)
        self.reader.stop_within(_LAST_WORDS)

    # ... what the first does ...

    def tell(self, events: Iterator[Any]) -> Stop | None:
        handlers = self._HANDLERS
        for event in events:
            stop = handlers[type(event)](self, event)
            if stop is not None:
                return stop
        return None

    def broke(self, error: Exception) -> None:
        self.end(self._failure or self._broken(error))

    def gone(self) -> None:
        self.end(self._failure or lost(f"the connection to {self.transport.peer} was closed"))

    def _broken(self, error: Exception) -> ConnectionLost:
        return lost(f"the connection to {self.transport.peer} broke: {error}")

    # ... and what callers wait for.

    async def wait_room(self) -> None:
        """Wait until the unsent bytes are few enough to add to them."""
        while len(self.outgoing.data) > HIGH_WATER and self.ended is None:
            self.wake()
            await self.room.park()

    def has_slot(self, size: int) -> bool:
        """Whether a unary call with parameters of ``size`` bytes can be opened without waiting."""
        outgoing = self.outgoing
        return (
            not self._parked
            and self.ended is None
            and not outgoing.is_large(size)
            and len(outgoing.data) <= HIGH_WATER
            and self.connection.has_slot(streamed=False)
        )

    async def wait_slot(self, *, streamed: bool, size: int) -> None:
        """Wait until a call with parameters of ``size`` bytes can be opened.

        Raises:
            AvrpcError: The connection takes no more calls; see `ended`.
        """
        outgoing, slots = self.outgoing, self._slots[streamed]
        called = False  # out of the line for a slot: there is one
        while self.ended is None:
            if (slots and not called) or not self.connection.has_slot(streamed=streamed):
                await self._park(slots)
                called = True
            elif len(outgoing.data) <= HIGH_WATER and not (
                outgoing.is_large(size) and outgoing.places <= 0
            ):
                return
            else:
                if called:
                    called = False
                    slots.unpark()  # meanwhile the slot is free for the next one
                if len(outgoing.data) > HIGH_WATER:
                    await self.wait_room()
                else:
                    await self.freed.park()
        raise _mine(self.ended)

    async def wait_place(self, call_id: int, size: int) -> None:
        """Wait until an outcome of ``size`` bytes can be sent on a call.

        Returns also when the call or the connection has ended meanwhile. A connection that only
        takes no more calls has not: those that are open go on.
        """
        outgoing, connection = self.outgoing, self.connection
        await self.wait_room()
        while connection.is_open(call_id) and not self.over:
            if not outgoing.busy(call_id) and not (
                outgoing.is_large(size) and outgoing.places <= 0
            ):
                return
            await self.freed.park()

    async def wait_idle(self) -> None:
        """Wait until no call is open at this end, or the connection has ended."""
        while self.busy and not self.over:
            await self._park(self.idle)

    async def _park(self, lot: ParkingLot) -> None:
        """Wait for a slot, or for no call to be open."""
        self._parked += 1
        try:
            await lot.park()
        finally:
            self._parked -= 1

    @property
    def busy(self) -> bool:
        # A client has done with a call that it cancelled; a server has one until it has answered.
        if self.connection.role is Role.CLIENT:
            return bool(self.calls)
        return self.connection.open_calls > 0

    # Events ...

    def _call(self, event: CallReceived) -> Stop | None:
        assert self._accept is not None  # the wire lets no calls in at a client
        return None if self.over else self._accept(event)

    def _items(self, event: ItemsReceived) -> None:
        entry = self.calls.get(event.call_id)
        if entry is not None:
            entry.on_items(event.data, event.item_count)

    def _outcome(self, event: Outcome) -> None:
        entry = self.calls.pop(event.call_id, None)
        if entry is not None:
            entry.on_outcome(event)
        self.slot_freed()

    def slot_freed(self) -> None:
        """A call has ended, or one that had waited for a slot is not made: call the next."""
        if self._parked:
            for streamed, lot in enumerate(self._slots):
                if lot and self.connection.has_slot(streamed=bool(streamed)):
                    lot.unpark()
            self._check_idle()

    def _check_idle(self) -> None:
        if self._parked and self.idle and not self.busy:
            self.idle.unpark_all()

    def _credit(self, event: CreditReceived) -> None:
        entry = self.calls.get(event.call_id)
        if entry is not None:
            entry.on_credit()

    def _end(self, event: EndReceived) -> None:
        entry = self.calls.get(event.call_id)
        if entry is not None:
            entry.on_end()

    def _cancel(self, event: CancelReceived) -> None:
        entry = self.calls.get(event.call_id)
        if entry is not None:
            entry.on_cancel()
        elif self.connection.is_open(event.call_id):
            # Its answer is large, and still leaving; or its parameters had not all come.
            started = self.outgoing.busy(event.call_id)
            self.outgoing.status(event.call_id, StatusCode.CANCELLED, "cancelled", started=started)
            self._check_idle()

    def _too_large(self, event: ValueTooLarge) -> None:
        if event.shared:
            limit = f"{event.limit} bytes of half values (Limits.max_assembly_bytes)"
            text = f"a value when there was no room: no more than {limit} are held at once"
        else:
            text = f"a value of more than {event.limit} bytes (Limits.max_message_bytes)"
        self.give_up(event.call_id, text)

    def give_up(self, call_id: int, text: str) -> None:
        """End a call because of a value that arrives, or does not."""
        entry = self.calls.pop(call_id, None)
        # What ends the call may have come right behind.
        is_open = self.connection.is_open(call_id)
        if self.connection.role is Role.SERVER and is_open:
            started = entry is not None or self.outgoing.busy(call_id)
            self.outgoing.status(call_id, StatusCode.RESOURCE_EXHAUSTED, text, started=started)
        elif entry is not None and is_open:
            self.outgoing.cancel(call_id)
        if entry is not None:
            entry.on_failure(LimitExceeded(f"the peer sent {text}", maybe_executed=True))
        self._check_idle()

    def _goaway(self, event: GoawayReceived) -> None:
        peer = self.transport.peer
        refused = Unavailable(f"{peer} takes no more calls: {shown(event.text)}")
        for call_id in event.unaccepted:
            entry = self.calls.pop(call_id, None)
            if entry is not None:
                entry.on_failure(_mine(refused))
        if event.code not in (GoawayCode.NO_ERROR, GoawayCode.SHUTDOWN):
            logger.warning("%s: ended the connection: %d %s", peer, event.code, event.text)
            text = shown(event.text)
            self.end(lost(f"{peer} ended the connection: {text} (code {event.code})"))
        elif self.connection.role is Role.CLIENT:
            self._take_no_more(refused)
        self._check_idle()

    def _violated(self, event: PeerViolated) -> None:
        logger.warning("%s: protocol violation: %s", self.transport.peer, event.text)
        self.end(lost(f"{self.transport.peer} broke the protocol: {shown(event.text)}"))

    def _nothing(self, event: PongReceived) -> None:
        """That it came was all that it had to say."""

    # One table for all sessions: bound methods, in one of its own, would cost each 1.4 KiB.
    _HANDLERS: ClassVar[dict[type, Callable[[Session, Any], Stop | None]]] = {
        CallReceived: _call,
        ItemsReceived: _items,
        ResultReceived: _outcome,
        ErrorReceived: _outcome,
        StatusReceived: _outcome,
        CreditReceived: _credit,
        EndReceived: _end,
        CancelReceived: _cancel,
        ValueTooLarge: _too_large,
        GoawayReceived: _goaway,
        PongReceived: _nothing,
        PeerViolated: _violated,
    }

    # ... what this end does to a call ...

    def add(self, call_id: int, entry: CallEntry) -> None:
        """From here on ``entry`` is told what comes on the call."""
        self.calls[call_id] = entry

    def abandon(self, call_id: int) -> None:
        """A client has no more use for a call: cancel it, and hear no more of it.

        It counts against the peer's limit until the peer has answered.
        """
        if self.calls.pop(call_id, None) is not None and not self.over:
            self.outgoing.cancel(call_id)
            self.wake()
            self._check_idle()

    def reject(self, call_id: int, error: AvrpcError) -> None:
        """A value that came is not valid.

        A client gives the call up; at a server the handler, which gets the error, ends it.
        """
        entry = self.calls.get(call_id)
        if entry is not None and self.connection.role is Role.CLIENT:
            self.abandon(call_id)
            entry.on_failure(error)

    # ... and the end.

    def finished(self, call_id: int) -> None:
        """This end has answered a call, or has no more use for it."""
        self.calls.pop(call_id, None)
        self._check_idle()

    def close(self) -> None:
        """Take no more calls; those that are open end with `ConnectionClosed`."""
        self.end(ConnectionClosed("the client was closed"))

    def end(self, error: AvrpcError) -> None:
        """The connection is over: every call on it ends. Only the first reason counts."""
        if self.over:
            return
        self.over = True
        self.ended = error
        self.connection.close()  # gives back what half values took of the server's room
        self._take_no_more(error)
        calls = list(self.calls.values())
        self.calls.clear()
        for entry in calls:
            entry.on_failure(_mine(error, maybe_executed=True))
        for lot in (self.room, self.freed, self.idle):
            lot.unpark_all()
        self.reader.stop()
        if self._scope is not None:
            self._scope.deadline = trio.current_time() + _LAST_WORDS
        self._writer.close()

    def _take_no_more(self, error: AvrpcError) -> None:
        if self.ended is None:
            self.ended = error
        for lot in self._slots:
            lot.unpark_all()


def _mine(error: AvrpcError, *, maybe_executed: bool = False) -> AvrpcError:
    """An error that many calls end with, for one of them."""
    mine = fresh(error)
    mine.maybe_executed = maybe_executed
    return mine
