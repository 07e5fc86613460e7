"""How figures of the benchmarks come into the pages; the figures themselves are made up here."""

import json
import pathlib
import xml.etree.ElementTree as ET

import pytest

from benchmarks import page, report
from benchmarks.blocks import BLOCKS, NotMeasured, Run
from benchmarks.charts import Scale, apart, bar_chart, line_chart, short
from benchmarks.figures import Measurement, Spread, WireCount, summarise
from benchmarks.goals import judge
from benchmarks.page import BLOCK, CHARTS
from benchmarks.workloads import COMPARISONS, CURVES, WORKLOADS

SVG = "{http://www.w3.org/2000/svg}"
LARGEST = 12_000
"""Bytes of a chart: what a README may well load several of."""


def measured(round_: int, peer: str, workload: str, place: int) -> Measurement:
    """Make up figures that differ with the peer, the round and the workload."""
    count = 1_000 * (place + 1) // (1 if peer == "avrpc" else 4) + 10 * round_
    held: tuple[tuple[int, int, int], ...] = ()
    if next(w for w in WORKLOADS if w.name == workload).held:
        held = ((10, 2**24, 2**24), (1_000, 2**24 + 990 * 2**13, 2**24 + 990 * 6 * 2**10))
    return Measurement(
        *(round_, peer, workload, count, 1.0, 0.0001, 0.0002, 0.25, 0.125, 0.1), held=held
    )


def document(peers: tuple[str, ...] = ("avrpc", "grpc.aio", "bare trio")) -> dict[str, object]:
    """Make a run in which each of the peers took part in everything."""
    rounds = [
        measured(number, peer, workload.name, place)
        for number in (1, 2)
        for place, workload in enumerate(WORKLOADS)
        for peer in peers
    ]
    wire = [
        WireCount(peer, workload.name, (0, 10), (0, 120), (0, 251))
        for peer in peers
        for workload in WORKLOADS
        if workload.wire_counts
    ]
    made = report.document(
        options={"rounds": 2, "taken": 2, "seconds": 1.0},
        facts={
            "cores": 2,
            "processor": "a processor",
            "system": "Linux 6.1-of-somebody",
            "python": "CPython 3.11.7",
        },
        versions={peer: {peer: "1.0"} for peer in peers},
        skipped={"avsc": "cannot start node"},
        measurements=rounds,
        wire=wire,
        rows=summarise(rounds, wire, WORKLOADS, COMPARISONS, "grpc.aio"),
        goals=judge(rounds, wire),
    )
    back: dict[str, object] = json.loads(json.dumps(made))
    return back


def test_pages_have_blocks_that_there_are_and_every_curve_once() -> None:
    names = [m["name"] for each in page.PAGES for m in BLOCK.finditer(each.read_text("utf-8"))]
    assert len(set(names)) == len(names)
    assert [n.removeprefix("curve ") for n in names if n.startswith("curve ")] == [
        curve.name for curve in CURVES
    ]
    bars = {n.removeprefix("bars ") for n in names if n.startswith("bars ")}
    assert bars <= {workload.name for workload in WORKLOADS}
    plain = {n for n in names if not n.startswith(("curve ", "bars "))}
    assert plain == BLOCKS.keys()


def test_pages_are_filled_from_a_run_and_again_without_a_change(tmp_path: pathlib.Path) -> None:
    run = Run.of(document())
    folder = tmp_path / "docs" / "charts"
    (tmp_path / "docs").mkdir()
    pages = [tmp_path / each.relative_to(page.ROOT) for each in page.PAGES]
    for mine, theirs in zip(pages, page.PAGES, strict=True):
        mine.write_text(theirs.read_text("utf-8"), encoding="utf-8")
    assert [page.fill(each, run, folder) for each in pages] == [[], []]

    def state() -> dict[str, str]:
        files = [*pages, *folder.iterdir()]
        return {file.name: file.read_text("utf-8") for file in files}

    once = state()
    readme, speed = once["README.md"], once["speed.md"]
    assert "Not measured yet" not in speed
    assert "![streamed response](charts/streamed-response.svg)" in speed
    assert "- avsc: skipped, cannot start node" in speed
    assert "| unary, one at a time | 1.01k calls/s, p50 100 µs | 3.83 |" in readme
    assert "takes 25.1 on the wire, and a call with 29 bytes of values 37, both ways." in readme
    assert "| idle connections | bare trio | 6.00 | 8.00 |" in speed
    assert "of-somebody" not in speed
    for name, text in once.items():
        if name.endswith(".svg"):
            assert len(text) < LARGEST
            assert ET.fromstring(text).tag == f"{SVG}svg"
    assert [page.fill(each, run, folder) for each in pages] == [[], []]
    assert state() == once


