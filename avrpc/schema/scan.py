"""Walking over encoded bytes without making values: for what fastavro can't be trusted to survive.

fastavro follows nesting with C calls; some 4,600 bytes of it end the process. So the bytes of a
recursive type are walked first, and nesting beyond 64 is refused. So are bytes of any type that are
many for what a byte of it can make (`gate.weigh`), and more than 250,000 nodes are refused, at the
number that announces them. For any type, the walk also tells where bytes are wrong, after fastavro
failed on them.

Where the value is another version's, what the reader adds to it is counted with it (`added`).

The walk is made of closures, one for each type and what it is read as: (bytes, position, walk so
far) to the position after it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from .added import Added
from .fit import At
from .gate import MAX_NODES, nodes_of, tag_nodes
from .logical import from_avro
from .types import (
    MAX_RECURSION,
    Array,
    Enum,
    Fixed,
    Map,
    Primitive,
    Record,
    Type,
    Union,
    components,
    direct_records,
    held_records,
    records_in,
)
from .varint import read_long


class _Walk:
    """One walk: how deep it is in recursive records, and how many nodes may still come."""

    __slots__ = ("depth", "nodes_left")

    def __init__(self) -> None:
        self.depth = 0
        self.nodes_left = MAX_NODES

    def count(self, nodes: int) -> None:
        self.nodes_left -= nodes
        if self.nodes_left < 0:
            raise _Wrong(
                f"more than {MAX_NODES} values in one message; stream them, or send them as bytes"
            )


Step = Callable[[bytes, int, _Walk], int]


class _Wrong(Exception):
    """What is wrong; the steps that it passes on its way up append where, innermost first."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        self.where: list[Callable[[At], At]] = []


class Reading(NamedTuple):
    """What values of another version's are read as, and what that adds to them."""

    reader: Type
    added: Added


def compile_scan(
    of: Type, at: At, reading: Reading | None = None, *, prefix: bool = False
) -> Callable[[bytes, int], int]:
    """Make a function that walks over bytes that should hold a number of values of the type.

    The function gives the position after them. It raises `InvalidValue` for bytes that end early,
    or are no such values; and for bytes that go on, unless `prefix`.
    """
    step, nodes = _compile(of, reading)

    def scan(data: bytes, count: int) -> int:
        position = 0
        walk = _Walk()
        try:
            walk.count(count * nodes)
            for _ in range(count):
                position = step(data, position, walk)
        except _Wrong as wrong:
            place = at
            for inward in reversed(wrong.where):
                place = inward(place)
            raise place.wrong(wrong.problem) from None
        except RecursionError as exc:
            raise at.wrong("nested too deeply") from exc
        if position != len(data) and not prefix:
            left = len(data) - position
            raise at.wrong(f"the value ends {left} byte{'s' * (left > 1)} before its bytes do")
        return position

    return scan


def compile_portion(of: Type, reading: Reading) -> Callable[[bytes, int], tuple[int, int]]:
    """Make a function that tells how many of some items may be made at once.

    It gives how many bytes they take, and how many they are: all of them, where the rest is for
    decoding to refuse. A frame that holds more than the reader adds to its items is no fault of
    whoever sent it.
    """
    step, nodes = _compile(of, reading)

    def portion(data: bytes, count: int) -> tuple[int, int]:
        position = 0
        walk = _Walk()
        for done in range(count):
            try:
                walk.count(nodes)
                after = step(data, position, walk)
            except (_Wrong, RecursionError):
                return (position, done) if done and walk.nodes_left < 0 else (len(data), count)
            position = after
        return len(data), count

    return portion


def _compile(of: Type, reading: Reading | None) -> tuple[Step, int]:
    """Make the step over a value, and count its nodes, but for those that the step counts."""
    reader, added = reading or (None, None)
    compiler = _Compiler(of, added)
    step = compiler.step(of, reader)
    compiler.fill_records()
    return step, compiler.nodes(of, reader)


def _end(data: bytes, position: int) -> int:
    if position > len(data):
        raise _Wrong(f"ends {position - len(data)} bytes too early")
    return position


def _boolean(data: bytes, position: int, walk: _Walk) -> int:  # noqa: ARG001 - all steps are alike
    if _end(data, position + 1) and data[position] > 1:
        raise _Wrong(f"a boolean that is {data[position]}")
    return position + 1


