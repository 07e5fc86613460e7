"""From what fastavro gives to our values: converting logical types, naming branches of unions.

As `encode`, a function of Python source for each codec; most need none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .logical import from_avro
from .plan import MAX_IN_ONE, Plan
from .types import NAMED, Array, Branch, Fixed, Map, Primitive, Record, Type, Union

Convert = Callable[[Any], Any]


class ArrivingFunctions:
    """Functions from datums to values, made as they are needed. What several need is made once.

    They are source in the making, each ``f(v)``: a datum, giving the value.

    Args:
        plan: For all types that functions are asked for.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.lines: list[str] = []
        self.objects: dict[str, Any] = {"Branch": Branch}
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
        """Give the name of the function for a type; its body comes later."""
        if of not in self.functions:
            self.functions[of] = self.new("f")
            self.pending.append((of, self.functions[of]))
        return self.functions[of]

    def function(self, root: Type) -> Convert | None:
        """Make the function from a datum to a value; None where they are the same.

        It raises ValueError or OverflowError for a datum that no Python value can stand for. Dicts
        that fastavro made are changed in place.
        """
        if not self.plan.changes(root):
            return None
        self.lines = []
        name = self.new("f")
        self.lines += [f"def {name}(v):", f" return {self.value(root, 'v')}"]
        while self.pending:
            of, body = self.pending.pop()
            self.lines.append(f"def {body}(v):")
            if isinstance(of, Record):
                for field in of.fields:
                    if self.plan.changes(field.type):
                        at = f"v[{field.name!r}]"
                        self.lines.append(f" {at} = {self.value(field.type, at)}")
            elif isinstance(of, Union):
                self.union(of)
            else:
                self.lines.append(f" v = {self.value(of, 'v')}")
            self.lines.append(" return v")
        exec("\n".join(self.lines), self.objects)  # noqa: S102 - all of it is made in this file
        made: Convert = self.objects[name]
        return made

    def value(self, of: Type, x: str, depth: int = 0) -> str:
        """Write an expression: the value for the datum `x`, in so many comprehensions."""
        if not self.plan.changes(of):
            return x
        match of:
            case Array() | Map() if depth == MAX_IN_ONE:
                return f"{self.name_of(of)}({x})"
            case Array():
                y = self.new("y")
                return f"[{self.value(of.items, y, depth + 1)} for {y} in {x}]"
            case Map():
                k, y = self.new("k"), self.new("y")
                made = self.value(of.values, y, depth + 1)
                return f"{{{k}: {made} for {k}, {y} in {x}.items()}}"
            case Primitive() | Fixed():
                return f"{self.new('c', from_avro(of))}({x})"
        return f"{self.name_of(of)}({x})"

    def union(self, of: Union) -> None:
        add = self.lines.append
        if not self.plan.tags(of):
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
