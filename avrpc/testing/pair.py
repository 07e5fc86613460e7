"""A client that is connected to a server in the same process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from avrpc import Client, Limits, Protocol, Server, connect_stream
from avrpc.compression import Compression
from avrpc.credentials import Credentials
from avrpc.groups import failure_of
from avrpc.testing.link import Link


@asynccontextmanager
async def open_pair(
    server: Server,
    protocol: Protocol | str | None = None,
    *,
    limits: Limits | None = None,
    link: Link | None = None,
    credentials: Credentials = None,
    compression: Compression = None,
) -> AsyncIterator[Client]:
    """Connect to a server in memory, for the length of an ``async with``.

    May be entered many times for one server. Leaving the block closes the client, and then waits
    until the server has seen that and every handler of the connection has ended; left with an
    exception, it cuts the connection instead.

    Args:
        server: Need not be serving anything else.
        protocol: As for `avrpc.connect`.
        limits: The client's; the server has its own.
        link: What lies between the two: by default a `Link` that holds nothing up.
        credentials: As for `avrpc.connect`.
        compression: As for `avrpc.connect`.
    """
    link = link or Link()
    failure: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.serve_stream, link.server)
            try:
                opening = connect_stream(
                    link.client,
                    protocol,
                    limits=limits,
                    credentials=credentials,
                    compression=compression,
                )
                async with opening as client:
                    yield client
            except BaseException as error:  # noqa: BLE001  # raised again below, in no group
                failure = error
                nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:  # the server's failure, or a cancel from outside
        raise failure_of(group) from None
    if failure is not None:
        raise failure
