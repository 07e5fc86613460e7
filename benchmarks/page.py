"""Puts figures into the pages: `python -m benchmarks.page`.

Reads build/bench.json, as `make bench-all` writes it, draws the charts into docs/charts/, and
replaces what stands in README.md and docs/speed.md between lines of this form, NAME being one of
`blocks.BLOCKS`, or `curve` and the name of a curve, or `bars` and the name of a workload:

    <!-- bench: NAME -->
    <!-- bench end -->

What a run did not measure leaves its block as it is, and is told. Take figures for the pages on a
quiet machine, and read what comes out: the sentences around it are not made here.
"""

import argparse
import json
import pathlib
import re
import statistics
import sys
from collections.abc import Sequence

from benchmarks.blocks import BLOCKS, NotMeasured, Run
from benchmarks.charts import bar_chart, line_chart
from benchmarks.peers import PEERS
from benchmarks.workloads import CURVES, WORKLOADS, Curve, Workload

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGES = (ROOT / "README.md", ROOT / "docs" / "speed.md")
CHARTS = ROOT / "docs" / "charts"
BLOCK = re.compile(r"(<!-- bench: (?P<name>[^>]+?) -->\n).*?(<!-- bench end -->)", re.DOTALL)
FLOORS = {peer.name for peer in PEERS if peer.floor}
MIB = 1 << 20


# --- the charts -------------------------------------------------------------------------------


def curve_chart(run: Run, curve: Curve) -> str:
    """Draw a line for each peer that was measured at two places at least."""
    lines = {}
    for peer in run.peers():
        points = memory_points(run, curve, peer) if curve.held else rate_points(run, curve, peer)
        if len(points) > 1:
            lines[peer] = points
    if not lines:
        raise NotMeasured
    return line_chart(curve.title, curve.across, lines, powers=not curve.held)


def rate_points(run: Run, curve: Curve, peer: str) -> list[tuple[float, float]]:
    points = []
    for x, workload in curve.points.items():
        row = run.row(workload.name, peer)
        value = None if row is None else row.p50 if curve.figure == "p50" else row.rate
        if value is not None:
            scale = {"rate": 1.0, "p50": 1e3, "megabytes": x / 1e6}[curve.figure]
            points.append((float(x), value.median * scale))
    return points


def memory_points(run: Run, curve: Curve, peer: str) -> list[tuple[float, float]]:
    """What the server has more than at the first place, by the median of the rounds."""
    assert curve.held
    more: dict[int, list[float]] = {}
    for m in run.measurements:
        if (m.peer, m.workload) == (peer, curve.held.name) and m.held:
            for count, _, server in m.held:
                more.setdefault(count, []).append((server - m.held[0][2]) / MIB)
    return [(float(count), statistics.median(values)) for count, values in sorted(more.items())]


def rate_bars(run: Run, workload: Workload) -> str:
    """Draw the rates of all RPC libraries in one workload, the fastest first."""
    rows = [run.row(workload.name, peer) for peer in run.peers() if peer not in FLOORS]
    bars = {row.peer: row.rate for row in rows if row and row.rate}
    if not bars:
        raise NotMeasured
    ordered = dict(sorted(bars.items(), key=lambda bar: -bar[1].median))
    return bar_chart(workload.name, f"{workload.unit}/s", ordered)


# --- the pages --------------------------------------------------------------------------------


def content(run: Run, name: str, page: pathlib.Path, folder: pathlib.Path) -> str:
    """Make what stands in a block of a page, and its chart where it is one.

    Raises:
        KeyError: No block has such a name.
        NotMeasured: The run has not what it takes.
    """
    kind, _, of = name.partition(" ")
    if kind == "curve":
        curve = next((c for c in CURVES if c.name == of), None)
        if curve is None:
            raise KeyError(name)
        return picture(curve.title, curve.name, curve_chart(run, curve), page, folder)
    if kind == "bars":
        workload = next((w for w in WORKLOADS if w.name == of), None)
        if workload is None:
            raise KeyError(name)
        file = re.sub(r"\W+", "-", workload.name)
        return picture(workload.name, file, rate_bars(run, workload), page, folder)
    return BLOCKS[name](run)


def picture(title: str, name: str, drawn: str, page: pathlib.Path, folder: pathlib.Path) -> str:
    """Write a chart, and give what shows it."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.svg"
    file.write_text(drawn, encoding="utf-8")
    return f"![{title}]({file.relative_to(page.parent).as_posix()})\n"


def fill(page: pathlib.Path, run: Run, folder: pathlib.Path) -> list[str]:
    """Replace every block of a page, and return the names of those that were not measured."""
    missing = []

    def replaced(match: re.Match[str]) -> str:
        name = match["name"]
        try:
            return f"{match[1]}{content(run, name, page, folder)}{match[3]}"
        except NotMeasured:
            missing.append(name)
            return match[0]

    page.write_text(BLOCK.sub(replaced, page.read_text(encoding="utf-8")), encoding="utf-8")
    return missing


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill the pages; return 1 if the run lacks something for them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__)
    parser.add_argument("--json", type=pathlib.Path, default=ROOT / "build" / "bench.json")
    options = parser.parse_args(arguments)
    run = Run.of(json.loads(options.json.read_text(encoding="utf-8")))
    status = 0
    for page in PAGES:
        for name in fill(page, run, CHARTS):
            print(f"{page.name}: {name} was not measured, and is left as it is")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
