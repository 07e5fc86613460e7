"""What the demo shows: drawn on a terminal, and in plain lines where there is none.

Both say the same. Plain lines are ASCII without control codes, for logs and for terminals that
can do nothing else.
"""

from __future__ import annotations

import importlib.util
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Literal

from avrpc.demo.chart import bars, nice_top
from avrpc.demo.units import show

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

_LABEL = 18  # columns for the name of a step
_PLAIN_WIDTH = 82  # six devices, seconds
_PLAIN_SECONDS = 0.5  # between two lines about the same watching
_MARGIN = 2  # columns on both sides
_NARROW, _WIDE = 78, 96  # columns; below the lines of code break, beyond the chart gains nothing
_TALL = 4  # lines of the first device's chart
_NAME, _VALUE, _NOTE = 11, 10, 15  # columns beside the chart
_AROUND_CHART = _NAME + _VALUE + _NOTE + 3 + 4  # what is between them, and the frame
_STYLES = {"PERCENT": "green", "BYTES": "blue"}


class Gauge:
    """What is known of one device."""

    def __init__(self, device: dict[str, Any]) -> None:
        self.name: str = device["name"]
        self.unit: str = device["unit"]
        self.capacity: float | None = device["capacity"]
        self.readings: list[dict[str, Any]] = []

    @property
    def values(self) -> list[float | None]:
        return [reading["value"] for reading in self.readings]

    @property
    def peak(self) -> float | None:
        """The highest value so far; None without any."""
        return max((value for value in self.values if value is not None), default=None)

    def latest(self) -> str:
        """The newest value, for people; empty before the first."""
        return show(self.readings[-1]["value"], self.unit) if self.readings else ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of text: the first column names, the others are numbers.

    Attributes:
        title: Stands above it.
        heads: One for each column.
        rows: The last one is a sum.
        note: Stands below it.
    """

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str


Gauges = Sequence[Gauge]
Redraw = Callable[[float], None]


class Screen(ABC):
    """Where the demo tells its story."""

    @abstractmethod
    def title(self, text: str, more: str) -> None:
        """What this is."""

    @abstractmethod
    def step(self, name: str, code: str) -> None:
        """A step begins; ``code`` is what a client writes for it."""

    @abstractmethod
    def say(self, text: str) -> None:
        """What came of it."""

    @abstractmethod
    def live(self, gauges: Gauges) -> AbstractContextManager[Redraw]:
        """Show gauges while they fill; call what this gives with the seconds since the start."""

    @abstractmethod
    def table(self, table: Table) -> None:
        """Many numbers."""


class PlainScreen(Screen):
    """Lines of ASCII."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def title(self, text: str, more: str) -> None:
        self._print(f"{text}: {more}")

    def step(self, name: str, code: str) -> None:
        self._print(f"\n{name:<{_LABEL}}{code}")

    def say(self, text: str) -> None:
        for line in _wrap(text, _PLAIN_WIDTH - _LABEL):
            self._print(f"{'':<{_LABEL}}{line}")

    @contextmanager
    def live(self, gauges: Gauges) -> Iterator[Redraw]:
        due = 0.0

        def redraw(seconds: float) -> None:
            nonlocal due
            if seconds >= due and all(gauge.readings for gauge in gauges):
                due = seconds + _PLAIN_SECONDS
                self._print(f"{seconds:>9.1f}" + "".join(f"{g.latest():>12}" for g in gauges))

        self._print(f"{'seconds':>9}" + "".join(f"{gauge.name:>12}" for gauge in gauges))
        yield redraw

    def table(self, table: Table) -> None:
        widths = [max(map(len, column)) for column in zip(table.heads, *table.rows, strict=True)]
        self._print(f"\n{table.title}")
        for cells in (table.heads, *table.rows):
            first, *numbers = zip(cells, widths, strict=True)
            aligned = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in numbers)]
            self._print(("  " + "  ".join(aligned)).rstrip())
        self._print(f"  {table.note}")

    def _print(self, line: str) -> None:
        print(line.encode("ascii", "replace").decode(), file=self._file, flush=True)


