"""How the values that fastavro gives differ from ours, decided once per codec.

fastavro's values (a *datum* here) differ only for logical types and unions. It tells the branch
that a value was of for named types only, and only where a union has several of them. Where we have
to know it (`Branch`, or branches of which some need their logical type converted), branches that
are no named types are given to fastavro as records of one field: the same bytes.

Everything else comes from fastavro as it is, with no copy.
"""

from __future__ import annotations

from typing import NamedTuple

from .types import (
    NAMED,
    Type,
    Union,
    components,
    held_records,
    parts,
    records_in,
)

# Arrays and maps in each other, in one function of the source that is made for a type; deeper ones
# get functions of their own. Python takes 20 blocks in each other, and from 3.12 on its compiler
# ends the process on 30 comprehensions.
MAX_IN_ONE = 8


class Tagged(NamedTuple):
    """One branch of a union, and what fastavro calls it.

    Attributes:
        name: As in fastavro's tuples.
        wrapped: Whether fastavro has it as a record with a field "v".
    """

    branch: Type
    name: str
    wrapped: bool


def fast_name(name: str) -> str:
    """Give fastavro's name for a named type: always dotted, and never one of a primitive."""
    return f"t.{name}"


class Plan:
    """The differences for some types and all that they hold."""

    def __init__(self, *roots: Type) -> None:
        self._known: dict[Type, bool] = {}
        for root in roots:
            self.include(root)

    def include(self, root: Type) -> None:
        """Look into one more type. What was found of others stays as it is."""
        if all(record in self._known for record in records_in(root)):
            return
        for group in components(records_in(root), held_records):
            records = group.records
            self._known.update(dict.fromkeys(records, False))  # for those that hold each other
            found = any(self.changes(field.type) for record in records for field in record.fields)
            self._known.update(dict.fromkeys(records, found))

    def changes(self, of: Type) -> bool:
        """Whether a datum of the type has to be converted to become our value."""
        known = self._known.get(of)
        if known is None:
            known = of.logical is not None or (isinstance(of, Union) and of.tagged)
            known = known or any(map(self.changes, parts(of)))
            if not records_in(of):  # else it may yet turn out that they change
                self._known[of] = known
        return known

    def tags(self, of: Union) -> bool:
        """Whether fastavro has to tell the branch of a datum."""
        if of.tagged:
            return True
        some = [branch for branch in of.branches if branch.kind != "null"]
        return len(some) > 1 and any(map(self.changes, some))

    def branches(self, of: Union) -> list[Tagged]:
        """List the branches with what fastavro calls them."""
        wrap = self.tags(of)
        found = []
        for branch in of.branches:
            if isinstance(branch, NAMED):
                found.append(Tagged(branch, fast_name(branch.name), wrapped=False))
            elif wrap and branch.kind != "null":
                found.append(Tagged(branch, f"w.{branch.kind}", wrapped=True))
            else:
                found.append(Tagged(branch, branch.kind, wrapped=False))
        return found
