"""Protocols and messages as the rest of avrpc sees them."""

import gc
import hashlib
import json
from typing import Any
from weakref import ref

import pytest

from avrpc.errors import SchemaError
from avrpc.schema import Branch, Kind, Message, Protocol
from tests.schema.build import A_TICK, TICK, invalid, protocol_json, protocol_of

TICKS = {"type": "array", "items": "demo.Tick"}
SYMBOL = {"name": "symbol", "type": "string"}
MESSAGES = {
    "watch": {"stream": "response", "request": [SYMBOL], "response": TICKS, "doc": "Ticks."},
    "last": {
        "idempotent": True,
        "request": [SYMBOL, {"name": "some", "type": TICKS, "default": [], "doc": "Some."}],
        "response": "demo.Tick",
        "errors": ["Bad"],
    },
    "record": {
        "stream": "request",
        "request": [SYMBOL, {"name": "ticks", "type": TICKS}],
        "response": "long",
    },
    "convert": {
        "stream": "both",
        "request": [{"name": "ticks", "type": {"type": "array", "items": "double"}}],
        "response": {"type": "array", "items": ["null", "double"]},
    },
    "_log": {"one-way": True, "request": [SYMBOL], "response": "null"},
}
BAD = {"type": "error", "name": "Bad", "fields": [{"name": "why", "type": "string"}]}
QUOTES = protocol_of(MESSAGES, TICK, BAD, name="demo.Quotes")


def message(name: str) -> Message:
    return QUOTES.messages[name]


def test_a_protocol_is_read() -> None:
    assert (QUOTES.name, QUOTES.namespace, QUOTES.doc) == ("demo.Quotes", "demo", "")
    assert list(QUOTES.messages) == list(MESSAGES)
    assert [one.kind for one in QUOTES.messages.values()] == [
        Kind.STREAM_RESPONSE,
        Kind.UNARY,
        Kind.STREAM_REQUEST,
        Kind.STREAM_BOTH,
        Kind.ONE_WAY,
    ]
    assert list(QUOTES.types) == ["demo.Tick", "demo.Bad"]
    assert [one.full_name for one in QUOTES.errors] == ["demo.Bad"]
    assert message("last").errors == (QUOTES.errors.Bad,)
    assert repr(QUOTES) == "<protocol demo.Quotes: 5 messages>"
    assert repr(message("watch")) == "<message watch: streamed response>"
    assert message("watch").doc == "Ticks."
    assert message("last").idempotent
    assert not message("watch").idempotent


def test_numbers_are_ranks_of_sorted_names() -> None:
    names = [one.name for one in QUOTES.messages_by_number]
    assert names == ["_log", "convert", "last", "record", "watch"]
    for number, one in enumerate(QUOTES.messages_by_number):
        assert one.number == number
        assert QUOTES.message_by_number(number) is one is message(one.name)
    for number in (-1, 5):
        with pytest.raises(KeyError, match=f"no message number {number}"):
            QUOTES.message_by_number(number)


def test_hashes_are_of_the_text() -> None:
    encoded = QUOTES.text.encode()
    assert json.loads(QUOTES.text) == protocol_json(MESSAGES, TICK, BAD, name="demo.Quotes")
    assert QUOTES.md5 == hashlib.md5(encoded).digest()
    assert QUOTES.sha256 == hashlib.sha256(encoded).digest()


MARKET = (
    '{"protocol":"Market","namespace":"org.example.interop","doc":"Interop fixture, version 1.",'
    '"types":[{"type":"record","name":"Tick","fields":[{"name":"symbol","type":"string"},'
    '{"name":"ts","type":"long"},{"name":"price","type":"double"},{"name":"size","type":"int"}]},'
    '{"type":"error","name":"QuoteError","fields":[{"name":"reason","type":"string"},{"name":"code'
    '","type":"int"}]}],"messages":{"add":{"request":[{"name":"a","type":"int"},{"name":"b","type"'
    ':"int"}],"response":"int"},"echo":{"request":[{"name":"tick","type":"Tick"}],"response":'
    '"Tick"},"fail":{"doc":"Always throws the declared error.","request":[{"name":"why","type":'
    '"string"}],"response":"Tick","errors":["QuoteError"]},"crash":{"doc":"Always throws something '
    'undeclared (comes back as the string branch).","request":[{"name":"why","type":"string"}],'
    '"response":"string"},"log":{"request":[{"name":"line","type":"string"}],"response":"null",'
    '"one-way":true},"logged":{"doc":"How many log() lines t'
    'his server has seen.","request":[],"response":"int"}}}'
)


@pytest.mark.parametrize("text", [MARKET, json.dumps(json.loads(MARKET), indent=2)])
def test_hash_is_the_one_of_java_and_avsc(text: str) -> None:
    """Captured from both: Java 1.8.2, avsc 5.7.9."""
    assert Protocol.parse(text).md5.hex() == "c981deac1d18f9339fe055a29b5113b0"


def test_a_peers_text_may_be_kept_as_it_is() -> None:
    text = json.dumps(json.loads(MARKET), indent=1)
    for given in (text, text.encode()):
        kept = Protocol.parse(given, verbatim=True)
        assert kept.text == text
        assert kept.md5 == hashlib.md5(text.encode()).digest()
        assert kept.first_difference(Protocol.parse(MARKET)) is None


