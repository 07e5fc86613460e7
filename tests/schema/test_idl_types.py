"""The parts of IDL: types, annotations and JSON, each read as the type of a `schema` line."""

from typing import Any

import pytest

from avrpc.errors import SchemaError
from avrpc.schema.idl import read_idl
from avrpc.schema.strictjson import compact


def type_of(text: str, namespace: str = "") -> Any:
    head = f"namespace {namespace};" if namespace else ""
    return read_idl(f"{head} schema {text};").main


def refused(text: str) -> str:
    """The error for a type that stands in line 2."""
    with pytest.raises(SchemaError) as caught:
        read_idl(f"schema\n{text}\n;", "f")
    return str(caught.value)


def decimal(precision: int, scale: int) -> dict[str, Any]:
    return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}


DATE = {"type": "int", "logicalType": "date"}

# What Java's IdlReader makes of them, down to the order of the keys.
TYPES: list[tuple[str, Any]] = [
    *((kind, kind) for kind in ("null", "boolean", "int", "long", "float", "double")),
    ("bytes", "bytes"),
    ("string", "string"),
    ("date", DATE),
    ("time_ms", {"type": "int", "logicalType": "time-millis"}),
    ("timestamp_ms", {"type": "long", "logicalType": "timestamp-millis"}),
    ("local_timestamp_ms", {"type": "long", "logicalType": "local-timestamp-millis"}),
    ("uuid", {"type": "string", "logicalType": "uuid"}),
    ("decimal(6, 2)", decimal(6, 2)),
    ("decimal(0x10)", decimal(16, 0)),
    ("array<int>", {"type": "array", "items": "int"}),
    ("map < map<bytes>>", {"type": "map", "values": {"type": "map", "values": "bytes"}}),
    ("union {null, string}", ["null", "string"]),
    ("union {array<union{int, null}>, date}", [{"type": "array", "items": ["int", "null"]}, DATE]),
    ("string?", ["null", "string"]),
    ("date ?", ["null", DATE]),
    ("decimal(3,3)?", ["null", decimal(3, 3)]),
    ("array<map<int?>>", {"type": "array", "items": {"type": "map", "values": ["null", "int"]}}),
    ("Tick", "Tick"),
    ("Tick?", ["null", "Tick"]),
    ("other.Tick", "other.Tick"),
    ("`schema`", "schema"),
    ("idl", "idl"),
    ('@x("y") string', {"type": "string", "x": "y"}),
    ('@x("y") @java-class(1) int?', ["null", {"type": "int", "x": "y", "java-class": 1}]),
    ("@x(1) date", DATE | {"x": 1}),
    (
        '@logicalType("timestamp-micros") long',
        {"type": "long", "logicalType": "timestamp-micros"},
    ),
    ('@logicalType("decimal") @precision(6) @scale(2) bytes', decimal(6, 2)),
    (
        "@x(1) array<@y(2) int>",
        {"type": "array", "items": {"type": "int", "y": 2}, "x": 1},
    ),
    ("@x(1) map<int>", {"type": "map", "values": "int", "x": 1}),
    ("@x(1) union {null, @y(2) int}", ["null", {"type": "int", "y": 2}]),
    ('@order("ignore") string', {"type": "string", "order": "ignore"}),
    (
        "@ a.b-c (1) @error(2) @`void`.d(3) int",
        {"type": "int", "a.b-c": 1, "error": 2, "void.d": 3},
    ),
]


@pytest.mark.parametrize(("text", "json"), TYPES)
def test_types(text: str, json: Any) -> None:
    assert compact(type_of(text)) == compact(json)


# Short in its own namespace, unless it would be taken for a type of Avro's.
REFERENCES = [
    ("Tick", "", "Tick"),
    ("Tick", "a.b", "Tick"),
    ("a.b.Tick", "a.b", "Tick"),
    ("a.Tick", "a.b", "a.Tick"),
    ("a.b.`int`", "a.b", "a.b.int"),
    ("`record`", "a.b", "a.b.record"),
    ("`map`", "", "map"),
]


@pytest.mark.parametrize(("text", "namespace", "name"), REFERENCES)
def test_references_are_short_where_they_can_be(text: str, namespace: str, name: str) -> None:
    assert type_of(text, namespace) == name


VALUES: list[tuple[str, Any]] = [
    ("null", None),
    ("true", True),
    ("false", False),
    ("-0x10", -16),
    ("1.5f", 1.5),
    (r"'it\'s'", "it's"),
    ("[]", []),
    ("{}", {}),
    ('[1, [null], {"a": {"b": [true]}, "c": 2}]', [1, [None], {"a": {"b": [True]}, "c": 2}]),
]


