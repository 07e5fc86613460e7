"""The server: its protocols, where it listens, its connections, and how all of it ends."""

from __future__ import annotations

import signal
import ssl
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import trio

from avrpc.address import is_tls
from avrpc.auth import Authenticate, Authorize, Doorkeeper, check_hook
from avrpc.compression import Compression, features
from avrpc.door import Door
from avrpc.groups import failure_of
from avrpc.handlers import Method, bind_service
from avrpc.handshake import ServerHandshake
from avrpc.limits import Limits
from avrpc.listen import Listener, listen
from avrpc.log import logger
from avrpc.memory import NegotiationCache, TextCache
from avrpc.schema import Protocol
from avrpc.schema.negotiation import Negotiation
from avrpc.server_connection import ServerConnection
from avrpc.transport import StreamTransport, Transport
from avrpc.wire import AssemblyBudget, Connection, Role


class Server:
    """Serves one or more protocols, on any number of addresses.

    Args:
        services: For each protocol, an object with one method for each message (or a mapping from
            message name to function). The first protocol is the one that clients get who name
            none.
        limits: What this end accepts.
        threads: How many handlers written as plain ``def`` run at once; others wait.
        authenticate: Asked about each connection before anything is answered, with what the client
            presented (`Presented`). It gives who that is, anything true, for
            ``current_call().identity``; None, or any exception, is a no. Without it nobody
            is asked. It has the rest of ``limits.handshake_timeout``, and is cancelled when the
            client leaves.
        authorize: Asked about each call before its parameters are decoded, with what
            `current_call` gives. True is a yes; all else, or any exception, a no.
        compression: What clients that ask for it may have: "zstd", "snappy", several of them, or
            "auto" for those that are installed (extra ``compression``). Off by default;
            docs/compression.md says when it pays.

    Both hooks may be ``async def``; a plain function must not block, as it runs in the loop.
    docs/auth.md has the page.

    Raises:
        TypeError: A method is missing, or does not fit its message; a hook is none.
        ValueError: ``compression`` is something else.
        ImportError: It names a codec that is not installed.
    """

    def __init__(
        self,
        services: Mapping[Protocol, object],
        *,
        limits: Limits | None = None,
        threads: int = 40,
        authenticate: Authenticate | None = None,
        authorize: Authorize | None = None,
        compression: Compression = None,
    ) -> None:
        if not services:
            raise TypeError("a server needs at least one protocol")
        check_hook("authenticate", authenticate)
        check_hook("authorize", authorize)
        self.limits = limits or Limits()
        self.authenticate = authenticate
        self.authorize = authorize
        self.features = features(compression)
        self.protocols = tuple(services)
        self.thread_limiter = trio.CapacityLimiter(threads)
        self.running = 0
        self._offered = {protocol.name: protocol for protocol in services}
        if len(self._offered) < len(services):
            raise TypeError("two protocols of one name")
        self._methods = {
            protocol.name: bind_service(protocol, service) for protocol, service in services.items()
        }
        # A fleet's versions, many times over. More would be kept for strangers, not for clients:
        # each takes some 280 objects, which Python's collector walks over again and again.
        self._texts = TextCache(max_protocols=64)
        self._negotiations = NegotiationCache(max_pairs=64)
        self._wire_limits = self.limits.wire()
        self._budget = AssemblyBudget(self.limits.max_assembly_bytes)
        self._door = Door(self.limits)
        self._connections: set[ServerConnection] = set()
        self._listening: set[trio.CancelScope] = set()
        self.closing = False
        self._gone = trio.lowlevel.ParkingLot()  # waits for connections, and listening, to end

    async def serve(
        self,
        *addresses: str,
        tls: ssl.SSLContext | None = None,
        task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve on some addresses, until `aclose` has drained them or this is cancelled.

        Meant for ``addresses = await nursery.start(server.serve, "tcp://127.0.0.1:0")``, which
        gives the list of the addresses as bound, port filled in. Takes no signals; see `run`.

        Args:
            addresses: ``tcp://host:port``, ``tls://host:port`` or ``unix:///path``; port 0 lets the
                system choose.
            tls: For those that are ``tls://``, as `server_tls` makes it.
            task_status: Trio's, for ``nursery.start``.

        Raises:
            OSError: An address can't be bound.
            ValueError: An address is none; or one is ``tls://`` and there is no context that will
                do, or there is a context and none is.
        """
        if not addresses:
            raise ValueError("serve() needs at least one address")
        if tls is not None and not any(map(is_tls, addresses)):
            raise ValueError(f"tls= is given, and no address is tls://: {', '.join(addresses)}")
        listeners: list[Listener] = []
        try:
            for address in addresses:
                try:
                    listeners += await listen(address, tls)
                except OSError as error:
                    problem = error.strerror or str(error)
                    raise OSError(error.errno, problem, address) from error
            await self._serve(listeners, task_status)
        except BaseExceptionGroup as group:
            raise failure_of(group) from None
        finally:
            for listener in listeners:
                listener.close()

    async def _serve(
        self, listeners: list[Listener], task_status: trio.TaskStatus[list[str]]
    ) -> None:
        accepting = trio.CancelScope()
        async with trio.open_nursery() as connections:
            try:
                with accepting:
                    self._listening.add(accepting)
                    if self.closing:
                        accepting.cancel()
                    task_status.started([listener.address for listener in listeners])
                    async with trio.open_nursery() as nursery:
                        for listener in listeners:
                            logger.info("serving on %s", listener.address)
                            nursery.start_soon(self._accept, listener, connections)
            finally:
                for listener in listeners:
                    listener.close()
                self._listening.discard(accepting)
                self._gone.unpark_all()

    async def serve_stream(self, stream: trio.abc.Stream) -> None:
        """Serve one connection over a stream that is connected already; returns when it ends.

        Takes the stream over, and closes it.
        """
        await self._door.enter()
        try:
            await self._handle(StreamTransport(stream, "stream"))
        except BaseExceptionGroup as group:
            raise failure_of(group) from None

    def run(
        self,
        *addresses: str,
        tls: ssl.SSLContext | None = None,
        ready: Callable[[list[str]], object] | None = None,
    ) -> None:
        """Run trio and serve, until SIGTERM or SIGINT: then drain, and return.

        A second signal ends everything at once.

        Args:
            addresses: As for `serve`.
            tls: As for `serve`.
            ready: Called with the list of bound addresses once clients can connect.
        """
        trio.run(partial(self.run_until_signal, ready, *addresses, tls=tls))

    async def run_until_signal(
        self,
        ready: Callable[[list[str]], object] | None,
        *addresses: str,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`run`, for a trio program that leaves its signals to the server."""
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            try:
                async with trio.open_nursery() as nursery:
                    serve = partial(self.serve, *addresses, tls=tls)
                    bound = await nursery.start(serve)
                    if ready is not None:
                        ready(bound)
                    await anext(signals)
                    nursery.start_soon(self._second_signal, signals, nursery.cancel_scope)
                    await self.aclose()
                    nursery.cancel_scope.cancel()
            except BaseExceptionGroup as group:
                raise failure_of(group) from None

    async def _second_signal(self, signals: Any, scope: trio.CancelScope) -> None:
        await anext(signals)
        scope.cancel()

    async def aclose(self) -> None:
        """Drain: accept no more connections and calls, let those that run finish, and close.

        Calls have ``limits.drain_timeout`` seconds to finish; then they are cancelled, and have
        ``limits.cancel_timeout`` seconds to end; then their connections are cut. Returns when
        all is closed, and so do `serve` and `run`. Cancelled, it cuts at once.
        """
        self.closing = True
        for scope in list(self._listening):
            scope.cancel()
        try:
            for connection in list(self._connections):
                connection.start_drain()
            with trio.move_on_after(self.limits.drain_timeout):
                await self._wait_gone()
            for connection in list(self._connections):
                connection.cancel_calls()
            with trio.move_on_after(self.limits.cancel_timeout):
                await self._wait_gone()
        finally:
            for connection in list(self._connections):
                connection.cut()
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                await self._wait_gone()
                while self._listening:
                    await self._gone.park()

    async def _wait_gone(self) -> None:
        while self._connections:
            await self._gone.park()

    async def _accept(self, listener: Listener, connections: trio.Nursery) -> None:
        while True:
            await self._door.enter()
            transport = None
            try:
                transport = await listener.accept()
            finally:
                if transport is None:
                    self._door.turn_away()
            if transport is not None:
                connections.start_soon(self._handle, transport)

    async def _handle(self, transport: Transport) -> None:
        """One connection, from accept to end. What goes wrong in it stays in it."""
        connection = ServerConnection(self, transport)
        self._connections.add(connection)
        try:
            await connection.run()
        except Exception:  # one connection never ends the server
            logger.exception("%s: internal error", transport.peer)
        finally:
            await transport.aclose()
            self._connections.discard(connection)
            self._door.leave()
            self._gone.unpark_all()

    # For the connections ...

    def handshake(self) -> ServerHandshake:
        """A handshake for one connection."""
        return ServerHandshake(
            self._offered,
            limits=self.limits,
            texts=self._texts,
            negotiations=self._negotiations,
            features=self.features,
        )

    def doorkeeper(self, transport: Transport) -> Doorkeeper | None:
        """Who asks whether the client of a connection may go on; None where all may."""
        return None if self.authenticate is None else Doorkeeper(self.authenticate, transport)

    def connection(self) -> Connection:
        """The rules for one connection."""
        return Connection(Role.SERVER, self._wire_limits, self._budget)

    def methods(self, negotiation: Negotiation) -> list[Method | None]:
        """The handlers by the client's message numbers; None for what can't be called."""
        methods = self._methods[negotiation.server.name]
        return [
            methods[message.name].agreed(negotiation.at_server(message.name))
            if negotiation[message.name].callable
            else None
            for message in negotiation.client.messages_by_number
        ]

    def shaken_hands(self) -> None:
        """A handshake is over, in whatever way."""
        self._door.shaken_hands()

    def call_began(self) -> bool:
        """Count a handler; False, and not counted, where too many run."""
        if self.running >= self.limits.max_running_handlers:
            return False
        self.running += 1
        return True

    def call_ended(self) -> None:
        """A handler, or the thread of one, has ended."""
        self.running -= 1
