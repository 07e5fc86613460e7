"""One call at the client: unary and one-way calls, and the three kinds of stream.

A streamed call is an object for ``async with``; entering the block makes the call, leaving it ends
it. What leaving means depends on what streams (docs/streams.md):

- request only: leaving without an exception does what `RequestCall.result` does;
- response, or both ways: leaving before the response's end cancels, quietly;
- leaving with an exception, and ``aclose()``, cancel.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Mapping
from math import ceil, inf
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
from avrpc.errors import (
    AvrpcError,
    CallCancelled,
    DeadlineExceeded,
    InternalError,
    InvalidValue,
    LimitExceeded,
    RemoteError,
    Unavailable,
    UnknownMessage,
    fresh,
)
from avrpc.schema import Codec, ItemsCodec, Message
from avrpc.session import Outcome, Session
from avrpc.wire import ResultReceived, StatusCode, StatusReceived

logger = logging.getLogger("avrpc")

_NO_CALL = 0


def status_error(status: StatusReceived, message: Message) -> AvrpcError:
    """The exception for a call that ended with a STATUS."""
    code, started = status.code, status.started
    text = f"{message.name}: {status.text[:500]}"
    if code == StatusCode.CANCELLED:
        return CallCancelled(text, maybe_executed=started)
    if code == StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded(text, maybe_executed=started)
    if code == StatusCode.INVALID_VALUE:
        return InvalidValue(text, maybe_executed=started)
    if code == StatusCode.RESOURCE_EXHAUSTED:
        return LimitExceeded(text, maybe_executed=started)
    error: AvrpcError
    if code == StatusCode.UNAVAILABLE:
        error = Unavailable(text)
    elif code == StatusCode.UNIMPLEMENTED:
        error = UnknownMessage(text)
    elif code in (StatusCode.UNKNOWN, StatusCode.INTERNAL):
        error = InternalError(text, name="avrpc.InternalError")
    else:
        error = RemoteError(f"{text} (status {code})", name=f"avrpc.Status{code}")
    error.maybe_executed = started
    return error


def outcome_error(outcome: Outcome, message: Message) -> AvrpcError:
    """The exception for a call that ended with anything but a RESULT."""
    if isinstance(outcome, StatusReceived):
        return status_error(outcome, message)
    try:
        error: AvrpcError = message.error.decode(outcome.data)
    except InvalidValue as invalid:
        error = invalid
    error.maybe_executed = True
    return error


def outcome_value(outcome: ResultReceived, codec: Codec) -> Any:
    """The value of a RESULT."""
    try:
        return codec.decode(outcome.data)
    except InvalidValue as invalid:
        invalid.maybe_executed = True
        raise


class _Entry:
    """What every kind of call leaves out of `session.CallEntry`."""

    __slots__ = ()

    def on_items(self, data: bytes, count: int) -> None:
        raise AssertionError("items on a call that streams none")

    def on_end(self) -> None:
        raise AssertionError("only clients end their items")

    def on_cancel(self) -> None:
        raise AssertionError("only clients cancel")

    def on_credit(self) -> None:
        """Of no concern where nothing is streamed to the peer."""


class UnaryWait(_Entry):
    """The task that waits for the outcome of one unary call."""

    __slots__ = ("_call_id", "_session", "_task", "failure", "outcome")

    def __init__(self, session: Session, call_id: int) -> None:
        self._session = session
        self._call_id = call_id
        self._task: Task | None = None
        self.outcome: Outcome | None = None
        self.failure: AvrpcError | None = None

    def on_outcome(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self._wake()

    def on_failure(self, error: AvrpcError) -> None:
        self.failure = error
        self._wake()

    def _wake(self) -> None:
        if self._task is not None:
            reschedule(self._task)

    async def wait(self) -> Outcome:
        """Wait for the outcome.

        Cancelled, it cancels the call at the peer, and does not wait for the answer to that.
        """
        if self.outcome is None and self.failure is None:
            self._task = current_task()
            await wait_task_rescheduled(self._abandon)
        else:
            await checkpoint()
        if self.failure is not None:
            raise self.failure
        assert self.outcome is not None
        return self.outcome

    def _abandon(self, _: RaiseCancelT) -> Abort:
        self._session.abandon(self._call_id)
        return Abort.SUCCEEDED


class OneWayWait(_Entry):
    """Nobody waits for a one-way call; what becomes of it is only logged."""

    __slots__ = ("_message",)

    def __init__(self, message: Message) -> None:
        self._message = message

    def on_outcome(self, outcome: Outcome) -> None:
        if not isinstance(outcome, ResultReceived):
            logger.warning("one-way call failed: %s", outcome_error(outcome, self._message))

    def on_failure(self, error: AvrpcError) -> None:
        logger.warning("one-way call %s may be lost: %s", self._message.name, error)


class StreamCall(_Entry, ABC):
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
        self._closed = False  # by this end

    def __getattr__(self, name: str) -> Any:
        if name in ("_items", "_sender"):
            raise RuntimeError(f"{self._message.name}: a streamed call is made by 'async with'")
        raise AttributeError(name)

    async def _open(self) -> None:
        """Make the call: wait for a slot, send it, and be told of it from then on."""
        if self._call_id != _NO_CALL:
            raise RuntimeError(f"{self._message.name}: a streamed call is made once")
        await checkpoint()  # here, since a cancel after the call was sent would leave it open
        self._deadline = deadline_after(self._timeout)
        with trio.CancelScope(deadline=self._deadline) as scope:
            await self._session.wait_slot(streamed=True, size=len(self._parameters))
        if scope.cancelled_caught:
            raise self._late_error(maybe_executed=False)
        self._call_id = self._session.outgoing.call(
            self._message.number,
            self._parameters,
            time_left=time_left(self._deadline),
            metadata=self._metadata,
        )
        self._parameters = b""
        self._started()
        self._session.add(self._call_id, self)
        self._session.kick()

    @abstractmethod
    def _started(self) -> None:
        """The call has its id."""

    @abstractmethod
    def _finish(self, error: Exception) -> None:
        """The call has ended: let whoever waits know, with what to raise."""

    @property
    def _is_over(self) -> bool:
        return self._outcome is not None or self._failure is not None

    def on_outcome(self, outcome: Outcome) -> None:
        self._outcome = outcome
        if isinstance(outcome, ResultReceived):
            self._finish(trio.EndOfChannel())
        else:
            self._finish(outcome_error(outcome, self._message))

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
        if self._call_id != _NO_CALL and not self._closed:
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
        self._items = ItemReceiver(
            self._session, self._call_id, codec, self._deadline, DeadlineExceeded
        )

    def on_items(self, data: bytes, count: int) -> None:
        self._items.feed(data, count)

    def receive(self) -> Coroutine[Any, Any, Any]:
        """The next item of the response: `ItemReceiver.receive`, a coroutine."""
        return self._items.receive()

    def __aiter__(self) -> ItemReceiver:  # type: ignore[override]  # a channel of the same items
        return self._items


class _Sending(StreamCall, trio.abc.SendChannel[Any]):
    """The part of a call that streams its request."""

    _sender: ItemSender

    def _send_items(self, codec: ItemsCodec | None) -> None:
        assert codec is not None
        self._sender = ItemSender(
            self._session, self._call_id, codec, self._deadline, DeadlineExceeded
        )

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
        if not self._sender.finished:
            await self._sender.wait_left()
        if not self._sender.finished:
            self._session.outgoing.end(self._call_id)
            self._session.kick()
            self._sender.finish(trio.ClosedResourceError("the items were ended"))


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
            self._cancel(self._late_error(maybe_executed=True))
            await checkpoint()
        else:
            with trio.CancelScope(deadline=self._deadline) as scope:
                await self._end_items()
                if not self._is_over:
                    await self._wait_for_outcome()
            if scope.cancelled_caught:
                self._cancel(self._late_error(maybe_executed=True))
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
            raise self._late_error(maybe_executed=True)
        await checkpoint()

    async def __aenter__(self) -> Self:
        await self._open()
        return self


STREAM_CALLS: dict[tuple[bool, bool], type[ResponseCall | RequestCall | BothCall]] = {
    (False, True): ResponseCall,
    (True, False): RequestCall,
    (True, True): BothCall,
}


def deadline_after(timeout: float | None) -> float:
    """The point in time that is ``timeout`` seconds away; infinitely far for None."""
    return inf if timeout is None else trio.current_time() + timeout


def time_left(deadline: float) -> int | None:
    """Milliseconds until a deadline, as CALL carries them; None where there is none.

    Rounded up: 0 says that the time is up, and is not run.
    """
    if deadline == inf:
        return None
    left = deadline - trio.current_time()
    return ceil(left * 1000) if left > 0 else 0
