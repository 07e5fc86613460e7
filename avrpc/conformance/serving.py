"""A server of the conformance protocol, for trying clients and for trying the kit.

Each connection has an `avrpc.Server` of its own, so that one can be drained while the others are
served on; what is known of keys they share.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import trio

import avrpc
from avrpc.address import TcpAddress, TlsAddress, UnixAddress, parse_address
from avrpc.conformance.interface import Conformance
from avrpc.conformance.kit import Known
from avrpc.conformance.service import Keys, Service

ServerOf = Callable[[Service], avrpc.Server]


def plain_server(service: Service) -> avrpc.Server:
    """A server with the default limits, and the codecs that are installed."""
    return avrpc.Server({Conformance: service}, compression="auto")


def server_that_is(known: Known) -> ServerOf:
    """Makes servers that do what is known of them, with the default limits for the rest."""
    limits, authenticate = avrpc.Limits(), None
    if known.handshake_seconds is not None:
        limits = replace(limits, handshake_timeout=known.handshake_seconds)
    if known.silence_seconds is not None:
        half = known.silence_seconds / 2
        limits = replace(limits, keepalive_interval=half, keepalive_timeout=half)
    if known.credentials is not None:
        authenticate = avrpc.BearerTokens({"conformance": known.credentials})
    return lambda service: avrpc.Server(
        {Conformance: service}, limits=limits, authenticate=authenticate, compression="auto"
    )


def where_to_serve(address: str) -> TcpAddress | UnixAddress:
    """Read an address to serve at.

    Raises:
        ValueError: It is none, or one for TLS.
    """
    where = parse_address(address)
    if not isinstance(where, TlsAddress):
        return where
    raise ValueError(f"address {address!r}: expected tcp:// or unix:// to serve at")


class ConformanceServer:
    """Serves the conformance protocol.

    Args:
        server_of: Makes the server of one connection.
    """

    def __init__(self, server_of: ServerOf = plain_server) -> None:
        self._server_of = server_of
        self._keys = Keys()

    async def serve_stream(self, stream: trio.abc.Stream) -> None:
        """Serve one connection; returns when it ends, and has closed the stream."""
        async with trio.open_nursery() as nursery:

            def drain() -> None:
                nursery.start_soon(server.aclose)

            server = self._server_of(Service(self._keys, drain))
            await server.serve_stream(stream)

    async def serve(
        self,
        address: str,
        *,
        task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve at an address until cancelled; reports the addresses as bound.

        Raises:
            OSError: It can't be bound.
            ValueError: It is no address, or one for TLS.
        """
        where = where_to_serve(address)
        if isinstance(where, UnixAddress):
            await self._serve_unix(where, task_status)
            return
        listeners = await trio.open_tcp_listeners(where.port, host=where.host)
        bound = [str(TcpAddress(*one.socket.getsockname()[:2])) for one in listeners]
        await self._serve(listeners, bound, task_status)

    async def _serve_unix(
        self, where: UnixAddress, task_status: trio.TaskStatus[list[str]]
    ) -> None:
        sock = trio.socket.socket(socket.AF_UNIX)
        with sock:
            await sock.bind(where.path)
            sock.listen()
            try:
                await self._serve([trio.SocketListener(sock)], [str(where)], task_status)
            finally:
                Path(where.path).unlink(missing_ok=True)  # noqa: ASYNC240  # it takes no time

    async def _serve(
        self,
        listeners: Sequence[trio.SocketListener],
        bound: list[str],
        task_status: trio.TaskStatus[list[str]],
    ) -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, self.serve_stream, listeners)
            task_status.started(bound)
