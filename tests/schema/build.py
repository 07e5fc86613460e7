"""Making types from short JSON, and random types with values that fit them."""

import json
import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from hypothesis import strategies as st

from avrpc.errors import InvalidValue, SchemaError
from avrpc.schema import Branch, Protocol
from avrpc.schema.parse import Names
from avrpc.schema.strictjson import Place
from avrpc.schema.types import Record, Type

TICK = {
    "type": "record",
    "name": "demo.Tick",
    "fields": [
        {"name": "symbol", "type": "string"},
        {"name": "price", "type": "double"},
        {"name": "size", "type": "int"},
        {"name": "at", "type": "long"},
    ],
}
A_TICK = {"symbol": "EURUSD", "price": 1.25, "size": 100, "at": 1_700_000_000_000_000}
LIST = {
    "type": "record",
    "name": "demo.List",
    "fields": [{"name": "next", "type": ["null", "List"], "default": None}],
}


def type_of(text: Any) -> Type:
    names = Names()
    names.collect(text, "", Place())
    made = names.parse(text, "", Place())
    names.complete()
    return made


def record_of(*fields: tuple[str, Any] | tuple[str, Any, Any], name: str = "R") -> Record:
    """A record of (name, type) or (name, type, default)."""
    made = type_of(record_json(*fields, name=name))
    assert isinstance(made, Record)
    return made


def record_json(*fields: tuple[str, Any] | tuple[str, Any, Any], name: str = "R") -> dict[str, Any]:
    parts = [
        {"name": field[0], "type": field[1]} | ({"default": field[2]} if len(field) > 2 else {})
        for field in fields
    ]
    return {"type": "record", "name": name, "fields": parts}


def linked(depth: int) -> dict[str, Any]:
    """A value of `LIST` of so many records."""
    value: dict[str, Any] = {"next": None}
    for _ in range(depth - 1):
        value = {"next": value}
    return value


def protocol_json(messages: dict[str, Any], *types: Any, name: str = "demo.P") -> dict[str, Any]:
    return {"protocol": name, "types": list(types), "messages": messages}


def protocol_of(messages: dict[str, Any], *types: Any, name: str = "demo.P") -> Protocol:
    return Protocol.parse(json.dumps(protocol_json(messages, *types, name=name)))


def crossed(leaf: str, count: int = 99, *, last: str = "", space: str = "n") -> list[Any]:
    """Records of one short name that each hold a union of all: any may be any other.

    Two versions of it are too large to be compared, unless those of the same full name fit.

    Args:
        leaf: The type of a field that each has.
        count: How many there are.
        last: The type of that field in the last one.
        space: What their namespaces begin with.
    """
    names = [f"{space}{index}.N" for index in range(count)]
    leaves = [leaf] * (count - 1) + [last or leaf]
    return [
        record_json(("leaf", leaf), ("u", [*names, "null"], None), name=name)
        for name, leaf in zip(names, leaves, strict=True)
    ]


# Two versions of which any value of the one fits the other, as would be found out after long.
TOO_LARGE = crossed("int", 40), crossed("string", 40, last="int", space="m")


class Failed(NamedTuple):
    """What an error says, and where."""

    path: str
    text: str


def refused(text: Any) -> Failed:
    """Expect a type to be refused."""
    with pytest.raises(SchemaError) as caught:
        type_of(text)
    return Failed(caught.value.path, caught.value.problem)


def invalid(call: Any, *args: Any) -> Failed:
    """Expect a value to be refused."""
    with pytest.raises(InvalidValue) as caught:
        call(*args)
    return Failed(caught.value.path, str(caught.value))


# -- random types with their values


