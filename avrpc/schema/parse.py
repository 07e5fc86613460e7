"""From JSON to types: names, namespaces and every rule of Avro, with errors that say where.

Two steps. `Names.collect` notes each definition of a named type, wherever it stands; `Names.parse`
then reads types and looks names up among all of them, so a name may be used before, after, and in
another file than, its definition. The Avro specification wants a type defined before it is used;
we read what breaks that, and `text` writes nothing that does, unless a file itself did.

Bodies of records are read from a list and not by recursion, since records may form a long chain.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .defaults import compile_defaults
from .gate import (
    MAX_BRANCHES,
    MAX_FIELDS,
    MAX_NAME_LENGTH,
    MAX_RECORD_NODES,
    MAX_SYMBOLS,
    Size,
    check_count,
    record_sizes,
    shallow_order,
    size_of,
)
from .logical import logical_of
from .names import NAME, check_name, check_names, full_name, is_full_name, namespace_of, suggest
from .shapes import PLAIN, Shapes
from .strictjson import Place, show
from .types import (
    MAX_DEPTH,
    NAMED,
    NAMED_KINDS,
    PRIMITIVES,
    Array,
    Enum,
    Field,
    Fixed,
    Map,
    Named,
    Record,
    Type,
    Union,
    components,
    direct_records,
    held_records,
    mark_recursive,
    short,
    too_deep,
)

MAX_NESTING = 64  # brackets of types within types; a person stops at five
MAX_FIXED_BYTES = 1 << 24  # what fits one frame's length field is already absurd

_ORDERS = ("ascending", "descending", "ignore")


def text_of(json: dict[str, Any], key: str, place: Place) -> str:
    """Return the optional string under `key`."""
    text = json.get(key, "")
    if text is None:  # some tools write "doc": null
        return ""
    if not isinstance(text, str):
        raise (place / key).expected("a string", text)
    return text


def list_of(json: dict[str, Any], key: str, place: Place) -> list[Any]:
    """Return the list under `key`, which has to be there."""
    if not isinstance(json.get(key), list):
        if key not in json:
            raise place.error(f'expected a list under "{key}", and there is none')
        raise (place / key).expected("a list", json[key])
    found: list[Any] = json[key]
    return found


@dataclass(slots=True)
class Definition:
    """A named type as it stands in a text."""

    name: str
    json: dict[str, Any]
    place: Place

    @property
    def namespace(self) -> str:
        return namespace_of(self.name)


def _may_define(json: Any) -> bool:
    """Tell whether a type may hold definitions, on a look: most are names, or unions of names."""
    return isinstance(json, dict) or (isinstance(json, list) and set(map(type, json)) != {str})


class Names:
    """The named types of one text, or of one folder of files.

    Attributes:
        definitions: What `collect` found, by full name, in the order of the text.
        types: What was made of it, by full name.
    """

    def __init__(self) -> None:
        self.definitions: dict[str, Definition] = {}
        self.types: dict[str, Named] = {}
        self._shapes = Shapes()
        self._scopes: dict[str, dict[str | tuple[str, ...], Type]] = {}
        self._bodies: list[tuple[Record, Definition]] = []
        self._arrays: list[tuple[Array, Place]] = []
        self._defaults: list[tuple[Field, Place]] = []
        self._new: list[Record] = []
        self._sizes: dict[Type, Size] = {}
        self._default_counts: dict[Field, int] = {}

    # -- collecting

    def collect(self, json: Any, namespace: str, place: Place) -> None:
        """Note every definition in a type's JSON. What is malformed is `parse`'s to report."""
        left = [(json, namespace, place)]
        while left:
            one, namespace, place = left.pop()
            if isinstance(one, list):
                left.extend(
                    (one[index], namespace, place / index)
                    for index in reversed(range(len(one)))
                    if not isinstance(one[index], str)
                )
            elif isinstance(one, dict):
                kind = one.get("type")
                if isinstance(kind, (dict, list)):
                    left.append((kind, namespace, place / "type"))
                elif kind == "array":
                    left.append((one.get("items"), namespace, place / "items"))
                elif kind == "map":
                    left.append((one.get("values"), namespace, place / "values"))
                elif kind in NAMED_KINDS:
                    name = self._define(one, namespace, place)
                    fields = one.get("fields")
                    if kind in ("record", "error") and isinstance(fields, list):
                        inside, here = namespace_of(name), place / "fields"
                        left.extend(
                            (fields[index].get("type"), inside, here / index / "type")
                            for index in reversed(range(len(fields)))
                            if isinstance(fields[index], dict)
                            and _may_define(fields[index].get("type"))
                        )

    def _define(self, json: dict[str, Any], namespace: str, place: Place) -> str:
        name = full_name(json, "name", namespace, place)
        if short(name) in PRIMITIVES:
            raise (place / "name").error(f"{name!r} is a primitive type's name")
        known = self.definitions.get(name)
        if known is not None:
            where = known.place.path
            if known.place.source != place.source:
                where = ": ".join(filter(None, (known.place.source, where)))
            raise (place / "name").error(f"{name!r} is defined already, at {where}")
        self.definitions[name] = Definition(name, json, place)
        return name

    def find(self, name: str, namespace: str) -> str | None:
        """Resolve a reference to a full name: in its own namespace, then in none, as Java does."""
        if "." not in name and namespace and f"{namespace}.{name}" in self.definitions:
            return f"{namespace}.{name}"
        return name if name in self.definitions else None

    # -- parsing

    def parse(self, json: Any, namespace: str, place: Place, depth: int = 0) -> Type:
        """Read a type. `complete` must be called before it is used."""
        if depth > MAX_NESTING:
            raise place.error(f"types nested more than {MAX_NESTING} deep")
        if isinstance(json, str):
            return self._named_or_primitive(json, namespace, place)
        if isinstance(json, list):
            return self._union(json, namespace, place, depth)
        if not isinstance(json, dict):
            raise place.expected("a type: a name, an object or a list", json)
        kind = json.get("type")
        match kind:
            case None:
                raise place.expected('a type: an object with a "type"', json)
            case "array" | "map":
                return self._container(kind, json, namespace, place, depth)
            case "record" | "error" | "enum" | "fixed":
                return self._named(full_name(json, "name", namespace, place))
            case str() if kind in PRIMITIVES:
                return self._shapes.primitive(kind, logical_of(kind, json, place))
            case str():
                return self._named_or_primitive(kind, namespace, place / "type")
        return self.parse(kind, namespace, place / "type", depth + 1)

    def part(self, json: Any, namespace: str, place: Place, key: str | int, depth: int = 0) -> Type:
        """Read the type under a key. Most types are known, and need no place for an error."""
        known = self._scope(namespace).get(json) if isinstance(json, str) else None
        return known or self.parse(json, namespace, place / key, depth)

    def _scope(self, namespace: str) -> dict[str | tuple[str, ...], Type]:
        """Give what names, and unions of names, were found to mean in a namespace."""
        if namespace not in self._scopes:
            self._scopes[namespace] = dict[str | tuple[str, ...], Type](PLAIN.items())
        return self._scopes[namespace]

    def _container(
        self, kind: str, json: dict[str, Any], namespace: str, place: Place, depth: int
    ) -> Array | Map:
        key = "items" if kind == "array" else "values"
        if key not in json:
            raise place.error(f'expected a type under "{key}" of this {kind}, and there is none')
        inner = self.part(json[key], namespace, place, key, depth + 1)
        if kind == "map":
            return self._shapes.map(inner)
        made = self._shapes.array(inner)
        if isinstance(inner, (Record, Fixed)) or inner.kind == "null":  # nothing else can be empty
            self._arrays.append((made, place / key))
        return made

    def _named_or_primitive(self, name: str, namespace: str, place: Place) -> Type:
        if name in PLAIN:
            return PLAIN[name]
        found = self.find(name, namespace)
        if found is None:
            kinds = ("array", "map", *sorted(NAMED_KINDS))
            if name in kinds:
                raise place.error(
                    f'{name!r} is no type by itself: it needs {{"type": "{name}", ...}}'
                )
            elsewhere = [full for full in self.definitions if short(full) == short(name)]
            if elsewhere:
                raise place.error(f"no type {name!r}; did you mean {elsewhere[0]!r}?")
            known = [*PRIMITIVES, *kinds, *self.definitions, *map(short, self.definitions)]
            raise place.error(f"no type {name!r}{suggest(name, known)}")
        made = self._scope(namespace)[name] = self._named(found)
        return made

    def _union(self, json: list[Any], namespace: str, place: Place, depth: int) -> Union:
        if not json:
            raise place.error("expected a union of at least one type, found none")
        check_count(json, MAX_BRANCHES, "branches in a union", place)
        known = self._scope(namespace)
        if set(map(type, json)) == {str}:  # a name is never that of a union
            branches = [found for one in json if (found := known.get(one)) is not None]
            if len(set(branches)) == len(json):
                made = known[tuple(json)] = self._shapes.union(tuple(branches))
                return made
        branches = []
        seen: set[Type | str] = set()
        for index, one in enumerate(json):
            branch = known.get(one) if isinstance(one, str) else None
            if branch is None:
                branch = self.parse(one, namespace, place / index, depth + 1)
            if isinstance(branch, Union):
                raise (place / index).error("a union directly in a union")
            key = branch if isinstance(branch, NAMED) else branch.kind
            if key in seen:
                what = branch.name if isinstance(branch, NAMED) else branch.kind
                raise (place / index).error(f"{what!r} is in this union already")
            seen.add(key)
            branches.append(branch)
        made = self._shapes.union(tuple(branches))
        if set(map(type, json)) == {str}:
            known[tuple(json)] = made
        return made

    def _named(self, name: str) -> Named:
        known = self.types.get(name)
        if known is not None:
            return known
        definition = self.definitions[name]
        json, place = definition.json, definition.place
        doc = text_of(json, "doc", place)
        aliases = self._aliases(json, definition.namespace, place)
        made: Named
        match json["type"]:
            case "enum":
                made = _enum(name, doc, aliases, json, place)
            case "fixed":
                size = json.get("size")
                if type(size) is not int or not 0 <= size <= MAX_FIXED_BYTES:
                    raise (place / "size").expected(
                        f"a number of bytes from 0 to {MAX_FIXED_BYTES}", size
                    )
                made = Fixed(name, doc, aliases, size, logical_of("fixed", json, place))
            case kind:
                made = Record(name, kind, doc, aliases)
                self._bodies.append((made, definition))
                self._new.append(made)
        self.types[name] = made
        return made

    def _aliases(self, json: dict[str, Any], namespace: str, place: Place) -> tuple[str, ...]:
        if json.get("aliases") is None:
            return ()
        found = []
        front = f"{namespace}." if namespace else ""
        for index, alias in enumerate(list_of(json, "aliases", place)):
            if not is_full_name(alias):
                raise (place / "aliases" / index).expected("a name", alias)
            name = alias if "." in alias else front + alias
            if len(name) > MAX_NAME_LENGTH:
                here = place / "aliases" / index
                check_count(name, MAX_NAME_LENGTH, "characters in a full name", here)
            found.append(name)
        return tuple(found)

    def fields(
        self, json: list[Any], namespace: str, place: Place, what: str = "field"
    ) -> tuple[Field, ...]:
        """Read the fields of a record, or the parameters of a message."""
        check_count(json, MAX_FIELDS, f"{what}s", place)
        known = self._scope(namespace)
        made: dict[str, Field] = {}
        for index, one in enumerate(json):
            if not isinstance(one, dict):
                raise (place / index).expected(f"a {what}: an object with name and type", one)
            if "type" not in one or "name" not in one:
                raise (place / index).expected(f'a {what} with a "name" and a "type"', one)
            name, of = one["name"], one["type"]
            if not isinstance(name, str) or len(name) > MAX_NAME_LENGTH or not NAME.fullmatch(name):
                check_name(name, place / index / "name")
            if name in made:
                raise (place / index / "name").error(f"{what} {name!r} is there twice")
            field_type = None
            if isinstance(of, str):
                field_type = known.get(of)
            elif isinstance(of, list) and set(map(type, of)) == {str}:
                field_type = known.get(tuple(of))
            if field_type is None:
                field_type = self.parse(of, namespace, place / index / "type")
            field = made[name] = Field(name, field_type)
            if len(one) > 2:
                self._more_of_field(field, one, place / index)
        return tuple(made.values())

    def _more_of_field(self, field: Field, json: dict[str, Any], place: Place) -> None:
        """Read what most fields have not."""
        if json.get("order", "ascending") not in _ORDERS:
            raise (place / "order").expected("ascending, descending or ignore", json["order"])
        if json.get("aliases") is not None:
            aliases = list_of(json, "aliases", place)
            check_names(aliases, place / "aliases")
            field.aliases = tuple(aliases)
        field.doc = text_of(json, "doc", place)
        if "default" in json:
            field.has_default = True
            field.default_json = json["default"]
            self._defaults.append((field, place / "default"))

    def parse_all(self) -> dict[str, Named]:
        """Read every definition, used or not; give them in the order of the text."""
        for name in self.definitions:
            self._named(name)
        self.complete()
        return {name: self.types[name] for name in self.definitions}

    def complete(self) -> None:
        """Read the bodies of all records met so far, and check what only shows when all are read.

        Raises:
            SchemaError: Also for a record that holds itself with nothing between, an array whose
                items may take no bytes, and a default that does not fit or never ends.
        """
        while self._bodies:
            record, definition = self._bodies.pop()
            fields = list_of(definition.json, "fields", definition.place)
            record.fields = self.fields(fields, definition.namespace, definition.place / "fields")
        if self._new:
            self._check_records()
        for array, place in self._arrays:
            # Five bytes would announce 100 million such items, and they would all be made.
            if size_of(array.items, self._sizes).least_bytes == 0:
                raise place.error(f"items of type {array.items} may take no bytes at all")
        compile_defaults(self._defaults, self._default_counts)
        self._new.clear()
        self._arrays.clear()
        self._defaults.clear()

    def _check_records(self) -> None:
        held = components(self._new, held_records)
        mark_recursive(held)
        order = [record for group in held for record in group.records]
        if any(group.cyclic for group in held):
            self._refuse_endless(order)
            order = shallow_order(order)
        deep = too_deep(held)
        if deep is not None:
            raise self.definitions[deep.name].place.error(
                f"a value of it may nest more than {MAX_DEPTH} levels deep"
            )
        self._sizes.update(record_sizes(order))
        for record in self._new:
            if self._sizes[record].most_nodes > MAX_RECORD_NODES:
                raise self.definitions[record.name].place.error(
                    f"a value of it may hold more than {MAX_RECORD_NODES} values,"
                    " with none in its arrays and maps"
                )

    def _refuse_endless(self, records: Iterable[Record]) -> None:
        for group in components(records, direct_records):
            if group.cyclic:
                names = " and ".join(repr(record.name) for record in group.records)
                raise self.definitions[group.records[0].name].place.error(
                    f"{names}: a value would hold itself without end;"
                    " put an array, a map or a union with null between"
                )


def _enum(
    name: str, doc: str, aliases: tuple[str, ...], json: dict[str, Any], place: Place
) -> Enum:
    symbols = list_of(json, "symbols", place)
    check_count(symbols, MAX_SYMBOLS, "symbols", place / "symbols")
    check_names(symbols, place / "symbols", "a symbol")
    if len(set(symbols)) < len(symbols):
        seen: set[str] = set()
        for index, symbol in enumerate(symbols):
            if symbol in seen:
                raise (place / "symbols" / index).error(f"symbol {symbol!r} is there twice")
            seen.add(symbol)
    default = json.get("default")
    if default is not None and default not in symbols:
        raise (place / "default").expected(f"one of the symbols {show(symbols)}", default)
    return Enum(name, doc, aliases, tuple(symbols), default)
