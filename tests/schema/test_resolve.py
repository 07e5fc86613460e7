"""Values of another version: by the table of evolutions, and against a slow and simple resolver."""

import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from avrpc.errors import InvalidValue, SchemaError
from avrpc.schema import Branch
from avrpc.schema.codec import Codec, ItemsCodec
from avrpc.schema.compat import Comparison, Verdict
from avrpc.schema.fit import At, choose
from avrpc.schema.resolve import ResolvingFunctions, ResolvingPlan, find_problem
from avrpc.schema.types import NAMED, Array, Enum, Fixed, Map, Record, Type, Union, short
from avrpc.schema.varint import write_long
from tests.schema.build import A_TICK, TICK, Sample, invalid, same, samples, type_of
from tests.schema.evolutions import (
    EVOLUTIONS,
    MICROS,
    Evolution,
    Invalid,
    aliased,
    array,
    enum,
    record,
)

IT = At("it")
FITTING = [row for row in EVOLUTIONS if row.verdict < Verdict.INCOMPATIBLE]
ARRIVING = [row for row in FITTING if not isinstance(row.arrives, Invalid)]
REFUSED = [row for row in FITTING if isinstance(row.arrives, Invalid)]
each_arriving = pytest.mark.parametrize("row", ARRIVING, ids=lambda row: row.name)
each_refused = pytest.mark.parametrize("row", REFUSED, ids=lambda row: row.name)


def codecs(writer: Any, reader: Any) -> tuple[Codec, Codec]:
    """The writer's codec, and the reader's for what that writes."""
    one, other = type_of(writer), type_of(reader)
    return Codec(one, IT), Codec(other, IT).reading(one, IT, Comparison())


def items_codecs(writer: Any, reader: Any) -> tuple[ItemsCodec, ItemsCodec]:
    one, other = type_of(writer), type_of(reader)
    return ItemsCodec(one, IT), ItemsCodec(other, IT).reading(one, IT, Comparison())


def functions(*pair: Type) -> ResolvingFunctions:
    writer, reader = pair
    return ResolvingFunctions(ResolvingPlan([(writer, reader)], Comparison()))


@each_arriving
def test_value_arrives(row: Evolution) -> None:
    writer, reader = codecs(row.writer, row.reader)
    data = writer.encode(row.sent)
    assert same(reader.decode(data), row.arrives)
    assert same(reader.decode(memoryview(data)), row.arrives)


@each_refused
def test_value_that_is_in_no_reader_is_invalid_and_says_where(row: Evolution) -> None:
    writer, reader = codecs(row.writer, row.reader)
    assert invalid(reader.decode, writer.encode(row.sent)).text == row.arrives.text


@pytest.mark.parametrize("count", [0, 1, 2, 100])
@each_arriving
def test_items_arrive(row: Evolution, count: int) -> None:
    writer, reader = items_codecs(row.writer, row.reader)
    data = b"".join(bytes(writer.encode(row.sent)) for _ in range(count))
    found = reader.decode(data, count)
    assert same(found, [row.arrives] * count)
    assert invalid(reader.decode, data + b"\0", count)


@pytest.mark.parametrize("count", [1, 2, 100])
@each_refused
def test_items_with_one_that_is_in_no_reader_are_invalid(row: Evolution, count: int) -> None:
    writer, reader = items_codecs(row.writer, row.reader)
    data = bytes(writer.encode(row.sent)) * count
    assert invalid(reader.decode, data, count).text == row.arrives.text


@each_arriving
def test_bytes_that_end_early_or_go_on_are_noticed_also_where_nothing_is_read(
    row: Evolution,
) -> None:
    writer, reader = codecs(row.writer, row.reader)
    data = bytes(writer.encode(row.sent))
    for end in range(len(data)):
        invalid(reader.decode, data[:end])
    invalid(reader.decode, data + b"\0")


@pytest.mark.parametrize("count", [1, 2, 3])
@each_arriving
def test_frames_that_end_early_or_go_on_are_noticed_also_where_nothing_is_read(
    row: Evolution, count: int
) -> None:
    writer, reader = items_codecs(row.writer, row.reader)
    one = bytes(writer.encode(row.sent))
    data = one * count
    for end in range(len(data)):
        invalid(reader.decode, data[:end], count)
    hidden = write_long(-1 << 63) + b"\0"  # no items, to fastavro
    for more in (b"\0", one, hidden):
        invalid(reader.decode, data + more, count)
    for other in (count - 1, count + 1):
        invalid(reader.decode, data, other)


