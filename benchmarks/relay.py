"""A TCP relay that counts the bytes of each direction.

It counts what the two ends write, without the headers of TCP and IP. It runs in threads of the
harness, and delays everything a little, so rates are never measured through it.
"""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

CHUNK = 1 << 16


class Relay:
    """Listens on a free port of 127.0.0.1 and passes every connection on to `target`.

    Args:
        target: `tcp://HOST:PORT`, as a peer's server prints it.
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.removeprefix("tcp://").rpartition(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._pumps: list[_Pump] = []
        self._sockets: list[socket.socket] = []
        self._acceptor = threading.Thread(target=self._accept, daemon=True)

    @property
    def address(self) -> str:
        """What a client connects to, as `tcp://127.0.0.1:PORT`."""
        return f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"

    def wait_idle(self, timeout: float) -> None:
        """Wait until both sides of every connection so far have closed, at most `timeout` each."""
        for pump in list(self._pumps):
            pump.join(timeout)

    def counts(self) -> tuple[int, int]:
        """Return the bytes that went to the target, and those that came from it."""
        pumps = list(self._pumps)
        return sum(p.count for p in pumps[::2]), sum(p.count for p in pumps[1::2])

    def __enter__(self) -> Self:
        self._acceptor.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # shutdown() wakes a thread that waits in accept() or recv(); close() alone does not.
        for sock in [self._listener, *self._sockets]:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        for pump in self._pumps:
            pump.join()
        for sock in [self._listener, *self._sockets]:
            sock.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target)
            except OSError:
                client.close()
                continue
            self._sockets += [client, server]
            for sock in (client, server):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pair = [_Pump(client, server), _Pump(server, client)]
            self._pumps += pair
            for pump in pair:
                pump.start()


class _Pump(threading.Thread):
    """Moves one direction of one connection until its end, and passes that on."""

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
        super().__init__(daemon=True)
        self._source = source
        self._sink = sink
        self.count = 0

    def run(self) -> None:
        try:
            while chunk := self._source.recv(CHUNK):
                self.count += len(chunk)
                self._sink.sendall(chunk)
            self._sink.shutdown(socket.SHUT_WR)
        except OSError:
            # One side went away; the other pump sees the same.
            pass
