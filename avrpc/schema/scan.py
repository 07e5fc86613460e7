"""Walking over encoded bytes without making values: for what fastavro can't be trusted to survive.

fastavro follows nesting with C calls; some 4,600 bytes of it end the process. So the bytes of a
recursive type are walked first, and nesting beyond 64 is refused. So are bytes of any type that are
many for what a byte of it can make (`gate.weigh`), and more than 250,000 nodes are refused, at the
number that announces them. For any type, the walk also tells where bytes are wrong, after fastavro
failed on them.

The walk is made of closures, one for each type: (bytes, position, walk so far) to the position
after it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

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


def compile_scan(of: Type, at: At, *, prefix: bool = False) -> Callable[[bytes, int], int]:
    """Make a function that walks over bytes that should hold a number of values of the type.

    The function gives the position after them. It raises `InvalidValue` for bytes that end early,
    or are no such values; and for bytes that go on, unless `prefix`.
    """
    compiler = _Compiler(of)
    step = compiler.step(of)
    compiler.fill_records()
    nodes = compiler.nodes(of)

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
    def __init__(self, root: Type) -> None:
        self._records: dict[Record, Step] = {}
        self._empty: list[tuple[Record, list[tuple[str, Step]]]] = []
        self._nodes: dict[Record, int] = {}
        held = [
            one for group in components(records_in(root), held_records) for one in group.records
        ]
        for group in components(held, direct_records):  # what is held directly comes first
            for record in group.records:
                fields = sum(self.nodes(field.type) for field in record.fields)
                self._nodes[record] = 1 + fields

    def nodes(self, of: Type) -> int:
        """Count the nodes of a value, but for those that a walk meets: items, entries, branches."""
        match of:
            case Primitive() | Fixed():
                return nodes_of(of)
            case Record():
                return self._nodes[of]
        return 0 if isinstance(of, Union) else 1

    def step(self, of: Type) -> Step:
        match of:
            case Primitive() | Fixed():
                plain = _of_size(of.size) if isinstance(of, Fixed) else _PRIMITIVE[of.kind]
                return plain if of.logical is None else _logical(of, plain)
            case Enum():
                return _enum(of)
            case Array():
                return _blocks(self.step(of.items), self.nodes(of.items), None)
            case Map():
                return _blocks(self.step(of.values), 1 + self.nodes(of.values), _string)
            case Union():
                tag = tag_nodes(of)
                return _union([(self.step(one), tag + self.nodes(one)) for one in of.branches])
        return self._record(of)

    def _record(self, of: Record) -> Step:
        if of in self._records:
            return self._records[of]
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

        self._records[of] = step_over
        self._empty.append((of, steps))
        return step_over

    def fill_records(self) -> None:
        while self._empty:
            record, steps = self._empty.pop()
            for field in record.fields:
                steps.append((field.name, self.step(field.type)))


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


def _blocks(item: Step, nodes: int, key: Step | None) -> Step:
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