def test_frames_of_mixed_branches() -> None:
    one = record(("x", "int"), name="One")
    other = record(("y", "string"), name="Other")
    more = record(("y", "string"), ("z", "double", 0), name="Other")
    writer, reader = items_codecs(["null", one, other, "int"], ["double", more, one, "null"])
    sent = [None, 3, Branch("One", {"x": 1}), Branch("Other", {"y": "a"})] * 25
    arrives = [None, 3.0, Branch("One", {"x": 1}), Branch("Other", {"y": "a", "z": 0.0})] * 25
    data = b"".join(map(bytes, map(writer.encode, sent)))
    assert same(reader.decode(data, 100), arrives)


def test_reader_of_the_same_version_is_left_as_it_is() -> None:
    codec = Codec(type_of(TICK), IT)
    assert codec.reading(type_of(TICK), IT, Comparison()).decode is codec.decode
    items = ItemsCodec(type_of(TICK), IT)
    assert items.reading(type_of(TICK), IT, Comparison()).decode is items.decode


def test_reader_encodes_as_its_own_version() -> None:
    _, reader = codecs(TICK, {**TICK, "fields": TICK["fields"][:2]})
    own = Codec(type_of({**TICK, "fields": TICK["fields"][:2]}), IT)
    value = {"symbol": "A", "price": 1.0}
    assert reader.encode(value) == own.encode(value)


def test_defaults_that_can_be_changed_are_new_for_each_value() -> None:
    inner = record(("l", array("int"), [2]), name="I")
    default: tuple[str, Any, Any] = ("r", inner, {})
    writer, reader = items_codecs(
        record(("a", "int")), record(("a", "int"), ("l", array("int"), [1]), default)
    )
    data = bytes(writer.encode({"a": 1})) * 2
    one, other = reader.decode(data, 2)
    one["l"].append(666)
    one["r"]["l"].append(666)
    expected = {"a": 1, "l": [1], "r": {"l": [2]}}
    assert other == expected
    assert reader.decode(data, 2) == [expected, expected]


def test_types_that_differ_without_a_trace_take_no_conversion() -> None:
    writer, reader = (
        type_of(record(("a", "int"), ("b", "int"))),
        type_of(record(("b", "long"), ("a", "long"))),
    )
    assert functions(writer, reader).function(writer, reader) is None


def test_items_of_what_is_no_record_are_converted_one_by_one() -> None:
    writer, reader = items_codecs("int", "double")
    data = b"".join(map(bytes, map(writer.encode, range(3))))
    assert same(reader.decode(data, 3), [0.0, 1.0, 2.0])


def test_find_problem_passes_over_what_is_fine() -> None:
    writer, reader = type_of(array(enum("A B"))), type_of(array(enum("A")))
    plan = ResolvingPlan([(writer, reader)], Comparison())
    find_problem(writer, reader, ["A", "A"], IT, plan)
    with pytest.raises(InvalidValue, match=r"it\[1\]: the symbol B is not in"):
        find_problem(writer, reader, ["A", "B"], IT, plan)


def test_problem_of_one_version_is_told_with_its_place_too() -> None:
    plain = Codec(type_of(record(("l", array(["null", "string", "long"])))), IT)
    timed = Codec(type_of(record(("l", array(["null", "string", MICROS])))), IT)
    found = invalid(timed.decode, plain.encode({"l": [None, "x", 1 << 62]}))
    assert found.path == "it.l[2]"
    assert found.text.startswith("R.l[2]: date value out of range")


# -- against a resolver that is simple, slow and written from the specification alone

ORDER = ["int", "long", "float", "double"]


