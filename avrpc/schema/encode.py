"""Encoders: for each codec one function of Python source, which checks a value as it writes it.

fastavro would encode 5.9 as the int 5, and follow a cyclic list until the process dies, so every
value has to be looked at before it. Looking and writing at once, in Python made for the type,
costs less than fastavro's writing alone: 0.6 us for a Tick of {string, double, int, long} against
1.45 us (and 0.15 us for the look); the reason is that most of fastavro's time goes into two sets
of field names per record and a search for what to call. So fastavro only decodes.

The function knows the ordinary forms of values (exactly dict, list, str, ...), and fails with any
exception and no explanation for everything else. The caller then asks `fit`, which explains, or
converts to the ordinary form.

Names in the source are our own; a stranger's text gets into it only as the repr of a str.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from .fit import keys_fit, one_or_null, takes
from .logical import to_avro
from .plan import MAX_IN_ONE
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
)
from .varint import SMALL, SMALL_LIMIT, write_int, write_long

Encode = Callable[[Any], bytearray]


class Misfit(Exception):
    """A value is not of the ordinary form; `fit` will say why, or convert it."""


def _doubles(values: list[float]) -> array[float]:
    made = array("d", values)
    if sys.byteorder == "big":  # pragma: no cover
        made.byteswap()
    return made


# What writes a variable, by kind; {0} is its name. A struct takes an int for a float, and fails
# where the int is too large for one.
_WRITE = {
    "null": ["if {0} is not None: raise Misfit"],
    "boolean": [
        "if {0} is True: o += b'\\1'",
        "elif {0} is False: o += b'\\0'",
        "else: raise Misfit",
    ],
    "int": [
        "if type({0}) is not int: raise Misfit",
        f"o += SMALL[{{0}}] if -{SMALL_LIMIT} <= {{0}} < {SMALL_LIMIT} else write_int({{0}})",
    ],
    "long": [
        "if type({0}) is not int: raise Misfit",
        f"o += SMALL[{{0}}] if -{SMALL_LIMIT} <= {{0}} < {SMALL_LIMIT} else write_long({{0}})",
    ],
    "float": [
        "if type({0}) is not float and type({0}) is not int: raise Misfit",
        "o += pack_float({0})",
    ],
    "double": [
        "if type({0}) is not float and type({0}) is not int: raise Misfit",
        "o += pack_double({0})",
    ],
    "string": [
        "if type({0}) is not str: raise Misfit",
        "{0} = {0}.encode()",
        "n = len({0})",
        f"o += SMALL[n] if n < {SMALL_LIMIT} else write_long(n)",
        "o += {0}",
    ],
    "bytes": [
        "if type({0}) is not bytes: raise Misfit",
        "n = len({0})",
        f"o += SMALL[n] if n < {SMALL_LIMIT} else write_long(n)",
        "o += {0}",
    ],
}
_OBJECTS = {
    "Misfit": Misfit,
    "Branch": Branch,
    "MISSING": object(),
    "SMALL": SMALL,
    "write_int": write_int,
    "write_long": write_long,
    "pack_float": struct.Struct("<f").pack,
    "pack_double": struct.Struct("<d").pack,
    "doubles": _doubles,
    "datetime": datetime,
    "date": date,
    "time": time,
    "Decimal": Decimal,
    "UUID": UUID,
}
# The Python type of the values of a union's branch.
_PYTHON = {
    "boolean": "bool",
    "int": "int",
    "long": "int",
    "float": "float",
    "double": "float",
    "string": "str",
    "enum": "str",
    "bytes": "bytes",
    "fixed": "bytes",
    "array": "list",
    "map": "dict",
    "record": "dict",
    "error": "dict",
}
_LOGICAL_PYTHON = {"decimal": "Decimal", "uuid": "UUID", "date": "date"}


class Encoders:
    """Encoders of one text's types, made as they are needed. What several hold is made once.

    They are functions in the making, each ``f(v, o, d)``: a value, the output, the depth so far.
    """

    def __init__(self) -> None:
        self.objects: dict[str, Any] = dict(_OBJECTS)
        self._lines: list[str] = []
        self._functions: dict[Type, str] = {}
        self._pending: list[tuple[Type, str]] = []
        self._defaults: list[tuple[str, str, Callable[[], Any]]] = []
        self._count = 0

    def encoder(self, root: Type) -> Encode:
        """Make the function from a value to its bytes.

        It raises any `Exception` for a value that does not fit, or is of an unusual form.
        """
        write = self.writer(root)
        self._run()
        put: Callable[[Any, bytearray], None] = self.objects[write]

        def encode(value: Any) -> bytearray:
            made = bytearray()
            put(value, made)
            return made

        return encode

    def _run(self) -> None:
        """Write the bodies of all functions asked for, and run the source."""
        self._lines, self._defaults = [], []
        while self._pending:
            of, name = self._pending.pop()
            self._lines.append(f"def {name}(v, o, d=0):")
            match of:
                case Record():
                    self._record(of)
                case Union():
                    self._union(of)
                case _:
                    self._value(of, "v", " ")
        exec("\n".join(self._lines), self.objects)  # noqa: S102 - all of it is made in this file
        for name, writer, make_default in self._defaults:
            made = bytearray()
            self.objects[writer](make_default(), made)
            self.objects[name] = bytes(made)

    def writer(self, of: Type) -> str:
        """Give the name of the function for a type; its body comes later."""
        if of not in self._functions:
            self._functions[of] = self._new("f")
            self._pending.append((of, self._functions[of]))
        return self._functions[of]

    def _new(self, letter: str, made: object = None) -> str:
        self._count += 1
        name = f"{letter}{self._count}"
        if made is not None:
            self.objects[name] = made
        return name

    def _value(self, of: Type, x: str, pad: str) -> None:
        """Write what checks and writes the variable `x`."""
        add = self._lines.append
        match of:
            case Primitive() | Fixed() if of.logical is not None:
                add(f"{pad}{x} = {self._new('c', to_avro(of))}({x})")
                self._plain(of, x, pad)
            case Primitive() | Fixed():
                self._plain(of, x, pad)
            case Enum():
                symbols = {symbol: write_long(at) for at, symbol in enumerate(of.symbols)}
                add(f"{pad}o += {self._new('s', symbols)}[{x}]")
            case Array() | Map() if len(pad) > 2 * MAX_IN_ONE:
                add(f"{pad}{self.writer(of)}({x}, o, d)")
            case Array():
                self._array(of, x, pad)
            case Map():
                self._map(of, x, pad)
            case Union() if (one := one_or_null(of)) is not None:
                index = of.branches.index(one)
                add(f"{pad}if {x} is None: o += {write_long(1 - index)!r}")
                add(f"{pad}else:")
                add(f"{pad} o += {write_long(index)!r}")
                self._value(one, x, f"{pad} ")
            case Union() | Record():
                add(f"{pad}{self.writer(of)}({x}, o, d)")

    def _plain(self, of: Primitive | Fixed, x: str, pad: str) -> None:
        if isinstance(of, Fixed):
            test = f"if type({x}) is not bytes or len({x}) != {of.size}: raise Misfit"
            self._lines += [f"{pad}{test}", f"{pad}o += {x}"]
        else:
            self._lines += [pad + line.format(x) for line in _WRITE[of.kind]]

    def _array(self, of: Array, x: str, pad: str) -> None:
        add = self._lines.append
        add(f"{pad}if type({x}) is not list and type({x}) is not tuple: raise Misfit")
        add(f"{pad}if {x}:")
        add(f"{pad} o += write_long(len({x}))")
        y = self._new("y")
        add(f"{pad} for {y} in {x}:")
        if of.items.kind == "double":
            add(f"{pad}  if type({y}) is not float and type({y}) is not int: raise Misfit")
            add(f"{pad} o += doubles({x})")
        else:
            self._value(of.items, y, f"{pad}  ")
        add(f"{pad}o += b'\\0'")

    def _map(self, of: Map, x: str, pad: str) -> None:
        add = self._lines.append
        key, y = self._new("k"), self._new("y")
        add(f"{pad}if type({x}) is not dict: raise Misfit")
        add(f"{pad}if {x}:")
        add(f"{pad} o += write_long(len({x}))")
        add(f"{pad} for {key}, {y} in {x}.items():")
        self._value(Primitive("string"), key, f"{pad}  ")
        self._value(of.values, y, f"{pad}  ")
        add(f"{pad}o += b'\\0'")

    def _record(self, of: Record) -> None:
        add = self._lines.append
        if of.recursive:
            add(" d += 1")
            add(f" if d > {MAX_RECURSION}: raise Misfit")
        left_out = any(field.has_default for field in of.fields)
        size = "" if left_out else f" or len(v) != {len(of.fields)}"
        add(f" if type(v) is not dict{size}: raise Misfit")
        if left_out:
            add(f" known = {sum(not field.has_default for field in of.fields)}")
        for field in of.fields:
            if not field.has_default:
                add(f" x = v[{field.name!r}]")
                self._value(field.type, "x", " ")
                continue
            default = self._new("D")
            self._defaults.append((default, self.writer(field.type), field.make_default))
            add(f" x = v.get({field.name!r}, MISSING)")
            add(f" if x is MISSING: o += {default}")
            add(" else:")
            add("  known += 1")
            self._value(field.type, "x", "  ")
        if left_out:
            add(" if len(v) != known: raise Misfit")

    def _union(self, of: Union) -> None:
        """Write the choice of a branch, as `fit.choose` makes it."""
        add = self._lines.append
        by_type: dict[str, list[Type]] = {}
        for branch in of.branches:
            if branch.kind == "null":
                add(" if v is None:")
                self._chosen(of, branch, "  ")
            elif not (of.tagged and isinstance(branch, NAMED)):
                by_type.setdefault(_python_type(branch), []).append(branch)
        by_type.get("float", []).sort(key=lambda branch: branch.kind != "double")
        by_type.get("time", []).sort(key=lambda branch: branch.kind != "long")
        by_type.get("dict", []).sort(key=lambda branch: branch.kind == "map")
        if "float" in by_type:
            by_type.setdefault("int", []).extend(by_type["float"])
        for python_type, candidates in by_type.items():
            add(f" if type(v) is {python_type}:")
            for branch in candidates:
                add(f"  if {self._condition(branch, last=branch is candidates[-1])}:")
                self._chosen(of, branch, "   ")
        named = [branch for branch in of.branches if isinstance(branch, NAMED)]
        if named:
            add(" if type(v) is Branch:")
            add("  name, v = v")
            for branch in named:
                add(f"  if name == {branch.name!r}:")
                self._chosen(of, branch, "   ")
        add(" raise Misfit")

    def _condition(self, of: Type, *, last: bool) -> str:
        """Write what tells a branch from the later ones of the same Python type, on a look."""
        if last:
            return "True"
        if of.logical is not None:
            return f"{self._new('c', partial(takes, of))}(v)"
        match of:
            case Primitive(kind="int"):
                return f"{-1 << 31} <= v < {1 << 31}"
            case Primitive(kind="long"):
                return f"{-1 << 63} <= v < {1 << 63}"
            case Enum():
                return f"v in {self._new('s', frozenset(of.symbols))}"
            case Fixed():
                return f"len(v) == {of.size}"
            case Record():
                return f"{self._new('c', partial(keys_fit, of))}(v)"
        return "True"

    def _chosen(self, of: Union, branch: Type, pad: str) -> None:
        self._lines.append(f"{pad}o += {write_long(of.branches.index(branch))!r}")
        self._value(branch, "v", pad)
        self._lines.append(f"{pad}return")


def _python_type(of: Type) -> str:
    if of.logical is None:
        return _PYTHON[of.kind]
    name = of.logical.name
    return _LOGICAL_PYTHON.get(name) or ("time" if name.startswith("time-") else "datetime")
