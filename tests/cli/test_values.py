import json
import math
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import avrpc
from avrpc import Branch, InvalidValue
from avrpc.cli.output import json_text
from avrpc.cli.values import check, from_json, is_ambiguous, to_json
from avrpc.schema import Codec
from avrpc.schema.fit import At
from avrpc.schema.types import Array, Enum, Fixed, Map, Primitive, Record, Type, Union


def type_of(schema: Any) -> Type:
    protocol = {"protocol": "P", "messages": {"m": {"request": [], "response": schema}}}
    return avrpc.Protocol.parse(json.dumps(protocol)).messages["m"].response_type


def logical(kind: str, name: str, **more: object) -> dict[str, object]:
    return {"type": kind, "logicalType": name, **more}


def there_and_back(of: Type, value: Any) -> Any:
    """Through JSON text, as through the command line of one call and that of another."""
    return from_json(of, json.loads(json_text(to_json(of, value))), At("v"))


ENUM = {"type": "enum", "name": "Side", "symbols": ["BUY", "SELL"]}
FIXED = {"type": "fixed", "name": "Id", "size": 2}
TICK = {"type": "record", "name": "Tick", "fields": [{"name": "price", "type": "double"}]}
BAR = {"type": "record", "name": "Bar", "fields": [{"name": "low", "type": "double", "default": 0}]}
NOON = datetime(2026, 11, 21, 12, 0, 0, 500000, UTC)
UUID_TEXT = "0f8fad5b-d9cb-469f-a165-70867728950e"

# A type, a value of it, and its JSON.
PAIRS = [
    ("null", None, None),
    ("boolean", True, True),
    ("int", 5, 5),
    ("long", 2**62, 2**62),
    ("double", 1.5, 1.5),
    ("double", math.inf, "Infinity"),
    ("double", -math.inf, "-Infinity"),
    ("string", "\x9b é\n", "\x9b é\n"),
    ("bytes", b"\0\xff\xfe", "AP/+"),
    (FIXED, b"hi", "aGk="),
    (ENUM, "BUY", "BUY"),
    ({"type": "array", "items": "bytes"}, [b"a"], ["YQ=="]),
    ({"type": "map", "values": "bytes"}, {"k": b"a"}, {"k": "YQ=="}),
    (TICK, {"price": 1.0}, {"price": 1.0}),
    (BAR, {}, {}),
    (logical("bytes", "decimal", precision=9, scale=3), Decimal("-1.250"), "-1.250"),
    (logical("bytes", "decimal", precision=9, scale=9), Decimal("0E-9"), "0.000000000"),
    (logical("string", "uuid"), UUID(UUID_TEXT), UUID_TEXT),
    (logical("int", "date"), date(2026, 11, 21), "2026-11-21"),
    (logical("int", "time-millis"), time(13, 45), "13:45:00"),
    (logical("long", "timestamp-millis"), NOON, "2026-11-21T12:00:00.500000Z"),
    (
        logical("long", "timestamp-micros"),
        datetime(2026, 11, 21, tzinfo=timezone(timedelta(hours=2))),
        "2026-11-21T00:00:00+02:00",
    ),
    (
        logical("long", "local-timestamp-micros"),
        NOON.replace(tzinfo=None),
        "2026-11-21T12:00:00.500000",
    ),
    (["null", "string"], None, None),
    (["null", "string"], "a", "a"),
    (["null", "double"], math.inf, "Infinity"),
    (["null", TICK], {"price": 1.0}, {"price": 1.0}),
    (["null", "boolean", "string", {"type": "array", "items": "long"}], [1], [1]),
    (["long", "double"], 5, {"long": 5}),
    (["long", "double"], 5.0, {"double": 5.0}),
    (["null", "long", "double"], None, None),
    (["string", "bytes"], b"a", {"bytes": "YQ=="}),
    (["double", "string"], "NaN", {"string": "NaN"}),
    (["string", logical("int", "date")], date(2026, 11, 21), {"int": "2026-11-21"}),
    ([ENUM, TICK], Branch("Side", "BUY"), "BUY"),
    ([ENUM, TICK], Branch("Tick", {"price": 1.0}), {"price": 1.0}),
    ([TICK, BAR], Branch("Bar", {"low": 1.0}), {"Bar": {"low": 1.0}}),
    ([TICK, {"type": "map", "values": "long"}], {"price": 1.0}, {"Tick": {"price": 1.0}}),
    ([TICK, {"type": "map", "values": "long"}], {"size": 1}, {"map": {"size": 1}}),
    (["string", ENUM], Branch("Side", "BUY"), {"Side": "BUY"}),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "value", "expected"), PAIRS)
