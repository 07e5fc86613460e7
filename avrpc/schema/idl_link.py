"""What an IDL file needs of others, and the order of its own definitions.

IDL allows two things that the text made of it can't: messages that stand in another file, and types
that are used above their definition. Here the one becomes the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from .idl import Document, Import
from .idl_types import in_namespace
from .names import full_name, namespace_of
from .parse import MAX_NESTING, Names
from .strictjson import Place
from .types import NAMED_KINDS, PRIMITIVES


@dataclass(eq=False, slots=True)
class File:
    """An interface file that was read.

    Attributes:
        path: As it was found.
        kind: How it was read: idl, protocol or schema.
        json: A protocol (a dict) or types.
        place: Makes errors for paths in it.
        listed: Whether it is in the folder, and not just imported from elsewhere.
        document: All that it says, if it is in IDL.
        imports: What it imports, each with the file meant.
        messages: The messages of a protocol, imported ones too, each with the file that it is from.
    """

    path: Path
    kind: str
    json: Any
    place: Place
    listed: bool = True
    document: Document | None = None
    imports: list[tuple[Import, File]] = field(default_factory=list)
    messages: dict[str, tuple[Any, File]] = field(default_factory=dict)

    @property
    def is_protocol(self) -> bool:
        return self.kind == "protocol" or (self.document is not None and self.document.is_protocol)

    @property
    def namespace(self) -> str:
        """The namespace of a protocol that was found valid."""
        return namespace_of(full_name(self.json, "protocol", "", self.place))


def imported_first(files: list[File]) -> list[File]:
    """Order files so that each comes after those that it imports.

    Raises:
        SchemaError: Imports lead back to where they started.
    """
    graph = TopologicalSorter({file: [of for _, of in file.imports] for file in files})
    try:
        return list(graph.static_order())
    except CycleError as exc:
        ring: list[File] = exc.args[1][:0:-1]  # the sorter names what is imported first
        first = min(range(len(ring)), key=lambda at: ring[at].path)
        ring = [*ring[first:], *ring[: first + 1]]
        place = next(one.place for one, of in ring[0].imports if of is ring[1])
        circle = " imports ".join(str(file.path) for file in ring)
        raise place.error(f"a circle: {circle}") from None


def with_messages(file: File, names: Names) -> Any:
    """Give a protocol's JSON with the messages of its imports, each where it is imported.

    Args:
        file: The file; those that it imports were given to this before, and found valid.
        names: All definitions.

    Raises:
        SchemaError: Two messages have one name.
    """
    own = file.json.get("messages")
    if not isinstance(own, dict):
        return file.json
    left = list(file.imports)
    for before, (name, message) in enumerate(own.items()):
        while left and left[0][0].before <= before:
            _import_messages(file, *left.pop(0))
        if name in file.messages:
            place = file.place / "messages" / name
            raise place.error(f"message {name!r} is imported already, from {_origin(file, name)}")
        file.messages[name] = message, file
    for each in left:
        _import_messages(file, *each)
    messages = {
        name: message if origin is file else _Move(origin, file, names).message(message)
        for name, (message, origin) in file.messages.items()
    }
    return {**file.json, "messages": messages}


def _import_messages(file: File, what: Import, of: File) -> None:
    for name, (message, origin) in of.messages.items():
        if name in file.messages and file.messages[name][1] is not origin:
            there = f"is there already, from {_origin(file, name)}"
            raise what.place.error(f"message {name!r} of {origin.path} {there}")
        file.messages[name] = message, origin


def _origin(file: File, name: str) -> Path:
    return file.messages[name][1].path


class _Move:
    """Rewrites messages for another protocol: types by name alone, as seen from there.

    Raises:
        SchemaError: A type can't be named from there.
    """

    def __init__(self, origin: File, to: File, names: Names) -> None:
        self._from = origin.namespace
        self._to = to.namespace
        self._names = names
        self._place = to.place

    def message(self, json: dict[str, Any]) -> dict[str, Any]:
        made = dict(json)
        made["request"] = [{**one, "type": self._type(one["type"])} for one in json["request"]]
        for key in ("response", "errors"):
            if made.get(key) is not None:
                made[key] = self._type(made[key])
        return made

    def _type(self, json: Any) -> Any:
        if isinstance(json, list):
            return [self._type(one) for one in json]
        if isinstance(json, str):
            found = None if json in PRIMITIVES else self._names.find(json, self._from)
            return self._name(found) if found else json
        for key in ("items", "values"):
            if json["type"] in ("array", "map") and key in json:
                return {**json, key: self._type(json[key])}
        if isinstance(json["type"], str) and json["type"] in NAMED_KINDS:
            return self._name(full_name(json, "name", self._from, self._place))
        return {**json, "type": self._type(json["type"])}

    def _name(self, name: str) -> str:
        short: str = in_namespace(name, self._to)
        found = self._names.find(short, self._to)
        if found != name:  # it has no namespace to be told apart by
            problem = f"an imported message uses type {name!r}, which would mean {found!r} here"
            raise self._place.error(problem)
        return short


def defined_first(json: dict[str, Any], names: Names) -> dict[str, Any]:
    """Give the JSON of a protocol in IDL with each type defined where it is first used.

    Java's tool does so, too. Where that would nest too deeply, the name stays and the definition
    follows; Java 1.12 reads that, older versions do not.

    Args:
        json: A protocol that was found valid.
        names: All definitions.
    """
    return {**json, "types": _Order(json, names).types()}


class _Order:
    def __init__(self, json: dict[str, Any], names: Names) -> None:
        self._names = names
        self._namespace = namespace_of(full_name(json, "protocol", "", Place()))
        self._left = {
            full_name(one, "name", self._namespace, Place()): one for one in json["types"]
        }

    def types(self) -> list[Any]:
        return [
            self._definition(name, self._namespace, 0)
            for name in list(self._left)
            if name in self._left
        ]

    def _definition(self, name: str, outer: str, depth: int) -> dict[str, Any]:
        namespace = namespace_of(name)
        made: dict[str, Any] = {}
        for key, value in self._left.pop(name).items():
            if key == "fields":
                made[key] = [
                    {**one, "type": self._type(one["type"], namespace, depth + 1)} for one in value
                ]
            elif key != "namespace":
                made[key] = value
            if key == "name" and namespace != outer:
                made["namespace"] = namespace
        return made

    def _type(self, json: Any, namespace: str, depth: int) -> Any:
        if depth > MAX_NESTING:
            return json
        if isinstance(json, list):
            return [self._type(one, namespace, depth + 1) for one in json]
        if isinstance(json, str):
            name = None if json in PRIMITIVES else self._names.find(json, namespace)
            return self._definition(name, namespace, depth) if name in self._left else json
        key = {"array": "items", "map": "values"}.get(json["type"])
        return {**json, key: self._type(json[key], namespace, depth + 1)} if key else json
