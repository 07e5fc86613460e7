"""The receiving half of a connection: takes bytes, has `wire` make events of them and tells those.

Telling an event may begin a handler in the task that reads (see `workers`). Where the handler then
waits, that task is its task from there on, and another one goes on reading, with the next event.
So there is no cancel scope around a receive alone: it would enclose the handler. What has to be
done while nothing comes is done by the run's `lookout`.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from math import inf
from typing import Any, Protocol

import trio

from avrpc.errors import AvrpcError, lost
from avrpc.limits import Limits
from avrpc.log import logger
from avrpc.lookout import Lookout, watch
from avrpc.transport import Transport
from avrpc.watch import Ask, End, GiveUp, Watch
from avrpc.wire import Connection, GoawayCode, Role
from avrpc.writer import HIGH_WATER, Writer


class Stop(Enum):
    """Why no more events are told for now."""

    TURN = "enough for one turn"
    HAND_OVER = "this task has something else to go on with"


class Owner(Protocol):
    """Whose connection it is. None of these may wait or raise.

    Attributes:
        over: Nothing is to be read any more.
        busy: Whether a call is open.
    """

    over: bool

    @property
    def busy(self) -> bool: ...

    def tell(self, events: Iterator[Any]) -> Stop | None:
        """Tell calls what came, until that is done (None) or is not to go on now."""

    def give_up(self, call_id: int, text: str) -> None:
        """End a call because of a value that arrives, or does not."""

    def end(self, error: AvrpcError) -> None:
        """The connection is over; ends with `Reader.stop`."""

    def broke(self, error: Exception) -> None:
        """The connection is over, since the transport failed."""

    def gone(self) -> None:
        """The connection is over, since nothing more is to come."""

    async def wait_room(self) -> None:
        """Wait until the unsent bytes are few enough to add to them."""


class Reader:
    """Reads what a connection brings.

    Args:
        transport: Where from.
        connection: Its rules, in the native phase.
        limits: Of this end.
        writer: For what the events lead to.
        owner: Told what comes.

    Attributes:
        due: When to look at the connection next, if nothing happens until then.
    """

    def __init__(
        self,
        transport: Transport,
        connection: Connection,
        limits: Limits,
        writer: Writer,
        owner: Owner,
    ) -> None:
        self._transport = transport
        self._connection = connection
        self._limits = limits
        self._writer = writer
        self._owner = owner
        self._events: Iterator[Any] = iter(())  # not told yet
        self._scope: trio.CancelScope | None = None  # of the task that reads
        self._watch = Watch(limits, trio.current_time())
        self._until = inf
        self.due = self._watch.due
        self._lookout: Lookout | None = None

    def start(self, events: list[Any]) -> None:
        """To be called once, before `read`.

        Args:
            events: What came together with the end of the handshake.
        """
        self._events = iter(events)
        self._lookout = watch(self)

    async def run(self) -> None:
        """Read until the connection is over, in a task that does nothing else."""
        with trio.CancelScope() as scope:
            await self.read(scope)

    async def read(self, scope: trio.CancelScope) -> bool:
        """Read until the connection is over, or (True) until another task is to go on with it.

        Args:
            scope: Cancelled to end this.
        """
        self._scope = scope
        try:
            return await self._read()
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self._owner.broke(error)
        except Exception:
            peer = self._transport.peer
            logger.exception("%s: internal error", peer)
            self._owner.end(lost(f"the connection to {peer} failed in this process"))
        finally:
            self._scope = None
        return False

    async def _read(self) -> bool:
        connection, owner, watch = self._connection, self._owner, self._watch
        writer, outgoing = self._writer, self._connection.outgoing
        bounded = connection.role is Role.SERVER
        while True:
            writer.corked = True
            try:
                stop = owner.tell(self._events)
            finally:
                writer.uncork()
            if stop is Stop.HAND_OVER:
                return True
            if bounded and len(outgoing.data) > HIGH_WATER:
                # A peer that sends and does not read: take no more until it does. A client never
                # stops reading, so two of ours can't wait for each other here.
                await owner.wait_room()
            if stop is Stop.TURN:
                await trio.lowlevel.checkpoint()
                continue
            if owner.over:
                return False
            data = await self._transport.receive()
            if not data:
                self._eof()
                return False
            watch.heard_at = trio.current_time()
            watch.ping_at = None
            self._events = iter(connection.receive_data(data))
            if connection.pings:
                self._look_by(watch.due_with_pings)
                self._count_pings()
            if connection.has_half_values:
                self._look_by(watch.due_with_half_values)

    def _count_pings(self) -> None:
        limit = self._limits.max_pings
        if self._connection.pings > limit:
            text = f"more than {limit} PINGs in half a minute (Limits.max_pings)"
            self._watch_ends(End(GoawayCode.ENHANCE_YOUR_CALM, text))

    def _eof(self) -> None:
        peer = self._transport.peer
        if self._connection.held:
            self._owner.end(lost(f"the connection to {peer} ended in the middle of a frame"))
        else:
            self._owner.end(lost(f"{peer} closed the connection"))

    # What ends it ...

    def stop(self) -> None:
        """Read no more."""
        if self._lookout is not None:
            self._lookout.remove(self)
        if self._scope is not None:
            self._scope.cancel()

    def stop_within(self, seconds: float) -> None:
        """Read what still comes, and end the connection then."""
        self._until = trio.current_time() + seconds
        self._look_by(self._until)

    # ... and what is done when nothing comes.

    def sending_blocked(self, since: float | None) -> None:
        """The peer takes nothing since then; or, None, it takes something again."""
        self._watch.blocked_at = since
        self._look_by(self._watch.due)

    def _look_by(self, when: float) -> None:
        """Look no later than then."""
        if when < self.due:
            self.due = when
            if self._lookout is not None:
                self._lookout.hurry(when)

    def look(self) -> None:
        """Do what the time asks for."""
        connection, now = self._connection, trio.current_time()
        if now >= self._until:
            self._owner.gone()
            return
        connection.pings = 0
        for finding in self._watch.check(
            now,
            busy=self._owner.busy,
            last_call=connection.last_call,
            half_values=connection.half_values(),
        ):
            match finding:
                case Ask.PING:
                    connection.outgoing.ping(0)
                case GiveUp(call_id, text):
                    connection.drop_half_value(call_id)
                    self._owner.give_up(call_id, text)
                case End():
                    self._watch_ends(finding)
        self._writer.wake()
        self.due = min(self._watch.due, self._until)

    def _watch_ends(self, end: End) -> None:
        logger.warning("%s: %s", self._transport.peer, end.text)
        self._connection.goaway(end.code, end.text)
        self._owner.end(lost(f"{self._transport.peer}: {end.text}"))
