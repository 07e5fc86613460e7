"""The sending half of a connection: one task that sends, and the two ways to set it going.

Sending is never waited for by a task that a user could cancel, since a send cancelled midway leaves
half a frame behind: a task puts its frame into the outgoing buffer and goes on, and the writer, a
task of our own, sends the buffer. Two things make that fast (both measured, CPU per call):

- The writer runs when the tasks that are runnable now have had their turn, so that the frames of
  many tasks leave in one system call (64 calls in flight: 1.6 instead of 2.7 s per 100k).
- Where a call is alone on its connection there is nothing to gather, and `kick` tries one
  non-blocking send on the spot, which spares a task switch (one at a time: 107 instead of 153 µs).

While the reader tells what came the writer is `corked`: what handlers answer there leaves in one
send when all is told, or after a burst of it.
"""

from __future__ import annotations

import sys
from collections.abc import Sized
from typing import Protocol

import trio
from trio.lowlevel import (
    Abort,
    ParkingLot,
    RaiseCancelT,
    Task,
    checkpoint,
    current_task,
    reschedule,
    wait_task_rescheduled,
)

from avrpc.log import logger
from avrpc.transport import Transport
from avrpc.wire import Connection, Role

# Above HIGH bytes unsent, tasks wait before they add more (and a server reads no more calls);
# below LOW they go on. HIGH is a window: what one stream may have under way anyway.
HIGH_WATER = 256 * 1024
LOW_WATER = 64 * 1024

# A server has its answers sent after so many: the client goes on while the server works off the
# rest. 64 in flight: 71k calls a second, 60k with 8, 65k with 32, 51k when all leave together.
_BURST = 16


class Owner(Protocol):
    """Who is told what happens to the sending. None of these may wait or raise."""

    def sending_blocked(self, since: float | None) -> None:
        """The peer takes nothing since then; or, None, it takes something again."""

    def large_value_left(self) -> None:
        """The last piece of a large value has left the queue, or the value was dropped."""

    def sending_failed(self, error: Exception) -> None:
        """Nothing can be sent any more."""


class Writer:
    """Sends what a connection has queued.

    Args:
        transport: Where to.
        connection: Whose.
        calls: The open calls: where they are few, what is queued is sent on the spot.
        owner: Told what happens.

    Attributes:
        room: Waits while more than `HIGH_WATER` is unsent.
        mute: Whether nothing can be sent any more.
        corked: More is going to be queued at once, so that nothing is sent until `uncork`.
    """

    def __init__(
        self, transport: Transport, connection: Connection, calls: Sized, owner: Owner
    ) -> None:
        self.room = ParkingLot()
        self.mute = False
        self.corked = False
        self._asked = False  # to send something, while it was corked
        self._closing = False  # `run` is to end when all has been sent
        self._transport = transport
        self._connection = connection
        self._outgoing = connection.outgoing
        self._calls = calls
        self._owner = owner
        self._flushed: ParkingLot | None = None  # waits until nothing is left to send
        self._task: Task | None = None  # while it has nothing to do
        self._blocked = False  # it waits for the transport to take more
        self._gathered = 0  # calls to `kick` since the last send
        self._burst = _BURST if connection.role is Role.SERVER else sys.maxsize

    async def run(self) -> None:
        """Send, until that fails, or is closed and all has been sent."""
        transport, outgoing = self._transport, self._outgoing
        try:
            while True:
                data = self._connection.data_to_send()
                if outgoing.freed:
                    outgoing.freed = False
                    self._owner.large_value_left()
                if not data:
                    self._all_left()
                    if self.room:
                        self.room.unpark_all()
                    if self._closing:
                        return
                    self._task = current_task()
                    await wait_task_rescheduled(self._stop)
                    continue
                try:
                    self._gathered = 0
                    transport.send_now(data)
                    if data:
                        self._block(trio.current_time())
                        await transport.wait_send(data)
                        self._block(None)
                    elif outgoing.leaving:
                        await checkpoint()  # megabytes to come: let others have a turn
                except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                    self._fail(error)
                    return
                except Exception:
                    logger.exception("%s: internal error", transport.peer)
                    self._fail(RuntimeError("sending failed in this process"))
                    return
                if self.room and len(data) < LOW_WATER:
                    self.room.unpark_all()
        finally:
            self.mute = True
            self._all_left()

    def _all_left(self) -> None:
        if self._flushed is not None:
            self._flushed.unpark_all()

    def _stop(self, _: RaiseCancelT) -> Abort:
        self._task = None
        return Abort.SUCCEEDED

    def _block(self, since: float | None) -> None:
        self._blocked = since is not None
        self._owner.sending_blocked(since)

    def _fail(self, error: Exception) -> None:
        self.mute = True
        self._outgoing.data.clear()
        self._all_left()
        self._owner.sending_failed(error)

    # What others ask of it ...

    def kick(self) -> None:
        """Have what is queued sent: on the spot if this call is alone, else with some others'."""
        if self._blocked or self.mute:
            return  # the task looks again before it stops, or has ended
        self._gathered += 1
        if self._gathered >= self._burst or (not self.corked and len(self._calls) <= 1):
            self._send()
        else:
            self.wake()

    def _send(self) -> None:
        """Send on the spot."""
        self._gathered = 0
        data = self._connection.data_to_send()
        try:
            self._transport.send_now(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self._fail(error)
            return
        outgoing = self._outgoing
        if data or outgoing.leaving or outgoing.freed or self.room or self._closing:
            self.wake()  # the rest, or whom to tell that there is none, is the task's affair

    def wake(self) -> None:
        """Have what is queued sent when the tasks runnable now have had their turn."""
        if self.corked:
            self._asked = True
        elif self._task is not None:
            task, self._task = self._task, None
            reschedule(task)

    def uncork(self) -> None:
        """Send what was queued while it was `corked`."""
        self.corked = False
        if self._asked or self._outgoing.data or self._outgoing.freed:
            self._asked = False
            if not (self._blocked or self.mute):
                self._send()

    def close(self) -> None:
        """Have `run` end when all that is queued has been sent."""
        self._closing = True
        self.wake()

    async def flush(self) -> None:
        """Wait until all that is queued has been given to the transport."""
        while not self.mute and (self._task is None or self._connection.data_to_send()):
            self.wake()
            if self._flushed is None:
                self._flushed = ParkingLot()
            await self._flushed.park()
