"""Sockets that listen, and the addresses by which clients reach them."""

from __future__ import annotations

import errno
import socket
import stat
from pathlib import Path

import trio

from avrpc.address import TcpAddress, UnixAddress, parse_address
from avrpc.log import logger

# Accepting fails so while the process or the system is out of something that may come back.
_SHORTAGES = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS}
_SHORTAGE_PAUSE = 0.1


class Listener:
    """A listening socket, and the address by which clients reach it."""

    def __init__(self, sock: trio.socket.SocketType, address: TcpAddress | UnixAddress) -> None:
        self._socket = sock
        self._where = address
        self.address = str(address)

    async def accept(self) -> tuple[socket.socket, str] | None:
        """The next connection and where it comes from; None if it is gone again.

        Raises:
            OSError: The socket can't accept any more.
        """
        try:
            accepted, peer = await self._socket.accept()
        except OSError as error:
            if error.errno in (errno.EBADF, errno.EINVAL, errno.ENOTSOCK):
                raise
            if error.errno in _SHORTAGES:
                logger.error("%s: can't accept: %s", self.address, error)  # noqa: TRY400  # no bug
                await trio.sleep(_SHORTAGE_PAUSE)
            return None
        where = str(TcpAddress(*peer[:2])) if isinstance(self._where, TcpAddress) else self.address
        return socket.socket(fileno=accepted.detach()), where

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


async def listen(address: str) -> list[Listener]:
    """Bind an address; a name with several IP addresses is bound at each of them.

    Raises:
        OSError: It can't be bound.
        ValueError: The address is none.
    """
    where = parse_address(address)
    if isinstance(where, UnixAddress):
        return [await _listen_unix(where)]
    listeners = await trio.open_tcp_listeners(where.port, host=where.host)
    bound = []
    for listener in listeners:
        host, port = listener.socket.getsockname()[:2]
        bound.append(Listener(listener.socket, TcpAddress(host, port)))
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
