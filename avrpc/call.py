"""The two ends of a streamed array, as trio channels: `ItemReceiver` and `ItemSender`.

Used alike by the client's calls and by the server's. What differs is told to them from outside:
`finish` says that the call has ended and how the next receive or send shall fail.

Both are fast where nothing has to be waited for: a receive takes an item from a frame that was
decoded as one array, a send appends to the ITEMS frame that is open. Such a step only looks whether
it is cancelled (0.2 µs); a full checkpoint (4 µs) comes at every frame boundary, at least every
`ITEMS_PER_CHECKPOINT` items, and before anything is raised.
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import Any

import trio
from trio.lowlevel import (
    Abort,
    RaiseCancelT,
    Task,
    checkpoint,
    checkpoint_if_cancelled,
    current_task,
    reschedule,
    wait_task_rescheduled,
)

from avrpc.errors import InvalidValue, LimitExceeded, fresh
from avrpc.schema import ItemsCodec
from avrpc.session import Session
from avrpc.writer import HIGH_WATER

ITEMS_PER_CHECKPOINT = 64

# When many frames wait, small ones are joined: else a window of frames of one byte each, which a
# peer may send, would take 80 times its size.
_MANY = 64
_SMALL = 2048


class _Waiter:
    """One task that waits for something to happen to its end of a call."""

    __slots__ = ("_task",)

    def __init__(self) -> None:
        self._task: Task | None = None

    def wake(self) -> None:
        task = self._task
        if task is not None:
            self._task = None
            reschedule(task)

    async def wait(self, what: str) -> None:
        if self._task is not None:
            raise trio.BusyResourceError(f"another task is already {what}")
        self._task = current_task()
        await wait_task_rescheduled(self._abort)

    def _abort(self, _: RaiseCancelT) -> Abort:
        self._task = None
        return Abort.SUCCEEDED


class ItemReceiver(trio.abc.ReceiveChannel[Any]):
    """The items that come on one call.

    Args:
        session: The call's connection.
        call_id: The call.
        codec: Of the items.
        deadline: On trio's clock: from then on no receive waits. `late` says what it raises.
        late: The error for that.
    """

    def __init__(
        self,
        session: Session,
        call_id: int,
        codec: ItemsCodec,
        deadline: float = inf,
        late: type[Exception] = trio.BrokenResourceError,
    ) -> None:
        self.deadline = deadline
        self._session = session
        self.call_id = call_id
        self._codec = codec
        self._late = late
        self._half_window = session.connection.limits.window_bytes // 2
        self._frames: deque[tuple[bytes, int]] = deque()
        self._items: list[Any] = []  # of the frame begun, the next one last
        self._size = 0  # of that frame, in bytes
        self._owed = 0  # bytes taken, for which no credit has been given back
        self._since = 0  # items since the last checkpoint
        self._end: Exception | None = None
        self._closed = False
        self._waiter = _Waiter()

    # From the session ...

    def feed(self, data: bytes, count: int) -> None:
        """Items came."""
        if self._closed:
            return
        frames = self._frames
        if len(frames) > _MANY and len(data) < _SMALL > len(frames[-1][0]):
            last, before = frames[-1]
            frames[-1] = (last + data, before + count)
        else:
            frames.append((data, count))
        self._waiter.wake()

    def feed_whole(self, values: list[Any]) -> None:
        """All items came at once, decoded: the peer's version does not stream them."""
        if not self._closed:
            self._items = values[::-1]
            self._waiter.wake()

    def finish(self, end: Exception) -> None:
        """No more items: after those that are here, ``end`` is raised. The first one counts."""
        if self._end is None:
            self._end = end
            self._waiter.wake()

    def break_off(self, error: Exception) -> None:
        """Raise ``error`` from the next receive on; items that are here are dropped."""
        self._discard()
        self._end = error
        self._waiter.wake()

    def close(self) -> None:
        """From here on every receive raises ClosedResourceError."""
        self._closed = True
        self._discard()
        self._waiter.wake()

    def _discard(self) -> None:
        self._frames.clear()
        self._items = []

    # ... and for the user.

    @property
    def ended(self) -> bool:
        """Whether everything that came was taken, and no more will come."""
        return self._end is not None and not self._items and not self._frames

    def is_its_own(self, error: BaseException) -> bool:
        """Whether an error is what `receive` raised for items that do not fit the schema."""
        end = self._end  # of which `receive` raises copies
        return isinstance(end, InvalidValue) and type(error) is type(end) and error.args == end.args

    async def receive(self) -> Any:
        """The next item, in the order in which they were sent.

        Cancelling a receive takes no item.

        Raises:
            trio.EndOfChannel: The peer has ended the items, and the call is well.
            trio.BusyResourceError: Another task is receiving.
            trio.ClosedResourceError: This side was closed.
            InvalidValue: What came does not fit the schema; the call is over.
            AvrpcError: What ended the call, after the items that came before it.
        """
        items = self._items
        if items and self._since < ITEMS_PER_CHECKPOINT:
            await checkpoint_if_cancelled()
            self._since += 1
            item = items.pop()
            if not items:
                self._taken()
            return item
        return await self._next()

    async def __anext__(self) -> Any:
        items = self._items  # as in `receive`; a call less for each item of an `async for`
        if items and self._since < ITEMS_PER_CHECKPOINT:
            await checkpoint_if_cancelled()
            self._since += 1
            item = items.pop()
            if not items:
                self._taken()
            return item
        try:
            return await self._next()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        """Take no more items. Does not end the call."""
        self.close()
        await checkpoint()

    async def _next(self) -> Any:
        """The next item after a full checkpoint, which may be the waiting itself."""
        if self._items or self._frames or self._end is not None or self._closed:
            await checkpoint()
        self._since = 1
        while not self._items:
            if self._closed:
                raise trio.ClosedResourceError("this side of the call was closed")
            if self._frames:
                self._decode(*self._frames.popleft())
            elif self._end is not None:
                raise fresh(self._end)
            else:
                await self._wait()
        item = self._items.pop()
        if not self._items:
            self._taken()
        return item

    async def _wait(self) -> None:
        if self.deadline == inf:
            await self._waiter.wait("receiving")
            return
        with trio.CancelScope(deadline=self.deadline) as scope:
            await self._waiter.wait("receiving")
        if scope.cancelled_caught:
            raise self._late("the call's time is up")

    def _decode(self, data: bytes, count: int) -> None:
        try:
            size, some = self._codec.portion(data, count)
            if some < count:
                self._frames.appendleft((data[size:], count - some))
                data = data[:size]
            items = self._codec.decode(data, some)
        except InvalidValue as error:
            error.maybe_executed = True
            self._frames.clear()
            self._end = error
            self._session.reject(self.call_id, error)
            return
        items.reverse()
        self._items = items
        self._size = len(data)

    def _taken(self) -> None:
        """A frame was used up: its bytes are the peer's to send again."""
        self._owed += self._size
        if self._owed >= self._half_window and self._end is None:
            self._session.outgoing.credit(self.call_id, self._owed)
            self._session.wake()
            self._owed = 0


