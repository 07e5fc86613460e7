"""What the peers that speak protobuf have in common: its messages, their handlers, the loops.

No code is generated: the messages are made from a descriptor at run time, which gives the very
classes that generated code would.
"""

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from operator import attrgetter
from typing import Any

# It has no types that mypy can find, and whoever checks need not have it installed.
from google.protobuf import (  # type: ignore[import-untyped, import-not-found, unused-ignore]
    descriptor_pb2,
    descriptor_pool,
    message_factory,
)

from benchmarks import flight_rows
from benchmarks.peers import LARGE_AT_ONCE

SERVICE = "avrpc.bench.Bench"
NULLS = ("dep_time", "dep_delay", "arr_time", "arr_delay", "tailnum", "air_time")
INTS = (
    *("year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time"),
    *("sched_arr_time", "arr_delay", "flight", "air_time", "distance", "hour", "minute"),
)
FLIGHT = (
    *("year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time"),
    *("sched_arr_time", "arr_delay", "carrier", "flight", "tailnum", "origin", "dest"),
    *("air_time", "distance", "hour", "minute", "time_hour"),
)


def message_classes() -> dict[str, Any]:
    """Make the classes of the messages that bench.avpr and flights.avpr say in Avro."""
    field = descriptor_pb2.FieldDescriptorProto
    # proto2, where an optional field that is not set is told from one that is zero.
    file = descriptor_pb2.FileDescriptorProto(
        name="avrpc/bench.proto", package="avrpc.bench", syntax="proto2"
    )
    fields = {
        "Tick": {
            "symbol": field.TYPE_STRING,
            "price": field.TYPE_DOUBLE,
            "size": field.TYPE_INT32,
            "at": field.TYPE_INT64,
        },
        "Wanted": {"symbol": field.TYPE_STRING, "count": field.TYPE_INT32},
        "Count": {"count": field.TYPE_INT32, "size": field.TYPE_INT32},
        "Blob": {"data": field.TYPE_BYTES},
        # sint32: delays may be below zero.
        "Flight": {
            name: field.TYPE_SINT32 if name in INTS else field.TYPE_STRING for name in FLIGHT
        },
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
Tick, Wanted, Count, Blob = (CLASSES[name] for name in ("Tick", "Wanted", "Count", "Blob"))
Flight = CLASSES["Flight"]

METHODS: dict[str, tuple[Any, Any, bool, bool]] = {
    "echo": (Tick, Tick, False, False),
    "echo_later": (Tick, Tick, False, False),
    "last": (Wanted, Tick, False, False),
    "blob": (Blob, Blob, False, False),
    "hold": (Count, Count, False, False),
    "watch": (Count, Tick, False, True),
    "chunks": (Count, Blob, False, True),
    "flights": (Count, Flight, False, True),
    "record": (Tick, Count, True, False),
    "convert": (Tick, Tick, True, True),
}
"""Of each method the request, the response, and which of them streams."""


class Handlers:
    """One method for each of the messages, for any peer; streams are async iterators.

    Most peers give their context, too, which is not used.
    """

    def __init__(self, *, flights: bool = False) -> None:
        self._rows = flight_rows.load() if flights else []

    async def echo(self, tick: Any, _context: Any = None) -> Any:
        return Tick(symbol=tick.symbol, price=tick.price, size=tick.size, at=tick.at)

    async def echo_later(self, tick: Any, _context: Any = None) -> Any:
        await asyncio.sleep(0)
        return await self.echo(tick)

    async def last(self, wanted: Any, _context: Any = None) -> Any:
        assert wanted.symbol == "FX"
        at = 1_763_700_000_000_000_000
        return Tick(symbol="EURUSD", price=1.0825, size=wanted.count, at=at)

    async def blob(self, blob: Any, _context: Any = None) -> Any:
        return Blob(data=blob.data)

    async def hold(self, _count: Any, _context: Any = None) -> Any:
        await asyncio.Event().wait()

    async def watch(self, wanted: Any, _context: Any = None) -> AsyncIterator[Any]:
        at = time.time_ns()
        for i in range(wanted.count):
            yield Tick(symbol="EURUSD", price=1.0825, size=i & 63, at=at)

    async def chunks(self, wanted: Any, _context: Any = None) -> AsyncIterator[Any]:
        data = os.urandom(wanted.size)
        for _ in range(wanted.count):
            yield Blob(data=data)

    async def flights(self, wanted: Any, _context: Any = None) -> AsyncIterator[Any]:
        for row in itertools.islice(itertools.cycle(self._rows), wanted.count):
            yield Flight(**row)  # None is taken for not set

    async def record(self, ticks: AsyncIterator[Any], _context: Any = None) -> Any:
        count = 0
        async for tick in ticks:
            _ = (tick.symbol, tick.price, tick.size, tick.at)
            count += 1
        return Count(count=count)

    async def convert(self, ticks: AsyncIterator[Any], _context: Any = None) -> AsyncIterator[Any]:
        async for tick in ticks:
            yield Tick(symbol=tick.symbol, price=tick.price, size=tick.size, at=tick.at)


async def together(jobs: Sequence[Callable[[], Awaitable[None]]]) -> None:
    """Run all at once, by asyncio."""
    async with asyncio.TaskGroup() as group:
        for job in jobs:
            group.create_task(job())  # type: ignore[arg-type]


class Loops:
    """A `benchmarks.peers.PeerClient` over the calls that `call` has, by name.

    A unary one takes a message and is awaited, a streamed one takes or gives an async iterator.

    Args:
        call: The calls.
        together: How tasks are made.
    """

    def __init__(self, call: dict[str, Any], together: Callable[..., Any] = together) -> None:
        self.call = call
        self._together = together

    async def echo(self, count: int, in_flight: int = 1) -> list[float]:
        return await self.echo_by([self.call["echo"]] * in_flight, count)

    async def echo_later(self, count: int, in_flight: int = 1) -> list[float]:
        return await self.echo_by([self.call["echo_later"]] * in_flight, count)

    async def echo_by(self, calls: Sequence[Any], count: int) -> list[float]:
        """Call one at a time by each, so many times over all."""
        took: list[float] = []
        at = time.time_ns()

        def job(echo: Any) -> Callable[[], Awaitable[None]]:
            async def one_at_a_time() -> None:
                for i in range(count // len(calls)):
                    start = time.perf_counter()
                    tick = await echo(Tick(symbol="EURUSD", price=1.0825, size=i & 63, at=at))
                    took.append(time.perf_counter() - start)
                    found = (tick.symbol, tick.price, tick.size, tick.at)
                    if found != ("EURUSD", 1.0825, i & 63, at):
                        raise AssertionError(f"sent tick {i}, got {tick}")

            return one_at_a_time

        if len(calls) == 1:
            await job(calls[0])()
        else:
            await self._together([job(echo) for echo in calls])
        return took

    async def connect_by(
        self, open_channel: Callable[[], Any], calls: Callable[[Any], dict[str, Any]], count: int
    ) -> list[float]:
        """Connect, call once and close, so often."""
        took = []
        for _ in range(count):
            start = time.perf_counter()
            async with open_channel() as channel:
                await self.echo_by([calls(channel)["echo"]], 1)
                took.append(time.perf_counter() - start)
        return took

    async def last(self, count: int, in_flight: int = 1) -> None:
        async def one_at_a_time() -> None:
            for i in range(count // in_flight):
                tick = await self.call["last"](Wanted(symbol="FX", count=i & 63))
                if tick.size != i & 63:
                    raise AssertionError(f"asked for size {i & 63}, got {tick}")

        await self._together([one_at_a_time] * in_flight)

    async def blob(self, count: int, size: int) -> list[float]:
        took: list[float] = []
        data = os.urandom(size)
        for _ in range(count):
            start = time.perf_counter()
            back = (await self.call["blob"](Blob(data=data))).data
            took.append(time.perf_counter() - start)
            if back != data:
                raise AssertionError("other bytes came back")
        return took

    async def watch(self, count: int) -> None:
        got = 0
        async for tick in self.call["watch"](Count(count=count)):
            _ = (tick.symbol, tick.price, tick.size, tick.at)
            got += 1
        if got != count:
            raise AssertionError(f"wanted {count} items, got {got}")

    async def chunks(self, count: int, size: int) -> None:
        got = 0
        async for item in self.call["chunks"](Count(count=count, size=size)):
            got += len(item.data)
        if got != count * size:
            raise AssertionError(f"wanted {count * size} bytes, got {got}")

    async def flights(self, count: int) -> None:
        got = 0
        look = attrgetter(*FLIGHT)
        async for row in self.call["flights"](Count(count=count)):
            values = look(row)
            # A program has to ask which of them are null.
            _ = [row.HasField(name) for name in NULLS], values
            got += 1
        if got != count:
            raise AssertionError(f"wanted {count} rows, got {got}")

    async def record(self, count: int) -> None:
        result = await self.call["record"](ticks(count))
        if result.count != count:
            raise AssertionError(f"sent {count} items, {result.count} arrived")

    async def convert(self, count: int) -> None:
        got = 0
        async for tick in self.call["convert"](ticks(count)):
            _ = (tick.symbol, tick.price, tick.size, tick.at)
            got += 1
        if got != count:
            raise AssertionError(f"sent {count} items, got {got} back")

    @asynccontextmanager
    async def large_values(self, size: int) -> AsyncIterator[None]:
        async def send_and_receive() -> None:
            data = os.urandom(size)
            while True:
                assert len((await self.call["blob"](Blob(data=data))).data) == size

        tasks = [asyncio.create_task(send_and_receive()) for _ in range(LARGE_AT_ONCE)]
        yield
        for task in tasks:
            assert not task.done(), task
            task.cancel()
        await asyncio.wait(tasks)


async def ticks(count: int) -> AsyncIterator[Any]:
    """Make so many, of this moment."""
    at = time.time_ns()
    for i in range(count):
        yield Tick(symbol="EURUSD", price=1.0825, size=i & 63, at=at)
