"""The table on the terminal and the JSON file."""

import os
import pathlib
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, TextIO

from benchmarks.figures import Measurement, Row, Spread, WireCount
from benchmarks.goals import Reached

ROOT = pathlib.Path(__file__).resolve().parent.parent
MISSING = "-"
FORMAT = 2
"""Of the JSON file; grows when a field changes its meaning or goes."""


def number(value: float) -> str:
    """Write a figure with three digits, or with all that stand before the point."""
    if value == 0:
        return "0"
    if abs(value) >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 9.995 else f"{value:.1f}"


def spread(value: Spread | None) -> str:
    """Write `median (lowest-highest)`; the median alone where there was one round."""
    if value is None:
        return MISSING
    if value.low == value.high:
        return number(value.median)
    return f"{number(value.median)} ({number(value.low)}-{number(value.high)})"


def cells(row: Row) -> list[str]:
    """Write a row, in the order of `headings`."""

    def median(value: Spread | None, scale: float = 1) -> str:
        return MISSING if value is None else number(value.median * scale)

    rate = spread(row.rate)
    if row.rate is not None:
        rate += f" {row.unit}/s"
    ratio = spread(row.ratio)
    if row.rate is None and row.ratio is not None:
        ratio += f" {row.unit}"
    return [
        row.workload,
        row.peer,
        rate,
        ratio,
        median(row.p50, 1e6),
        median(row.p99, 1e6),
        median(row.client_cpu),
        median(row.server_cpu),
        MISSING if row.sent is None else f"{row.sent:,.1f}",
        MISSING if row.received is None else f"{row.received:,.1f}",
        median(row.client_memory, 1 / 1024),
        median(row.server_memory, 1 / 1024),
    ]


def headings(baseline: str) -> list[str]:
    return [
        "workload",
        "peer",
        "rate (min-max)",
        f"x {baseline} (min-max)",
        "p50 us",
        "p99 us",
        "CPU s/100k client",
        "server",
        "bytes sent",
        "received",
        "KiB each client",
        "server",
    ]


def has_figures(row: Row) -> bool:
    """Tell whether there is anything to show."""
    return any((row.rate, row.ratio, row.sent is not None, row.server_memory))


def goal_lines(reached: Sequence[Reached]) -> list[str]:
    """Say of each goal what was wanted and what was found."""
    if not reached:
        return []
    width = max(len(one.goal) for one in reached)
    lines = ["", "goals"]
    for one in reached:
        met = "met" if one.met else "MISSED"
        lines.append(f"{one.goal:<{width}}  {one.wanted:>8}  {met:6}  {spread(one.found)}")
    return lines


def plain_table(rows: Sequence[Row], baseline: str) -> list[str]:
    """Lay the rows out in columns of plain text; why a row has gaps stands below it."""
    head = headings(baseline)
    table = [cells(row) for row in rows]
    widths = [max(len(line[i]) for line in [head, *table]) for i in range(len(head))]

    def lay_out(line: Sequence[str]) -> str:
        return "  ".join(
            f"{cell:{'<' if i < 2 else '>'}{widths[i]}}" for i, cell in enumerate(line)
        ).rstrip()

    lines = [lay_out(head), lay_out(["-" * width for width in widths])]
    for row, line in zip(rows, table, strict=True):
        if row.failed and not has_figures(row):
            lines.append(f"{lay_out(line[:2])}  failed: {row.failed}")
        else:
            lines.append(lay_out(line))
            if row.failed:
                lines.append(f"    failed: {row.failed}")
    return lines


def print_table(rows: Sequence[Row], baseline: str, out: TextIO) -> None:
    """Print the rows, with colour and lines where `out` is a terminal and rich is there."""
    if out.isatty():
        try:
            _print_rich(rows, baseline, out)
            return
        except ImportError:
            pass
    for line in plain_table(rows, baseline):
        print(line, file=out)


def _print_rich(rows: Sequence[Row], baseline: str, out: TextIO) -> None:
    # rich is in the extra for benchmarks, and nothing depends on it.
    from rich.console import Console
    from rich.table import Table

    table = Table(pad_edge=False)
    for place, heading in enumerate(headings(baseline)):
        table.add_column(heading, justify="left" if place < 2 else "right")
    before = None
    for row in rows:
        if before not in (None, row.workload):
            table.add_section()
        before = row.workload
        line = cells(row)
        if row.failed:
            line[2] = f"{line[2]}\n{row.failed}" if row.rate else f"failed: {row.failed}"
        table.add_row(*line, style="red" if row.failed else None)
    Console(file=out).print(table)


def machine() -> dict[str, Any]:
    """Say what the figures were taken on, without naming it."""
    return {
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "processor": _processor(),
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "load_average": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
    }


def machine_lines(facts: Mapping[str, Any], measurements: Sequence[Measurement]) -> list[str]:
    """Say in a line or two what a reader has to know before the figures."""
    load = facts["load_average"]
    before = MISSING if load is None else " ".join(map(number, load))
    others = Spread.of(m.others_cores for m in measurements)
    busy = MISSING if others is None else f"{spread(others)} cores"
    return [
        f"{facts['python']}, {facts['system']}, {facts['cores']} cores of {facts['processor']}",
        f"load average before: {before}; busy with other work meanwhile: {busy}",
    ]


def commit() -> str | None:
    """Return the commit that is measured, with a + if the files differ from it."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *arguments],  # noqa: S607 - whichever git is there
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
        return done.stdout.strip()

    try:
        return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def document(
    *,
    options: Mapping[str, Any],
    facts: Mapping[str, Any],
    versions: Mapping[str, Mapping[str, str]],
    skipped: Mapping[str, str],
    measurements: Sequence[Measurement],
    wire: Sequence[WireCount],
    rows: Sequence[Row],
    goals: Sequence[Reached],
) -> dict[str, Any]:
    """Make what goes into the JSON file: every raw round, and what was made of them."""
    return {
        "format": FORMAT,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "options": dict(options),
        "machine": dict(facts),
        "versions": {peer: dict(libraries) for peer, libraries in versions.items()},
        "skipped": dict(skipped),
        "goals": [asdict(one) for one in goals],
        "rounds": [asdict(m) for m in measurements],
        "wire": [asdict(w) for w in wire],
        "rows": [asdict(row) for row in rows],
    }


def progress(measurement: Measurement, rounds: int) -> str:
    """Say in a line how one measurement went."""
    went = f"{number(measurement.rate)}/s" if measurement.rate else ""
    if measurement.server_memory is not None:
        went = f"{number(measurement.server_memory / 1024)} KiB each at the server"
    if measurement.failed:
        went = f"failed: {measurement.failed}"
    return f"round {measurement.round}/{rounds}  {measurement.workload}  {measurement.peer}  {went}"


def progress_of_bytes(count: WireCount) -> str:
    """Say in a line what went over the wire."""
    went = (
        f"failed: {count.failed}"
        if count.failed
        else f"{number(count.sent_each)} sent, {number(count.received_each)} received"
    )
    return f"bytes  {count.workload}  {count.peer}  {went}"


def _processor() -> str:
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine() or sys.platform
