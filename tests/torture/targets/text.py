"""Texts of protocols, as a peer may send them, and values of what the gate lets through.

An input is a text as it is, one that is made by the input's decisions, or a valid one of which
some places are replaced. A text is refused as `SchemaError` or it is a protocol; values of a
protocol are refused as `InvalidValue` or they are read.
"""

from __future__ import annotations

import json
from contextlib import suppress
from copy import deepcopy
from typing import Any

from avrpc.errors import InvalidValue, SchemaError
from avrpc.schema import Protocol
from avrpc.schema.negotiation import Negotiation
from tests.torture.schemas import Maker
from tests.torture.targets.script import Script

TICK = {
    "type": "record",
    "name": "Tick",
    "doc": "A price.",
    "aliases": ["Quote"],
    "fields": [
        {"name": "symbol", "type": "string", "default": "", "order": "ignore"},
        {"name": "price", "type": ["null", "double"], "default": None, "aliases": ["cost"]},
        {"name": "side", "type": {"type": "enum", "name": "Side", "symbols": ["A", "B"]}},
        {"name": "id", "type": {"type": "fixed", "name": "Id", "size": 16, "logicalType": "uuid"}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "next", "type": ["null", "Tick"]},
        {"name": "more", "type": {"type": "map", "values": {"type": "array", "items": "int"}}},
    ],
}
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
VALID: dict[str, Any] = {
    "protocol": "P",
    "namespace": "n.s",
    "doc": "What it is for.",
    "types": [TICK, {"type": "error", "name": "Bad", "fields": [{"name": "why", "type": DECIMAL}]}],
    "messages": {
        "get": {"request": [{"name": "id", "type": "Id"}], "response": "Tick", "errors": ["Bad"]},
        "watch": {
            "request": [{"name": "symbol", "type": "string", "default": "x"}],
            "response": {"type": "array", "items": "Tick"},
            "stream": "response",
        },
        "note": {"request": [], "response": "null", "one-way": True},
    },
}
# What takes another's place: types, names, numbers, and marks that mean something to fastavro.
ODD: list[Any] = [
    *(
        None,
        True,
        0,
        -1,
        1 << 31,
        1 << 63,
        1 << 70,
        0.5,
        "",
        "x",
        "a.b",
        "é",
        "null",
        "int",
        "union",
    ),
    *("bytes", "string", "Tick", "Side", "Id", "n.s.Tick", "Bad", "both", "A", "record", "\0"),
    *([], {}, [[]], ["null"], ["null", "null"], ["int", ["int"]], {"type": "Tick"}),
    {"type": "array", "items": "null"},
    {"type": "array", "items": "Tick"},
    {"type": {"type": {"type": "string"}}},
    {"type": "fixed", "name": "F", "size": 0},
    {"type": "record", "name": "R", "fields": []},
    {"type": "record", "name": "S", "fields": [{"name": "s", "type": "S"}]},
    {"type": "int", "__fastavro_parsed": True},
    {"type": "bytes", "logicalType": "decimal", "precision": 10**9},
    TICK,
]


def text_of(script: Script) -> str:
    """The text that an input means."""
    match script.randrange(3):
        case 0:
            return script.rest().decode("utf-8", "replace")
        case 1:
            made = Maker(script)
            types = [made.type(4) for _ in range(1 + script.randrange(3))]
            request = [{"name": f"p{at}", "type": of} for at, of in enumerate(types[1:])]
            message = {"request": request, "response": types[0]}
            return json.dumps({"protocol": "P", "messages": {"m": message}})
    bent = deepcopy(VALID)
    for _ in range(1 + script.randrange(3)):
        _bend(bent, script)
    return json.dumps(bent)


def _bend(at: Any, script: Script) -> None:
    """Put something else in one place, or at one more."""
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        key = script.choice([*keys, None])
        if key is None:
            new = deepcopy(script.choice(ODD))
            if isinstance(at, dict):
                at[str(script.choice(["name", "type", "items", "default", "doc", "size"]))] = new
            else:
                at.append(new)
            return
        if not (at[key] and isinstance(at[key], dict | list)) or script.byte() < 60:
            at[key] = deepcopy(script.choice(ODD))
            return
        at = at[key]


BASE = Protocol.parse(json.dumps(VALID))


def run(data: bytes) -> None:
    """Do what the bytes say."""
    script = Script(data)
    value = script.take(script.randrange(24))
    try:
        protocol = Protocol.parse(text_of(script), verbatim=True)
    except SchemaError as error:
        assert len(str(error)) < 5000, error  # noqa: PT017 - it is no test
        return
    for message in list(protocol.messages.values())[:3]:
        codecs: list[Any] = [message.request, message.response, message.error]
        for codec in filter(None, codecs):
            with suppress(InvalidValue):
                codec.encode(codec.decode(value))
    if protocol.name == BASE.name:
        for one, other in ((protocol, BASE), (BASE, protocol)):
            for fit in Negotiation(one, other):
                assert str(fit)


def seeds() -> list[bytes]:
    """A text of each sort, and each odd thing in some place."""
    made = [b"\0\0" + json.dumps(VALID).encode(), b"\2\2a\1\1" + bytes(range(60))]
    made += [bytes([3, 2, 2, 4, 2, 0, key, 100, at]) for at in range(len(ODD)) for key in (0, 7)]
    made += [
        bytes([0, 2, 0, 3, 100, 1, 200, key, 0, at]) for at in range(len(ODD)) for key in (1, 4)
    ]
    return made
