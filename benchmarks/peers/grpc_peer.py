"""grpc.aio: Python's gRPC on asyncio, with protobuf.

Defaults everywhere, but for proxies from the environment, which could get between the two
processes, and but for connections that are meant to be many, which a process would otherwise share.
Streams are iterated over; `read()` and `write()` instead showed no difference.
"""

import asyncio
import importlib.metadata
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

# It has no types that mypy can find, and whoever checks need not have it installed.
import grpc  # type: ignore[import-untyped, import-not-found, unused-ignore]
import grpc.aio  # type: ignore[import-untyped, import-not-found, unused-ignore]

from benchmarks import certificates
from benchmarks.peers import protobuf
from benchmarks.peers.protobuf import METHODS, SERVICE, Count

T = TypeVar("T")

OPTIONS = (("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1))
MAKE = {
    (False, False): ("unary_unary", grpc.unary_unary_rpc_method_handler),
    (False, True): ("unary_stream", grpc.unary_stream_rpc_method_handler),
    (True, False): ("stream_unary", grpc.stream_unary_rpc_method_handler),
    (True, True): ("stream_stream", grpc.stream_stream_rpc_method_handler),
}


def versions() -> dict[str, str]:
    """Return the versions of the libraries that are measured."""
    return {name: importlib.metadata.version(name) for name in ("grpcio", "protobuf")}


def serve(*, tls: bool = False, flights: bool = False) -> None:
    """See `benchmarks.peers.Peer`."""
    asyncio.run(_serve(tls, flights))


async def _serve(tls: bool, flights: bool) -> None:
    functions = protobuf.Handlers(flights=flights)
    handlers = {}
    for name, (request, response, *streams) in METHODS.items():
        _, make = MAKE[streams[0], streams[1]]
        handlers[name] = make(
            getattr(functions, name),
            request_deserializer=request.FromString,
            response_serializer=response.SerializeToString,
        )
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, handlers)])
    if tls:
        folder = certificates.folder()
        pair = [(folder / name).read_bytes() for name in ("server.key", "chain.pem")]
        credentials = grpc.ssl_server_credentials([tuple(pair)])
        port = server.add_secure_port("127.0.0.1:0", credentials)
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"tcp://127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


def run(
    address: str,
    work: Callable[["Client"], Awaitable[T]],
    *,
    tls: bool = False,
    flights: bool = False,  # noqa: ARG001 - the server's affair alone
) -> T:
    """See `benchmarks.peers.Peer`."""
    target = address.removeprefix("tcp://")

    def open_channel() -> Any:
        if not tls:
            return grpc.aio.insecure_channel(target, options=OPTIONS)
        ca = (certificates.folder() / "ca.pem").read_bytes()
        return grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(ca), options=OPTIONS)

    async def main() -> T:
        async with open_channel() as channel:
            await channel.channel_ready()
            return await work(Client(channel, open_channel))

    return asyncio.run(main())


def calls(channel: Any) -> dict[str, Any]:
    """Make what calls each of the methods."""
    return {
        name: getattr(channel, MAKE[streams[0], streams[1]][0])(
            f"/{SERVICE}/{name}",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )
        for name, (request, response, *streams) in METHODS.items()
    }


class Client(protobuf.Loops):
    """One channel, which is one connection. See `benchmarks.peers.PeerClient`."""

    def __init__(self, channel: Any, open_channel: Callable[[], Any]) -> None:
        super().__init__(calls(channel))
        self._open = open_channel
        self._channels = [channel]

    async def connect(self, count: int) -> list[float]:
        return await self.connect_by(self._open, calls, count)

    @asynccontextmanager
    async def connections(self, number: int) -> AsyncIterator[None]:
        self._channels = [self._open() for _ in range(number)]
        await self.spread(number)
        yield
        for channel in self._channels:
            await channel.close()

    async def spread(self, count: int) -> list[float]:
        return await self.echo_by([calls(channel)["echo"] for channel in self._channels], count)

    @asynccontextmanager
    async def idle(self, count: int) -> AsyncIterator[None]:
        held = [self._open() for _ in range(count)]
        for channel in held:
            await self.echo_by([calls(channel)["echo"]], 1)
        yield
        for channel in held:
            await channel.close()

    @asynccontextmanager
    async def calls(self, count: int) -> AsyncIterator[None]:
        held = [self.call["hold"](Count()) for _ in range(count)]
        await asyncio.sleep(0.2)  # there is no asking when the server has begun them
        await self.echo(1)
        yield
        for call in held:
            call.cancel()

    @asynccontextmanager
    async def streams(self, count: int) -> AsyncIterator[None]:
        ways = [calls(channel)["convert"] for channel in self._channels]
        held = [ways[i % len(ways)]() for i in range(count)]
        await asyncio.gather(*(call.wait_for_connection() for call in held))
        await asyncio.sleep(0.2)
        await self.spread(len(ways))
        yield
        for call in held:
            call.cancel()
