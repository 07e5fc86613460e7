"""The one function that makes the text of a protocol: what we send to peers, and hash.

The text is the file's JSON made compact: its keys in their order, attributes that we don't know
too. A file that uses no other file's types is sent as just that. The definitions of types from
other files are put in front of its "types", each after those that it uses itself, in order of
first use; so the text defines every type before it uses it, as Avro asks.

Where that can't be, since types of other files hold each other, or types of the protocol itself,
the definition goes to the place of its first use instead, as people write such types by hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .names import full_name, namespace_of
from .parse import Names
from .strictjson import Place, compact
from .types import NAMED_KINDS


def self_contained(names: Names, json: dict[str, Any], own: set[str]) -> str:
    """Make the text of a protocol.

    Args:
        names: All definitions of its folder; that the protocol is valid was checked with them.
        json: The protocol's own JSON.
        own: The full names that it defines itself.
    """
    inliner = _Inliner(names, own)
    made = dict(json)
    namespace = namespace_of(full_name(json, "protocol", "", Place()))
    types = [inliner.rewrite(one, namespace) for one in json.get("types") or ()]
    if json.get("messages"):
        made["messages"] = {
            name: inliner.message(message, namespace) for name, message in json["messages"].items()
        }
    types = inliner.front + types
    if types and "types" not in json:
        messages = made.pop("messages")
        made |= {"types": types, "messages": messages}
    elif types:
        made["types"] = types
    return compact(made)


class _Inliner:
    def __init__(self, names: Names, own: set[str]) -> None:
        self._names = names
        self._own = own
        self._there: set[str] = set()  # what was put in, so far
        self._open: set[str] = set()  # what is being put in
        self.front: list[Any] = []

    def message(self, json: dict[str, Any], namespace: str) -> dict[str, Any]:
        made = dict(json)
        made["request"] = [self._field(field, namespace) for field in json["request"]]
        if "response" in json:
            made["response"] = self.rewrite(json["response"], namespace)
        if json.get("errors"):
            made["errors"] = [self.rewrite(error, namespace) for error in json["errors"]]
        return made

    def _field(self, json: dict[str, Any], namespace: str) -> dict[str, Any]:
        return {**json, "type": self.rewrite(json["type"], namespace)}

    def rewrite(self, json: Any, namespace: str) -> Any:
        """Give a type's JSON, changed where a definition has to go there, or must not."""
        if isinstance(json, str):
            return self._reference(json, namespace)
        if isinstance(json, list):
            return [self.rewrite(one, namespace) for one in json]
        kind = json["type"]
        if kind in ("array", "map"):
            key = "items" if kind == "array" else "values"
            return {**json, key: self.rewrite(json[key], namespace)}
        if not isinstance(kind, str) or kind not in NAMED_KINDS:
            return {**json, "type": self.rewrite(kind, namespace)}
        name = full_name(json, "name", namespace, Place())
        if name in self._there:
            return name
        if name not in self._own:
            self._there.add(name)
        return self._body(json, name)

    def _body(self, json: dict[str, Any], name: str) -> dict[str, Any]:
        if "fields" not in json:
            return json
        namespace = namespace_of(name)
        return {**json, "fields": [self._field(field, namespace) for field in json["fields"]]}

    def _reference(self, json: str, namespace: str) -> Any:
        name = self._names.find(json, namespace)
        if name is None or name in self._own or name in self._there:
            return json
        if self._needs(name, self._own | self._open):
            return self._definition(name, namespace)
        self.front.append(self._definition(name, None))
        return json

    def _definition(self, name: str, around: str | None) -> dict[str, Any]:
        """Give a definition for another place than its own, so with its namespace."""
        json = self._names.definitions[name].json
        namespace = namespace_of(name)
        if "." not in json["name"] and "namespace" not in json and namespace != around:
            made = {}
            for key, value in json.items():
                made[key] = value
                if key == "name":
                    made["namespace"] = namespace
            json = made
        self._there.add(name)
        self._open.add(name)
        body = self._body(json, name)
        self._open.discard(name)
        return body

    def _needs(self, name: str, blocked: set[str]) -> bool:
        """Tell whether a definition refers to one of `blocked`, itself or through others."""
        left, seen = [name], {name}
        while left:
            definition = self._names.definitions[left.pop()]
            for used in self._used(definition.json, namespace_of(definition.name)):
                if used in blocked:
                    return True
                if used not in seen:
                    seen.add(used)
                    left.append(used)
        return False

    def _used(self, json: Any, namespace: str) -> Iterator[str]:
        """Give the names that a type's JSON refers to."""
        if isinstance(json, str):
            name = self._names.find(json, namespace)
            if name is not None:
                yield name
        elif isinstance(json, list):
            for one in json:
                yield from self._used(one, namespace)
        elif json.get("type") in ("array", "map"):
            yield from self._used(json.get("items", json.get("values")), namespace)
        elif isinstance(json["type"], str) and json["type"] in NAMED_KINDS:
            inside = namespace_of(full_name(json, "name", namespace, Place()))
            for field in json.get("fields", ()):
                yield from self._used(field["type"], inside)
        else:
            yield from self._used(json["type"], namespace)
