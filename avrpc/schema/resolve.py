"""Resolution: values as another version wrote them, made into values of ours.

fastavro decodes with the *writer's* schema; a function compiled once for the pair of versions then
changes what it gave: defaults filled in, fields dropped and renamed, numbers promoted, branches and
logical types as the reader has them. That is 2.6 times cheaper than fastavro's own resolution,
which is done anew for every value, and right where that is wrong (defaults of bytes, fixed and
records, logical types).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .arrive import Convert
from .compat import Comparison, Verdict, match_fields
from .logical import from_avro
from .plan import Plan
from .types import NAMED, Array, Branch, Enum, Fixed, Map, Primitive, Record, Type, Union, short

_Pair = tuple[Type, Type]
_CONSTANTS = (bool, int, float, str, bytes, type(None))


class ResolvingPlan(Plan):
    """How datums of a writer's type differ from values of a reader's.

    Args:
        writer: What was written.
        reader: What is wanted. The two fit, at least partially.
        comparison: Knows how they fit.
    """

    def __init__(self, writer: Type, reader: Type, comparison: Comparison) -> None:
        self.comparison = comparison
        self._needs: dict[_Pair, bool] = {}
        self._find_needs((writer, reader))
        self._changed = {pair[0] for pair, needs in self._needs.items() if needs}

    def _find_needs(self, root: _Pair) -> None:
        inside: dict[_Pair, list[_Pair]] = {}
        left = [root]
        while left:
            pair = left.pop()
            if pair not in inside:
                inside[pair] = list(self._parts(*pair))
                self._needs[pair] = self._differs(*pair)
                left.extend(inside[pair])
        users: dict[_Pair, list[_Pair]] = {pair: [] for pair in inside}
        for pair, found in inside.items():
            for part in found:
                users[part].append(pair)
        left = [pair for pair, needs in self._needs.items() if needs]
        while left:
            for user in users[left.pop()]:
                if not self._needs[user]:
                    self._needs[user] = True
                    left.append(user)

    def _parts(self, writer: Type, reader: Type) -> Iterator[_Pair]:
        """The pairs that converting a value of this one takes, one level down."""
        match writer, reader:
            case Union(), _:
                for branch in writer.branches:
                    if self.fits(branch, reader):
                        yield branch, reader
            case _, Union():
                yield writer, self.picked(writer, reader)
            case Array(), Array():
                yield writer.items, reader.items
            case Map(), Map():
                yield writer.values, reader.values
            case Record(), Record():
                for field, source in match_fields(writer, reader):
                    if source is not None:
                        yield source.type, field.type

    def _differs(self, writer: Type, reader: Type) -> bool:
        """Whether this pair takes a conversion, whatever its parts take."""
        match writer, reader:
            case Union(), _:
                return writer.tagged or not all(
                    self.fits(branch, reader) for branch in writer.branches
                )
            case _, Union():
                return reader.tagged and isinstance(self.picked(writer, reader), NAMED)
            case Record(), Record():
                matched = [
                    (f.name, source and source.name) for f, source in match_fields(writer, reader)
                ]
                return sorted(matched) != sorted((f.name, f.name) for f in writer.fields)
            case Enum(), Enum():
                return not set(writer.symbols) <= set(reader.symbols)
            case ((Primitive() | Fixed()), (Primitive() | Fixed())):
                return reader.logical is not None or _promotion(writer, reader) is not None
        return False

    def fits(self, writer: Type, reader: Type) -> bool:
        return self.comparison.verdict(writer, reader) < Verdict.INCOMPATIBLE

    def picked(self, writer: Type, reader: Union) -> Type:
        index = self.comparison.branch(writer, reader)
        assert index is not None  # only pairs that fit are looked at
        return reader.branches[index]

    def needs(self, writer: Type, reader: Type) -> bool:
        """Whether a datum of the one has to be converted to a value of the other."""
        return self._needs[writer, reader]

    def changes(self, of: Type) -> bool:
        return of in self._changed

    def tags(self, of: Union) -> bool:
        some = [branch for branch in of.branches if branch.kind != "null"]
        return of.tagged or (len(some) > 1 and of in self._changed)


def _promotion(writer: Type, reader: Type) -> str | None:
    """The Python expression for a promotion that changes the value, with x for the datum."""
    if writer.kind in {"int", "long"} and reader.kind in {"float", "double"}:
        return "float({})"
    if (writer.kind, reader.kind) == ("string", "bytes"):
        return "{}.encode()"
    if (writer.kind, reader.kind) == ("bytes", "string"):
        return "{}.decode()"
    return None


def compile_resolving(writer: Type, reader: Type, plan: ResolvingPlan) -> Convert | None:
    """Make the function from a datum of the writer's to a value of the reader's.

    None where they are the same. It raises ValueError, OverflowError or UnicodeDecodeError for a
    datum that is no value of the reader's. Dicts that fastavro made are changed in place.
    """
    return _Source(plan).function(writer, reader) if plan.needs(writer, reader) else None


class _Source:
    """Functions in the making, as in `arrive`, for pairs of types."""

    def __init__(self, plan: ResolvingPlan) -> None:
        self._plan = plan
        self._lines: list[str] = []
        self._objects: dict[str, Any] = {"Branch": Branch}
        self._functions: dict[_Pair, str] = {}
        self._pending: list[tuple[Type, Type, str]] = []
        self._count = 0

    def function(self, writer: Type, reader: Type) -> Convert:
        name = self._new("f")
        self._lines += [f"def {name}(v):", f" return {self._value(writer, reader, 'v')}"]
        while self._pending:
            one, other, body = self._pending.pop()
            self._lines.append(f"def {body}(v):")
            if isinstance(one, Union):
                self._union(one, other)
            else:
                assert isinstance(one, Record)
                assert isinstance(other, Record)
                self._record(one, other)
        exec("\n".join(self._lines), self._objects)  # noqa: S102 - all of it is made in this file
        made: Convert = self._objects[name]
        return made

    def _new(self, letter: str, made: object = None) -> str:
        self._count += 1
        name = f"{letter}{self._count}"
        if made is not None:
            self._objects[name] = made
        return name

    def _call(self, writer: Type, reader: Type, x: str) -> str:
        pair = (writer, reader)
        if pair not in self._functions:
            self._functions[pair] = self._new("f")
            self._pending.append((writer, reader, self._functions[pair]))
        return f"{self._functions[pair]}({x})"

    def _value(self, writer: Type, reader: Type, x: str) -> str:
        """Write an expression: the reader's value for the datum ``x``."""
        if not self._plan.needs(writer, reader):
            return x
        match writer, reader:
            case (Union(), _) | (Record(), Record()):
                return self._call(writer, reader, x)
            case _, Union():
                picked = self._plan.picked(writer, reader)
                made = self._value(writer, picked, x)
                if reader.tagged and isinstance(picked, NAMED):
                    return f"Branch({picked.name!r}, {made})"
                return made
            case Array(), Array():
                y = self._new("y")
                return f"[{self._value(writer.items, reader.items, y)} for {y} in {x}]"
            case Map(), Map():
                k, y = self._new("k"), self._new("y")
                made = self._value(writer.values, reader.values, y)
                return f"{{{k}: {made} for {k}, {y} in {x}.items()}}"
            case Enum(), Enum():
                return f"{self._new('s', _symbols(writer, reader))}({x})"
        promoted = (_promotion(writer, reader) or "{}").format(x)
        if reader.logical is None:
            return promoted
        assert isinstance(reader, Primitive | Fixed)
        return f"{self._new('c', from_avro(reader))}({promoted})"

    def _union(self, writer: Union, reader: Type) -> None:
        add = self._lines.append
        if self._plan.tags(writer):
            add(" if type(v) is tuple:")
            add("  b, v = v")
            for branch, name, wrapped in self._plan.branches(writer):
                if branch.kind != "null":
                    add(f"  if b == {name!r}: {self._branch(branch, reader, wrapped)}")
        else:
            for branch in writer.branches:
                if branch.kind != "null":
                    add(f" if v is not None: {self._branch(branch, reader, wrapped=False)}")
        null = next((branch for branch in writer.branches if branch.kind == "null"), None)
        add(f" {self._branch(null, reader, wrapped=False)}" if null is not None else " return v")

    def _branch(self, branch: Type, reader: Type, wrapped: bool) -> str:
        if not self._plan.fits(branch, reader):
            unknown = _unknown(f"a value of {branch}, which this end's version does not have here")
            return f"{self._new('u', unknown)}()"
        return f"return {self._value(branch, reader, 'v[' + repr('v') + ']' if wrapped else 'v')}"

    def _record(self, writer: Record, reader: Record) -> None:
        matched = match_fields(writer, reader)
        made = {}
        for field, source in matched:
            if source is None:
                made[field.name] = self._default(field.make_default)
            else:
                made[field.name] = self._value(source.type, field.type, f"v[{source.name!r}]")
        if any(source is not None and source.name != field.name for field, source in matched):
            fields = ", ".join(f"{name!r}: {value}" for name, value in made.items())
            self._lines.append(f" return {{{fields}}}")
            return
        kept = {field.name for field in reader.fields}
        for field in writer.fields:
            if field.name not in kept:
                self._lines.append(f" del v[{field.name!r}]")
        for name, value in made.items():
            if value != f"v[{name!r}]":
                self._lines.append(f" v[{name!r}] = {value}")
        self._lines.append(" return v")

    def _default(self, make: Callable[[], Any]) -> str:
        value = make()
        if type(value) in _CONSTANTS:
            self._count += 1
            self._objects[f"d{self._count}"] = value
            return f"d{self._count}"
        return f"{self._new('d', make)}()"


def _unknown(text: str) -> Callable[[], Any]:
    def refuse() -> Any:
        raise ValueError(text)

    return refuse


def _symbols(writer: Enum, reader: Enum) -> Convert:
    known = {symbol: symbol for symbol in writer.symbols if symbol in reader.symbols}
    if reader.default is not None:
        known = dict.fromkeys(writer.symbols, reader.default) | known
    name = short(reader.name)

    def convert(symbol: str) -> str:
        try:
            return known[symbol]
        except KeyError:
            raise ValueError(f"{name} has no symbol {symbol} in this end's version") from None

    return convert
