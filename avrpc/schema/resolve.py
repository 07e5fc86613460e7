"""Resolution: values as another version wrote them, made into values of ours.

fastavro decodes with the *writer's* schema; a function compiled once for the pair of versions then
changes what it gave: defaults filled in, fields dropped and renamed, numbers promoted, branches and
logical types as the reader has them. That is 2.6 times cheaper than fastavro's own resolution,
which is done anew for every value, and right where that is wrong (defaults of bytes, fixed and
records, logical types).

The function does not say where in a value something does not fit; `find_problem` does, walking
over the datum once more when the function has failed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

from .arrive import Convert
from .compat import Comparison, Pair, match_fields
from .fit import At
from .logical import from_avro
from .plan import MAX_IN_ONE, Plan
from .types import NAMED, Array, Branch, Enum, Field, Fixed, Map, Primitive, Record, Type, Union

_CONSTANTS = (bool, int, float, str, bytes, type(None))
_FLOAT = struct.Struct("<f")


class ResolvingPlan(Plan):
    """How datums of writer's types differ from values of a reader's.

    Args:
        pairs: What was written, and what is wanted. The two fit, at least partially.
        comparison: Knows how they fit.
    """

    def __init__(self, pairs: Iterable[Pair], comparison: Comparison) -> None:
        self.parts: dict[Pair, tuple[Pair, ...]] = {}
        self._needs: set[Pair] = set()
        self._changed: set[Type] = set()
        users: dict[Pair, list[Pair]] = {pair: [] for pair in pairs}
        of_union: dict[Type, list[Pair]] = {}
        left = list(users)
        while left:
            pair = left.pop()
            if isinstance(pair[0], Union):
                of_union.setdefault(pair[0], []).append(pair)
            self.parts[pair] = comparison.parts(*pair)
            for part in self.parts[pair]:
                if part not in users:
                    users[part] = []
                    left.append(part)
                users[part].append(pair)
        left = [pair for pair in self.parts if self._differs(*pair)]
        while left:
            pair = left.pop()
            if pair not in self._needs:
                self._needs.add(pair)
                self._changed.add(pair[0])
                left += users[pair]
                # Where fastavro has to tell the branch, it does for every use of the union.
                if self.tags(pair[0]):
                    left += of_union[pair[0]]

    def _differs(self, writer: Type, reader: Type) -> bool:
        """Whether this pair takes a conversion, whatever its parts take."""
        match writer, reader:
            case Union(), _:
                parts = self.parts[writer, reader]
                return (
                    writer.tagged
                    or len(parts) < len(writer.branches)
                    or any(_tag(reader, target) for _, target in parts)
                )
            case _, Union():
                return any(_tag(reader, target) for _, target in self.parts[writer, reader])
            case Record(), Record():
                read = {(one.name, two and two.name) for one, two in match_fields(writer, reader)}
                return read != {(field.name, field.name) for field in writer.fields}
            case Enum(), Enum():
                return not set(writer.symbols) <= set(reader.symbols)
            case (Primitive() | Fixed(), Primitive() | Fixed()):
                return reader.logical is not None or _promotion(writer, reader) is not None
        return False

    def needs(self, writer: Type, reader: Type) -> bool:
        """Whether a datum of the one has to be converted to a value of the other."""
        return (writer, reader) in self._needs

    def changes(self, of: Type) -> bool:
        """Whether a datum of the writer's type has to be converted, for any of its readers."""
        return of in self._changed

    def tags(self, of: Type) -> bool:
        if not isinstance(of, Union):
            return False
        some = [branch for branch in of.branches if branch.kind != "null"]
        return of.tagged or (len(some) > 1 and self.changes(of))

    def branch_of(self, of: Union, datum: Any) -> tuple[Type, Any]:
        """Tell which branch a datum of the writer's union is of, and the branch's own datum."""
        if type(datum) is tuple:
            for branch, name, wrapped in self.branches(of):
                if name == datum[0]:
                    return branch, datum[1]["v"] if wrapped else datum[1]
        return next((one, datum) for one in of.branches if (one.kind == "null") == (datum is None))


def _tag(reader: Type, target: Type) -> str | None:
    """Give the name that values of a branch carry in a reader's union, if they do."""
    tagged = isinstance(reader, Union) and reader.tagged and isinstance(target, NAMED)
    return target.name if tagged and isinstance(target, NAMED) else None


def _single(value: int) -> float:
    made: float = _FLOAT.unpack(_FLOAT.pack(value))[0]  # as one that was sent would arrive
    return made


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise ValueError("bytes that are not UTF-8, and a string in this end's version") from None


def _promotion(writer: Type, reader: Type) -> Convert | None:
    """Give the function for a promotion that changes the value."""
    if writer.kind in {"int", "long"}:
        to_floats: dict[str, Convert] = {"float": _single, "double": float}
        return to_floats.get(reader.kind)
    if (writer.kind, reader.kind) == ("string", "bytes"):
        return str.encode
    return _text if (writer.kind, reader.kind) == ("bytes", "string") else None


