"""Verdicts: what a reader's version of a type makes of values that another version wrote.

The rules are those of the Avro specification, "Schema Resolution". Two things are settled here
that it leaves open: in a union the reader's branch of the same full name comes first, before the
first that matches; and two logical types that differ do not match (a timestamp in milliseconds
read as one in microseconds would be wrong and unnoticed), while adding or dropping one is fine.

A verdict on a type depends on those on its parts, and types may contain themselves. So each pair of
types has a level, beginning with SAME, that only gets worse: a pair is looked at again whenever one
of its parts has got worse, until nothing changes. Nothing is nested in that, so no text can make it
deep, and a bound on the number of looks keeps it short.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from .types import Array, Enum, Field, Fixed, Map, Primitive, Record, Type, Union, short

MAX_LOOKS = 20_000  # some 30 ms; a protocol of 450 types takes a tenth of them

_Pair = tuple[Type, Type]


class Verdict(IntEnum):
    """How a writer's version fits a reader's, from best to worst."""

    SAME = 0
    RESOLVABLE = 1  # every value arrives, changed as the rules say
    PARTIAL = 2  # some values do: the reader does not know every branch, symbol or error
    INCOMPATIBLE = 3
    MISSING = 4  # of messages: the other end has none of that name

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Change:
    """One thing in which two versions differ.

    Attributes:
        path: Where: `Tick.price`, or a message's `request.symbol`.
        kind: One word: defaulted, dropped, renamed, reordered, promoted, converted, wrapped,
            unwrapped, widened, partial or incompatible.
        text: What it means, for people.
    """

    path: str
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}"


# What a number or a text may become, by the specification.
PROMOTIONS = {
    "int": ("long", "float", "double"),
    "long": ("float", "double"),
    "float": ("double",),
    "string": ("bytes",),
    "bytes": ("string",),
}


class Comparison:
    """Verdicts on pairs of types, found once and kept."""

    def __init__(self) -> None:
        self._levels: dict[_Pair, Verdict] = {}
        self._users: dict[_Pair, set[_Pair]] = {}
        self._queue: deque[_Pair] = deque()
        self._looks = 0

    def verdict(self, writer: Type, reader: Type) -> Verdict:
        """How values of ``writer`` fit ``reader``."""
        pair = (writer, reader)
        self._add(pair)
        while self._queue:
            self._look(self._queue.popleft())
        return self._levels[pair]

    def _add(self, pair: _Pair) -> Verdict:
        level = self._levels.get(pair)
        if level is None:
            level = self._levels[pair] = Verdict.SAME
            self._users[pair] = set()
            self._queue.append(pair)
        return level

    def _look(self, pair: _Pair) -> None:
        self._looks += 1
        if self._looks > MAX_LOOKS:
            level = Verdict.INCOMPATIBLE  # see `too_large`
        else:
            level = max(self._levels[pair], self._judge(pair))
        if level > self._levels[pair]:
            self._levels[pair] = level
            self._queue.extend(self._users[pair])

    @property
    def too_large(self) -> bool:
        """Whether it was given up: what was not looked at by then counts as incompatible."""
        return self._looks > MAX_LOOKS

    # One pair, from what is known of its parts ...

    def _part(self, pair: _Pair, writer: Type, reader: Type) -> Verdict:
        part = (writer, reader)
        level = self._add(part)
        self._users[part].add(pair)
        return level

    def _judge(self, pair: _Pair) -> Verdict:
        match pair:
            case Union() as writer, reader:
                return self._writer_union(pair, writer, reader)
            case writer, Union() as reader:
                index = self._pick(pair, writer, reader)
                if index is None:
                    return Verdict.INCOMPATIBLE
                found = self._part(pair, writer, reader.branches[index])
                return max(found, Verdict.RESOLVABLE)
            case Array() as writer, Array() as reader:
                return self._part(pair, writer.items, reader.items)
            case Map() as writer, Map() as reader:
                return self._part(pair, writer.values, reader.values)
            case Record() as writer, Record() as reader:
                return self._records(pair, writer, reader)
            case Enum() as writer, Enum() as reader:
                return _enums(writer, reader)
            case Fixed() as writer, Fixed() as reader:
                fits = same_name(writer, reader) and writer.size == reader.size
                return max(_logical(writer, reader), _renamed(writer, reader)) if fits else _NO
            case Primitive() as writer, Primitive() as reader:
                return _primitives(writer, reader)
        return Verdict.INCOMPATIBLE

    def _writer_union(self, pair: _Pair, writer: Union, reader: Type) -> Verdict:
        if isinstance(reader, Union):
            return self._unions(pair, writer, reader)
        levels = [self._part(pair, branch, reader) for branch in writer.branches]
        return _of_branches(levels, Verdict.RESOLVABLE)

    def _unions(self, pair: _Pair, writer: Union, reader: Union) -> Verdict:
        levels = []
        least = Verdict.SAME
        if len(writer.branches) != len(reader.branches):
            least = Verdict.RESOLVABLE
        for place, branch in enumerate(writer.branches):
            index = self._pick(pair, branch, reader)
            if index is None:
                levels.append(Verdict.INCOMPATIBLE)
                continue
            if index != place:
                least = Verdict.RESOLVABLE
            levels.append(self._part(pair, branch, reader.branches[index]))
        return _of_branches(levels, least)

    def _pick(self, pair: _Pair, writer: Type, reader: Union) -> int | None:
        for index in candidates(writer, reader):
            if self._part(pair, writer, reader.branches[index]) < Verdict.INCOMPATIBLE:
                return index
        return None

    def _records(self, pair: _Pair, writer: Record, reader: Record) -> Verdict:
        if not same_name(writer, reader):
            return Verdict.INCOMPATIBLE
        return max(_renamed(writer, reader), self._fields(pair, writer, reader))

    def _fields(self, pair: _Pair, writer: Record, reader: Record) -> Verdict:
        level = Verdict.SAME
        matched = match_fields(writer, reader)
        for field, source in matched:
            if source is None:
                level = max(level, Verdict.RESOLVABLE if field.has_default else _NO)
            else:
                level = max(level, self._part(pair, source.type, field.type))
        names = [source.name if source else "" for _, source in matched]
        if names != [field.name for field in writer.fields] or any(
            source is not None and source.name != field.name for field, source in matched
        ):
            level = max(level, Verdict.RESOLVABLE)
        return level

    # ... and what resolution makes of it.

    def branch(self, writer: Type, reader: Union) -> int | None:
        """Which branch of a reader's union takes values of ``writer``; None if none does."""
        for index in candidates(writer, reader):
            if self.verdict(writer, reader.branches[index]) < Verdict.INCOMPATIBLE:
                return index
        return None

    def changes(self, writer: Type, reader: Type, path: str) -> Iterator[Change]:
        """What differs, place by place; each pair of types is told once."""
        seen: set[_Pair] = set()
        left = [(path, writer, reader)]
        while left:
            where, one, other = left.pop()
            if (one, other) in seen or self.verdict(one, other) is Verdict.SAME:
                continue
            seen.add((one, other))
            yield from self._own_changes(where, one, other)
            left.extend(reversed(list(self._inside(where, one, other))))

    def _inside(self, path: str, writer: Type, reader: Type) -> Iterator[tuple[str, Type, Type]]:
        match writer, reader:
            case Array(), Array():
                yield f"{path}[]", writer.items, reader.items
            case Map(), Map():
                yield f"{path}[]", writer.values, reader.values
            case Record(), Record() if same_name(writer, reader):
                for field, source in match_fields(writer, reader):
                    if source is not None:
                        yield f"{short(reader.name)}.{field.name}", source.type, field.type
            case Union(), Union():
                for branch in writer.branches:
                    index = self.branch(branch, reader)
                    if index is not None:
                        yield path, branch, reader.branches[index]
            case Union(), _:
                for branch in writer.branches:
                    if self.verdict(branch, reader) < Verdict.INCOMPATIBLE:
                        yield path, branch, reader
            case _, Union():
                index = self.branch(writer, reader)
                if index is not None:
                    yield path, writer, reader.branches[index]

    def _own_changes(self, path: str, writer: Type, reader: Type) -> Iterator[Change]:
        match writer, reader:
            case Union(), _:
                yield from self._union_changes(path, writer, reader)
            case _, Union():
                if self.branch(writer, reader) is None:
                    yield _misfit(path, writer, reader)
                else:
                    yield Change(path, "widened", f"{writer} became {reader}")
            case Record(), Record() if same_name(writer, reader):
                yield from _rename(path, writer, reader)
                yield from _field_changes(writer, reader)
            case Enum(), Enum() if same_name(writer, reader):
                yield from _rename(path, writer, reader)
                yield from _symbol_changes(path, writer, reader)
            case (Array(), Array()) | (Map(), Map()):
                return
            case _ if self.verdict(writer, reader) is Verdict.INCOMPATIBLE:
                yield _misfit(path, writer, reader)
            case Fixed(), Fixed() if writer.logical == reader.logical:
                yield from _rename(path, writer, reader)
            case _ if writer.kind != reader.kind:
                yield Change(path, "promoted", f"{writer} becomes {reader}")
            case _:
                yield Change(path, "converted", f"{writer} becomes {reader}")

    def _union_changes(self, path: str, writer: Union, reader: Type) -> Iterator[Change]:
        unknown = [
            str(branch)
            for branch in writer.branches
            if self.verdict(branch, reader) is Verdict.INCOMPATIBLE
        ]
        if len(unknown) == len(writer.branches):
            yield _misfit(path, writer, reader)
        elif unknown:
            text = f"the reader has no {' or '.join(unknown)}: such a value does not arrive"
            yield Change(path, "partial", text)
        elif not isinstance(reader, Union):
            yield Change(path, "unwrapped", f"{writer} became {reader}")
        elif [str(one) for one in writer.branches] != [str(one) for one in reader.branches]:
            yield Change(path, "widened", f"{writer} became {reader}")