@pytest.mark.parametrize(("text", "value"), VALUES)
def test_values(text: str, value: Any) -> None:
    made = type_of(f"@x({text}) int")["x"]
    assert made == value
    assert type(made) is type(value)


REFUSED = [
    ("5", "2:1: expected a type, found '5'"),
    ("", "3:1: expected a type, found ';'"),
    ("void", "2:1: expected a type, found 'void'; only a response can be void, which is null"),
    ("enum", "2:1: expected a type, found 'enum'; define the enum outside, and write its name"),
    ("`int`", "2:1: no type can have the name of a primitive one, as '`int`' has"),
    ("array int", "2:7: expected '<', found 'int'"),
    ("array<int", "3:1: expected '>', found ';'"),
    ("map<>", "2:5: expected a type, found '>'"),
    ("union int", "2:7: expected '{', found 'int'"),
    ("union {int string}", "2:12: expected ',' or '}', found 'string'"),
    ("union {int,}", "2:12: expected a type, found '}'"),
    ("array<int>?", "2:11: no '?' after array: write union {null, array ...}"),
    ("union{int}?", "2:11: no '?' after union: write union {null, union ...}"),
    ("int??", "2:5: expected ';', found '?'"),
    ("decimal", "3:1: expected '(', found ';'"),
    ("decimal(x)", "2:9: expected the precision, in digits, found 'x'"),
    ("decimal(1.0)", "2:9: expected the precision, in digits, found '1.0'"),
    ("decimal(0)", "2:9: expected a precision of at least 1, found '0'"),
    ("decimal(2 3)", "2:11: expected ',' or ')', found '3'"),
    ("decimal(2, 3)", "2:12: expected a scale from 0 to 2, found '3'"),
    ("decimal(2, -1)", "2:12: expected a scale from 0 to 2, found '-1'"),
    (
        "@x(1) Tick",
        "2:2: @x can't stand in front of 'Tick', as that is defined elsewhere; that of a field",
    ),
    ("@x(1) @x(2) int", "2:8: @x is there twice"),
    (
        "@logicalType(1) date",
        "2:2: 'logicalType' is said already, by the type",
    ),
    ("@type(1) int", "2:2: @type is no annotation: it is said by the IDL itself"),
    ("@default(1) int?", "2:2: @default is no annotation: it is said by '= value' at the end"),
    (
        '@doc("") union {int}',
        "2:2: @doc is no annotation: it is said by a comment /** ... */ in front",
    ),
    (
        '@namespace("x") array<int>',
        "2:2: @namespace is no annotation: it is said where the type is defined",
    ),
    (
        "@aliases([]) int",
        "2:2: @aliases is no annotation: it is said where the type is defined, or those of a field",
    ),
    ("@(1) int", "2:2: expected the annotation's name, found '('"),
    ("@x int", "2:4: expected '(', found 'int'"),
    ("@x() int", "2:4: expected a value in JSON, found ')'"),
    ("@x(1 int", "2:6: expected ')', found 'int'"),
    (
        "@x(RED) int",
        "2:4: expected a value in JSON, found 'RED'; text and symbols go in quotes: \"RED\"",
    ),
    ("@x(`null`) int", "2:4: expected a value in JSON, found '`null`'; text and symbols go in"),
    ("@x(NaN) int", "2:4: JSON has no NaN, so no Avro text can hold it"),
    ("@x([1,]) int", "2:7: expected a value in JSON, found ']'"),
    ("@x([1 2]) int", "2:7: expected ',' or ']', found '2'"),
    ("@x({a: 1}) int", "2:5: expected a key in quotes, found 'a'"),
    ('@x({"a" 1}) int', "2:9: expected ':', found '1'"),
    ('@x({"a": 1, "a": 2}) int', '2:13: key "a" is there twice'),
    ("array<int", "3:1: expected '>', found ';'"),
]


@pytest.mark.parametrize(("text", "error"), REFUSED)
def test_what_is_no_type_is_refused_by_line_and_column(text: str, error: str) -> None:
    assert refused(text).startswith(f"f:{error}")


def test_types_and_values_nest_so_deep_and_no_deeper() -> None:
    made = type_of(f"{'array<' * 64}int{'>' * 64}")
    for _ in range(64):
        made = made["items"]
    assert made == "int"
    assert refused(f"{'map<' * 65}int{'>' * 65}") == "f:2:261: types nested more than 64 deep"
    assert "2:456: types nested" in refused(f"{'union {' * 20_000}")
    type_of(f"@x({'[' * 64}1{']' * 64}) int")
    assert refused(f"@x({'[' * 65}1{']' * 65}) int") == "f:2:69: JSON nested more than 64 deep"
    assert "JSON nested" in refused("@x(" + '{"a":' * 20_000)