def test_block_that_was_not_measured_stays_and_is_told(tmp_path: pathlib.Path) -> None:
    made = document(("avrpc",))
    made["rows"], made["goals"] = [], []
    made["rounds"] = []
    run = Run.of(made)
    file = tmp_path / "page.md"
    names = [*(n for n in BLOCKS if n != "about"), "curve in-flight", "curve memory-calls"]
    names += ["bars 1 MiB echo"]
    blocks = [f"<!-- bench: {name} -->\nas it was\n<!-- bench end -->\n" for name in names]
    file.write_text("\n".join(blocks), encoding="utf-8")
    assert page.fill(file, run, tmp_path) == names
    assert file.read_text("utf-8") == "\n".join(blocks)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("name", ["nothing", "curve nothing", "bars nothing"])
def test_block_that_there_is_not_is_an_error(name: str, tmp_path: pathlib.Path) -> None:
    run = Run.of(document(("avrpc",)))
    with pytest.raises(KeyError, match="nothing"):
        page.content(run, name, tmp_path / "page.md", tmp_path)


def test_command_reads_a_file_and_says_what_is_missing(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = document(("avrpc",))
    made["goals"] = []
    (tmp_path / "bench.json").write_text(json.dumps(made), encoding="utf-8")
    one = tmp_path / "one.md"
    one.write_text("<!-- bench: goals -->\n<!-- bench end -->\n", encoding="utf-8")
    monkeypatch.setattr(page, "PAGES", (one,))
    assert page.main(["--json", str(tmp_path / "bench.json")]) == 1
    assert capsys.readouterr().out == "one.md: goals was not measured, and is left as it is\n"
    one.write_text("<!-- bench: rates -->\n<!-- bench end -->\n", encoding="utf-8")
    assert page.main(["--json", str(tmp_path / "bench.json")]) == 0
    assert "streamed request, items/s" in one.read_text("utf-8")


def test_charts_that_pages_show_are_there() -> None:
    shown = {
        word.partition(".svg")[0]
        for each in page.PAGES
        for word in each.read_text("utf-8").split("charts/")[1:]
        if ".svg" in word[:60]
    }
    there = {file.stem for file in CHARTS.glob("*.svg")}
    assert shown == there


# --- charts -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (20, "20"), (999.4, "999"), (999.6, "1k"), (1_536, "1.54k"), (2_500_000, "2.5M")],
)
def test_axis_has_short_numbers(value: float, text: str) -> None:
    assert short(value) == text


def test_scale_is_even_or_by_powers() -> None:
    even = Scale(0, 200, 100, 300, by_powers=False)
    assert (even(0), even(50), even(200)) == (100, 150, 300)
    assert even.ticks() == [0, 50, 100, 150, 200]
    powers = Scale(1, 10_000, 0, 400, by_powers=True)
    assert [powers(10**n) for n in range(5)] == pytest.approx([0.0, 100.0, 200.0, 300.0, 400.0])
    assert powers.ticks() == [1, 10, 100, 1_000, 10_000]
    flat = Scale(5, 5, 0, 10, by_powers=False)
    assert (flat(5), flat.ticks()) == (5, [5])


def test_names_that_would_lie_on_each_other_are_moved_apart() -> None:
    assert apart([10, 50, 12], 15) == [10, 50, 25]
    assert apart([10, 10, 10], 15) == [10, 25, 40]


def test_lines_have_points_names_and_a_scale_by_powers_where_they_are_far_apart() -> None:
    near = line_chart("a & b", "x", {"avrpc": [(1, 100), (8, 200)]}, powers=True)
    far = line_chart("far", "x", {"avrpc": [(1, 100), (8, 90_000)], "<x>": [(1, 7)]}, powers=True)
    root = ET.fromstring(near)
    assert root.findtext(f"{SVG}title") == "a & b"
    assert len(root.findall(f"{SVG}circle")) == 2
    words = [text.text for text in ET.fromstring(far).findall(f"{SVG}text")]
    assert {"1", "8", "10", "100", "1k", "10k", "avrpc", "<x>"} <= set(words)
    assert "prefers-color-scheme: dark" in far


def test_bars_have_their_median_and_a_line_for_the_range_where_there_is_one() -> None:
    bars = {"avrpc": Spread(200, 100, 300), "other": Spread(50, 50, 50)}
    root = ET.fromstring(bar_chart("rates", "calls/s", bars))
    first, second = (float(r.attrib["width"]) for r in root.findall(f"{SVG}rect")[1:])
    assert first == pytest.approx(4 * second, rel=0.01)
    assert len(root.findall(f"{SVG}line")) == 1
    assert "200 calls/s" in [text.text for text in root.findall(f"{SVG}text")]


def test_nothing_to_draw_is_not_measured() -> None:
    run = Run.of(document(("bare trio",)))
    with pytest.raises(NotMeasured):
        page.rate_bars(run, WORKLOADS[0])
