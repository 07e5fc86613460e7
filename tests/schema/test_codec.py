"""Values to bytes and back; what bytes are refused; the errors' words. See also test_encode."""

import copy
import threading
from datetime import date
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avrpc.errors import InvalidValue
from avrpc.schema import Branch, Codec, ItemsCodec
from avrpc.schema.compat import Comparison
from avrpc.schema.fit import At
from avrpc.schema.varint import write_long
from tests.schema.build import (
    A_TICK,
    LIST,
    TICK,
    Sample,
    invalid,
    linked,
    record_json,
    same,
    samples,
    type_of,
)

TOO_MANY = "it: more than 250000 values in one message"
NULLS: dict[str, Any] = {
    "type": "array",
    "items": record_json(("a", "boolean"), *((f"n{at}", "null") for at in range(500))),
}

DATE = {"type": "int", "logicalType": "date"}


def codec(json: Any) -> Codec:
    return Codec(type_of(json), At("it"))


def items_codec(json: Any) -> ItemsCodec:
    return ItemsCodec(type_of(json), At("it"))


def test_tick_has_the_bytes_that_avro_says() -> None:
    ticks = codec(TICK)
    wanted = b"\x0cEURUSD\0\0\0\0\0\0\xf4?\xc8\x01\x80\x80\xf2\x81\x83\x89\x85\x06"
    assert ticks.encode(A_TICK) == wanted
    assert ticks.decode(wanted) == A_TICK


@given(st.data())
def test_what_is_encoded_decodes_to_the_same(data: st.DataObject) -> None:
    sample: Sample = data.draw(samples())
    made = codec(sample.json)
    values = data.draw(st.lists(sample.values, min_size=1, max_size=3))
    encoded = [bytes(made.encode(value)) for value in values]
    for value, one in zip(values, encoded, strict=True):
        assert same(made.decode(one), value)
    if all(encoded):  # an item takes at least a byte
        items = items_codec(sample.json)
        assert same(items.decode(b"".join(encoded), len(encoded)), values)


@given(st.data())
def test_bytes_are_those_of_fastavro(data: st.DataObject) -> None:
    """Where fastavro is right: primitives and their containers."""
    json, values = data.draw(
        st.sampled_from(
            [
                ("int", st.integers(-(1 << 31), (1 << 31) - 1)),
                ("long", st.integers(-(1 << 63), (1 << 63) - 1)),
                ("float", st.floats(width=32)),
                ("double", st.floats()),
                ("string", st.text()),
                ("bytes", st.binary(max_size=10_000)),
                ("boolean", st.booleans()),
            ]
        )
    )
    schema = record_json(
        ("one", json),
        ("some", {"type": "array", "items": json}),
        ("named", {"type": "map", "values": json}),
        ("maybe", ["null", json]),
    )
    value = {
        "one": data.draw(values),
        "some": data.draw(st.lists(values, max_size=5)),
        "named": data.draw(st.dictionaries(st.text(), values, max_size=3)),
        "maybe": data.draw(st.none() | values),
    }
    out: list[bytearray] = []
    sink: Any = type("Sink", (), {"write": staticmethod(out.append)})
    fastavro.schemaless_writer(sink, schema, value)
    assert codec(schema).encode(value) == out[0]


# -- bytes that are wrong: (type, bytes, what the error says)
WRONG = [
    ("int", b"", "it: ends in the middle of a number"),
    ("int", b"\x80", "it: ends in the middle of a number"),
    ("int", b"\x02\x02", "it: the value ends 1 byte before its bytes do"),
    ("long", b"\x02\x02\x02", "it: the value ends 2 bytes before its bytes do"),
    ("null", b"\0", "it: the value ends 1 byte before its bytes do"),
    ("string", b"\x08ab", "it: ends 2 bytes too early"),
    ("string", b"\x02\xff", "it: is not UTF-8"),
    ("string", b"\x06\xed\xa0\x80", "it: is not UTF-8"),
    ("double", b"\0\0", "it: ends 6 bytes too early"),
    (TICK, b"\x02x\0\0", "Tick.price: ends 6 bytes too early (at it.price)"),
    ({"type": "array", "items": TICK}, b"\x02", "Tick.symbol: ends in the middle of a number"),
    (["null", "int"], b"\x08", "it: no branch number 4"),
    ({"type": "enum", "name": "E", "symbols": ["A"]}, b"\x06", "it: E has no symbol number 3"),
    (DATE, write_long(1 << 30), "it: year 2941775 is out of range"),
    ({"type": "string", "logicalType": "uuid"}, b"\x02x", "it: text that is no UUID"),
    # To a list, -1 is its last element.
    (["null", "int"], b"\1\2", "it: no branch number -1"),
    ({"type": "enum", "name": "E", "symbols": ["A"]}, b"\1", "it: E has no symbol number -1"),
    # More nodes than a message may have, from few bytes.
    ({"type": "array", "items": "boolean"}, write_long(250_000) + b"\0" * 250_001, TOO_MANY),
    ({"type": "map", "values": "null"}, write_long(125_000) + b"\0" * 125_001, TOO_MANY),
    (NULLS, write_long(1000) + b"\0" * 1001, TOO_MANY),
    (["string", DATE], b"\x02\x80", "it: ends in the middle of a number"),
]


