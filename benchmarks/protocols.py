"""The protocols that avrpc is measured with, and other versions of them."""

import json
import pathlib
from collections.abc import Callable
from typing import Any

import avrpc

registry = avrpc.Registry(pathlib.Path(__file__).resolve().parent)
Bench, Flights = registry["avrpc.bench.Bench"], registry["avrpc.bench.Flights"]


def other_version(change: Callable[[dict[str, Any]], object]) -> avrpc.Protocol:
    """Make a version of Bench that differs."""
    protocol = json.loads(Bench.text)
    change(protocol)
    return avrpc.Protocol.parse(json.dumps(protocol))


def fields(protocol: dict[str, Any]) -> list[dict[str, Any]]:
    """The fields of a Tick."""
    found: list[dict[str, Any]] = protocol["types"][0]["fields"]
    return found


# What most new versions bring is a field with a default. Before the server's version there was no
# `size`; in the next one there will be a `venue`. Each differs at the client alone, so that the
# server does the same work as for its own version, and the same bytes travel.
Older = other_version(lambda protocol: fields(protocol).pop(2))
Newer = other_version(
    lambda protocol: fields(protocol).append({"name": "venue", "type": "string", "default": ""})
)


def of_messages(number: int) -> avrpc.Protocol:
    """Make a version of Bench of so many messages, `echo` among them."""

    def change(protocol: dict[str, Any]) -> None:
        echo = protocol["messages"]["echo"]
        more = {f"echo{i:03}": echo for i in range(number - 1)}
        protocol["messages"] = {"echo": echo} | more

    return other_version(change)
