"""Types without a name, each made once for a text.

What is alike is then the same object: the union of null and int that stands in a thousand fields is
looked into, compared and compiled once.
"""

from __future__ import annotations

from .types import PRIMITIVES, Array, Logical, Map, Primitive, Type, Union

# These are the same for all texts, so that a pair of them is settled before it is met.
PLAIN = {kind: Primitive(kind) for kind in PRIMITIVES}


class Shapes:
    """The types without a name of one text, or of one folder of files."""

    def __init__(self) -> None:
        self._known: dict[object, Type] = {}

    def primitive(self, kind: str, logical: Logical | None) -> Type:
        """Give a primitive type, or a logical type of one."""
        if logical is None:
            return PLAIN[kind]
        key = kind, logical
        return self._known.get(key) or self._known.setdefault(key, Primitive(kind, logical))

    def array(self, items: Type) -> Array:
        """Give an array of a type."""
        key = Array, items
        made = self._known.get(key) or self._known.setdefault(key, Array(items))
        assert isinstance(made, Array)
        return made

    def map(self, values: Type) -> Map:
        """Give a map of a type."""
        key = Map, values
        made = self._known.get(key) or self._known.setdefault(key, Map(values))
        assert isinstance(made, Map)
        return made

    def union(self, branches: tuple[Type, ...]) -> Union:
        """Give a union of types, in this order."""
        made = self._known.get(branches) or self._known.setdefault(branches, Union(branches))
        assert isinstance(made, Union)
        return made