_NO = Verdict.INCOMPATIBLE


def same_name(writer: Enum | Fixed | Record, reader: Enum | Fixed | Record) -> bool:
    """Whether a reader's named type takes values of a writer's, going by their names."""
    return (
        short(writer.name) == short(reader.name)
        or writer.name in reader.aliases
        or short(writer.name) in reader.aliases
    )


def match_fields(writer: Record, reader: Record) -> list[tuple[Field, Field | None]]:
    """Each field of the reader, with the writer's field that it is read from, if any."""
    theirs = {field.name: field for field in writer.fields}
    taken = {field.name for field in reader.fields if field.name in theirs}
    matched: list[tuple[Field, Field | None]] = []
    for field in reader.fields:
        source = theirs.get(field.name)
        for alias in field.aliases if source is None else ():
            if alias in theirs and alias not in taken:
                source = theirs[alias]
                taken.add(alias)
                break
        matched.append((field, source))
    return matched


def candidates(writer: Type, reader: Union) -> list[int]:
    """The branches of a reader's union in the order in which they are tried."""
    order = list(range(len(reader.branches)))
    name = getattr(writer, "name", None)
    if name is not None:
        order.sort(key=lambda index: getattr(reader.branches[index], "name", None) != name)
    return order


def _of_branches(levels: list[Verdict], least: Verdict) -> Verdict:
    fitting = [level for level in levels if level < Verdict.INCOMPATIBLE]
    if not fitting:
        return Verdict.INCOMPATIBLE
    if len(fitting) < len(levels):
        return Verdict.PARTIAL
    return max(*fitting, least) if fitting else least


