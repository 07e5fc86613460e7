"""The rules of values, and the words of their errors: `fit` alone. See also test_encode."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from avrpc.schema import Branch
from avrpc.schema.fit import At, fit, quote
from avrpc.schema.types import Record
from tests.schema.build import (
    A_TICK,
    LIST,
    TICK,
    invalid,
    linked,
    record_json,
    record_of,
    same,
    type_of,
)

E = {"type": "enum", "name": "x.Side", "symbols": ["BUY", "SELL"]}
F = {"type": "fixed", "name": "x.F", "size": 2}
ONE = record_json(("a", "int"), name="x.One")
OTHER = record_json(("a", "int"), ("b", "int", 1), name="x.Other")
TICKS = {"type": "array", "items": TICK}
DATE = {"type": "int", "logicalType": "date"}

A_NAIVE_ONE = datetime(2020, 1, 1)  # noqa: DTZ001

NOT_FITTING: list[tuple[Any, Any, str]] = [
    ("null", 0, "it: expected null, got int"),
    ("boolean", 1, "it: expected boolean, got int"),
    ("boolean", "x", "it: expected boolean, got str"),
    ("int", 5.9, "it: expected int, got float"),
    ("int", True, "it: expected int, got bool"),
    ("int", None, "it: expected int, got None"),
    ("int", 1 << 31, "it: expected int, got 2147483648, which is out of its range"),
    ("long", -(1 << 63) - 1, "it: expected long, got -9223372036854775809, which is out of its"),
    ("float", 1e39, "it: expected float, got 1e+39, which is out of its range"),
    ("double", "1.5", "it: expected double, got str"),
    ("double", True, "it: expected double, got bool"),
    ("double", 10**400, "which is out of its range"),
    ("string", b"x", "it: expected string, got bytes"),
    ("string", "\ud800", "it: a str with half of a surrogate pair, which has no UTF-8"),
    ("bytes", "x", "it: expected bytes, got str"),
    (F, b"xyz", "it: expected 2 bytes for F, got 3"),
    (F, "xy", "it: expected F, got str"),
    (E, "BUYY", "it: expected a symbol of Side, got 'BUYY'; did you mean 'BUY'?"),
    (E, "HOLD", "it: expected a symbol of Side, got 'HOLD'; there are BUY, SELL"),
    (E, 1, "it: expected a symbol of Side as str, got int"),
    ({"type": "array", "items": "string"}, "abc", "it: expected array<string>, got str"),
    ({"type": "array", "items": "int"}, Branch("a", 1), "it: expected array<int>, got Branch"),
    ({"type": "array", "items": "int"}, [1, "x"], "it[1]: expected int, got str"),
    ({"type": "map", "values": "int"}, [1], "it: expected map<int>, got list"),
    ({"type": "map", "values": "int"}, {"a b": "x"}, "it['a b']: expected int, got str"),
    ({"type": "map", "values": "int"}, {1: 1}, "it: expected str as every key of the map, got int"),
    ({"type": "map", "values": "int"}, {"\ud800": 1}, "half of a surrogate pair"),
    (TICK, [1], "it: expected Tick, got list"),
    (TICK, {**A_TICK, "price": "x"}, "Tick.price: expected double, got str (at it.price)"),
    (TICK, {**A_TICK, "prise": 1}, "Tick.prise: no such field; did you mean 'price'? (at it.pri"),
    (TICK, {**A_TICK, 5: 1}, "Tick.5: no such field (at it.5)"),
    (TICK, {"symbol": "x"}, "Tick.price: missing, and it has no default (at it.price)"),
    (TICKS, [A_TICK, {}], "Tick.symbol: missing, and it has no default (at it[1].symbol)"),
    (["null", "int"], "x", "it: expected int, got str"),
    (["null", TICK], {**A_TICK, "size": 1.5}, "Tick.size: expected int, got float (at it.size)"),
    (["int", "string"], None, "it: expected union {int, string}, got None"),
    (["int", "string"], 1 << 40, "it: expected union {int, string}, got int"),
    (["int", E], "HOLD", "it: expected union {int, Side}, got str"),
    ([ONE, OTHER], {"a": 1}, "it: expected a Branch, of x.One, x.Other, got a plain dict"),
    ([ONE, OTHER], 5, "it: expected union {One, Other}, got int"),
    ([ONE, OTHER], Branch("x.Onee", {}), "no branch 'x.Onee' in union {One, Other}; did you mean"),
    ([ONE, OTHER], Branch("x.One", {"a": "x"}), "One.a: expected int, got str (at it.a)"),
    (["null", ONE], Branch("x.Two", {}), "it: no branch 'x.Two' in union {null, One}"),
    (DATE, A_NAIVE_ONE, "it: expected a date, got datetime"),
    ([DATE, "string"], A_NAIVE_ONE, "it: expected union {int (date), string}, got date"),
    (
        {"type": "array", "items": {"type": "map", "values": TICK}},
        [{}, {"x": {"symbol": 1}}],
        "Tick.symbol: expected string, got int (at it[1]['x'].symbol)",
    ),
]


@pytest.mark.parametrize(("json", "value", "text"), NOT_FITTING)
def test_what_does_not_fit_is_named(json: Any, value: Any, text: str) -> None:
    error = invalid(fit, type_of(json), value, At("it"))
    assert text in error.text
    assert error.path.startswith("it")


class Text(str):
    """More than a str."""

    __slots__ = ()


class Whole(int):
    """More than an int."""


class Part(float):
    """More than a float."""


class Row(dict[str, Any]):
    """More than a dict."""


class Day(date):
    """More than a date."""


NAN = float("nan")

FITTING = [
    ("null", None, None),
    ("boolean", False, False),
    ("int", Whole(5), 5),
    ("long", 1 << 40, 1 << 40),
    ("float", 1, 1.0),
    ("float", NAN, NAN),
    ("double", Part(1.5), 1.5),
    ("double", float("-inf"), float("-inf")),
    ("string", Text("x"), "x"),
    ("bytes", bytearray(b"x"), b"x"),
    (F, memoryview(b"xy"), b"xy"),
    (E, Text("BUY"), "BUY"),
    ({"type": "array", "items": "int"}, (Whole(1), 2), [1, 2]),
    ({"type": "map", "values": "int"}, Row(a=1), {"a": 1}),
    (OTHER, Row(a=1), {"a": 1}),  # the encoder fills in b
    (DATE, date(2020, 1, 1), date(2020, 1, 1)),
    (DATE, Day(2020, 1, 1), date(2020, 1, 1)),
    # unions
    (["null", "int"], None, None),
    (["null", ONE], Branch("x.One", Row(a=1)), {"a": 1}),
    ([ONE, OTHER], Branch("x.Other", Row(a=1)), Branch("x.Other", {"a": 1})),
    ([ONE, "string"], Branch("x.One", {"a": 1}), Branch("x.One", {"a": 1})),
    ([ONE, "string"], Row(a=1), {"a": 1}),
    (["double", "long"], Whole(3), 3),
    (["double", "int"], 1 << 40, float(1 << 40)),
    (["float", "double"], Part(0.1), 0.1),
    (["string", "bytes"], bytearray(b"x"), b"x"),
    (["string", E], Text("BUY"), "BUY"),
    (["boolean", "int"], True, True),
    ([F, "string"], bytearray(b"xy"), b"xy"),
    ([{"type": "array", "items": "int"}, "string"], (1,), [1]),
    ([DATE, "string"], date(2020, 1, 1), date(2020, 1, 1)),
    ([{"type": "map", "values": "int"}, ONE], Row(a=1), {"a": 1}),
    ([{"type": "map", "values": "int"}, ONE], Row(b=1), {"b": 1}),
    (["null", "string", "int"], None, None),
]


@pytest.mark.parametrize(("json", "value", "wanted"), FITTING)
def test_what_fits_comes_in_ordinary_form(json: Any, value: Any, wanted: Any) -> None:
    assert same(fit(type_of(json), value, At("it")), wanted)


def test_a_logical_value_stays_for_the_encoder() -> None:
    when = datetime(2020, 1, 1, tzinfo=UTC)
    assert fit(type_of({"type": "long", "logicalType": "timestamp-micros"}), when, At("it")) == when


def test_parameters_are_called_so() -> None:
    record = record_of(("symbol", "string"), ("count", "int", 1), name="last")
    for value, text in (
        ({"symbl": "x"}, "last.symbl: no such parameter; did you mean 'symbol'?"),
        ({}, "last.symbol: missing, and it has no default"),
        ({"symbol": 5}, "last.symbol: expected string, got int"),
        (5, "last: expected a dict, got int"),
    ):
        assert invalid(fit, record, value, At("last"), record).text == text
    assert fit(record, {"symbol": "x"}, At("last"), record) == {"symbol": "x"}


def test_recursion_is_counted() -> None:
    of = type_of(LIST)
    assert isinstance(of, Record)
    assert fit(of, linked(64), At("it")) == linked(64)
    assert "more than 64 values of type List" in invalid(fit, of, linked(65), At("it")).text


def test_python_may_run_out_of_depth_first() -> None:
    depth = 700
    json: Any = "int"
    value: Any = 5
    for number in range(depth):
        json = record_json(("f", json), name=f"R{number}")
        value = {"f": value}
    assert "nested too deeply" in invalid(fit, type_of(json), value, At("it")).text


@pytest.mark.parametrize("value", ["x" * 1000, b"x" * 1000, 10**1000, ["y" * 50] * 50])
def test_quotes_are_short(value: Any) -> None:
    assert len(quote(value)) <= 80
