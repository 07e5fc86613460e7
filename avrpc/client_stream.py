"""A streamed call at the client, of three kinds.

It is an object for ``async with``; entering the block makes the call, leaving it ends it. What
leaving means depends on what streams (docs/streams.md):

- request only: leaving without an exception does what `RequestCall.result` does;
- response, or both ways: leaving before the response's end cancels, quietly;
- leaving with an exception, and ``aclose()``, cancel.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Coroutine, Mapping
from math import inf
from types import TracebackType
from typing import Any, Self

import trio
from trio.lowlevel import (
    Abort,
    RaiseCancelT,
    Task,
    checkpoint,
    current_task,
    reschedule,
    wait_task_rescheduled,
)

from avrpc.call import ItemReceiver, ItemSender
from avrpc.client_call import (
    ClientEntry,
    deadline_after,
    outcome_error,
    outcome_value,
    surplus_error,
    time_left,
)
from avrpc.collect import ItemCollector
from avrpc.errors import AvrpcError, DeadlineExceeded, InvalidValue, fresh
from avrpc.schema import ItemsCodec, Message
from avrpc.session import Outcome, Session
from avrpc.wire import ResultReceived

_NO_CALL = 0


class StreamCall(ClientEntry, ABC):
    """A call with a stream in it: what the three kinds share.

    Args:
        session: The connection to call on.
        message: What to call.
        parameters: Encoded.
        timeout: Seconds until the call's deadline, counted from entering the block; None for none.
        metadata: For the server.
    """

    def __init__(
        self,
        session: Session,
        message: Message,
        parameters: bytes | bytearray,
        timeout: float | None,
        metadata: Mapping[str, bytes] | None,
    ) -> None:
        self._session = session
        self._message = message
        self._parameters = parameters
        self._timeout = timeout
        self._metadata = metadata
        self._deadline = inf
        self._call_id = _NO_CALL
        self._outcome: Outcome | None = None
        self._failure: Exception | None = None
        self._entered = False
        self._closed = False  # by this end

    def __getattr__(self, name: str) -> Any:
        if name in ("_items", "_sender"):
            raise RuntimeError(f"{self._message.name}: a streamed call is made by 'async with'")
        raise AttributeError(name)

    async def _open(self) -> None:
        """Make the call, unless the server's version wants all its items with it."""
        if self._entered:
            raise RuntimeError(f"{self._message.name}: a streamed call is made once")
        await checkpoint()  # here, since a cancel after the call was sent would leave it open
        self._entered = True
        self._deadline = deadline_after(self._timeout)
        if self._message.kind.streams_request and not self._message.wire.streams_request:
            self._started()
            return
        with trio.CancelScope(deadline=self._deadline) as scope:
            await self._call(self._parameters)
        if scope.cancelled_caught:
            raise self._late_error(maybe_executed=False)

    async def _call(self, parameters: bytes | bytearray) -> None:
        """Wait for a slot, send the call, and be told of it from then on."""
        wire = self._message.wire
        streamed = wire.streams_request or wire.streams_response
        await self._session.wait_slot(streamed=streamed, size=len(parameters))
        if self._is_over:  # closed meanwhile by another task, which a call made late can be
            self._session.slot_freed()
            return
        self._call_id = self._session.outgoing.call(
            self._message.number,
            parameters,
            time_left=time_left(self._deadline),
            metadata=self._metadata,
        )
        self._parameters = b""
        self._started()
        self._session.add(self._call_id, self)
        self._session.kick()

    @abstractmethod
    def _started(self) -> None:
        """The call has its id; or it will have, once the collected items are sent."""

    @abstractmethod
    def _finish(self, error: Exception) -> None:
        """The call has ended: let whoever waits know, with what to raise."""

    @property
    def _is_over(self) -> bool:
        return self._outcome is not None or self._failure is not None

    def on_outcome(self, outcome: Outcome) -> None:
        self._outcome = outcome
        if isinstance(outcome, ResultReceived):
            self._result_came(outcome)
            self._finish(trio.EndOfChannel())
        else:
            self._finish(outcome_error(outcome, self._message))

    def _result_came(self, outcome: ResultReceived) -> None:
        """Nothing, where the result is empty or waited for."""

    def on_failure(self, error: AvrpcError) -> None:
        self._failure = error
        self._finish(error)

    @abstractmethod
    def _close(self) -> None:
        """From here on, sending and receiving raise ClosedResourceError."""

    def _cancel(self, failure: Exception) -> None:
        """End the call at the peer, unless it has ended."""
        if not self._is_over:
            self._session.abandon(self._call_id)
            self._failure = failure
            self._finish(failure)

    def _leave(self) -> None:
        if self._entered and not self._closed:
            self._closed = True
            self._cancel(trio.ClosedResourceError(f"{self._message.name}: this call was closed"))
            self._close()

    def _late_error(self, *, maybe_executed: bool) -> DeadlineExceeded:
        return DeadlineExceeded(
            f"{self._message.name}: not done within {self._timeout} s",
            maybe_executed=maybe_executed,
        )

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leave()

    async def aclose(self) -> None:
        """Cancel the call, unless it has ended. What was sent may have had its effect."""
        self._leave()
        await checkpoint()


