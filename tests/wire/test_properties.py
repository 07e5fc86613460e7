"""What holds whatever comes, in every state, at both ends.

A few hundred examples each here; 20,000 by `make torture-properties`.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avrpc.wire import (
    AssemblyBudget,
    Connection,
    ConnectionState,
    Event,
    GoawayCode,
    LocalError,
    PeerViolated,
    Role,
)
from avrpc.wire.compression import CODECS, Zstd, open_codec
from avrpc.wire.connection import MAX_TEXT_PACK_BYTES
from avrpc.wire.frames import COMPRESSED, HEADER, MORE, Kind
from avrpc.wire.packs import encode_pack
from avrpc.wire.pieces import MIN_PIECE_BYTES
from tests.profiles import examples
from tests.wire.every_frame import (
    FORMS,
    SITUATIONS,
    Situation,
    cut,
    garbled,
    good,
    in_handshake,
    longer,
    padded,
)
from tests.wire.pair import MAX_VALUE_BYTES, SHAPES, SMALL, count, frame, frames, take

# States ...

WHERES = ["is open", "has sent GOAWAY", "has got GOAWAY"]
DECIDING = {ConnectionState.DECIDING, ConnectionState.DECIDING_AGAIN}
HANDSHAKE_STATES = [
    ConnectionState.HELLO,
    ConnectionState.DECIDING,
    ConnectionState.HELLO_AGAIN,
    ConnectionState.DECIDING_AGAIN,
]


class Place(NamedTuple):
    """A state to be in, by its name."""

    name: str
    make: Callable[[], Connection]

    def __repr__(self) -> str:
        return self.name


def handshake_place(role: Role, state: ConnectionState) -> Place:
    return Place(f"{role.name}-{state.name}", lambda: in_handshake(role, state))


def compressing_place(there: Situation, codec: str) -> Place:
    def make() -> Connection:
        connection = there.make()
        connection._compress(open_codec(codec), SMALL.max_contexts)
        return connection

    return Place(f"{there.name}-{codec}", make)


OPEN_PLACES = [
    Place(there.name, there.make)
    for situation in SITUATIONS
    for there in (situation._replace(where=where) for where in WHERES)
]
OPEN_PLACES += [compressing_place(there, codec) for there in SITUATIONS for codec in CODECS]
PLACES = OPEN_PLACES + [handshake_place(role, state) for role in Role for state in HANDSHAKE_STATES]

# ... and what may come.

EVERY_FRAME = [
    each.data
    for form in FORMS
    for each in [good(form), *cut(form), *longer(form), *garbled(form), *padded(form)]
]
PIECES = [
    frame(kind, *fields, bytes(size), flags=flags)
    for kind, fields in (
        (Kind.CALL, (1, 3)),
        (Kind.CALL, (2, 3)),
        (Kind.CALL, (1,)),
        (Kind.ITEMS, (1, count(1))),
        (Kind.ITEMS, (1,)),
        (Kind.RESULT, (1,)),
        (Kind.ERROR, (1,)),
    )
    for size in (MIN_PIECE_BYTES, 4000)
    for flags in (0, MORE)
]
ZSTD, SNAPPY = map(open_codec, CODECS)
assert isinstance(ZSTD, Zstd)
IN_CONTEXT = ZSTD.encoder()(bytes(1500))
COMPRESSED_FRAMES = [
    frame(kind, *fields, size, data, flags=flags | COMPRESSED)
    for kind, fields in (
        (Kind.CALL, (1, 3)),
        (Kind.CALL, (1,)),
        (Kind.ITEMS, (1, count(1))),
        (Kind.ITEMS, (1,)),
        (Kind.RESULT, (1,)),
    )
    for data in (ZSTD.compress(bytes(1500)), SNAPPY.compress(bytes(1500)), IN_CONTEXT, b"garbage")
    for size in (1500, 1499, 4096, 4097, 0)
    for flags in (0, MORE)
]
ids = st.sampled_from([1, 2, 3, -1])
any_frame = st.one_of(
    st.sampled_from(EVERY_FRAME),
    st.sampled_from([good(form).data for form in FORMS]),
    st.sampled_from(PIECES),
    st.sampled_from(COMPRESSED_FRAMES),
    st.builds(
        frame,
        st.integers(0, 15),
        ids,
        st.binary(max_size=12),
        flags=st.integers(0, 15).map(lambda n: n << 4),
    ),
    st.builds(
        lambda kind, length: HEADER.pack(kind << 24 | length),
        st.integers(0, 255),
        st.integers(0, 2**24 - 1),
    ),
    st.builds(encode_pack, st.integers(-1, 2), st.binary(max_size=12)),
)
noise = st.binary(max_size=40)
input_bytes = st.lists(any_frame | noise, max_size=8).map(b"".join)
cuts = st.lists(st.integers(0, 20_000), max_size=12)


def chunks(data: bytes, cuts: list[int]) -> list[bytes]:
    """The data, cut there."""
    ends = sorted({0, len(data), *(at % (len(data) + 1) for at in cuts)})
    return [data[start:end] for start, end in pairwise(ends)]


def go_on(connection: Connection) -> list[Event]:
    """Decide for frames where there is something to decide."""
    if connection.state in DECIDING:
        return connection.native(SMALL, SHAPES)
    return []


def told(events: list[Event]) -> list[object]:
    """Events, but for what a violation of the handshake quotes: as much as has come."""
    return [event.code if isinstance(event, PeerViolated) else event for event in events]


def holds_little(connection: Connection) -> None:
    """Whether what is held is within the limits."""
    table = connection._calls
    in_frames = connection.state in {ConnectionState.NATIVE, ConnectionState.DRAINING}
    most = SMALL.max_frame_bytes + HEADER.size if in_frames else MAX_TEXT_PACK_BYTES
    assert len(connection.held) <= most
    halves = [call.assembly for call in table if call.assembly]
    assert len(halves) == table.assembling <= SMALL.max_values_in_pieces
    held = table.budget.max_bytes - table.budget.available
    assert held == sum(sum(map(len, half._chunks)) for half in halves)
    assert held <= len(halves) * MAX_VALUE_BYTES
    assert table.contexts is None or max(table.contexts.held) <= SMALL.max_contexts


@examples(300)
@given(place=st.sampled_from(PLACES), data=input_bytes, cuts=cuts)
def test_any_chunks_give_the_same_events_and_never_more_is_held_than_a_frame(
    place: Place, data: bytes, cuts: list[int]
) -> None:
    whole, cut = place.make(), place.make()
    events = whole.receive_data(data)
    in_chunks: list[Event] = []
    for chunk in chunks(data, cuts):
        in_chunks += cut.receive_data(chunk)
        holds_little(cut)
    assert told(in_chunks) == told(events)
    assert told(go_on(cut)) == told(go_on(whole))
    assert (cut.held, cut.state) == (whole.held, whole.state)
    assert take(cut) == take(whole)


@examples(300)
@given(place=st.sampled_from(PLACES), data=input_bytes, after=input_bytes)
def test_garbage_is_told_as_a_violation_and_nothing_else_and_is_the_end(
    place: Place, data: bytes, after: bytes
) -> None:
    connection = place.make()
    events = connection.receive_data(data)
    speaks_frames = place in OPEN_PLACES or connection.state in DECIDING
    events += go_on(connection)
    violations = [event for event in events if isinstance(event, PeerViolated)]
    assert violations in ([], events[-1:])
    if not violations:
        return
    assert connection.state is ConnectionState.CLOSED
    goaways = [body for kind, _, body in frames(take(connection)) if kind == Kind.GOAWAY]
    assert len(goaways) == speaks_frames
    assert connection.receive_data(after) == []
    assert connection.held == take(connection) == b""
    assert connection._calls.assembling == 0
    contexts = connection._calls.contexts
    assert contexts is None or contexts.held == (0, 0)
    for step in (
        connection.again,
        lambda: connection.native(SMALL, SHAPES),
        lambda: connection.goaway(GoawayCode.NO_ERROR, ""),
    ):
        with pytest.raises(LocalError):
            step()


@examples(50)
@given(
    sizes=st.lists(st.integers(1, 12).map(lambda n: n * 1000), max_size=40),
    budget=st.integers(0, 120_000),
)
def test_half_values_hold_no_more_than_the_limits_together(sizes: list[int], budget: int) -> None:
    """Values in pieces of several calls, of which none ends, until there is no memory for them."""
    shared = AssemblyBudget(budget)
    server = Connection(Role.SERVER, SMALL, shared)
    server.receive_data(encode_pack(0, b"hello"))
    server.native(SMALL, SHAPES)
    for number, size in enumerate(sizes):
        call_id = number % SMALL.max_values_in_pieces + 1
        fields = (call_id, 0) if number < SMALL.max_values_in_pieces else (call_id,)
        for start in range(0, size, 3000):
            piece = bytes(max(min(3000, size - start), MIN_PIECE_BYTES))
            server.receive_data(frame(Kind.CALL, *fields, piece, flags=MORE))
            fields = (call_id,)
            holds_little(server)
            assert shared.available >= 0
    server.close()
    assert shared.available == budget
