"""One call at the server: runs its handler in one task, and answers exactly once.

The rule for async generators is that ``yield`` means ``await send(item)`` at that place. The
generator is driven by hand: what the send raises (a cancel, the deadline, a broken peer) is thrown
into it at the ``yield``, and it is begun, driven and finished in this one task. So a cancel scope
or a nursery around a ``yield`` encloses the send as it would enclose any await, and the troubles
of PEP 789 do not arise.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator
from functools import partial
from math import inf
from typing import Any, Protocol

import trio

from avrpc.auth import NOT_ALLOWED, NOT_AUTHENTICATED, Authorize, refusal_of
from avrpc.call import ItemReceiver, ItemSender
from avrpc.call_info import Caller, CallInfo, set_current_call
from avrpc.collect import ItemCollector
from avrpc.errors import AvrpcError, InvalidValue
from avrpc.groups import single
from avrpc.handlers import Method, Style
from avrpc.limits import Limits
from avrpc.log import logger
from avrpc.session import Outcome, Session
from avrpc.wire import CallReceived, StatusCode
from avrpc.writer import HIGH_WATER


class Host(Protocol):
    """What a call needs of its server."""

    limits: Limits
    thread_limiter: trio.CapacityLimiter
    authorize: Authorize | None

    def call_ended(self) -> None:
        """A handler has ended."""


class ServerCall(CallInfo):
    """One call, from CALL to its outcome.

    Args:
        host: The server.
        session: The connection it came on.
        method: Its handler.
        event: The CALL.
        caller: Whose it is.
    """

    __slots__ = (
        "_answered",
        "_cancelled",
        "_host",
        "_id",
        "_is_ours",
        "_items",
        "_method",
        "_parameters",
        "_reason",
        "_scope",
        "_sender",
        "_session",
        "_started",
        "_thread",
    )

    def __init__(
        self, host: Host, session: Session, method: Method, event: CallReceived, caller: Caller
    ) -> None:
        self.message = message = method.message
        self.peer = session.transport.peer
        self.metadata = event.metadata or {}
        self.attempt = 0
        seconds = host.limits.max_call_time
        self._is_ours = True  # the deadline
        if event.time_left is not None and event.time_left / 1000 <= seconds:
            seconds = event.time_left / 1000
            self._is_ours = False
        self.deadline = inf if seconds == inf else trio.current_time() + seconds
        self._caller = caller
        self._host = host
        self._session = session
        self._method = method
        self._id = event.call_id
        self._parameters = event.parameters
        self._scope: trio.CancelScope | None = None  # while the handler runs
        self._started = False
        self._answered = False
        self._cancelled = False
        self._reason = (StatusCode.CANCELLED, "cancelled")
        self._thread: _ThreadPlace | None = None
        self._items: ItemReceiver | None = None
        self._sender: ItemSender | ItemCollector | None = None
        if message.request_items is not None:
            self._items = ItemReceiver(session, self._id, message.request_items, self.deadline)
        if message.response_items is None:
            return
        if message.wire.streams_response:
            self._sender = ItemSender(session, self._id, message.response_items, self.deadline)
        else:
            max_bytes = session.connection.peer_limits.max_message_bytes
            self._sender = ItemCollector(message.response_items, max_bytes)

    # From the session ...

    def on_items(self, data: bytes, count: int) -> None:
        assert self._items is not None  # the wire lets no others in
        self._items.feed(data, count)

    def on_end(self) -> None:
        assert self._items is not None
        self._items.finish(trio.EndOfChannel())

    def on_credit(self) -> None:
        assert self._sender is not None
        self._sender.credit_came()

    def on_cancel(self) -> None:
        self.cancel(StatusCode.CANCELLED, "cancelled by the caller")

    def on_outcome(self, outcome: Outcome) -> None:
        raise AssertionError("only servers send outcomes")

    def on_failure(self, error: AvrpcError) -> None:
        self._answered = True  # there is no one to tell
        self.cancel(StatusCode.CANCELLED, str(error))

    def cancel(self, code: StatusCode, text: str) -> None:
        """End the handler. From here on none of its sends and receives waits, shielded or not."""
        if not self._cancelled:
            self._cancelled = True
            self._reason = (code, text)
        if self._scope is not None:
            self._scope.cancel()
        error = trio.BrokenResourceError(f"{self.message.name}: {text}")
        if self._items is not None:
            self._items.break_off(error)
        if self._sender is not None:
            self._sender.finish(error)

    # ... and the task.

    async def run(self, scope: trio.CancelScope) -> None:
        """Handle the call and answer it."""
        set_current_call(self)
        self._scope = scope
        if self.deadline != inf:
            scope.deadline = self.deadline
        try:
            await self._handle()
        except Exception as error:  # noqa: BLE001  # a handler may raise anything
            await self._answer_error(single(error))

    def failed(self, error: BaseException) -> None:
        """Answer what got out of the handler's scope; what is no handler's affair is raised."""
        cause = single(error)
        if not isinstance(cause, Exception) and not _is_stray(error):
            self._reason = (StatusCode.UNAVAILABLE, "the server has stopped")
            try:
                raise error
            finally:
                del error, cause  # its traceback holds this frame: no cycle
        self._answer_failure(cause)

    def finish(self) -> None:
        """The handler has ended; if nothing was answered, it was cancelled or out of time."""
        self._scope = None
        if not self._answered:
            if not self._cancelled and self.deadline <= trio.current_time():
                self._time_is_up()
            else:
                self._status(*self._reason)
        if self._items is not None:
            self._items.close()
        if self._thread is None or not self._thread.taken:  # else the thread's end counts
            self._host.call_ended()

    def _time_is_up(self) -> None:
        if self._is_ours:
            seconds = self._host.limits.max_call_time
            text = f"the server gives a call {seconds:g} s (its Limits.max_call_time)"
            self._status(StatusCode.RESOURCE_EXHAUSTED, text)
        else:
            self._status(StatusCode.DEADLINE_EXCEEDED, "the deadline has passed")

    async def _handle(self) -> None:
        if self._cancelled:
            return
        if self.deadline != inf and self.deadline <= trio.current_time():
            self._status(StatusCode.DEADLINE_EXCEEDED, "the deadline had passed on arrival")
            return
        if self._host.authorize is not None and not await self._authorized(self._host.authorize):
            return
        try:
            parameters = self.message.request.decode(self._parameters)
        except InvalidValue as error:
            self._status(StatusCode.INVALID_VALUE, str(error))
            return
        self._parameters = b""
        name = self.message.streamed_parameter
        if self._items is not None and name in parameters:
            self._items.feed_whole(parameters.pop(name))
            self._items.finish(trio.EndOfChannel())
        arguments = self._method.arguments(parameters)
        if self._items is not None:
            assert name is not None
            arguments[self._method.renamed.get(name, name)] = self._items
        self._started = True
        style, function = self._method.style, self._method.function
        if style is Style.GENERATOR:
            await self._generate(function(**arguments))
            return
        if style is Style.COROUTINE:
            value = await function(**arguments)
        else:
            value = await self._in_thread(partial(function, **arguments))
        response = self.message.response
        assert response is not None
        encoded = response.encode(value)
        if not self._answered_at_once(encoded):
            await self._value(self._session.outgoing.result, encoded)

    async def _authorized(self, hook: Authorize) -> bool:
        code = await refusal_of(hook, self, self._caller)
        if code is StatusCode.UNAUTHENTICATED:
            self._status(code, NOT_AUTHENTICATED)
        elif code is not None:
            self._status(code, NOT_ALLOWED)
        return code is None and not self._is_over  # which a hook can hide from trio

    async def _generate(self, generator: AsyncGenerator[Any, None]) -> None:
        sender = self._sender
        assert sender is not None
        send, following = sender.send, generator.__anext__
        try:
            item = await following()
            while True:
                try:
                    await send(item)
                except BaseException as error:  # noqa: BLE001  # it goes on in the generator
                    item = await generator.athrow(error)
                else:
                    item = await following()
        except StopAsyncIteration:
            pass
        if isinstance(sender, ItemCollector):
            await self._value(self._session.outgoing.result, sender.array())
            return
        await sender.wait_left()
        if self._may_answer():
            self._session.outgoing.result(self._id)
            self._done()

    async def _in_thread(self, work: partial[Any]) -> Any:
        """Run a plain function.

        At the deadline it is abandoned, and keeps its place among the running handlers until it
        returns: a thread can't be stopped.
        """
        self._thread = _ThreadPlace(self._host)
        return await trio.to_thread.run_sync(
            work,
            abandon_on_cancel=True,
            limiter=self._thread,  # type: ignore[arg-type]  # as good as one, which is enough
        )

    # The one answer ...

    @property
    def _is_over(self) -> bool:
        """Whether the handler was told to end."""
        return self._cancelled or self.deadline <= trio.current_time()

    def _may_answer(self) -> bool:
        return not self._answered and self._session.connection.is_open(self._id)

    async def _answer_error(self, error: BaseException) -> None:
        if not isinstance(error, self.message.errors):
            self._answer_failure(error)
            return
        try:
            encoded = self.message.error.encode(error)
        except InvalidValue as invalid:
            self._answer_failure(invalid)
            return
        await self._value(self._session.outgoing.error, encoded)

    def _answered_at_once(self, encoded: bytes | bytearray) -> bool:
        """Answer with a value, if that needs no waiting: what `_value` does for most calls."""
        outgoing = self._session.outgoing
        if (
            self._answered
            or self._sender is not None
            or len(outgoing.data) > HIGH_WATER
            or not outgoing.whole_result(self._id, encoded)
        ):
            return False
        self._done()
        return True

    async def _value(self, send: Any, encoded: bytes | bytearray) -> None:
        session, outgoing = self._session, self._session.outgoing
        if not self._may_answer():
            return
        limit = session.connection.peer_limits.max_message_bytes
        if len(encoded) > limit:
            text = f"the answer takes {len(encoded)} bytes; the caller takes {limit}"
            logger.error("%s: %s: %s", self.peer, self.message.name, text)
            self._status(StatusCode.RESOURCE_EXHAUSTED, text)
            return
        if (
            len(outgoing.data) > HIGH_WATER
            or outgoing.is_large(len(encoded))
            or outgoing.busy(self._id)
        ):
            await session.wait_place(self._id, len(encoded))
            if not self._may_answer():
                return
        send(self._id, encoded)
        self._done()

    def _answer_failure(self, error: BaseException) -> None:
        """An error that the message does not declare: the caller learns an id, the log the rest."""
        if self._items is not None and self._items.is_its_own(error):
            self._status(StatusCode.INVALID_VALUE, str(error))
            return
        if self._sender is not None and error is self._sender.refused:
            logger.error("%s: %s: %s", self.peer, self.message.name, error)
            self._status(StatusCode.RESOURCE_EXHAUSTED, str(error))
            return
        if self._is_over and isinstance(error, trio.BrokenResourceError):
            return  # what our own sends and receives raise from then on; `finish` answers
        if not self._may_answer():
            logger.error(
                "%s: the handler of %s failed when its caller was gone",
                self.peer,
                self.message.name,
                exc_info=error,
            )
            return
        error_id = secrets.token_hex(8)
        logger.error(
            "%s: the handler of %s failed; the caller was told: internal error %s",
            self.peer,
            self.message.name,
            error_id,
            exc_info=error,
        )
        self._status(StatusCode.UNKNOWN, f"internal error {error_id}")

    def _status(self, code: StatusCode, text: str) -> None:
        if self._may_answer():
            self._session.outgoing.status(self._id, code, text, started=self._started)
            self._done()

    def _done(self) -> None:
        self._answered = True
        self._session.kick()
        self._session.finished(self._id)


class _ThreadPlace:
    """A place among the threads, and from then on among the running handlers.

    It stands in for trio's limiter, since trio gives a place back when the thread has ended,
    whether or not somebody still waits for it.
    """

    def __init__(self, host: Host) -> None:
        self.taken = False
        self._host = host

    async def acquire_on_behalf_of(self, borrower: object) -> None:
        await self._host.thread_limiter.acquire_on_behalf_of(borrower)
        self.taken = True

    def release_on_behalf_of(self, borrower: object) -> None:
        self._host.thread_limiter.release_on_behalf_of(borrower)
        self._host.call_ended()


def _is_stray(error: BaseException) -> bool:
    """Whether this is a Cancelled that no scope around the call asked for.

    A handler can make one, by raising a Cancelled that it kept. It ends its call, and no more.
    """
    only_cancelled = isinstance(error, trio.Cancelled) or (
        isinstance(error, BaseExceptionGroup) and error.split(trio.Cancelled)[1] is None
    )
    return only_cancelled and trio.current_effective_deadline() != -inf