class _Receiving(StreamCall, trio.abc.ReceiveChannel[Any]):
    """The part of a call that streams its response."""

    _items: ItemReceiver

    def _receive_items(self, codec: ItemsCodec | None) -> None:
        assert codec is not None
        if "_items" in vars(self):  # the call was made late, with its items
            self._items.call_id = self._call_id
            return
        self._items = ItemReceiver(
            self._session, self._call_id, codec, self._deadline, DeadlineExceeded
        )

    def _result_came(self, outcome: ResultReceived) -> None:
        codec = self._message.response
        if codec is not None:  # the server's version does not stream
            try:
                self._items.feed_whole(outcome_value(outcome, codec))
            except InvalidValue as error:
                self._items.finish(error)
        elif surplus := surplus_error(outcome, self._message):
            self._items.finish(surplus)

    def on_items(self, data: bytes, count: int) -> None:
        self._items.feed(data, count)

    def receive(self) -> Coroutine[Any, Any, Any]:
        """The next item of the response: `ItemReceiver.receive`, a coroutine."""
        return self._items.receive()

    def __aiter__(self) -> ItemReceiver:  # type: ignore[override]  # a channel of the same items
        return self._items


class _Sending(StreamCall, trio.abc.SendChannel[Any]):
    """The part of a call that streams its request."""

    _sender: ItemSender | ItemCollector
    _calling = False  # a task waits for a slot, to make the call with its items

    def _send_items(self, codec: ItemsCodec | None) -> None:
        assert codec is not None
        if self._message.wire.streams_request:
            self._sender = ItemSender(
                self._session, self._call_id, codec, self._deadline, DeadlineExceeded
            )
        elif self._call_id == _NO_CALL:
            max_bytes = self._session.connection.peer_limits.max_message_bytes
            self._sender = ItemCollector(codec, max_bytes - len(self._parameters))

    def on_credit(self) -> None:
        self._sender.credit_came()

    def send(self, value: Any) -> Coroutine[Any, Any, None]:
        """Send one item of the request: `ItemSender.send`, a coroutine."""
        return self._sender.send(value)

    def _finish_sending(self, error: Exception) -> None:
        if isinstance(error, trio.EndOfChannel):
            error = trio.BrokenResourceError(f"{self._message.name}: the server has answered")
        self._sender.finish(error)

    async def _end_items(self) -> None:
        """END, after the last item; once."""
        sender = self._sender
        if isinstance(sender, ItemCollector):
            await self._call_with_items(sender)
            return
        if not sender.finished:
            await sender.wait_left()
        if sender.finished:
            return
        self._session.outgoing.end(self._call_id)
        self._session.kick()
        sender.finish(trio.ClosedResourceError("the items were ended"))

    async def _call_with_items(self, sender: ItemCollector) -> None:
        """Make the call, with all items; once. Cancelled, it may be tried again."""
        await checkpoint()
        if self._call_id != _NO_CALL or self._is_over:
            return
        if self._calling:
            raise trio.BusyResourceError("another task is already ending the items")
        sender.finish(trio.ClosedResourceError("the items were ended"))
        self._calling = True
        try:
            await self._call(self._parameters + sender.array())
        except AvrpcError as error:  # the connection takes no more calls
            self.on_failure(error)
            raise
        finally:
            self._calling = False


