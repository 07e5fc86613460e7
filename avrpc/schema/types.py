"""Our model of an Avro type, and what follows from its shape alone.

`parse` makes these from JSON; everything else works on them. Nothing that a peer wrote goes any
further than this model: what fastavro gets is made from it anew (`fast`), so a key that means
something to fastavro alone cannot pass.

Named types are made empty and filled afterwards, since they may contain themselves. From then on
nobody changes them.

A type tells which records a value of it may hold, not looking into those (`records`), and how many
levels deep it is down to them, itself included (`levels`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn

PRIMITIVES = frozenset(("null", "boolean", "int", "long", "float", "double", "bytes", "string"))
NAMED_KINDS = ("record", "error", "enum", "fixed")  # no set: what is looked up may be a list


class Branch(NamedTuple):
    """A value of a union that has several named types, with the name of the one meant.

    One sends it and receives it, for records, errors, enums and fixed alike; the union's other
    branches (null, numbers, text, arrays, maps) stay plain values.
    """

    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class Logical:
    """A logical type that we know, and that is valid where it stands. Others are left out."""

    name: str
    precision: int = 0
    scale: int = 0

    def __str__(self) -> str:
        return f"decimal({self.precision}, {self.scale})" if self.precision else self.name


@dataclass(eq=False, slots=True)
class Primitive:
    """One of Avro's eight."""

    kind: str
    logical: Logical | None = None

    records = ()
    levels = 1

    def __str__(self) -> str:
        return f"{self.kind} ({self.logical})" if self.logical else self.kind


@dataclass(eq=False, slots=True)
class Array:
    items: Type
    records: tuple[Record, ...] = field(init=False, repr=False)
    levels: int = field(init=False, repr=False)

    kind = "array"
    logical = None

    def __post_init__(self) -> None:
        self.records, self.levels = _inside(self.items)

    def __str__(self) -> str:
        return f"array<{self.items}>"


@dataclass(eq=False, slots=True)
class Map:
    values: Type
    records: tuple[Record, ...] = field(init=False, repr=False)
    levels: int = field(init=False, repr=False)

    kind = "map"
    logical = None

    def __post_init__(self) -> None:
        self.records, self.levels = _inside(self.values)

    def __str__(self) -> str:
        return f"map<{self.values}>"


@dataclass(eq=False, slots=True)
class Union:
    """One of several types.

    Attributes:
        tagged: Whether its named types travel through Python as `Branch`: it has several of them.
    """

    branches: tuple[Type, ...]
    tagged: bool = field(init=False, repr=False)
    records: tuple[Record, ...] = field(init=False, repr=False)
    levels: int = field(init=False, repr=False)

    kind = "union"
    logical = None

    def __post_init__(self) -> None:
        found = [branch for branch in self.branches if isinstance(branch, Record)]
        self.levels, named = 1, len(found)
        if named < len(self.branches):
            for branch in self.branches:
                if not isinstance(branch, Record):
                    named += isinstance(branch, NAMED)
                    found += branch.records
                    self.levels = max(self.levels, 1 + branch.levels)
        self.records, self.tagged = tuple(found), named > 1

    def __str__(self) -> str:
        return f"union {{{', '.join(map(str, self.branches))}}}"


@dataclass(eq=False, slots=True)
class Enum:
    name: str
    doc: str = ""
    aliases: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    default: str | None = None

    kind = "enum"
    logical = None
    records = ()
    levels = 1

    def __str__(self) -> str:
        return short(self.name)


@dataclass(eq=False, slots=True)
class Fixed:
    name: str
    doc: str = ""
    aliases: tuple[str, ...] = ()
    size: int = 0
    logical: Logical | None = None

    kind = "fixed"
    records = ()
    levels = 1

    def __str__(self) -> str:
        return f"{short(self.name)} ({self.logical})" if self.logical else short(self.name)


def _no_default() -> NoReturn:
    raise LookupError("this field has no default")


@dataclass(eq=False, slots=True)
class Field:
    """A field of a record, or a parameter of a message.

    Attributes:
        default_json: The default as the text has it, if `has_default`.
        make_default: Makes the default as a Python value, a new one each time.
    """

    name: str
    type: Type
    doc: str = ""
    aliases: tuple[str, ...] = ()
    has_default: bool = False
    default_json: Any = None
    make_default: Callable[[], Any] = _no_default


@dataclass(eq=False, slots=True)
class Record:
    """A record, an error, or (with a message's name) the parameters of a message.

    Attributes:
        recursive: Whether a value of it may hold another value of it, at any depth.
    """

    name: str
    kind: str = "record"
    doc: str = ""
    aliases: tuple[str, ...] = ()
    fields: tuple[Field, ...] = ()
    recursive: bool = field(default=False)

    logical = None

    def __str__(self) -> str:
        return short(self.name)