class Sample(NamedTuple):
    """A type's JSON, and a strategy for its values."""

    json: Any
    values: st.SearchStrategy[Any]


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_floats = st.floats(allow_nan=False, width=64)
_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
# In a union, a dict that has a record's keys is taken for the record; none here has.
_keys = _text.filter(lambda text: not text.startswith("f"))
_primitives = [
    Sample("null", st.none()),
    Sample("boolean", st.booleans()),
    Sample("int", st.integers(-(1 << 31), (1 << 31) - 1)),
    Sample("long", st.integers(-(1 << 63), (1 << 63) - 1)),
    Sample("float", st.floats(width=32, allow_nan=False)),
    Sample("double", _floats),
    Sample("string", _text),
    Sample("bytes", st.binary(max_size=8)),
]
_logical = [
    Sample({"type": "int", "logicalType": "date"}, st.dates(date(1, 1, 1), date(9999, 12, 31))),
    Sample(
        {"type": "int", "logicalType": "time-millis"},
        st.integers(0, 86_399_999).map(lambda n: (EPOCH + timedelta(milliseconds=n)).time()),
    ),
    Sample({"type": "long", "logicalType": "time-micros"}, st.times()),
    Sample(
        {"type": "long", "logicalType": "timestamp-micros"}, st.datetimes(timezones=st.just(UTC))
    ),
    Sample(
        {"type": "long", "logicalType": "timestamp-millis"},
        st.integers(-(10**13), 10**13).map(lambda n: EPOCH + timedelta(milliseconds=n)),
    ),
    Sample({"type": "long", "logicalType": "local-timestamp-micros"}, st.datetimes()),
    Sample({"type": "string", "logicalType": "uuid"}, st.uuids()),
    Sample(
        {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 3},
        st.integers(-(10**9) + 1, 10**9 - 1).map(lambda n: Decimal(n).scaleb(-3)),
    ),
]


@st.composite
def samples(draw: st.DrawFn, depth: int = 3) -> Sample:
    """A type, with the strategy for its values. All names in it are new."""
    return _sample(draw, depth, iter(f"N{number}" for number in range(1_000_000)))


def _sample(draw: st.DrawFn, depth: int, names: Any) -> Sample:
    kinds = ["primitive", "logical", "enum", "fixed"]
    if depth:
        kinds += ["array", "map", "record", "record", "union"]
    match draw(st.sampled_from(kinds)):
        case "primitive":
            return _drawn(draw, _primitives)
        case "logical":
            return _drawn(draw, _logical)
        case "enum":
            symbols = draw(st.lists(st.sampled_from("ABCDE"), min_size=1, unique=True))
            json = {"type": "enum", "name": next(names), "symbols": symbols}
            return Sample(json, st.sampled_from(symbols))
        case "fixed":
            size = draw(st.integers(1, 4))
            json = {"type": "fixed", "name": next(names), "size": size}
            return Sample(json, st.binary(min_size=size, max_size=size))
        case "array":
            inner = _sample(draw, depth - 1, names)
            if _may_be_empty(inner.json):
                return inner
            return Sample(
                {"type": "array", "items": inner.json}, st.lists(inner.values, max_size=4)
            )
        case "map":
            inner = _sample(draw, depth - 1, names)
            return Sample(
                {"type": "map", "values": inner.json},
                st.dictionaries(_keys, inner.values, max_size=3),
            )
        case "record":
            fields = [_sample(draw, depth - 1, names) for _ in range(draw(st.integers(0, 3)))]
            json = record_json(
                *((f"f{at}", field.json) for at, field in enumerate(fields)), name=next(names)
            )
            return Sample(
                json, st.fixed_dictionaries({f"f{at}": one.values for at, one in enumerate(fields)})
            )
    branches: list[Sample] = []
    taken: set[str] = set()
    for _ in range(draw(st.integers(1, 4))):
        one = _sample(draw, depth - 1, names)
        key = _union_key(one.json)
        if key not in taken and not isinstance(one.json, list):
            taken.add(key)
            branches.append(one)
    if not branches:
        branches = [_primitives[0]]
    named = [one for one in branches if _is_named(one.json)]
    return Sample(
        [one.json for one in branches],
        st.one_of(
            [_tagged(one) if len(named) > 1 and one in named else one.values for one in branches]
        ),
    )


def _drawn(draw: st.DrawFn, some: list[Sample]) -> Sample:
    return some[draw(st.integers(0, len(some) - 1))]


def _tagged(sample: Sample) -> st.SearchStrategy[Branch]:
    return sample.values.map(lambda value: Branch(sample.json["name"], value))


def _is_named(text: Any) -> bool:
    return isinstance(text, dict) and "name" in text


def _may_be_empty(text: Any) -> bool:
    if text == "null":
        return True
    if isinstance(text, dict) and text["type"] == "record":
        return all(_may_be_empty(field["type"]) for field in text["fields"])
    return False


def _union_key(text: Any) -> str:
    """What a union may have once."""
    if _is_named(text):
        return str(text["name"])
    return str(text["type"] if isinstance(text, dict) else text)


def same(one: Any, other: Any) -> bool:
    """Equality that also wants the same types, and takes 1.0 for no int."""
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and one.keys() == other.keys()
            and all(same(value, other[key]) for key, value in one.items())
        )
    if isinstance(one, (list, Branch)):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and math.isnan(one):
        return isinstance(other, float) and math.isnan(other)
    return type(one) is type(other) and bool(one == other)
