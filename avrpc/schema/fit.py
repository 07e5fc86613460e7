"""Fitting a value to its type, slowly: every rule of what may be sent, with errors that say where.

`encode` has the same rules compiled to something fast that gives no reasons. What it refuses comes
here, to be explained; or, if it is only unusual (a subclass of dict, a bytearray), to be converted
to the ordinary form. So this file is where the rules are to be read:

* int and long take an int that fits them, float and double also an int, boolean only a bool;
  string takes str, bytes and fixed take bytes, bytearray and memoryview, an enum one of its symbols
  as str; an array takes a list or tuple, a map and a record take a dict. Subclasses are fine.
* A record's field that has a default may be left out, and nothing may be put in.
* In a union of several named types (records, enums, fixed), those are `Branch`es. Anything else
  goes to the first branch that it fits; an int to int or long before double, a float to double
  before float, a time to microseconds before milliseconds, and a dict to the record if its keys
  are the record's, else to the map.
* At most 64 values of recursive types inside each other.
"""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from typing import Any

from avrpc.errors import InvalidValue

from .defaults import MAX_DOUBLE_INT, MAX_FLOAT, MAX_INT, MAX_LONG, MIN_INT, MIN_LONG
from .logical import from_avro, to_avro
from .names import suggest
from .types import (
    MAX_RECURSION,
    NAMED,
    Array,
    Branch,
    Enum,
    Fixed,
    Map,
    Primitive,
    Record,
    Type,
    Union,
    short,
)

RANGES = {"int": (MIN_INT, MAX_INT), "long": (MIN_LONG, MAX_LONG)}

_quoting = reprlib.Repr()
_quoting.maxstring = _quoting.maxother = _quoting.maxlong = 80
_quoting.maxlevel = 2


def quote(value: object) -> str:
    """Show a value in an error, at most some 80 characters of it."""
    text = _quoting.repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


class At:
    """Where in a value something is: its whole path, and the path from the nearest named type.

    An error begins with the short one, `Tick.price: ...`, since that is what one can look up.
    """

    __slots__ = ("full", "near")

    def __init__(self, full: str, near: str = "") -> None:
        self.full = full
        self.near = near or full

    def field(self, name: str) -> At:
        return At(f"{self.full}.{name}", f"{self.near}.{name}")

    def index(self, index: int) -> At:
        return At(f"{self.full}[{index}]", f"{self.near}[{index}]")

    def key(self, key: str) -> At:
        shown = f"[{quote(key)}]"
        return At(self.full + shown, self.near + shown)

    def into(self, record: Record) -> At:
        return At(self.full, short(record.name))

    def wrong(self, problem: str) -> InvalidValue:
        where = f" (at {self.full})" if self.full != self.near else ""
        return InvalidValue(f"{self.near}: {problem}{where}", path=self.full)

    def expected(self, what: object, value: object) -> InvalidValue:
        got = "None" if value is None else type(value).__name__
        return self.wrong(f"expected {what}, got {got}")


def fit(of: Type, value: Any, at: At, parameters: Record | None = None) -> Any:
    """Convert a value to the ordinary form for its type, which `encode` knows.

    Args:
        of: The type.
        value: The value.
        at: How the value is called in errors.
        parameters: The record whose fields are a message's parameters, and called so.

    Raises:
        InvalidValue: The value, or something in it, does not fit.
    """
    try:
        return _Fitter(parameters).fit(of, value, at, 0)
    except RecursionError as exc:
        raise at.wrong("nested too deeply") from exc


class _Fitter:
    def __init__(self, parameters: Record | None) -> None:
        self._parameters = parameters

    def fit(self, of: Type, value: Any, at: At, depth: int) -> Any:
        match of:
            case Primitive() | Fixed():
                return _fit_plain(of, value, at)
            case Enum():
                if not isinstance(value, str):
                    raise at.expected(f"a symbol of {of} as str", value)
                if value not in of.symbols:
                    raise at.wrong(
                        f"expected a symbol of {of}, got {quote(value)}"
                        f"{suggest(value, of.symbols) or f'; there are {_cut(of.symbols)}'}"
                    )
                return str.__str__(value)
            case Array():
                if not isinstance(value, (list, tuple)) or isinstance(value, Branch):
                    raise at.expected(of, value)
                return [
                    self.fit(of.items, one, at.index(index), depth)
                    for index, one in enumerate(value)
                ]
            case Map():
                if not isinstance(value, dict):
                    raise at.expected(of, value)
                return {
                    _map_key(key, at): self.fit(of.values, one, at.key(key), depth)
                    for key, one in value.items()
                }
            case Union():
                return self._union(of, value, at, depth)
        return self._record(of, value, at, depth)

    def _record(self, of: Record, value: Any, at: At, depth: int) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise at.expected(of if of is not self._parameters else "a dict", value)
        if of.recursive:
            depth += 1
            if depth > MAX_RECURSION:
                raise at.wrong(f"more than {MAX_RECURSION} values of type {of} in each other")
        if of is not self._parameters:
            at = at.into(of)
        what = "parameter" if of is self._parameters else "field"
        names = [field.name for field in of.fields]
        for key in value:
            if key not in names:
                guess = suggest(key, names) if isinstance(key, str) else ""
                raise at.field(str(key)).wrong(f"no such {what}{guess}")
        made = {}
        for field in of.fields:
            name = field.name
            if name in value:
                made[name] = self.fit(field.type, value[name], at.field(name), depth)
            elif not field.has_default:
                raise at.field(name).wrong("missing, and it has no default")
        return made

    def _union(self, of: Union, value: Any, at: At, depth: int) -> Any:
        branch = choose(of, value)
        if branch is None:
            raise _no_branch(of, value, at)
        if not isinstance(value, Branch):
            return self.fit(branch, value, at, depth)
        made = self.fit(branch, value.value, at, depth)
        return Branch(value.name, made) if one_or_null(of) is None else made


