"""How messages may change between two versions: a row for each rule that is not one of types.

Rules of types are in `tests.schema.evolutions`; here they only serve to show that values of every
part of a message are resolved. Each row is one message, called "m", in the client's version and in
the server's. Tests of the verdicts and of calls over connections read it.
"""

from __future__ import annotations

import json
from itertools import product
from typing import Any, NamedTuple

from avrpc.schema import Kind, Protocol
from avrpc.schema.compat import Verdict
from tests.schema.evolutions import (
    INCOMPATIBLE,
    PARTIAL,
    RESOLVABLE,
    SAME,
    aliased,
    array,
    enum,
    record,
)

INTS = array("int")
MARKS = ("", "request", "response", "both")
KINDS = {
    "": Kind.UNARY,
    "request": Kind.STREAM_REQUEST,
    "response": Kind.STREAM_RESPONSE,
    "both": Kind.STREAM_BOTH,
}


class Call(NamedTuple):
    """What a call of a row's message carries.

    Attributes:
        sent: Parameters that the client gives, the streamed one as a list.
        arrived: What the handler gets.
        answer: What the handler answers: a list where it streams; an exception's class and fields.
        got: What the caller gets: a value; an exception's name and fields.
    """

    sent: dict[str, Any]
    arrived: dict[str, Any]
    answer: Any = None
    got: Any = None


class Raised(NamedTuple):
    """An error of the protocol, raised at one end, or what arrives for it.

    Attributes:
        name: Its full name.
        fields: Its fields.
        declared: Whether the end declares it.
    """

    name: str
    fields: dict[str, Any]
    declared: bool = True


class MessageEvolution(NamedTuple):
    """One row.

    Attributes:
        client: The message at the client, as JSON; None where it has none.
        server: The same at the server.
        verdict: Of the message.
        wire: How it travels.
        changes: What is told.
        calls: Calls that go well.
    """

    name: str
    client: dict[str, Any]
    server: dict[str, Any] | None
    verdict: Verdict
    wire: Kind
    changes: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()


def message(*parameters: Any, response: Any = "null", **more: Any) -> dict[str, Any]:
    """Give a message of parameters that are (name, type), (name, type, default) or JSON."""
    return {"request": record(*parameters)["fields"], "response": response, **more}


def version(of: dict[str, Any] | None, **others: Any) -> Protocol:
    """The protocol with a message "m", and others."""
    messages = {**({"m": of} if of else {}), **others}
    return Protocol.parse(json.dumps({"protocol": "P", "messages": messages}), source="P.avpr")


def streamed(mark: str, item: str = "int", result: str = "int", name: str = "items") -> Any:
    mark_of = {"stream": mark} if mark else {}
    return message(("tag", "string"), (name, array(item)), response=array(result), **mark_of)


def _whole(client: str, server: str) -> tuple[str, ...]:
    told = []
    for part, path in (("request", "m"), ("response", "m()")):
        marked = [part in KINDS_STREAM[mark] for mark in (client, server)]
        if marked[0] != marked[1]:
            end = "client" if marked[0] else "server"
            text = f"only the {end}'s version streams it: the array travels whole"
            told.append(f"{part}: {path}: {text}")
    return tuple(told)


KINDS_STREAM = {
    "": (),
    "request": ("request",),
    "response": ("response",),
    "both": ("request", "response"),
}


def _wire(client: str, server: str) -> Kind:
    both = set(KINDS_STREAM[client]) & set(KINDS_STREAM[server])
    return next(KINDS[mark] for mark, parts in KINDS_STREAM.items() if set(parts) == both)


