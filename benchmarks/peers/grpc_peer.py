"""grpc.aio: Python's gRPC on asyncio, with protobuf.

No code is generated: the messages are made from a descriptor at run time, which gives the very
classes that generated code would, and the methods are named by path. Defaults everywhere, but for
proxies from the environment, which could get between the two processes. Streams are iterated over;
`read()` and `write()` instead showed no difference.
"""

import asyncio
import importlib.metadata
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

# Neither has types that mypy can find, and whoever checks need not have them installed.
import grpc  # type: ignore[import-untyped, import-not-found, unused-ignore]
import grpc.aio  # type: ignore[import-untyped, import-not-found, unused-ignore]
from google.protobuf import (  # type: ignore[import-untyped, import-not-found, unused-ignore]
    descriptor_pb2,
    descriptor_pool,
    message_factory,
)

T = TypeVar("T")

SERVICE = "avrpc.bench.Bench"
PROXIES_OFF = (("grpc.enable_http_proxy", 0),)


def message_classes() -> dict[str, Any]:
    """Make the classes of the messages that bench.avpr says in Avro."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="avrpc/bench.proto", package="avrpc.bench", syntax="proto3"
    )
    fields = {
        "Tick": {
            "symbol": field.TYPE_STRING,
            "price": field.TYPE_DOUBLE,
            "size": field.TYPE_INT32,
            "at": field.TYPE_INT64,
        },
        "Count": {"count": field.TYPE_INT32},
        "Blob": {"data": field.TYPE_BYTES},
    }
    for name, members in fields.items():
        message = file.message_type.add(name=name)
        for number, (member, kind) in enumerate(members.items(), 1):
            message.field.add(name=member, number=number, type=kind, label=field.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"avrpc.bench.{name}"))
        for name in fields
    }


CLASSES = message_classes()
Tick, Count, Blob = CLASSES["Tick"], CLASSES["Count"], CLASSES["Blob"]


def versions() -> dict[str, str]:
    """Return the versions of the libraries that are measured."""
    return {name: importlib.metadata.version(name) for name in ("grpcio", "protobuf")}


# --- the server -------------------------------------------------------------------------------


async def echo(request: Any, _context: Any) -> Any:
    return Tick(symbol=request.symbol, price=request.price, size=request.size, at=request.at)


async def blob(request: Any, _context: Any) -> Any:
    return Blob(data=request.data)


async def watch(request: Any, _context: Any) -> AsyncIterator[Any]:
    at = time.time_ns()
    for i in range(request.count):
        yield Tick(symbol="EURUSD", price=1.0825, size=i & 63, at=at)


async def record(requests: AsyncIterator[Any], _context: Any) -> Any:
    count = 0
    async for tick in requests:
        _ = (tick.symbol, tick.price, tick.size, tick.at)
        count += 1
    return Count(count=count)


async def convert(requests: AsyncIterator[Any], _context: Any) -> AsyncIterator[Any]:
    async for tick in requests:
        yield Tick(symbol=tick.symbol, price=tick.price, size=tick.size, at=tick.at)


def serve() -> None:
    """Serve on a free port of 127.0.0.1, print its address, and never return."""
    asyncio.run(_serve())


async def _serve() -> None:
    def handler(make: Callable[..., Any], function: Any, request: Any, response: Any) -> Any:
        return make(
            function,
            request_deserializer=request.FromString,
            response_serializer=response.SerializeToString,
        )

    handlers = {
        "echo": handler(grpc.unary_unary_rpc_method_handler, echo, Tick, Tick),
        "blob": handler(grpc.unary_unary_rpc_method_handler, blob, Blob, Blob),
        "watch": handler(grpc.unary_stream_rpc_method_handler, watch, Count, Tick),
        "record": handler(grpc.stream_unary_rpc_method_handler, record, Tick, Count),
        "convert": handler(grpc.stream_stream_rpc_method_handler, convert, Tick, Tick),
    }
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"tcp://127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


# --- the client -------------------------------------------------------------------------------


def run(address: str, work: Callable[["Client"], Awaitable[T]]) -> T:
    """Connect, and return what `work` returns, in a loop of its own."""

    async def main() -> T:
        target = address.removeprefix("tcp://")
        async with grpc.aio.insecure_channel(target, options=PROXIES_OFF) as channel:
            await channel.channel_ready()
            return await work(Client(channel))

    return asyncio.run(main())


class Client:
    """One channel, which is one connection. See `benchmarks.peers.PeerClient`."""

    def __init__(self, channel: Any) -> None:
        def method(make: Callable[..., Any], name: str, request: Any, response: Any) -> Any:
            return make(
                f"/{SERVICE}/{name}",
                request_serializer=request.SerializeToString,
                response_deserializer=response.FromString,
            )

        self._echo = method(channel.unary_unary, "echo", Tick, Tick)
        self._blob = method(channel.unary_unary, "blob", Blob, Blob)
        self._watch = method(channel.unary_stream, "watch", Count, Tick)
        self._record = method(channel.stream_unary, "record", Tick, Count)
        self._convert = method(channel.stream_stream, "convert", Tick, Tick)

    async def echo(self, count: int, in_flight: int = 1) -> list[float]:
        took: list[float] = []
        at = time.time_ns()

        async def one_at_a_time(calls: int) -> None:
            for i in range(calls):
                start = time.perf_counter()
                tick = await self._echo(Tick(symbol="EURUSD", price=1.0825, size=i & 63, at=at))
                took.append(time.perf_counter() - start)
                if (tick.symbol, tick.price, tick.size, tick.at) != ("EURUSD", 1.0825, i & 63, at):
                    raise AssertionError(f"sent tick {i}, got {tick}")

        if in_flight == 1:
            await one_at_a_time(count)
        else:
            async with asyncio.TaskGroup() as group:
                for _ in range(in_flight):
                    group.create_task(one_at_a_time(count // in_flight))
        return took

    async def blob(self, count: int, size: int) -> list[float]:
        took: list[float] = []
        data = os.urandom(size)
        for _ in range(count):
            start = time.perf_counter()
            back = (await self._blob(Blob(data=data))).data
            took.append(time.perf_counter() - start)
            if back != data:
                raise AssertionError("other bytes came back")
        return took

    async def watch(self, count: int) -> None:
        got = 0
        async for tick in self._watch(Count(count=count)):
            _ = (tick.symbol, tick.price, tick.size, tick.at)
            got += 1
        if got != count:
            raise AssertionError(f"wanted {count} items, got {got}")

    async def record(self, count: int) -> None:
        result = await self._record(self._ticks(count))
        if result.count != count:
            raise AssertionError(f"sent {count} items, {result.count} arrived")

    async def convert(self, count: int) -> None:
        got = 0
        async for tick in self._convert(self._ticks(count)):
            _ = (tick.symbol, tick.price, tick.size, tick.at)
            got += 1
        if got != count:
            raise AssertionError(f"sent {count} items, got {got} back")

    async def _ticks(self, count: int) -> AsyncIterator[Any]:
        at = time.time_ns()
        for i in range(count):
            yield Tick(symbol="EURUSD", price=1.0825, size=i & 63, at=at)