def test_a_value_becomes_plain_json_and_comes_back(schema: Any, value: Any, expected: Any) -> None:
    of = type_of(schema)
    made = to_json(of, value)
    assert made == expected
    assert type(made) is type(expected)
    again = there_and_back(of, value)
    assert again == value
    assert type(again) is type(value)
    check(of, again, At("v"))


def test_not_a_number_becomes_a_string_and_comes_back() -> None:
    of = type_of("double")
    assert to_json(of, math.nan) == "NaN"
    assert math.isnan(there_and_back(of, math.nan))


def test_an_int_becomes_a_float_where_one_is_meant() -> None:
    assert type(from_json(type_of("double"), 5, At("v"))) is float
    assert from_json(type_of("double"), 10**400, At("v")) == 10**400  # for the codec to refuse
    value = from_json(type_of(["long", "double"]), {"double": 5}, At("v"))
    assert (value, type(value)) == (5.0, float)


def test_a_branch_is_found_by_the_last_part_of_its_name() -> None:
    of = type_of([{**TICK, "namespace": "demo"}, {**BAR, "namespace": "demo"}])
    assert from_json(of, {"Tick": {"price": 1.0}}, At("v")) == Branch("demo.Tick", {"price": 1.0})


@pytest.mark.parametrize(
    ("schema", "ambiguous"),
    [
        (["null", "string"], False),
        (["null", "boolean", "long", "string", {"type": "array", "items": "int"}, TICK], False),
        (["int", "double"], True),
        (["double", "string"], True),  # "NaN"
        (["string", "bytes"], True),
        ([ENUM, FIXED], True),
        ([TICK, BAR], True),
        ([TICK, {"type": "map", "values": "int"}], True),
        (["long", logical("bytes", "decimal", precision=4)], False),
    ],
)
def test_a_union_is_ambiguous_where_json_has_one_form_for_two_branches(
    schema: Any, ambiguous: bool
) -> None:
    of = type_of(schema)
    assert isinstance(of, Union)
    assert is_ambiguous(of) is ambiguous


@pytest.mark.parametrize(
    ("schema", "given_json", "problem"),
    [
        ("bytes", "a", "v: expected base64 for bytes, got 'a'"),
        ("bytes", 5, "v: expected base64 for bytes, got 5"),
        (
            logical("long", "timestamp-millis"),
            5,
            'v: expected long (timestamp-millis) as text such as "2026-11-21T13:45:30Z", got 5',
        ),
        (
            logical("long", "timestamp-millis"),
            "2026-11-21T13:45:30",
            'such as "2026-11-21T13:45:30Z", got \'2026-11-21T13:45:30\'',
        ),
        (
            logical("long", "local-timestamp-millis"),
            "2026-11-21T13:45:30Z",
            'such as "2026-11-21T13:45:30", got \'2026-11-21T13:45:30Z\'',
        ),
        (
            logical("bytes", "decimal", precision=4),
            1.5,
            'v: expected bytes (decimal(4, 0)) as text such as "12.50", got 1.5',
        ),
        (
            logical("bytes", "decimal", precision=4),
            "x",
            'v: expected bytes (decimal(4, 0)) as text such as "12.50", got \'x\'',
        ),
        (
            logical("string", "uuid"),
            "{" + UUID_TEXT + "}",
            f'v: expected string (uuid) as text such as "{UUID_TEXT}", got \'{{{UUID_TEXT}}}\'',
        ),
        (
            ["null", "long", "double"],
            5,
            'v: expected {"long": ...} or {"double": ...}, since JSON does not tell them apart',
        ),
        (["long", "double"], {"lon": 5}, "no branch 'lon' in union {long, double}; did you mean"),
        (["long", "double"], {"x": 5}, "no branch 'x' in union {long, double}; there is long, dou"),
        (["long", "string", "bytes"], {"long": "x"}, "v: expected long, got str"),
        (
            [TICK, {"type": "map", "values": "double"}],
            {"map": {"price": 1.0}},
            "v: as map it can't be sent: in Python it looks like Tick",
        ),
        (
            {**TICK, "fields": [{"name": "b", "type": {"type": "array", "items": "bytes"}}]},
            {"b": ["YQ==", "?"]},
            "Tick.b[1]: expected base64 for bytes, got '?' (at v.b[1])",
        ),
        ({"type": "map", "values": "bytes"}, {"k": 1}, "v['k']: expected base64"),
    ],
)  # fmt: skip
def test_json_that_can_not_be_meant_is_refused_with_its_path(
    schema: Any, given_json: Any, problem: str
) -> None:
    with pytest.raises(InvalidValue) as caught:
        from_json(type_of(schema), given_json, At("v"))
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("schema", "given_json"),
    [
        ("int", "5"),
        ("double", "x"),
        (TICK, [1]),
        (TICK, {"prise": 1.0}),
        ({"type": "array", "items": "int"}, {}),
        ({"type": "map", "values": "int"}, []),
        (["null", "string"], 5),
        (["null", "string"], {"string": "x"}),
        ("string", None),
    ],
)
def test_json_of_another_form_is_passed_on_for_the_codec_to_explain(
    schema: Any, given_json: Any
) -> None:
    of = type_of(schema)
    value = from_json(of, given_json, At("v"))
    assert value == given_json
    with pytest.raises(InvalidValue):
        check(of, value, At("v"))


