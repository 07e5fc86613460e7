"""What a schema may be: each limit, by path, at the limit and one beyond."""

import json
from typing import Any

import pytest

from avrpc.errors import SchemaError
from avrpc.schema import Protocol
from avrpc.schema.gate import (
    MAX_NODES,
    Size,
    check_text,
    record_sizes,
    shallow_order,
    size_of,
    weigh,
)
from avrpc.schema.strictjson import Place
from avrpc.schema.types import Record
from tests.schema.build import TICK, protocol_json, record_json, record_of, type_of


def parsed(made: Any) -> Protocol:
    return Protocol.parse(made if isinstance(made, str) else json.dumps(made))


def with_message(**message: Any) -> Any:
    return protocol_json({"m": {"request": [], "response": "null"} | message})


def with_type(made: Any) -> Any:
    return protocol_json({}, made)


def fields(number: int) -> list[tuple[str, str]]:
    return [(f"f{at}", "int") for at in range(number)]


def fixeds(number: int) -> list[Any]:
    return [{"type": "fixed", "name": f"F{at}", "size": 1} for at in range(number)]


def doubling(levels: int) -> list[Any]:
    """Records of which each holds the one before twice."""
    first = record_json(("a", "null"), name="R0")
    rest = [
        record_json(("a", f"R{at}"), ("b", f"R{at}"), name=f"R{at + 1}") for at in range(levels)
    ]
    return [first, *rest]


def tower(levels: int) -> str:
    """A protocol in which so many brackets are in each other: five without the arrays."""
    arrays = levels - 5
    inner = '{"type":"array","items":' * arrays + '"int"' + "}" * arrays
    before = '{"protocol":"P","messages":{"m":{"response":"null","request":[{"name":"a","type":'
    return f"{before}{inner}}}]}}}}}}"


# What is at the limit, what is beyond, and how that is refused.
LIMITS: list[tuple[Any, Any, str, str]] = [
    (
        '{"protocol":"P"}'.ljust(262_144),
        " " * 262_145,
        "$",
        "expected a text of at most 262144 bytes, found 262145",
    ),
    (tower(64), tower(65), "$", "expected at most 64 brackets in each other, found 65"),
    (
        protocol_json({}, *fixeds(1000)),
        protocol_json({}, *fixeds(1001)),
        "$",
        "expected at most 1000 named types, found 1001",
    ),
    (
        protocol_json({f"m{at}": {"request": [], "response": "null"} for at in range(1000)}),
        protocol_json({f"m{at}": {"request": [], "response": "null"} for at in range(1001)}),
        "$.messages",
        "expected at most 1000 messages, found 1001",
    ),
    (
        with_type(record_json(*fields(1000))),
        with_type(record_json(*fields(1001))),
        "$.types[0].fields",
        "expected at most 1000 fields, found 1001",
    ),
    (
        with_message(request=record_json(*fields(1000))["fields"]),
        with_message(request=record_json(*fields(1001))["fields"]),
        "$.messages.m.request",
        "expected at most 1000 parameters, found 1001",
    ),
    (
        with_type({"type": "enum", "name": "E", "symbols": [f"s{at}" for at in range(10_000)]}),
        with_type({"type": "enum", "name": "E", "symbols": [f"s{at}" for at in range(10_001)]}),
        "$.types[0].symbols",
        "expected at most 10000 symbols, found 10001",
    ),
    (
        with_message(response=fixeds(100)),
        with_message(response=fixeds(101)),
        "$.messages.m.response",
        "expected at most 100 branches in a union, found 101",
    ),
    (
        with_type(record_json(("a" * 255, "int"))),
        with_type(record_json(("a" * 256, "int"))),
        "$.types[0].fields[0].name",
        "expected at most 255 characters in a name, found 256",
    ),
    (
        with_type(record_json(name="n." + "a" * 253)),
        with_type(record_json(name="n." + "a" * 254)),
        "$.types[0].name",
        "expected at most 255 characters in a full name, found 256",
    ),
    (
        protocol_json({}, record_json(name="a" * 250), name="demo.P"),
        protocol_json({}, record_json(name="a" * 251), name="demo.P"),
        "$.types[0].name",
        "expected at most 255 characters in a full name, found 256",
    ),
    (
        protocol_json({}, *doubling(11)),
        protocol_json({}, *doubling(12)),
        "$.types[12]",
        "a value of it may hold more than 10000 values, with none in its arrays and maps",
    ),
]


