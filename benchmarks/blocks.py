"""What a run comes to, as blocks of Markdown for the pages; `page` puts them there. No IO."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.charts import short
from benchmarks.figures import Measurement, Row, Spread
from benchmarks.goals import Reached
from benchmarks.peers import BASELINE, PEERS
from benchmarks.report import MISSING, number, spread
from benchmarks.workloads import COMPARISONS, COMPRESSED, WORKLOADS


class NotMeasured(Exception):
    """The run has no figures for a block."""


@dataclass(frozen=True, slots=True)
class Run:
    """What build/bench.json has."""

    document: dict[str, Any]
    rows: list[Row]
    measurements: list[Measurement]
    goals: list[Reached]

    @classmethod
    def of(cls, document: dict[str, Any]) -> "Run":
        """Read a document of `report.document`."""

        def made(entry: dict[str, Any]) -> dict[str, Any]:
            """Its spreads, which JSON has as objects."""
            return {k: Spread(**v) if isinstance(v, dict) else v for k, v in entry.items()}

        return cls(
            document,
            [Row(**made(row)) for row in document["rows"]],
            [Measurement(**one) for one in document["rounds"]],
            [Reached(**made(one)) for one in document["goals"]],
        )

    def peers(self) -> list[str]:
        """Name who was measured, in the order of the table of peers, floors last."""
        there = {row.peer for row in self.rows}
        return [peer.name for peer in PEERS if peer.name in there]

    def row(self, workload: str, peer: str = "avrpc") -> Row | None:
        """Give the figures of one peer in one workload, if it has some."""
        for row in self.rows:
            if (row.workload, row.peer) == (workload, peer):
                return row
        return None


def table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Write a table of Markdown."""
    if not lines:
        raise NotMeasured
    rows = [heads, ["---"] * len(heads), *lines]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


# --- the blocks -------------------------------------------------------------------------------


def about(run: Run) -> str:
    """Where and how the figures were taken."""
    document = run.document
    machine, options = document["machine"], document["options"]
    others = Spread.of(m.others_cores for m in run.measurements)
    where = f"{machine['system'].partition('-')[0]}, {machine['cores']} cores"
    lines = [
        f"Commit {document['commit']}, {document['when'][:10]}.",
        f"{machine['python']}, {where} of {machine['processor']}.",
        f"{options['taken']} interleaved rounds, {options['seconds']:g} s for each figure.",
        f"Cores that were busy with anything else: {spread(others)}.",
        "",
        *(
            f"- {peer}: {', '.join(f'{name} {version}' for name, version in libraries.items())}"
            for peer, libraries in document["versions"].items()
        ),
        *(f"- {peer}: skipped, {reason}" for peer, reason in document["skipped"].items()),
    ]
    return "\n".join(lines) + "\n"


def rates(run: Run) -> str:
    """Every rate of the group by peer."""
    peers = run.peers()
    lines = []
    for workload in WORKLOADS:
        found = {peer: run.row(workload.name, peer) for peer in peers}
        if workload.group == "rates" and any(row and row.rate for row in found.values()):
            cells = [
                short(row.rate.median) if row and row.rate else MISSING for row in found.values()
            ]
            lines.append([f"{workload.name}, {workload.unit}/s", *cells])
    return table(["", *peers], lines)


def latencies(run: Run) -> str:
    """How long one call takes."""
    lines = []
    for workload in WORKLOADS:
        for peer in run.peers():
            row = run.row(workload.name, peer)
            if workload.group == "rates" and row and row.p50 and row.p99:
                micros = [number(value.median * 1e6) for value in (row.p50, row.p99)]
                lines.append([workload.name, peer, *micros])
    return table(["", "", "p50 µs", "p99 µs"], lines)


def cpu(run: Run) -> str:
    """What both ends compute."""
    lines = []
    for workload in WORKLOADS:
        for peer in run.peers():
            row = run.row(workload.name, peer)
            if workload.group == "rates" and row and row.client_cpu and row.server_cpu:
                both = [spread(row.client_cpu), spread(row.server_cpu)]
                lines.append([workload.name, peer, *both])
    return table(["", "", "CPU s per 100k, client", "server"], lines)


def sizes(run: Run) -> str:
    """What travels."""
    lines = []
    for workload in WORKLOADS:
        for peer in run.peers():
            row = run.row(workload.name, peer)
            if row and row.sent is not None and row.received is not None:
                both = [f"{row.sent:,.1f}", f"{row.received:,.1f}"]
                lines.append([workload.name, peer, *both, f"{row.sent + row.received:,.1f}"])
    return table(["", "", "bytes sent", "received", "both ways"], lines)


def memory(run: Run) -> str:
    """What one more takes of what is held."""
    lines = []
    for workload in WORKLOADS:
        for peer in run.peers():
            row = run.row(workload.name, peer)
            if row and row.client_memory and row.server_memory:
                both = (row.server_memory, row.client_memory)
                kib = [Spread(s.median / 1024, s.low / 1024, s.high / 1024) for s in both]
                lines.append([workload.name, peer, *map(spread, kib)])
    return table(["", "", "KiB each at the server", "at the client"], lines)