class ResponseCall(_Receiving):
    """A call that streams its response: a trio ReceiveChannel of its items."""

    def _started(self) -> None:
        self._receive_items(self._message.response_items)

    def _finish(self, error: Exception) -> None:
        self._items.finish(error)

    def _close(self) -> None:
        self._items.close()

    async def __aenter__(self) -> Self:
        await self._open()
        return self


class RequestCall(_Sending):
    """A call that streams its request: a trio SendChannel of its items, with a result."""

    _waiting: Task | None = None

    def _started(self) -> None:
        self._send_items(self._message.request_items)

    def _finish(self, error: Exception) -> None:
        self._finish_sending(error)
        if self._waiting is not None:
            task, self._waiting = self._waiting, None
            reschedule(task)

    def _close(self) -> None:
        self._sender.close()

    async def result(self) -> Any:
        """End the items, wait for the server's answer and give it; again, the same one.

        Cancelling it leaves the call as it is, but for its items, which are ended.

        Raises:
            DeclaredError: The server answered with an error of the protocol.
            AvrpcError: What else ended the call.
        """
        if self._is_over:
            await checkpoint()
        elif self._deadline <= trio.current_time():
            # Not END: the handler would take what it has for all that there is.
            self._cancel(self._late_error(maybe_executed=self._call_id != _NO_CALL))
            await checkpoint()
        else:
            with trio.CancelScope(deadline=self._deadline) as scope:
                await self._end_items()
                if not self._is_over:
                    await self._wait_for_outcome()
            if scope.cancelled_caught:
                self._cancel(self._late_error(maybe_executed=self._call_id != _NO_CALL))
        if isinstance(self._outcome, ResultReceived):
            assert self._message.response is not None
            return outcome_value(self._outcome, self._message.response)
        if self._outcome is not None:
            raise outcome_error(self._outcome, self._message)
        assert self._failure is not None
        raise fresh(self._failure)

    async def _wait_for_outcome(self) -> None:
        if self._waiting is not None:
            raise trio.BusyResourceError("another task is already waiting for the result")
        self._waiting = current_task()
        await wait_task_rescheduled(self._stop_waiting)

    def _stop_waiting(self, _: RaiseCancelT) -> Abort:
        self._waiting = None
        return Abort.SUCCEEDED

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if exc_type is None and not self._closed:
                await self.result()
        finally:
            self._leave()


class BothCall(_Sending, _Receiving):
    """A call that streams both ways: a trio Channel, whose ends close on their own."""

    def _started(self) -> None:
        self._send_items(self._message.request_items)
        self._receive_items(self._message.response_items)

    def _finish(self, error: Exception) -> None:
        self._finish_sending(error)
        self._items.finish(error)

    def _close(self) -> None:
        self._sender.close()
        self._items.close()

    async def send_eof(self) -> None:
        """Say that no more items follow; the response goes on. Again, it does nothing."""
        with trio.CancelScope(deadline=self._deadline) as scope:
            await self._end_items()
        if scope.cancelled_caught:
            raise self._late_error(maybe_executed=self._call_id != _NO_CALL)
        await checkpoint()

    async def __aenter__(self) -> Self:
        await self._open()
        return self


STREAM_CALLS: dict[tuple[bool, bool], type[ResponseCall | RequestCall | BothCall]] = {
    (False, True): ResponseCall,
    (True, False): RequestCall,
    (True, True): BothCall,
}