def _int(data: bytes, position: int, walk: _Walk) -> int:  # noqa: ARG001
    number, position = _length(data, position)
    if not -1 << 31 <= number < 1 << 31:
        raise _Wrong("an int of more than 32 bits")
    return position


def _long(data: bytes, position: int, walk: _Walk) -> int:  # noqa: ARG001
    return _length(data, position)[1]


def _length(data: bytes, position: int) -> tuple[int, int]:
    if position < len(data):
        byte = data[position]
        if byte < 128:
            return (byte >> 1) ^ -(byte & 1), position + 1
    try:
        return read_long(data, position)
    except ValueError as exc:
        raise _Wrong(str(exc)) from None


def _bytes(data: bytes, position: int, walk: _Walk) -> int:  # noqa: ARG001
    length, position = _length(data, position)
    if length < 0:
        raise _Wrong("has a negative length")
    return _end(data, position + length)


def _string(data: bytes, position: int, walk: _Walk) -> int:
    end = _bytes(data, position, walk)
    length, start = read_long(data, position)
    try:
        data[start : start + length].decode()
    except UnicodeDecodeError:
        raise _Wrong("is not UTF-8") from None
    return end


def _of_size(size: int) -> Step:
    return lambda data, position, walk: _end(data, position + size)  # noqa: ARG005


_PRIMITIVE: dict[str, Step] = {
    "null": _of_size(0),
    "boolean": _boolean,
    "int": _int,
    "long": _long,
    "float": _of_size(4),
    "double": _of_size(8),
    "bytes": _bytes,
    "string": _string,
}


class _Compiler:
    """Makes steps. Each type comes with what it is read as: None if it is dropped, or stays."""

    def __init__(self, root: Type, added: Added | None) -> None:
        self._added = added
        self._records: dict[tuple[Record, Type | None], Step] = {}
        self._empty: list[tuple[Record, Type | None, list[tuple[str, Step]]]] = []
        self._nodes: dict[tuple[Record, Type | None], int] = {}
        held = [
            one for group in components(records_in(root), held_records) for one in group.records
        ]
        for group in components(held, direct_records):  # what is held directly comes first
            for record in group.records:
                for reader in (None, *(added.readers.get(record, ()) if added else ())):
                    self._count(record, reader)

    def _count(self, of: Record, reader: Type | None) -> None:
        nodes = 1 + (self._added.of(of, reader) if self._added else 0)
        targets = self._fields(of, reader)
        for field in of.fields:
            nodes += self.nodes(field.type, targets.get(field.name))
        self._nodes[of, reader] = nodes

    def nodes(self, of: Type, reader: Type | None) -> int:
        """Count the nodes of a value, but for those that a walk meets: items, entries, branches."""
        added = self._added.of(of, reader) if self._added else 0
        match of:
            case Primitive() | Fixed():
                return nodes_of(of) + added
            case Record():
                known = self._nodes.get((of, reader))
                return self._nodes[of, None] if known is None else known
        return added if isinstance(of, Union) else 1 + added

    def step(self, of: Type, reader: Type | None) -> Step:
        if self._added is not None:
            reader = self._added.read_as(of, reader)
        match of:
            case Primitive() | Fixed():
                plain = _of_size(of.size) if isinstance(of, Fixed) else _PRIMITIVE[of.kind]
                return plain if of.logical is None else _logical(of, plain)
            case Enum():
                return _enum(of)
            case Array():
                items = reader.items if isinstance(reader, Array) else None
                step, nodes = self.step(of.items, items), self.nodes(of.items, items)
                return _blocks(step, nodes, many=_many(of.items))
            case Map():
                values = reader.values if isinstance(reader, Map) else None
                nodes = 1 + self.nodes(of.values, values)
                return _blocks(self.step(of.values, values), nodes, _string)
            case Union():
                return _union([self._branch(of, reader, branch) for branch in of.branches])
        return self._record(of, reader)

    def _branch(self, of: Union, reader: Type | None, branch: Type) -> tuple[Step, int]:
        nodes, target = tag_nodes(of), None
        if self._added is not None:
            target = self._added.branches(of, reader).get(branch)
            nodes += self._added.tag(of, reader, target)
        return self.step(branch, target), nodes + self.nodes(branch, target)

    def _fields(self, of: Record, reader: Type | None) -> dict[str, Type]:
        return self._added.fields(of, reader) if self._added else {}

    def _record(self, of: Record, reader: Type | None) -> Step:
        if (of, reader) in self._records:
            return self._records[of, reader]
        steps: list[tuple[str, Step]] = []
        recursive = of.recursive

        def step_over(data: bytes, position: int, walk: _Walk) -> int:
            if recursive:
                walk.depth += 1
                if walk.depth > MAX_RECURSION:
                    raise _Wrong(f"more than {MAX_RECURSION} values of type {of} in each other")
            name = ""
            try:
                for name, step in steps:  # noqa: B007 - the name is for the error
                    position = step(data, position, walk)
            except _Wrong as wrong:
                wrong.where.append(lambda at: at.into(of).field(name))
                raise
            if recursive:
                walk.depth -= 1
            return position

        self._records[of, reader] = step_over
        self._empty.append((of, reader, steps))
        return step_over

    def fill_records(self) -> None:
        while self._empty:
            record, reader, steps = self._empty.pop()
            targets = self._fields(record, reader)
            for field in record.fields:
                if field.type.kind != "null":
                    steps.append((field.name, self.step(field.type, targets.get(field.name))))


