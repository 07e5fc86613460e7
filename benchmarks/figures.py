"""From raw rounds to rows of figures; no IO.

The median of few rounds, with the lowest and highest beside it, is what a noisy machine allows.
Ratios are taken within a round, where both peers met the same machine, and their median is given;
the ratio of two medians would mix a quiet round of one peer with a busy one of the other.
"""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from benchmarks.workloads import Comparison, Workload


@dataclass(frozen=True, slots=True)
class Measurement:
    """One workload of one peer in one round. Totals; seconds throughout; None: not to be had."""

    round: int
    peer: str
    workload: str
    count: int = 0
    seconds: float = 0.0
    p50: float | None = None
    """Median latency of one call."""
    p99: float | None = None
    client_cpu: float | None = None
    server_cpu: float | None = None
    others_cores: float | None = None
    """How many cores were busy with anything else meanwhile."""
    held: Sequence[Sequence[int]] = ()
    """Of memory: how many were held, and the bytes that client and server had resident then."""
    failed: str | None = None
    """Why there are no figures."""

    @property
    def rate(self) -> float | None:
        return None if self.held else self.count / self.seconds

    @property
    def client_memory(self) -> float | None:
        """Bytes that one more takes at the client."""
        return self._memory(1)

    @property
    def server_memory(self) -> float | None:
        return self._memory(2)

    def _memory(self, whose: int) -> float | None:
        if not self.held:
            return None
        first, last = self.held[0], self.held[-1]
        return (last[whose] - first[whose]) / (last[0] - first[0])

    @property
    def cpu_each(self) -> float | None:
        """CPU seconds of both ends per call or item."""
        if self.client_cpu is None or self.server_cpu is None:
            return None
        return (self.client_cpu + self.server_cpu) / self.count


@dataclass(frozen=True, slots=True)
class WireCount:
    """Bytes that a whole connection took for two counts of the same work."""

    peer: str
    workload: str
    counts: tuple[int, int] = (0, 0)
    sent: tuple[int, int] = (0, 0)
    """By the client."""
    received: tuple[int, int] = (0, 0)
    failed: str | None = None

    @property
    def sent_each(self) -> float:
        return slope(self.counts, self.sent)

    @property
    def received_each(self) -> float:
        return slope(self.counts, self.received)


@dataclass(frozen=True, slots=True)
class Spread:
    """A median and what it is the median of, in short."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float | None]) -> "Spread | None":
        """Return the spread of the values that are there, None if none is."""
        there = [value for value in values if value is not None]
        return cls(statistics.median(there), min(there), max(there)) if there else None


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one peer in one workload. Latencies in seconds."""

    workload: str
    peer: str
    unit: str
    rate: Spread | None = None
    """Per second."""
    ratio: Spread | None = None
    """Rate over the baseline's; of a comparison, what it compares."""
    p50: Spread | None = None
    p99: Spread | None = None
    client_cpu: Spread | None = None
    """CPU seconds per 100,000."""
    server_cpu: Spread | None = None
    sent: float | None = None
    """Bytes that the client sends per call or item."""
    received: float | None = None
    client_memory: Spread | None = None
    """Bytes that each takes of what is held."""
    server_memory: Spread | None = None
    failed: str | None = None
    """Why some or all of it is missing."""


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return the smallest of `ordered` values that at least `percent` of them do not exceed."""
    if not ordered:
        raise ValueError("no values")
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def slope(counts: tuple[int, int], totals: tuple[int, int]) -> float:
    """Return by how much the total grows per unit; set-up, which does not grow, drops out."""
    return (totals[1] - totals[0]) / (counts[1] - counts[0])


def rotated(names: Sequence[str], by: int) -> list[str]:
    """Return the same in the same circle, begun `by` places later."""
    by %= max(1, len(names))
    return [*names[by:], *names[:by]]


def summarise(
    measurements: Sequence[Measurement],
    wire: Sequence[WireCount],
    workloads: Sequence[Workload],
    comparisons: Sequence[Comparison],
    baseline: str,
) -> list[Row]:
    """Return a row for every workload and peer that was measured, in the order of `workloads`."""
    peers = list(dict.fromkeys(m.peer for m in sorted(measurements, key=lambda m: m.round)))
    peers += [w.peer for w in wire if w.peer not in peers]
    peers.sort(key=lambda peer: peer == baseline)
    rows = []
    for workload in workloads:
        for peer in peers:
            mine = [m for m in measurements if (m.peer, m.workload) == (peer, workload.name)]
            counted = any((w.peer, w.workload) == (peer, workload.name) for w in wire)
            if mine or counted:
                theirs = [
                    m for m in measurements if (m.peer, m.workload) == (baseline, workload.name)
                ]
                count = next(
                    (w for w in wire if (w.peer, w.workload) == (peer, workload.name)), None
                )
                rows.append(_row(workload, peer, mine, theirs, count))
    for comparison in comparisons:
        for peer in peers:
            of = [m for m in measurements if (m.peer, m.workload) == (peer, comparison.of.name)]
            over = [m for m in measurements if (m.peer, m.workload) == (peer, comparison.over.name)]
            if of and over:
                ratio = per_round(of, over, attrgetter(comparison.figure))
                rows.append(
                    Row(
                        workload=comparison.name,
                        peer=peer,
                        unit=comparison.unit,
                        ratio=ratio,
                        failed=None if ratio else "not measured in any round",
                    )
                )
    return rows


def per_round(
    of: Sequence[Measurement],
    over: Sequence[Measurement],
    figure: Callable[[Measurement], float | None],
) -> Spread | None:
    """Divide a figure of one by that of the other in each round that has both."""
    below = {m.round: figure(m) for m in over if not m.failed}
    ratios = []
    for m in of:
        above = None if m.failed else figure(m)
        if above is not None and (under := below.get(m.round)):
            ratios.append(above / under)
    return Spread.of(ratios)


def _row(
    workload: Workload,
    peer: str,
    measurements: Sequence[Measurement],
    baseline: Sequence[Measurement],
    wire: WireCount | None,
) -> Row:
    good = [m for m in measurements if not m.failed]
    bad = [m for m in measurements if m.failed]
    failed = None
    if bad:
        failed = bad[0].failed
        if good:
            failed = f"{len(bad)} of {len(measurements)} rounds: {failed}"
    elif wire and wire.failed:
        failed = f"bytes: {wire.failed}"
    counted = wire if wire and not wire.failed else None

    def per_100k(cpu: float | None, m: Measurement) -> float | None:
        return None if cpu is None else cpu / m.count * 100_000

    return Row(
        workload=workload.name,
        peer=peer,
        unit=workload.unit,
        rate=Spread.of(m.rate for m in good),
        ratio=per_round(good, baseline, lambda m: m.rate),
        p50=Spread.of(m.p50 for m in good),
        p99=Spread.of(m.p99 for m in good),
        client_cpu=Spread.of(per_100k(m.client_cpu, m) for m in good),
        server_cpu=Spread.of(per_100k(m.server_cpu, m) for m in good),
        sent=counted.sent_each if counted else None,
        received=counted.received_each if counted else None,
        client_memory=Spread.of(m.client_memory for m in good),
        server_memory=Spread.of(m.server_memory for m in good),
        failed=failed,
    )