@pytest.mark.parametrize(("json", "data", "text"), WRONG)
def test_bytes_that_are_wrong_are_invalid(json: Any, data: bytes, text: str) -> None:
    assert text in invalid(codec(json).decode, data).text


@pytest.mark.parametrize("size", range(22))
def test_every_truncation_is_noticed(size: int) -> None:
    whole = bytes(codec(TICK).encode(A_TICK))
    assert len(whole) > size
    invalid(codec(TICK).decode, whole[:size])
    invalid(items_codec(TICK).decode, whole + whole[:size], 2)
    invalid(items_codec(TICK).decode, whole[:size], 1)


@given(st.binary(max_size=60))
def test_garbage_raises_nothing_else(data: bytes) -> None:
    for json in (TICK, LIST, [TICK, DATE, {"type": "map", "values": "int"}, "string"]):
        for decode in (codec(json).decode, lambda one, j=json: items_codec(j).decode(one, 3)):
            try:
                decode(data)
            except InvalidValue as exc:
                assert exc.path  # noqa: PT017 - either is fine


# -- items


@pytest.mark.parametrize("count", [0, 1, 2, 64, 255, 256, 300])
def test_items_are_decoded_at_once(count: int) -> None:
    items = items_codec(TICK)
    ticks = [{**A_TICK, "size": number} for number in range(count)]
    data = b"".join(items.encode(tick) for tick in ticks)
    assert items.decode(data, count) == ticks


@pytest.mark.parametrize("count", [0, 2, 3, 5])
def test_a_count_that_is_wrong_is_invalid(count: int) -> None:
    items = items_codec(TICK)
    invalid(items.decode, bytes(items.encode(A_TICK)) * 4, count)


def test_items_of_logical_types_are_converted() -> None:
    items = items_codec(DATE)
    assert [one.isoformat() for one in items.decode(b"\0\x02\x01", 3)] == [
        "1970-01-01",
        "1970-01-02",
        "1969-12-31",
    ]
    assert "out of range" in invalid(items.decode, write_long(1 << 30) * 2, 2).text


def test_a_block_hidden_behind_the_items_is_found() -> None:
    items = items_codec("long")
    hidden = write_long(-1 << 63)
    assert items.decode(b"\2\4", 2) == [1, 2]
    invalid(items.decode, b"\2\4" + hidden + b"\0", 2)
    assert items.decode(b"\2" + hidden, 2) == [1, -1 << 63]


def test_a_frame_of_more_nodes_than_allowed_is_invalid() -> None:
    items = items_codec(NULLS["items"])
    assert len(items.decode(bytes(400), 400)) == 400
    assert TOO_MANY[4:] in invalid(items.decode, bytes(500), 500).text


def test_items_may_be_anything_that_takes_a_byte() -> None:
    for json, values in ((["null", "int"], [None, 5]), ("string", ["", "x"]), ("boolean", [True])):
        items = items_codec(json)
        data = b"".join(map(items.encode, values))
        assert items.decode(data, len(values)) == values


# -- recursion: fastavro ends the process on what is refused here


def nested(shape: str, leaf: Any, levels: int) -> Any:
    """A type in so many arrays, maps or unions of null and an array."""
    for _ in range(levels):
        if shape == "map":
            leaf = {"type": "map", "values": leaf}
        else:
            leaf = {"type": "array", "items": leaf}
            leaf = ["null", leaf] if shape == "union" else leaf
    return leaf


