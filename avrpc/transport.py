"""One duplex stream of bytes, as `session` needs it: a socket, or any trio stream.

A plain socket is used without `trio.SocketStream`: a non-blocking ``recv`` after
``wait_readable`` costs half of ``receive_some`` (2.5 µs of CPU instead of 5 per message), and a
``send`` on the spot a fifth of ``send_all``.

What the operating system or trio reports as a failure leaves here as `trio.BrokenResourceError`;
`trio.ClosedResourceError` means that this end closed the transport.
"""

from __future__ import annotations

import errno
import socket
from abc import ABC, abstractmethod
from contextlib import suppress

import trio
from trio.lowlevel import checkpoint, notify_closing, wait_readable, wait_writable

from avrpc.tls import TlsInfo

# The most that one receive takes: what one connection may bring in before others have their turn.
RECEIVE_BYTES = 64 * 1024

# How much the kernel holds unsent before it calls a socket full: a small frame waits behind at
# most this and one frame of a large value.
_UNSENT_BYTES = 64 * 1024

# How much a stream is given at a time: it does not tell how it gets on with that.
_SLICE_BYTES = 16 * 1024


class Transport(ABC):
    """A connected byte stream. One task receives and one task sends.

    Attributes:
        peer: Where the other end is, for logs and for `CallInfo.peer`.
    """

    peer: str

    @property
    def tls(self) -> TlsInfo | None:
        """What TLS came to; None where there is none."""
        return None

    async def open(self) -> None:  # noqa: B027  # without TLS it is ready
        """Make it ready to send and receive: called once, before anything else.

        Raises:
            TlsFailed: The two ends do not agree on TLS.
            trio.BrokenResourceError: The other end hung up.
        """

    @abstractmethod
    def send_now(self, data: bytearray) -> None:
        """Send what can be sent without waiting, and drop it from the front of ``data``."""

    @abstractmethod
    async def wait_send(self, data: bytearray) -> None:
        """Wait until `send_now` can send something.

        A stream that has no `send_now` takes the first of ``data`` here, before it waits, and
        sends it; not all of it, so that its owner sees that it gets on.
        """

    @abstractmethod
    async def receive(self) -> bytes:
        """The next bytes; empty at the end."""

    @abstractmethod
    async def send_eof(self) -> None:
        """End our direction, where the stream can; else do nothing."""

    @abstractmethod
    async def aclose(self) -> None:
        """Close at once, without ceremony; whoever waits in it gets ClosedResourceError."""


class SocketTransport(Transport):
    """A connected TCP or Unix socket, which it owns from here on."""

    def __init__(self, sock: socket.socket, peer: str) -> None:
        self.peer = peer
        self._socket = sock
        self._more = False  # the last receive filled its buffer: look again before waiting
        sock.setblocking(False)
        if sock.family != getattr(socket, "AF_UNIX", None):
            with suppress(OSError):  # macOS: the peer has hung up already; `receive` will tell
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if hasattr(socket, "TCP_NOTSENT_LOWAT"):
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)

    def send_now(self, data: bytearray) -> None:
        try:
            count = self._socket.send(data)
        except BlockingIOError:
            return
        except OSError as error:
            raise _broken(error) from error
        if count == len(data):
            data.clear()
        else:
            del data[:count]

    async def wait_send(self, data: bytearray) -> None:
        self._check_open()
        try:
            await wait_writable(self._socket)
        except OSError as error:
            raise _broken(error) from error

    def _check_open(self) -> None:
        # trio says ValueError of a socket that was closed before, and then takes it for busy.
        if self._socket.fileno() < 0:
            raise trio.ClosedResourceError("the transport was closed")

    async def receive(self) -> bytes:
        while True:
            self._check_open()
            try:
                if self._more:
                    await checkpoint()
                else:
                    await wait_readable(self._socket)
                data = self._socket.recv(RECEIVE_BYTES)
            except BlockingIOError:
                self._more = False
                continue
            except OSError as error:
                raise _broken(error) from error
            self._more = len(data) == RECEIVE_BYTES
            return data

    async def send_eof(self) -> None:
        await checkpoint()
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            raise _broken(error) from error

    async def aclose(self) -> None:
        if self._socket.fileno() >= 0:
            notify_closing(self._socket)
            self._socket.close()


def _broken(error: OSError) -> Exception:
    if error.errno == errno.EBADF:  # closed by this end while another task used it
        return trio.ClosedResourceError(str(error))
    return trio.BrokenResourceError(str(error))


class StreamTransport(Transport):
    """Any trio stream, such as one of `trio.testing.memory_stream_pair`."""

    def __init__(self, stream: trio.abc.Stream, peer: str) -> None:
        self.peer = peer
        self._stream = stream
        self._closed = False

    def send_now(self, data: bytearray) -> None:
        self._check_open()

    def _check_open(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError("the transport was closed")

    async def wait_send(self, data: bytearray) -> None:
        taken = bytes(data[:_SLICE_BYTES])
        del data[:_SLICE_BYTES]
        await self._stream.send_all(taken)

    async def receive(self) -> bytes:
        return bytes(await self._stream.receive_some(RECEIVE_BYTES))

    async def send_eof(self) -> None:
        self._check_open()
        if isinstance(self._stream, trio.abc.HalfCloseableStream):
            await self._stream.send_eof()
        else:
            await checkpoint()

    async def aclose(self) -> None:
        self._closed = True
        with trio.CancelScope(shield=True):  # else a cancel from outside would be raised here
            await trio.aclose_forcefully(self._stream)
