"""The protocol's units: converted, and written for people."""

from __future__ import annotations

_FACTORS = {
    ("BYTES", "GIB"): 2**-30,
    ("BYTES_PER_SECOND", "MIB_PER_SECOND"): 2**-20,
}


def factor(unit: str, to: str, capacity: float | None = None) -> float | None:
    """What turns a number of one unit into another, by multiplying; None if nothing does.

    Args:
        unit: What the number is in.
        to: What it shall be in. PERCENT means: of the capacity.
        capacity: The most that there can be, in the number's own unit.
    """
    if unit == to:
        return 1.0
    if to == "PERCENT":
        return 100 / capacity if capacity else None
    return _FACTORS.get((unit, to))


def show(value: float | None, unit: str) -> str:
    """A number as people read it: ``12.3 %``, ``3.21 GiB``, ``45.6 KiB/s``, ``missing``."""
    if value is None:
        return "missing"
    if unit == "PERCENT":
        return f"{value:.1f} %"
    if unit == "GIB":
        return f"{value:.2f} GiB"
    if unit == "MIB_PER_SECOND":
        return f"{value:.2f} MiB/s"
    rest = "/s" if unit == "BYTES_PER_SECOND" else ""
    prefix = ""
    for larger in ("Ki", "Mi", "Gi", "Ti"):
        if abs(value) < 1000:  # and not 1024: four digits before the point are hard to read
            break
        value, prefix = value / 1024, larger
    digits = 0 if not prefix else 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{digits}f} {prefix}B{rest}"
