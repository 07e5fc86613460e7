"""Walking over encoded bytes without making values: for what fastavro can't be trusted to survive.

fastavro follows nesting with C calls; some 4,600 bytes of it end the process. So the bytes of a
recursive type are walked first, and nesting beyond 64 is refused. For any type, the walk also tells
where bytes are wrong, after fastavro failed on them.

The walk is made of closures, one for each type: (bytes, position, depth) to the position after it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from .fit import At
from .types import MAX_RECURSION, Array, Enum, Fixed, Map, Record, Type, Union
from .varint import read_long

Step = Callable[[bytes, int, int], int]


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
    compiler = _Compiler()
    step = compiler.step(of)
    compiler.fill_records()

    def scan(data: bytes, count: int) -> int:
        position = 0
        try:
            for _ in range(count):
                position = step(data, position, 0)
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


def _long(data: bytes, position: int, depth: int) -> int:  # noqa: ARG001 - all steps are alike
    try:
        while data[position] > 127:
            position += 1
    except IndexError:
        raise _Wrong("ends in the middle of a number") from None
    return position + 1


def _length(data: bytes, position: int) -> tuple[int, int]:
    try:
        return read_long(data, position)
    except ValueError as exc:
        raise _Wrong(str(exc)) from None


def _bytes(data: bytes, position: int, depth: int) -> int:  # noqa: ARG001
    length, position = _length(data, position)
    if length < 0:
        raise _Wrong("has a negative length")
    return _end(data, position + length)


def _string(data: bytes, position: int, depth: int) -> int:
    end = _bytes(data, position, depth)
    length, start = read_long(data, position)
    try:
        data[start : start + length].decode()
    except UnicodeDecodeError:
        raise _Wrong("is not UTF-8") from None
    return end


def _of_size(size: int) -> Step:
    return lambda data, position, depth: _end(data, position + size)  # noqa: ARG005


_PRIMITIVE: dict[str, Step] = {
    "null": _of_size(0),
    "boolean": _of_size(1),
    "int": _long,
    "long": _long,
    "float": _of_size(4),
    "double": _of_size(8),
    "bytes": _bytes,
    "string": _string,
}


class _Compiler:
    def __init__(self) -> None:
        self._records: dict[Record, Step] = {}
        self._empty: list[tuple[Record, list[tuple[str, Step]]]] = []

    def step(self, of: Type) -> Step:
        match of:
            case Fixed():
                return _of_size(of.size)
            case Enum():
                return _enum(of)
            case Array():
                return _blocks(self.step(of.items), None)
            case Map():
                return _blocks(self.step(of.values), _string)
            case Union():
                return _union([self.step(branch) for branch in of.branches])
            case Record():
                return self._record(of)
        return _PRIMITIVE[of.kind]

    def _record(self, of: Record) -> Step:
        if of in self._records:
            return self._records[of]
        steps: list[tuple[str, Step]] = []
        recursive = of.recursive

        def walk(data: bytes, position: int, depth: int) -> int:
            if recursive:
                depth += 1
                if depth > MAX_RECURSION:
                    raise _Wrong(f"more than {MAX_RECURSION} values of type {of} in each other")
            name = ""
            try:
                for name, step in steps:  # noqa: B007 - the name is for the error
                    position = step(data, position, depth)
            except _Wrong as wrong:
                wrong.where.append(lambda at: at.into(of).field(name))
                raise
            return position

        self._records[of] = walk
        self._empty.append((of, steps))
        return walk

    def fill_records(self) -> None:
        while self._empty:
            record, steps = self._empty.pop()
            for field in record.fields:
                steps.append((field.name, self.step(field.type)))


def _enum(of: Enum) -> Step:
    def walk(data: bytes, position: int, depth: int) -> int:  # noqa: ARG001
        index, position = _length(data, position)
        if not 0 <= index < len(of.symbols):
            raise _Wrong(f"{of} has no symbol number {index}")
        return position

    return walk


def _union(steps: list[Step]) -> Step:
    def walk(data: bytes, position: int, depth: int) -> int:
        index, position = _length(data, position)
        if not 0 <= index < len(steps):
            raise _Wrong(f"no branch number {index}")
        return steps[index](data, position, depth)

    return walk


def _item(index: int, at: At) -> At:
    return at.index(index)


def _blocks(step: Step, key: Step | None) -> Step:
    def walk(data: bytes, position: int, depth: int) -> int:
        done = 0
        while True:
            count, position = _length(data, position)
            if count == 0:
                return position
            if count < 0:
                count = -count
                _, position = _length(data, position)  # the block's size, which nobody needs
            try:
                for _ in range(count):
                    if key is not None:
                        position = key(data, position, depth)
                    position = step(data, position, depth)
                    done += 1
            except _Wrong as wrong:
                wrong.where.append(partial(_item, done))
                raise

    return walk
