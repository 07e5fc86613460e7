"""Defaults: from a field's JSON to a function that makes the Python value, a new one each time.

fastavro fills in the JSON as it stands, which is wrong for bytes and fixed (text of code points
0 to 255), for records whose own fields have defaults, for an int where a double is meant and for
logical types, and it hands the same list to everyone.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from avrpc.errors import SchemaError

from .logical import from_avro
from .strictjson import Place
from .types import (
    NAMED,
    Array,
    Branch,
    Enum,
    Field,
    Fixed,
    Map,
    Primitive,
    Record,
    Type,
    Union,
)

Maker = Callable[[], Any]

_FLOAT = struct.Struct("<f")

MAX_DEFAULT_NESTING = 64
MAX_DEFAULT_VALUES = 5000  # in all defaults of a text, with those that they fill in

_FAILED = 10  # what trying a branch in vain costs, in values: an error is made
# What may be the default of what, at a first glance.
_KINDS: dict[type, tuple[str, ...]] = {
    type(None): ("null",),
    bool: ("boolean",),
    int: ("int", "long", "float", "double"),
    float: ("float", "double"),
    str: ("string", "bytes", "fixed", "enum"),
    list: ("array",),
    dict: ("map", "record", "error"),
}

MIN_INT, MAX_INT = -(1 << 31), (1 << 31) - 1
MIN_LONG, MAX_LONG = -(1 << 63), (1 << 63) - 1
MAX_FLOAT = 3.4028234663852886e38
MAX_DOUBLE_INT = (1 << 1024) - (1 << 970)  # the largest double; a larger int has no float


def compile_defaults(fields: Iterable[tuple[Field, Place]], counts: dict[Field, int]) -> None:
    """Check defaults and give each field its `make_default`.

    Args:
        fields: The fields that have one, and where it stands; what they refer to is complete.
        counts: How many values there are in the default of each field that was compiled before.
            Those of these fields are added.

    Raises:
        SchemaError: One does not fit (the path is that of the wrong place in it), would hold
            itself without end, or there are too many values in all of them.
    """
    compiler = _Compiler()
    for field, place in fields:
        compiler.owner = field
        field.make_default = compiler.compile(field.type, field.default_json, place, 0)
    compiler.count(dict(fields), counts)


class _Compiler:
    """Compiles the defaults of one text.

    What was found out of a value and a type is kept: unions in unions, each branch tried, would
    otherwise cost twice as much with every level. Even so a text can make much work of trying its
    defaults on branches, and of filling in defaults of defaults, so both are counted.
    """

    def __init__(self) -> None:
        self.owner: Field | None = None
        self._known: dict[tuple[int, int], Maker | SchemaError] = {}
        self._values: dict[Field | None, int] = defaultdict(int)
        self._filled: dict[Field | None, list[Field]] = defaultdict(list)
        self._left = MAX_DEFAULT_VALUES

    def compile(self, of: Type, json: Any, place: Place, depth: int) -> Maker:
        if depth > MAX_DEFAULT_NESTING:
            raise place.error(f"a default nested more than {MAX_DEFAULT_NESTING} deep")
        self._values[self.owner] += 1
        self._spend(1, place)
        key = id(of), id(json)
        known = self._known.get(key)
        if known is None:
            try:
                known = self._compile(of, json, place, depth + 1)
            except SchemaError as exc:
                known = exc
            self._known[key] = known
        if isinstance(known, SchemaError):
            raise known
        return known

    def _compile(self, of: Type, json: Any, place: Place, depth: int) -> Maker:
        match of:
            case Primitive() | Fixed():
                return _plain(of, json, place)
            case Enum():
                if json not in of.symbols:
                    raise place.expected(f"a symbol of {of.name}", json)
                return lambda: json
            case Array():
                if not isinstance(json, list):
                    raise place.expected("a list", json)
                items = [
                    self.compile(of.items, one, place / at, depth) for at, one in enumerate(json)
                ]
                return lambda: [make() for make in items]
            case Map():
                if not isinstance(json, dict):
                    raise place.expected("an object", json)
                values = {
                    key: self.compile(of.values, one, place / key, depth)
                    for key, one in json.items()
                }
                return lambda: {key: make() for key, make in values.items()}
            case Union():
                return self._union(of, json, place, depth)
        return self._record(of, json, place, depth)

    def _union(self, of: Union, json: Any, place: Place, depth: int) -> Maker:
        # Avro 1.12 lets a default be of any branch, older versions of the first one only.
        for branch in of.branches:
            if branch.kind not in _KINDS[type(json)]:
                continue
            try:
                make = self.compile(branch, json, place, depth)
            except SchemaError:
                self._spend(_FAILED, place)
                continue
            return _tag(branch.name, make) if of.tagged and isinstance(branch, NAMED) else make
        raise place.expected(f"a default for {of}", json)

    def _record(self, of: Record, json: Any, place: Place, depth: int) -> Maker:
        if not isinstance(json, dict):
            raise place.expected(f"an object with the fields of {of.name}", json)
        self._spend(len(of.fields), place)
        names = {field.name for field in of.fields}
        for key in json:
            if key not in names:
                raise (place / key).error(f"{of.name} has no such field")
        makers: dict[str, Maker] = {}
        for field in of.fields:
            name = field.name
            if name in json:
                makers[name] = self.compile(field.type, json[name], place / name, depth)
            elif field.has_default:
                self._filled[self.owner].append(field)
                makers[name] = _later(field)
            else:
                raise place.error(f"field {name!r} of {of.name} is missing, and has no default")
        return lambda: {name: make() for name, make in makers.items()}

    def _spend(self, values: int, place: Place) -> None:
        self._left -= values
        if self._left < 0:
            raise _too_many(place)

    def count(self, places: dict[Field, Place], counts: dict[Field, int]) -> None:
        """Count the values of each default, with those that are filled in, however far around."""
        left = MAX_DEFAULT_VALUES
        for first, place in places.items():
            work = [(first, iter(self._filled[first]))]
            begun = {first}
            while work:
                field, filled = work[-1]
                for other in filled:
                    if other in begun:
                        raise place.error("this default would be filled in with itself, endlessly")
                    if other not in counts:
                        begun.add(other)
                        work.append((other, iter(self._filled[other])))
                        break
                else:
                    work.pop()
                    begun.discard(field)
                    more = sum(counts[other] for other in self._filled[field])
                    counts[field] = self._values[field] + more
            left -= counts[first]
            if left < 0:
                raise _too_many(place)


def _too_many(place: Place) -> SchemaError:
    return place.error(f"the defaults of this text hold more than {MAX_DEFAULT_VALUES} values")


def _later(field: Field) -> Maker:
    return lambda: field.make_default()  # noqa: PLW0108 - that field's own may not be compiled yet


def _tag(name: str, make: Maker) -> Maker:
    return lambda: Branch(name, make())


def _plain(of: Primitive | Fixed, json: Any, place: Place) -> Maker:
    value = _plain_value(of, json, place)
    if of.logical is None:
        return lambda: value
    try:
        value = from_avro(of)(value)
    except (ValueError, OverflowError) as exc:
        raise place.expected(f"a default for {of}", json) from exc
    return lambda: value


def _plain_value(of: Primitive | Fixed, json: Any, place: Place) -> Any:
    number = json if type(json) in {int, float} else None
    match of.kind:
        case "null" if json is None:
            return None
        case "boolean" if isinstance(json, bool):
            return json
        case "int" if type(json) is int and MIN_INT <= json <= MAX_INT:
            return json
        case "long" if type(json) is int and MIN_LONG <= json <= MAX_LONG:
            return json
        case "float" if number is not None and -MAX_FLOAT <= number <= MAX_FLOAT:
            return _FLOAT.unpack(_FLOAT.pack(number))[0]  # as one that was sent would arrive
        case "double" if number is not None and -MAX_DOUBLE_INT <= number <= MAX_DOUBLE_INT:
            return float(number)
        case "string" if isinstance(json, str):
            return json
        case "bytes" | "fixed" if isinstance(json, str) and all(ord(sign) < 256 for sign in json):
            if isinstance(of, Fixed) and len(json) != of.size:
                raise place.expected(f"{of.size} characters for {of.name}", json)
            return json.encode("iso-8859-1")
        case "bytes" | "fixed":
            raise place.expected("a string of code points 0 to 255, one for each byte", json)
    raise place.expected(f"a default of type {of}", json)
