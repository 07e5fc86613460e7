"""One version of some interfaces: those of a folder, of a git revision, or of a running server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from avrpc import Protocol, SchemaError
from avrpc.cli.connecting import Connecting
from avrpc.cli.failures import Usage
from avrpc.cli.revision import read_revision
from avrpc.schema import Registry
from avrpc.schema.problems import find_problems
from avrpc.schema.registry import interface_files

GIT = "git:"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in an interface file; `avrpc.SchemaError` says what its parts are."""

    file: str
    line: int | None
    column: int | None
    path: str
    problem: str

    def __str__(self) -> str:
        return str(
            SchemaError(
                self.problem, source=self.file, path=self.path, line=self.line, column=self.column
            )
        )


@dataclass(frozen=True, slots=True)
class Version:
    """Some interfaces.

    Attributes:
        where: What the command line calls it.
        protocols: By full name; empty where there are problems.
        problems: All that is wrong with its files.
        files: How many there are, where there are no problems.
    """

    where: str
    protocols: Mapping[str, Protocol]
    problems: tuple[Problem, ...] = ()
    files: int = 0


def is_address(words: str) -> bool:
    """Whether words are a server's address, and no folder or revision."""
    return "://" in words and not words.startswith(GIT)


def read_folder(words: str) -> Version:
    """Read the interfaces of a folder.

    Raises:
        Usage: There is no such folder.
    """
    folder = Path(words)
    if not folder.is_dir():
        raise Usage(f"{words}: {'not a folder' if folder.exists() else 'no such folder'}")
    return _read(folder, words, words)


def read_protocols(words: str) -> Version:
    """Read the interfaces of a folder for a command that needs them.

    Raises:
        Usage: There is no such folder, or it has problems.
    """
    found = read_folder(words)
    if found.problems:
        first, *more = found.problems
        hint = f" (and {len(more)} more; avrpc check {words} shows them)" if more else ""
        raise Usage(f"{first}{hint}")
    return found


async def read_git(folder: str, words: str) -> Version:
    """Read a folder's interfaces as they were at a revision: ``git:main``.

    A folder that was not there then, or held no interface, had no protocols.

    Raises:
        Usage: That can't be read; one line says why.
    """
    with TemporaryDirectory(prefix="avrpc-") as temporary:
        into = Path(temporary)
        inside = await read_revision(Path(folder), words.removeprefix(GIT), into)
        if inside is None:
            return Version(words, {})
        return _read(into / inside, words, f"{words}:{inside}")


@asynccontextmanager
async def reading_server(
    address: str, connecting: Connecting
) -> AsyncIterator[tuple[tuple[str, ...], Callable[[str], Awaitable[Protocol]]]]:
    """Give the names of a server's protocols, and what asks for the protocol of a name.

    Raises:
        ConnectFailed: No connection came about.
    """
    async with connecting.to(address) as client:

        async def read(name: str) -> Protocol:
            if name == client.protocol.name:
                return client.protocol
            async with connecting.to(address, name) as other:
                return other.protocol

        yield client.protocols, read


def _read(folder: Path, where: str, shown: str) -> Version:
    errors = find_problems(folder)
    if not errors:
        registry = Registry(folder)
        protocols = {name: registry[name] for name in registry}
        return Version(where, protocols, files=len(interface_files(folder)))

    def told(text: str) -> str:
        # Also in the problem: it may name another file, in which a name is defined already.
        if shown == where:
            return text
        return text.replace(f"{folder}/", shown).replace(str(folder), shown.removesuffix("/"))

    problems = (
        Problem(told(one.source), one.line, one.column, one.path, told(one.problem))
        for one in errors
    )
    return Version(where, {}, tuple(problems))
