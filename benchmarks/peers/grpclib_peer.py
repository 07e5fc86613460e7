"""grpclib: gRPC in Python alone, on asyncio and h2. Defaults everywhere."""

import asyncio
import importlib.metadata
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from grpclib import client as grpclib_client
from grpclib.client import Channel
from grpclib.const import Cardinality, Handler
from grpclib.server import Server

from benchmarks.peers import protobuf
from benchmarks.peers.protobuf import METHODS, SERVICE

T = TypeVar("T")

CARDINALITY = {
    (False, False): Cardinality.UNARY_UNARY,
    (False, True): Cardinality.UNARY_STREAM,
    (True, False): Cardinality.STREAM_UNARY,
    (True, True): Cardinality.STREAM_STREAM,
}
CALLER = {
    (False, False): grpclib_client.UnaryUnaryMethod,
    (False, True): grpclib_client.UnaryStreamMethod,
    (True, False): grpclib_client.StreamUnaryMethod,
    (True, True): grpclib_client.StreamStreamMethod,
}


def versions() -> dict[str, str]:
    """Return the versions of the libraries that are measured."""
    return {name: importlib.metadata.version(name) for name in ("grpclib", "h2", "protobuf")}


# --- the server -------------------------------------------------------------------------------


class Service:
    """What grpclib's server takes: handlers by path, each of which gets a stream."""

    def __init__(self, handlers: protobuf.Handlers) -> None:
        self._handlers = handlers

    def __mapping__(self) -> dict[str, Handler]:
        return {
            f"/{SERVICE}/{name}": Handler(
                adapted(getattr(self._handlers, name), *streams),
                CARDINALITY[streams[0], streams[1]],
                request,
                response,
            )
            for name, (request, response, *streams) in METHODS.items()
        }


def adapted(function: Any, takes_stream: bool, gives_stream: bool) -> Callable[[Any], Any]:
    """Drive a handler by grpclib's stream."""

    async def handle(stream: Any) -> None:
        request = stream if takes_stream else await stream.recv_message()
        if gives_stream:
            async for message in function(request):
                await stream.send_message(message)
        else:
            await stream.send_message(await function(request))

    return handle


def serve(*, flights: bool = False) -> None:
    """See `benchmarks.peers.Peer`."""

    async def main() -> None:
        server = Server([Service(protobuf.Handlers(flights=flights))])
        await server.start("127.0.0.1", 0)
        # It does not tell the port that it has been given.
        port = server._server.sockets[0].getsockname()[1]  # noqa: SLF001
        print(f"tcp://127.0.0.1:{port}", flush=True)
        await server.wait_closed()

    asyncio.run(main())


# --- the client -------------------------------------------------------------------------------


def run(
    address: str,
    work: Callable[["Client"], Awaitable[T]],
    *,
    flights: bool = False,  # noqa: ARG001 - the server's affair alone
) -> T:
    """See `benchmarks.peers.Peer`."""
    host, _, port = address.removeprefix("tcp://").rpartition(":")

    async def main() -> T:
        async with Channel(host, int(port)) as channel:
            return await work(Client(channel, lambda: Channel(host, int(port))))

    return asyncio.run(main())


def calls(channel: Channel) -> dict[str, Any]:
    """Make what calls each of the methods."""
    made = {}
    for name, (request, response, *streams) in METHODS.items():
        method = CALLER[streams[0], streams[1]](channel, f"/{SERVICE}/{name}", request, response)
        made[name] = method if streams == [False, False] else streamed(method, *streams)
    return made


def streamed(method: Any, sends: bool, receives: bool) -> Callable[..., Any]:
    """Give a streamed method the shape that `protobuf.Loops` wants."""

    async def send(stream: Any, messages: AsyncIterator[Any]) -> None:
        async for message in messages:
            await stream.send_message(message)
        await stream.end()

    async def response(request: Any) -> AsyncIterator[Any]:
        async with method.open() as stream:
            await stream.send_message(request, end=True)
            async for message in stream:
                yield message

    async def request(messages: AsyncIterator[Any]) -> Any:
        async with method.open() as stream:
            await send(stream, messages)
            return await stream.recv_message()

    async def both(messages: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async with method.open() as stream:
            await stream.send_request()
            sending = asyncio.create_task(send(stream, messages))
            async for message in stream:
                yield message
            await sending

    return both if sends and receives else request if sends else response


class Client(protobuf.Loops):
    """One channel, which is one connection. See `benchmarks.peers.PeerClient`."""

    def __init__(self, channel: Channel, open_channel: Callable[[], Channel]) -> None:
        super().__init__(calls(channel))
        self._open = open_channel

    async def connect(self, count: int) -> list[float]:
        return await self.connect_by(self._open, calls, count)

    @asynccontextmanager
    async def idle(self, count: int) -> AsyncIterator[None]:
        held = [self._open() for _ in range(count)]
        for channel in held:
            await self.echo_by([calls(channel)["echo"]], 1)
        yield
        for channel in held:
            channel.close()
