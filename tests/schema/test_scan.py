"""Walking over bytes: what passes, and where what does not is wrong."""

import contextlib
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avrpc.errors import InvalidValue
from avrpc.schema.added import Added
from avrpc.schema.compat import Comparison
from avrpc.schema.encode import Encoders
from avrpc.schema.fit import At
from avrpc.schema.gate import MAX_NODES
from avrpc.schema.resolve import ResolvingPlan
from avrpc.schema.scan import Reading, compile_portion, compile_scan
from avrpc.schema.types import Field, Record, Type
from avrpc.schema.varint import write_long
from tests.schema.build import LIST, TICK, invalid, record_json, samples, type_of

E = {"type": "enum", "name": "E", "symbols": ["A"]}
INTS = {"type": "array", "items": "int"}
MAP = {"type": "map", "values": "int"}


def scan(json: Any, data: bytes, count: int = 1) -> int:
    return compile_scan(type_of(json), At("it"))(data, count)


@given(st.data())
def test_what_was_encoded_passes(data: st.DataObject) -> None:
    sample = data.draw(samples())
    of = type_of(sample.json)
    encoded = bytes(Encoders().encoder(of)(data.draw(sample.values)))
    assert compile_scan(of, At("it"))(encoded, 1) == len(encoded)
    assert compile_scan(of, At("it"), prefix=True)(encoded + b"more", 1) == len(encoded)


@pytest.mark.parametrize(
    ("json", "data", "count"),
    [
        (INTS, b"\0", 1),
        (INTS, b"\2\2\4\2\2\0", 1),  # two blocks
        (INTS, b"\3\4\2\2\0", 1),  # a block with its size
        (MAP, b"\1\6\2a\2\0", 1),
        ("int", b"\2\x80\1", 2),
        (INTS, b"\6" + b"\xff\xff\xff\xff\x0f\2\x80\1" + b"\0", 1),
        ({"type": "array", "items": "long"}, b"\4" + b"\xff" * 9 + b"\1\2\0", 1),
        ({"type": "array", "items": "double"}, b"\4" + bytes(16) + b"\1\x10" + bytes(8) + b"\0", 1),
        ("int", b"", 0),
    ],
)
def test_other_forms_of_the_same_pass(json: Any, data: bytes, count: int) -> None:
    assert scan(json, data, count) == len(data)


WRONG = [
    ("boolean", b"", "it: ends 1 bytes too early"),
    ("float", b"\0", "it: ends 3 bytes too early"),
    ("long", b"\x80", "it: ends in the middle of a number"),
    ("bytes", b"\1", "it: has a negative length"),
    ("bytes", b"\x06a", "it: ends 2 bytes too early"),
    ("bytes", b"\x80", "it: ends in the middle of a number"),
    ("bytes", b"\xff" * 9 + b"\x7f", "it: a number of more than 64 bits"),
    ("string", b"\2\xff", "it: is not UTF-8"),
    ({"type": "fixed", "name": "F", "size": 3}, b"a", "it: ends 2 bytes too early"),
    (E, b"\1", "it: E has no symbol number -1"),
    (["int"], b"\2", "it: no branch number 1"),
    (INTS, b"\4\2", "it[1]: ends in the middle of a number"),
    (INTS, b"\4\2\2", "it: ends in the middle of a number"),
    (MAP, b"\4\2a\2\2", "it[1]: ends 1 bytes too early"),
    (TICK, b"\0", "Tick.price: ends 8 bytes too early (at it.price)"),
    (record_json(("ticks", {"type": "array", "items": TICK})), b"\2\0", "(at it.ticks[0].price)"),
    ("int", b"\0\0", "it: the value ends 1 byte before its bytes do"),
    ("int", b"\0\0\0", "it: the value ends 2 bytes before its bytes do"),
    ({"type": "array", "items": "bytes"}, b"\xfe\xff\x07", "it[0]: ends in the middle"),
    ("boolean", b"\2", "it: a boolean that is 2"),
    (INTS, b"\4\2\x80\x80\x80\x80\x20", "it[1]: an int of more than 32 bits"),
    (INTS, b"\2\4\4\2\x80", "it[2]: ends in the middle of a number"),
    (
        {"type": "array", "items": "long"},
        b"\4\2" + b"\xff" * 9 + b"\2\0",
        "it[1]: a number of more",
    ),
    ({"type": "array", "items": "float"}, b"\4" + bytes(7), "it[1]: ends 1 bytes too early"),
    ("int", b"\x80\x80\x80\x80\x20", "it: an int of more than 32 bits"),
    (
        {
            "type": "array",
            "items": {"type": "fixed", "name": "F", "size": 16, "logicalType": "uuid"},
        },
        b"\2" + bytes(15),
        "it[0]: ends 1 bytes too early",
    ),
    (
        record_json(
            ("a", {"type": "map", "values": {"type": "int", "logicalType": "time-millis"}})
        ),
        b"\2\2k\1\0",
        "R.a[0]: -1000 microseconds is no time of day",
    ),
    (record_json(("u", {"type": "string", "logicalType": "uuid"})), b"\2x", "R.u: text that is no"),
    (
        {"type": "array", "items": {"type": "bytes", "logicalType": "decimal", "precision": 2}},
        b"\4\2\1\2\x7f\0",
        "it[1]: a decimal of more than 2 digits",
    ),
    ({"type": "array", "items": ["boolean", "null"]}, b"\2\2" * 250_001, "more than 250000 values"),
]