def _enum(of: Enum) -> Step:
    def step(data: bytes, position: int, walk: _Walk) -> int:  # noqa: ARG001
        index, position = _length(data, position)
        if not 0 <= index < len(of.symbols):
            raise _Wrong(f"{of} has no symbol number {index}")
        return position

    return step


def _logical(of: Primitive | Fixed, plain: Step) -> Step:
    """Also say where a value is that fits its type, but not what the type stands for."""
    convert = from_avro(of)

    def step(data: bytes, position: int, walk: _Walk) -> int:
        end = plain(data, position, walk)
        raw: object
        if of.kind in ("int", "long"):
            raw = read_long(data, position)[0]
        else:
            start = position if of.kind == "fixed" else read_long(data, position)[1]
            part = data[start:end]
            raw = part.decode() if of.kind == "string" else part
        try:
            convert(raw)
        except (ValueError, OverflowError) as exc:
            raise _Wrong(str(exc)) from None
        return end

    return step


def _union(branches: list[tuple[Step, int]]) -> Step:
    def step(data: bytes, position: int, walk: _Walk) -> int:
        index, position = _length(data, position)
        if not 0 <= index < len(branches):
            raise _Wrong(f"no branch number {index}")
        branch, nodes = branches[index]
        walk.count(nodes)
        return branch(data, position, walk)

    return step


def _item(index: int, at: At) -> At:
    return at.index(index)


def _numbers(data: bytes, position: int, count: int, sure: int) -> int:
    """Walk over numbers; give the position after them, or -1 if one may be wrong.

    A number of at most ``sure`` bytes is right.
    """
    try:
        for _ in range(count):
            if data[position] < 128:
                position += 1
            else:
                begin = position
                while data[position] > 127:
                    position += 1
                position += 1
                if position - begin > sure:
                    return -1
    except IndexError:
        return -1
    return position


def _many(of: Type) -> Callable[[bytes, int, int], int] | None:
    """Make a walk over many values of a type at once, where there is a quick one.

    It gives -1 where one of them may be wrong, and has to be looked at by itself.
    """
    if of.logical is not None:
        return None
    if of.kind in {"int", "long"}:
        return partial(_numbers, sure=4 if of.kind == "int" else 9)
    size = of.size if isinstance(of, Fixed) else {"float": 4, "double": 8}.get(of.kind)
    if size is None:
        return None

    def walk(data: bytes, position: int, count: int) -> int:
        end = position + count * size
        return end if end <= len(data) else -1

    return walk


def _blocks(
    item: Step,
    nodes: int,
    key: Step | None = None,
    many: Callable[[bytes, int, int], int] | None = None,
) -> Step:
    def step(data: bytes, position: int, walk: _Walk) -> int:
        done = 0
        while True:
            count, position = _length(data, position)
            if count == 0:
                return position
            if count < 0:
                count = -count
                _, position = _length(data, position)  # the block's size, which nobody needs
            walk.count(count * nodes)
            end = many(data, position, count) if many is not None else -1
            if end >= 0:
                position = end
                done += count
                continue
            try:
                for _ in range(count):
                    if key is not None:
                        position = key(data, position, walk)
                    position = item(data, position, walk)
                    done += 1
            except _Wrong as wrong:
                wrong.where.append(partial(_item, done))
                raise

    return step