def nested_value(shape: str, leaf: Any, levels: int) -> Any:
    for _ in range(levels):
        leaf = {"k": leaf} if shape == "map" else [leaf]
    return leaf


@pytest.mark.parametrize(("shape", "levels"), [("array", 64), ("map", 64), ("union", 32)])
def test_types_as_deep_as_may_be_have_codecs(shape: str, levels: int) -> None:
    """Python takes 20 blocks in each other; from 3.12 on, 30 comprehensions end the process."""
    for leaf, value, more in ((DATE, date(1970, 1, 2), "int"), ("int", 5, "double")):
        for depth in (7, 8, 9, 20, levels):
            of, reader = (type_of(nested(shape, one, depth)) for one in (leaf, more))
            made = codec(nested(shape, leaf, depth))
            deep = nested_value(shape, value, depth)
            data = bytes(made.encode(deep))
            assert made.decode(data) == deep
            assert "expected" in invalid(made.encode, nested_value(shape, "x", depth)).text
            arrives = Codec(reader, At("it")).reading(of, At("it"), Comparison()).decode(data)
            assert arrives == nested_value(shape, 1 if leaf is DATE else 5.0, depth)
            back = Codec(of, At("it")).reading(reader, At("it"), Comparison())
            if leaf is DATE:
                assert back.decode(data) == deep


def test_recursion_is_limited_both_ways() -> None:
    lists, items = codec(LIST), items_codec(LIST)
    assert lists.decode(bytes(lists.encode(linked(64)))) == linked(64)
    for depth in (65, 100, 5000):
        assert "more than 64 values" in invalid(lists.encode, linked(depth)).text
        data = b"\x02" * (depth - 1) + b"\0"
        assert "more than 64 values" in invalid(lists.decode, data).text
        assert "more than 64 values" in invalid(items.decode, b"\0" + data, 2).text


def test_a_cyclic_value_is_invalid() -> None:
    value = linked(2)
    value["next"]["next"] = value
    assert invalid(codec(LIST).encode, value).path.startswith("it.next.next.next")


def test_a_recursive_type_within_others_is_scanned() -> None:
    maps = codec({"type": "map", "values": LIST})
    value = {"a": linked(3)}
    assert maps.decode(bytes(maps.encode(value))) == value
    assert "more than 64" in invalid(maps.decode, b"\x02\x02a" + b"\x02" * 100 + b"\0\0").text


# -- values that are not of the ordinary form


class Symbol(str):
    """A str that is not just one."""

    __slots__ = ()

    def __str__(self) -> str:
        return "something else"


class Attributes(dict[str, Any]):
    """A dict that is not just one."""


def test_unusual_forms_are_converted() -> None:
    ticks = codec(TICK)
    wanted = ticks.encode(A_TICK)
    assert ticks.encode(Attributes(A_TICK)) == wanted
    assert ticks.encode({**A_TICK, "symbol": Symbol("EURUSD")}) == wanted
    assert codec("bytes").encode(bytearray(b"x")) == codec("bytes").encode(b"x")
    assert codec("bytes").encode(memoryview(b"x")) == b"\x02x"


def test_the_value_itself_is_not_changed() -> None:
    value = {"a": [{"d": None}], "b": Branch("X", {"v": bytearray(b"x")})}
    schema = record_json(
        ("a", {"type": "array", "items": record_json(("d", ["null", DATE]), name="D")}),
        ("b", [record_json(("v", "bytes"), name="X"), record_json(name="Y")]),
        ("c", "int", 5),
    )
    before = copy.deepcopy(value)
    made = codec(schema)
    encoded = bytes(made.encode(value))
    assert value == before
    assert made.decode(encoded) == {**value, "c": 5}


def test_a_decoded_default_is_new_each_time() -> None:
    made = codec(record_json(("a", {"type": "array", "items": "int"}, [1])))
    first = made.decode(bytes(made.encode({})))
    first["a"].append(2)
    assert made.decode(bytes(made.encode({}))) == {"a": [1]}