def _stream_marks() -> list[MessageEvolution]:
    rows = []
    for client, server in product(MARKS, MARKS):
        names = f"{client or 'nothing'} at the client, {server or 'nothing'} at the server"
        whole = _whole(client, server)
        items: tuple[list[int], ...] = ([], [7], list(range(300)))
        rows.append(
            MessageEvolution(
                f"streams {names}",
                streamed(client),
                streamed(server),
                RESOLVABLE if client != server else SAME,
                _wire(client, server),
                whole,
                tuple(
                    Call({"tag": "t", "items": some}, {"tag": "t", "items": some}, some, some)
                    for some in items
                ),
            )
        )
        promoted = (
            "request: m.items[]: int becomes double",
            *(line for line in whole if line.startswith("request")),
            "response: m()[]: int becomes double",
            *(line for line in whole if line.startswith("response")),
        )
        rows.append(
            MessageEvolution(
                f"streams {names}, of other items",
                streamed(client, "int", "double"),
                streamed(server, "double", "int"),
                RESOLVABLE,
                _wire(client, server),
                promoted,
                tuple(
                    Call(
                        {"tag": "t", "items": some},
                        {"tag": "t", "items": [float(one) for one in some]},
                        some,
                        [float(one) for one in some],
                    )
                    for some in items
                ),
            )
        )
    return rows


def fault(name: str, *fields: Any, **more: Any) -> dict[str, Any]:
    return record(*fields, name=name, kind="error", **more)


GONE = fault("Gone", ("at", "int"))
LOST = fault("Lost", ("what", "string"))
_GONE_TEXT = "errors: m() error: Gone is not declared at the client, and arrives as a RemoteError"

