"""Defaults: the values they make, and what is refused."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from avrpc.errors import SchemaError
from avrpc.schema import Branch
from tests.schema.build import protocol_of, record_json, record_of, refused, same, type_of

E = {"type": "enum", "name": "E", "symbols": ["A", "B"]}
F = {"type": "fixed", "name": "F", "size": 2}
INNER = record_json(("x", "int"), ("y", "int", 7), name="Inner")

# A type, a default in JSON, the value.
DEFAULTS = [
    ("null", None, None),
    ("boolean", True, True),
    ("int", -(1 << 31), -(1 << 31)),
    ("long", (1 << 63) - 1, (1 << 63) - 1),
    ("float", 0.1, 0.10000000149011612),  # as it would arrive
    ("float", 1, 1.0),
    ("double", 0, 0.0),
    ("double", 0.1, 0.1),
    ("string", "ÿ", "ÿ"),
    ("bytes", "ÿ\u0000", b"\xff\0"),
    (F, "ÿa", b"\xffa"),
    (E, "B", "B"),
    ({"type": "array", "items": "double"}, [1, 2.5], [1.0, 2.5]),
    ({"type": "map", "values": "bytes"}, {"a": "ÿ"}, {"a": b"\xff"}),
    (INNER, {"x": 1}, {"x": 1, "y": 7}),
    (record_json(("in", INNER, {"x": 2}), name="Outer"), {}, {"in": {"x": 2, "y": 7}}),
    (["null", "int"], None, None),
    (["null", "int"], 5, 5),  # not the first branch: Avro 1.12
    (["int", "double"], 1.5, 1.5),
    (["string", E], "A", "A"),
    ([E, F], "A", Branch("E", "A")),
    ([E, F], "xy", Branch("F", b"xy")),
    ([INNER, record_json(("z", "int"), name="Other")], {"z": 1}, Branch("Other", {"z": 1})),
    ({"type": "int", "logicalType": "date"}, 1, date(1970, 1, 2)),
    (
        {"type": "long", "logicalType": "timestamp-millis"},
        1000,
        datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC),
    ),
    (
        {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2},
        "\u0001\u0000",
        Decimal("2.56"),
    ),
]


@pytest.mark.parametrize(("of", "json", "value"), DEFAULTS)
def test_a_default_makes_its_value(of: Any, json: Any, value: Any) -> None:
    field = record_of(("f", of, json)).fields[0]
    assert field.has_default
    assert same(field.make_default(), value)


@pytest.mark.parametrize(
    "field",
    [
        ("f", {"type": "array", "items": {"type": "array", "items": "int"}}, [[1]]),
        ("f", {"type": "map", "values": INNER}, {"a": {"x": 1}}),
        ("f", INNER, {"x": 1}),
    ],
)
def test_each_default_is_new(field: Any) -> None:
    made = record_of(field).fields[0]
    one, other = made.make_default(), made.make_default()
    assert one == other
    assert one is not other
    for key in one if isinstance(one, dict) else [0]:
        assert not isinstance(one[key], (list, dict)) or one[key] is not other[key]


# (type, default, JSON path below the default, what is wrong)
REFUSED = [
    ("null", 0, "", "expected a default of type null, found 0"),
    ("boolean", 0, "", "type boolean"),
    ("int", 1.0, "", "type int"),
    ("int", True, "", "type int"),
    ("int", 1 << 31, "", "type int"),
    ("long", 1 << 63, "", "type long"),
    ("float", 1e39, "", "type float"),
    ("float", "NaN", "", "type float"),
    ("double", True, "", "type double"),
    ("double", 1 << 1024, "", "type double"),
    ("string", 5, "", "type string"),
    ("bytes", "Ā", "", "code points 0 to 255"),
    ("bytes", [1], "", "code points 0 to 255"),
    (F, "a", "", "2 characters for F"),
    (E, "C", "", "a symbol of E"),
    (E, ["A"], "", "a symbol of E"),
    ({"type": "array", "items": "int"}, {}, "", "a list"),
    ({"type": "array", "items": "int"}, [1, "x"], "[1]", "type int"),
    ({"type": "map", "values": "int"}, [], "", "an object"),
    ({"type": "map", "values": "int"}, {"a": None}, ".a", "type int"),
    (INNER, [], "", "an object with the fields of Inner"),
    (INNER, {}, "", "field 'x' of Inner is missing, and has no default"),
    (INNER, {"x": 1, "z": 1}, ".z", "Inner has no such field"),
    (INNER, {"x": "1"}, ".x", "type int"),
    (["null", "int"], "x", "", "a default for union {null, int}"),
    ({"type": "int", "logicalType": "date"}, 1 << 30, "", "a default for int (date)"),
]


@pytest.mark.parametrize(("of", "json", "path", "problem"), REFUSED)
def test_a_default_that_does_not_fit_is_refused_by_path(
    of: Any, json: Any, path: str, problem: str
) -> None:
    error = refused(record_json(("ok", "int", 1), ("f", of, json)))
    assert error.path == f"$.fields[1].default{path}"
    assert problem in error.text


def test_a_default_that_holds_itself_is_refused() -> None:
    kids = {"type": "array", "items": "R"}
    assert "endlessly" in refused(record_json(("kids", kids, [{}]))).text
    assert record_of(("kids", kids, [{"kids": []}])).fields[0].make_default() == [{"kids": []}]
    error = refused(
        record_json(
            ("s", record_json(("rs", {"type": "array", "items": "R"}, [{}]), name="S"), {}),
        )
    )
    assert error.text == "this default would be filled in with itself, endlessly"


def test_a_default_may_be_filled_in_with_others() -> None:
    made = record_of(
        ("a", record_json(("x", "int", 1), name="A"), {}),
        ("b", record_json(("a", "A", {}), name="B"), {}),
    )
    assert made.fields[1].make_default() == {"a": {"x": 1}}


def test_defaults_do_not_nest_without_end() -> None:
    value: dict[str, Any] = {"n": None}
    for _ in range(70):
        value = {"n": value}
    error = refused(record_json(("n", ["null", "R"], value)))
    assert "a default for union" in error.text


def test_trying_branches_takes_no_exponential_time() -> None:
    """Each level has two branches of which neither fits, which only the innermost value tells."""
    records = [
        record_json(("n", ["null", "A", "B"]), ("x", "int", 1), name="A"),
        record_json(("n", ["null", "A", "B"]), ("x", "int", 2), name="B"),
    ]
    value: dict[str, Any] = {"n": None, "x": "no int"}
    for _ in range(40):
        value = {"n": value}
    refused([*records, record_json(("f", ["A", "B"], value))])


def doubling(levels: int) -> list[Any]:
    """Records of which each fills in the one before twice, through an array."""
    first = record_json(("x", "int", 1), name="R0")
    return [first] + [
        record_json(("a", {"type": "array", "items": f"R{at}"}, [{}, {}]), name=f"R{at + 1}")
        for at in range(levels)
    ]


def chain(levels: int) -> list[Any]:
    """Records of which each fills in the next once, the last one first."""
    return [
        record_json(("a", f"R{at + 1}" if at < levels else "int", {} if at < levels else 1),
            name=f"R{at}")
        for at in range(levels + 1)
    ]  # fmt: skip


MANY = "the defaults of this text hold more than 5000 values"
BRANCHES = [record_json((f, "double"), name=f"S{at}") for at, f in enumerate("a" * 99 + "b")]


def test_defaults_that_fill_in_defaults_are_counted() -> None:
    protocol_of({}, *doubling(9))
    protocol_of({}, *chain(95))  # each counts all the later ones: 95 * 96 / 2
    for more in (doubling(12), chain(105)):
        with pytest.raises(SchemaError, match=MANY):
            protocol_of({}, *more)


def test_trying_branches_in_vain_is_counted() -> None:
    def often(values: int) -> Any:
        json = [{"b": at + 0.5} for at in range(values)]
        return record_json(("f", {"type": "array", "items": BRANCHES}, json))

    type_of(often(4))
    assert refused(often(5)).text == MANY


def test_values_of_defaults_are_counted_over_all_types_of_a_text() -> None:
    ints = {"type": "array", "items": "int"}
    fields = [(name, ints, list(range(1000, 3499))) for name in "ab"]
    type_of(record_json(*fields))
    assert refused(record_json(*fields, ("c", "int", 1))).text == MANY
