"""A folder of interface files, and the protocols in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from avrpc.errors import SchemaError

from .messages import collect_protocol, read_protocol
from .parse import Names, suggest
from .protocol import Protocol
from .strictjson import Place, read_json
from .text import self_contained
from .types import NAMED_KINDS, short

# How the names of interface files end.
ENDINGS = (".avpr", ".avsc", ".avdl")


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
    for file in interface_files(folder):
        json, place = read_file(file)
        if holds_types(file):
            for one, here in definitions(json, place):
                names.collect(check_definition(one, here), "", here)
            continue
        before = set(names.definitions)
        name = collect_protocol(names, json, place)
        if name in places:
            raise (place / "protocol").error(already_defined(name, places[name]))
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


def already_defined(name: str, place: Place) -> str:
    """Say that there is another protocol of a name."""
    return f"protocol {name!r} is defined already, in {place.source}"


def holds_types(file: Path) -> bool:
    """Whether a file holds types, and not a protocol."""
    return file.suffix == ".avsc"


def definitions(json: Any, place: Place) -> Iterator[tuple[Any, Place]]:
    """Give what stands in a file of types, which is one definition or a list of them."""
    if isinstance(json, list):
        for index, one in enumerate(json):
            yield one, place / index
    else:
        yield json, place


def check_definition(json: Any, place: Place) -> Any:
    """Return the JSON of a named type as it is, if it is one."""
    if not isinstance(json, dict) or json.get("type") not in NAMED_KINDS:
        raise place.expected("the definition of a record, error, enum or fixed", json)
    return json


def _refuse(error: SchemaError) -> NoReturn:
    raise error


def interface_files(folder: Path, wrong: Callable[[SchemaError], object] = _refuse) -> list[Path]:
    """List the interface files below a folder, in the same order everywhere.

    What is in the way goes to ``wrong``; where that returns, the others are listed all the same.
    """
    found: list[Path] = []
    complete = True
    left, seen = [folder], set()
    while left:
        here = left.pop()
        try:
            entries = sorted(here.iterdir())
            real = here.resolve()
        except OSError as exc:
            error = SchemaError(f"can't read the folder: {exc.strerror}", source=str(here))
            error.__cause__ = exc
            wrong(error)
            complete = False
            continue
        if real in seen:
            continue  # a link that leads back
        seen.add(real)
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                left.append(entry)
            elif entry.suffix == ".avdl":
                text = "Avro IDL (.avdl) is not supported yet; write the protocol as .avpr"
                wrong(SchemaError(text, source=str(entry)))
                complete = False
            elif entry.suffix in ENDINGS:
                found.append(entry)
    if complete and not found:
        wrong(SchemaError("no interface file (.avpr, .avsc) in this folder", source=str(folder)))
    return sorted(found)


def read_file(file: Path) -> tuple[Any, Place]:
    """Read the JSON of a file; give it, and where it stands.

    Raises:
        SchemaError: It can't be read, or is no JSON.
    """
    try:
        text = file.read_bytes()
    except OSError as exc:
        raise SchemaError(f"can't read the file: {exc.strerror}", source=str(file)) from exc
    return read_json(text, str(file)), Place(str(file))
