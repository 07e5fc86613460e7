"""purerpc: gRPC on anyio, here on trio. Defaults everywhere.

It needs h2 below 4, so `benchmarks.environments` gives it an environment of its own.
"""

import importlib.metadata
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

import anyio
import purerpc
import trio
from purerpc.client import Client as PureClient

from benchmarks.peers import protobuf
from benchmarks.peers.protobuf import METHODS, SERVICE

T = TypeVar("T")

CARDINALITY = {
    (False, False): purerpc.Cardinality.UNARY_UNARY,
    (False, True): purerpc.Cardinality.UNARY_STREAM,
    (True, False): purerpc.Cardinality.STREAM_UNARY,
    (True, True): purerpc.Cardinality.STREAM_STREAM,
}
ONE_PARAMETER = inspect.Signature(
    [inspect.Parameter("message", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
)


def versions() -> dict[str, str]:
    """Return the versions of the libraries that are measured."""
    libraries = ("purerpc", "h2", "anyio", "trio", "protobuf")
    return {name: importlib.metadata.version(name) for name in libraries}


def signature(name: str) -> purerpc.RPCSignature:
    request, response, *streams = METHODS[name]
    return purerpc.RPCSignature(CARDINALITY[streams[0], streams[1]], request, response)


def serve() -> None:
    """See `benchmarks.peers.Peer`."""

    async def main() -> None:
        service = purerpc.Service(SERVICE)
        handlers = protobuf.Handlers()
        for name in METHODS:
            service.add_method(name, getattr(handlers, name), signature(name), ONE_PARAMETER)
        server = purerpc.Server(0)
        server.add_service(service)
        async with anyio.create_task_group() as group:
            port = await group.start(server.serve_async)
            print(f"tcp://127.0.0.1:{port}", flush=True)

    anyio.run(main, backend="trio")


def run(address: str, work: Callable[["Client"], Awaitable[T]]) -> T:
    """See `benchmarks.peers.Peer`."""
    host, _, port = address.removeprefix("tcp://").rpartition(":")

    async def main() -> T:
        async with purerpc.insecure_channel(host, int(port)) as channel:
            return await work(Client(channel, lambda: purerpc.insecure_channel(host, int(port))))

    return anyio.run(main, backend="trio")


def calls(channel: Any) -> dict[str, Any]:
    """Make what calls each of the methods."""
    client = PureClient(SERVICE, channel)
    return {name: client.get_method_stub(name, signature(name)) for name in METHODS}


async def together(jobs: Sequence[Callable[[], Awaitable[None]]]) -> None:
    """Run all at once, by trio."""
    async with trio.open_nursery() as nursery:
        for job in jobs:
            nursery.start_soon(job)


class Client(protobuf.Loops):
    """One channel, which is one connection. See `benchmarks.peers.PeerClient`."""

    large_values = None  # of asyncio

    def __init__(self, channel: Any, open_channel: Callable[[], Any]) -> None:
        super().__init__(calls(channel), together)
        self._open = open_channel

    async def connect(self, count: int) -> list[float]:
        return await self.connect_by(self._open, calls, count)

    @asynccontextmanager
    async def idle(self, count: int) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for _ in range(count):
                channel = await stack.enter_async_context(self._open())
                await self.echo_by([calls(channel)["echo"]], 1)
            yield
