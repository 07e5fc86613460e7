"""A folder of interface files, and the protocols in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from avrpc.errors import SchemaError

from .messages import collect_protocol, read_protocol
from .parse import Names, suggest
from .protocol import Protocol
from .strictjson import Place, read_json
from .text import self_contained
from .types import NAMED_KINDS, short


class UnknownProtocol(KeyError):
    """The registry has no protocol of that name, or several; the text says which there are."""

    def __str__(self) -> str:
        return str(self.args[0])


class Registry:
    """The protocols of a folder, by name.

    Every `.avpr` (a protocol in JSON) and `.avsc` (one named type, or a list of them) is read, in
    subfolders too; hidden files and folders are not. Types may be used across files by their full
    names, however the files refer to each other.

    Iterating gives full names, sorted; `registry["Quotes"]` works where that is short for just one.

    Attributes:
        folder: The folder, as it was given.

    Raises:
        SchemaError: The folder or a file can't be read, or something in a file is wrong. The error
            names the file, the JSON path, what was expected and what is there.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._protocols = _load(self.folder)

    def __getitem__(self, name: str) -> Protocol:
        found = self._protocols.get(name)
        if found is not None:
            return found
        meant = [full for full in self._protocols if short(full) == name]
        if len(meant) == 1:
            return self._protocols[meant[0]]
        if meant:
            raise UnknownProtocol(f"{name!r} is short for {' and '.join(meant)}: use the full name")
        there = ", ".join(self._protocols) or "none"
        guess = suggest(name, [*self._protocols, *map(short, self._protocols)])
        raise UnknownProtocol(f"no protocol {name!r} in {self.folder}{guess}; there are: {there}")

    def __contains__(self, name: object) -> bool:
        try:
            self[name]  # type: ignore[index]  # anything else than a str is simply not there
        except (KeyError, TypeError):
            return False
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(self._protocols)

    def __len__(self) -> int:
        return len(self._protocols)

    def __repr__(self) -> str:
        return f"<registry {self.folder}: {', '.join(self._protocols) or 'no protocols'}>"


def _load(folder: Path) -> dict[str, Protocol]:
    names = Names()
    places: dict[str, Place] = {}
    jsons: dict[str, Any] = {}
    own: dict[str, set[str]] = {}
    for file in _files(folder):
        place = Place(str(file))
        json = read_json(_read(file), str(file))
        if file.suffix == ".avsc":
            _collect_types(names, json, place)
            continue
        before = set(names.definitions)
        name = collect_protocol(names, json, place)
        if name in places:
            other = places[name].source
            raise (place / "protocol").error(f"protocol {name!r} is defined already, in {other}")
        places[name], jsons[name] = place, json
        own[name] = names.definitions.keys() - before
    for name, json in jsons.items():
        read_protocol(names, json, places[name])
    names.parse_all()
    return {
        name: Protocol.parse(
            self_contained(names, jsons[name], own[name]), source=places[name].source
        )
        for name in sorted(jsons)
    }


def _collect_types(names: Names, json: Any, place: Place) -> None:
    definitions = json if isinstance(json, list) else [json]
    for index, one in enumerate(definitions):
        here = place / index if isinstance(json, list) else place
        if not isinstance(one, dict) or one.get("type") not in NAMED_KINDS:
            raise here.expected("the definition of a record, error, enum or fixed", one)
        names.collect(one, "", here)


def _files(folder: Path) -> list[Path]:
    """List the interface files below a folder, in the same order everywhere."""
    found: list[Path] = []
    left, seen = [folder], set()
    while left:
        here = left.pop()
        try:
            entries = sorted(here.iterdir())
            real = here.resolve()
        except OSError as exc:
            raise SchemaError(f"can't read the folder: {exc.strerror}", source=str(here)) from exc
        if real in seen:
            continue  # a link that leads back
        seen.add(real)
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                left.append(entry)
            elif entry.suffix in {".avpr", ".avsc"}:
                found.append(entry)
            elif entry.suffix == ".avdl":
                raise SchemaError(
                    "Avro IDL (.avdl) is not supported yet; write the protocol as .avpr",
                    source=str(entry),
                )
    if not found:
        raise SchemaError("no interface file (.avpr, .avsc) in this folder", source=str(folder))
    return sorted(found)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as exc:
        raise SchemaError(f"can't read the file: {exc.strerror}", source=str(file)) from exc
