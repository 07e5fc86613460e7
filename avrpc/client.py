"""The client: `connect`, and an object with one method for each message."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Literal, NamedTuple, get_args

import trio

from avrpc.address import Address, TlsAddress, UnixAddress, parse_address
from avrpc.client_message import BoundMessage, StreamMessage, UnaryMessage, UncallableMessage
from avrpc.compression import Compression, features
from avrpc.credentials import Credentials, check_credentials, fetch
from avrpc.errors import ConnectFailed, ConnectTimeout, IncompatibleProtocol, UnknownMessage
from avrpc.groups import failure_of
from avrpc.handshake import ClientHandshake
from avrpc.limits import Limits
from avrpc.log import logger
from avrpc.memory import ServerMemory
from avrpc.opening import open_client
from avrpc.replies import Agreement
from avrpc.schema import Protocol
from avrpc.schema.compat import Verdict
from avrpc.schema.negotiation import Negotiation
from avrpc.session import Session
from avrpc.shown import shown
from avrpc.tls import check_tls, default_client_tls
from avrpc.tls_transport import TlsTransport
from avrpc.transport import SocketTransport, StreamTransport, Transport
from avrpc.wire import Connection, GoawayCode, Role

Require = Literal["all", "strict"]

# What this process knows of the servers it has met, so that a next connect takes one round trip.
_memory = ServerMemory()


def connect(
    address: str,
    protocol: Protocol | str | None = None,
    *,
    limits: Limits | None = None,
    timeout: float = 10,
    credentials: Credentials = None,
    tls: ssl.SSLContext | None = None,
    server_hostname: str | None = None,
    require: Require | None = None,
    allow_plaintext_credentials: bool = False,
    compression: Compression = None,
) -> AbstractAsyncContextManager[Client]:
    """Connect to a server, for the length of an ``async with``.

    Leaving the block closes the connection. One-way calls are waited for, up to
    ``limits.close_timeout`` seconds, unless it is left with an exception; calls that are open
    after that end with `ConnectionClosed`.

    Args:
        address: ``tcp://host:port``, ``tls://host:port`` or ``unix:///path``, as `Server.serve`
            reports it.
        protocol: The client's own version of the interface; or the full name of one of the
            server's, to take the server's version; or None for the server's first.
        limits: What this end accepts.
        timeout: Seconds for connecting and the handshake together.
        credentials: What the server is to know this client by, such as a token: bytes, or a str
            (its UTF-8), of at most 8 KiB; or a function, async or not, that gives them anew for
            each connect, and whose exceptions are raised here. They are in no log, error or repr.
        tls: For ``tls://``, how the server is checked and what it is shown, as `client_tls`
            makes it; by default the system's CAs, and no certificate of this end's.
        server_hostname: For ``tls://``, the name or IP address that the server's certificate has
            to be for, where that is not the one in ``address``.
        require: "all" refuses a server whose version of the protocol leaves a message uncallable;
            "strict", one that may not take or give every value. Without it, such a message raises
            when it is called.
        allow_plaintext_credentials: Send them over ``tcp://`` beyond this machine, too, where
            others may read them on their way.
        compression: What to compress with, if the server offers it: "zstd", "snappy", several of
            them in order of preference, or "auto" for those that are installed (extra
            ``compression``). Off by default; docs/compression.md says when it pays.

    Raises:
        ConnectFailed: No connection came about; its subclasses say why.
        ValueError: The address is none, ``tls`` or ``server_hostname`` do not go with it, or
            ``require`` or ``compression`` is something else; or credentials are too long, or would
            go through plain text without leave.
        ImportError: ``compression`` names a codec that is not installed.
    """
    where = parse_address(address)
    if isinstance(where, TlsAddress):
        tls = default_client_tls() if tls is None else tls
        server_hostname = where.host if server_hostname is None else server_hostname
        check_tls(tls, server_hostname)
    elif tls is not None or server_hostname is not None:
        raise ValueError(f"{address}: tls and server_hostname are for a tls:// address")
    check_credentials(credentials, address, allow_plaintext=allow_plaintext_credentials)
    _check_require(require)

    async def transport() -> Transport:
        sock = await _connect_socket(where, address)
        return sock if tls is None else TlsTransport(sock, tls, server_hostname)

    wishes = _Wishes(protocol, limits or Limits(), require, features(compression))
    return _connect(transport, address, wishes, timeout, credentials)


def connect_stream(
    stream: trio.abc.Stream,
    protocol: Protocol | str | None = None,
    *,
    limits: Limits | None = None,
    timeout: float = 10,
    address: str = "stream",
    require: Require | None = None,
    credentials: Credentials = None,
    compression: Compression = None,
) -> AbstractAsyncContextManager[Client]:
    """`connect` over a stream that is connected already, such as one end of a memory stream pair.

    Takes the stream over, and closes it. ``address`` says where it leads, for errors and
    `Client.address`. Who can read the stream can read ``credentials``.
    """
    _check_require(require)

    async def transport() -> Transport:
        return StreamTransport(stream, address)

    wishes = _Wishes(protocol, limits or Limits(), require, features(compression))
    return _connect(transport, address, wishes, timeout, credentials)


class _Wishes(NamedTuple):
    """What a connection is to be like, wherever it leads."""

    protocol: Protocol | str | None
    limits: Limits
    require: Require | None
    features: tuple[str, ...]


@asynccontextmanager
async def _connect(
    open_transport: Callable[[], Awaitable[Transport]],
    address: str,
    wishes: _Wishes,
    seconds: float,
    credentials: Credentials,
) -> AsyncIterator[Client]:
    opened, fetched = None, False
    with trio.move_on_after(seconds):
        # First of all, since a server does not wait long for a client that has connected.
        secret = await fetch(credentials)
        fetched = True
        opened = await _open(await open_transport(), address, wishes, secret)
    if not fetched:
        raise ConnectTimeout(f"{address}: the function for credentials took over {seconds} s")
    if opened is None:
        raise ConnectTimeout(f"{address}: no answer within {seconds} s; is it an avrpc server?")
    async with _run(*opened) as client:
        yield client


async def _connect_socket(where: Address, address: str) -> SocketTransport:
    try:
        if isinstance(where, UnixAddress):
            stream = await trio.open_unix_socket(where.path)
        else:
            stream = await trio.open_tcp_stream(where.host, where.port)
    except OSError as error:
        raise ConnectFailed(f"{address}: cannot connect: {_problem(error)}") from error
    return SocketTransport(socket.socket(fileno=stream.socket.detach()), address)


def _problem(error: OSError) -> str:
    # trio reports all attempts of a name with many addresses as the cause; the first will do.
    cause: BaseException = error.__cause__ or error
    while isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    number = cause.errno if isinstance(cause, OSError) else None
    return os.strerror(number) if number and number > 0 else str(cause)


async def _open(
    transport: Transport, address: str, wishes: _Wishes, credentials: bytes | None
) -> tuple[Session, list[Any], Agreement, Limits]:
    """Shake hands. The transport is closed if that fails."""
    protocol, limits = wishes.protocol, wishes.limits
    mine = protocol if isinstance(protocol, Protocol) else None
    name = mine.name if mine else str(protocol or "")
    connection = Connection(Role.CLIENT, limits.wire())
    handshake = ClientHandshake(
        mine,
        name,
        address=address,
        limits=limits,
        memory=_memory,
        credentials=credentials,
        features=wishes.features,
    )
    try:
        agreement, events = await open_client(transport, connection, handshake, limits)
        _require(agreement.negotiation, wishes.require, address)
    except BaseException:
        await transport.aclose()
        raise
    return Session(transport, connection, limits), events, agreement, limits


def _check_require(require: object) -> None:
    if require not in (None, *get_args(Require)):
        words = ", ".join(map(repr, get_args(Require)))
        raise ValueError(f"require: expected {words} or None, got {require!r}")


def _require(negotiation: Negotiation, require: Require | None, address: str) -> None:
    if require is None:
        return
    limit = Verdict.PARTIAL if require == "all" else Verdict.RESOLVABLE
    bad = [fit for fit in negotiation.values() if fit.verdict > limit]
    if bad:
        told = "; ".join(f"{fit.name} is {fit.verdict}: {shown(fit.reason)}" for fit in bad[:5])
        raise IncompatibleProtocol(
            f"{address}: its {negotiation.server.name} does not fit this end's"
            f" ({len(bad)} of {len(negotiation)} messages): {told}"
        )


@asynccontextmanager
async def _run(
    session: Session, events: list[Any], agreement: Agreement, limits: Limits
) -> AsyncIterator[Client]:
    """The connection's tasks, around the user's block.

    The nursery is our own business: what leaves the block leaves here as it is, in no group.
    """
    client = Client(session, agreement)
    failure: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(session.run, events)
            try:
                yield client
                with trio.move_on_after(limits.close_timeout):
                    await session.wait_idle()
                _say_goodbye(session)
            except BaseException as error:  # noqa: BLE001  # raised again below
                failure = error
                _say_goodbye(session)
                nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        # Cancelled, from outside; or what hits any task, such as KeyboardInterrupt: it counts, and
        # not that it cancelled the block.
        what = failure_of(group)
        if failure is None or not isinstance(what, trio.Cancelled):
            failure = what
    finally:
        await session.transport.aclose()
    if failure is not None:
        raise failure


def _say_goodbye(session: Session) -> None:
    if session.ended is None:
        session.connection.goaway(GoawayCode.NO_ERROR, "the client was closed")
        session.kick()
    session.close()


class Client:
    """A connection to a server, with the messages of its protocol as methods.

    ``client["name"]`` is the message of that name; ``client.name`` too, unless the client itself
    has the name (``protocol``, ``protocols``, ``negotiation``, ``compression``, ``address``). What
    calling it gives depends on its kind: an async function for unary and one-way messages, an
    object for ``async with`` for those that stream.

    Parameters go by position or by name; one that has a default may be left out, and one that is
    a Python keyword takes a trailing underscore (``from_``).
    """

    def __init__(self, session: Session, agreement: Agreement) -> None:
        self._session = session
        self._agreement = agreement
        self._bound: dict[str, BoundMessage] = {}
        for name in self.protocol.messages:
            if hasattr(type(self), name):
                logger.warning(
                    "message %s.%s: the client has that name itself; call it as client[%r]",
                    self.protocol.name,
                    name,
                    name,
                )

    @property
    def protocol(self) -> Protocol:
        """The client's protocol: its own, or the server's where it brought none."""
        return self._agreement.negotiation.client

    @property
    def negotiation(self) -> Negotiation:
        """How each message of the client's protocol fits the server's, by name."""
        return self._agreement.negotiation

    @property
    def protocols(self) -> tuple[str, ...]:
        """Full names of the protocols that the server offers."""
        return self._agreement.offered

    @property
    def compression(self) -> str | None:
        """The codec that both ends compress with; None where they have not agreed on one."""
        return self._agreement.compression

    @property
    def address(self) -> str:
        """Where the server is."""
        return self._session.transport.peer

    def __getitem__(self, name: str) -> Any:
        """The message of that name, ready to be called.

        Raises:
            UnknownMessage: The protocol has none of that name.
        """
        bound = self._bound.get(name)
        if bound is None:
            bound = self._bound[name] = self._bind(name)
        return bound

    def _bind(self, name: str) -> BoundMessage:
        fit = self.negotiation.get(name)
        if fit is None:
            known = ", ".join(self.protocol.messages)
            raise UnknownMessage(f"protocol {self.protocol.name} has no message {name!r}: {known}")
        if not fit.callable:
            return UncallableMessage(fit, self.address)
        message = self.negotiation.at_client(name)
        if message.kind.streams_request or message.kind.streams_response:
            return StreamMessage(self._session, message)
        return UnaryMessage(self._session, message)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            bound = self[name]
        except UnknownMessage as error:
            raise AttributeError(str(error)) from None
        self.__dict__[name] = bound  # the next look-up finds it without a call
        return bound

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.protocol.messages]

    def __repr__(self) -> str:
        return f"<avrpc.Client of {self.protocol.name} at {self.address}>"
