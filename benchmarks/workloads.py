"""What is measured: one row per workload.

The message is a Tick, {string symbol; double price; int size; long at}, always "EURUSD", a price, a
size below 64 and nanoseconds since 1970, which is 25 bytes in Avro and 29 in protobuf.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Workload:
    """One kind of work that a client process does over one connection.

    A peer takes part if its client has `method` (and `beside`, where there is one).
    """

    name: str
    method: str
    """Method of the peer's client; called as `method(count, **arguments)`."""
    unit: str
    """What is counted, in the plural."""
    wire_counts: tuple[int, int] | None
    """Bytes on the wire are the slope between these two counts; None: not counted."""
    arguments: Mapping[str, int] = field(default_factory=dict, hash=False)
    step: int = 1
    """Counts are multiples of this, such as the number of calls in flight."""
    beside: str | None = None
    """An async context manager of the peer's client that is open during warm-up and measurement."""


UNARY = Workload("unary, one at a time", "echo", "calls", (200, 1_200))
UNARY_64 = Workload(
    "unary, 64 in flight", "echo", "calls", (640, 3_840), arguments={"in_flight": 64}, step=64
)
WATCH = Workload("streamed response", "watch", "items", (2_000, 22_000))
WATCH_OLDER = Workload(
    "streamed response, client a version behind", "watch", "items", None, beside="older"
)
WATCH_NEWER = Workload(
    "streamed response, server a version behind", "watch", "items", None, beside="newer"
)
RECORD = Workload("streamed request", "record", "items", (2_000, 22_000))
CONVERT = Workload("both ways, echo", "convert", "items", (2_000, 12_000))
BLOB = Workload("1 MiB echo", "blob", "calls", (5, 15), arguments={"size": 1 << 20})
OTHERS_ALONE = Workload("99 streams", "watch", "items", None, arguments={"streams": 99}, step=99)
OTHERS_BESIDE = Workload(
    "99 streams, 1 slow reader",
    "watch",
    "items",
    None,
    arguments={"streams": 99},
    step=99,
    beside="slow_reader",
)

WORKLOADS = (
    *(UNARY, UNARY_64, WATCH, WATCH_OLDER, WATCH_NEWER),
    *(RECORD, CONVERT, BLOB, OTHERS_ALONE, OTHERS_BESIDE),
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A row that is made of two others: a figure of one over that of the other."""

    name: str
    of: Workload
    over: Workload
    figure: Literal["rate", "cpu_each"]
    """Of `figures.Measurement`."""
    unit: str


COMPARISONS = (
    Comparison("client a version behind", WATCH_OLDER, WATCH, "rate", "of the equal rate"),
    Comparison("server a version behind", WATCH_NEWER, WATCH, "rate", "of the equal rate"),
    Comparison(
        "slow reader's cost to others", OTHERS_BESIDE, OTHERS_ALONE, "cpu_each", "CPU per item"
    ),
)