def _renamed(writer: Enum | Fixed | Record, reader: Enum | Fixed | Record) -> Verdict:
    return Verdict.SAME if writer.name == reader.name else Verdict.RESOLVABLE


def _enums(writer: Enum, reader: Enum) -> Verdict:
    if not same_name(writer, reader):
        return Verdict.INCOMPATIBLE
    if writer.symbols == reader.symbols:
        return _renamed(writer, reader)
    unknown = set(writer.symbols) - set(reader.symbols)
    if not unknown or reader.default is not None:
        return Verdict.RESOLVABLE
    return Verdict.PARTIAL if len(unknown) < len(writer.symbols) else Verdict.INCOMPATIBLE


def _primitives(writer: Primitive, reader: Primitive) -> Verdict:
    if writer.kind == reader.kind:
        return _logical(writer, reader)
    if reader.kind not in PROMOTIONS.get(writer.kind, ()):
        return Verdict.INCOMPATIBLE
    text = {writer.kind, reader.kind} == {"string", "bytes"}
    if text and (writer.logical or reader.logical):
        return Verdict.INCOMPATIBLE  # a decimal's bytes are no text, nor a UUID's text bytes
    return max(_logical(writer, reader), Verdict.RESOLVABLE)


def _logical(writer: Primitive | Fixed, reader: Primitive | Fixed) -> Verdict:
    if writer.logical == reader.logical:
        return Verdict.SAME
    both = writer.logical is not None and reader.logical is not None
    return Verdict.INCOMPATIBLE if both else Verdict.RESOLVABLE


