"""Imports only go down. Read from the source, so no import runs and none is missed.

A new module directly below avrpc/ gets a place in LAYERS; a file inside a package needs none.
"""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent

# From low to high. A module may import from its own row and from those above it in this table.
# A name stands for a file or a package below avrpc/; "avrpc" is what a user imports.
LAYERS = (
    ("shown", "log", "errors", "groups"),
    ("wire", "schema"),
    (
        *("address", "limits", "tls_errors", "tls", "transport", "tls_transport", "listen"),
        *("door", "lookout", "watch", "credentials", "call_info", "auth"),
        *("memory", "compression", "replies", "handshake", "opening"),
    ),
    ("writer", "reader"),
    ("session",),
    ("call", "collect"),
    (
        *("client_call", "client_stream", "client_message", "client"),
        *("handlers", "workers", "server_call", "server_connection", "server"),
    ),
    ("avrpc",),
    ("testing",),
    ("demo", "conformance"),
    ("cli",),
)

# Where a part may import less of avrpc than its row allows: all that it may.
ONLY_THESE = {
    "wire": {"wire"},
    "schema": {"schema", "errors", "shown"},
}

# What a part may not import from elsewhere.
NEVER = {
    "wire": {
        *("trio", "asyncio", "threading", "socket", "ssl"),
        *("time", "logging", "random", "secrets"),
    },
    "schema": {"trio"},
}

# What nobody else may import.
ONLY_HERE = {"fastavro": "schema"}


class Import(NamedTuple):
    """One import: where it stands and the module that it is of, by full names."""

    importer: str
    line: int
    imported: str

    def __str__(self) -> str:
        return f"{self.importer}, line {self.line}, imports {self.imported}"


def source_files(root: Path) -> dict[str, Path]:
    """Map full names of modules to their files."""
    files = {}
    for file in sorted((root / "avrpc").rglob("*.py")):
        parts = file.relative_to(root).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return files


def imports(files: dict[str, Path]) -> Iterator[Import]:
    """Find every import, also those in functions and for types alone: they tie modules as well."""
    for name, file in files.items():
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield Import(name, node.lineno, alias.name)
            elif isinstance(node, ast.ImportFrom):
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*(above if node.level else []), *filter(None, [node.module])])
                for alias in node.names:
                    member = f"{base}.{alias.name}"
                    yield Import(name, node.lineno, member if member in files else base)


def part_of(module: str) -> str:
    """Tell which name of LAYERS a module of avrpc belongs to: avrpc.wire.frames -> wire."""
    return module.split(".")[1] if "." in module else module


def complaints(root: Path) -> list[str]:
    """List everything that breaks a rule, each with the rule that it breaks."""
    files = source_files(root)
    rows = {name: number for number, row in enumerate(LAYERS) for name in row}
    found = [
        f"{name} has no place in LAYERS; give it one"
        for name in files
        if part_of(name) not in rows and part_of(name) != "__main__"
    ]
    rows["__main__"] = len(LAYERS)
    for each in imports(files):
        importer = part_of(each.importer)
        package, _, _ = each.imported.partition(".")
        if package == "avrpc":
            imported = part_of(each.imported)
            allowed = ONLY_THESE.get(importer)
            if allowed is not None and imported not in allowed:
                found.append(f"{each}, but may import only {', '.join(sorted(allowed))}")
            elif rows.get(imported, 0) > rows.get(importer, len(LAYERS)):
                found.append(f"{each}, which is above it in LAYERS")
        elif package in NEVER.get(importer, ()):
            found.append(f"{each}, which {importer} may not")
        elif ONLY_HERE.get(package, importer) != importer:
            found.append(f"{each}, which only {ONLY_HERE[package]} may")
    return found + cycle(files)


def cycle(files: dict[str, Path]) -> list[str]:
    """Describe one cycle of imports between modules, if there is any."""
    graph: dict[str, set[str]] = {name: set() for name in files}
    for each in imports(files):
        if each.imported in files and each.imported != each.importer:
            graph[each.importer].add(each.imported)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        # It names each module before the one that imports it.
        return ["a cycle: " + " imports ".join(reversed(error.args[1]))]
    return []


def test_imports_only_go_down() -> None:
    found = complaints(ROOT)
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        (
            {"wire/frames.py": "import avrpc.errors"},
            "avrpc.wire.frames, line 1, imports avrpc.errors, but may import only wire",
        ),
        (
            {"wire/frames.py": "def f():\n    from trio import sleep"},
            "avrpc.wire.frames, line 2, imports trio, which wire may not",
        ),
        (
            {"schema/c.py": "from avrpc import wire"},
            "avrpc.schema.c, line 1, imports avrpc.wire, but may import only errors, schema, shown",
        ),
        (
            {"call.py": "import fastavro._read as r"},
            "avrpc.call, line 1, imports fastavro._read, which only schema may",
        ),
        (
            {"session.py": "from .call import Call"},
            "avrpc.session, line 1, imports avrpc.call, which is above it in LAYERS",
        ),
        (
            {"client.py": "from avrpc import Server"},
            "avrpc.client, line 1, imports avrpc, which is above it in LAYERS",
        ),
        ({"helpers.py": ""}, "avrpc.helpers has no place in LAYERS; give it one"),
        (
            {"wire/a.py": "from . import b", "wire/b.py": "from ..wire.a import name"},
            "a cycle: avrpc.wire.a imports avrpc.wire.b imports avrpc.wire.a",
        ),
    ],
)
def test_what_breaks_a_rule_is_named(files: dict[str, str], complaint: str, tmp_path: Path) -> None:
    package_files = {"__init__.py": "", "errors.py": "", "wire/__init__.py": "", "call.py": ""}
    for name, text in {**package_files, **files}.items():
        (tmp_path / "avrpc" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "avrpc" / name).write_text(text)
    assert complaints(tmp_path) == [complaint]


def test_what_keeps_the_rules_passes(tmp_path: Path) -> None:
    for name, text in {
        "__init__.py": "from .client import connect",
        "__main__.py": "from avrpc.cli import main",
        "errors.py": "import trio",
        "wire/__init__.py": "from avrpc.wire.frames import Frame",
        "wire/frames.py": "import struct",
        "schema/codec.py": "import fastavro\nfrom avrpc import errors",
        "server.py": "import trio\nfrom avrpc.schema import codec",
        "client.py": "from avrpc.wire import Frame\nfrom avrpc import server",
        "cli/__init__.py": "import avrpc",
    }.items():
        (tmp_path / "avrpc" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "avrpc" / name).write_text(text)
    assert complaints(tmp_path) == []
