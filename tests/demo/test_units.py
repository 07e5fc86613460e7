"""Units: what turns into what, and how people read it."""

import pytest

from avrpc.demo.units import factor, show


@pytest.mark.parametrize(
    ("unit", "to", "capacity", "expected"),
    [
        ("BYTES", "BYTES", None, 1.0),
        ("PERCENT", "PERCENT", None, 1.0),
        ("BYTES", "PERCENT", 400.0, 0.25),
        ("BYTES", "PERCENT", None, None),
        ("BYTES", "PERCENT", 0.0, None),
        ("BYTES", "GIB", None, 1 / 1024**3),
        ("BYTES_PER_SECOND", "MIB_PER_SECOND", None, 1 / 1024**2),
        ("BYTES", "MIB_PER_SECOND", None, None),
        ("PERCENT", "BYTES", 100.0, None),
    ],
)
def test_factor_between_units(
    unit: str, to: str, capacity: float | None, expected: float | None
) -> None:
    assert factor(unit, to, capacity) == expected


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "BYTES", "missing"),
        (12.345, "PERCENT", "12.3 %"),
        (1.5, "GIB", "1.50 GiB"),
        (0.25, "MIB_PER_SECOND", "0.25 MiB/s"),
        (0, "BYTES", "0 B"),
        (999, "BYTES", "999 B"),
        (1000, "BYTES", "0.98 KiB"),
        (20 * 1024, "BYTES_PER_SECOND", "20.0 KiB/s"),
        (300 * 1024**2, "BYTES", "300 MiB"),
        (3.21 * 1024**3, "BYTES", "3.21 GiB"),
        (5000 * 1024**4, "BYTES", "5000 TiB"),
    ],
)
def test_show(value: float | None, unit: str, text: str) -> None:
    assert show(value, unit) == text
