"""How the values of a type differ from what fastavro takes and gives, decided once per codec.

fastavro's own values (a *datum* here) differ from ours only for logical types and unions:

* A union of null and a few primitives is passed as it is. For any other, fastavro would validate
  the whole value against one branch after the other; told the branch, as a tuple of its name and
  the datum, it needs no look. So `check` rebuilds such values, and all that holds them, on their
  way out.
* On the way in, fastavro tells the branch only of named types, and only where a union has several.
  Where we have to know it (`Branch`, or a branch that needs its logical type converted), branches
  that are no named types are given to fastavro as records of one field: the same bytes.

Everything else goes to and from fastavro as it is, with no copy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .types import (
    NAMED,
    Primitive,
    Record,
    Type,
    Union,
    components,
    held_records,
    parts,
    records_in,
)

NUMBERS = frozenset(("int", "long", "float", "double"))


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
    """The differences for one root type and all that it holds."""

    def __init__(self, root: Type) -> None:
        roots = list(records_in(root))
        self._arriving = _spread(roots, _changes_arriving)
        self._leaving = _spread(roots, _changes_leaving)

    def changes_arriving(self, of: Type) -> bool:
        """Whether a datum of the type has to be converted to become our value."""
        return _changes(of, self._arriving, _changes_arriving)

    def changes_leaving(self, of: Type) -> bool:
        """Whether our value has to be converted to become a datum."""
        return _changes(of, self._leaving, _changes_leaving)

    def tags_arriving(self, of: Union) -> bool:
        """Whether fastavro has to tell the branch of a datum that it read."""
        if of.tagged:
            return True
        some = [branch for branch in of.branches if branch.kind != "null"]
        return len(some) > 1 and any(map(self.changes_arriving, some))

    def branches(self, of: Union) -> list[Tagged]:
        """List the branches with what fastavro calls them."""
        wrap = self.tags_arriving(of)
        found = []
        for branch in of.branches:
            if isinstance(branch, NAMED):
                found.append(Tagged(branch, fast_name(branch.name), wrapped=False))
            elif wrap and branch.kind != "null":
                found.append(Tagged(branch, f"w.{branch.kind}", wrapped=True))
            else:
                found.append(Tagged(branch, branch.kind, wrapped=False))
        return found


def is_plain(of: Union) -> bool:
    """Tell whether fastavro finds the right branch by itself, and quickly.

    Not with two kinds of number: it takes the first that could hold the value.
    """
    some = [branch for branch in of.branches if branch.kind != "null"]
    return (
        all(isinstance(branch, Primitive) for branch in some)
        and sum(branch.kind in NUMBERS for branch in some) <= 1
        and (len(some) < 2 or not any(branch.logical for branch in some))
    )


def _changes_arriving(of: Type) -> bool:
    return of.logical is not None or (isinstance(of, Union) and of.tagged)


def _changes_leaving(of: Type) -> bool:
    return of.logical is not None or (isinstance(of, Union) and not is_plain(of))


def _changes(of: Type, known: dict[Record, bool], own: Callable[[Type], bool]) -> bool:
    if isinstance(of, Record):
        return known[of]
    return own(of) or any(_changes(part, known, own) for part in parts(of))


def _spread(roots: list[Record], own: Callable[[Type], bool]) -> dict[Record, bool]:
    """Find the records that hold, at any depth, a type for which `own` is true."""
    known: dict[Record, bool] = {}
    for group in components(roots, held_records):
        known.update(dict.fromkeys(group, False))  # for those of the group that hold each other
        found = any(_changes(field.type, known, own) for record in group for field in record.fields)
        known.update(dict.fromkeys(group, found))
    return known
