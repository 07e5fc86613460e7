"""Sockets that listen, the addresses by which clients reach them, and what they accept."""

from __future__ import annotations

import errno
import socket
import ssl
import stat
from math import inf
from pathlib import Path

import trio

from avrpc.address import Address, TlsAddress, UnixAddress, parse_address
from avrpc.log import logger
from avrpc.tls import check_tls
from avrpc.tls_transport import TlsTransport
from avrpc.transport import SocketTransport, Transport

# Accepting fails so while the process or the system is out of something that may come back.
_SHORTAGES = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS}
_SHORTAGE_PAUSE = 0.1
_SHORTAGE_QUIET = 10.0  # from one line about it to the next


class Listener:
    """A listening socket, and the address by which clients reach it.

    Args:
        sock: It is owned from here on.
        address: Where it is bound.
        tls: For a TLS address, the server's context.
    """

    def __init__(
        self, sock: trio.socket.SocketType, address: Address, tls: ssl.SSLContext | None = None
    ) -> None:
        self._socket = sock
        self._where = address
        self._tls = tls
        self.address = str(address)
        self._quiet_until = -inf

    async def accept(self) -> Transport | None:
        """The next connection, not yet opened; None if it is gone again.

        Raises:
            OSError: The socket can't accept any more.
        """
        try:
            accepted, peer = await self._socket.accept()
        except OSError as error:
            if error.errno in (errno.EBADF, errno.EINVAL, errno.ENOTSOCK):
                raise
            if error.errno in _SHORTAGES:
                self._complain(error)
                await trio.sleep(_SHORTAGE_PAUSE)
            return None
        unix = isinstance(self._where, UnixAddress)
        where = self.address if unix else str(type(self._where)(*peer[:2]))
        transport = SocketTransport(socket.socket(fileno=accepted.detach()), where)
        return transport if self._tls is None else TlsTransport(transport, self._tls, None)

    def _complain(self, error: OSError) -> None:
        now = trio.current_time()
        if now >= self._quiet_until:
            self._quiet_until = now + _SHORTAGE_QUIET
            logger.error("%s: can't accept: %s", self.address, error)

    def close(self) -> None:
        """Close the socket, and remove its file; again, it does nothing."""
        if self._socket.fileno() < 0:
            return
        self._socket.close()
        if isinstance(self._where, UnixAddress):
            try:
                Path(self._where.path).unlink()
            except OSError as error:
                logger.debug("%s: %s", self.address, error)


async def listen(address: str, tls: ssl.SSLContext | None = None) -> list[Listener]:
    """Bind an address; a name with several IP addresses is bound at each of them.

    Args:
        address: Where.
        tls: The server's context; used for a TLS address only.

    Raises:
        OSError: It can't be bound.
        ValueError: The address is none, or it is a TLS address and the context won't do.
    """
    where = parse_address(address)
    if isinstance(where, UnixAddress):
        return [await _listen_unix(where)]
    if not isinstance(where, TlsAddress):
        tls = None
    elif tls is None:
        raise ValueError(f"{address}: needs tls=, as avrpc.server_tls(certificate, key) makes it")
    else:
        check_tls(tls, None)
    listeners = await trio.open_tcp_listeners(where.port, host=where.host)
    bound = []
    for listener in listeners:
        host, port = listener.socket.getsockname()[:2]
        bound.append(Listener(listener.socket, type(where)(host, port), tls))
    return bound


async def _listen_unix(where: UnixAddress) -> Listener:
    _remove_stale(where.path)
    sock = trio.socket.socket(socket.AF_UNIX)
    try:
        await sock.bind(where.path)
        sock.listen(4096)
    except BaseException:
        sock.close()
        raise
    return Listener(sock, where)


def _remove_stale(path: str) -> None:
    """Remove the socket file of a server that is no more: nobody accepts on it."""
    try:
        if not stat.S_ISSOCK(Path(path).stat().st_mode):
            return
    except OSError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)  # a queue that is full is a sign of life, too
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink()
        except OSError:
            pass