def choose(of: Union, value: Any) -> Type | None:
    """Choose the branch for a value by its outermost layer; None where there is none for it."""
    if isinstance(value, Branch):
        named = (branch for branch in of.branches if isinstance(branch, NAMED))
        return next((branch for branch in named if branch.name == value.name), None)
    only = one_or_null(of)
    if only is not None and value is not None:
        return only  # if it does not fit, the error is that of the branch
    fitting = [
        branch
        for branch in of.branches
        if not (of.tagged and isinstance(branch, NAMED)) and takes(branch, value)
    ]
    return min(fitting, key=lambda branch: _rank(branch, value), default=None)


def one_or_null(of: Union) -> Type | None:
    """Give the other branch of a union of null and one more."""
    some = [branch for branch in of.branches if branch.kind != "null"]
    return some[0] if len(some) == 1 < len(of.branches) else None


def takes(of: Type, value: Any) -> bool:
    """Tell whether a type's values look like this one from outside."""
    if of.logical is not None:
        assert isinstance(of, (Primitive, Fixed))
        try:
            to_avro(of)(value)
        except ValueError:
            return False
        return True
    match of.kind:
        case "null":
            return value is None
        case "boolean":
            return isinstance(value, bool)
        case "int" | "long":
            return _is_int(value) and RANGES[of.kind][0] <= value <= RANGES[of.kind][1]
        case "float" | "double":
            return isinstance(value, float) or _is_int(value)
        case "string":
            return isinstance(value, str)
        case "enum":
            assert isinstance(of, Enum)
            return isinstance(value, str) and value in of.symbols
        case "bytes":
            return isinstance(value, (bytes, bytearray, memoryview))
        case "fixed":
            assert isinstance(of, Fixed)
            return isinstance(value, (bytes, bytearray, memoryview)) and len(value) == of.size
        case "array":
            return isinstance(value, (list, tuple))
    return isinstance(value, dict)


def _rank(of: Type, value: Any) -> int:
    """Order the types that take a value: the lowest is the one meant."""
    if isinstance(of, Record):
        return 0 if keys_fit(of, value) else 2
    if of.logical is not None:
        return 1 if of.logical.name == "time-millis" else 0  # micros lose nothing
    return {"map": 1, "double": 1, "float": 2}.get(of.kind, 0)


def keys_fit(of: Record, value: dict[Any, Any]) -> bool:
    """Tell whether a dict has the keys of a record."""
    names = {field.name for field in of.fields}
    needed = {field.name for field in of.fields if not field.has_default}
    return needed <= value.keys() <= names


def _no_branch(of: Union, value: Any, at: At) -> InvalidValue:
    named = [branch.name for branch in of.branches if isinstance(branch, NAMED)]
    if isinstance(value, Branch):
        name = str(value.name)
        return at.wrong(f"no branch {quote(name)} in {of}{suggest(name, named)}")
    if of.tagged and isinstance(value, (dict, str, bytes)):
        return at.wrong(f"expected a Branch, of {_cut(named)}, got a plain {type(value).__name__}")
    return at.expected(of, value)


def _fit_plain(of: Primitive | Fixed, value: Any, at: At) -> Any:
    if of.logical is not None:
        try:
            return from_avro(of)(to_avro(of)(value))  # there and back: no subclass is left
        except (ValueError, OverflowError) as exc:
            raise at.wrong(str(exc)) from None
    match of.kind:
        case "null" if value is None:
            return None
        case "boolean" if isinstance(value, bool):
            return value
        case "int" | "long" if _is_int(value):
            low, high = RANGES[of.kind]
            if not low <= value <= high:
                raise at.wrong(f"expected {of}, got {quote(value)}, which is out of its range")
            return int(value)
        case "float" | "double" if isinstance(value, float) or _is_int(value):
            most = MAX_FLOAT if of.kind == "float" else MAX_DOUBLE_INT
            if not -most <= value <= most and not (isinstance(value, float) and is_special(value)):
                raise at.wrong(f"expected {of}, got {quote(value)}, which is out of its range")
            return float(value)
        case "string" if isinstance(value, str):
            return _text(value, at)
        case "bytes" if isinstance(value, (bytes, bytearray, memoryview)):
            return bytes(value)
        case "fixed" if isinstance(value, (bytes, bytearray, memoryview)):
            assert isinstance(of, Fixed)
            made = bytes(value)
            if len(made) != of.size:
                raise at.wrong(f"expected {of.size} bytes for {of}, got {len(made)}")
            return made
    raise at.expected(of, value)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_special(value: float) -> bool:
    """Tell whether a float is infinite or not a number."""
    return value - value != 0


def _text(value: str, at: At) -> str:
    text = str.__str__(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise at.wrong("a str with half of a surrogate pair, which has no UTF-8") from None
    return text


def _map_key(key: object, at: At) -> str:
    if not isinstance(key, str):
        raise at.expected("str as every key of the map", key)
    return _text(key, at)


def _cut(names: Sequence[str]) -> str:
    shown = ", ".join(names)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."
