import tracemalloc

import pytest

from avrpc.wire import (
    CallReceived,
    Connection,
    ConnectionState,
    EndReceived,
    GoawayCode,
    GoawayReceived,
    LocalError,
    PackReceived,
    ResultReceived,
    Role,
    StatusCode,
    StatusReceived,
    WireLimits,
)
from avrpc.wire.connection import MAX_TEXT_PACK_BYTES
from avrpc.wire.frames import Kind
from avrpc.wire.packs import encode_pack
from tests.wire.pair import (
    BOTH,
    LARGEST_SMALL_VALUE,
    UNARY,
    UP,
    Pair,
    feed,
    frame,
    frames,
    native,
    server_with_call,
    take,
    violation,
)

LARGE = bytes(LARGEST_SMALL_VALUE + 5000)  # three pieces


# GOAWAY ...


def test_goaway_ends_the_calls_that_the_server_did_not_accept() -> None:
    pair = Pair()
    for number in (UNARY, UP):
        pair.client.outgoing.call(number, b"before")
    pair.pump()
    for number in (UNARY, BOTH):
        pair.client.outgoing.call(number, b"after")
    pair.server.goaway(GoawayCode.SHUTDOWN, "bye")
    assert pair.server.state is ConnectionState.DRAINING
    assert pair.deliver(Role.SERVER) == [GoawayReceived(2, 37, "bye", (3, 4))]
    assert pair.client.state is ConnectionState.DRAINING
    assert [pair.client.is_open(call_id) for call_id in (1, 2, 3, 4)] == [True, True, False, False]
    assert pair.client._calls.streamed == 1

    # Those that were accepted go on, and those that crossed are dropped.
    pair.client.outgoing.end(2)
    assert pair.deliver(Role.CLIENT) == [EndReceived(2)]
    pair.server.outgoing.result(1, b"one")
    pair.server.outgoing.status(2, StatusCode.INTERNAL, "", started=True)
    assert pair.deliver(Role.SERVER) == [
        ResultReceived(1, None, b"one"),
        StatusReceived(2, None, 13, "", started=True),
    ]
    assert pair.client.open_calls == pair.server.open_calls == 0


def test_calls_that_crossed_a_goaway_are_dropped_with_all_that_follows_on_them() -> None:
    pair = Pair()
    pair.server.goaway(GoawayCode.NO_ERROR, "")
    client = pair.client.outgoing
    whole, cancelled = client.call(BOTH, b"p"), client.call(UP, b"p")
    client.item(whole, b"item")
    client.item(whole, LARGE)
    client.credit(whole, 10)
    client.cancel(cancelled)
    large = client.call(BOTH, LARGE)
    assert pair.deliver(Role.CLIENT) == []
    assert pair.deliver(Role.SERVER) == [GoawayReceived(0, 0, "", (whole, cancelled, large))]
    pair.pump()
    assert pair.events[Role.SERVER] == []
    assert pair.server.open_calls == pair.server._calls.assembling == 0
    assert client.places == pair.server.outgoing.places


def test_call_in_pieces_that_crossed_a_goaway_may_stop_halfway() -> None:
    pair = Pair()
    call_id = pair.client.outgoing.call(UNARY, LARGE)
    pair.leave(Role.CLIENT, 2000)
    pair.server.goaway(GoawayCode.NO_ERROR, "")
    assert pair.deliver(Role.SERVER) == [GoawayReceived(0, 0, "", (call_id,))]
    pair.pump()
    assert pair.events[Role.SERVER] == []
    assert pair.server._calls.assembling == pair.client.open_calls == 0


def test_call_in_pieces_that_began_before_a_goaway_is_accepted() -> None:
    pair = Pair()
    call_id = pair.client.outgoing.call(UNARY, LARGE)
    pair.deliver(Role.CLIENT, 2000)
    pair.server.goaway(GoawayCode.NO_ERROR, "")
    assert pair.deliver(Role.SERVER) == [GoawayReceived(call_id, 0, "", ())]
    assert pair.deliver(Role.CLIENT) == [CallReceived(call_id, UNARY, None, None, LARGE)]


