"""Where two versions of a protocol differ, in words; and what makes no difference."""

import copy
import json
from typing import Any

import pytest

from avrpc.schema import Protocol
from avrpc.schema.compare import difference

V1: dict[str, Any] = {
    "protocol": "Quotes",
    "namespace": "demo",
    "types": [
        {"type": "enum", "name": "Side", "symbols": ["BUY", "SELL"]},
        {"type": "fixed", "name": "Id", "size": 4},
        {
            "type": "record",
            "name": "Tick",
            "fields": [
                {"name": "price", "type": "double"},
                {"name": "side", "type": ["null", "Side"], "default": None},
                {"name": "ids", "type": {"type": "array", "items": "Id"}},
                {"name": "tags", "type": {"type": "map", "values": "string"}},
                {"name": "next", "type": ["null", "Tick"]},
            ],
        },
        {"type": "error", "name": "Bad", "fields": [{"name": "why", "type": "string"}]},
        {"type": "error", "name": "Worse", "fields": []},
        {"type": "record", "name": "Unused", "fields": []},
    ],
    "messages": {
        "last": {
            "request": [{"name": "symbol", "type": "string"}, {"name": "n", "type": "int"}],
            "response": "Tick",
            "errors": ["Bad"],
        },
        "watch": {
            "request": [{"name": "symbol", "type": "string"}],
            "response": {"type": "array", "items": "Tick"},
        },
    },
}


def changed(change: Any) -> Protocol:
    made = copy.deepcopy(V1)
    change(made)
    return Protocol.parse(json.dumps(made))


def put(*path_and_value: Any) -> Any:
    """A change that puts a value where the path leads."""
    *path, last, value = path_and_value

    def change(made: Any) -> None:
        for key in path:
            made = made[key]
        if value is DELETED:
            del made[last]
        else:
            made[last] = value

    return change


DELETED = object()
LAST, WATCH = ("messages", "last"), ("messages", "watch")
TICK_FIELDS = ("types", 2, "fields")

DIFFERENT = [
    (put("protocol", "Quotes2"), "this end has demo.Quotes, the other demo.Quotes2"),
    (put(*WATCH, DELETED), "message 'watch': only this end has it"),
    (
        put("messages", "more", {"request": [], "response": "null"}),
        "message 'more': only the other end has it",
    ),
    (
        put(*WATCH, "stream", "response"),
        "message 'watch': this end has unary, the other streamed response",
    ),
    (
        put("messages", "watch", {"request": [], "response": "null", "one-way": True}),
        "message 'watch': this end has unary, the other one-way",
    ),
    (
        put(*WATCH, "request", 0, "type", "int"),
        "message 'watch': parameter 'symbol': this end has string, the other int",
    ),
    (
        put(*LAST, "request", [{"name": "n", "type": "int"}, {"name": "symbol", "type": "string"}]),
        "message 'last': this end has the parameters (symbol, n), the other the parameters (n, sy",
    ),
    (
        put(*LAST, "request", 1, "default", 5),
        "message 'last': parameter 'n': this end has no default, the other the default 5",
    ),
    (
        put(*WATCH, "response", "items", "Bad"),
        "message 'watch': response: []: this end has the record demo.Tick, the other the error",
    ),
    (put(*WATCH, "response", "Tick"), "response: this end has array<Tick>, the other Tick"),
    (
        put(*LAST, "errors", []),
        "message 'last': errors: this end has demo.Bad, the other none",
    ),
    (
        put(*LAST, "errors", ["Worse", "Bad"]),
        "message 'last': errors: this end has demo.Bad, the other demo.Worse, demo.Bad",
    ),
    (
        put("types", 3, "fields", 0, "type", "bytes"),
        "message 'last': errors: Bad.why: this end has string, the other bytes",
    ),
    (
        put(*TICK_FIELDS, 0, "type", "float"),
        "message 'last': response: Tick.price: this end has double, the other float",
    ),
    (
        put(*TICK_FIELDS, 0, "type", {"type": "long", "logicalType": "timestamp-micros"}),
        "Tick.price: this end has double, the other long (timestamp-micros)",
    ),
    (put(*TICK_FIELDS, 0, "name", "prize"), "response: this end has the fields price, side,"),
    (put(*TICK_FIELDS, 0, DELETED), "response: this end has the fields price, side,"),
    (
        put(*TICK_FIELDS, 1, "default", DELETED),
        "Tick.side: this end has the default null, the other no default",
    ),
    (
        put(*TICK_FIELDS, 1, "type", ["null", "Side", "int"]),
        "Tick.side: this end has union {null, Side}, the other union {null, Side, int}",
    ),
    (
        put(*TICK_FIELDS, 1, "type", ["null", "string"]),
        "Tick.side: this end has Side, the other string",
    ),
    (
        put("types", 0, "symbols", ["SELL", "BUY"]),
        "Tick.side: this end has the symbols BUY, SELL, the other the symbols SELL, BUY",
    ),
    (
        put("types", 0, "default", "BUY"),
        "Tick.side: this end has the default None, the other the default BUY",
    ),
    (put("types", 1, "size", 5), "Tick.ids[]: this end has 4 bytes, the other 5 bytes"),
    (
        put(*TICK_FIELDS, 3, "type", "values", "int"),
        "Tick.tags[]: this end has string, the other int",
    ),
    (
        put(*TICK_FIELDS, 3, "type", {"type": "array", "items": "string"}),
        "Tick.tags: this end has map<string>, the other array<string>",
    ),
]


@pytest.mark.parametrize(("change", "words"), DIFFERENT)
def test_a_difference_is_said_in_one_line(change: Any, words: str) -> None:
    ours, theirs = changed(lambda _: None), changed(change)
    found = difference(ours.signatures, theirs.signatures)
    assert found is not None
    assert words in found
    assert "\n" not in found
    assert difference(theirs.signatures, ours.signatures) is not None


SAME = [
    put("doc", "Quotes."),
    put(*LAST, "doc", "The last."),
    put(*LAST, "idempotent", True),
    put(*LAST, "extra", [1]),
    put("types", 5, DELETED),
    put("types", 2, "aliases", ["Tock"]),
    put(*TICK_FIELDS, 0, "doc", "In cents."),
    put(*TICK_FIELDS, 0, "type", {"type": "double"}),
    put(*TICK_FIELDS, 4, "type", ["null", "demo.Tick"]),
    lambda made: made.update(messages=dict(reversed(made["messages"].items()))),
    lambda made: made["types"].append(made["types"].pop(0)),
    put("namespace", "demo"),
]


@pytest.mark.parametrize("change", SAME)
def test_what_changes_nothing_is_no_difference(change: Any) -> None:
    ours, theirs = changed(lambda _: None), changed(change)
    assert ours.first_difference(theirs) is None
    assert theirs.first_difference(ours) is None
