"""A folder of interface files, and the protocols in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from os.path import realpath
from pathlib import Path
from typing import Any, NoReturn

from avrpc.errors import SchemaError

from .idl import Import, read_idl
from .idl_link import File, defined_first, imported_first, with_messages
from .messages import collect_protocol, read_protocol
from .names import full_name, suggest
from .parse import Names
from .protocol import Protocol
from .strictjson import Place, read_json
from .text import self_contained
from .types import NAMED_KINDS, short

_KINDS = {".avdl": "idl", ".avpr": "protocol", ".avsc": "schema"}

# How the names of interface files end.
ENDINGS = tuple(_KINDS)


class UnknownProtocol(KeyError):
    """The registry has no protocol of that name, or several; the text says which there are."""

    def __str__(self) -> str:
        return str(self.args[0])


class Registry:
    """The protocols of a folder, by name.

    Every `.avdl` (a protocol or types in Avro IDL), `.avpr` (a protocol in JSON) and `.avsc` (one
    named type, or a list of them) is read, in subfolders too; hidden files and folders are not.
    Types may be used across files by their full names, however the files refer to each other. Files
    that IDL imports from elsewhere are read, too; protocols in those are not in the registry.

    Iterating gives full names, sorted; `registry["Quotes"]` works where that is short for just one.

    Attributes:
        folder: The folder, as it was given.

    Raises:
        SchemaError: The folder or a file can't be read, or something in a file is wrong. The error
            names the file, the JSON path (in IDL the line and column), what was expected and what
            is there.
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
    protocols: dict[str, File] = {}
    own: dict[str, set[str]] = {}
    files = read_files(interface_files(folder))
    for file in files:
        if not file.is_protocol:
            _collect_types(names, file.json, file.place)
            continue
        _refuse_twice(file, protocols)
        before = set(names.definitions)
        name = collect_protocol(names, file.json, file.place)
        protocols[name] = file
        own[name] = names.definitions.keys() - before
    name_of = {file: name for name, file in protocols.items()}
    jsons: dict[str, Any] = {}
    for file in imported_first(files):
        if file in name_of:
            json = with_messages(file, names)
            read_protocol(names, json, file.place)
            jsons[name_of[file]] = defined_first(json, names) if file.kind == "idl" else json
        elif file.document and file.document.main is not None:
            names.parse(file.document.main, file.document.namespace, file.place / "schema")
    names.parse_all()
    return {
        name: Protocol.parse(
            self_contained(names, jsons[name], own[name]), source=str(protocols[name].path)
        )
        for name in sorted(jsons)
        if protocols[name].listed
    }


def _refuse_twice(file: File, known: dict[str, File]) -> None:
    """Refuse a second protocol of a name, rather than a type in it that is the first one's too."""
    if isinstance(file.json, dict) and "protocol" in file.json:
        name = full_name(file.json, "protocol", "", file.place)
        if name in known:
            raise (file.place / "protocol").error(already_defined(name, known[name].place))


def already_defined(name: str, place: Place) -> str:
    """Say that there is another protocol of a name."""
    return f"protocol {name!r} is defined already, in {place.source}"


def _refuse(error: SchemaError) -> NoReturn:
    raise error


def read_files(paths: list[Path], wrong: Callable[[SchemaError], object] = _refuse) -> list[File]:
    """Read files of a folder, and those that they import, wherever they are.

    What is wrong goes to ``wrong``: a file that can't be read, or is no JSON or IDL. Where that
    returns, the others are read all the same.
    """
    files: list[File] = []
    there: dict[str, File | None] = {}
    for path in paths:
        try:
            file = _parse(path, _KINDS[path.suffix], _read(path))
        except SchemaError as error:
            wrong(error)
            there.setdefault(realpath(path), None)
        else:
            files.append(file)
            there.setdefault(realpath(path), file)
    for file in files:  # it grows
        for one in file.document.imports if file.document else ():
            try:
                imported = _imported(one, file.path.parent / one.location, there, files)
            except SchemaError as error:
                wrong(error)
            else:
                file.imports += [(one, imported)] if imported else []
    return files


def _imported(
    what: Import, path: Path, there: dict[str, File | None], files: list[File]
) -> File | None:
    """Find a file that is imported, or read it; None if it was found to be wrong before."""
    try:
        key = realpath(path)
        data = b"" if key in there else path.read_bytes()
    except (OSError, ValueError) as exc:  # also of a name that can't be one
        why = getattr(exc, "strerror", None) or exc
        raise what.place.error(f"can't read {path}: {why}") from exc
    if key not in there:
        there[key] = None
        there[key] = made = _parse(path, what.kind, data, listed=False)
        files.append(made)
    found = there[key]
    if found is not None and found.kind != what.kind:
        raise what.place.error(f"{path} is read by: import {found.kind}")
    return found


def _parse(path: Path, kind: str, data: bytes, *, listed: bool = True) -> File:
    source = str(path)
    if kind == "idl":
        document = read_idl(data, source)
        return File(path, kind, document.json, document.place, listed, document)
    return File(path, kind, read_json(data, source), Place(source), listed)


def _collect_types(names: Names, json: Any, place: Place) -> None:
    for one, here in definitions(json, place):
        names.collect(check_definition(one, here), "", here)


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
            wrong(SchemaError(f"can't read the folder: {exc.strerror}", source=str(here)))
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
            elif entry.suffix in _KINDS:
                found.append(entry)
    if complete and not found:
        files = ", ".join(_KINDS)
        wrong(SchemaError(f"no interface file ({files}) in this folder", source=str(folder)))
    return sorted(found)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as exc:
        raise SchemaError(f"can't read the file: {exc.strerror}", source=str(file)) from exc
