"""Charts made of characters: numbers in, lines of text out."""

from __future__ import annotations

from collections.abc import Sequence

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_GAP = "·"


def bars(values: Sequence[float | None], width: int, *, height: int = 1, top: float) -> list[str]:
    """The last ``width`` values as bars side by side, the newest one last.

    Args:
        values: From nothing upwards; None leaves a gap.
        width: How many bars there is room for; with fewer, it is filled up with blanks.
        height: In lines.
        top: The value that fills all lines.

    Returns:
        Lines of ``width`` characters, the upper one first.
    """
    heights = [_eighths(value, top, height) for value in values[-width:]]
    return [
        "".join(_cell(eighths, 8 * line) for eighths in heights).ljust(width)
        for line in reversed(range(height))
    ]


def nice_top(highest: float) -> float:
    """The end of a scale for values up to ``highest``: 1, 2 or 5 and zeros, and at least 5."""
    top, factors = 5.0, (2.0, 2.0, 2.5)
    step = 0
    while top < highest:
        top *= factors[step % 3]
        step += 1
    return top


def _eighths(value: float | None, top: float, height: int) -> int | None:
    if value is None:
        return None
    share = value / top if top > 0 else 0.0
    # Nothing is an eighth, too: a line at the bottom says that there is a value.
    return max(1, min(8 * height, round(share * 8 * height)))


def _cell(eighths: int | None, below: int) -> str:
    if eighths is None:
        return _GAP if below == 0 else " "
    return _EIGHTHS[max(0, min(8, eighths - below))]
