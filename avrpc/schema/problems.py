"""Everything that is wrong with a folder of interface files, and not only what is wrong first.

A text is read up to its first error. So a folder that has one is looked at once more in parts,
each as if it were the only one that is used: every file, import, definition, field, message and
parameter. The first error of each part is one problem. Nothing is mended, taken out or guessed
between them, so what is reported is true of the files as they are: no problem is another one's
consequence.

First each part is read by itself, with the other definitions known by their names. What takes more
than that, defaults and types that hold themselves, is then looked at where all that a part uses,
directly or not, could be read. So the time goes with the size of the text, whatever uses what.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from avrpc.errors import SchemaError

from .idl_link import File, imported_first, with_messages
from .messages import collect_protocol, read_protocol
from .names import full_name, namespace_of
from .parse import Definition, Names, list_of
from .registry import (
    Registry,
    already_defined,
    check_definition,
    definitions,
    interface_files,
    read_files,
)
from .strictjson import Place
from .types import Array, Field, Record, Type, held_records, records_in


def find_problems(folder: str | os.PathLike[str]) -> list[SchemaError]:
    """Find all problems of a folder, sorted by file and line; none where `Registry` takes it.

    Of a part that can't be divided further, such as a field or a parameter, it is the first one.
    """
    try:
        Registry(folder)
    except SchemaError as error:
        return _Search(Path(folder)).run(error)
    return []


class _Search:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._found: dict[str, SchemaError] = {}
        self._count = 0  # of errors, with those that are left out
        self._definitions: dict[str, Definition] = {}
        self._protocols: dict[str, File] = {}
        self._sound: set[File] = set()  # protocols with no error in their messages
        self._shells = _Shells()
        self._broken: set[str] = set()
        self._all_known = True  # if not, a type that nobody defines may be in what can't be read

    def run(self, first: SchemaError) -> list[SchemaError]:
        files = read_files(interface_files(self._folder, self._lose), self._lose)
        for file in files:
            self._collect(file)
        self._shells.definitions = self._definitions
        for definition in self._definitions.values():
            self._read_shell(definition)
        for definition in self._definitions.values():
            self._read_body(definition)
        for file in self._protocols.values():
            before = self._count
            self._read_protocol(file.json, file.place)
            if self._count == before:
                self._sound.add(file)
        self._spread()
        self._shells.look_deeply(self._broken, self._note)
        self._import_messages(files)
        self._note(first)  # what shows only when all is read
        return sorted(self._found.values(), key=_where)

    # Definitions

    def _read_shell(self, definition: Definition) -> None:
        if not self._reads(self._shells, _read_type, definition.name, "", definition.place):
            self._broken.add(definition.name)

    def _read_body(self, definition: Definition) -> None:
        made = self._shells.types.get(definition.name)
        if not isinstance(made, Record):
            return
        json, place = definition.json, definition.place
        try:
            fields = list_of(json, "fields", place)
            made.fields = self._shells.fields(fields, definition.namespace, place / "fields")
        except SchemaError as error:
            self._broken.add(definition.name)
            self._read_fields(json, "fields", definition.namespace, place)
            self._note(error)

    def _spread(self) -> None:
        """Count as broken also what uses something that is."""
        users: dict[str, set[str]] = {}
        for made in self._shells.types.values():
            for used in held_records(made) if isinstance(made, Record) else ():
                users.setdefault(used.name, set()).add(made.name)
        left = list(self._broken)
        while left:
            new = users.get(left.pop(), set()) - self._broken
            self._broken |= new
            left += new

    def _import_messages(self, files: list[File]) -> None:
        try:
            order = imported_first(files)
        except SchemaError as error:
            self._note(error)
            return
        for file in order:
            imported = {of for _, of in file.imports if of.is_protocol}
            if file in self._sound and imported <= self._sound:
                try:
                    with_messages(file, self._names())
                except SchemaError as error:
                    self._note(error)
                    self._sound.remove(file)

    # Noting

    def _note(self, error: SchemaError) -> None:
        self._count += 1
        if self._all_known or not error.problem.startswith("no type "):
            self._found.setdefault(str(error), error)

    def _lose(self, error: SchemaError) -> None:
        """Note what keeps definitions from being known."""
        self._note(error)
        self._all_known = False

    def _names(self) -> Names:
        names = Names()
        names.definitions = self._definitions
        return names

    def _collects(self, collect: Callable[..., object], *arguments: Any) -> bool:
        try:
            collect(self._names(), *arguments)
        except SchemaError as error:
            self._lose(error)
            return False
        return True

    def _fine(self, read: Callable[..., object], *arguments: Any) -> bool:
        return self._reads(self._shells, read, *arguments)

    def _reads(self, names: Names, read: Callable[..., object], *arguments: Any) -> bool:
        try:
            read(names, *arguments)
        except SchemaError as error:
            self._note(error)
            return False
        return True

    # Files

    def _collect(self, file: File) -> None:
        json, place = file.json, file.place
        if not file.is_protocol:
            for one, here in definitions(json, place):
                self._collects(_collect_type, one, here)
            return
        head, *parts = _parts(json)
        if not self._collects(collect_protocol, head, place):
            return
        name = full_name(json, "protocol", "", place)
        known = self._protocols.setdefault(name, file)
        if known is not file:
            self._note((place / "protocol").error(already_defined(name, known.place)))
            return
        for part in parts:
            self._collects(collect_protocol, part, place)

    # Protocols

    def _read_protocol(self, json: dict[str, Any], place: Place) -> None:
        types, messages = json.get("types"), json.get("messages")
        if not isinstance(types, list):
            self._fine(collect_protocol, {"protocol": "P", "types": types}, place)
            types = ()
        for index, one in enumerate(types):
            self._fine(_check_definition, one, place / "types" / index)
        head = _parts(json)[0]
        if not isinstance(messages, dict):
            self._fine(read_protocol, head | {"messages": messages}, place)
            return
        self._fine(read_protocol, head, place)
        namespace = namespace_of(full_name(json, "protocol", "", place))
        for key, one in messages.items():
            here = place / "messages" / key
            fine = self._fine(read_protocol, head | {"messages": {key: one}}, place)
            if not fine and isinstance(one, dict):
                self._read_message(one, namespace, here)

    def _read_message(self, json: dict[str, Any], namespace: str, place: Place) -> None:
        self._read_fields(json, "request", namespace, place)
        if "response" in json:
            self._fine(_read_type, json["response"], namespace, place / "response")
        errors = json.get("errors")
        for index, one in enumerate(errors if isinstance(errors, list) else ()):
            self._fine(_read_type, one, namespace, place / "errors" / index)

    def _read_fields(self, json: dict[str, Any], key: str, namespace: str, place: Place) -> None:
        fields = json.get(key)
        what = "parameter" if key == "request" else "field"
        for index, one in enumerate(fields if isinstance(fields, list) else ()):
            # In its own place, behind others that are certainly right.
            alone = [{"name": f"_left_out_{at}", "type": "null"} for at in range(index)]
            self._fine(_read_fields, [*alone, one], namespace, place / key, what)


class _Shells(Names):
    """Reads types while knowing the others by their names; looks into them when all are read."""

    def complete(self) -> None:
        """Put it off."""

    def look_deeply(self, broken: set[str], note: Callable[[SchemaError], object]) -> None:
        """Do for each part by itself what `Names.complete` does for all.

        Args:
            broken: Names of the records that could not be read, or use one that could not.
            note: Takes the problems.
        """

        def is_sound(of: Type) -> bool:
            return broken.isdisjoint(record.name for record in records_in(of))

        records = [record for record in self._new if record.name not in broken]
        arrays = [one for one in self._arrays if is_sound(one[0].items)]
        defaults = [one for one in self._defaults if is_sound(one[0].type)]
        self._bodies.clear()

        def complete(
            new: Sequence[Record] = (),
            array: Sequence[tuple[Array, Place]] = (),
            default: Sequence[tuple[Field, Place]] = (),
        ) -> bool:
            self._new, self._arrays, self._defaults = list(new), list(array), list(default)
            try:
                Names.complete(self)
            except SchemaError as error:
                note(error)
                return False
            return True

        for record in records:
            complete(new=[record])
        for array in arrays:
            # Of one that holds itself with nothing between it is not known, and was said already.
            if not isinstance(array[0].items, Record) or array[0].items in self._sizes:
                complete(array=[array])
        fine = [complete(default=[default]) for default in defaults]
        if all(fine):
            complete(default=defaults)  # one may be filled in with itself by way of another


def _where(error: SchemaError) -> tuple[str, int, int]:
    return error.source, error.line or 0, error.column or 0


def _parts(json: Any) -> list[Any]:
    """Give a protocol without its types and messages, and with each of them alone."""
    if not isinstance(json, dict):
        return [json]
    head = {key: value for key, value in json.items() if key not in {"types", "messages"}}
    types, messages = json.get("types"), json.get("messages")
    parts = [head]
    if isinstance(types, list):
        parts += [head | {"types": [None] * at + [one]} for at, one in enumerate(types)]
    if isinstance(messages, dict):
        parts += [head | {"messages": {key: one}} for key, one in messages.items()]
    return parts


def _collect_type(names: Names, json: Any, place: Place) -> None:
    names.collect(check_definition(json, place), "", place)


def _check_definition(_names: Names, json: Any, place: Place) -> None:
    check_definition(json, place)


def _read_type(names: Names, json: Any, namespace: str, place: Place) -> None:
    names.parse(json, namespace, place)


def _read_fields(names: Names, json: Any, namespace: str, place: Place, what: str) -> None:
    names.fields(json, namespace, place, what)
