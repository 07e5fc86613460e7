"""Bars of characters."""

import pytest

from avrpc.demo.chart import bars, nice_top


@pytest.mark.parametrize(
    ("values", "width", "height", "top", "lines"),
    [
        ([0, 1, 2, 4, 8], 5, 1, 8, ["▁▁▂▄█"]),
        ([8], 3, 1, 8, ["█  "]),
        ([], 3, 1, 8, ["   "]),
        ([1, 2, 3, 8], 2, 1, 8, ["▃█"]),  # the newest
        ([9, 100], 2, 1, 8, ["██"]),  # beyond the scale
        ([None, 8], 2, 1, 8, ["·█"]),
        ([0, 4, 6, 8], 4, 2, 8, ["  ▄█", "▁███"]),
        ([None, 8], 2, 2, 8, [" █", "·█"]),
        ([0, 0], 2, 1, 0, ["▁▁"]),  # no scale
    ],
)
def test_bars(
    values: list[float | None], width: int, height: int, top: float, lines: list[str]
) -> None:
    assert bars(values, width, height=height, top=top) == lines


@pytest.mark.parametrize(
    ("highest", "top"),
    [(0, 5), (5, 5), (5.1, 10), (10.1, 20), (20.1, 50), (50.1, 100), (100.1, 200), (999, 1000)],
)
def test_nice_top(highest: float, top: float) -> None:
    assert nice_top(highest) == top
