"""Reading a protocol's messages: what is read, and what is refused, by path."""

from typing import Any

import pytest

from avrpc.errors import SchemaError
from avrpc.schema.messages import Kind, Signatures, collect_protocol, read_protocol
from avrpc.schema.parse import Names
from avrpc.schema.strictjson import Place
from avrpc.schema.types import Record
from tests.schema.build import TICK

TICKS = {"type": "array", "items": "Tick"}
ERROR = {"type": "error", "name": "demo.Bad", "fields": []}
A_TICKS = {"name": "ticks", "type": TICKS}
NAME = {"name": "name", "type": "string"}


def protocol(**message: Any) -> dict[str, Any]:
    json = {"request": [], "response": "null"} | message
    return {"protocol": "demo.P", "types": [TICK, ERROR], "messages": {"m": json}}


def read(json: Any) -> Signatures:
    names = Names()
    collect_protocol(names, json, Place())
    return read_protocol(names, json, Place())


@pytest.mark.parametrize(
    ("kind", "request_", "response", "word"),
    [
        (Kind.UNARY, False, False, "unary"),
        (Kind.ONE_WAY, False, False, "one-way"),
        (Kind.STREAM_RESPONSE, False, True, "streamed response"),
        (Kind.STREAM_REQUEST, True, False, "streamed request"),
        (Kind.STREAM_BOTH, True, True, "streamed both ways"),
    ],
)
def test_kinds(kind: Kind, request_: bool, response: bool, word: str) -> None:
    assert (kind.streams_request, kind.streams_response, str(kind)) == (request_, response, word)


MESSAGES: list[tuple[dict[str, Any], Kind]] = [
    ({}, Kind.UNARY),
    ({"one-way": False, "errors": []}, Kind.UNARY),
    ({"response": TICKS, "errors": ["Bad"]}, Kind.UNARY),
    ({"one-way": True}, Kind.ONE_WAY),
    ({"one-way": True, "errors": [], "request": [NAME]}, Kind.ONE_WAY),
    ({"stream": "response", "response": TICKS}, Kind.STREAM_RESPONSE),
    ({"response": {"stream": "response", **TICKS}}, Kind.STREAM_RESPONSE),
    ({"response": {"stream": "response", "type": TICKS}}, Kind.STREAM_RESPONSE),
    ({"stream": "response", "response": {"stream": "response", **TICKS}}, Kind.STREAM_RESPONSE),
    ({"stream": "request", "request": [NAME, A_TICKS]}, Kind.STREAM_REQUEST),
    ({"stream": "both", "request": [A_TICKS], "response": TICKS}, Kind.STREAM_BOTH),
    ({"response": {"stream": "request", "type": "int"}, "request": [A_TICKS]}, Kind.STREAM_REQUEST),
]


@pytest.mark.parametrize(("message", "kind"), MESSAGES)
def test_kinds_of_messages(message: dict[str, Any], kind: Kind) -> None:
    assert read(protocol(**message)).messages["m"].kind is kind


def test_a_message_is_read_whole() -> None:
    json = protocol(
        doc="Does it.", request=[NAME], response="Tick", errors=["Bad"], idempotent=True, extra=1
    )
    json["doc"] = "A protocol."
    found = read(json)
    message = found.messages["m"]
    assert found.doc == "A protocol."
    assert (message.name, message.doc, message.idempotent) == ("m", "Does it.", True)
    assert isinstance(message.response, Record)
    assert message.response.name == "demo.Tick"
    assert [error.name for error in message.errors] == ["demo.Bad"]
    assert [field.name for field in message.request.fields] == ["name"]


def test_a_one_way_message_needs_no_response() -> None:
    json = protocol(**{"one-way": True})
    del json["messages"]["m"]["response"]
    assert read(json).messages["m"].response.kind == "null"


def test_types_may_be_defined_where_they_are_used() -> None:
    inline = {"type": "error", "name": "Worse", "fields": []}
    other = {"type": "enum", "name": "E", "symbols": ["A"]}
    json = protocol(request=[{"name": "e", "type": other}], response=["null", "E"], errors=[inline])
    assert [error.name for error in read(json).messages["m"].errors] == ["demo.Worse"]


@pytest.mark.parametrize("more", [{}, {"types": None}, {"messages": {}}, {"messages": None}])
def test_a_protocol_may_be_empty(more: dict[str, Any]) -> None:
    assert read({"protocol": "P", **more}).messages == {}


