"""TLS over a socket, by `ssl.MemoryBIO`.

Beside `trio.SSLStream` this takes a third of the CPU, for a small message and its answer and for
bulk (`python -m benchmarks.tls_costs`): what one read of the socket brought is taken apart at once,
and a send that need not wait is no task switch.

What was encrypted can't be taken back. So plain bytes stay at the front of the caller's buffer
until their ciphertext has left: what is unsent counts as unsent, here as on a plain socket.

Bytes go through OpenSSL by 16 KiB, the most that a record holds: its buffers keep the largest size
that they ever had, and an idle connection shall not hold 64 KiB each way for what it did once.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from functools import cached_property

import trio
from trio.lowlevel import checkpoint

from avrpc.errors import fresh
from avrpc.tls import ALPN, TlsInfo, tls_info
from avrpc.tls_errors import no_tls, tls_failed, why, wrong_alpn
from avrpc.transport import SocketTransport, Transport

_RECORD_BYTES = 16 * 1024

# So much is encrypted before it is given to the socket in one call.
_SEND_BYTES = 64 * 1024

# The first byte of a TLS connection: that of a handshake record, or of an alert.
_FIRST_BYTES = (0x16, 0x15)

# What a peer that speaks no TLS is told: a fatal alert, "unexpected message".
_NO_TLS_ALERT = b"\x15\x03\x01\x00\x02\x02\x0a"

# How long the other end may take to read why the handshake failed, in seconds. If we hung up at
# once and it has sent more meanwhile, the kernel would send a reset, which may overtake the alert.
_LAST_WORDS = 0.5


class TlsTransport(Transport):
    """One end of a TLS connection; `open` shakes hands.

    Args:
        inner: What the ciphertext goes over; it is owned from here on.
        context: Of this end.
        host: Whom the server's certificate has to be for, at the client; None at the server.

    Raises:
        ValueError: The host is no name, or the context is one for the other end.
    """

    def __init__(self, inner: SocketTransport, context: ssl.SSLContext, host: str | None) -> None:
        self.peer = inner.peer
        self._inner = inner
        self._host = host
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._ssl = context.wrap_bio(
            self._incoming, self._outgoing, server_side=host is None, server_hostname=host
        )
        self._unsent = bytearray()  # ciphertext
        self._ahead = 0  # so many bytes of the caller's buffer are in it
        # By TLS 1.3 a server refuses a client's certificate when that has done with the handshake.
        self._refusable = host is not None
        self._look = False  # some may have come with the end of the handshake
        self._ended = False  # the peer has said that it sends no more
        self._failure: Exception | None = None  # why nothing more can be received
        self._closed = False

    @cached_property
    def tls(self) -> TlsInfo:
        """What TLS came to."""
        return tls_info(self._ssl)

    async def open(self) -> None:
        """Shake hands.

        Raises:
            TlsFailed: The two ends do not agree; the other one was told.
            trio.BrokenResourceError: The other end hung up.
        """
        try:
            await self._shake_hands()
        except ssl.SSLError as error:
            await self._say_why()
            raise tls_failed(error, self.peer, self._host) from error
        alpn = self._ssl.selected_alpn_protocol()
        if alpn not in (None, ALPN):
            raise wrong_alpn(alpn, self.peer)
        self._look = True

    async def _shake_hands(self) -> None:
        first = True
        while not self._shake():
            await self._flush()
            data = await self._inner.receive()
            if not data:
                raise trio.BrokenResourceError("it ended before TLS was agreed on")
            if first and data[0] not in _FIRST_BYTES:
                if self._host is None:
                    self._unsent += _NO_TLS_ALERT
                    await self._say_why()
                raise no_tls(data, self.peer, self._host)
            first = False
            self._incoming.write(data)
        await self._flush()

    def _shake(self) -> bool:
        try:
            self._ssl.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    async def _flush(self) -> None:
        unsent = self._unsent
        unsent += self._outgoing.read()
        while unsent:
            self._inner.send_now(unsent)
            if unsent:
                await self._inner.wait_send(unsent)

    async def _say_why(self) -> None:
        with (
            trio.move_on_after(_LAST_WORDS),
            suppress(trio.BrokenResourceError, trio.ClosedResourceError),
        ):
            await self._flush()
            await self._inner.send_eof()
            while await self._inner.receive():
                pass

    # Sending ...

    def send_now(self, data: bytearray) -> None:
        self._check_open()
        unsent, send_now = self._unsent, self._inner.send_now
        if unsent:
            send_now(unsent)
        while not unsent:
            self._drop(data)
            if not data:
                return
            self._encrypt(data)
            send_now(unsent)

    def _check_open(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError("the transport was closed")

    def _drop(self, data: bytearray) -> None:
        """Drop the bytes whose ciphertext has left."""
        if self._ahead == len(data):
            data.clear()
        else:
            del data[: self._ahead]
        self._ahead = 0

    def _encrypt(self, data: bytearray) -> None:
        try:
            if len(data) <= _RECORD_BYTES:
                self._ahead = self._ssl.write(data)
                self._unsent += self._outgoing.read()
                return
            while self._ahead < min(len(data), _SEND_BYTES):
                record = data[self._ahead : self._ahead + _RECORD_BYTES]
                self._ahead += self._ssl.write(record)
                self._unsent += self._outgoing.read()
        except ssl.SSLError as error:
            raise _broken(error) from error

    async def wait_send(self, data: bytearray) -> None:
        self._check_open()
        await self._inner.wait_send(self._unsent)

    async def send_eof(self) -> None:
        await checkpoint()
        self._check_open()
        self._close_notify()
        await self._flush()
        await self._inner.send_eof()

    def _close_notify(self) -> None:
        """Queue TLS's own end of our direction; again, it does nothing."""
        unread = self._incoming.read()  # OpenSSL looks there for the peer's, and fails at data
        with suppress(ssl.SSLError):  # such as that it must wait for the peer's, which we need not
            self._ssl.unwrap()
        self._incoming.write(unread)
        self._unsent += self._outgoing.read()

    # ... receiving ...

    async def receive(self) -> bytes:
        while True:
            if self._ended:
                await checkpoint()
                return b""
            if self._failure is not None:
                await checkpoint()
                raise fresh(self._failure)
            if self._look:
                await checkpoint()
                self._look = False
                data = b""
            else:
                data = await self._inner.receive()
                if not data:
                    self._failure = trio.BrokenResourceError(
                        "it ended without TLS's close_notify: a failure, or somebody cut it"
                    )
                    continue
            if plain := self._decrypt(data):
                return plain

    def _decrypt(self, data: bytes) -> bytes:
        """What can be read now; empty if that is nothing yet, or the end."""
        parts: list[bytes] = []
        try:
            if len(data) <= _RECORD_BYTES:
                self._incoming.write(data)
                self._read(parts)
            else:
                for start in range(0, len(data), _RECORD_BYTES):
                    self._incoming.write(data[start : start + _RECORD_BYTES])
                    self._read(parts)
        except ssl.SSLZeroReturnError:
            self._ended = True
        except ssl.SSLError as error:
            self._fail(error)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _read(self, parts: list[bytes]) -> None:
        read, incoming = self._ssl.read, self._incoming
        try:
            while part := read(_RECORD_BYTES):
                self._refusable = False
                parts.append(part)
                if not incoming.pending:  # looking once more would cost an exception
                    return
        except ssl.SSLWantReadError:
            return
        self._ended = True

    def _fail(self, error: ssl.SSLError) -> None:
        if self._refusable:
            self._failure = tls_failed(error, self.peer, self._host)
        else:
            self._failure = _broken(error)
        self._failure.__cause__ = error
        self._unsent += self._outgoing.read()  # an alert
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            self._inner.send_now(self._unsent)

    # ... and the end.

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            self._close_notify()
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                self._inner.send_now(self._unsent)
        await self._inner.aclose()


def _broken(error: ssl.SSLError) -> trio.BrokenResourceError:
    return trio.BrokenResourceError(f"TLS failed: {why(error)}")
