"""Reading a protocol's JSON: what its messages are, before there is anything to call them with."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

from .gate import MAX_MESSAGES, check_count
from .names import check_name, full_name, namespace_of, suggest
from .parse import Names, list_of, text_of
from .strictjson import Place
from .types import NAMED_KINDS, Array, Record, Type


class Kind(enum.Enum):
    """What a message carries; the value is the word for people."""

    UNARY = "unary"
    ONE_WAY = "one-way"
    STREAM_RESPONSE = "streamed response"
    STREAM_REQUEST = "streamed request"
    STREAM_BOTH = "streamed both ways"

    def __str__(self) -> str:
        return self.value

    @property
    def streams_request(self) -> bool:
        """Whether the client sends items."""
        return self in {Kind.STREAM_REQUEST, Kind.STREAM_BOTH}

    @property
    def streams_response(self) -> bool:
        """Whether the server sends items."""
        return self in {Kind.STREAM_RESPONSE, Kind.STREAM_BOTH}


_KINDS = {
    "response": Kind.STREAM_RESPONSE,
    "request": Kind.STREAM_REQUEST,
    "both": Kind.STREAM_BOTH,
}


@dataclass(frozen=True, slots=True)
class Signature:
    """A message as its protocol's text has it."""

    name: str
    doc: str
    kind: Kind
    idempotent: bool
    request: Record
    response: Type
    errors: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Signatures:
    """What a protocol's text says of it and its messages."""

    name: str
    doc: str
    messages: dict[str, Signature]


def collect_protocol(names: Names, json: Any, place: Place) -> str:
    """Note every definition in a protocol's JSON; give the protocol's full name."""
    if not isinstance(json, dict):
        raise place.expected("a protocol: an object", json)
    if "protocol" not in json:
        guess = suggest("protocol", json)
        raise place.error(f'expected a protocol, with its name under "protocol"{guess}')
    name = full_name(json, "protocol", "", place)
    namespace = namespace_of(name)
    types = list_of(json, "types", place) if json.get("types") is not None else []
    for index, one in enumerate(types):
        names.collect(one, namespace, place / "types" / index)
    messages = json.get("messages")
    for key, one in messages.items() if isinstance(messages, dict) else ():
        if isinstance(one, dict):
            here = place / "messages" / key
            request = one.get("request")
            for index, field in enumerate(request if isinstance(request, list) else ()):
                if isinstance(field, dict) and isinstance(field.get("type"), (dict, list)):
                    names.collect(field["type"], namespace, here / "request" / index / "type")
            for part in ("response", "errors"):
                if isinstance(one.get(part), (dict, list)):
                    names.collect(one[part], namespace, here / part)
    return name


def read_protocol(names: Names, json: dict[str, Any], place: Place) -> Signatures:
    """Read and check a protocol whose definitions were collected.

    Raises:
        SchemaError: Something in it, or in the types that it uses, is not as it should be.
    """
    name = full_name(json, "protocol", "", place)
    namespace = namespace_of(name)
    for index, one in enumerate(json.get("types") or ()):
        here = place / "types" / index
        if not isinstance(one, dict) or one.get("type") not in NAMED_KINDS:
            raise here.expected("the definition of a record, error, enum or fixed", one)
        names.parse(one, namespace, here)
    messages = json.get("messages")
    if messages is not None and not isinstance(messages, dict):
        raise (place / "messages").expected("an object: messages by name", messages)
    check_count(messages or (), MAX_MESSAGES, "messages", place / "messages")
    found = {
        key: _message(names, namespace, key, one, place / "messages" / key)
        for key, one in (messages or {}).items()
    }
    names.complete()
    return Signatures(name, text_of(json, "doc", place), found)


def _message(names: Names, namespace: str, name: str, json: Any, place: Place) -> Signature:
    check_name(name, place, "a message's name")
    if not isinstance(json, dict):
        raise place.expected("a message: an object", json)
    fields = names.fields(
        list_of(json, "request", place), namespace, place / "request", "parameter"
    )
    one_way = _flag(json, "one-way", place)
    mark, mark_place = _stream_mark(json, place)
    if "response" not in json and not one_way:
        raise place.error('expected a "response", and there is none ("null" for no value)')
    response = names.part(json.get("response", "null"), namespace, place, "response")
    errors = _errors(names, namespace, json, place)
    if one_way:
        if response.kind != "null":
            raise (place / "response").expected('"null": the message is one-way', json["response"])
        if errors:
            raise (place / "errors").error("a one-way message can have no errors")
        if mark is not None:
            raise mark_place.error("a one-way message can stream nothing")
    kind = Kind.ONE_WAY if one_way else Kind.UNARY if mark is None else _MARKS[mark]
    if kind.streams_response and not isinstance(response, Array):
        raise (place / "response").expected("an array, since it is streamed", json["response"])
    if kind.streams_request:
        if not fields:
            raise (place / "request").error("no parameter to stream: the last one would be")
        if not isinstance(fields[-1].type, Array):
            raise (place / "request" / (len(fields) - 1) / "type").expected(
                "an array, since it is streamed", json["request"][-1]["type"]
            )
    return Signature(
        name,
        text_of(json, "doc", place),
        kind,
        _flag(json, "idempotent", place),
        Record(name, fields=fields),
        response,
        errors,
    )


_MARKS = {
    "response": Kind.STREAM_RESPONSE,
    "request": Kind.STREAM_REQUEST,
    "both": Kind.STREAM_BOTH,
}


def _flag(json: dict[str, Any], key: str, place: Place) -> bool:
    value = json.get(key, False)
    if not isinstance(value, bool):
        raise (place / key).expected("true or false", value)
    return value


def _stream_mark(json: dict[str, Any], place: Place) -> tuple[str | None, Place]:
    """Find the stream mark: on the message, or on the response, where avsc's tool puts it."""
    response = json.get("response")
    here = place / "stream"
    if isinstance(response, dict) and "stream" in response:
        if json.get("stream", response["stream"]) != response["stream"]:
            raise here.error("the message and its response have different stream marks")
        json, here = response, place / "response" / "stream"
    if "stream" not in json:
        return None, here
    mark = json["stream"]
    if not isinstance(mark, str) or mark not in _MARKS:
        raise here.expected('"response", "request" or "both"', mark)
    return mark, here


def _errors(names: Names, namespace: str, json: dict[str, Any], place: Place) -> tuple[Record, ...]:
    found: dict[Record, None] = {}
    listed = list_of(json, "errors", place) if json.get("errors") is not None else []
    place = place / "errors"
    for index, one in enumerate(listed):
        if one == "string":
            # "The effective union has "string" prepended to the declared union", and a union
            # can't have it twice.
            raise (place / index).error(
                '"string" stands before the declared errors anyway; leave it out'
            )
        error = names.part(one, namespace, place, index)
        if not isinstance(error, Record) or error.kind != "error":
            raise (place / index).expected('the name of a type defined with "type": "error"', one)
        if error in found:
            raise (place / index).error(f"error {error.name!r} is there twice")
        found[error] = None
    return tuple(found)