M = "$.messages.m"
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"request": None}, f"{M}.request", "expected a list, found null"),
    ({"request": ["string"]}, f"{M}.request[0]", "expected a parameter: an object"),
    ({"request": [{"name": "a"}]}, f"{M}.request[0]", 'expected a parameter with a "name" and a'),
    ({"request": [NAME, NAME]}, f"{M}.request[1].name", "parameter 'name' is there twice"),
    ({"request": [{"name": "a", "type": "Tik"}]}, f"{M}.request[0].type", "did you mean 'Tick'?"),
    ({"request": [{"name": "a b", "type": "int"}]}, f"{M}.request[0].name", "expected a name"),
    ({"request": [{**NAME, "default": 5}]}, f"{M}.request[0].default", "type string, found 5"),
    ({"response": "Tock"}, f"{M}.response", "no type 'Tock'"),
    ({"response": 5}, f"{M}.response", "expected a type"),
    ({"doc": 5}, f"{M}.doc", "expected a string"),
    ({"one-way": "true"}, f"{M}.one-way", 'expected true or false, found "true"'),
    ({"one-way": True, "response": "int"}, f"{M}.response", 'expected "null": the message is one'),
    ({"one-way": True, "errors": ["Bad"]}, f"{M}.errors", "a one-way message can have no errors"),
    ({"one-way": True, "stream": "request"}, f"{M}.stream", "a one-way message can stream nothing"),
    ({"idempotent": 1}, f"{M}.idempotent", "expected true or false, found 1"),
    ({"stream": "up"}, f"{M}.stream", 'expected "response", "request" or "both", found "up"'),
    ({"stream": True}, f"{M}.stream", 'expected "response", "request" or "both"'),
    ({"stream": "response"}, f"{M}.response", "expected an array, since it is streamed"),
    ({"stream": "both", "response": TICKS}, f"{M}.request", "no parameter to stream"),
    (
        {"stream": "request", "request": [A_TICKS, NAME]},
        f"{M}.request[1].type",
        'expected an array, since it is streamed, found "string"',
    ),
    ({"response": {"stream": 5, **TICKS}}, f"{M}.response.stream", "found 5"),
    (
        {"stream": "both", "response": {"stream": "response", **TICKS}},
        f"{M}.stream",
        "different stream marks",
    ),
    ({"errors": {}}, f"{M}.errors", "expected a list, found {}"),
    ({"errors": ["Tick"]}, f"{M}.errors[0]", 'a type defined with "type": "error", found "Tick"'),
    ({"errors": ["int"]}, f"{M}.errors[0]", 'with "type": "error"'),
    ({"errors": ["Badd"]}, f"{M}.errors[0]", "no type 'Badd'; did you mean 'Bad'?"),
    ({"errors": ["string"]}, f"{M}.errors[0]", "leave it out"),
    ({"errors": ["Bad", "demo.Bad"]}, f"{M}.errors[1]", "error 'demo.Bad' is there twice"),
]


@pytest.mark.parametrize(("message", "path", "problem"), REFUSED)
def test_what_is_no_message_is_refused_by_path(
    message: dict[str, Any], path: str, problem: str
) -> None:
    with pytest.raises(SchemaError) as caught:
        read(protocol(**message))
    assert problem in caught.value.problem
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("json", "path", "problem"),
    [
        ([], "$", "expected a protocol: an object, found []"),
        ({"protocl": "P"}, "$", "its name under \"protocol\"; did you mean 'protocl'?"),
        ({"protocol": 5}, "$.protocol", "expected a name"),
        ({"protocol": "P", "namespace": "a b"}, "$.namespace", "names with dots"),
        ({"protocol": "P", "doc": []}, "$.doc", "expected a string"),
        ({"protocol": "P", "types": {}}, "$.types", "expected a list"),
        ({"protocol": "P", "types": ["int"]}, "$.types[0]", "expected the definition of a record"),
        (
            {"protocol": "P", "types": [{"type": "map", "values": "int"}]},
            "$.types[0]",
            "expected the definition of a record",
        ),
        ({"protocol": "P", "types": [TICK, TICK]}, "$.types[1].name", "is defined already, at"),
        ({"protocol": "P", "messages": []}, "$.messages", "expected an object"),
        ({"protocol": "P", "messages": {"a b": {}}}, '$.messages["a b"]', "a message's name of"),
        ({"protocol": "P", "messages": {"m": []}}, "$.messages.m", "expected a message"),
        ({"protocol": "P", "messages": {"m": {}}}, "$.messages.m", 'a list under "request"'),
        (
            {"protocol": "P", "messages": {"m": {"request": []}}},
            "$.messages.m",
            'expected a "response", and there is none',
        ),
    ],
)
def test_what_is_no_protocol_is_refused_by_path(json: Any, path: str, problem: str) -> None:
    with pytest.raises(SchemaError) as caught:
        read(json)
    assert problem in caught.value.problem
    assert caught.value.path == path
