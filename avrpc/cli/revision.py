"""A folder's interface files as they are at a revision of the git repository that it is in.

Asks the git program, and leaves the repository and its working tree as they are.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from posixpath import normpath

import trio

from avrpc.cli.failures import Usage
from avrpc.errors import SchemaError
from avrpc.schema.idl import read_idl
from avrpc.schema.registry import ENDINGS

# A hook of git's runs with these set, for its own repository; ours is the one that a folder is in.
_NOT_OURS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR")


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file in a tree of git's."""

    path: PurePosixPath  # from the folder
    hash: str
    is_link: bool


async def read_revision(folder: Path, revision: str, into: Path) -> str | None:
    """Write the interface files of a folder, as of a revision, and what they import.

    Args:
        folder: The folder.
        revision: As git names it.
        into: Where files get the paths that they have in the repository.

    Returns:
        What the paths of its files begin with in the repository: "schemas/". None where it was
        not there then, or held no interface files.

    Raises:
        Usage: There is no git, no repository, no such revision, or something in it that can't be
            followed; one line says which.
    """
    git = _Git(folder)
    prefix = os.fsdecode(await git.run("rev-parse", "--show-prefix")).removesuffix("\n")
    commit = await _commit(git, revision)
    entries = await _list(git, commit, prefix)
    # A hidden file may be what a link leads to; nobody looks at a hidden link itself.
    links = [one for one in entries if one.is_link and not _is_hidden(one.path.parts)]
    files = [entry for entry in entries if not entry.is_link and entry.path.suffix in ENDINGS]
    targets = await git.blobs([entry.hash for entry in links])
    for entry, target in zip(links, targets, strict=True):
        await _link(git, commit, prefix, entry, os.fsdecode(target), into / prefix)
    await _write(git, files, into / prefix)
    written = [PurePosixPath(prefix, one.path) for one in files if one.path.suffix == ".avdl"]
    await _write_imported(git, commit, written, into)
    return prefix if links or files else None


async def _write(git: _Git, entries: Sequence[_Entry], into: Path) -> None:
    contents = await git.blobs([one.hash for one in entries])
    for entry, content in zip(entries, contents, strict=True):
        file = into / entry.path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


async def _write_imported(
    git: _Git, commit: str, left: Sequence[PurePosixPath], into: Path
) -> None:
    """Write what files in IDL import from elsewhere in the repository, and what that imports.

    Of what is not there who reads the files says so.
    """
    there: dict[PurePosixPath, _Entry] | None = None
    while wanted := {path: idl for file in left for path, idl in _imports(file, into)}:
        if there is None:
            there = {one.path: one for one in await _list(git, commit, "") if not one.is_link}
        found = [path for path in wanted if path in there]
        await _write(git, [there[path] for path in found], into)
        left = [path for path in found if wanted[path]]


def _imports(file: PurePosixPath, into: Path) -> Iterator[tuple[PurePosixPath, bool]]:
    """Give what a file in IDL imports that was not written yet, and whether that is IDL too."""
    try:
        document = read_idl((into / file).read_bytes())
    except SchemaError:
        return  # who reads the folder says what is wrong
    for one in document.imports:
        path = PurePosixPath(normpath(file.parent / one.location))
        if not path.is_absolute() and path.parts[:1] != ("..",) and not (into / path).exists():
            yield path, one.kind == "idl"


class _Git:
    """The git program, run in a folder."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("git")
        if program is None:
            raise Usage("git: the program is not installed, or not on the PATH")
        self._program = program
        self._folder = folder
        self._environment = {
            key: value for key, value in os.environ.items() if key not in _NOT_OURS
        } | {"LC_ALL": "C"}

    async def run(self, *words: str, given: bytes = b"") -> bytes:
        done = await self._run(words, given)
        if done.returncode:
            problem = (done.stderr.decode(errors="replace").strip() or "it failed").splitlines()[-1]
            raise Usage(f"git in {self._folder}: {problem.removeprefix('fatal: ')}")
        return done.stdout

    async def answer(self, *words: str) -> str | None:
        """Give the line that it prints; None if it fails."""
        done = await self._run(words, b"")
        return None if done.returncode else done.stdout.decode().strip()

    async def blobs(self, hashes: Sequence[str]) -> list[bytes]:
        """Read what the files of these hashes hold."""
        if not hashes:
            return []
        text = await self.run(
            "cat-file", "--batch", given="".join(f"{one}\n" for one in hashes).encode()
        )
        found = []
        for one in hashes:
            head, _, text = text.partition(b"\n")
            words = head.split()
            if len(words) != 3:
                raise Usage(
                    f"git in {self._folder}: it does not have the file {one} of this revision"
                )
            size = int(words[2])
            found.append(text[:size])
            text = text[size + 1 :]
        return found

    async def _run(self, words: Sequence[str], given: bytes) -> subprocess.CompletedProcess[bytes]:
        try:
            return await trio.run_process(
                [self._program, *words],
                stdin=given,
                capture_stdout=True,
                capture_stderr=True,
                check=False,
                cwd=self._folder,
                env=self._environment,
            )
        except OSError as error:
            raise Usage(f"git in {self._folder}: {error.strerror}") from error


async def _commit(git: _Git, revision: str) -> str:
    # No name of git's begins with a dash, but its options do.
    if revision and not revision.startswith("-"):
        found = await git.answer("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
        if found:
            return found
    raise Usage(
        f"git:{revision}: no such revision here; a clone of CI's may have to fetch it first"
    )


async def _list(git: _Git, commit: str, prefix: str) -> list[_Entry]:
    where = ["--", prefix] if prefix else []
    found = []
    for line in (await git.run("ls-tree", "-r", "-z", "--full-tree", commit, *where)).split(b"\0"):
        about, _, name = line.partition(b"\t")
        words = about.decode().split()
        if len(words) != 3 or words[1] != "blob":
            continue  # behind the last one; or a submodule
        path = PurePosixPath(os.fsdecode(name)[len(prefix) :])
        if path.is_absolute() or ".." in path.parts:
            raise Usage(f"git: a tree with a file named {os.fsdecode(name)!r}")
        found.append(_Entry(path, words[2], words[0] == "120000"))
    return found


def _is_hidden(parts: Sequence[str]) -> bool:
    return any(part.startswith(".") for part in parts)


async def _link(
    git: _Git, commit: str, prefix: str, entry: _Entry, target: str, into: Path
) -> None:
    """Make a symbolic link, if it leads to somewhere in the folder.

    Raises:
        Usage: It leads out of it, and the interface files there would be missed.
    """
    whole = normpath(f"{prefix}{entry.path.parent}/{target}")
    outside = target.startswith("/") or whole.split("/")[0] == ".."
    if not outside and f"{whole}/".startswith(prefix):
        link = into / entry.path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)
        return
    kind = "" if outside else await git.answer("cat-file", "-t", f"{commit}:{whole}")
    if outside or kind == "tree" or entry.path.suffix in ENDINGS:
        raise Usage(f"git: {prefix}{entry.path} is a link that leads out of the folder: {target}")
