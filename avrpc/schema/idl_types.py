"""Reading the parts of Avro IDL that others are made of: JSON values, annotations and types.

Types and values nest as deep as `parse` and `defaults` take them, so calls nest no deeper either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from avrpc.errors import SchemaError

from .idl_tokens import NO_NUMBERS, Spot, Text, Token, doc_text
from .names import suggest
from .parse import MAX_NESTING
from .types import NAMED_KINDS, PRIMITIVES

MAX_JSON_NESTING = 64  # nobody nests an annotation's value deeper

KINDS = ("record", "error", "enum", "fixed")

# What no annotation of a definition, or of a type where it is used, may say.
OF_DEFINITION = frozenset(
    ("type", "name", "doc", "fields", "symbols", "default", "size", "items", "values")
)
_OF_USE = OF_DEFINITION | {"namespace", "aliases"}
_IN_IDL = {
    "doc": "by a comment /** ... */ in front",
    "default": "by '= value' at the end",
    "one-way": "by 'oneway' after the parameters",
    "errors": "by 'throws' after the parameters",
    "namespace": "where the type is defined",
    "aliases": "where the type is defined, or those of a field in front of its name",
}
_LOGICAL = {
    "date": {"type": "int", "logicalType": "date"},
    "time_ms": {"type": "int", "logicalType": "time-millis"},
    "timestamp_ms": {"type": "long", "logicalType": "timestamp-millis"},
    "local_timestamp_ms": {"type": "long", "logicalType": "local-timestamp-millis"},
    "uuid": {"type": "string", "logicalType": "uuid"},
}
_CONSTANTS = {"true": True, "false": False, "null": None}
_RESERVED_NAMES = {*PRIMITIVES, *NAMED_KINDS, "array", "map", "union"}


@dataclass(frozen=True, slots=True)
class Read:
    """A value that was read; a type may have been followed by a question mark."""

    json: Any
    spot: Spot
    optional: bool = False


@dataclass(slots=True)
class Annotations:
    """The annotations in front of something, in order, and where their names stand."""

    read: dict[str, Read]
    keys: dict[str, Token]

    def take(self, key: str) -> Read | None:
        return self.read.pop(key, None)


def one_of(texts: Iterable[str]) -> str:
    """Write 'a', 'b' or 'c'."""
    *most, last = (f"'{text}'" for text in texts)
    return f"{', '.join(most)} or {last}" if most else last


def in_namespace(name: Any, namespace: str) -> Any:
    """Shorten a name that is in the namespace; an alias may not even be a string."""
    if isinstance(name, str) and name.rpartition(".")[0] == namespace:
        return name.rpartition(".")[2]
    return name


class PartReader:
    """Reads along the tokens of a text."""

    def __init__(self, text: Text) -> None:
        self._text = text
        self._tokens = iter(text.tokens())
        self._token = next(self._tokens)

    # -- tokens

    def _advance(self) -> Token:
        """Give the current token and go to the next one; there is always one after a non-end."""
        token = self._token
        self._token = next(self._tokens, token)
        return token

    def _is(self, text: str) -> bool:
        return self._token.text == text and self._token.kind in ("name", "sign")

    def _take(self, text: str) -> Token | None:
        return self._advance() if self._is(text) else None

    def _need(self, *texts: str, hint: str = "") -> Token:
        """Take one of these words or signs."""
        for text in texts:
            if self._is(text):
                return self._advance()
        raise self._expected(one_of(texts), texts, hint)

    def _need_kind(self, kind: str, what: str, known: Iterable[str] = ()) -> Token:
        if self._token.kind != kind:
            raise self._expected(what, known)
        return self._advance()

    def _name(self, what: str) -> Token:
        return self._need_kind("name", what)

    def _expected(self, what: str, known: Iterable[str] = (), hint: str = "") -> SchemaError:
        if not hint and self._token.kind == "name":
            hint = suggest(self._token.text, [one for one in known if one.isalpha()])
        return self._error(self._token, f"expected {what}, found {self._token}{hint}")

    def _error(self, token: Token, problem: str) -> SchemaError:
        return self._text.error(token.at, problem)

    def _doc(self, token: Token) -> dict[str, str]:
        return {} if token.doc is None else {"doc": doc_text(token.doc)}

    def _many(self, end: str, read: Callable[[], None]) -> None:
        """Read any number of things with commas between, and the sign after the last."""
        if self._take(end):
            return
        read()
        while self._need(",", end).text == ",":
            read()

    # -- annotations and references

    def _annotations(self) -> Annotations:
        found = Annotations({}, {})
        while self._take("@"):
            key = self._name("the annotation's name")
            self._need("(")
            value = self._json(0)
            self._need(")")
            if key.name in found.read:
                raise self._error(key, f"@{key.name} is there twice")
            found.read[key.name] = value
            found.keys[key.name] = key
        return found

    def _add(
        self,
        annotations: Annotations,
        reserved: frozenset[str],
        json: dict[str, Any],
        parts: dict[str | int, Spot],
    ) -> None:
        """Add the annotations that nobody took to the JSON of what they stand in front of."""
        for key, value in annotations.read.items():
            if key in reserved:
                how = _IN_IDL.get(key, "by the IDL itself")
                raise self._error(
                    annotations.keys[key], f"@{key} is no annotation: it is said {how}"
                )
            if key in json:
                raise self._error(annotations.keys[key], f"{key!r} is said already, by the type")
            json[key] = value.json
            parts[key] = value.spot

    def _reference(self, token: Token, namespace: str) -> str:
        """Give the name of a type as JSON refers to it, short where that will do."""
        name = token.name
        if name in PRIMITIVES:
            raise self._error(
                token, f"no type can have the name of a primitive one, as {token} has"
            )
        before, _, last = name.rpartition(".")
        if last in _RESERVED_NAMES:
            return name if before or not namespace else f"{namespace}.{name}"
        return str(in_namespace(name, namespace))

    # -- types

    def _type(self, namespace: str, depth: int) -> Read:
        if depth > MAX_NESTING:
            raise self._error(self._token, f"types nested more than {MAX_NESTING} deep")
        return self._unannotated(namespace, depth, self._annotations())

    def _unannotated(self, namespace: str, depth: int, annotations: Annotations) -> Read:
        """Read a type, after its annotations."""
        token = self._token
        word = token.text
        if word in ("array", "map", "union"):
            return self._complex(word, namespace, depth, annotations)
        if token.kind != "name":
            raise self._expected("a type")
        if word == "void":
            raise self._expected("a type", hint="; only a response can be void, which is null")
        if word in KINDS:
            raise self._expected("a type", hint=f"; define the {word} outside, and write its name")
        self._advance()
        json: Any = word
        if word in _LOGICAL:
            json = dict(_LOGICAL[word])
        elif word == "decimal":
            json = self._decimal()
        elif word not in PRIMITIVES:
            json = self._reference(token, namespace)
            for key in annotations.keys.values():
                problem = (
                    f"@{key.name} can't stand in front of {token}, as that is defined elsewhere"
                )
                raise self._error(key, f"{problem}; that of a field goes in front of its own name")
        spot = Spot(token.at)
        if annotations.read:
            json = {"type": json} if isinstance(json, str) else json
            self._add(annotations, _OF_USE, json, spot.parts)
        if self._take("?"):
            return Read(["null", json], Spot(token.at, {0: Spot(token.at), 1: spot}), optional=True)
        return Read(json, spot)

    def _complex(self, word: str, namespace: str, depth: int, annotations: Annotations) -> Read:
        at = self._advance().at
        json: Any
        if word == "union":
            branches: list[Read] = []
            self._need("{")
            self._many("}", lambda: branches.append(self._type(namespace, depth + 1)))
            # JSON has no place for a union's annotations.
            self._add(annotations, _OF_USE, {}, {})
            json = [one.json for one in branches]
            spot = Spot(at, {index: one.spot for index, one in enumerate(branches)})
        else:
            key = "items" if word == "array" else "values"
            self._need("<")
            inner = self._type(namespace, depth + 1)
            self._need(">")
            json, spot = {"type": word, key: inner.json}, Spot(at, {key: inner.spot})
            self._add(annotations, _OF_USE, json, spot.parts)
        if self._is("?"):
            problem = f"no '?' after {word}: write union {{null, {word} ...}}"
            raise self._error(self._token, problem)
        return Read(json, spot)

    def _decimal(self) -> dict[str, Any]:
        self._need("(")
        precision, token = self._integer("the precision, in digits")
        if precision < 1:
            raise self._error(token, f"expected a precision of at least 1, found {token}")
        scale = 0
        if self._need(",", ")").text == ",":
            scale, token = self._integer("the scale, in digits")
            if not 0 <= scale <= precision:
                raise self._error(token, f"expected a scale from 0 to {precision}, found {token}")
            self._need(")")
        return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}

    def _integer(self, what: str) -> tuple[int, Token]:
        token = self._need_kind("number", what)
        number = self._text.number(token)
        if not isinstance(number, int):
            raise self._error(token, f"expected {what}, found {token}")
        return number, token

    # -- JSON

    def _json(self, depth: int) -> Read:
        if depth > MAX_JSON_NESTING:
            raise self._error(self._token, f"JSON nested more than {MAX_JSON_NESTING} deep")
        token = self._token
        spot = Spot(token.at)
        if self._take("{"):
            members: dict[str, Any] = {}

            def member() -> None:
                token = self._need_kind("string", "a key in quotes")
                key = self._text.string(token)
                if key in members:
                    raise self._error(token, f"key {token} is there twice")
                self._need(":")
                value = self._json(depth + 1)
                members[key], spot.parts[key] = value.json, value.spot

            self._many("}", member)
            return Read(members, spot)
        if self._take("["):
            items: list[Any] = []

            def item() -> None:
                value = self._json(depth + 1)
                spot.parts[len(items)] = value.spot
                items.append(value.json)

            self._many("]", item)
            return Read(items, spot)
        if token.kind == "string":
            return Read(self._text.string(self._advance()), spot)
        if token.kind == "number":
            return Read(self._text.number(self._advance()), spot)
        if token.text in _CONSTANTS:
            return Read(_CONSTANTS[self._advance().text], spot)
        if token.text in NO_NUMBERS:
            raise self._text.no_json(token)
        hint = f'; text and symbols go in quotes: "{token.name}"' if token.kind == "name" else ""
        raise self._expected("a value in JSON", hint=hint)