def matches(writer: Type, reader: Type) -> bool:
    match writer, reader:
        case Union(), _:
            return any(matches(branch, reader) for branch in writer.branches)
        case _, Union():
            return any(matches(writer, branch) for branch in reader.branches)
        case (Array(items=one), Array(items=other)) | (Map(values=one), Map(values=other)):
            return matches(one, other)
        case Record(), Record():
            return named_alike(writer, reader) and all(
                matches(source.type, field.type) if source else field.has_default
                for field, source in sources(writer, reader)
            )
        case Enum(), Enum():
            known = reader.default is not None or set(writer.symbols) & set(reader.symbols)
            return named_alike(writer, reader) and (bool(known) or writer.symbols == ())
        case Fixed(), Fixed():
            return named_alike(writer, reader) and writer.size == reader.size
    if {writer.kind, reader.kind} == {"string", "bytes"}:
        return not (writer.logical or reader.logical)
    if writer.logical and reader.logical and writer.logical != reader.logical:
        return False
    if writer.kind in ORDER and reader.kind in ORDER:
        return ORDER.index(writer.kind) <= ORDER.index(reader.kind)
    return writer.kind == reader.kind


def named_alike(writer: Any, reader: Any) -> bool:
    return short(writer.name) == short(reader.name) or writer.name in reader.aliases


def sources(writer: Record, reader: Record) -> list[tuple[Any, Any]]:
    theirs = {field.name: field for field in writer.fields}
    return [
        (field, next((theirs[n] for n in (field.name, *field.aliases) if n in theirs), None))
        for field in reader.fields
    ]


def resolved(writer: Type, reader: Type, value: Any) -> Any:
    if isinstance(writer, Union):
        branch = choose(writer, value)
        assert branch is not None
        value = value.value if isinstance(value, Branch) else value
        if isinstance(reader, Union):
            alike = [one for one in reader.branches if one.kind == branch.kind]
            names = [getattr(one, "name", "") for one in (branch, *alike)]
            first = [one for one, name in zip(alike, names[1:], strict=True) if name == names[0]]
            target = next(one for one in (*first, *reader.branches) if matches(branch, one))
            made = resolved(branch, target, value)
            return tagged(reader, target, made)
        return resolved(branch, reader, value)
    match writer, reader:
        case _, Union():
            target = next(one for one in reader.branches if matches(writer, one))
            return tagged(reader, target, resolved(writer, target, value))
        case (Array(items=one), Array(items=other)):
            return [resolved(one, other, each) for each in value]
        case (Map(values=one), Map(values=other)):
            return {key: resolved(one, other, each) for key, each in value.items()}
        case Record(), Record():
            return {
                field.name: resolved(source.type, field.type, value[source.name])
                if source
                else field.make_default()
                for field, source in sources(writer, reader)
            }
        case Enum(), Enum():
            return value if value in reader.symbols else reader.default
    if writer.kind in {"float", "double"} or reader.kind in {"float", "double"}:
        value = float(value)
        if "float" in {writer.kind, reader.kind}:
            value = struct.unpack("<f", struct.pack("<f", value))[0]
    return value.encode() if (writer.kind, reader.kind) == ("string", "bytes") else value


def tagged(reader: Union, target: Type, value: Any) -> Any:
    return Branch(target.name, value) if reader.tagged and isinstance(target, NAMED) else value


# -- and random versions

ADDED: list[tuple[Any, Any]] = [
    ("int", 7),
    ("double", 1),
    ("bytes", "ÿ"),
    (array("string"), ["x"]),
    (["null", "long"], None),
    ({"type": "int", "logicalType": "date"}, 1),
]
PROMOTED = {
    "int": ["long", "float", "double"],
    "long": ["float", "double"],
    "float": ["double"],
    "string": ["bytes"],
}


