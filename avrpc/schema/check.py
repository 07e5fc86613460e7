"""The rules of `fit`, compiled: two functions of Python source for each codec.

`leaving` turns a value into fastavro's datum, or fails with any exception and no explanation; the
caller then asks `fit`. It knows the ordinary forms only (exactly dict, list, str, ...). `arriving`
turns a datum into our value; there is none where the two are the same.

Source text and `exec`, because a value is checked once per item: a Tick of four fields takes
0.25 us this way, and 0.6 us with a closure for each field. Names in the source are our own;
a stranger's text gets into it only as the repr of a str.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from .defaults import MAX_DOUBLE_INT, MAX_FLOAT, MAX_INT, MAX_LONG, MIN_INT, MIN_LONG
from .fit import is_special, keys_fit
from .logical import from_avro, to_avro
from .plan import Plan, Tagged, is_plain
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

Converter = Callable[[Any], Any]

# What a value must not be, by kind; {0} is the variable.
_REFUSED = {
    "null": "{0} is not None",
    "boolean": "{0} is not True and {0} is not False",
    "int": f"type({{0}}) is not int or not {MIN_INT} <= {{0}} <= {MAX_INT}",
    "long": f"type({{0}}) is not int or not {MIN_LONG} <= {{0}} <= {MAX_LONG}",
    "float": f"not ((type({{0}}) is float or type({{0}}) is int) and -{MAX_FLOAT!r} <= {{0}}"
    f" <= {MAX_FLOAT!r} or type({{0}}) is float and is_special({{0}}))",
    "double": "type({0}) is not float and (type({0}) is not int or not -MAX <= {0} <= MAX)",
    "string": "type({0}) is not str",
    "bytes": "type({0}) is not bytes",
}
# The Python type that stands for a type without a logical one, and for one with.
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


class Misfit(Exception):
    """A value is not of the ordinary form; `fit` will say why, or convert it."""


def compile_leaving(root: Type, plan: Plan) -> Converter:
    """Make the function from a value to a datum. It raises any `Exception` for what is unusual."""
    return _Leaving(plan).function(root)


def compile_arriving(root: Type, plan: Plan) -> Converter | None:
    """Make the function from a datum to a value; None where they are the same.

    It raises ValueError or OverflowError for a datum that no Python value can stand for.
    """
    return _Arriving(plan).function(root) if plan.changes_arriving(root) else None


class _Source:
    """Source text in the making, and the objects that it uses."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.lines: list[str] = []
        self.objects: dict[str, Any] = {
            "Misfit": Misfit,
            "Branch": Branch,
            "MAX": MAX_DOUBLE_INT,
            "MISSING": object(),
            "is_special": is_special,
            "datetime": datetime,
            "date": date,
            "time": time,
            "Decimal": Decimal,
            "UUID": UUID,
        }
        self.functions: dict[Type, str] = {}
        self.pending: list[tuple[Type, str]] = []
        self.count = 0

    def new(self, letter: str, made: object = None) -> str:
        self.count += 1
        name = f"{letter}{self.count}"
        if made is not None:
            self.objects[name] = made
        return name

    def name_of(self, of: Type) -> str:
        """Give the name of the function for a record or a union; its body comes later."""
        if of not in self.functions:
            self.functions[of] = self.new("f")
            self.pending.append((of, self.functions[of]))
        return self.functions[of]

    def run(self, name: str) -> Converter:
        exec("\n".join(self.lines), self.objects)  # noqa: S102 - all of it is made in this file
        made: Converter = self.objects[name]
        return made