@pytest.mark.parametrize(("most", "more", "path", "problem"), LIMITS)
def test_limit_is_kept_and_named(most: Any, more: Any, path: str, problem: str) -> None:
    parsed(most)
    with pytest.raises(SchemaError) as caught:
        parsed(more)
    assert (caught.value.path, caught.value.problem) == (path, problem)


BRACKETS: list[tuple[str, bool]] = [
    ('"' + "[" * 100 + '"', True),
    ('"a\\"' + "[" * 100 + '"', True),
    ('"a\\\\"' + "[" * 65, False),
    ('{"a":"{"' * 65, False),
    ('["]"' * 65, False),
    ("[]" * 100 + "{[" * 32, True),
    ("[]" * 100 + "{[" * 32 + "[", False),
    ('"' + "[" * 100, True),  # it is no JSON, and nothing in it is read as a bracket
    ('"[' + '\\"' * 100_000, True),
    ("\\" + "[" * 100, False),
    ("]" * 10 + "[" * 74, True),
]


@pytest.mark.parametrize(("text", "good"), BRACKETS)
def test_brackets_are_counted_as_json_has_them(text: str, good: bool) -> None:
    if good:
        check_text(text.encode(), Place())
    else:
        with pytest.raises(SchemaError, match="brackets in each other"):
            check_text(text.encode(), Place())


def sized(text: Any) -> Size:
    of = type_of(text)
    assert isinstance(of, Record)
    return size_of(of, record_sizes(shallow_order([of])))


DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 80, "scale": 2}
UUID = {"type": "string", "logicalType": "uuid"}
DATE = {"type": "int", "logicalType": "date"}
FIXED = {"type": "fixed", "name": "F", "size": 5}


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ([], Size(1, 0)),
        (["null", "float", "double"], Size(4, 12)),
        (["boolean", "int", "long", "string", "bytes", FIXED], Size(7, 10)),
        ([{"type": "enum", "name": "E", "symbols": ["A"]}], Size(2, 1)),
        ([{"type": "array", "items": TICK}, {"type": "map", "values": "long"}], Size(3, 2)),
        ([DATE, UUID, DECIMAL], Size(22, 3)),
        ([TICK, "demo.Tick"], Size(11, 22)),
        ([["null", TICK]], Size(6, 1)),
        ([["double", "float"]], Size(2, 5)),
        ([[TICK, FIXED]], Size(8, 6)),
        ([["null", "R"]], Size(2, 1)),
        ([["R", FIXED, "long"]], Size(4, 1)),
    ],
)
def test_what_a_record_holds_and_takes(fields: list[Any], size: Size) -> None:
    made = record_json(*((f"f{at}", one) for at, one in enumerate(fields)))
    assert sized(made) == size


@pytest.mark.parametrize(
    ("text", "nodes", "per_byte"),
    [
        ("long", 1, 1.0),
        (TICK, 5, 1.0),
        ({"type": "array", "items": "boolean"}, 1, 1.0),
        ({"type": "array", "items": "double"}, 1, 1.0),
        ({"type": "array", "items": record_json(("a", "boolean"))}, 1, 2.0),
        ({"type": "map", "values": "null"}, 1, 2.0),
        (
            record_json(
                ("a", {"type": "array", "items": record_json(*[(c, "null") for c in "abcd"],
                    ("e", "int"), name="S")})
            ),
            2,
            6.0,
        ),
        # A list of any length: each record of it takes a byte.
        (record_json(("next", ["null", "R"]), ("a", "null")), 3, 3.0),
        (record_json(("kids", {"type": "array", "items": "R"})), 2, 2.0),
    ],
)  # fmt: skip
def test_nodes_per_byte(text: Any, nodes: int, per_byte: float) -> None:
    weight = weigh(type_of(text))
    assert (weight.nodes, weight.nodes_per_byte) == (nodes, per_byte)
    assert weight.safe_bytes == (MAX_NODES - nodes) // per_byte


def test_a_type_of_a_tick_is_weighed_once_for_all() -> None:
    assert weigh(record_of(("a", TICK), ("b", "demo.Tick"))).nodes == 11
