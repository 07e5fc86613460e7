"""Other versions of the protocol of the cases, as clients older or newer than the server have."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Any

from avrpc.conformance.interface import Conformance
from avrpc.schema import Protocol

Tree = dict[str, Any]


def unknown_text() -> str:
    """The text of the protocol, in bytes that no server has seen."""
    return Conformance.text + "".join(secrets.choice(" \t\r\n") for _ in range(64))


def version(change: Callable[[Tree], object]) -> Protocol:
    """The protocol with a change made to its JSON."""
    tree = json.loads(Conformance.text)
    change(tree)
    return Protocol.parse(json.dumps(tree), source="a version of the kit's")


def with_messages(**messages: Tree) -> Protocol:
    """With these messages, new or instead of its own."""
    return version(lambda tree: tree["messages"].update(messages))


def message(request: list[Tree], response: object, **more: object) -> Tree:
    """The JSON of a message."""
    return {"request": request, "response": response, **more}


def parameter(name: str, of: object) -> Tree:
    """The JSON of a parameter, or of a field."""
    return {"name": name, "type": of}


def without_stream(name: str) -> Protocol:
    """With a message that does not stream."""
    return version(lambda tree: tree["messages"][name].pop("stream"))


def writing(*fields: Tree) -> Protocol:
    """With an `echo` that takes a record of these fields, and gives what it gives.

    The record has the name of the server's, but for its namespace: so it is read as that, and the
    response stays as it is.
    """
    record = {"type": "record", "name": "old.Everything", "fields": list(fields)}
    return with_messages(echo=message([parameter("value", record)], "Everything"))