@pytest.mark.parametrize(("json", "data", "text"), WRONG)
def test_what_is_wrong_is_named_by_place(json: Any, data: bytes, text: str) -> None:
    assert text in invalid(scan, json, data).text


@given(st.data())
def test_garbage_raises_nothing_else(data: st.DataObject) -> None:
    sample = data.draw(samples())
    walk = compile_scan(type_of(sample.json), At("it"))
    with contextlib.suppress(InvalidValue):
        walk(data.draw(st.binary(max_size=30)), 1)


def test_nesting_is_counted() -> None:
    assert scan(LIST, b"\2" * 63 + b"\0") == 64
    for depth in (64, 100_000):
        error = invalid(scan, LIST, b"\2" * depth + b"\0")
        assert "List.next: more than 64 values of type List in each other" in error.text
        assert error.path == "it" + ".next" * 64


# -- another version's: what its reader adds counts too

SMALL = record_json(("a", "int"), name="S")
LARGE = record_json(("a", "int"), *((f"b{at}", "int", 0) for at in range(500)), name="S")


def reading(writer: Any, reader: Any) -> tuple[Type, Reading]:
    one, other = type_of(writer), type_of(reader)
    return one, Reading(other, Added(ResolvingPlan([(one, other)], Comparison())))


@pytest.mark.parametrize(
    ("writer", "reader", "each", "more"),
    [
        (SMALL, LARGE, b"\2", 502),
        (["null", SMALL], ["null", LARGE], b"\2\2", 502),
        (SMALL, ["null", LARGE], b"\2", 502),
        (SMALL, [LARGE, E], b"\2", 504),
        (record_json(("s", SMALL)), record_json(("s", LARGE)), b"\2", 503),
        ({"type": "array", "items": SMALL}, {"type": "array", "items": LARGE}, b"\4\2\2\0", 1005),
        ({"type": "map", "values": SMALL}, {"type": "map", "values": LARGE}, b"\2\0\2\0", 504),
        (record_json(("r", ["null", "R"])), record_json(("r", ["null", "R"]), ("b", "int", 0)),
         b"\2\0", 5),
        # Fields that are dropped, or stay as they are, count once.
        (record_json(("s", SMALL), ("a", "int")), record_json(("a", "int")), b"\2\2", 4),
        (record_json(("s", SMALL), ("a", "int")), record_json(("s", SMALL)), b"\2\2", 4),
    ],
)  # fmt: skip
def test_what_its_reader_adds_is_counted(writer: Any, reader: Any, each: bytes, more: int) -> None:
    of, as_what = reading(writer, reader)
    fits = MAX_NODES // more
    walk = compile_scan(of, At("it"), as_what)
    assert walk(each * fits, fits) == len(each) * fits
    assert "more than 250000 values" in invalid(walk, each * (fits + 1), fits + 1).text
    portion = compile_portion(of, as_what)
    assert portion(each * fits, fits) == (len(each) * fits, fits)
    assert portion(each * 3 * fits, 3 * fits) == (len(each) * fits, fits)


def test_a_portion_is_all_where_the_rest_is_refused_anyway() -> None:
    of, as_what = reading({"type": "array", "items": SMALL}, {"type": "array", "items": LARGE})
    portion = compile_portion(of, as_what)
    assert portion(b"\2\2\0" + b"\2", 2) == (4, 2)  # ends too early
    large = write_long(MAX_NODES // 500) + b"\2" * (MAX_NODES // 500) + b"\0"
    assert portion(large * 2, 2) == (len(large) * 2, 2)  # not even one may be made
    assert portion(b"\2\2\0" + large, 2) == (3, 1)


def test_python_may_run_out_of_depth_first() -> None:
    records = [Record(f"R{number}") for number in range(2000)]
    for one, other in pairwise(records):
        one.fields = (Field("f", other),)
    assert "nested too deeply" in invalid(compile_scan(records[0], At("it")), b"", 1).text