Type = Primitive | Array | Map | Union | Enum | Fixed | Record
Named = Enum | Fixed | Record
NAMED = (Enum, Fixed, Record)


def short(name: str) -> str:
    """Give the last part of a full name."""
    return name.rpartition(".")[2]


def parts(of: Type) -> Iterable[Type]:
    """Give the types that `of` is made of, one level down."""
    match of:
        case Array():
            return (of.items,)
        case Map():
            return (of.values,)
        case Union():
            return of.branches
        case Record():
            return tuple(field.type for field in of.fields)
    return ()


def _inside(of: Type) -> tuple[tuple[Record, ...], int]:
    """Give the `records` and `levels` of what holds a type."""
    return ((of,), 1) if isinstance(of, Record) else (of.records, 1 + of.levels)


def records_in(of: Type) -> tuple[Record, ...]:
    """Give the records that a value of the type may hold, or that it is, not looking into them."""
    return (of,) if isinstance(of, Record) else of.records


def held_records(record: Record) -> list[Record]:
    """Give the records that a value of `record` may hold, not looking into those."""
    found: list[Record] = []
    for one in record.fields:
        if isinstance(one.type, Record):
            found.append(one.type)
        elif one.type.records:
            found += one.type.records
    return found


def direct_records(record: Record) -> list[Record]:
    """Give the records that *every* value of `record` holds: no array, map or union between."""
    return [field.type for field in record.fields if isinstance(field.type, Record)]


def is_recursive(of: Type) -> bool:
    """Tell whether a value of the type may hold recursive records, at any depth."""
    groups = components(records_in(of), held_records)
    return any(group.records[0].recursive for group in groups)


class Group(NamedTuple):
    """Records that reach each other.

    Attributes:
        records: The records.
        cyclic: Whether any of them reaches itself.
        next: What they reach in one step.
    """

    records: list[Record]
    cyclic: bool
    next: set[Record]


def components(roots: Iterable[Record], next_to: Callable[[Record], list[Record]]) -> list[Group]:
    """Group records that reach each other, and order the groups: what is reached comes first.

    Tarjan's algorithm with its own stack, since a stranger's text may chain more records than
    Python may nest calls.
    """
    order: dict[Record, int] = {}
    low: dict[Record, int] = {}
    reached: dict[Record, list[Record]] = {}
    open_records: list[Record] = []
    is_open: set[Record] = set()
    found: list[Group] = []
    work: list[tuple[Record, Iterator[Record]]] = []

    def enter(record: Record) -> None:
        order[record] = low[record] = len(order)
        open_records.append(record)
        is_open.add(record)
        reached[record] = next_to(record)
        work.append((record, iter(reached[record])))

    for root in roots:
        if root not in order:
            enter(root)
        while work:
            record, rest = work[-1]
            for other in rest:
                if other not in order:
                    enter(other)
                    break
            else:
                work.pop()
                back = [order[other] for other in reached[record] if other in is_open]
                low[record] = min([low[record], *back])
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[record])
                if low[record] == order[record]:
                    group = [open_records.pop()]
                    while group[-1] is not record:
                        group.append(open_records.pop())
                    is_open.difference_update(group)
                    out = {other for one in group for other in reached[one]}
                    found.append(Group(group, len(group) > 1 or record in out, out))
    return found


def mark_recursive(groups: Iterable[Group]) -> None:
    """Set `Record.recursive`, given the groups of records that hold each other."""
    for group in groups:
        for record in group.records:
            record.recursive = group.cyclic


MAX_RECURSION = 64  # values of recursive records inside each other; PROTOCOL.md promises it
MAX_DEPTH = 1500  # levels of any kind; fastavro ends the process at some 3,000


def nesting(of: Type) -> int:
    """Count the levels of a type down to its records, itself included."""
    if isinstance(of, Record):
        return 1 + max((_inside(field.type)[1] - 1 for field in of.fields), default=0)
    return of.levels


def too_deep(groups: Iterable[Group]) -> Record | None:
    """Give a record of which a value may nest more than `MAX_DEPTH` levels, if there is one.

    Args:
        groups: The groups of records that hold each other, those that are held first.
    """
    deepest: dict[Record, int] = {}
    for group in groups:
        types = {field.type for record in group.records for field in record.fields}
        own = 1 + max(map(nesting, types), default=0)
        if group.cyclic:
            own *= MAX_RECURSION
        own += max([deepest.get(held, 0) for held in group.next], default=0)
        if own > MAX_DEPTH:
            return group.records[0]
        deepest.update(dict.fromkeys(group.records, own))
    return None
