"""A message of a client: what is called, with which options, and what its parameters become."""

from __future__ import annotations

from collections.abc import Mapping
from keyword import iskeyword
from math import inf
from typing import Any, NoReturn

import trio

from avrpc.client_call import (
    OneWayWait,
    UnaryWait,
    deadline_after,
    outcome_error,
    outcome_value,
    time_left,
)
from avrpc.client_stream import STREAM_CALLS, BothCall, RequestCall, ResponseCall
from avrpc.errors import DeadlineExceeded, IncompatibleMessage, LimitExceeded, UnknownMessage
from avrpc.schema import Kind, Message
from avrpc.schema.compat import Verdict
from avrpc.schema.negotiation import MessageFit
from avrpc.session import Session
from avrpc.shown import MOST_IN_ERROR, shown
from avrpc.wire import MAX_METADATA_ENTRIES, ResultReceived, StatusCode, StatusReceived

Metadata = Mapping[str, bytes | str]


class _BoundMessage:
    """A message of one client, with the options of its calls."""

    def __init__(
        self,
        session: Session,
        message: Message,
        timeout: float | None = None,
        metadata: Metadata | None = None,
    ) -> None:
        self._session = session
        self._message = message
        self._timeout = timeout
        self._metadata = _encoded_metadata(session, metadata)
        self._most = session.connection.peer_limits.max_message_bytes
        self._names = [parameter.name for parameter in message.parameters]
        self._keywords = {f"{name}_": name for name in self._names if iskeyword(name)}
        self.__name__ = self.__qualname__ = message.name
        self.__doc__ = message.doc or None

    def _encode(self, args: tuple[Any, ...], parameters: dict[str, Any]) -> bytes | bytearray:
        if self._keywords:
            given = parameters
            parameters = {self._keywords.get(name, name): given[name] for name in given}
            if len(parameters) < len(given):
                raise TypeError(f"{self._message.name}() got a parameter twice, with and without _")
        if args:
            name = self._message.name
            if len(args) > len(self._names):
                raise TypeError(
                    f"{name}() takes {len(self._names)} parameters ({', '.join(self._names)}),"
                    f" {len(args)} were given"
                )
            positional = dict(zip(self._names, args, strict=False))
            for twice in positional.keys() & parameters.keys() if parameters else ():
                raise TypeError(f"{name}() got parameter {twice!r} twice")
            parameters |= positional
        encoded = self._message.request.encode(parameters)
        if len(encoded) > self._most:
            raise LimitExceeded(
                f"{self._message.name}: parameters of {len(encoded)} bytes;"
                f" the server takes {self._most} (its Limits.max_message_bytes)"
            )
        return encoded

    def __repr__(self) -> str:
        return f"<avrpc message {self._message.name} ({self._message.kind.value})>"


