"""Two versions of a protocol that differ in every way that counts, for tests of the verdicts."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import avrpc


def record(name: str, *fields: tuple[Any, ...]) -> dict[str, Any]:
    parts = [
        {"name": field[0], "type": field[1]} | ({"default": field[2]} if len(field) > 2 else {})
        for field in fields
    ]
    return {"type": "record", "name": name, "fields": parts}


def message(response: Any = "null", **request: Any) -> dict[str, Any]:
    fields = [{"name": name, "type": of} for name, of in request.items()]
    return {"request": fields, "response": response}


def protocol(name: str, messages: dict[str, Any], *types: Any) -> dict[str, Any]:
    return {"protocol": name, "namespace": "demo", "types": list(types), "messages": messages}


SIDE = {"type": "enum", "name": "Way", "symbols": ["BUY", "SELL"]}
OLD = protocol(
    "Shop",
    {
        "same": message("string"),
        "wider": message("Item"),
        "partial": message("null", side="Way"),
        "broken": message("null", count="string"),
        "gone": message(),
    },
    record("Item", ("id", "int")),
    SIDE,
)
NEW = protocol(
    "Shop",
    {
        "same": message("string"),
        "wider": message("Item"),
        "partial": message("null", side="Way"),
        "broken": message("null", count="int"),
        "fresh": message(),
    },
    record("Item", ("id", "int"), ("note", "string", "")),
    SIDE | {"symbols": ["BUY", "SELL", "HOLD"]},
)
HARMLESS = protocol(
    "Shop",
    OLD["messages"] | {"fresh": message()},
    record("Item", ("id", "int"), ("note", "string", "")),
    SIDE,
)
Old = avrpc.Protocol.parse(json.dumps(OLD))
New = avrpc.Protocol.parse(json.dumps(NEW))


def write(folder: Path, **files: Any) -> str:
    """Write .avpr files; a str is taken as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / f"{name}.avpr").write_text(text)
    return str(folder)


class Repository:
    """A git repository of one's own, whatever settings the machine has."""

    def __init__(self, folder: Path, require_program: Callable[[str], str]) -> None:
        self.folder = folder
        self._git = require_program("git")
        folder.mkdir(exist_ok=True)
        self.run("init", "--quiet", "--initial-branch=main")

    def run(self, *words: str) -> str:
        settings = ["-c", "user.name=T", "-c", "user.email=t@example.com", "-c", "core.hooksPath="]
        command = [self._git, *settings, *words]
        done = subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def commit(self) -> str:
        self.run("add", "--all", "--force")
        self.run("commit", "--quiet", "--message=x", "--no-gpg-sign", "--allow-empty")
        return self.run("rev-parse", "HEAD")
