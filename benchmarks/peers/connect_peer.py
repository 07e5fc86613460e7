"""connect-python: the Connect protocol over HTTP/2, its client on pyqwest, its server on hypercorn.

HTTP/2 in cleartext. Compression is off at both ends, and so is hypercorn's limit of 1,000 requests
a connection. Its messages are made by the same descriptors as those of the other protobuf peers.
"""

import asyncio
import importlib.metadata
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import hypercorn.asyncio
import pyqwest
from connectrpc.client import ConnectClient
from connectrpc.method import IdempotencyLevel, MethodInfo
from connectrpc.server import ConnectASGIApplication, Endpoint
from hypercorn.config import Config

from benchmarks.peers import protobuf
from benchmarks.peers.protobuf import METHODS, SERVICE

T = TypeVar("T")

LIBRARIES = ("connect-python", "pyqwest", "hypercorn", "h2", "protobuf")
INFO = {
    name: MethodInfo(
        name=name,
        service_name=SERVICE,
        input=request,
        output=response,
        idempotency_level=IdempotencyLevel.UNKNOWN,
    )
    for name, (request, response, *_) in METHODS.items()
}
ENDPOINT = {
    (False, False): Endpoint.unary,
    (False, True): Endpoint.server_stream,
    (True, False): Endpoint.client_stream,
    (True, True): Endpoint.bidi_stream,
}


def versions() -> dict[str, str]:
    """Return the versions of the libraries that are measured."""
    return {name: importlib.metadata.version(name) for name in LIBRARIES}


# --- the server -------------------------------------------------------------------------------


class Application(ConnectASGIApplication[protobuf.Handlers]):
    """What generated code would be."""

    @property
    def path(self) -> str:
        return f"/{SERVICE}"


def endpoints(handlers: protobuf.Handlers) -> dict[str, Any]:
    return {
        f"/{SERVICE}/{name}": ENDPOINT[streams[0], streams[1]](
            method=INFO[name], function=getattr(handlers, name)
        )
        for name, (_, _, *streams) in METHODS.items()
    }


def serve(*, flights: bool = False) -> None:
    """See `benchmarks.peers.Peer`."""
    handlers = protobuf.Handlers(flights=flights)
    application = Application(service=handlers, endpoints=endpoints, compressions=[])
    config = Config()
    config.bind = ["127.0.0.1:0"]
    config.keep_alive_max_requests = 2**31
    config.h2_max_concurrent_streams = 1_000
    config.loglevel = "WARNING"
    sockets = config.create_sockets()
    port = sockets.insecure_sockets[0].getsockname()[1]
    # It is to have the very socket whose port is told.
    config.create_sockets = lambda: sockets  # type: ignore[method-assign]
    print(f"tcp://127.0.0.1:{port}", flush=True)
    asyncio.run(hypercorn.asyncio.serve(application, config))


# --- the client -------------------------------------------------------------------------------


def run(
    address: str,
    work: Callable[["Client"], Awaitable[T]],
    *,
    flights: bool = False,  # noqa: ARG001 - the server's affair alone
) -> T:
    """See `benchmarks.peers.Peer`."""
    url = address.replace("tcp://", "http://")

    async def main() -> T:
        client = open_client(url)
        try:
            return await work(Client(client, url))
        finally:
            await client.close()

    return asyncio.run(main())


def open_client(url: str) -> ConnectClient:
    transport = pyqwest.HTTPTransport(http_version=pyqwest.HTTPVersion.HTTP2)
    return ConnectClient(
        url,
        accept_compression=[],
        send_compression=None,
        http_client=pyqwest.Client(transport),
    )


def calls(client: ConnectClient) -> dict[str, Any]:
    """Make what calls each of the methods."""
    execute = {
        (False, False): client.execute_unary,
        (False, True): client.execute_server_stream,
        (True, False): client.execute_client_stream,
        (True, True): client.execute_bidi_stream,
    }

    def caller(name: str, run: Any) -> Callable[[Any], Any]:
        def call(request: Any) -> Any:
            return run(request=request, method=INFO[name])

        return call

    return {
        name: caller(name, execute[streams[0], streams[1]])
        for name, (_, _, *streams) in METHODS.items()
    }


class Client(protobuf.Loops):
    """One client, which makes one connection. See `benchmarks.peers.PeerClient`."""

    def __init__(self, client: ConnectClient, url: str) -> None:
        super().__init__(calls(client))
        self._url = url

    async def connect(self, count: int) -> list[float]:
        took = []
        for _ in range(count):
            start = time.perf_counter()
            client = open_client(self._url)
            await self.echo_by([calls(client)["echo"]], 1)
            took.append(time.perf_counter() - start)
            await client.close()
        return took