def test_a_map_that_came_with_the_keys_of_the_record_beside_it_is_shown_as_a_map() -> None:
    of = type_of([TICK, {"type": "map", "values": "string"}])
    assert to_json(of, {"price": "x"}) == {"map": {"price": "x"}}
    assert to_json(of, {"price": 1.5}) == {"Tick": {"price": 1.5}}


def test_a_value_that_fits_no_branch_is_refused() -> None:
    with pytest.raises(InvalidValue, match="expected union"):
        to_json(type_of(["long", "string"]), b"")


def test_what_nests_beyond_python_is_refused_both_ways() -> None:
    of = type_of({"type": "record", "name": "R", "fields": [{"name": "r", "type": ["null", "R"]}]})
    value: dict[str, Any] = {}
    value["r"] = value
    with pytest.raises(InvalidValue, match="nested too deeply"):
        to_json(of, value)
    with pytest.raises(InvalidValue, match="nested too deeply"):
        from_json(of, value, At("v"))


# Every type, at random.

PLAIN = st.sampled_from(
    [
        *("null", "boolean", "int", "long", "float", "double", "bytes", "string"),
        logical("int", "date"),
        logical("int", "time-millis"),
        logical("long", "time-micros"),
        logical("long", "timestamp-millis"),
        logical("long", "timestamp-micros"),
        logical("long", "local-timestamp-millis"),
        logical("string", "uuid"),
        logical("bytes", "decimal", precision=6, scale=2),
    ]
)


@st.composite
def schemas(draw: st.DrawFn, depth: int = 3, in_union: bool = False) -> Any:
    kinds = ["plain", "enum", "fixed", "uuid", "decimal"]
    if depth:
        kinds += ["array", "map", "record"] + ([] if in_union else ["union"])
    kind = draw(st.sampled_from(kinds))
    inner = schemas(depth - 1)
    match kind:
        case "enum":
            return {"type": "enum", "name": "?", "symbols": ["A", "B", "a"]}
        case "fixed":
            return {"type": "fixed", "name": "?", "size": draw(st.integers(1, 3))}
        case "uuid":
            return {"type": "fixed", "name": "?", "size": 16, "logicalType": "uuid"}
        case "decimal":
            made = logical("fixed", "decimal", precision=4, scale=1)
            return {**made, "name": "?", "size": 2}
        case "array":
            # An item has to take a byte.
            return {
                "type": "array",
                "items": draw(inner.filter(lambda one: "null" not in str(one))),
            }
        case "map":
            return {"type": "map", "values": draw(inner)}
        case "record":
            fields = draw(st.lists(inner, min_size=1, max_size=3))
            return {
                "type": "record",
                "name": "?",
                "fields": [{"name": f"f{i}", "type": field} for i, field in enumerate(fields)],
            }
        case "union":
            branches = draw(st.lists(schemas(depth - 1, in_union=True), min_size=1, max_size=5))
            kinds = [one if isinstance(one, str) else one["type"] for one in branches]
            named = ("enum", "fixed", "record")
            return [
                one
                for at, one in enumerate(branches)
                if kinds[at] in named or kinds[at] not in kinds[:at]
            ]
    return draw(PLAIN)  # fmt: skip