def comparisons(run: Run) -> str:
    """What something costs, by the figure of the same peer without it."""
    lines = []
    for comparison in COMPARISONS:
        for peer in run.peers():
            row = run.row(comparison.name, peer)
            if row and row.ratio:
                lines.append([comparison.name, peer, f"{spread(row.ratio)} {row.unit}"])
    return table(["", "", "median (range)"], lines)


def of_group(group: str) -> Callable[[Run], str]:
    """Make a block of all figures of a group."""

    def block(run: Run) -> str:
        lines = []
        for workload in WORKLOADS:
            for peer in run.peers():
                row = run.row(workload.name, peer)
                if workload.group == group and row and row.rate:
                    micros = [
                        MISSING if value is None else number(value.median * 1e6)
                        for value in (row.p50, row.p99)
                    ]
                    rate = f"{spread(row.rate)} {row.unit}/s"
                    lines.append([workload.name, peer, rate, *micros])
        return table(["", "", "rate (range)", "p50 µs", "p99 µs"], lines)

    return block


def compression(run: Run) -> str:
    """What is saved, what it costs, and below which bandwidth that pays.

    A call waits for its bytes and then for its work, there and back, so it pays while the bytes
    saved take longer than the work added. A stream is as fast as the slower of the two, so it pays
    where plain bytes are the slowest of all: below what they come to at the compressed rate.
    """
    lines = []
    for workload, codecs in COMPRESSED.items():
        plain = run.row(workload.name)
        for codec, other in codecs.items():
            packed = run.row(other.name)
            if plain is None or packed is None or not (plain.rate and packed.rate):
                continue
            before, after = ((row.sent or 0) + (row.received or 0) for row in (plain, packed))
            rates = [row.rate.median for row in (plain, packed) if row.rate]
            if workload.unit == "calls":
                added = 1 / rates[1] - 1 / rates[0]
                bits = 8 * (before - after) / added if added > 0 else math.inf
            else:
                bits = 8 * before * rates[1]
            below = "always" if bits == math.inf else f"{number(bits / 1e6)} Mbit/s"
            saves = after < 0.98 * before
            lines.append(
                [
                    *(workload.name, codec, f"{before:,.1f}", f"{after:,.1f}"),
                    *(f"{short(rate)} {workload.unit}/s" for rate in rates),
                    below if saves else "never",
                ]
            )
    heads = ("", "", "bytes plain", "compressed", "rate plain", "compressed", "pays below")
    return table(heads, lines)


def goals(run: Run) -> str:
    """What was hoped for, and what came of it."""
    lines = [
        [one.goal, one.wanted, spread(one.found), "yes" if one.met else "**no**"]
        for one in run.goals
    ]
    return table(["", "goal", "found (range)", "met"], lines)


def summary(run: Run) -> str:
    """The README's table."""
    lines = []
    for name in SUMMARY:
        row = run.row(name)
        if row is None or row.rate is None:
            raise NotMeasured
        rate = f"{short(row.rate.median)} {row.unit}/s"
        if row.p50 and row.unit == "calls" and "one at a time" in name:
            rate += f", p50 {number(row.p50.median * 1e6)} µs"
        lines.append([name, rate, number(row.ratio.median) if row.ratio else MISSING])
    options, machine = run.document["options"], run.document["machine"]
    item, call = run.row("streamed response"), run.row("a small call, its bytes")
    if not (item and call and item.received and call.sent and call.received):
        raise NotMeasured
    older, newer = (run.row(f"{side} a version behind") for side in ("client", "server"))
    behind = ""
    if older and older.ratio and newer and newer.ratio:
        drops, fills = older.ratio.median, newer.ratio.median
        behind = (
            " To a peer that is a version behind, records stream at this share of the rate: "
            f"{drops:.2f} where the client drops a field, {fills:.2f} where it fills one in."
        )
    return (
        f"Medians of {options['taken']} interleaved rounds, on "
        f"{machine['cores']} cores, client and server in separate processes, a record of four "
        "fields:\n\n"
        + table(["", "avrpc", f"times {BASELINE}"], lines)
        + f"\nA streamed record of 25 bytes takes {item.received:.1f} on the wire, and a call with "
        f"29 bytes of values {call.sent + call.received:.0f}, both ways.{behind}\n"
    )


SUMMARY = (
    "unary, one at a time",
    "unary, 64 in flight",
    "streamed response",
    "streamed request",
    "both ways, echo",
    "1 MiB echo",
)

BLOCKS: dict[str, Callable[[Run], str]] = {
    "about": about,
    "summary": summary,
    "rates": rates,
    "latencies": latencies,
    "cpu": cpu,
    "sizes": sizes,
    "memory": memory,
    "comparisons": comparisons,
    "compression": compression,
    "costs": of_group("costs"),
    "versions": of_group("versions"),
    "fairness": of_group("fairness"),
    "data": of_group("data"),
    "growth": of_group("growth"),
    "goals": goals,
}
