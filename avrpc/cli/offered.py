"""Finding what a command line names among what a server offers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from avrpc import Client, Message
from avrpc.cli.connecting import Connecting
from avrpc.cli.failures import Usage
from avrpc.schema.names import suggest
from avrpc.schema.types import short


def pick_protocol(wanted: str, offered: Sequence[str], whose: str = "the server offers") -> str:
    """Find a protocol by its full name, or by the last part of it where that is enough.

    Raises:
        Usage: There is no such protocol, or there are several; ``whose`` begins the sentence.
    """
    if wanted in offered:
        return wanted
    found = [name for name in offered if short(name) == wanted]
    if len(found) == 1:
        return found[0]
    if found:
        raise Usage(f"{wanted!r} is short for {' and '.join(found)}; use the full name")
    guess = suggest(wanted, [*offered, *map(short, offered)])
    raise Usage(f"{whose} no protocol {wanted!r}{guess or '; ' + _there_is(offered)}")


@asynccontextmanager
async def connected_to_message(
    address: str, words: str, connecting: Connecting
) -> AsyncIterator[tuple[Client, Message]]:
    """Connect to the protocol that has a message.

    Args:
        address: Of the server.
        words: ``message``, for the first protocol of the server's that has it; or
            ``protocol.message``.
        connecting: How.

    Raises:
        Usage: The server has no such message; the text names one that is close, or all.
        ConnectFailed: No connection came about.
    """
    protocol, _, name = words.rpartition(".")
    known: dict[str, Sequence[str]] = {}
    async with connecting.to(address) as client:
        offered = client.protocols
        if words in offered:
            raise Usage(
                f"{words} is a protocol; its message is missing: avrpc describe {address} {words}"
            )
        wanted = [pick_protocol(protocol, offered)] if protocol else list(offered)
        if client.protocol.name in wanted:
            if name in client.protocol.messages:
                yield client, client.protocol.messages[name]
                return
            wanted.remove(client.protocol.name)
            known[client.protocol.name] = list(client.protocol.messages)
    for other in wanted:
        async with connecting.to(address, other) as client:
            if name in client.protocol.messages:
                yield client, client.protocol.messages[name]
                return
            known[other] = list(client.protocol.messages)
    raise Usage(_no_message(name, known))


def _no_message(name: str, known: dict[str, Sequence[str]]) -> str:
    messages = list(dict.fromkeys(one for some in known.values() for one in some))
    guess = suggest(name, messages) or f"; {_there_is(messages)}"
    return f"no message {name!r} in {', '.join(known)}{guess}"


def _there_is(names: Sequence[str]) -> str:
    return f"there is {', '.join(names)}" if names else "there is none"
