"""Schemas as fastavro wants them, made anew from our types: nothing of anyone's JSON is in them.

What is made here is what `fastavro.parse_schema` would return, so nothing is left to parse in a
call. One liberty, which the tests check: a record refers to another by the very dict and not by
name, so the table of names, which fastavro copies in every call (27 us for 1,000 names), stays
empty. So records form a graph, with cycles where they are recursive.

Another one: symbols, and branches of unions, are dicts by number where fastavro has lists. To a
list, -1 is its last element, and fastavro asks for it; a dict has none. An enum costs 6 ns more by
that, a union 40 to 60.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .plan import Plan, fast_name
from .types import Array, Enum, Fixed, Map, Record, Type, Union


def _wrapper(name: str, schema: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": "v", "type": schema}]}


class _Branches(dict[Any, Any]):
    """A union for fastavro: branches by number. Iterating gives them, as that of its list does."""

    def __init__(self, branches: Iterable[Any]) -> None:
        super().__init__(enumerate(branches))
        self._branches = tuple(self.values())
        self["type"] = "union"

    def __iter__(self) -> Iterator[Any]:
        return iter(self._branches)


class FastSchemas:
    """Schemas for types that one plan is for. What several of them hold is made once."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._made: dict[Type, Any] = {}
        self._empty: list[Record] = []

    def schema(self, root: Type) -> tuple[dict[str, Any], bool]:
        """Make the schema to give to `schemaless_reader`.

        Returns:
            The schema, always a record (anything else fastavro parses again in every call), and
            whether it is a wrapper, with the value in its field "v".
        """
        made = self.make(root)
        wrapped = not isinstance(root, Record)
        if wrapped:
            made = _wrapper("w.root", made)
        self.fill_records()
        # The dict is not shared: as the top it carries keys that it must not have elsewhere.
        return {**made, "__fastavro_parsed": True, "__named_schemas": {}}, wrapped

    def make(self, of: Type) -> Any:
        if of not in self._made:
            self._made[of] = self._make(of)
        return self._made[of]

    def _make(self, of: Type) -> Any:
        match of:
            case Array():
                return {"type": "array", "items": self.make(of.items)}
            case Map():
                return {"type": "map", "values": self.make(of.values)}
            case Enum():
                symbols = dict(enumerate(of.symbols))
                return {"type": "enum", "name": fast_name(of.name), "symbols": symbols}
            case Fixed():
                return {"type": "fixed", "name": fast_name(of.name), "size": of.size}
            case Record():
                self._empty.append(of)
                return {"type": "record", "name": fast_name(of.name), "fields": []}
            case Union():
                return _Branches(
                    _wrapper(name, self.make(branch)) if wrapped else self.make(branch)
                    for branch, name, wrapped in self._plan.branches(of)
                )
        return of.kind

    def fill_records(self) -> None:
        while self._empty:
            record = self._empty.pop()
            fields = self._made[record]["fields"]
            fields.extend(
                {"name": field.name, "type": self.make(field.type)} for field in record.fields
            )
