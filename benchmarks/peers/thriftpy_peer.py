"""thriftpy2: Thrift with blocking sockets, and threads at the server.

Defaults everywhere, but for TCP_NODELAY, which its server leaves off. By its protocol one call at a
time goes over a connection, and nothing streams.
"""

import importlib.metadata
import os
import pathlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

import thriftpy2
from thriftpy2.rpc import make_client
from thriftpy2.server import TThreadedServer
from thriftpy2.thrift import TProcessor
from thriftpy2.transport import TServerSocket

T = TypeVar("T")

Bench = thriftpy2.load(
    str(pathlib.Path(__file__).with_name("bench.thrift")), module_name="bench_thrift"
)


def versions() -> dict[str, str]:
    """Return the versions of the libraries that are measured."""
    return {"thriftpy2": importlib.metadata.version("thriftpy2")}


class Handlers:
    def echo(self, tick: Any) -> Any:
        return Bench.Tick(symbol=tick.symbol, price=tick.price, size=tick.size, at=tick.at)

    def last(self, symbol: str, count: int) -> Any:
        assert symbol == "FX"
        at = 1_763_700_000_000_000_000
        return Bench.Tick(symbol="EURUSD", price=1.0825, size=count, at=at)

    def blob(self, data: bytes) -> bytes:
        return data


def serve() -> None:
    """See `benchmarks.peers.Peer`."""
    listener = TServerSocket(host="127.0.0.1", port=0, client_timeout=None, backlog=1_024)
    server = TThreadedServer(TProcessor(Bench.Bench, Handlers()), listener)
    listener.listen()
    # Connections inherit it. Without, whatever takes more than one write waits for 40 ms.
    listener.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print(f"tcp://127.0.0.1:{listener.sock.getsockname()[1]}", flush=True)
    listener.listen = lambda: None  # it does already
    server.serve()


def run(address: str, work: Callable[["Client"], Awaitable[T]]) -> T:
    """Connect and work, with no event loop: nothing in it waits but in a socket."""
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    client = Client(lambda: make_client(Bench.Bench, host, int(port), timeout=None))
    coroutine = cast("Coroutine[Any, Any, T]", work(client))
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        client.client.close()
    raise RuntimeError("something waited for an event loop")


class Client:
    """One connection. See `benchmarks.peers.PeerClient`."""

    def __init__(self, open_client: Callable[[], Any]) -> None:
        self._open = open_client
        self.client = open_client()

    async def echo(self, count: int) -> list[float]:
        return echo(self.client, count)

    async def blob(self, count: int, size: int) -> list[float]:
        took: list[float] = []
        data = os.urandom(size)
        for _ in range(count):
            start = time.perf_counter()
            back = self.client.blob(data)
            took.append(time.perf_counter() - start)
            if back != data:
                raise AssertionError("other bytes came back")
        return took

    async def connect(self, count: int) -> list[float]:
        took = []
        for _ in range(count):
            start = time.perf_counter()
            client = self._open()
            echo(client, 1)
            took.append(time.perf_counter() - start)
            client.close()
        return took

    @asynccontextmanager
    async def idle(self, count: int) -> AsyncIterator[None]:
        held = [self._open() for _ in range(count)]
        for client in held:
            echo(client, 1)
        yield
        for client in held:
            client.close()


def echo(client: Any, count: int) -> list[float]:
    """Call so many times."""
    took: list[float] = []
    at = time.time_ns()
    for i in range(count):
        start = time.perf_counter()
        tick = client.echo(Bench.Tick(symbol="EURUSD", price=1.0825, size=i & 63, at=at))
        took.append(time.perf_counter() - start)
        if (tick.symbol, tick.price, tick.size, tick.at) != ("EURUSD", 1.0825, i & 63, at):
            raise AssertionError(f"sent tick {i}, got {tick}")
    return took
