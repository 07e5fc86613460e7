"""What has to be converted after fastavro, and which branches it is given as records."""

from typing import Any

import pytest

from avrpc.schema.plan import Plan, fast_name
from avrpc.schema.types import Union
from tests.schema.build import LIST, TICK, record_json, type_of

DATE = {"type": "int", "logicalType": "date"}
E = {"type": "enum", "name": "x.E", "symbols": ["A"]}
F = {"type": "fixed", "name": "x.F", "size": 1}


@pytest.mark.parametrize(
    ("json", "changes"),
    [
        (TICK, False),
        (LIST, False),
        (DATE, True),
        (E, False),
        ({"type": "array", "items": "int"}, False),
        ({"type": "array", "items": {"type": "map", "values": DATE}}, True),
        (["null", DATE], True),
        (["null", E, "int"], False),
        (["null", E, F], True),
        (record_json(("a", record_json(("d", DATE), name="Inner")), ("b", "int")), True),
        (record_json(("n", ["null", "R"]), ("d", DATE)), True),
        (
            record_json(
                ("s", ["null", record_json(("r", ["null", "R"]), ("d", DATE), name="S")]),
            ),
            True,
        ),
    ],
)
def test_only_logical_types_and_tagged_unions_change(json: Any, changes: bool) -> None:
    of = type_of(json)
    assert Plan(of).changes(of) is changes


@pytest.mark.parametrize(
    ("json", "names", "wrapped"),
    [
        (["null", "int"], ["null", "int"], []),
        (["null", DATE], ["null", "int"], []),
        (["null", E, "int"], ["null", "t.x.E", "int"], []),
        (["null", E, F, "int"], ["null", "t.x.E", "t.x.F", "w.int"], ["w.int"]),
        (["string", DATE], ["w.string", "w.int"], ["w.string", "w.int"]),
        ([E, DATE], ["t.x.E", "w.int"], ["w.int"]),
        ([{"type": "map", "values": DATE}, TICK], ["w.map", "t.demo.Tick"], ["w.map"]),
    ],
)
def test_branches_are_wrapped_where_they_must_be_told(
    json: Any, names: list[str], wrapped: list[str]
) -> None:
    of = type_of(json)
    assert isinstance(of, Union)
    branches = Plan(of).branches(of)
    assert [one.name for one in branches] == names
    assert [one.name for one in branches if one.wrapped] == wrapped


def test_names_for_fastavro_have_a_dot_always() -> None:
    assert fast_name("Tick") == "t.Tick"