class UnaryMessage(_BoundMessage):
    """A message that is called and answered once, or not at all (one-way): an async function."""

    def using(
        self, *, timeout: float | None = None, metadata: Metadata | None = None
    ) -> UnaryMessage:
        """The same message, called with options.

        Args:
            timeout: Seconds; `DeadlineExceeded` after. The caller's own trio deadline counts too.
            metadata: Sent along; the handler reads it from ``current_call().metadata``.
        """
        return UnaryMessage(self._session, self._message, timeout, metadata)

    async def __call__(self, /, *args: Any, **parameters: Any) -> Any:
        """Call it and give the response; None at once, once it is under way, if it is one-way.

        The handler gets the caller's deadline, and is cancelled when the caller is.

        Raises:
            InvalidValue: A parameter does not fit; nothing was sent.
            LimitExceeded: They are larger than what the server takes; nothing was sent.
            DeclaredError: The handler raised an error of the protocol.
            AvrpcError: What else can go wrong: see `avrpc.errors`.
        """
        encoded = self._encode(args, parameters)
        if self._timeout is None:
            return await self._call(encoded, None)
        text = f"{self._message.name}: not answered within {self._timeout} s"
        late = DeadlineExceeded(text, maybe_executed=False)
        with trio.CancelScope(deadline=deadline_after(self._timeout)):
            return await self._call(encoded, late)
        raise late

    async def _call(self, parameters: bytes | bytearray, late: DeadlineExceeded | None) -> Any:
        session, message = self._session, self._message
        while True:
            if not session.has_slot(len(parameters)):
                await session.wait_slot(streamed=False, size=len(parameters))
            deadline = trio.current_effective_deadline()
            left = None if deadline == inf else time_left(deadline)
            if left != 0:
                break
            session.slot_freed()
            await trio.lowlevel.checkpoint()  # the caller's time is up: trio says so here
        call_id = session.outgoing.call(
            message.number, parameters, time_left=left, metadata=self._metadata
        )
        if late is not None:
            late.maybe_executed = True
        if message.kind is Kind.ONE_WAY:
            session.add(call_id, OneWayWait(message))
            session.kick()
            await trio.lowlevel.checkpoint()
            return None
        session.calls[call_id] = waiting = UnaryWait(session, call_id)
        session.kick()
        outcome = await waiting.wait()
        if isinstance(outcome, ResultReceived):
            assert message.response is not None
            return outcome_value(outcome, message.response)
        if isinstance(outcome, StatusReceived) and outcome.code == StatusCode.DEADLINE_EXCEEDED:
            # The server's clock was first. Our own deadline tells the caller, in trio's way; if
            # there is none any more, or it was the server's limit, the error below does.
            if late is not None:
                late.maybe_executed = outcome.started
            if deadline != inf:
                await trio.sleep_until(deadline)
        raise outcome_error(outcome, message)


class StreamMessage(_BoundMessage):
    """A message that streams: calling it gives an object for ``async with``."""

    def using(
        self, *, timeout: float | None = None, metadata: Metadata | None = None
    ) -> StreamMessage:
        """The same message, called with options.

        Args:
            timeout: Seconds from entering the block; the handler is told of it. Without one, a
                streamed call has no deadline at the server: leaving the block cancels it anyway.
            metadata: Sent along; the handler reads it from ``current_call().metadata``.
        """
        return StreamMessage(self._session, self._message, timeout, metadata)

    def __call__(self, /, *args: Any, **parameters: Any) -> ResponseCall | RequestCall | BothCall:
        """A call, made when its ``async with`` block is entered.

        Raises:
            InvalidValue: A parameter does not fit; nothing was sent.
            LimitExceeded: They are larger than what the server takes; nothing was sent.
        """
        kind = self._message.kind
        call = STREAM_CALLS[kind.streams_request, kind.streams_response]
        encoded = self._encode(args, parameters)
        return call(self._session, self._message, encoded, self._timeout, self._metadata)


class UncallableMessage:
    """A message that the two versions do not agree on, or that the server has not."""

    def __init__(self, fit: MessageFit, address: str) -> None:
        self._fit = fit
        self._address = address

    def using(self, **options: Any) -> UncallableMessage:
        """The same."""
        return self

    def __call__(self, *args: Any, **parameters: Any) -> NoReturn:
        """Raise `IncompatibleMessage` or `UnknownMessage`; nothing is sent."""
        text = f"{self._fit.name}: {self._address}: {shown(self._fit.reason, MOST_IN_ERROR)}"
        if self._fit.verdict is Verdict.MISSING:
            raise UnknownMessage(text)
        raise IncompatibleMessage(text)


BoundMessage = UnaryMessage | StreamMessage | UncallableMessage


def _encoded_metadata(session: Session, metadata: Metadata | None) -> dict[str, bytes] | None:
    if not metadata:
        return None
    encoded = {
        name: value.encode() if isinstance(value, str) else bytes(value)
        for name, value in metadata.items()
    }
    size = sum(len(name.encode()) + len(value) + 10 for name, value in encoded.items())
    limit = session.connection.peer_limits.max_metadata_bytes
    if size > limit or len(encoded) > MAX_METADATA_ENTRIES:
        raise LimitExceeded(
            f"metadata of {len(encoded)} entries and about {size} bytes; the peer takes"
            f" {MAX_METADATA_ENTRIES} entries and {limit} bytes"
        )
    return encoded
