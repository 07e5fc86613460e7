"""Charts as SVG: small, the same bytes for the same figures, readable on light and on dark pages.

Written by hand, as what is wanted is little: lines and bars, with their names beside them.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from benchmarks.figures import Spread

WIDTH, HEIGHT = 640, 340
LEFT, RIGHT, TOP, BOTTOM = 64, 130, 44, 48
"""Margins: for numbers, for the names of lines, for the title, for what grows."""
BAR, BAR_LEFT, BAR_RIGHT = 22, 130, 150
MANY = 30
"""A highest value so many times the lowest asks for a scale by powers of ten."""

STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f }
.back { fill: #ffffff } .grid { stroke: #d0d7de } .title { font-size: 14px; font-weight: 600 }
.a { stroke: #0969da; fill: #0969da } .b { stroke: #bc4c00; fill: #bc4c00 }
.c { stroke: #6e7781; fill: #6e7781 } .d { stroke: #8250df; fill: #8250df }
.e { stroke: #1a7f37; fill: #1a7f37 } .f { stroke: #bf3989; fill: #bf3989 }
.g { stroke: #9a6700; fill: #9a6700 } .h { stroke: #1b7c83; fill: #1b7c83 }
.line { fill: none; stroke-width: 2 } .range { stroke: #24292f } text.name { stroke: none }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .back { fill: #0d1117 } .grid { stroke: #30363d }
.a { stroke: #58a6ff; fill: #58a6ff } .b { stroke: #f0883e; fill: #f0883e }
.c { stroke: #8b949e; fill: #8b949e } .d { stroke: #bc8cff; fill: #bc8cff }
.e { stroke: #3fb950; fill: #3fb950 } .f { stroke: #f778ba; fill: #f778ba }
.g { stroke: #d29922; fill: #d29922 } .h { stroke: #39c5cf; fill: #39c5cf }
.line { fill: none } .range { stroke: #e6edf3 } }
"""
COLOURS = {
    "avrpc": "a",
    "grpc.aio": "b",
    "grpclib": "d",
    "connect": "e",
    "purerpc": "f",
    "thriftpy2": "g",
    "pycapnp": "g",
    "avsc": "h",
}
"""The same on every chart; what is not here is grey."""

Points = Sequence[tuple[float, float]]


def short(value: float) -> str:
    """Write a number of an axis in a few letters: 20, 1.5k, 16k, 1M."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size * 0.9995:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


@dataclass(frozen=True, slots=True)
class Scale:
    """From values to places: `low` is at `begin`, `high` at `end`."""

    low: float
    high: float
    begin: float
    end: float
    by_powers: bool

    def __call__(self, value: float) -> float:
        low, high = self.low, self.high
        if self.by_powers:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        share = (value - low) / (high - low) if high > low else 0.5
        return self.begin + share * (self.end - self.begin)

    def ticks(self) -> list[float]:
        """Give round values between the ends."""
        if self.by_powers:
            first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
            return [10.0**n for n in range(first, last + 1) if self.low <= 10.0**n <= self.high]
        if self.high <= self.low:
            return [self.low]
        rough = (self.high - self.low) / 5
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(n * power for n in (1, 2, 5, 10) if n * power >= rough)
        first = math.ceil(self.low / step)
        return [n * step for n in range(first, math.floor(self.high / step) + 1)]


def line_chart(title: str, across: str, lines: Mapping[str, Points], *, powers: bool) -> str:
    """Draw a line for each name.

    Args:
        across: What the places of the points are.
        powers: Whether these go by powers of ten. What is measured goes so where it has to.
    """
    xs = sorted({x for points in lines.values() for x, _ in points})
    ys = [y for points in lines.values() for _, y in points]
    by_powers = min(ys) > 0 and max(ys) / min(ys) > MANY
    top, low = max(ys) * (1.3 if by_powers else 1.05) or 1.0, 0.0
    if by_powers:
        low = 10.0 ** math.floor(math.log10(min(ys)))
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    place = Scale(xs[0], xs[-1], LEFT + 8, right - 8, powers)
    level = Scale(low, top, bottom, TOP, by_powers)

    parts = [
        text(LEFT, 24, title, "title"),
        text((LEFT + right) / 2, HEIGHT - 12, across, at="middle"),
    ]
    for y in level.ticks():
        parts.append(stroke(LEFT, level(y), right, level(y), "grid"))
        parts.append(text(LEFT - 8, level(y) + 4, short(y), at="end"))
    for x in xs if powers else place.ticks():
        parts.append(stroke(place(x), bottom, place(x), bottom + 5, "grid"))
        parts.append(text(place(x), bottom + 20, short(x), at="middle"))
    ends = apart([level(points[-1][1]) for points in lines.values()], 15)
    for (name, points), end in zip(lines.items(), ends, strict=True):
        kind = COLOURS.get(name, "c")
        path = " ".join(f"{place(x):.1f},{level(y):.1f}" for x, y in points)
        parts.append(f'<polyline class="line {kind}" points="{path}"/>')
        parts += (
            f'<circle class="{kind}" cx="{place(x):.1f}" cy="{level(y):.1f}" r="3"/>'
            for x, y in points
        )
        parts.append(text(right + 8, end + 4, name, f"name {kind}"))
    return drawing(title, HEIGHT, parts)


def bar_chart(title: str, unit: str, bars: Mapping[str, Spread]) -> str:
    """Draw a bar for each name: its median, with the lowest and the highest as a thin line."""
    height = TOP + BAR * len(bars) + 8
    length = Scale(0, max(bar.high for bar in bars.values()), BAR_LEFT, WIDTH - BAR_RIGHT, False)
    parts = [text(12, 24, title, "title")]
    for number, (name, bar) in enumerate(bars.items()):
        y, kind = TOP + BAR * number, COLOURS.get(name, "c")
        parts.append(text(BAR_LEFT - 8, y + 12, name, at="end"))
        width = max(length(bar.median) - BAR_LEFT, 0.5)
        parts.append(
            f'<rect class="{kind}" x="{BAR_LEFT}" y="{y + 1}" width="{width:.1f}" height="14"/>'
        )
        if bar.low < bar.high:
            parts.append(stroke(length(bar.low), y + 8, length(bar.high), y + 8, "range"))
        parts.append(text(length(bar.high) + 6, y + 12, f"{short(bar.median)} {unit}"))
    return drawing(title, height, parts)


def apart(places: Sequence[float], least: float) -> list[float]:
    """Move places that are closer than `least`, in their order, as little as is simple."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = list(places)
    for before, after in itertools.pairwise(order):
        moved[after] = max(moved[after], moved[before] + least)
    return moved


def text(x: float, y: float, words: str, kind: str = "", at: str = "start") -> str:
    classes = f' class="{kind}"' if kind else ""
    anchor = "" if at == "start" else f' text-anchor="{at}"'
    return f'<text{classes} x="{x:.1f}" y="{y:.1f}"{anchor}>{escape(words)}</text>'


def stroke(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def drawing(title: str, height: int, parts: Sequence[str]) -> str:
    """Put it all together."""
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}</style>",
            f'<rect class="back" width="{WIDTH}" height="{height}"/>',
            *parts,
            "</svg>\n",
        ]
    )