def evolve(draw: st.DrawFn, of: Any, new: Callable[[], str], in_union: bool = False) -> Any:
    """Another version of a type, which takes every value."""
    step = draw(st.sampled_from(["keep", "keep", "change", "wrap"]))
    if isinstance(of, list):
        branches = [evolve(draw, one, new, in_union=True) for one in of]
        if step == "change":
            branches = draw(st.permutations(branches))
        if step == "wrap":
            branches.insert(draw(st.integers(0, len(branches))), enum("X Y", new()))
        return branches
    if step == "wrap" and not in_union and of != "null":
        return draw(st.permutations(["null", evolve(draw, of, new, in_union=True)]))
    if isinstance(of, str):
        promoted = [of, *PROMOTED.get(of, [])] if step == "change" and not in_union else [of]
        return draw(st.sampled_from(promoted))
    match of["type"]:
        case "array":
            return of | {"items": evolve(draw, of["items"], new)}
        case "map":
            return of | {"values": evolve(draw, of["values"], new)}
        case "enum" if step == "change":
            symbols = draw(st.permutations([*of["symbols"], "Z"]))
            if draw(st.booleans()):
                return of | {"symbols": symbols}
            return of | {"symbols": symbols[:1], "default": symbols[0]}
        case "fixed" if step == "change":
            return of | {"name": new(), "aliases": [of["name"]]}
        case "record":
            return evolve_record(draw, of, new)
    return of


def evolve_record(draw: st.DrawFn, of: Any, new: Callable[[], str]) -> Any:
    fields = []
    for field in of["fields"]:
        made = field | {"type": evolve(draw, field["type"], new)}
        match draw(st.sampled_from(["keep", "keep", "drop", "rename"])):
            case "drop":
                continue
            case "rename":
                made |= {"name": f"g{new()}", "aliases": ["other", field["name"]]}
        fields.append(made)
    for _ in range(draw(st.integers(0, 2))):
        json, default = draw(st.sampled_from(ADDED))
        fields.append({"name": f"a{new()}", "type": json, "default": default})
    made = of | {"fields": draw(st.permutations(fields))}
    if draw(st.booleans()):
        made |= {"name": new(), "aliases": [of["name"]]}
    return made


@st.composite
def versions(draw: st.DrawFn) -> tuple[Sample, Any]:
    sample = draw(samples())
    numbers = iter(range(1_000_000))
    return sample, evolve(draw, sample.json, lambda: f"Z{next(numbers)}")


@given(versions(), st.data())
def test_values_of_any_version_arrive_as_the_simple_resolver_says(
    pair: tuple[Sample, Any], data: st.DataObject
) -> None:
    sample, json = pair
    try:
        for one in (sample.json, json):
            type_of({"type": "array", "items": one})
    except SchemaError:  # an array of items that are empty now
        assume(False)
    writer, reader = type_of(sample.json), type_of(json)
    comparison = Comparison()
    assert comparison.verdict(writer, reader) <= Verdict.RESOLVABLE
    values = data.draw(st.lists(sample.values, max_size=4))
    encode = Codec(writer, IT).encode
    decode = Codec(reader, IT).reading(writer, IT, comparison).decode
    expected = [resolved(writer, reader, value) for value in values]
    encoded = [bytes(encode(value)) for value in values]
    assert same([decode(one) for one in encoded], expected)
    items = ItemsCodec(reader, IT).reading(writer, IT, comparison)
    assert same(items.decode(b"".join(encoded), len(values)), expected)


@given(samples(), samples(), st.data())
def test_types_that_have_nothing_to_do_with_each_other_give_values_or_invalid_value(
    one: Sample, other: Sample, data: st.DataObject
) -> None:
    """Whatever fits, in part or wholly, raises nothing but `InvalidValue`."""
    writer, reader = type_of(one.json), type_of(other.json)
    comparison = Comparison()
    verdict = comparison.verdict(writer, reader)
    assert (verdict < Verdict.INCOMPATIBLE) == matches(writer, reader)
    if verdict is Verdict.INCOMPATIBLE:
        return
    encoded = Codec(writer, IT).encode(data.draw(one.values))
    try:
        made = Codec(reader, IT).reading(writer, IT, comparison).decode(encoded)
    except InvalidValue:
        return
    Codec(reader, IT).encode(made)  # what arrives is a value of the reader's


def test_ticks_of_an_older_version() -> None:
    """A field more, a field less, one renamed."""
    newer = record(
        ("symbol", "string"),
        aliased("cost", "double", "price"),
        ("at", "long"),
        ("venue", "string", "?"),
        name="demo.Tick",
    )
    writer, reader = items_codecs(TICK, newer)
    expected = {"symbol": "EURUSD", "cost": 1.25, "at": A_TICK["at"], "venue": "?"}
    assert reader.decode(bytes(writer.encode(A_TICK)) * 64, 64) == [expected] * 64
