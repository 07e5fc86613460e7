"""From fastavro's datum to our value."""

from datetime import date
from typing import Any

import pytest

from avrpc.schema import Branch
from avrpc.schema.arrive import ArrivingFunctions
from avrpc.schema.plan import Plan
from tests.schema.build import LIST, TICK, record_json, same, type_of

DATE = {"type": "int", "logicalType": "date"}
DAY = date(1970, 1, 2)
E = {"type": "enum", "name": "x.E", "symbols": ["A"]}
F = {"type": "fixed", "name": "x.F", "size": 1}
DATED = record_json(("d", DATE), ("n", "int"), name="x.Dated")
NODE = record_json(("d", DATE), ("more", {"type": "array", "items": "Node"}), name="x.Node")

# A type, a datum, the value.
CONVERTED = [
    (DATE, 1, DAY),
    (["null", DATE], 1, DAY),
    (["null", DATE], None, None),
    ({"type": "array", "items": DATE}, [1, 1], [DAY, DAY]),
    ({"type": "array", "items": {"type": "map", "values": DATE}}, [{"a": 1}], [{"a": DAY}]),
    (DATED, {"d": 1, "n": 1}, {"d": DAY, "n": 1}),
    ({"type": "map", "values": DATED}, {"a": {"d": 1, "n": 1}}, {"a": {"d": DAY, "n": 1}}),
    (NODE, {"d": 1, "more": [{"d": 1, "more": []}]}, {"d": DAY, "more": [{"d": DAY, "more": []}]}),
    ([E, F, "int"], ("t.x.E", "A"), Branch("x.E", "A")),
    ([E, F, "int"], ("t.x.F", b"x"), Branch("x.F", b"x")),
    ([E, F, "int"], ("w.int", {"v": 5}), 5),
    ([E, F, "null"], None, None),
    ([E, DATED], ("t.x.Dated", {"d": 1, "n": 1}), Branch("x.Dated", {"d": DAY, "n": 1})),
    (["string", DATE], ("w.int", {"v": 1}), DAY),
    (["string", DATE], ("w.string", {"v": "x"}), "x"),
    ([DATED, "int"], ("t.x.Dated", {"d": 1, "n": 1}), {"d": DAY, "n": 1}),
    (
        record_json(("a", ["null", {"type": "array", "items": ["null", DATE]}])),
        {"a": [None, 1]},
        {"a": [None, DAY]},
    ),
]


@pytest.mark.parametrize(("json", "datum", "value"), CONVERTED)
def test_a_datum_is_converted(json: Any, datum: Any, value: Any) -> None:
    of = type_of(json)
    convert = ArrivingFunctions(Plan(of)).function(of)
    assert convert is not None
    assert same(convert(datum), value)


@pytest.mark.parametrize("json", [TICK, LIST, "int", ["null", "string"], ["null", E, "int"]])
def test_what_is_the_same_is_not_touched(json: Any) -> None:
    of = type_of(json)
    assert ArrivingFunctions(Plan(of)).function(of) is None


def test_what_no_value_stands_for_is_an_error() -> None:
    of = type_of(DATED)
    convert = ArrivingFunctions(Plan(of)).function(of)
    assert convert is not None
    with pytest.raises((ValueError, OverflowError)):
        convert({"d": 1 << 30, "n": 1})