class ItemSender(trio.abc.SendChannel[Any]):
    """The items that go out on one call. Arguments as for `ItemReceiver`."""

    def __init__(
        self,
        session: Session,
        call_id: int,
        codec: ItemsCodec,
        deadline: float = inf,
        late: type[Exception] = trio.BrokenResourceError,
    ) -> None:
        self.deadline = deadline
        self._session = session
        self._outgoing = session.outgoing
        self._call_id = call_id
        self._encode = codec.encode
        self._max_bytes = session.connection.peer_limits.max_message_bytes
        self._late = late
        self._since = 0  # items since the last checkpoint, and as many more as they have KiB
        self._error: Exception | None = None
        self._waiter = _Waiter()
        self.refused: LimitExceeded | None = None
        """What was wrong with the last item that was too large, if one was."""

    # From the session ...

    def credit_came(self) -> None:
        """The peer granted credit."""
        self._waiter.wake()

    def finish(self, error: Exception) -> None:
        """From here on every send raises ``error``. The first one counts."""
        if self._error is None:
            self._error = error
            self._waiter.wake()
            # A send may be waiting for what all calls share.
            self._session.room.unpark_all()
            self._session.freed.unpark_all()

    def close(self) -> None:
        """From here on every send raises ClosedResourceError."""
        self._error = None
        self.finish(trio.ClosedResourceError("this side of the call was closed"))

    @property
    def finished(self) -> bool:
        """Whether a send can only fail."""
        return self._error is not None

    # ... and for the user.

    async def send(self, value: Any) -> None:
        """Send one item.

        Waits while the peer grants no credit, and while too much is unsent. Cancelling that wait
        sends nothing and leaves the call usable.

        Raises:
            InvalidValue: It does not fit the schema; nothing was sent, the call goes on.
            LimitExceeded: The peer takes no item as large; nothing was sent, the call goes on.
            trio.BusyResourceError: Another task is sending.
            trio.ClosedResourceError: This side has ended its items.
            trio.BrokenResourceError: The call has ended, or its connection is lost.
            AvrpcError: What ended the call.
        """
        item = self._encode(value)
        if len(item) > self._max_bytes:
            self.refused = LimitExceeded(
                f"an item of {len(item)} bytes; the peer takes {self._max_bytes}"
                " (its Limits.max_message_bytes)"
            )
            raise self.refused
        if self._since < ITEMS_PER_CHECKPOINT and len(self._outgoing.data) <= HIGH_WATER:
            await checkpoint_if_cancelled()
            if self._error is None and self._outgoing.try_item(self._call_id, item):
                self._since += 1 + (len(item) >> 10)
                self._session.wake()
                return
        await self._send_when_possible(item)

    async def aclose(self) -> None:
        """Send no more items. Does not end the call."""
        self.close()
        await checkpoint()

    async def wait_left(self) -> None:
        """Wait until the last item, if it is large, has left; or the call has ended."""
        session = self._session
        if session.connection.is_open(self._call_id) and session.outgoing.busy(self._call_id):
            await self._session.wait_place(self._call_id, 0)

    async def _send_when_possible(self, item: bytes | bytearray) -> None:
        await checkpoint()
        if self.deadline == inf:
            await self._wait_and_send(item)
        else:
            with trio.CancelScope(deadline=self.deadline) as scope:
                await self._wait_and_send(item)
            if scope.cancelled_caught:
                raise self._late("the call's time is up")
        self._since = 1 + (len(item) >> 10)
        self._session.wake()

    async def _wait_and_send(self, item: bytes | bytearray) -> None:
        outgoing, session = self._outgoing, self._session
        while True:
            if self._error is not None:
                raise fresh(self._error)
            if len(outgoing.data) > HIGH_WATER:
                session.wake()
                await session.room.park()
            elif outgoing.try_item(self._call_id, item):
                return
            elif outgoing.may_start_item(self._call_id):
                await session.freed.park()  # a place, or the item before this one
            else:
                await self._waiter.wait("sending")