class _Leaving(_Source):
    def function(self, root: Type) -> Converter:
        if isinstance(root, Record):
            name = self.name_of(root)
        else:
            name = self.new("f")
            self.lines.append(f"def {name}(v, d=0):")
            self.value(root, "v", " ")
            self.lines.append(" return v")
        while self.pending:
            of, body = self.pending.pop()
            self.lines.append(f"def {body}(v, d=0):")
            if isinstance(of, Record):
                self.record(of)
            else:
                assert isinstance(of, Union)
                self.union(of)
        return self.run(name)

    def value(self, of: Type, x: str, pad: str) -> None:
        """Write what checks the variable `x` and makes it the datum."""
        add = self.lines.append
        match of:
            case Primitive() | Fixed() if of.logical is not None:
                add(f"{pad}{x} = {self.new('c', to_avro(of))}({x})")
            case Primitive():
                add(f"{pad}if {_REFUSED[of.kind].format(x)}: raise Misfit")
            case Fixed():
                add(f"{pad}if type({x}) is not bytes or len({x}) != {of.size}: raise Misfit")
            case Enum():
                symbols = self.new("s", frozenset(of.symbols))
                add(f"{pad}if type({x}) is not str or {x} not in {symbols}: raise Misfit")
            case Array() | Map():
                self.container(of, x, pad)
            case Union() if (one := _one_or_null(of, self.plan)) is not None:
                add(f"{pad}if {x} is not None:")
                self.value(one.branch, x, f"{pad} ")
                if not is_plain(of):
                    add(f"{pad} {x} = {one.name!r}, {x}")
            case Union() | Record():
                call = f"{self.name_of(of)}({x}, d)"
                add(f"{pad}{x} = {call}" if self.plan.changes_leaving(of) else f"{pad}{call}")

    def container(self, of: Array | Map, x: str, pad: str) -> None:
        add = self.lines.append
        inner = of.items if isinstance(of, Array) else of.values
        y, made = self.new("y"), self.new("m")
        changes = self.plan.changes_leaving(inner)
        if isinstance(of, Array):
            add(f"{pad}if type({x}) is not list and type({x}) is not tuple: raise Misfit")
            if changes:
                add(f"{pad}{made} = []")
            add(f"{pad}for {y} in {x}:")
        else:
            key = self.new("k")
            add(f"{pad}if type({x}) is not dict: raise Misfit")
            if changes:
                add(f"{pad}{made} = {{}}")
            add(f"{pad}for {key}, {y} in {x}.items():")
            add(f"{pad} if type({key}) is not str: raise Misfit")
        self.value(inner, y, f"{pad} ")
        if changes:
            put = f"{made}.append({y})" if isinstance(of, Array) else f"{made}[{key}] = {y}"
            add(f"{pad} {put}")
            add(f"{pad}{x} = {made}")

    def record(self, of: Record) -> None:
        add = self.lines.append
        if of.recursive:
            add(" d += 1")
            add(f" if d > {MAX_RECURSION}: raise Misfit")
        needed = [field for field in of.fields if not field.has_default]
        optional = [field for field in of.fields if field.has_default]
        changes = self.plan.changes_leaving(of)
        size = "" if optional else f" or len(v) != {len(needed)}"
        add(f" if type(v) is not dict{size}: raise Misfit")
        made = {}
        for field in needed:
            made[field.name] = x = self.new("x")
            add(f" {x} = v[{field.name!r}]")
            self.value(field.type, x, " ")
        if optional:
            add(f" n = {len(needed)}")
        for field in optional:
            made[field.name] = x = self.new("x")
            add(f" {x} = v.get({field.name!r}, MISSING)")
            add(f" if {x} is not MISSING:")
            add("  n += 1")
            self.value(field.type, x, "  ")
        if optional:
            add(" if len(v) != n: raise Misfit")
        if not changes:
            add(" return v")
            return
        items = ", ".join(f"{field.name!r}: {made[field.name]}" for field in needed)
        add(f" m = {{{items}}}")
        for field in optional:
            add(f" if {made[field.name]} is not MISSING: m[{field.name!r}] = {made[field.name]}")
        add(" return m")

    def union(self, of: Union) -> None:
        """Write the choice of a branch, as `fit.choose` makes it."""
        add = self.lines.append
        by_type: dict[str, list[Tagged]] = {}
        named = []
        for one in self.plan.branches(of):
            if one.branch.kind == "null":
                add(f" if v is None: return {None if is_plain(of) else ('null', None)}")
            elif of.tagged and isinstance(one.branch, NAMED):
                named.append(one)
            else:
                by_type.setdefault(_python_type(one.branch), []).append(one)
        by_type.get("float", []).sort(key=lambda one: one.branch.kind != "double")
        by_type.get("dict", []).sort(key=lambda one: one.branch.kind == "map")
        if "float" in by_type:
            by_type.setdefault("int", []).extend(by_type["float"])
        for python_type, candidates in by_type.items():
            add(f" if type(v) is {python_type}:")
            for one in candidates:
                add(f"  if {self.condition(one.branch, last=one is candidates[-1])}:")
                self.chosen(of, one)
        if named:
            add(" if type(v) is Branch:")
            add("  b, v = v")
            for one in named:
                assert isinstance(one.branch, NAMED)
                add(f"  if b == {one.branch.name!r}:")
                self.chosen(of, one)
        add(" raise Misfit")

    def condition(self, of: Type, *, last: bool) -> str:
        """Write what tells a branch from others of the same Python type, on a look."""
        if last or of.logical is not None:
            return "True"
        match of:
            case Primitive(kind="int"):
                return f"{MIN_INT} <= v <= {MAX_INT}"
            case Primitive(kind="long"):
                return f"{MIN_LONG} <= v <= {MAX_LONG}"
            case Enum():
                return f"v in {self.new('s', frozenset(of.symbols))}"
            case Fixed():
                return f"len(v) == {of.size}"
            case Record():
                return f"{self.new('c', partial(keys_fit, of))}(v)"
        return "True"

    def chosen(self, of: Union, one: Tagged) -> None:
        self.value(one.branch, "v", "   ")
        datum = "{'v': v}" if one.wrapped else "v"
        self.lines.append(f"   return {'v' if is_plain(of) else f'({one.name!r}, {datum})'}")


