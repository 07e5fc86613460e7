"""Cores for the tests of avrpc.wire: one alone in its native phase, or two face to face."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain

from avrpc.wire import (
    AssemblyBudget,
    Codec,
    Connection,
    Event,
    MessageShape,
    Outgoing,
    PeerViolated,
    PongReceived,
    Role,
    WireLimits,
)
from avrpc.wire.frames import HEADER, Kind
from avrpc.wire.packs import encode_pack
from avrpc.wire.primitives import encode_bytes, encode_long

# The messages of every test, by number.
UNARY, DOWN, UP, BOTH = range(4)
MAX_VALUE_BYTES = 32 * 1024
SHAPES = [
    MessageShape(streams_request=False, streams_response=False, max_value_bytes=MAX_VALUE_BYTES),
    MessageShape(streams_request=False, streams_response=True, max_value_bytes=MAX_VALUE_BYTES),
    MessageShape(streams_request=True, streams_response=False, max_value_bytes=MAX_VALUE_BYTES),
    MessageShape(streams_request=True, streams_response=True, max_value_bytes=MAX_VALUE_BYTES),
]

# Small, so that large values are cheap: one of more than 3,520 bytes goes in pieces.
SMALL = WireLimits(
    max_frame_bytes=4096,
    max_message_bytes=MAX_VALUE_BYTES,
    window_bytes=8192,
    max_calls=8,
    max_streamed_calls=6,
    max_values_in_pieces=3,
    max_metadata_bytes=512,
    max_contexts=2,
)
LARGEST_SMALL_VALUE = 4096 - 512 - 64


def native(
    role: Role,
    limits: WireLimits = SMALL,
    *,
    peer_limits: WireLimits = SMALL,
    shapes: Sequence[MessageShape] = SHAPES,
    budget: AssemblyBudget | None = None,
    codec: Codec | None = None,
) -> Connection:
    """A core whose handshake is over."""
    connection = Connection(role, limits, budget)
    connection.receive_data(encode_pack(0, b"hello"))
    assert connection.native(peer_limits, shapes, codec) == []
    return connection


def client_with_call(number: int, parameters: bytes = b"p") -> tuple[Connection, int]:
    """A client that has called, and whose CALL has left."""
    client = native(Role.CLIENT)
    call_id = client.outgoing.call(number, parameters)
    take(client)
    return client, call_id


def server_with_call(number: int) -> tuple[Connection, int]:
    """A server that was called."""
    server = native(Role.SERVER)
    server.receive_data(frame(Kind.CALL, 1, number, b"p"))
    return server, 1


def frame(kind: int, *fields: int | str | bytes, flags: int = 0) -> bytes:
    """A frame made by hand: an int becomes a long, a str a string; bytes stay as they are."""
    body = b"".join(_field(field) for field in fields)
    return HEADER.pack((flags | kind) << 24 | len(body)) + body


def _field(field: int | str | bytes) -> bytes:
    if isinstance(field, int):
        return encode_long(field)
    return field if isinstance(field, bytes) else encode_bytes(field.encode())


def count(items: int) -> bytes:
    """The count in an ITEMS frame."""
    return items.to_bytes(2)


def frames(data: bytes) -> list[tuple[int, int, bytes]]:
    """Whole frames taken apart: first byte's kind and flags, and the body."""
    parts = []
    while data:
        (word,) = HEADER.unpack_from(data)
        end = HEADER.size + (word & 0xFFFFFF)
        parts.append((word >> 24 & 0x0F, word >> 24 & 0xF0, data[HEADER.size : end]))
        data = data[end:]
    return parts


def take(connection: Connection, size: int | None = None) -> bytes:
    """The bytes that a core sends now: so many at most, or all, large values included."""
    taken = b""
    while size is None or len(taken) < size:
        data = connection.data_to_send()
        part = bytes(data) if size is None else bytes(data[: size - len(taken)])
        if not part:
            break
        connection.sent(len(part))
        taken += part
    return taken


def written(outgoing: Outgoing) -> bytes:
    """What waits in the buffer; nothing is taken from it."""
    return bytes(outgoing.seal_and_fill())


def feed(connection: Connection, data: bytes, size: int) -> list[Event]:
    """The events of bytes that come in chunks of ``size``."""
    chunks = (data[start : start + size] for start in range(0, len(data), size))
    return list(chain.from_iterable(map(connection.receive_data, chunks)))


def feed_in_every_way(make: Callable[[], Connection], data: bytes) -> list[Event]:
    """The events of bytes: the same whole, byte by byte, and with a frame after them."""
    events = make().receive_data(data)
    assert feed(make(), data, 1) == events
    more = make().receive_data(data + frame(Kind.PONG, 7))
    violated = bool(events) and isinstance(events[-1], PeerViolated)
    assert more == (events if violated else [*events, PongReceived(7)])
    return events


def violation(events: Sequence[Event]) -> PeerViolated:
    """The one violation, which is the last event."""
    last = events[-1]
    assert isinstance(last, PeerViolated)
    return last


class Pair:
    """A client and a server; what one sends waits in the middle until it is delivered.

    Args:
        limits: Of both.
        client_limits: Of the client, where they differ.
        budget: Of the server.
        codec: What both compress with.

    Attributes:
        ends: The two cores.
        events: What each end was told, so far.
    """

    def __init__(
        self,
        limits: WireLimits = SMALL,
        *,
        client_limits: WireLimits | None = None,
        budget: AssemblyBudget | None = None,
        codec: Codec | None = None,
    ) -> None:
        client_limits = client_limits or limits
        self.client = native(Role.CLIENT, client_limits, peer_limits=limits, codec=codec)
        self.server = native(
            Role.SERVER, limits, peer_limits=client_limits, budget=budget, codec=codec
        )
        self.ends = {Role.CLIENT: self.client, Role.SERVER: self.server}
        self.events: dict[Role, list[Event]] = {Role.CLIENT: [], Role.SERVER: []}
        self._under_way = {Role.CLIENT: bytearray(), Role.SERVER: bytearray()}

    def leave(self, sender: Role, size: int | None = None) -> None:
        """Let bytes leave one end; they don't arrive yet."""
        self._under_way[sender] += take(self.ends[sender], size)

    def arrive(self, sender: Role, size: int | None = None) -> list[Event]:
        """Let bytes that left ``sender`` arrive at the other end; the events that they make."""
        under_way = self._under_way[sender]
        data = bytes(under_way[:size])
        del under_way[:size]
        events = self.ends[sender.other].receive_data(data)
        self.events[sender.other] += events
        return events

    def deliver(self, sender: Role, size: int | None = None) -> list[Event]:
        """Let bytes leave ``sender``, and all that is under way arrive."""
        self.leave(sender, size)
        return self.arrive(sender)

    def pump(self) -> None:
        """Deliver until neither end has anything to send."""
        while any(end.data_to_send() or self._under_way[role] for role, end in self.ends.items()):
            for role in Role:
                self.deliver(role)
