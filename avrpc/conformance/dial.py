"""Streams to the server that is tried."""

from __future__ import annotations

import os
import ssl

import trio

from avrpc.address import TlsAddress, UnixAddress, parse_address
from avrpc.conformance.kit import Opener
from avrpc.tls import client_tls


def opener_of(address: str, ca: str | None = None) -> Opener:
    """What connects to an address.

    Over TLS that is trio's own `trio.SSLStream`, and not avrpc's.

    Args:
        address: Where.
        ca: PEM file of the CAs to trust, for TLS; None trusts those of the system.

    Raises:
        ValueError: It is no address, or the file holds no CA.
        OSError: The file can't be read.
    """
    where = parse_address(address)
    context = client_tls(ca=ca) if isinstance(where, TlsAddress) else None

    async def connect() -> trio.abc.Stream:
        if isinstance(where, UnixAddress):
            return await trio.open_unix_socket(where.path)
        stream = await trio.open_tcp_stream(where.host, where.port)
        return stream if context is None else await _secured(stream, context, where.host)

    return connect


async def _secured(
    stream: trio.SocketStream, context: ssl.SSLContext, host: str
) -> trio.SSLStream[trio.SocketStream]:
    # https_compatible: the end of a connection is its end, also without TLS's own goodbye.
    secured = trio.SSLStream(stream, context, server_hostname=host, https_compatible=True)
    try:
        await secured.do_handshake()
    except trio.BrokenResourceError as error:
        await trio.aclose_forcefully(secured)
        raise OSError(f"no TLS: {error.__cause__ or error}") from error
    return secured


def problem(error: Exception) -> str:
    """What kept a connection from being made, in words."""
    # trio reports all attempts of a name with many addresses as the cause; the first will do.
    cause: BaseException = error
    while isinstance(cause.__cause__, OSError | BaseExceptionGroup):
        cause = cause.__cause__
        while isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
    number = cause.errno if isinstance(cause, OSError) else None
    return os.strerror(number) if number else str(cause) or "no answer in time"