class RichScreen(Screen):
    """Colours, and a chart that moves."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._width = min(console.width - 2 * _MARGIN, _WIDE)

    def title(self, text: str, more: str) -> None:
        self._console.print()
        self._print((f"  {text}", "bold"), ("  " + more, "dim"))

    def step(self, name: str, code: str) -> None:
        self._console.print()
        self._print((f"  {name:<{_LABEL}}", "bold cyan"), (code, ""))

    def say(self, text: str) -> None:
        for line in _wrap(text, self._width - _LABEL):
            self._print((f"  {'':<{_LABEL}}", ""), (line, "green"))

    @contextmanager
    def live(self, gauges: Gauges) -> Iterator[Redraw]:
        from rich.live import Live

        with Live(self._panel(gauges, 0.0), console=self._console, auto_refresh=False) as live:
            yield lambda seconds: live.update(self._panel(gauges, seconds), refresh=True)

    def table(self, table: Table) -> None:
        from rich import box
        from rich.table import Table as RichTable

        drawn = RichTable(box=box.SIMPLE_HEAD, header_style="dim", show_footer=True)
        *body, total = table.rows
        for index, (head, last) in enumerate(zip(table.heads, total, strict=True)):
            align: Literal["left", "right"] = "right" if index else "left"
            drawn.add_column(head, last, justify=align, footer_style="bold", no_wrap=True)
        for row in body:
            drawn.add_row(*row)
        self._console.print()
        self._print((f"  {table.title}", "bold cyan"))
        self._console.print(drawn)
        for line in _wrap(table.note, self._width):
            self._print((f"  {line}", "dim"))
        self._console.print()

    def _print(self, *parts: tuple[str, str]) -> None:
        from rich.text import Text

        self._console.print(Text.assemble(*parts), soft_wrap=True)

    def _panel(self, gauges: Gauges, seconds: float) -> RenderableType:
        from rich.padding import Padding
        from rich.panel import Panel
        from rich.table import Table

        grid = Table.grid(padding=(0, 1))
        for index, gauge in enumerate(gauges):
            grid.add_row(*self._gauge(gauge, _TALL if index == 0 else 1))
        streams = f"{len(gauges)} streams on one connection, {seconds:.1f} s"
        panel = Panel(
            grid, title=streams, title_align="left", border_style="dim", width=self._width
        )
        return Padding(panel, (0, 0, 0, _MARGIN), expand=False)

    def _gauge(self, gauge: Gauge, height: int) -> list[Text]:
        """The cells of one gauge: name, chart, value, and what to compare the value with."""
        from rich.text import Text

        peak = gauge.peak
        if gauge.unit == "PERCENT":
            top = min(100.0, nice_top(peak or 0.0))
        else:
            top = gauge.capacity or peak or 1.0
        name = [gauge.name.ljust(_NAME)[:_NAME]]
        if height > 1:  # room for a scale
            scale = show(top, gauge.unit).replace(".0 ", " ").rjust(_NAME - len(gauge.name))
            name = [gauge.name + scale, *[""] * (height - 2), f"{0:>{_NAME}}"]
        if gauge.capacity and gauge.unit != "PERCENT":
            note = f"of {show(gauge.capacity, gauge.unit)}"
        else:
            note = f"peak {show(peak, gauge.unit)}" if peak is not None else ""
        chart = bars(gauge.values, self._width - _AROUND_CHART, height=height, top=top)
        above = "\n" * (height - 1)
        return [
            Text("\n".join(name)),
            Text("\n".join(chart), style=_STYLES.get(gauge.unit, "cyan")),
            Text(above + gauge.latest().rjust(_VALUE), style="bold"),
            Text(above + note.rjust(_NOTE), style="dim"),
        ]


def _wrap(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_on_hyphens=False)


def choose_screen(file: IO[str], *, plain: bool = False) -> Screen:
    """A chart that moves where ``file`` is a terminal that can show it; else plain lines."""
    if plain or not file.isatty() or importlib.util.find_spec("rich") is None:
        return PlainScreen(file)
    from rich.console import Console

    console = Console(file=file, highlight=False)
    able = console.is_terminal and not console.is_dumb_terminal and console.encoding == "utf-8"
    return RichScreen(console) if able and console.width >= _NARROW else PlainScreen(file)
