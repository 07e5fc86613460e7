"""What reading a value as another version's adds to it: defaults, logical types, names of branches.

What came is counted by its writer's type, and pays with its bytes (`gate`). What the reader adds
pays with nothing: where a record of the writer's takes one byte and the reader has 500 fields with
defaults more, a frame of 64 KiB would make 32 million values. So it is counted, too.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cached_property
from typing import Any
from uuid import UUID

from .gate import nodes_of, tag_nodes
from .matching import match_fields
from .resolve import ResolvingPlan
from .types import NAMED, Branch, Field, Fixed, Primitive, Record, Type, Union


class Added:
    """Counts what the values of a writer's types become more when they are read.

    Args:
        plan: For these types.

    Attributes:
        readers: The types that each record of the writer's is read as.
    """

    def __init__(self, plan: ResolvingPlan) -> None:
        self._plan = plan
        self._own: dict[tuple[Type, Type], int] = {}
        self._defaults: dict[Field, int] = {}
        self.readers: dict[Record, list[Type]] = {}
        for writer, reader in plan.parts:
            if isinstance(writer, Record) and plan.needs(writer, reader):
                self.readers.setdefault(writer, []).append(reader)

    @cached_property
    def most(self) -> dict[Type, int]:
        """For each type of the writer's, what one value of it becomes more at most."""
        found: dict[Type, int] = {}
        for writer, reader in self._plan.parts:
            nodes = self.of(writer, reader)
            if isinstance(writer, Union):
                targets = self.branches(writer, reader).values()
                nodes = max((self.tag(writer, reader, target) for target in targets), default=0)
            if nodes:
                found[writer] = max(nodes, found.get(writer, 0))
        return found

    def of(self, writer: Type, reader: Type | None) -> int:
        """Count what a value becomes more, but for its fields, items, entries and branches.

        Args:
            writer: The type of what came.
            reader: What it is read as; None where it is dropped, or stays as it is.
        """
        if reader is None or isinstance(writer, Union):
            return 0
        pair = writer, reader
        if pair not in self._own:
            self._own[pair] = self._count(writer, reader)
        return self._own[pair]

    def _count(self, writer: Type, reader: Type) -> int:
        match writer, reader:
            case _, Union():
                ((_, target),) = self._plan.parts[writer, reader]
                return self.tag(writer, reader, target) + self.of(writer, target)
            case Record(), Record():
                matched = match_fields(writer, reader)
                return sum([self._default(field) for field, source in matched if not source])
            case (Primitive() | Fixed(), Primitive() | Fixed()):
                return max(0, nodes_of(reader) - nodes_of(writer))
        return 0

    def _default(self, field: Field) -> int:
        if field not in self._defaults:
            self._defaults[field] = count(field.make_default())
        return self._defaults[field]

    def tag(self, writer: Type, reader: Type | None, target: Type | None) -> int:
        """Count what naming the branch of a reader's union adds."""
        if not isinstance(reader, Union) or not isinstance(target, NAMED):
            return 0
        return max(0, tag_nodes(reader) - (tag_nodes(writer) if isinstance(writer, Union) else 0))

    # What the parts of a value are read as: nothing for what is dropped, or stays as it is.

    def read_as(self, writer: Type, reader: Type | None) -> Type | None:
        """Give the type that a value is read as, out of the reader's union if need be."""
        if reader is None or not self._plan.needs(writer, reader):
            return None
        if isinstance(reader, Union) and not isinstance(writer, Union):
            return self.read_as(writer, self._plan.parts[writer, reader][0][1])
        return reader

    def fields(self, writer: Record, reader: Type | None) -> dict[str, Type]:
        """Give what fields of a writer's record are read as, by the writer's names."""
        reader = self.read_as(writer, reader)
        if not isinstance(reader, Record):
            return {}
        matched = match_fields(writer, reader)
        return {source.name: field.type for field, source in matched if source}

    def branches(self, writer: Union, reader: Type | None) -> dict[Type, Type]:
        """Give what branches of a writer's union are read as."""
        reader = self.read_as(writer, reader)
        return dict(self._plan.parts[writer, reader]) if reader is not None else {}


def count(value: Any) -> int:
    """Count the nodes of a value, such as a default."""
    total, left = 0, [value]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            left.extend(one.values())
        elif isinstance(one, Branch):
            total += 1
            left.append(one.value)
        elif isinstance(one, list):
            left.extend(one)
        total += _NODES.get(type(one), 1)
    return total


_NODES: dict[type, int] = {UUID: 6, Decimal: 3}
