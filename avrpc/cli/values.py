"""Values of Avro types as plain JSON, and back: what `avrpc call` prints and reads.

Avro's own JSON encoding is made for schemas rather than people: bytes as Latin-1 text, dates as
numbers of days, decimals as bytes, every union's value in an object. Here instead:

    null, boolean, numbers, text       as JSON has them
    NaN, Infinity, -Infinity           those words as strings
    bytes, fixed                       base64
    enum                               its symbol
    date, time, timestamps             ISO 8601; a timestamp with its zone, UTC as Z
    decimal, uuid                      a string
    array; map, record                 a list; an object
    union                              null or the branch's value, as it is, where JSON tells the
                                       branches apart; {"type": value} where two of them are both,
                                       say, JSON strings: the type's name, in full, as in Avro

`from_json(of, to_json(of, v)) == v` for all that can be sent. What needs no conversion is passed on
unchecked, since the codec checks every value and explains what is wrong with it; `check` does so
where no codec follows.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any
from uuid import UUID

from avrpc import Branch, InvalidValue
from avrpc.schema.fit import At, choose, fit, quote
from avrpc.schema.names import suggest
from avrpc.schema.types import (
    NAMED,
    Array,
    Fixed,
    Map,
    Primitive,
    Record,
    Type,
    Union,
    short,
)

_SPECIAL = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_NUMBERS = frozenset(("int", "long", "float", "double"))


def check(of: Type, value: Any, at: At) -> None:
    """Raise InvalidValue, saying where and what, unless a value fits its type."""
    fit(of, value, at)


# Which forms JSON has for the values of a type, and what that means for unions.


def _forms(of: Type) -> frozenset[str]:
    if of.logical is not None:
        return frozenset({"string"})
    match of.kind:
        case "null" | "boolean" | "array":
            return frozenset({of.kind})
        case "int" | "long":
            return frozenset({"number"})
        case "float" | "double":
            return frozenset({"number", "string"})
        case "map" | "record" | "error":
            return frozenset({"object"})
    return frozenset({"string"})


def _form_of(json: Any) -> str:
    match json:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
    return "object"


def is_ambiguous(of: Union) -> bool:
    """Tell whether JSON could mean several branches, so that they have to be named."""
    forms = [form for branch in of.branches for form in _forms(branch)]
    return len(forms) > len(set(forms))


def _tag(branch: Type) -> str:
    return branch.name if isinstance(branch, NAMED) else branch.kind


# Values to JSON ...


def to_json(of: Type, value: Any) -> Any:
    """Make what the json module writes from a value that fits its type.

    Raises:
        InvalidValue: It is nested more deeply than Python can follow.
    """
    try:
        return _to_json(of, value)
    except RecursionError:
        raise InvalidValue(f"{of}: nested too deeply to be shown") from None


def _to_json(of: Type, value: Any) -> Any:
    match of:
        case Primitive() | Fixed() if of.logical is not None:
            return _logical_text(value)
        case Primitive(kind="float" | "double"):
            return value if isfinite(value) else _special_text(value)
        case Primitive(kind="bytes") | Fixed():
            return b64encode(value).decode()
        case Array():
            return [_to_json(of.items, one) for one in value]
        case Map():
            return {key: _to_json(of.values, one) for key, one in value.items()}
        case Record():
            return {
                field.name: _to_json(field.type, value[field.name])
                for field in of.fields
                if field.name in value
            }
        case Union():
            return _union_to_json(of, value)
    return value


def _logical_text(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        text = value.isoformat()
        return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value)


def _special_text(value: float) -> str:
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"  # noqa: PLR0124


def _union_to_json(of: Union, value: Any) -> Any:
    branch = _branch_of(of, value)
    if branch.kind == "null":
        return None
    json = _to_json(branch, value.value if isinstance(value, Branch) else value)
    return {_tag(branch): json} if is_ambiguous(of) else json


def _branch_of(of: Union, value: Any) -> Type:
    branch = choose(of, value)
    if branch is None:
        raise InvalidValue(f"expected {of}, got {quote(value)}")
    if isinstance(branch, Record) and not isinstance(value, Branch):
        # A map may have come that has the keys of the record.
        others = [other for other in of.branches if isinstance(other, Map)]
        for other in others:
            if not _fits(branch, value) and _fits(other, value):
                return other
    return branch


def _fits(of: Type, value: Any) -> bool:
    with suppress(InvalidValue):
        check(of, value, At(""))
        return True
    return False


# ... and JSON to values.


def from_json(of: Type, json: Any, at: At) -> Any:
    """Make a value from what the json module read.

    Args:
        of: The type.
        json: The JSON.
        at: How the value is called in errors.

    Raises:
        InvalidValue: It can't be converted. What needs no conversion is not looked at.
    """
    try:
        return _from_json(of, json, at)
    except RecursionError:
        raise at.wrong("nested too deeply") from None


def _from_json(of: Type, json: Any, at: At) -> Any:
    match of:
        case Primitive() | Fixed() if of.logical is not None:
            return _logical_value(of, of.logical.name, json, at)
        case Primitive(kind="float" | "double"):
            return _float(json)
        case Primitive(kind="bytes") | Fixed():
            return _bytes(of, json, at)
        case Array() if isinstance(json, list):
            return [_from_json(of.items, one, at.index(index)) for index, one in enumerate(json)]
        case Map() if isinstance(json, dict):
            return {key: _from_json(of.values, one, at.key(key)) for key, one in json.items()}
        case Record() if isinstance(json, dict):
            at = at.into(of)
            types = {field.name: field.type for field in of.fields}
            return {
                name: _from_json(types[name], one, at.field(name)) if name in types else one
                for name, one in json.items()
            }
        case Union():
            return _union_value(of, json, at)
    return json


def _float(json: Any) -> Any:
    if isinstance(json, str):
        return _SPECIAL.get(json, json)
    if type(json) is int:
        # For a union with int in it the difference counts. One too large is the codec's to refuse.
        with suppress(OverflowError):
            return float(json)
    return json


def _bytes(of: Type, json: Any, at: At) -> bytes:
    if isinstance(json, str):
        with suppress(ValueError):
            return b64decode(json, validate=True)
    raise at.wrong(f"expected base64 for {of}, got {quote(json)}")


def _uuid(text: str) -> UUID:
    if len(text) != 36:  # UUID() takes other forms too
        raise ValueError(text)
    return UUID(text)


# How each logical type is read, and an example.
_LOGICAL: dict[str, tuple[Callable[[str], Any], str]] = {
    "decimal": (Decimal, "12.50"),
    "uuid": (_uuid, "0f8fad5b-d9cb-469f-a165-70867728950e"),
    "date": (date.fromisoformat, "2026-11-21"),
    "time-millis": (time.fromisoformat, "13:45:30.5"),
    "time-micros": (time.fromisoformat, "13:45:30.5"),
    "timestamp-millis": (datetime.fromisoformat, "2026-11-21T13:45:30Z"),
    "timestamp-micros": (datetime.fromisoformat, "2026-11-21T13:45:30Z"),
    "local-timestamp-millis": (datetime.fromisoformat, "2026-11-21T13:45:30"),
    "local-timestamp-micros": (datetime.fromisoformat, "2026-11-21T13:45:30"),
}


def _logical_value(of: Primitive | Fixed, name: str, json: Any, at: At) -> Any:
    read, example = _LOGICAL[name]
    value = None
    if isinstance(json, str):
        with suppress(ValueError, InvalidOperation):
            value = read(json)
    zone = getattr(value, "tzinfo", None)
    if value is None or (isinstance(value, datetime | time) and bool(zone) != ("Z" in example)):
        raise at.wrong(f'expected {of} as text such as "{example}", got {quote(json)}')
    return value


def _union_value(of: Union, json: Any, at: At) -> Any:
    form = _form_of(json)
    if form == "null":
        return None
    if is_ambiguous(of):
        branch, json = _named_branch(of, json, at)
    else:
        found = [branch for branch in of.branches if form in _forms(branch)]
        if not found:
            return json
        branch = found[0]
    value = _from_json(branch, json, at)
    if isinstance(branch, NAMED) and of.tagged:
        return Branch(branch.name, value)
    if not is_ambiguous(of):
        return value
    return _told_apart(of, branch, value, at)


def _named_branch(of: Union, json: Any, at: At) -> tuple[Type, Any]:
    named = {_tag(branch): branch for branch in of.branches if branch.kind != "null"}
    if not isinstance(json, dict) or len(json) != 1:
        forms = " or ".join(f'{{"{name}": ...}}' for name in named)
        raise at.wrong(f"expected {forms}, since JSON does not tell them apart, got {quote(json)}")
    ((tag, inner),) = json.items()
    alike = [name for name in named if short(name) == tag]
    name = alike[0] if tag not in named and len(alike) == 1 else tag
    if name not in named:
        guess = suggest(tag, named) or f"; there is {', '.join(named)}"
        raise at.wrong(f"no branch {quote(tag)} in {of}{guess}")
    return named[name], inner


def _told_apart(of: Union, branch: Type, value: Any, at: At) -> Any:
    """Give a value such that it is sent as the branch that was named."""
    check(branch, value, at)  # or it might be sent as another branch, which it does fit
    chosen = choose(of, value)
    if chosen is branch or (_NUMBERS.issuperset((branch.kind, str(chosen and chosen.kind)))):
        return value
    if isinstance(branch, NAMED):
        return Branch(branch.name, value)
    assert chosen is not None
    raise at.wrong(f"as {_tag(branch)} it can't be sent: in Python it looks like {_tag(chosen)}")