def test_a_bad_text_names_its_source() -> None:
    with pytest.raises(SchemaError) as caught:
        Protocol.parse('{"protocol": "P", "types": [5]}', source="p.avpr")
    assert str(caught.value).startswith("p.avpr: $.types[0]: expected the definition")


def test_parameters_leave_the_streamed_one_out() -> None:
    assert [one.name for one in message("record").parameters] == ["symbol"]
    assert message("record").streamed_parameter == "ticks"
    assert message("last").streamed_parameter is None
    symbol, some = message("last").parameters
    assert (str(some.type), some.doc, some.has_default) == ("array<Tick>", "Some.", True)
    assert some.default == []
    assert some.default is not some.default
    assert repr(some) == "<parameter array<Tick> some>"
    assert not symbol.has_default
    with pytest.raises(LookupError):
        symbol.default  # noqa: B018


def test_only_what_is_streamed_has_items() -> None:
    has = {
        name: [
            one is not None for one in (found.response, found.request_items, found.response_items)
        ]
        for name, found in QUOTES.messages.items()
    }
    assert has == {
        "watch": [False, False, True],
        "last": [True, False, False],
        "record": [True, True, False],
        "convert": [False, True, True],
        "_log": [True, False, False],
    }


def test_codecs_are_made_once() -> None:
    one = message("last")
    assert one.request is one.request
    assert one.response is one.response
    assert one.error is one.error


def test_values_travel() -> None:
    last, record, watch = message("last"), message("record"), message("watch")
    assert last.request.encode({"symbol": "x"}) == b"\2x\0"
    assert last.request.decode(b"\2x\0") == {"symbol": "x", "some": []}
    assert record.request.encode({"symbol": "x"}) == b"\2x"
    assert record.response is not None
    assert record.response.decode(record.response.encode(5)) == 5
    assert record.request_items is not None
    assert watch.response_items is not None
    data = bytes(watch.response_items.encode(A_TICK))
    assert record.request_items.decode(data * 2, 2) == [A_TICK, A_TICK]
    bad: Any = last.error.decode(last.error.encode(QUOTES.errors.Bad(why="so")))
    assert bad.why == "so"


def encode_request(name: str, value: Any) -> Any:
    return message(name).request.encode(value)


def encode_response(name: str, value: Any) -> Any:
    codec = message(name).response
    assert codec is not None
    return codec.encode(value)


def encode_request_item(name: str, value: Any) -> Any:
    codec = message(name).request_items
    assert codec is not None
    return codec.encode(value)


def encode_response_item(name: str, value: Any) -> Any:
    codec = message(name).response_items
    assert codec is not None
    return codec.encode(value)


@pytest.mark.parametrize(
    ("encode", "name", "value", "text", "path"),
    [
        (encode_request, "last", {"symbol": 5}, "last.symbol: expected string, got int", ""),
        (
            encode_request,
            "last",
            {"symbol": "x", "some": [{**A_TICK, "price": "1"}]},
            "Tick.price: expected double, got str (at last.some[0].price)",
            "last.some[0].price",
        ),
        (
            encode_request,
            "last",
            {"symbl": "x"},
            "last.symbl: no such parameter; did you mean 'symbol'?",
            "",
        ),
        (encode_request, "last", {}, "last.symbol: missing, and it has no default", ""),
        (
            encode_response,
            "last",
            {**A_TICK, "price": "1"},
            "Tick.price: expected double, got str (at last().price)",
            "last().price",
        ),
        (encode_response, "record", "x", "record(): expected long, got str", "record()"),
        (
            encode_response_item,
            "watch",
            {**A_TICK, "price": None},
            "Tick.price: expected double, got None",
            "Tick.price",
        ),
        (
            encode_request_item,
            "convert",
            "x",
            "convert.ticks[]: expected double, got str",
            "convert.ticks[]",
        ),
        (
            encode_response_item,
            "convert",
            "x",
            "convert()[]: expected double, got str",
            "convert()[]",
        ),
    ],
)
def test_errors_name_the_place(encode: Any, name: str, value: Any, text: str, path: str) -> None:
    error = invalid(encode, name, value)
    assert error.text == text
    assert error.path == (path or text.split(":", maxsplit=1)[0])


def test_a_message_may_stream_a_union_of_records() -> None:
    one, other = ({**TICK, "name": f"demo.{name}"} for name in ("One", "Other"))
    streams = {
        "stream": "response",
        "request": [],
        "response": {"type": "array", "items": ["One", "Other"]},
    }
    items = protocol_of({"m": streams}, one, other).messages["m"].response_items
    assert items is not None
    ticks = [Branch("demo.Other", A_TICK), Branch("demo.One", A_TICK)]
    assert items.decode(b"".join(map(items.encode, ticks)), 2) == ticks


def test_a_protocol_that_nobody_has_is_gone_without_the_garbage_collector() -> None:
    made = Protocol.parse(QUOTES.text)
    made.messages["last"].request.encode({"symbol": "EURUSD"})
    seen = ref(made), ref(made.messages["last"])
    gc.disable()
    try:
        del made
        assert [each() for each in seen] == [None, None]
    finally:
        gc.enable()
