import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avrpc.wire import (
    AssemblyBudget,
    CallReceived,
    Connection,
    ConnectionState,
    EndReceived,
    GoawayCode,
    GoawayReceived,
    LocalError,
    PackReceived,
    PeerViolated,
    PongReceived,
    ResultReceived,
    Role,
    StatusCode,
    StatusReceived,
    WireLimits,
)
from avrpc.wire.connection import MAX_FIRST_PACK_BYTES, MAX_TEXT_PACK_BYTES
from avrpc.wire.frames import MORE, Kind
from avrpc.wire.packs import encode_pack
from avrpc.wire.pieces import MIN_PIECE_BYTES
from tests.wire.pair import (
    BOTH,
    LARGEST_SMALL_VALUE,
    SHAPES,
    SMALL,
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


# The handshake ...

HELLO = encode_pack(0, b"hello")


def client_that_asked() -> Connection:
    client = Connection(Role.CLIENT)
    client.send_pack(0, b"request")
    assert take(client) == encode_pack(0, b"request")
    return client


@pytest.mark.parametrize("rounds", [1, 2])
def test_handshake_of_one_or_two_rounds_ends_in_frames(rounds: int) -> None:
    client, server = Connection(Role.CLIENT), Connection(Role.SERVER)
    for serial in range(rounds):
        client.send_pack(serial, b"request")
        assert server.receive_data(take(client)) == [PackReceived(serial, b"request")]
        server.send_pack(serial, b"answer")
        assert client.receive_data(take(server)) == [PackReceived(serial, b"answer")]
        if serial < rounds - 1:
            assert server.again() == client.again() == []
            assert {server.state, client.state} == {ConnectionState.HELLO_AGAIN}
    assert server.native(SMALL, SHAPES) == client.native(SMALL, SHAPES) == []
    assert {server.state, client.state} == {ConnectionState.NATIVE}
    assert (client.peer_limits, client.limits) == (SMALL, WireLimits())
    client.outgoing.call(UNARY, b"p")
    assert server.receive_data(take(client)) == [CallReceived(1, UNARY, None, None, b"p")]


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("buffers", [1, 2, 64])
def test_pack_in_any_buffers_is_told_in_whatever_chunks_it_comes(role: Role, buffers: int) -> None:
    length = (1).to_bytes(4)
    pack = (7).to_bytes(4) + buffers.to_bytes(4) + (length + b"x") * buffers
    for size in (1, 3, 7, len(pack)):
        connection = Connection(role)
        assert feed(connection, pack, size) == [PackReceived(7, b"x" * buffers)]
        assert connection.held == b""
    connection = Connection(role)
    assert connection.receive_data(pack + b"more") == [PackReceived(7, b"x" * buffers)]
    assert connection.held == b"more"


@pytest.mark.parametrize("role", Role)
def test_pack_of_no_buffers_is_a_violation_and_there_is_no_goaway_for_it(role: Role) -> None:
    connection = Connection(role)
    events = connection.receive_data(bytes(8))
    assert "1 to 64 buffers, found" in violation(events).text
    assert connection.state is ConnectionState.CLOSED
    assert take(connection) == b""
    assert connection.receive_data(HELLO) == []


FIRST, LATER = MAX_FIRST_PACK_BYTES, MAX_TEXT_PACK_BYTES


@pytest.mark.parametrize(
    ("role", "again", "limit"),
    [
        (Role.SERVER, False, FIRST),
        (Role.SERVER, True, LATER),
        (Role.CLIENT, False, LATER),
        (Role.CLIENT, True, LATER),
    ],
)
def test_pack_that_is_too_long_is_refused_on_its_length(
    role: Role, again: bool, limit: int
) -> None:
    def make() -> Connection:
        connection = Connection(role)
        if again:
            connection.receive_data(HELLO)
            connection.again()
        return connection

    assert (FIRST, LATER) == (16 * 1024, 288 * 1024)
    longest = encode_pack(1, bytes(limit - 12))
    assert feed(make(), longest, 5000) == [PackReceived(1, bytes(limit - 12))]

    connection = make()
    head = encode_pack(1, bytes(limit - 11))[:12]
    assert connection.receive_data(head[:11]) == []
    events = connection.receive_data(head[11:])
    assert violation(events).code is GoawayCode.FRAME_SIZE_ERROR
    assert connection.held == b""


def test_server_may_send_frames_right_behind_its_answer() -> None:
    client = client_that_asked()
    more = frame(Kind.PING, 1) + frame(Kind.PONG, 2) + frame(Kind.GOAWAY, 0, 37, "")
    assert client.receive_data(encode_pack(0, b"answer") + more[:7]) == [PackReceived(0, b"answer")]
    assert client.receive_data(more[7:-1]) == []
    assert client.held == more[:-1]
    assert client.native(SMALL, SHAPES) == [PongReceived(2)]
    assert client.receive_data(more[-1:]) == [GoawayReceived(0, 37, "", ())]
    assert take(client) == frame(Kind.PONG, 1)
    assert client.state is ConnectionState.DRAINING


def test_goaway_right_behind_the_answer_is_told_by_native() -> None:
    client = client_that_asked()
    client.receive_data(encode_pack(0, b"answer") + frame(Kind.GOAWAY, 0, 38, "full"))
    assert client.native(SMALL, SHAPES) == [GoawayReceived(0, 38, "full", ())]
    assert client.state is ConnectionState.DRAINING


def test_violation_right_behind_the_answer_is_told_by_native() -> None:
    client = client_that_asked()
    client.receive_data(encode_pack(0, b"answer") + frame(Kind.PONG, 1) + frame(15))
    events = client.native(SMALL, SHAPES)
    assert events[0] == PongReceived(1)
    assert "unknown kind 15" in violation(events).text
    assert client.state is ConnectionState.CLOSED


@pytest.mark.parametrize("split", [0, 1, 4])
def test_bytes_of_a_client_before_it_was_answered_are_a_violation(split: int) -> None:
    early = frame(Kind.PING, 1)
    server = Connection(Role.SERVER)
    assert server.receive_data(HELLO + early[:split]) == [PackReceived(0, b"hello")]
    assert server.receive_data(early[split:]) == []
    server.send_pack(0, b"answer")
    events = server.native(SMALL, SHAPES)
    assert "before the handshake was answered" in violation(events).text
    (goaway,) = frames(take(server)[len(encode_pack(0, b"answer")) :])
    assert goaway[0] == Kind.GOAWAY
    assert server.receive_data(early) == []


def test_second_pack_that_came_early_is_looked_at_when_it_is_expected() -> None:
    client = client_that_asked()
    both = encode_pack(0, b"one") + encode_pack(1, b"two")
    assert client.receive_data(both) == [PackReceived(0, b"one")]
    assert client.again() == [PackReceived(1, b"two")]
    assert client.state is ConnectionState.DECIDING_AGAIN


@pytest.mark.parametrize("role", Role)
def test_third_pack_is_never_expected(role: Role) -> None:
    connection = Connection(role)
    for expect_more in (connection.again, None):
        connection.receive_data(HELLO)
        if expect_more:
            expect_more()
    with pytest.raises(LocalError, match="again is not legal"):
        connection.again()
    assert connection.state is ConnectionState.DECIDING_AGAIN


def test_steps_out_of_order_are_refused_and_change_nothing() -> None:
    connection = Connection(Role.SERVER)
    steps: list[Callable[[], object]] = [
        connection.again,
        lambda: connection.native(SMALL, SHAPES),
        lambda: connection.goaway(GoawayCode.NO_ERROR, ""),
    ]
    for step in steps:
        with pytest.raises(LocalError, match="is not legal on a connection"):
            step()
    assert connection.state is ConnectionState.HELLO
    connection.receive_data(HELLO)
    connection.native(SMALL, SHAPES)
    with pytest.raises(LocalError, match="come before frames"):
        connection.send_pack(0, b"late")
    assert take(connection) == b""


def test_what_is_no_handshake_is_refused_with_its_first_bytes() -> None:
    server = Connection(Role.SERVER)
    events = server.receive_data(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n")
    assert "GET / HTTP/1.1" in violation(events).text


@given(data=st.binary(max_size=100), size=st.integers(1, 20))
@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("state", ["HELLO", "DECIDING", "HELLO_AGAIN", "DECIDING_AGAIN", "CLOSED"])
def test_garbage_in_a_handshake_gives_events_and_nothing_else(
    role: Role, state: str, data: bytes, size: int
) -> None:
    def make() -> Connection:
        connection = Connection(role)
        if state == "CLOSED":
            connection.close()
        elif state != "HELLO":
            connection.receive_data(HELLO)
            if state != "DECIDING":
                connection.again()
            if state == "DECIDING_AGAIN":
                connection.receive_data(HELLO)
        assert connection.state is ConnectionState[state]
        return connection

    whole, cut = make(), make()
    events = whole.receive_data(data)
    # A violation quotes as much as has come.
    outcomes = [(type(event), event[0]) for event in events]
    assert [(type(event), event[0]) for event in feed(cut, data, size)] == outcomes
    assert cut.held == whole.held
    assert len(events) <= 1
    assert state not in {"DECIDING", "DECIDING_AGAIN", "CLOSED"} or events == []
    assert take(whole) == b""


# What the owner may want to know, and closing ...


def test_call_is_open_until_its_outcome() -> None:
    pair = Pair()
    assert not pair.client.is_open(1)
    call_id = pair.client.outgoing.call(UNARY, b"p")
    pair.pump()
    assert [(end.open_calls, end.is_open(call_id)) for end in pair.ends.values()] == [
        (1, True),
        (1, True),
    ]
    pair.server.outgoing.result(call_id)
    assert (pair.server.open_calls, pair.client.open_calls) == (0, 1)
    pair.pump()
    assert pair.client.open_calls == 0
    assert not pair.client.is_open(call_id)


def test_bytes_to_send_are_the_buffer_itself_and_go_from_its_front() -> None:
    client = native(Role.CLIENT)
    client.outgoing.ping(1)
    data = client.data_to_send()
    assert data is client.outgoing.data
    client.sent(2)
    assert client.data_to_send() == frame(Kind.PING, 1)[2:]
    client.sent(3)
    assert client.data_to_send() == b""


def test_frames_of_ours_are_64_kib_at_most_whatever_the_peer_takes() -> None:
    client = native(Role.CLIENT, peer_limits=WireLimits(max_frame_bytes=1024 * 1024))
    assert client.peer_limits == WireLimits(max_frame_bytes=64 * 1024)
    client.outgoing.call(UNARY, bytes(200_000))
    assert max(len(body) for _, _, body in frames(take(client))) == 64 * 1024


def test_closed_connection_sends_what_was_queued_and_hears_nothing() -> None:
    server, call_id = server_with_call(BOTH)
    item = frame(Kind.ITEMS, call_id, b"\0\1", bytes(MIN_PIECE_BYTES), flags=MORE)
    assert server.receive_data(item + b"half a frame"[:3]) == []
    server.outgoing.result(call_id, b"r")
    server.close()
    assert server._calls.assembling == 0
    assert server.held == b""
    assert server.receive_data(frame(Kind.PING, 1)) == []
    assert take(server) == frame(Kind.RESULT, call_id, b"r")
    server.close()
    with pytest.raises(LocalError, match="state CLOSED"):
        server.goaway(GoawayCode.NO_ERROR, "")


def test_closed_connection_gives_its_half_values_back_to_the_budget() -> None:
    budget = AssemblyBudget(10_000)
    server = native(Role.SERVER, budget=budget)
    server.receive_data(frame(Kind.CALL, 1, UNARY, bytes(MIN_PIECE_BYTES), flags=MORE))
    assert budget.available < 10_000
    server.close()
    assert budget.available == 10_000


def test_half_values_are_told_and_can_be_dropped() -> None:
    server = native(Role.SERVER)
    assert (server.has_half_values, server.half_values(), server.last_call) == (False, {}, 0)
    piece = bytes(MIN_PIECE_BYTES)
    server.receive_data(frame(Kind.CALL, 1, UNARY, piece, flags=MORE))
    server.receive_data(frame(Kind.CALL, 2, UNARY, piece + b"more", flags=MORE))
    assert server.has_half_values
    assert server.half_values() == {1: len(piece), 2: len(piece) + 4}
    assert server.last_call == 2
    server.drop_half_value(1)
    server.drop_half_value(3)  # there is none
    assert server.half_values() == {2: len(piece) + 4}
    assert server.receive_data(frame(Kind.CALL, 1, piece)) == []  # the rest is counted off


def test_pings_are_counted_from_where_the_owner_wants() -> None:
    client = native(Role.CLIENT)
    for _ in range(2):
        assert client.receive_data(frame(Kind.PING, 1) * 3) == []
    assert client.pings == 6
    client.pings = 0
    assert client.receive_data(frame(Kind.PING, 1)) == []
    assert client.pings == 1


# Calls without end.


@pytest.mark.parametrize("made", [2**31 - 2, 2**32 - 2, 2**62])
def test_calls_go_on_whatever_their_ids_have_come_to(made: int) -> None:
    """At a million a second the ids of a connection last for 290,000 years."""
    pair = Pair()
    pair.client._calls.last_id = pair.server._calls.last_id = made
    for call_id in range(made + 1, made + 5):
        assert pair.client.outgoing.call(BOTH, b"p") == call_id
        assert pair.client.outgoing.try_item(call_id, LARGE)
        pair.pump()
        assert pair.server.outgoing.try_item(call_id, b"small")
        pair.server.outgoing.result(call_id, b"")
        pair.pump()
        assert pair.client.open_calls == pair.server.open_calls == 0
        assert pair.events[Role.CLIENT][-1] == ResultReceived(call_id, None, b"")
    assert not any(isinstance(one, PeerViolated) for one in pair.events[Role.SERVER])
