"""What hostile peers do, each as one life of a connection, and how that has to end.

Each takes a `Peer`, waits for its turn before each act, and gives what became of it: "endured" if
the server had no reason to end it, else how it was ended. `EXPECTED` says what that shall be.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import trio

import avrpc
from avrpc.wire import GoawayCode, StatusCode
from avrpc.wire.frames import METADATA, MORE, Kind
from avrpc.wire.primitives import encode_bytes, encode_long, encode_metadata
from benchmarks import strangers
from tests.desk import DESK, disguised
from tests.torture.raw import LAST, PARK, Raw, connected
from tests.wire.pair import count, frame

ACTS = 300  # of a life that the server endures
PIECE = bytes(1024)


class Peer:
    """One hostile peer, which connects again and again.

    Args:
        address: Of the server.
        turn: Waits until it may act: connect, or send something.
    """

    def __init__(self, address: str, turn: Callable[[], Awaitable[None]]) -> None:
        self.address = address
        self.turn = turn

    @asynccontextmanager
    async def connected(self, receive_buffer: int | None = None) -> AsyncIterator[Raw]:
        """A new connection."""
        await self.turn()
        async with connected(self.address, receive_buffer=receive_buffer) as raw:
            yield raw

    @asynccontextmanager
    async def shaken(self, receive_buffer: int | None = None) -> AsyncIterator[Raw]:
        """A new connection that has shaken hands."""
        async with self.connected(receive_buffer) as raw:
            await self.turn()
            yield await raw.shake_hands()


Life = Callable[[Peer], Awaitable[str]]


async def benign(peer: Peer) -> str:
    """Calls, and waits for each answer."""
    async with peer.shaken() as raw:
        for _ in range(ACTS):
            await peer.turn()
            await raw.send(raw.call("last", *LAST))
            await raw.until_answered()
    return "endured" if raw.frames[Kind.RESULT] == ACTS else f"answered {raw.frames}"


# Before the handshake is done ...


async def drip(peer: Peer) -> str:
    """Slowloris: a byte of a handshake now and then."""
    async with peer.connected() as raw, trio.open_nursery() as nursery:

        async def send() -> None:
            with suppress(trio.BrokenResourceError):
                for byte in bytes(7) + b"\1" + (16_000).to_bytes(4) + bytes(16_000):
                    await peer.turn()
                    await raw.send(bytes([byte]))
                    await trio.sleep(0.01)

        nursery.start_soon(send)
        ended = await raw.until_closed()
        nursery.cancel_scope.cancel()
    return ended


async def silent(peer: Peer) -> str:
    """Connects and says nothing."""
    async with peer.connected() as raw:
        return await raw.until_closed()


async def garbage(peer: Peer) -> str:
    """Speaks another protocol."""
    async with peer.connected() as raw:
        await peer.turn()
        await raw.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return await raw.until_closed()


async def giant(peer: Peer) -> str:
    """Claims that its first pack has a gigabyte."""
    async with peer.connected() as raw:
        await peer.turn()
        await raw.send(bytes(7) + b"\1" + (1 << 30).to_bytes(4))
        return await raw.until_closed()


async def texts(peer: Peer) -> str:
    """Has a version of the protocol that the server has never seen, each time."""
    text = DESK.text.replace("The last tick", f"Tick {next(_numbers)} {id(peer)}")
    mine = disguised(text)
    async with peer.connected() as raw:
        for _ in range(2):  # it takes two packs
            await peer.turn()
        await raw.shake_hands(mine)
        await peer.turn()
        await raw.send(raw.call("last", *LAST))
        await raw.until_answered()
    return "endured"


_numbers = itertools.count()

# ... frames that break a rule ...


def _violation(*fields: Any, kind: int = Kind.ITEMS, flags: int = 0) -> Life:
    async def break_it(peer: Peer) -> str:
        async with peer.shaken() as raw:
            await peer.turn()
            await raw.send(raw.call("push"), frame(kind, *fields, flags=flags))
            return await raw.until_closed()

    return break_it


async def oversized(peer: Peer) -> str:
    """Announces a frame of 16 MiB, and sends what it can of it."""
    async with peer.shaken() as raw:
        await peer.turn()
        await raw.send((Kind.CALL << 24 | 0xFFFFFF).to_bytes(4))
        return await raw.until_closed()


async def calls(peer: Peer) -> str:
    """Calls that never end, up to the limit, and one more."""
    async with peer.shaken() as raw:
        for _ in range(avrpc.Limits().max_calls + 1):
            await peer.turn()
            await raw.send(raw.call("last", *PARK))
        return await raw.until_closed()


async def pings(peer: Peer) -> str:
    """PINGs without end."""
    async with peer.shaken() as raw:
        for value in range(avrpc.Limits().max_pings + 1):
            await peer.turn()
            await raw.send(frame(Kind.PING, value))
        return await raw.until_closed()


async def credit(peer: Peer) -> str:
    """Grants credit byte by byte, and then more than there can be."""
    async with peer.shaken() as raw:
        await raw.send(raw.call("watch", *PARK))
        for _ in range(ACTS):
            await peer.turn()
            await raw.send(frame(Kind.CREDIT, 1, 1))
        await raw.send(frame(Kind.CREDIT, 1, 2**31 - 1))
        return await raw.until_closed()


async def oversend(peer: Peer) -> str:
    """Sends items for which it has no credit, to a handler that takes none."""
    item = encode_bytes(bytes(32_000))
    items = frame(Kind.ITEMS, 1, count(1), item)
    async with peer.shaken() as raw:
        await raw.send(raw.call("record", b"\x08park"))
        for _ in range(avrpc.Limits().window_bytes // len(item) + 2):
            await peer.turn()
            await raw.send(items)
        return await raw.until_closed()


# ... none of them, and yet ...


async def cancels(peer: Peer) -> str:
    """Rapid reset: opens calls and cancels them at once."""
    async with peer.shaken() as raw:
        for _ in range(ACTS):
            await peer.turn()
            call = raw.call("last", *PARK)
            await raw.send(call, frame(Kind.CANCEL, raw.last_id))
            if raw.last_id - raw.outcomes > 500:
                await raw.until_answered()
        await raw.until_answered()
    return "endured" if raw.statuses[StatusCode.CANCELLED] == ACTS else f"answered {raw.statuses}"


async def late(peer: Peer) -> str:
    """Sends frames for a call that ended long ago."""
    async with peer.shaken() as raw:
        await raw.send(raw.call("convert"), frame(Kind.END, 1))
        await raw.until_answered()
        for _ in range(ACTS):
            await peer.turn()
            await raw.send(*(frame(kind, 1) for kind in (Kind.END, Kind.CANCEL)))
            await raw.send(frame(Kind.CREDIT, 1, 5), frame(Kind.PONG, 5))
        await raw.send(raw.call("last", *LAST))
        await raw.until_answered()
    return "endured"


async def invalid(peer: Peer) -> str:
    """Sends parameters that are none."""
    async with peer.shaken() as raw:
        for _ in range(ACTS):
            await peer.turn()
            await raw.send(raw.call("last", b"\xff\xff\xff\x7f"))
            await raw.until_answered()
    answered = raw.statuses[StatusCode.INVALID_VALUE]
    return "endured" if answered == ACTS else f"answered {raw.statuses}"


async def metadata(peer: Peer) -> str:
    """Sends as much metadata with its calls as there may be, and then an entry more."""
    most = encode_metadata({f"{number:02}": bytes(115) for number in range(64)})
    more = encode_metadata({f"{number:02}": b"" for number in range(65)})
    async with peer.shaken() as raw:
        for _ in range(ACTS):
            await peer.turn()
            await raw.send(raw.call("last", most, *LAST, flags=METADATA))
            await raw.until_answered()
        await raw.send(raw.call("last", more, *LAST, flags=METADATA))
        return await raw.until_closed()


async def halves(peer: Peer) -> str:
    """Begins large values, and leaves them at that."""
    async with peer.shaken() as raw:
        for _ in range(avrpc.Limits().max_values_in_pieces):
            await peer.turn()
            await raw.send(raw.call("load", PIECE, flags=MORE))
        await raw.until_answered()
    return f"status {', '.join(map(str, raw.statuses))}"


async def unread(peer: Peer) -> str:
    """Asks for more and more, and reads nothing of it."""
    async with peer.shaken(receive_buffer=4096) as raw:
        try:
            while True:
                await peer.turn()
                value = encode_bytes(bytes(30_000))
                await raw.send(raw.call("load", value))
                if raw.last_id == avrpc.Limits().max_calls:
                    return "let in too many"
        except trio.BrokenResourceError:
            return "closed"


# ... and what costs a server most for what it is; at no pace can that be told from a call.


async def dear_texts(peer: Peer) -> str:
    """Has versions of the protocol that take long to read, each on a connection of its own."""
    for _, text in itertools.islice(strangers.texts(250_000), 4):
        mine = disguised(text.replace('"protocol":"P"', f'"protocol":"{DESK.name}"', 1))
        async with peer.connected() as raw:
            # Some are valid and some are not, and some take longer than a handshake may.
            with suppress(avrpc.ConnectFailed, trio.BrokenResourceError, EOFError):
                await raw.shake_hands(mine)
    return "endured"


async def dear_values(peer: Peer) -> str:
    """Sends as many values as a message may hold, in few bytes."""
    whole = json.loads(DESK.text)
    del whole["messages"]["record"]["stream"]
    tick = b"\0" + bytes(8) + b"\0"
    value = b"\x02E" + encode_long(62_000) + tick * 62_000 + b"\0"
    async with peer.connected() as raw:
        await raw.shake_hands(avrpc.Protocol.parse(json.dumps(whole)))
        for _ in range(3):
            await peer.turn()
            await raw.send(*raw.in_pieces("record", value))
            await raw.until_answered()
    return "endured" if raw.frames[Kind.RESULT] == 3 else f"answered {raw.texts}"


LIVES: dict[str, Life] = {
    "drip": drip,
    "silent": silent,
    "garbage": garbage,
    "giant": giant,
    "texts": texts,
    "unknown frame": _violation(kind=12),
    "reserved kind 0": _violation(kind=0),
    "empty frame": _violation(),
    "no items": _violation(1, count(0)),
    "empty piece": _violation(1, count(1), flags=MORE),
    "oversized": oversized,
    "calls": calls,
    "pings": pings,
    "credit": credit,
    "oversend": oversend,
    "cancels": cancels,
    "late": late,
    "invalid": invalid,
    "metadata": metadata,
    "halves": halves,
    "unread": unread,
}

DEAR: dict[str, Life] = {"dear texts": dear_texts, "dear values": dear_values}

EXPECTED = dict.fromkeys(LIVES | DEAR, "endured") | {
    "drip": "closed",
    "silent": "closed",
    "garbage": "closed",
    "giant": "closed",
    "unknown frame": f"goaway {GoawayCode.PROTOCOL_ERROR}",
    "reserved kind 0": f"goaway {GoawayCode.PROTOCOL_ERROR}",
    "empty frame": f"goaway {GoawayCode.PROTOCOL_ERROR}",
    "no items": f"goaway {GoawayCode.PROTOCOL_ERROR}",
    "empty piece": f"goaway {GoawayCode.PROTOCOL_ERROR}",
    "oversized": f"goaway {GoawayCode.FRAME_SIZE_ERROR}",
    "calls": f"goaway {GoawayCode.PROTOCOL_ERROR}",
    "pings": f"goaway {GoawayCode.ENHANCE_YOUR_CALM}",
    "credit": f"goaway {GoawayCode.FLOW_CONTROL_ERROR}",
    "oversend": f"goaway {GoawayCode.FLOW_CONTROL_ERROR}",
    "metadata": f"goaway {GoawayCode.PROTOCOL_ERROR}",
    "halves": f"status {StatusCode.RESOURCE_EXHAUSTED}",
    "unread": "closed",
}
