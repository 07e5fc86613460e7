"""Encoders: their bytes, and that they refuse what `fit` refuses and agree where it does not."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avrpc.errors import InvalidValue
from avrpc.schema import Branch
from avrpc.schema.encode import Encoders, Misfit
from avrpc.schema.fit import At, fit
from avrpc.schema.types import Enum, Field, Fixed, Record, Union
from tests.schema.build import A_TICK, LIST, TICK, linked, record_json, samples, type_of

E = {"type": "enum", "name": "E", "symbols": ["A", "B", "C"]}
F = {"type": "fixed", "name": "F", "size": 2}
ONE = record_json(("a", "int"), name="One")
OTHER = record_json(("a", "int"), ("b", "int", 1), name="Other")
INTS = {"type": "array", "items": "int"}
DATE = {"type": "int", "logicalType": "date"}

TIME_MILLIS = {"type": "int", "logicalType": "time-millis"}
TIME_MICROS = {"type": "long", "logicalType": "time-micros"}
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 4}
LONGER = {"type": "fixed", "name": "L", "size": 4, "logicalType": "decimal", "precision": 9}

# A type, a value, the bytes.
BYTES = [
    ("null", None, b""),
    ("boolean", True, b"\1"),
    ("boolean", False, b"\0"),
    ("int", -1, b"\1"),
    ("int", 64, b"\x80\1"),
    ("int", 100_000, b"\xc0\x9a\x0c"),
    ("long", 1 << 40, b"\x80\x80\x80\x80\x80\x40"),
    ("float", 1.5, b"\0\0\xc0\x3f"),
    ("float", 1, b"\0\0\x80\x3f"),
    ("double", 1.5, b"\0\0\0\0\0\0\xf8\x3f"),
    ("double", -2, b"\0\0\0\0\0\0\0\xc0"),
    ("string", "ä", b"\4\xc3\xa4"),
    ("string", "", b"\0"),
    ("string", "x" * 5000, b"\x90\x4e" + b"x" * 5000),
    ("bytes", b"\xff", b"\2\xff"),
    ("bytes", b"x" * 5000, b"\x90\x4e" + b"x" * 5000),
    (F, b"xy", b"xy"),
    (E, "B", b"\2"),
    (INTS, [], b"\0"),
    (INTS, [1, -1], b"\4\2\1\0"),
    (INTS, (1,), b"\2\2\0"),
    ({"type": "array", "items": "double"}, [], b"\0"),
    ({"type": "array", "items": "double"}, [1, 1.0], b"\4" + b"\0\0\0\0\0\0\xf0\x3f" * 2 + b"\0"),
    ({"type": "array", "items": "float"}, [1, 1.0], b"\4" + b"\0\0\x80\x3f" * 2 + b"\0"),
    ({"type": "array", "items": "string"}, ["a", ""], b"\4\2a\0\0"),
    ({"type": "array", "items": INTS}, [[1], []], b"\4\2\2\0\0\0"),
    ({"type": "map", "values": "int"}, {"a": 1}, b"\2\2a\2\0"),
    ({"type": "map", "values": "null"}, {}, b"\0"),
    (TICK, {**A_TICK, "at": 0}, b"\x0cEURUSD\0\0\0\0\0\0\xf4?\xc8\1\0"),
    # fields left out, and not
    (OTHER, {"a": 1}, b"\2\2"),
    (OTHER, {"a": 1, "b": 2}, b"\2\4"),
    (record_json(("f", "bytes", "ÿ"), ("g", F, "ÿÿ")), {}, b"\2\xff\xff\xff"),
    (record_json(("f", OTHER, {"a": 3})), {}, b"\6\2"),
    (record_json(("f", ["null", "int"], None), ("g", INTS, [5])), {"f": 1}, b"\2\2\2\n\0"),
    (record_json(("f", DATE, 3)), {}, b"\6"),
    (LIST, {}, b"\0"),
    # unions
    (["null", "int"], None, b"\0"),
    (["null", "int"], 5, b"\2\n"),
    (["int", "null"], None, b"\2"),
    (["int", "null"], 5, b"\0\n"),
    (["null", ONE], {"a": 1}, b"\2\2"),
    (["null"], None, b"\0"),
    (["int"], 5, b"\0\n"),
    (["string", "null", "int"], None, b"\2"),
    (["int", "long"], 5, b"\0\n"),
    (["int", "long"], 1 << 40, b"\2\x80\x80\x80\x80\x80\x40"),
    (["long", "int"], 5, b"\0\n"),
    (["double", "int"], 5, b"\2\n"),
    (["double", "int"], 1 << 31, b"\0\0\0\0\0\0\0\xe0\x41"),
    (["float", "double"], 1.0, b"\2\0\0\0\0\0\0\xf0\x3f"),
    (["float", "double"], 1, b"\2\0\0\0\0\0\0\xf0\x3f"),
    (["boolean", "int"], True, b"\0\1"),
    (["bytes", "string"], "x", b"\2\2x"),
    (["string", E], "A", b"\0\2A"),
    ([E, "string"], "A", b"\0\0"),
    ([E, "string"], "Z", b"\2\2Z"),
    ([F, "bytes"], b"xy", b"\0xy"),
    ([F, "bytes"], b"xyz", b"\2\6xyz"),
    (["string", E], Branch("E", "A"), b"\2\0"),
    ([ONE, OTHER, "int"], Branch("Other", {"a": 1}), b"\2\2\2"),
    ([ONE, OTHER, "int"], 5, b"\4\n"),
    ([{"type": "map", "values": "int"}, ONE], {"a": 1}, b"\2\2"),
    ([{"type": "map", "values": "int"}, ONE], {"b": 1}, b"\0\2\2b\2\0"),
    (["string", INTS], [1], b"\2\2\2\0"),
    # logical types
    (DATE, date(1970, 1, 2), b"\2"),
    ([DATE, "long"], date(1970, 1, 2), b"\0\2"),
    ([DATE, "long"], 1, b"\2\2"),
    (
        [DATE, {"type": "long", "logicalType": "timestamp-micros"}],
        datetime(1970, 1, 1, tzinfo=UTC),
        b"\2\0",
    ),
    ([{"type": "int", "logicalType": "time-millis"}, "string"], time(), b"\0\0"),
    (
        [{"type": "string", "logicalType": "uuid"}, "int"],
        UUID(int=0),
        b"\0\x48" + b"0" * 8 + b"-0000-0000-0000-" + b"0" * 12,
    ),
    ([TIME_MILLIS, TIME_MICROS], time(), b"\2\0"),
    ([DECIMAL, LONGER], Decimal(5), b"\0\2\5"),
    ([DECIMAL, LONGER], Decimal(50_000), b"\2\0\0\xc3\x50"),
    ([LONGER, DECIMAL], Decimal(5), b"\0\0\0\0\5"),
    (
        [{"type": "bytes", "logicalType": "decimal", "precision": 4}, "int"],
        Decimal(5),
        b"\0\2\5",
    ),
]


@pytest.mark.parametrize(("json", "value", "data"), BYTES)
def test_values_are_written_as_avro_says(json: Any, value: Any, data: bytes) -> None:
    assert Encoders().encoder(type_of(json))(value) == data


REFUSED = [
    ("null", 0),
    ("boolean", 1),
    ("int", True),
    ("int", 5.0),
    ("int", 1 << 31),
    ("long", 1 << 63),
    ("float", 1e39),
    ("float", True),
    ("double", "1.5"),
    ("double", 10**400),
    ("string", b"x"),
    ("string", "\ud800"),
    ("bytes", "x"),
    (F, b"x"),
    (F, "xy"),
    (E, "Z"),
    (E, ["A"]),
    (INTS, "abc"),
    (INTS, [None]),
    (INTS, {1: 1}),
    ({"type": "array", "items": "double"}, [True]),
    ({"type": "array", "items": "double"}, [1.0, "x"]),
    ({"type": "map", "values": "int"}, [("a", 1)]),
    ({"type": "map", "values": "int"}, {1: 1}),
    (ONE, {}),
    (ONE, {"a": 1, "b": 1}),
    (ONE, {"b": 1}),
    (ONE, [("a", 1)]),
    (OTHER, {"b": 1}),
    (OTHER, {"a": 1, "c": 1}),
    (["int", "string"], 1.5),
    (["int", "string"], True),
    (["int", "long"], 1 << 63),
    ([ONE, OTHER], {"a": 1}),
    ([ONE, OTHER], ("One", {"a": 1})),
    ([ONE, OTHER], Branch("Two", {"a": 1})),
    ([E, "int"], "Z"),
    (DATE, 5),
    (LIST, linked(65)),
]


@pytest.mark.parametrize(("json", "value"), REFUSED)
def test_what_does_not_fit_is_refused_here_as_by_fit(json: Any, value: Any) -> None:
    of = type_of(json)
    with pytest.raises(Exception):  # noqa: B017, PT011 - that any will do is the promise
        Encoders().encoder(of)(value)
    with pytest.raises(InvalidValue):
        fit(of, value, At("it"))


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | st.binary(max_size=3)
    | st.sampled_from(["A", Branch("N1", 5), date(2020, 1, 1), Decimal("1.5")]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["f0", "f1", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.data())
def test_fit_and_encoder_agree_on_anything(data: st.DataObject) -> None:
    """What `fit` takes, in its ordinary form, the encoder takes, and nothing else."""
    sample = data.draw(samples())
    of = type_of(sample.json)
    encode = Encoders().encoder(of)
    value = data.draw(ANYTHING | sample.values)
    try:
        encoded = encode(value)
    except Exception:  # noqa: BLE001 - any
        encoded = None
    try:
        ordinary = fit(of, value, At("it"))
    except InvalidValue:
        assert encoded is None
    else:
        assert encoded in (None, encode(ordinary))


def test_names_can_never_become_source() -> None:
    """Names are checked when they are read; this is what holds if one slips through."""
    name = "\"']; raise SystemExit #\n"
    record = Record(name, fields=(Field(name, Enum(name, symbols=(name,))),))
    encode = Encoders().encoder(Union((record, Fixed("F", size=1))))
    assert encode(Branch(name, {name: name})) == b"\0\0"


def test_recursion_is_counted() -> None:
    encode = Encoders().encoder(type_of(LIST))
    assert encode(linked(64)) == b"\2" * 63 + b"\0"
    with pytest.raises(Misfit):
        encode(linked(65))
