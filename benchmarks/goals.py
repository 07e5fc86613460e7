"""What avrpc's figures shall be, beside its peers'; judged from the rounds, with no IO.

A goal compares two figures of the same round and takes the median over the rounds, as ratios in the
table do; or it bounds one figure.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import truediv
from typing import Literal

from benchmarks.figures import Measurement, Spread, WireCount
from benchmarks.workloads import (
    BESIDE_LARGE,
    BESIDE_WHOLE,
    BLOB,
    CONVERT,
    IDLE,
    LAST,
    LAST_IN_TIME,
    OTHERS_ALONE,
    OTHERS_BESIDE,
    RECORD,
    UNARY,
    UNARY_64,
    WATCH,
    Workload,
)

KIB = 1024
FigureName = Literal["rate", "cpu_each", "p99", "server_memory", "bytes"]


@dataclass(frozen=True, slots=True)
class Figure:
    """Of one peer in one workload."""

    workload: Workload
    name: FigureName = "rate"
    peer: str = "avrpc"


@dataclass(frozen=True, slots=True)
class Goal:
    """What is wanted."""

    words: str
    bound: float
    of: Figure
    over: Figure | None = None
    """Divided by, unless `minus`."""
    at_most: bool = False
    minus: bool = False
    scale: float = 1
    """What the figure is multiplied with, to have the unit of the bound."""


@dataclass(frozen=True, slots=True)
class Reached:
    """What was found of a goal."""

    goal: str
    wanted: str
    found: Spread
    met: bool


def _ahead(of: Workload, peer: str, times: float = 1) -> Goal:
    words = f"{of.name}: times {peer}"
    return Goal(words, times, Figure(of), Figure(of, peer=peer))


SLOWER = ("grpc.aio", "grpclib", "connect", "thriftpy2", "pycapnp", "purerpc")

GOALS = (
    _ahead(UNARY, "grpc.aio", 3),
    _ahead(UNARY, "thriftpy2", 2 / 3),
    _ahead(UNARY_64, "grpc.aio", 12),
    _ahead(UNARY_64, "avsc"),
    _ahead(WATCH, "connect", 1.8),
    _ahead(WATCH, "grpc.aio", 25),
    _ahead(WATCH, "fastavro alone", 0.55),
    _ahead(RECORD, "grpclib", 4),
    _ahead(CONVERT, "grpclib", 5),
    *(_ahead(BLOB, peer) for peer in SLOWER),
    Goal("a small call: bytes both ways", 45, Figure(LAST, "bytes"), at_most=True),
    Goal(
        "a small call with a deadline: bytes both ways",
        48,
        Figure(LAST_IN_TIME, "bytes"),
        at_most=True,
    ),
    Goal("a streamed Tick of 25 bytes: bytes", 26.2, Figure(WATCH, "bytes"), at_most=True),
    Goal(
        "an idle connection: KiB of the server",
        14,
        Figure(IDLE, "server_memory"),
        at_most=True,
        scale=1 / KIB,
    ),
    Goal(
        "unary beside 4 MB values: p99 ms above that alone",
        25,
        Figure(BESIDE_LARGE, "p99"),
        Figure(UNARY, "p99"),
        at_most=True,
        minus=True,
        scale=1e3,
    ),
    Goal(
        "unary beside 4 MB values: p99 over that with pieces off",
        1 / 3,
        Figure(BESIDE_LARGE, "p99"),
        Figure(BESIDE_WHOLE, "p99"),
        at_most=True,
    ),
    Goal(
        "one slow reader of 100: CPU of an item of the others",
        1.1,
        Figure(OTHERS_BESIDE, "cpu_each"),
        Figure(OTHERS_ALONE, "cpu_each"),
        at_most=True,
    ),
)


def judge(measurements: Sequence[Measurement], wire: Sequence[WireCount]) -> list[Reached]:
    """Return what was found of each goal of which everything was measured."""
    reached = []
    for goal in GOALS:
        of = _by_round(goal.of, measurements, wire)
        if goal.over is None:
            values = [value * goal.scale for value in of.values()]
        else:
            over = _by_round(goal.over, measurements, wire)
            join: Callable[[float, float], float] = (lambda a, b: a - b) if goal.minus else truediv
            both = [number for number in of if over.get(number)]
            values = [join(of[number], over[number]) * goal.scale for number in both]
        found = Spread.of(values)
        if found is not None:
            sign = "<=" if goal.at_most else ">="
            met = found.median <= goal.bound if goal.at_most else found.median >= goal.bound
            reached.append(Reached(goal.words, f"{sign} {goal.bound:.3g}", found, met))
    return reached


def _by_round(
    figure: Figure, measurements: Sequence[Measurement], wire: Sequence[WireCount]
) -> dict[int, float]:
    if figure.name == "bytes":
        good = [w for w in wire if not w.failed]
        mine = [w for w in good if (w.peer, w.workload) == (figure.peer, figure.workload.name)]
        return dict(enumerate(w.sent_each + w.received_each for w in mine))
    found = {
        m.round: getattr(m, figure.name)
        for m in measurements
        if (m.peer, m.workload) == (figure.peer, figure.workload.name) and not m.failed
    }
    return {number: value for number, value in found.items() if value is not None}