def test_codecs_may_be_used_by_several_threads() -> None:
    ticks = codec(TICK)
    wrong: list[Any] = []

    def work(size: int) -> None:
        for number in range(500):
            tick = {**A_TICK, "size": size, "at": number}
            if ticks.decode(bytes(ticks.encode(tick))) != tick:
                wrong.append(tick)

    threads = [threading.Thread(target=work, args=(size,)) for size in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_errors_have_no_confusing_context() -> None:
    with pytest.raises(InvalidValue) as caught:
        codec(TICK).encode({**A_TICK, "size": "x"})
    assert caught.value.__context__ is None


def test_what_even_the_second_try_refuses_is_invalid() -> None:
    made = codec(record_json(("a", "string")))
    made.encode({"a": "x"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("avrpc.schema.codec.fit", lambda *_: {"a": 5})
        assert "can't be encoded" in invalid(made.encode, {"a": 5}).text


# -- values of another version (all the rules are in test_resolve.py)


OLDER = {"type": "record", "name": "demo.Tick", "fields": [{"name": "price", "type": "int"}]}
NEWER = {
    "type": "record",
    "name": "demo.Tick",
    "fields": [
        {"name": "price", "type": "double"},
        {"name": "venue", "type": "string", "default": "?"},
    ],
}


def test_reading_codec_gives_values_of_its_own_version() -> None:
    writer, reader = type_of(OLDER), type_of(NEWER)
    at = At("it")
    one = Codec(reader, at).reading(writer, at, Comparison())
    items = ItemsCodec(reader, at).reading(writer, at, Comparison())
    data = bytes(Codec(writer, at).encode({"price": 1}))
    expected = {"price": 1.0, "venue": "?"}
    assert one.decode(data) == expected
    assert items.decode(data, 1) == [expected]
    assert items.decode(data * 64, 64) == [expected] * 64
    for wrong in (data[:-1], data + b"\0"):
        invalid(one.decode, wrong)
    assert one.encode(expected) == Codec(reader, at).encode(expected)


def test_what_reading_adds_to_a_value_counts_as_its_own() -> None:
    older = record_json(("a", "int"))
    newer = record_json(("a", "int"), *((f"b{at}", "int", at) for at in range(500)))
    writer, reader = type_of(older), type_of(newer)
    at = At("it")
    items = ItemsCodec(reader, at).reading(writer, at, Comparison())
    fits = 250_000 // 502
    assert items.portion(b"\2" * fits, fits) == (fits, fits)
    assert items.portion(b"\2" * 60_000, 60_000) == (fits, fits)
    assert items.portion(b"\2" * 60_000, 1) == (60_000, 1)
    assert len(items.decode(b"\2" * fits, fits)) == fits
    assert TOO_MANY[4:] in invalid(items.decode, b"\2" * (fits + 1), fits + 1).text
    arrays = type_of({"type": "array", "items": older}), type_of({"type": "array", "items": newer})
    whole = Codec(arrays[1], at).reading(arrays[0], at, Comparison())
    assert len(whole.decode(write_long(400) + b"\2" * 400 + b"\0")) == 400
    assert TOO_MANY in invalid(whole.decode, write_long(500) + b"\2" * 500 + b"\0").text


def test_items_to_which_nothing_is_added_are_one_portion() -> None:
    at = At("it")
    for items in (
        items_codec(TICK),
        ItemsCodec(type_of(OLDER), at).reading(type_of(NEWER), at, Comparison()),
    ):
        assert items.portion(bytes(1 << 20), 1 << 16) == (1 << 20, 1 << 16)


def test_functions_are_made_when_they_are_asked_for() -> None:
    for made in (codec(TICK), items_codec(TICK)):
        before = set(vars(made))
        assert made.decode is made.decode
        assert vars(made).keys() - before == {"decode"}
        assert made.encode is made.encode
        assert vars(made).keys() - before == {"decode", "encode"}


def test_reading_the_same_version_changes_nothing() -> None:
    at = At("it")
    one, items = Codec(type_of(TICK), at), ItemsCodec(type_of(TICK), at)
    assert one.reading(type_of(TICK), at, Comparison()).decode is one.decode
    assert items.reading(type_of(TICK), at, Comparison()).decode is items.decode


def test_what_only_fastavro_refuses_is_told_in_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise KeyError("odd")

    monkeypatch.setattr("avrpc.schema.codec._read", fail)
    assert invalid(Codec(type_of("int"), At("it")).decode, b"\x02").text == (
        "it: cannot be decoded: 'odd'"
    )