def _conversions(writer: Type, reader: Type) -> list[Convert]:
    """Give the functions to apply, one after the other, to a datum with nothing inside."""
    if isinstance(writer, Enum) and isinstance(reader, Enum):
        return [_symbols(writer, reader)]
    promotion = _promotion(writer, reader)
    found = [promotion] if promotion is not None else []
    if isinstance(reader, Primitive | Fixed) and reader.logical is not None:
        found.append(from_avro(reader))
    return found


def _symbols(writer: Enum, reader: Enum) -> Convert:
    known = {symbol: symbol for symbol in writer.symbols if symbol in set(reader.symbols)}
    if reader.default is not None:
        known = dict.fromkeys(writer.symbols, reader.default) | known

    def convert(symbol: str) -> str:
        try:
            return known[symbol]
        except KeyError:
            raise ValueError(
                f"the symbol {symbol} is not in this end's version of {reader}"
            ) from None

    return convert


def _unknown(branch: Type) -> str:
    return f"a value of {branch}, which this end's version does not take here"


class ResolvingFunctions:
    """Functions from datums of writer's types to values of a reader's, made as they are needed.

    They are source in the making, as in `arrive`. What several of them need is made once.

    Args:
        plan: Made for all pairs of types that functions are asked for.
    """

    def __init__(self, plan: ResolvingPlan) -> None:
        self._plan = plan
        self._lines: list[str] = []
        self._objects: dict[str, Any] = {"Branch": Branch}
        self._functions: dict[Pair, str] = {}
        self._pending: list[tuple[Pair, str]] = []
        self._converters: dict[Pair, list[str]] = {}
        self._defaults: dict[Field, str] = {}
        self._constants: dict[tuple[Field, ...], str] = {}
        self._count = 0

    def function(self, writer: Type, reader: Type, *, many: bool = False) -> Convert | None:
        """Make the function for two types; None where their values are the same.

        It raises ValueError or OverflowError for a datum that is no value of the reader's. Dicts
        that fastavro made are changed in place.

        Args:
            writer: What was written.
            reader: What is wanted.
            many: Whether the function shall take and give lists of them.
        """
        if not self._plan.needs(writer, reader):
            return None
        self._lines = []
        name = self._new("f")
        self._lines.append(f"def {name}(v):")
        if not many:
            self._lines.append(f" return {self._value(writer, reader, 'v')}")
        else:
            self._list(writer, reader)
        while self._pending:
            (one, other), body = self._pending.pop()
            self._lines.append(f"def {body}(v):")
            if isinstance(one, Union):
                self._union(one, other)
            elif isinstance(one, Record) and isinstance(other, Record):
                self._lines += [f" {line}" for line in self._record(one, other, "v", "return")]
            else:
                self._lines.append(f" return {self._value(one, other, 'v')}")
        exec("\n".join(self._lines), self._objects)  # noqa: S102 - all of it is made in this file
        made: Convert = self._objects[name]
        return made

    def _new(self, letter: str, made: object = None) -> str:
        self._count += 1
        name = f"{letter}{self._count}"
        self._objects[name] = made
        return name

    def _list(self, writer: Type, reader: Type) -> None:
        """Write the body for a list: a record's is put into the loop, which spares calls."""
        if isinstance(writer, Record) and isinstance(reader, Record):
            lines = self._record(writer, reader, "y", "v[i] =")
            loop = " for i, y in enumerate(v):" if lines[-1] != "v[i] = y" else " for y in v:"
            lines = [line for line in lines if line != "v[i] = y"]
            self._lines += [loop, *(f"  {line}" for line in lines), " return v"]
        else:
            self._lines.append(f" return [{self._value(writer, reader, 'y')} for y in v]")

    def _value(self, writer: Type, reader: Type, x: str, depth: int = 0) -> str:
        """Write an expression: the reader's value for the datum `x`, in so many comprehensions."""
        if not self._plan.needs(writer, reader):
            return x
        match writer, reader:
            case (Union(), _) | (Record(), Record()):
                return f"{self._function_of(writer, reader)}({x})"
            case _, Union():
                ((_, target),) = self._plan.parts[writer, reader]
                return self._tagged(reader, target, self._value(writer, target, x, depth))
            case (Array(), Array()) | (Map(), Map()) if depth == MAX_IN_ONE:
                return f"{self._function_of(writer, reader)}({x})"
            case Array(), Array():
                y = self._new("y")
                made = self._value(writer.items, reader.items, y, depth + 1)
                return f"[{made} for {y} in {x}]"
            case Map(), Map():
                k, y = self._new("k"), self._new("y")
                made = self._value(writer.values, reader.values, y, depth + 1)
                return f"{{{k}: {made} for {k}, {y} in {x}.items()}}"
        pair = writer, reader
        if pair not in self._converters:
            found = _conversions(writer, reader)
            self._converters[pair] = [self._new("c", convert) for convert in found]
        for convert in self._converters[pair]:
            x = f"{convert}({x})"
        return x

    def _function_of(self, writer: Type, reader: Type) -> str:
        """Give the name of the function for two types; its body comes later."""
        pair = writer, reader
        if pair not in self._functions:
            self._functions[pair] = self._new("f")
            self._pending.append((pair, self._functions[pair]))
        return self._functions[pair]

    def _tagged(self, reader: Type, target: Type, made: str) -> str:
        name = _tag(reader, target)
        return made if name is None else f"Branch({name!r}, {made})"

    def _union(self, writer: Union, reader: Type) -> None:
        targets = dict(self._plan.parts[writer, reader])

        def take(branch: Type, x: str) -> str:
            target = targets.get(branch)
            if target is None:
                return f"raise ValueError({_unknown(branch)!r})"
            return f"return {self._tagged(reader, target, self._value(branch, target, x))}"

        tags = self._plan.tags(writer)
        if tags:
            self._lines += [" if type(v) is tuple:", "  b, v = v"]
        for branch, name, wrapped in self._plan.branches(writer):
            if branch.kind != "null":
                test = f"  if b == {name!r}" if tags else " if v is not None"
                self._lines.append(
                    f"{test}: {take(branch, 'v[' + repr('v') + ']' if wrapped else 'v')}"
                )
        for branch in writer.branches:
            if branch.kind == "null":
                self._lines.append(f" {take(branch, 'v')}")

    def _record(self, writer: Record, reader: Record, x: str, give: str) -> list[str]:
        """Write lines that change the dict `x`, or make another, and then give it."""
        matched = match_fields(writer, reader)
        added = [field for field, source in matched if source is None]
        # Constants come at once: a line for each costs a stranger's text nothing, and us 10 us.
        constants = [field for field in added if self._default(field).isidentifier()]
        together = self._together(constants) if len(constants) > 2 else ""
        made = {}
        for field, source in matched:
            if source is not None:
                made[field.name] = self._value(source.type, field.type, f"{x}[{source.name!r}]")
            elif not together or not self._default(field).isidentifier():
                made[field.name] = self._default(field)
        if any(source is not None and source.name != field.name for field, source in matched):
            fields = [f"{name!r}: {value}" for name, value in made.items()]
            fields += [f"**{together}"] if together else []
            return [f"{give} {{{', '.join(fields)}}}"]
        kept = {field.name for field, source in matched if source is not None}
        lines = [f"del {x}[{field.name!r}]" for field in writer.fields if field.name not in kept]
        lines += [f"{x}.update({together})"] if together else []
        for name, value in made.items():
            if value != f"{x}[{name!r}]":
                lines.append(f"{x}[{name!r}] = {value}")
        return [*lines, f"{give} {x}"]

    def _default(self, field: Field) -> str:
        """Write an expression for a default: a name where it is the same object each time."""
        if field not in self._defaults:
            value = field.make_default()
            if type(value) in _CONSTANTS:
                self._defaults[field] = self._new("d", value)
            else:
                self._defaults[field] = f"{self._new('d', field.make_default)}()"
        return self._defaults[field]

    def _together(self, constants: list[Field]) -> str:
        """Give the name of a dict of defaults."""
        key = tuple(constants)
        if key not in self._constants:
            values = {field.name: field.make_default() for field in constants}
            self._constants[key] = self._new("d", values)
        return self._constants[key]