def _misfit(path: str, writer: Type, reader: Type) -> Change:
    return Change(
        path, "incompatible", f"expected {_described(reader)}, the writer has {_described(writer)}"
    )


def _described(of: Type) -> str:
    if isinstance(of, Enum | Fixed | Record):
        size = f" of {of.size} bytes" if isinstance(of, Fixed) else ""
        return f"the {of.kind} {of.name}{size}"
    return str(of)


def _rename(
    path: str, writer: Enum | Fixed | Record, reader: Enum | Fixed | Record
) -> Iterator[Change]:
    if writer.name != reader.name:
        yield Change(path, "renamed", f"{writer.name} became {reader.name}")


def _field_changes(writer: Record, reader: Record) -> Iterator[Change]:
    name = short(reader.name)
    matched = match_fields(writer, reader)
    used = [source.name for _, source in matched if source is not None]
    for field, source in matched:
        if source is None and field.has_default:
            text = "not sent by the writer; its default is filled in"
            yield Change(f"{name}.{field.name}", "defaulted", text)
        elif source is None:
            text = "not sent by the writer, and it has no default"
            yield Change(f"{name}.{field.name}", "incompatible", text)
        elif source.name != field.name:
            yield Change(f"{name}.{field.name}", "renamed", f"the writer calls it {source.name}")
    for field in writer.fields:
        if field.name not in used:
            yield Change(f"{name}.{field.name}", "dropped", "sent by the writer, and not read")
    if used != [field.name for field in writer.fields if field.name in used]:
        yield Change(name, "reordered", "its fields are in another order")


def _symbol_changes(path: str, writer: Enum, reader: Enum) -> Iterator[Change]:
    unknown = [symbol for symbol in writer.symbols if symbol not in reader.symbols]
    if not unknown:
        if writer.symbols != reader.symbols:
            yield Change(path, "reordered", f"the symbols of {reader} differ, and all are known")
    elif reader.default is not None:
        yield Change(path, "defaulted", f"{', '.join(unknown)} becomes {reader.default}")
    elif len(unknown) < len(writer.symbols):
        text = f"the reader has no {' or '.join(unknown)}: such a value does not arrive"
        yield Change(path, "partial", text)
    else:
        yield Change(path, "incompatible", f"the reader knows no symbol of {writer.name}")
