"""One connection of a server: the handshake, its calls, and how it ends."""

from __future__ import annotations

from typing import Any, Protocol

import trio

from avrpc.auth import Doorkeeper
from avrpc.call_info import Caller
from avrpc.errors import lost
from avrpc.handlers import Method
from avrpc.handshake import ServerHandshake
from avrpc.log import logger
from avrpc.opening import Refused, open_server
from avrpc.reader import Stop
from avrpc.schema.negotiation import Negotiation
from avrpc.server_call import Host as CallHost
from avrpc.server_call import ServerCall
from avrpc.session import Session
from avrpc.transport import Transport
from avrpc.wire import CallReceived, Connection, GoawayCode, StatusCode
from avrpc.workers import Workers


class Host(CallHost, Protocol):
    """What a connection needs of its server.

    Attributes:
        running: Handlers that run now.
        closing: It takes no more connections and calls.
    """

    running: int
    closing: bool

    def handshake(self) -> ServerHandshake:
        """A handshake for one connection."""

    def doorkeeper(self, transport: Transport) -> Doorkeeper | None:
        """Who asks whether a client may go on; None where all may."""

    def connection(self) -> Connection:
        """The rules for one connection."""

    def methods(self, negotiation: Negotiation) -> list[Method | None]:
        """The handlers by the client's message numbers; None for what can't be called."""

    def shaken_hands(self) -> None:
        """A handshake is over, in whatever way."""

    def call_began(self) -> bool:
        """Count a handler; False, and not counted, where too many run."""


class ServerConnection:
    """One connection, from accept to its end.

    Args:
        server: Whose it is.
        transport: Its bytes. Whoever made it closes it.
    """

    def __init__(self, server: Host, transport: Transport) -> None:
        self._server = server
        self._transport = transport
        self._scope = trio.CancelScope()
        self._session: Session | None = None
        self._nursery: trio.Nursery | None = None
        self._methods: list[Method | None] = []
        self._caller = Caller(transport=transport)
        self._workers: Workers

    async def run(self) -> None:
        """Shake hands, and serve calls until the connection has ended."""
        opened = None
        with self._scope:
            try:
                if not self._server.closing:
                    opened = await self._open()
            finally:
                self._server.shaken_hands()
        if opened is not None:
            try:
                await self._serve(*opened)
            finally:
                # What is in no cycle is gone at once, and no collection of garbage has to find it.
                opened[0].forget()
                self._session = self._nursery = None
                del self._workers

    async def _open(self) -> tuple[Session, Negotiation, list[Any]] | None:
        server, peer = self._server, self._transport.peer
        connection, doorkeeper = server.connection(), server.doorkeeper(self._transport)
        try:
            with trio.fail_after(server.limits.handshake_timeout):
                agreement, events = await open_server(
                    self._transport, connection, server.handshake(), server.limits, doorkeeper
                )
        except Refused as refused:
            logger.warning("%s: refused: %s", peer, refused)
        except trio.TooSlowError:
            asking = doorkeeper is not None and doorkeeper.asking
            what = "no answer of authenticate" if asking else "no handshake"
            logger.warning("%s: %s in %s s", peer, what, server.limits.handshake_timeout)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            logger.debug("%s: %s", peer, error)
        else:
            self._caller.protocol = agreement.negotiation.server.name
            if doorkeeper is not None:
                self._caller.identity = doorkeeper.identity
            session = Session(self._transport, connection, server.limits, self._accept)
            return session, agreement.negotiation, events
        return None

    async def _serve(self, session: Session, negotiation: Negotiation, events: list[Any]) -> None:
        self._session = session
        self._methods = self._server.methods(negotiation)
        async with trio.open_nursery() as nursery:
            self._scope, self._nursery = nursery.cancel_scope, nursery
            if self._server.closing:  # it began to close during the handshake
                self._scope.cancel()
            self._workers = Workers(nursery)
            session.reader.start(events)
            self._workers.lead(session.reader.read)
            await session.send(nursery.cancel_scope)
            nursery.cancel_scope.cancel()

    def _accept(self, event: CallReceived) -> Stop | None:
        """A call came: start its handler, in the task that reads if it may not have to wait."""
        session = self._session
        assert session is not None
        method = self._methods[event.number]
        if method is None:
            text = "the server's version of the protocol has no such message, or another"
            session.outgoing.status(event.call_id, StatusCode.UNIMPLEMENTED, text, started=False)
            return None
        if not self._server.call_began():
            text = f"{self._server.running} handlers run already (Limits.max_running_handlers)"
            session.outgoing.status(
                event.call_id, StatusCode.RESOURCE_EXHAUSTED, text, started=False
            )
            return None
        session.calls[event.call_id] = call = ServerCall(
            self._server, session, method, event, self._caller
        )
        if not method.may_begin_at_once():
            self._workers.start(call)
            return None
        stop = self._workers.begin(call)
        if stop is Stop.HAND_OVER:
            method.waited()
        return stop

    # Closing, step by step ...

    def start_drain(self) -> None:
        """Take no more calls, and close when those that run have ended."""
        if self._session is None or self._nursery is None:
            self._scope.cancel()  # it has not shaken hands
        elif self._session.ended is None:
            self._session.connection.goaway(GoawayCode.SHUTDOWN, "the server is shutting down")
            self._session.wake()
            self._nursery.start_soon(self._drain, self._session)

    async def _drain(self, session: Session) -> None:
        await session.wait_idle()
        try:
            await session.flush()
            await self._transport.send_eof()
            # The client's end: it has read what we sent, and closing loses none of it.
            await trio.sleep(self._server.limits.close_timeout)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        session.end(lost("the server was closed"))

    def cancel_calls(self) -> None:
        """End the handlers that still run."""
        if self._session is not None:
            for call in list(self._session.calls.values()):
                assert isinstance(call, ServerCall)
                call.cancel(StatusCode.UNAVAILABLE, "the server is shutting down")

    def cut(self) -> None:
        """End the connection now."""
        self._scope.cancel()