class _Arriving(_Source):
    def function(self, root: Type) -> Converter:
        name = self.new("f")
        self.lines += [f"def {name}(v):", f" return {self.value(root, 'v')}"]
        while self.pending:
            of, body = self.pending.pop()
            self.lines.append(f"def {body}(v):")
            if isinstance(of, Record):
                for field in of.fields:
                    if self.plan.changes_arriving(field.type):
                        at = f"v[{field.name!r}]"
                        self.lines.append(f" {at} = {self.value(field.type, at)}")
            else:
                assert isinstance(of, Union)
                self.union(of)
            self.lines.append(" return v")
        return self.run(name)

    def value(self, of: Type, x: str) -> str:
        """Write an expression: the value for the datum `x`."""
        if not self.plan.changes_arriving(of):
            return x
        match of:
            case Array():
                y = self.new("y")
                return f"[{self.value(of.items, y)} for {y} in {x}]"
            case Map():
                k, y = self.new("k"), self.new("y")
                return f"{{{k}: {self.value(of.values, y)} for {k}, {y} in {x}.items()}}"
            case Primitive() | Fixed():
                return f"{self.new('c', from_avro(of))}({x})"
        return f"{self.name_of(of)}({x})"

    def union(self, of: Union) -> None:
        add = self.lines.append
        if not self.plan.tags_arriving(of):
            one = next(one for one in of.branches if one.kind != "null")
            add(f" if v is not None: return {self.value(one, 'v')}")
            return
        add(" if type(v) is tuple:")
        add("  b, v = v")
        for branch, name, wrapped in self.plan.branches(of):
            made = self.value(branch, "v['v']" if wrapped else "v")
            if isinstance(branch, NAMED) and of.tagged:
                made = f"Branch({branch.name!r}, {made})"
            if branch.kind != "null":
                add(f"  if b == {name!r}: return {made}")


def _one_or_null(of: Union, plan: Plan) -> Tagged | None:
    """Give the other branch of a union of null and one more."""
    some = [one for one in plan.branches(of) if one.branch.kind != "null"]
    return some[0] if len(some) == 1 < len(of.branches) else None


_LOGICAL_PYTHON = {"decimal": "Decimal", "uuid": "UUID", "date": "date"}


def _python_type(of: Type) -> str:
    if of.logical is None:
        return _PYTHON[of.kind]
    name = of.logical.name
    return _LOGICAL_PYTHON.get(name) or ("time" if name.startswith("time-") else "datetime")