def find_problem(writer: Type, reader: Type, datum: Any, at: At, plan: ResolvingPlan) -> None:
    """Walk over a datum that could not be made a value of the reader's, to say where and why.

    Raises:
        InvalidValue: That is where.
    """
    if not plan.needs(writer, reader):
        return
    match writer, reader:
        case Union(), _:
            branch, datum = plan.branch_of(writer, datum)
            target = dict(plan.parts[writer, reader]).get(branch)
            if target is None:
                raise at.wrong(_unknown(branch))
            find_problem(branch, target, datum, at, plan)
        case _, Union():
            ((_, target),) = plan.parts[writer, reader]
            find_problem(writer, target, datum, at, plan)
        case Array(), Array():
            for index, one in enumerate(datum):
                find_problem(writer.items, reader.items, one, at.index(index), plan)
        case Map(), Map():
            for key, one in datum.items():
                find_problem(writer.values, reader.values, one, at.key(key), plan)
        case Record(), Record():
            inside = at.into(reader)
            for field, source in match_fields(writer, reader):
                if source is not None:
                    place = inside.field(field.name)
                    find_problem(source.type, field.type, datum[source.name], place, plan)
        case _:
            try:
                for convert in _conversions(writer, reader):
                    datum = convert(datum)
            except (ValueError, OverflowError) as exc:
                raise at.wrong(str(exc)) from None