def numbered(schema: Any, number: "count[int]") -> Any:
    """Give each named type a name of its own: a text defines each once."""
    if isinstance(schema, list):
        return [numbered(one, number) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: numbered(value, number) for key, value in schema.items()}
    return {**made, "name": f"T{next(number)}"} if made.get("name") == "?" else made


TYPES = schemas().map(lambda schema: type_of(numbered(schema, count())))


def values(of: Type) -> st.SearchStrategy[Any]:
    match of:
        case Primitive() | Fixed() if of.logical is not None:
            return logical_values(of.logical.name, of.logical.precision, of.logical.scale)
        case Fixed():
            return st.binary(min_size=of.size, max_size=of.size)
        case Enum():
            return st.sampled_from(of.symbols)
        case Array():
            return st.lists(values(of.items), max_size=3)
        case Map():
            return st.dictionaries(st.text(max_size=2), values(of.values), max_size=2)
        case Record():
            return st.fixed_dictionaries({field.name: values(field.type) for field in of.fields})
        case Union():
            return st.one_of([branch_values(of, branch) for branch in of.branches])
    assert isinstance(of, Primitive)
    return {
        "null": st.none(),
        "boolean": st.booleans(),
        "int": st.integers(-(2**31), 2**31 - 1),
        "long": st.integers(-(2**63), 2**63 - 1),
        "float": st.floats(width=32, allow_nan=False),
        "double": st.floats(allow_nan=False),
        "bytes": st.binary(max_size=4),
        "string": st.text(max_size=4) | st.sampled_from(["A", "NaN", "2026-11-21"]),
    }[of.kind]


def branch_values(of: Union, branch: Type) -> st.SearchStrategy[Any]:
    if of.tagged and isinstance(branch, Enum | Fixed | Record):
        return values(branch).map(lambda value: Branch(branch.name, value))
    return values(branch)


def logical_values(name: str, precision: int, scale: int) -> st.SearchStrategy[Any]:
    first, last = NOON.replace(year=1900, tzinfo=None), NOON.replace(year=2200, tzinfo=None)
    if name == "decimal":
        limit = 10**precision - 1
        return st.integers(-limit, limit).map(lambda number: Decimal(number).scaleb(-scale))
    if name.startswith("timestamp"):
        zones = st.sampled_from([UTC, timezone(timedelta(hours=-5, minutes=-30))])
        return st.datetimes(first, last, timezones=zones)
    if name.startswith("local"):
        return st.datetimes(first, last)
    return {"uuid": st.uuids(), "date": st.dates()}.get(name, st.times())


@given(st.data())
def test_any_value_that_can_be_sent_comes_back_from_its_json(data: st.DataObject) -> None:
    of = data.draw(TYPES)
    value = data.draw(values(of))
    try:
        sent = Codec(of, At("v")).encode(value)
    except InvalidValue:
        assume(False)  # such as a map where Python can only mean the record
    again = there_and_back(of, value)
    assert again == value
    assert Codec(of, At("v")).encode(again) == sent


@given(st.data())
def test_any_value_that_comes_can_be_shown(data: st.DataObject) -> None:
    of = data.draw(TYPES)
    codec = Codec(of, At("v"))
    try:
        sent = codec.encode(data.draw(values(of)))
    except InvalidValue:
        assume(False)
    json_text(to_json(of, codec.decode(bytes(sent))))


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(TYPES, ANY_JSON)
def test_any_json_gives_a_value_or_an_invalid_value(of: Type, given_json: Any) -> None:
    with suppress(InvalidValue):
        check(of, from_json(of, given_json, At("v")), At("v"))