@pytest.mark.parametrize("sender", Role)
def test_client_opens_no_calls_after_a_goaway_whoever_sent_it(sender: Role) -> None:
    pair = Pair()
    pair.ends[sender].goaway(GoawayCode.NO_ERROR, "")
    pair.pump()
    assert not pair.client.has_slot(streamed=False)
    with pytest.raises(LocalError, match="after a GOAWAY"):
        pair.client.outgoing.call(UNARY, b"p")
    assert take(pair.client) == b""
    assert {end.state for end in pair.ends.values()} == {ConnectionState.DRAINING}


def test_goaway_of_a_client_ends_no_call() -> None:
    pair = Pair()
    call_id = pair.client.outgoing.call(UNARY, b"p")
    pair.client.goaway(GoawayCode.NO_ERROR, "bye")
    assert pair.deliver(Role.CLIENT)[1:] == [GoawayReceived(1, 0, "bye", ())]
    pair.server.outgoing.result(call_id, b"r")
    assert pair.deliver(Role.SERVER) == [ResultReceived(call_id, None, b"r")]


def test_later_goaway_accepts_no_more_than_the_first() -> None:
    server, _ = server_with_call(UNARY)
    server.goaway(GoawayCode.NO_ERROR, "")
    assert server.receive_data(frame(Kind.CALL, 2, UNARY)) == []
    server.goaway(GoawayCode.IDLE, "")
    assert server.receive_data(frame(Kind.CALL, 3, UNARY)) == []
    violation(server.receive_data(frame(15)))
    assert [body[:2] for _, _, body in frames(take(server))] == [b"\2\0", b"\2\x44", b"\2\2"]


@pytest.mark.parametrize("last_call", [-1, 0, 2**63 - 1])
def test_goaway_with_any_last_call_is_taken_as_it_is(last_call: int) -> None:
    client = native(Role.CLIENT)
    client.outgoing.call(UNARY, b"p")
    unaccepted = () if last_call > 0 else (1,)
    goaway = frame(Kind.GOAWAY, last_call, 99, "")
    assert client.receive_data(goaway) == [GoawayReceived(last_call, 99, "", unaccepted)]
    assert client.open_calls == len(unaccepted) ^ 1


def test_after_a_violation_goaway_is_the_last_frame_and_values_in_pieces_stop() -> None:
    server, call_id = server_with_call(UNARY)
    server.outgoing.result(call_id, LARGE)
    assert violation(server.receive_data(frame(15))).code is GoawayCode.PROTOCOL_ERROR
    assert [kind for kind, _, _ in frames(take(server))] == [Kind.GOAWAY]
    assert server.receive_data(frame(Kind.PING, 1)) == []
    assert server.held == take(server) == b""


# What is held ...


@pytest.mark.parametrize("role", Role)
def test_bytes_that_come_while_the_handshake_is_decided_are_bounded(role: Role) -> None:
    connection = Connection(role)
    hello = encode_pack(0, b"hello")
    assert connection.receive_data(hello + b"x" * 1000) == [PackReceived(0, b"hello")]
    assert feed(connection, b"y" * (MAX_TEXT_PACK_BYTES - 1000), 64 * 1024) == []
    assert len(connection.held) == MAX_TEXT_PACK_BYTES
    assert violation(connection.receive_data(b"z")).code is GoawayCode.ENHANCE_YOUR_CALM
    assert connection.held == b""


def test_bytes_that_trickle_in_take_little_more_memory_than_themselves() -> None:
    size = 64 * 1024
    server = native(Role.SERVER, WireLimits())
    start = frame(Kind.CALL, 1, UNARY, bytes(size - 2))
    tracemalloc.start()
    try:
        for at in range(0, size, 3):
            assert server.receive_data(start[at : at + 3]) == []
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(server.held) >= size
    assert held < 1.5 * size