MESSAGE_EVOLUTIONS = [
    MessageEvolution(
        "nothing at all",
        message(("a", "int"), response="int"),
        message(("a", "int"), response="int"),
        SAME,
        Kind.UNARY,
        (),
        (Call({"a": 1}, {"a": 1}, 2, 2),),
    ),
    MessageEvolution(
        "the server has it not", message(("a", "int")), None, Verdict.MISSING, Kind.UNARY
    ),
    MessageEvolution(
        "the server has it not, streamed",
        streamed("both"),
        None,
        Verdict.MISSING,
        Kind.STREAM_BOTH,
    ),
    # -- parameters
    MessageEvolution(
        "parameter added with a default",
        message(("a", "int")),
        message(("a", "int"), ("b", "string", "x")),
        RESOLVABLE,
        Kind.UNARY,
        ("request: m.b: not sent by the writer; its default is filled in",),
        (Call({"a": 1}, {"a": 1, "b": "x"}),),
    ),
    MessageEvolution(
        "parameter added without a default",
        message(("a", "int")),
        message(("a", "int"), ("b", "string")),
        INCOMPATIBLE,
        Kind.UNARY,
        ("request: m.b: not sent by the writer, and it has no default",),
    ),
    MessageEvolution(
        "parameter dropped",
        message(("a", "int"), ("b", "string")),
        message(("a", "int")),
        RESOLVABLE,
        Kind.UNARY,
        ("request: m.b: sent by the writer, and not read",),
        (Call({"a": 1, "b": "x"}, {"a": 1}),),
    ),
    MessageEvolution(
        "parameter renamed by an alias, in another order, promoted",
        message(("a", "int"), ("b", "string")),
        message(("b", "string"), aliased("c", "long", "a")),
        RESOLVABLE,
        Kind.UNARY,
        (
            "request: m.c: the writer calls it a",
            "request: m: its fields are in another order",
            "request: m.c: int becomes long",
        ),
        (Call({"a": 1, "b": "x"}, {"b": "x", "c": 1}),),
    ),
    MessageEvolution(
        "all parameters dropped",
        message(("a", "int")),
        message(),
        RESOLVABLE,
        Kind.UNARY,
        ("request: m.a: sent by the writer, and not read",),
        (Call({"a": 1}, {}),),
    ),
    # -- one-way
    MessageEvolution(
        "one-way, with a parameter added",
        message(("a", "int"), **{"one-way": True}),
        message(("a", "long"), ("b", "int", 2), **{"one-way": True}),
        RESOLVABLE,
        Kind.ONE_WAY,
        (
            "request: m.b: not sent by the writer; its default is filled in",
            "request: m.a: int becomes long",
        ),
        (Call({"a": 1}, {"a": 1, "b": 2}),),
    ),
    MessageEvolution(
        "one-way at the client only",
        message(("a", "int"), **{"one-way": True}),
        message(("a", "int")),
        INCOMPATIBLE,
        Kind.ONE_WAY,
        ("request: m: the client's version is one-way, the server's unary",),
    ),
    MessageEvolution(
        "one-way at the server only",
        message(("a", "int")),
        message(("a", "int"), **{"one-way": True}),
        INCOMPATIBLE,
        Kind.UNARY,
        ("request: m: the client's version is unary, the server's one-way",),
    ),
    # -- errors
    MessageEvolution(
        "error that the client does not declare",
        message(),
        message(errors=[LOST, GONE]),
        PARTIAL,
        Kind.UNARY,
        (_GONE_TEXT.replace("Gone", "Lost"), _GONE_TEXT),
        (
            Call({}, {}, Raised("Gone", {"at": 3}), Raised("Gone", {"at": 3}, declared=False)),
            Call({}, {}, None, None),
        ),
    ),
    MessageEvolution(
        "error that only the client declares",
        message(errors=[LOST, GONE]),
        message(errors=[GONE]),
        SAME,
        Kind.UNARY,
        (),
        (Call({}, {}, Raised("Gone", {"at": 3}), Raised("Gone", {"at": 3})),),
    ),
    MessageEvolution(
        "errors in another order",
        message(errors=[LOST, GONE]),
        message(errors=[GONE, LOST]),
        SAME,
        Kind.UNARY,
        (),
        (
            Call({}, {}, Raised("Gone", {"at": 3}), Raised("Gone", {"at": 3})),
            Call({}, {}, Raised("Lost", {"what": "x"}), Raised("Lost", {"what": "x"})),
        ),
    ),
    MessageEvolution(
        "error renamed by an alias",
        message(errors=[fault("Away", ("at", "long"), aliases=["Gone"])]),
        message(errors=[GONE]),
        RESOLVABLE,
        Kind.UNARY,
        ("errors: m() error: Gone became Away", "errors: Away.at: int becomes long"),
        (Call({}, {}, Raised("Gone", {"at": 3}), Raised("Away", {"at": 3})),),
    ),
    MessageEvolution(
        "error that has the name of one and the alias of another",
        message(errors=[fault("Away", ("at", "int"), aliases=["Gone"]), GONE]),
        message(errors=[GONE]),
        SAME,
        Kind.UNARY,
        (),
        (Call({}, {}, Raised("Gone", {"at": 3}), Raised("Gone", {"at": 3})),),
    ),
    MessageEvolution(
        "error whose fields do not fit",
        message(errors=[fault("Gone", ("at", "string"))]),
        message(errors=[GONE]),
        PARTIAL,
        Kind.UNARY,
        ("errors: Gone.at: expected string, the writer has int",),
        (Call({}, {}, Raised("Gone", {"at": 3}), Raised("Gone", {"at": 3}, declared=False)),),
    ),
    MessageEvolution(
        "error of a streamed response",
        streamed("response") | {"errors": [fault("Gone", ("at", "int"), ("why", "string", "?"))]},
        streamed("response") | {"errors": [GONE]},
        RESOLVABLE,
        Kind.STREAM_RESPONSE,
        ("errors: Gone.why: not sent by the writer; its default is filled in",),
        (
            Call(
                {"tag": "t", "items": []},
                {"tag": "t", "items": []},
                Raised("Gone", {"at": 3}),
                Raised("Gone", {"at": 3, "why": "?"}),
            ),
        ),
    ),
    # -- streams
    MessageEvolution(
        "streamed parameter renamed by an alias",
        streamed("request"),
        message(("tag", "string"), aliased("all", INTS, "items"), response=INTS, stream="request"),
        RESOLVABLE,
        Kind.STREAM_REQUEST,
        ("request: m.all: the writer calls it items",),
        (Call({"tag": "t", "items": [1]}, {"tag": "t", "all": [1]}, [2], [2]),),
    ),
    MessageEvolution(
        "streamed parameter renamed by an alias, and streamed by the server only",
        streamed(""),
        message(("tag", "string"), aliased("all", INTS, "items"), response=INTS, stream="request"),
        RESOLVABLE,
        Kind.UNARY,
        (
            "request: m.all: the writer calls it items",
            "request: m: only the server's version streams it: the array travels whole",
        ),
        (Call({"tag": "t", "items": [1]}, {"tag": "t", "all": [1]}, [2], [2]),),
    ),
    MessageEvolution(
        "two versions that stream different parameters",
        message(("a", INTS), ("b", INTS), stream="request"),
        message(("b", INTS), ("a", INTS), stream="request"),
        INCOMPATIBLE,
        Kind.STREAM_REQUEST,
        ("request: m: the two versions stream different parameters",),
    ),
    MessageEvolution(
        "two versions that stream different parameters, of which one has a default",
        message(("a", INTS), stream="request"),
        message(("b", INTS, []), stream="request"),
        INCOMPATIBLE,
        Kind.STREAM_REQUEST,
        ("request: m: the two versions stream different parameters",),
    ),
    MessageEvolution(
        "another parameter streamed by the client only",
        message(("a", INTS), ("b", INTS), stream="request"),
        message(("b", INTS), ("a", INTS)),
        RESOLVABLE,
        Kind.UNARY,
        (
            "request: m: its fields are in another order",
            "request: m: only the client's version streams it: the array travels whole",
        ),
        (Call({"a": [1], "b": [2, 3]}, {"a": [1], "b": [2, 3]}),),
    ),
    MessageEvolution(
        "streamed parameter of the server's alone, with the default []",
        message(("tag", "string")),
        message(("tag", "string"), ("items", INTS, []), stream="request"),
        RESOLVABLE,
        Kind.UNARY,
        (
            "request: m.items: not sent by the writer; its default is filled in",
            "request: m: only the server's version streams it: the array travels whole",
        ),
        (Call({"tag": "t"}, {"tag": "t", "items": []}),),
    ),
    MessageEvolution(
        "streamed parameter of the server's alone, with another default",
        message(("tag", "string")),
        message(("tag", "string"), ("items", INTS, [1]), stream="request"),
        INCOMPATIBLE,
        Kind.UNARY,
        ("request: m.items: streamed by the server only, so its default must be []",),
    ),
    MessageEvolution(
        "streamed parameter of the server's alone, without a default",
        message(("tag", "string")),
        message(("tag", "string"), ("items", INTS), stream="request"),
        INCOMPATIBLE,
        Kind.UNARY,
        (
            "request: m.items: not sent by the writer, and it has no default",
            "request: m: only the server's version streams it: the array travels whole",
        ),
    ),
    MessageEvolution(
        "streamed parameter that the server does not have",
        streamed("request"),
        message(("tag", "string"), response=INTS),
        RESOLVABLE,
        Kind.UNARY,
        (
            "request: m.items: sent by the writer, and not read",
            "request: m: only the client's version streams it: the array travels whole",
        ),
        (Call({"tag": "t", "items": [1]}, {"tag": "t"}, [2], [2]),),
    ),
    MessageEvolution(
        "parameter added before the streamed one",
        streamed("both"),
        message(("tag", "string"), ("n", "int", 5), ("items", INTS), response=INTS, stream="both"),
        RESOLVABLE,
        Kind.STREAM_BOTH,
        ("request: m.n: not sent by the writer; its default is filled in",),
        (Call({"tag": "t", "items": [1]}, {"tag": "t", "n": 5, "items": [1]}, [2], [2]),),
    ),
    MessageEvolution(
        "streamed response that may be null at the server",
        message(response=INTS, stream="response"),
        message(response=["null", INTS]),
        PARTIAL,
        Kind.UNARY,
        (
            "response: m(): the reader has no null: such a value does not arrive",
            "response: m(): only the client's version streams it: the array travels whole",
        ),
        (Call({}, {}, [1, 2], [1, 2]),),
    ),
    MessageEvolution(
        "streamed items of unknown symbols",
        message(("side", array(enum("A B"))), response="null", stream="request"),
        message(("side", array(enum("A"))), response="null", stream="request"),
        PARTIAL,
        Kind.STREAM_REQUEST,
        ("request: m.side[]: the reader has no B: such a value does not arrive",),
        (Call({"side": ["A"]}, {"side": ["A"]}),),
    ),
    *_stream_marks(),
]
