"""What reading adds to values: by hand for each way, and never less than what arrives."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from avrpc.schema import Branch
from avrpc.schema.added import Added, count
from avrpc.schema.codec import Codec
from avrpc.schema.compat import Comparison, Verdict
from avrpc.schema.fit import At
from avrpc.schema.gate import MAX_NODES
from avrpc.schema.resolve import ResolvingPlan
from avrpc.schema.scan import Reading, _compile, _Walk
from avrpc.schema.types import Array, Record, Type, Union
from tests.schema.build import type_of
from tests.schema.evolutions import (
    DATE,
    EVOLUTIONS,
    MICROS,
    Evolution,
    Invalid,
    array,
    enum,
    fixed,
    map_of,
    record,
)

A = ("a", "int")
ARRIVING = [
    row
    for row in EVOLUTIONS
    if row.verdict < Verdict.INCOMPATIBLE and not isinstance(row.arrives, Invalid)
]


def added(writer: Any, reader: Any) -> tuple[Added, Type, Type]:
    one, other = type_of(writer), type_of(reader)
    return Added(ResolvingPlan([(one, other)], Comparison())), one, other


@pytest.mark.parametrize(
    ("writer", "reader", "nodes"),
    [
        ("int", "int", 0),
        ("int", "long", 0),
        ("long", MICROS, 1),
        (MICROS, "long", 0),
        (MICROS, MICROS, 0),
        (fixed(16), fixed(16, logicalType="uuid"), 5),
        (record(A), record(A), 0),
        (record(A, ("b", "int")), record(A), 0),
        (record(A), record(A, ("b", "int", 1)), 1),
        (record(A), record(A, ("b", array("int"), [1, 2, 3]), ("c", "string", "")), 5),
        (record(A), record(A, ("b", record(("x", "int"), ("y", DATE, 0), name="I"), {"x": 1})), 3),
        (record(A), ["null", record(A, ("b", "int", 1))], 1),
        (record(A), [record(A, ("b", "int", 1)), enum("X")], 3),
        (enum("X"), [record(A), enum("X")], 2),
        ("int", [record(A), enum("X"), DATE], 1),
        (enum("X Y"), enum("X", default="X"), 0),
        ([record(A), enum("X")], [record(A), enum("X"), "int"], 0),
        (array("long"), array(MICROS), 0),
    ],
)
def test_what_is_added_to_one_value(writer: Any, reader: Any, nodes: int) -> None:
    found, one, other = added(writer, reader)
    assert found.of(one, other) == found.of(one, other) == nodes
    assert found.most.get(one, 0) == nodes
    assert found.of(one, None) == 0


def test_branches_are_named_where_the_writer_does_not_name_them() -> None:
    found, one, other = added(["null", record(A)], ["null", record(A), enum("X")])
    assert isinstance(one, Union)
    assert isinstance(other, Union)
    null, one_record = one.branches
    targets = found.branches(one, other)
    assert targets == dict(zip(one.branches, other.branches, strict=False))
    assert found.tag(one, other, targets[one_record]) == 2
    assert found.tag(one, other, targets[null]) == 0
    assert found.tag(one, None, targets[one_record]) == 0
    assert found.most == {one: 2}
    # Both name them.
    both, one, other = added([record(A), enum("X")], [enum("X"), record(A)])
    assert isinstance(other, Union)
    assert both.tag(one, other, other.branches[0]) == 0
    assert both.most == {}


def test_the_most_of_what_a_type_is_read_as_counts() -> None:
    inner = record(("x", "int"), name="I")
    more = record(("x", "int"), ("y", "int", 0), name="I")
    most = record(("x", "int"), ("y", array("int"), [1, 2]), name="J", aliases=["I"])
    found, one, _ = added(
        record(("p", inner), ("q", "I"), ("r", "I")), record(("p", more), ("q", most))
    )
    assert isinstance(one, Record)
    assert found.most == {one.fields[0].type: 3}
    assert {str(reader) for reader in found.readers[one.fields[0].type]} == {"I", "J"}  # type: ignore[index]


def test_parts_of_a_value_are_known_by_what_they_are_read_as() -> None:
    found, one, other = added(
        record(("old", "int"), ("gone", "int"), ("same", array("int")), ("m", map_of("int"))),
        [
            "null",
            record(
                {"name": "new", "type": "long", "aliases": ["old"]},
                ("same", array("int")),
                ("m", map_of(DATE)),
            ),
        ],
    )
    assert isinstance(one, Record)
    fields = found.fields(one, other)
    assert {name: str(of) for name, of in fields.items()} == {
        "old": "long",
        "same": "array<int>",
        "m": "map<int (date)>",
    }
    assert found.fields(one, None) == {}
    same, changed = one.fields[2].type, one.fields[3].type
    assert found.read_as(same, fields["same"]) is None  # nothing changes in it
    assert found.read_as(changed, fields["m"]) is fields["m"]
    assert found.read_as(one, other) is not other


def test_what_is_left_as_it_is_has_no_branches() -> None:
    found, one, _ = added(record(("u", ["null", "int"])), record(("u", ["null", "int"])))
    assert isinstance(one, Record)
    union = one.fields[0].type
    assert isinstance(union, Union)
    assert found.branches(union, None) == {}
    assert not found.most


def test_nodes_of_values_are_counted() -> None:
    assert count(None) == count("x" * 100) == count(5) == count([]) == count({}) == 1
    assert count([1, [2, 3], {"a": {"b": 4}}]) == 8
    assert count(Branch("R", {"a": 1})) == 4
    assert count(UUID(int=0)) == 6
    assert count([Decimal(1), date(2020, 1, 1)]) == 5


@pytest.mark.parametrize("row", ARRIVING, ids=lambda row: row.name)
def test_no_more_arrives_than_a_scan_counts(row: Evolution) -> None:
    """What is counted is what came and what is added; what arrives is at most that."""
    found, one, other = added(row.writer, row.reader)
    data = bytes(Codec(one, At("it")).encode(row.sent))
    for of, reader, encoded, arrives in (
        (one, other, data, row.arrives),
        (Array(one), Array(other), b"\x04" + data * 2 + b"\0", [row.arrives] * 2),
    ):
        if of is not one:
            found = Added(ResolvingPlan([(of, reader)], Comparison()))
        walk = _Walk()
        step, nodes = _compile(of, Reading(reader, found))
        walk.count(nodes)
        assert step(encoded, 0, walk) == len(encoded)
        assert MAX_NODES - walk.nodes_left >= count(arrives)
