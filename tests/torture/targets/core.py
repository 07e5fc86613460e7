"""The sans-IO core, in each of its states, against a peer that sends anything.

An input is a role, limits, a codec or none, a state and then steps: frames and bytes that come,
decisions on the handshake, and what an owner may do. The owner is free to ask for what the rules do
not allow, and then gets `LocalError`. Nothing else may be raised, every count stays within its
limit, and a second core, which gets the same bytes in chunks, is told the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from avrpc.wire import (
    CODECS,
    AssemblyBudget,
    Codec,
    Connection,
    ConnectionState,
    Event,
    GoawayCode,
    LocalError,
    PeerViolated,
    Role,
    StatusCode,
    WireLimits,
    open_codec,
)
from avrpc.wire.compression import Zstd
from avrpc.wire.connection import MAX_TEXT_PACK_BYTES
from avrpc.wire.frames import COMPRESSED, HEADER, Kind
from avrpc.wire.packs import encode_pack
from avrpc.wire.primitives import encode_long, encode_metadata
from tests.torture.targets.script import Script
from tests.wire.pair import BOTH, MAX_VALUE_BYTES, SHAPES, SMALL, count, frame

BUDGET_BYTES = 2 * MAX_VALUE_BYTES + 5000
TINY = replace(SMALL, window_bytes=1, max_calls=2, max_streamed_calls=1, max_values_in_pieces=1)
WIDE = WireLimits(max_metadata_bytes=100, window_bytes=2**31 - 1)
LIMITS = [(SMALL, SMALL), (TINY, SMALL), (SMALL, TINY), (WIDE, SMALL), (SMALL, WIDE)]
CODECS_HERE = [None, *map(open_codec, CODECS)]
HANDSHAKE = {ConnectionState.HELLO, ConnectionState.HELLO_AGAIN}
DECIDING = {ConnectionState.DECIDING, ConnectionState.DECIDING_AGAIN}
OPEN = {ConnectionState.NATIVE, ConnectionState.DRAINING}


class Core:
    """One core with its owner.

    Attributes:
        told: All that the owner was told.
        largest_item: Of those that the owner sent, in bytes.
    """

    def __init__(
        self, role: Role, limits: WireLimits, peer_limits: WireLimits, codec: Codec | None
    ) -> None:
        self.budget = AssemblyBudget(BUDGET_BYTES)
        self.connection = Connection(role, limits, self.budget)
        self.told: list[Event] = []
        self.largest_item = 1
        self._peer_limits = peer_limits
        self._codec = codec

    def hear(self, events: list[Event]) -> None:
        self.told += events
        violated = [event for event in events if isinstance(event, PeerViolated)]
        if violated:
            assert violated == events[-1:]
            assert self.connection.state is ConnectionState.CLOSED
        self.check()

    def come(self, data: bytes, size: int = 0) -> None:
        """Bytes come, at once or in chunks."""
        dead = self.connection.state is ConnectionState.CLOSED
        size = max(size, len(data) >> 5) if size else max(1, len(data))
        events: list[Event] = []
        for start in range(0, len(data), size):
            events += self.connection.receive_data(data[start : start + size])
        assert not (dead and events)
        self.hear(events)

    def decide(self, *, again: bool) -> None:
        """Go on after a handshake pack."""
        if self.connection.state is ConnectionState.DECIDING and again:
            self.hear(self.connection.again())
        elif self.connection.state in DECIDING:
            self.hear(self.connection.native(self._peer_limits, SHAPES, self._codec))

    def leave(self, size: int) -> None:
        """Bytes leave."""
        self.connection.sent(min(size, len(self.connection.data_to_send())))
        self.check()

    def check(self) -> None:
        """Whether every count is within its limit."""
        connection = self.connection
        table, limits, outgoing = connection._calls, connection.limits, connection.outgoing
        if connection.state in OPEN:
            assert len(connection.held) <= limits.max_frame_bytes + HEADER.size
        else:
            assert len(connection.held) <= MAX_TEXT_PACK_BYTES
        assert 0 <= self.budget.available <= BUDGET_BYTES
        assert 0 <= table.assembling <= limits.max_values_in_pieces
        assert 0 <= table.streamed <= len(table)
        assert 0 <= outgoing.places <= connection.peer_limits.max_values_in_pieces
        assert len(table.late) <= limits.max_calls
        if table.contexts is not None:
            assert max(table.contexts.held) <= limits.max_contexts
        if connection.role is Role.SERVER:
            assert len(table) <= limits.max_calls
            assert table.streamed <= limits.max_streamed_calls
        for call in table:
            for sender, credit in call.credit.items():
                assert credit.available <= 2**31 - 1
                if sender is connection.role:
                    assert credit.available > -self.largest_item
                else:  # a large item, and as much of it after it was dropped
                    assert credit.available > -2 * limits.max_message_bytes - limits.max_frame_bytes
        if connection.state is ConnectionState.CLOSED:
            assert (table.assembling, self.budget.available) == (0, BUDGET_BYTES)
            assert connection.held == b""
            assert table.contexts is None or table.contexts.held == (0, 0)


# What an owner may ask for, by its number in an input ...


def _call(core: Core, script: Script) -> None:
    number, flags, size = script.randrange(5), script.byte(), script.byte() * 40
    core.connection.outgoing.call(
        number,
        bytes(size),
        time_left=250 if flags & 1 else None,
        metadata={"k": bytes(flags)} if flags & 2 else None,
    )


def _item(core: Core, script: Script) -> None:
    call_id, size = script.randrange(6), script.byte() * 40 + 1
    if core.connection.outgoing.try_item(call_id, bytes(size)):
        core.largest_item = max(core.largest_item, size)


def _credit(core: Core, script: Script) -> None:
    core.connection.outgoing.credit(script.randrange(6), script.byte() * 40)


def _end(core: Core, script: Script) -> None:
    core.connection.outgoing.end(script.randrange(6))


def _cancel(core: Core, script: Script) -> None:
    core.connection.outgoing.cancel(script.randrange(6))


def _result(core: Core, script: Script) -> None:
    core.connection.outgoing.result(script.randrange(6), bytes(script.byte() * 40))


def _error(core: Core, script: Script) -> None:
    core.connection.outgoing.error(script.randrange(6), bytes(script.byte() * 40), {"k": b"v"})


def _status(core: Core, script: Script) -> None:
    core.connection.outgoing.status(script.randrange(6), StatusCode.INTERNAL, "no", started=True)


def _ping(core: Core, script: Script) -> None:
    if core.connection.state in OPEN:
        core.connection.outgoing.ping(script.byte())


def _goaway(core: Core, script: Script) -> None:
    core.connection.goaway(script.choice([*GoawayCode]), "bye")


def _close(core: Core, script: Script) -> None:
    core.connection.close()


OWNER = [
    _call,
    _item,
    _credit,
    _end,
    _cancel,
    _result,
    _error,
    _status,
    _ping,
    _goaway,
    _close,
]


# ... and the steps of an input.


def run(data: bytes) -> None:
    """Do what the bytes say."""
    script = Script(data)
    first = script.byte()
    role = Role.SERVER if first & 1 else Role.CLIENT
    chunk = (0, 1, 3, 70)[first >> 1 & 3]
    limits, peer_limits = LIMITS[(first >> 3) % len(LIMITS)]
    codec = CODECS_HERE[(first >> 3) // len(LIMITS) % len(CODECS_HERE)]
    cores = [Core(role, limits, peer_limits, codec)]
    if chunk:
        cores.append(Core(role, limits, peer_limits, codec))
    start = script.randrange(4)
    if start:
        _come(cores, encode_pack(0, b"hello"), chunk)
        for core in cores:
            core.decide(again=False)
    if start > 1:
        _open(cores, role, BOTH if start == 2 else script.randrange(4), chunk)
    while not script.ended:
        _step(cores, script, chunk)
    for core in cores:
        core.leave(10_000_000)
    if chunk:
        whole, cut = cores
        assert _outcomes(whole.told) == _outcomes(cut.told)
        assert whole.connection.held == cut.connection.held
        assert whole.connection.state is cut.connection.state


def _open(cores: list[Core], role: Role, number: int, chunk: int) -> None:
    if role is Role.SERVER:
        _come(cores, frame(Kind.CALL, 1, number, b"p"), chunk)
        return
    for core in cores:
        core.connection.outgoing.call(number, b"p")


def _come(cores: list[Core], data: bytes, chunk: int) -> None:
    cores[0].come(data)
    if chunk:
        cores[1].come(data, chunk)


def _step(cores: list[Core], script: Script, chunk: int) -> None:
    step = script.byte()
    if step < 0x60:  # a frame, its length right
        first_byte, size = script.byte(), step & 0x1F
        _come(
            cores,
            HEADER.pack(first_byte << 24 | size) + script.take(size).ljust(size, b"\0"),
            chunk,
        )
    elif step < 0x80:  # a long one
        first_byte, head = script.byte(), script.take(step & 7)
        body = head + bytes(script.byte() << 5)
        _come(cores, HEADER.pack(first_byte << 24 | len(body)) + body, chunk)
    elif step < 0xA0:  # bytes as they are
        _come(cores, script.take(step & 0x1F), chunk)
    elif step < 0xA8:
        _come(cores, encode_pack(script.byte(), script.take(step & 7)), chunk)
    elif step < 0xB0:
        for core in cores:
            core.decide(again=bool(step & 1))
    elif step < 0xC0:
        size = (step & 0xF) ** 4
        for core in cores:
            core.leave(size)
    else:
        _ask(cores, OWNER[step % len(OWNER)], script)


def _ask(cores: list[Core], do: Callable[[Core, Script], None], script: Script) -> None:
    """Have the owners do the same; it is well or refused for both."""
    if cores[0].connection.state not in OPEN and do is not _close:
        return
    decisions = script.take(3)
    refused = []
    for core in cores:
        try:
            do(core, Script(decisions))
        except LocalError as error:
            refused.append(str(error))
        core.check()
    assert len(refused) in {0, len(cores)}
    assert len(set(refused)) <= 1


def _outcomes(told: list[Event]) -> list[object]:
    """Events, but for what a violation of the handshake quotes: as much as has come."""
    return [event.code if isinstance(event, PeerViolated) else event for event in told]


def _compressed_seeds() -> list[bytes]:
    """Each kind of frame that may be compressed, by each codec, alone and in a context."""
    made = []
    for index, codec in enumerate(CODECS_HERE):
        if codec is None:
            continue
        value = codec.compress(bytes(20))
        items = codec.encoder()(bytes(20)) if isinstance(codec, Zstd) else value
        size = encode_long(20)
        for first in (0, 1, 2, 3):
            for kind, fields, data in (
                (Kind.CALL, encode_long(2) + encode_long(BOTH), value),
                (Kind.ITEMS, encode_long(1) + count(1), items),
                (Kind.RESULT, encode_long(1), value),
                (Kind.ERROR, encode_long(1), value),
            ):
                body = fields + size + data
                start = bytes([first | (index * len(LIMITS)) << 3, 2])
                made.append(start + bytes([len(body), kind | COMPRESSED]) + body)
    return made


def seeds() -> list[bytes]:
    """Each kind of frame, at both ends, whole and in pieces; each thing that an owner does."""
    pieces = bytes([32])  # 1,024 bytes
    bodies = {
        Kind.CALL: encode_long(2) + encode_long(BOTH) + b"p",
        Kind.ITEMS: encode_long(1) + count(1) + b"i",
        Kind.END: encode_long(1),
        Kind.RESULT: encode_long(1) + b"r",
        Kind.ERROR: encode_long(1) + b"e",
        Kind.STATUS: encode_long(1) + encode_long(13) + b"\4no",
        Kind.CANCEL: encode_long(1),
        Kind.CREDIT: encode_long(1) + encode_long(5),
        Kind.PING: encode_long(7),
        Kind.PONG: encode_long(7),
        Kind.GOAWAY: encode_long(1) + encode_long(37) + b"\6bye",
    }
    made = [bytes([first, 0]) + b"\xa3\0abc\xa8" for first in range(0x28)]
    for kind, body in bodies.items():
        step = bytes([len(body), kind]) + body
        long = bytes([0x60 | min(len(body), 7), kind | 0x10]) + body[:7] + pieces
        made += [bytes([first, 2]) + step * 2 for first in (0, 1, 2, 3, 9)]
        made += [bytes([first, 2]) + long + step for first in (0, 1, 4, 5)]
    metadata = encode_metadata({"k": b"v"})
    made.append(bytes([1, 1, 4 + len(metadata), Kind.CALL | 0x60, 2, 0, 20]) + metadata + b"p")
    made += _compressed_seeds()
    for at in range(0xC0, 0xC0 + len(OWNER)):
        asked = bytes([at, 1, 40, 1, 0xBF])
        made += [bytes([first, 2]) + asked * 2 for first in (0, 1, 16, 17)]
    return made
