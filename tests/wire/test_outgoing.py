from collections.abc import Callable
from dataclasses import replace

import pytest

from avrpc.wire import Connection, LocalError, Outgoing, Role, StatusCode, WireLimits
from avrpc.wire.frames import DEADLINE, METADATA, MORE, Kind
from avrpc.wire.outgoing import MAX_BUFFERED_PIECES, MAX_LATE_PONGS
from avrpc.wire.pieces import MIN_PIECE_BYTES
from tests.wire.pair import (
    BOTH,
    DOWN,
    LARGEST_SMALL_VALUE,
    SMALL,
    UNARY,
    UP,
    client_with_call,
    count,
    frame,
    frames,
    native,
    server_with_call,
    take,
    written,
)

LARGE = bytes(LARGEST_SMALL_VALUE + 1)
TOO_MUCH = {str(number): b"" for number in range(65)}


# What is refused, and leaves everything as it was ...


def cancelled_client() -> Connection:
    client, call_id = client_with_call(BOTH)
    client.outgoing.cancel(call_id)
    return client


def client_in_pieces() -> Connection:
    client, call_id = client_with_call(BOTH)
    client.outgoing.item(call_id, LARGE)
    return client


def server_in_pieces() -> Connection:
    server, call_id = server_with_call(DOWN)
    server.outgoing.result(call_id, LARGE)
    return server


def client_that_waits() -> Connection:
    client, call_id = client_with_call(UP)
    client.outgoing.end(call_id)
    return client


REFUSED: dict[str, tuple[Callable[[], Connection], Callable[[Outgoing], object], str]] = {
    "a call by a server": (
        lambda: native(Role.SERVER),
        lambda outgoing: outgoing.call(UNARY, b"p"),
        "only clients",
    ),
    "a message that there is not": (
        lambda: native(Role.CLIENT),
        lambda outgoing: outgoing.call(4, b"p"),
        "a message below 4, got 4",
    ),
    "a message below the first": (
        lambda: native(Role.CLIENT),
        lambda outgoing: outgoing.call(-1, b"p"),
        "got -1",
    ),
    "a time left of more than 64 bits": (
        lambda: native(Role.CLIENT),
        lambda outgoing: outgoing.call(UNARY, b"p", time_left=2**63),
        "64 bits",
    ),
    "too many entries of metadata": (
        lambda: native(Role.CLIENT),
        lambda outgoing: outgoing.call(UNARY, b"p", metadata=TOO_MUCH),
        "65 entries",
    ),
    "metadata larger than the peer takes": (
        lambda: native(Role.CLIENT),
        lambda outgoing: outgoing.call(UNARY, b"p", metadata={"k": bytes(507)}),
        "513 bytes; the peer takes 64 and 512",
    ),
    "metadata with half a character": (
        lambda: native(Role.CLIENT),
        lambda outgoing: outgoing.call(UNARY, b"p", metadata={"\ud800": b""}),
        "Unicode",
    ),
    "an outcome with too much metadata": (
        lambda: server_with_call(UNARY)[0],
        lambda outgoing: outgoing.result(1, b"", TOO_MUCH),
        "65 entries",
    ),
    "a status with too much metadata": (
        lambda: server_with_call(UNARY)[0],
        lambda outgoing: outgoing.status(
            1, StatusCode.INTERNAL, "", started=True, metadata=TOO_MUCH
        ),
        "65 entries",
    ),
    "a call that is not open": (
        lambda: native(Role.CLIENT),
        lambda outgoing: outgoing.cancel(1),
        "call 1 is not open",
    ),
    "a second cancel": (
        cancelled_client,
        lambda outgoing: outgoing.cancel(1),
        "CANCEL from the client",
    ),
    "credit after a cancel": (
        cancelled_client,
        lambda outgoing: outgoing.credit(1, 1),
        "CREDIT from the client",
    ),
    "an item after a cancel": (
        cancelled_client,
        lambda outgoing: outgoing.item(1, b"i"),
        "ITEMS from the client",
    ),
    "a large item after a cancel": (
        cancelled_client,
        lambda outgoing: outgoing.item(1, LARGE),
        "ITEMS from the client",
    ),
    "an item after the last": (
        client_that_waits,
        lambda outgoing: outgoing.item(1, b"i"),
        "ITEMS from the client",
    ),
    "a cancel by a server, of a value that is leaving": (
        server_in_pieces,
        lambda outgoing: outgoing.cancel(1),
        "CANCEL from the server",
    ),
    "a result by a client": (
        lambda: client_with_call(UNARY)[0],
        lambda outgoing: outgoing.result(1, b""),
        "RESULT from the client",
    ),
    "a large result by a client": (
        lambda: client_with_call(UNARY)[0],
        lambda outgoing: outgoing.result(1, LARGE),
        "RESULT from the client",
    ),
    "an end while an item is leaving": (
        client_in_pieces,
        lambda outgoing: outgoing.end(1),
        "still has a large value leaving",
    ),
    "an item while another is leaving": (
        client_in_pieces,
        lambda outgoing: outgoing.item(1, b"i"),
        "no credit, or no place",
    ),
    "a second result while one is leaving": (
        server_in_pieces,
        lambda outgoing: outgoing.result(1, b""),
        "still has a large value leaving",
    ),
    "a second large result while one is leaving": (
        server_in_pieces,
        lambda outgoing: outgoing.result(1, LARGE),
        "still has a large value leaving",
    ),
    "an item in a direction that streams none": (
        lambda: client_with_call(DOWN)[0],
        lambda outgoing: outgoing.item(1, b"i"),
        "streams no items in this direction",
    ),
    "credit in a direction that streams none": (
        lambda: client_with_call(UP)[0],
        lambda outgoing: outgoing.credit(1, 1),
        "streams no items in the peer's direction",
    ),
    "credit of nothing": (
        lambda: client_with_call(DOWN)[0],
        lambda outgoing: outgoing.credit(1, 0),
        "a grant of 0",
    ),
    "more credit than a window may hold": (
        lambda: client_with_call(DOWN)[0],
        lambda outgoing: outgoing.credit(1, 2**31 - SMALL.window_bytes),
        "a grant of",
    ),
    "a ping of more than 64 bits": (
        lambda: native(Role.CLIENT),
        lambda outgoing: outgoing.ping(2**63),
        "64 bits",
    ),
}


@pytest.mark.parametrize(("make", "act", "text"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_puts_nothing_and_changes_nothing(
    make: Callable[[], Connection], act: Callable[[Outgoing], object], text: str
) -> None:
    connection, unharmed = make(), make()
    with pytest.raises(LocalError, match=text):
        act(connection.outgoing)
    assert state_of(connection) == state_of(unharmed)
    assert take(connection) == take(unharmed)


def state_of(connection: Connection) -> object:
    calls = connection._calls
    return (
        calls.last_id,
        calls.streamed,
        connection.outgoing.places,
        [
            (call.id, call.state, {role: c.available for role, c in call.credit.items()})
            for call in calls
        ],
    )


# Text for people ...


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("short", b"short"),
        ("x" * 2000, b"x" * 1024),
        ("é" * 600, "é".encode() * 512),
        ("x" + "é" * 600, b"x" + "é".encode() * 511),  # not half a character
        ("half a pair: \ud800", b"half a pair: ?"),
    ],
)
def test_text_of_a_status_is_cut_and_always_utf8(text: str, sent: bytes) -> None:
    server, call_id = server_with_call(UNARY)
    server.outgoing.status(call_id, StatusCode.INTERNAL, text, started=False)
    assert written(server.outgoing) == frame(Kind.STATUS, call_id, 13, len(sent), sent)


# A call in pieces ...


def test_large_call_begins_at_once_so_that_ids_arrive_in_order() -> None:
    client = native(Role.CLIENT)
    client.outgoing.call(UP, LARGE, time_left=5, metadata={"k": b"v"})
    client.outgoing.call(UNARY, b"small")
    first, second, rest = frames(take(client))
    head = b"\x02\x04\x0a" + b"\x02\x02k\x02v\0"  # id, message, time left; metadata
    assert first == (Kind.CALL, MORE | METADATA | DEADLINE, head + LARGE[:MIN_PIECE_BYTES])
    assert second == (Kind.CALL, 0, b"\x04\x00small")
    assert rest == (Kind.CALL, 0, b"\x02" + LARGE[MIN_PIECE_BYTES:])


def test_cancel_of_a_large_call_follows_its_first_piece_and_frees_the_place() -> None:
    client = native(Role.CLIENT)
    call_id = client.outgoing.call(UNARY, LARGE)
    client.outgoing.cancel(call_id)
    assert client.outgoing.places == SMALL.max_values_in_pieces
    assert client.outgoing.freed
    first, second = frames(take(client))
    assert first == (Kind.CALL, MORE, b"\x02\x00" + LARGE[:MIN_PIECE_BYTES])
    assert second == (Kind.CANCEL, 0, b"\x02")


# Items ...


def test_items_share_a_frame_until_the_buffer_is_asked_for() -> None:
    client, call_id = client_with_call(UP)
    for item in (b"a", b"bc", b"d"):
        client.outgoing.item(call_id, item)
    assert take(client) == frame(Kind.ITEMS, call_id, count(3), b"abcd")
    client.outgoing.item(call_id, b"e")
    assert take(client) == frame(Kind.ITEMS, call_id, count(1), b"e")


def test_frame_of_items_stays_open_while_bytes_before_it_are_sent() -> None:
    client, call_id = client_with_call(UP)
    client.outgoing.ping(1)
    before = bytes(client.data_to_send())
    client.outgoing.item(call_id, b"a")
    client.sent(len(before))
    client.outgoing.item(call_id, b"b")
    assert take(client) == frame(Kind.ITEMS, call_id, count(2), b"ab")


def test_whole_frames_leave_when_all_is_taken_while_a_frame_of_items_is_open() -> None:
    # As it is when a send waited for the socket, and items came meanwhile.
    client, call_id = client_with_call(UP)
    client.outgoing.ping(1)
    client.outgoing.item(call_id, b"a")
    assert client.outgoing.data == frame(Kind.PING, 1)
    client.outgoing.data.clear()
    client.outgoing.item(call_id, b"b")
    assert take(client) == frame(Kind.ITEMS, call_id, count(2), b"ab")


@pytest.mark.parametrize("announced", [4096, 64 * 1024, 1024 * 1024])
def test_frame_of_items_grows_to_the_limit_and_not_beyond(announced: int) -> None:
    limits = replace(SMALL, max_frame_bytes=announced, window_bytes=2**31 - 1)
    client = native(Role.CLIENT, peer_limits=limits)
    call_id = client.outgoing.call(UP, b"")
    take(client)
    largest = min(announced, MAX_BUFFERED_PIECES)
    room = largest - 1 - 2  # the id and the count
    for _ in range(room + 1):
        client.outgoing.item(call_id, b"i")
    full, next_one = frames(take(client))
    assert full == (Kind.ITEMS, 0, b"\x02" + count(room) + b"i" * room)
    assert len(full[2]) == largest
    assert next_one == (Kind.ITEMS, 0, b"\x02" + count(1) + b"i")


@pytest.mark.parametrize("ids", [1, 63, 64, 8192])
@pytest.mark.parametrize("size", [LARGEST_SMALL_VALUE, LARGEST_SMALL_VALUE + 1])
def test_item_at_the_limit_fits_a_frame_and_one_byte_more_goes_in_pieces(
    ids: int, size: int
) -> None:
    client = native(Role.CLIENT)
    client._calls.last_id = ids - 1
    call_id = client.outgoing.call(UP, b"")
    take(client)
    large = client.outgoing.is_large(size)
    assert large == (size > LARGEST_SMALL_VALUE)
    client.outgoing.item(call_id, bytes(size))
    assert client.outgoing.busy(call_id) == large
    assert client.outgoing.places == SMALL.max_values_in_pieces - large
    # With no metadata in it, one byte more still fits one frame.
    assert take(client) == frame(Kind.ITEMS, call_id, count(1), bytes(size))


@pytest.mark.parametrize("first", [b"", b"an item in an open frame"])
def test_item_of_no_bytes_is_refused(first: bytes) -> None:
    client, call_id = client_with_call(UP)
    if first:
        client.outgoing.item(call_id, first)
    with pytest.raises(LocalError, match="at least one byte"):
        client.outgoing.item(call_id, b"")


def test_call_that_has_ended_gets_no_more_items_in_its_open_frame() -> None:
    client, call_id = client_with_call(UP)
    client.outgoing.item(call_id, b"a")
    client.receive_data(frame(Kind.RESULT, call_id))
    with pytest.raises(LocalError, match="not open"):
        client.outgoing.item(call_id, b"b")
    assert take(client) == frame(Kind.ITEMS, call_id, count(1), b"a")


# Slots ...


@pytest.mark.parametrize(
    ("number", "limit"), [(UNARY, SMALL.max_calls), (DOWN, SMALL.max_streamed_calls)]
)
def test_call_above_the_peers_limit_is_refused_until_one_has_ended(number: int, limit: int) -> None:
    client = native(Role.CLIENT)
    streamed = number != UNARY
    for _ in range(limit):
        assert client.has_slot(streamed=streamed)
        client.outgoing.call(number, b"")
    sent = take(client)
    assert not client.has_slot(streamed=streamed)
    with pytest.raises(LocalError, match=f"no more than {SMALL.max_calls} calls at once"):
        client.outgoing.call(number, b"")
    assert take(client) == b""
    assert len(frames(sent)) == limit

    client.outgoing.cancel(1)
    assert not client.has_slot(streamed=streamed)  # until the server has answered
    client.receive_data(frame(Kind.STATUS, 1, StatusCode.CANCELLED, ""))
    assert client.has_slot(streamed=streamed)
    assert client.outgoing.call(number, b"") == limit + 1


# PONG ...


def test_pings_of_a_peer_that_does_not_read_do_not_fill_the_buffer() -> None:
    client = native(Role.CLIENT)
    pongs = MAX_BUFFERED_PIECES // 5 + 1  # each takes 5 bytes
    late = range(10)
    for value in (*[5] * pongs, *late, *range(-MAX_LATE_PONGS, 0)):
        client.receive_data(frame(Kind.PING, value))
    assert len(client.outgoing.data) == pongs * 5
    assert take(client, pongs * 5) == frame(Kind.PONG, 5) * pongs
    client.receive_data(frame(Kind.PING, 4))  # in its turn
    answered = [*range(1 - MAX_LATE_PONGS, 0), 4]
    assert take(client) == b"".join(frame(Kind.PONG, value) for value in answered)


@pytest.mark.parametrize("used", [SMALL.window_bytes, SMALL.window_bytes + 1])
def test_item_waits_for_credit_also_in_an_open_frame(used: int) -> None:
    client, call_id = client_with_call(UP)
    for size in (3000, 3000, used - 6000):
        assert client.outgoing.try_item(call_id, bytes(size))
    assert not client.outgoing.may_start_item(call_id)
    assert not client.outgoing.try_item(call_id, b"i")  # the frame of the last one is open
    assert len(frames(take(client))) == 3
    assert not client.outgoing.try_item(call_id, b"i")
    client.receive_data(frame(Kind.CREDIT, call_id, used - SMALL.window_bytes + 1))
    assert client.outgoing.may_start_item(call_id)
    assert client.outgoing.try_item(call_id, b"i")
    assert take(client) == frame(Kind.ITEMS, call_id, count(1), b"i")


def test_items_of_two_calls_do_not_share_a_frame() -> None:
    client, first = client_with_call(UP)
    second = client.outgoing.call(UP, b"")
    take(client)
    for call_id in (first, second, first):
        client.outgoing.item(call_id, b"i")
    assert take(client) == b"".join(
        frame(Kind.ITEMS, call_id, count(1), b"i") for call_id in (first, second, first)
    )


# Values in pieces ...

HUGE = bytes(range(256)) * 40  # 10,240 bytes: three frames
ROOM = SMALL.max_frame_bytes - 1  # what a later piece holds, with an id of one byte


def test_pieces_of_two_calls_take_turns_and_small_frames_pass_them() -> None:
    server = native(Role.SERVER)
    for call_id in (1, 2, 3):
        server.receive_data(frame(Kind.CALL, call_id, BOTH))
    server.outgoing.result(1, HUGE, {"k": b"v"})
    server.outgoing.item(2, HUGE)
    server.outgoing.result(3, b"small")
    busy = [server.outgoing.leaving, server.outgoing.busy(1), server.outgoing.busy(2)]
    assert busy == [True, True, True]
    assert [server.is_open(call_id) for call_id in (1, 2, 3)] == [True, True, False]
    metadata = b"\2\2k\2v\0"
    result = frame(Kind.RESULT, 1, metadata, HUGE[: ROOM - 6], flags=MORE | METADATA)
    assert take(server) == b"".join(
        [
            frame(Kind.RESULT, 3, b"small"),
            result,
            frame(Kind.ITEMS, 2, count(1), HUGE[: ROOM - 2], flags=MORE),
            frame(Kind.RESULT, 1, HUGE[ROOM - 6 : 2 * ROOM - 6], flags=MORE),
            frame(Kind.ITEMS, 2, HUGE[ROOM - 2 : 2 * ROOM - 2], flags=MORE),
            frame(Kind.RESULT, 1, HUGE[2 * ROOM - 6 :]),
            frame(Kind.ITEMS, 2, HUGE[2 * ROOM - 2 :]),
        ]
    )
    assert [server.is_open(call_id) for call_id in (1, 2)] == [False, True]
    assert [server.outgoing.leaving, server.outgoing.busy(2)] == [False, False]


def test_pieces_enter_the_buffer_only_while_it_is_not_full() -> None:
    limits = WireLimits(max_message_bytes=2**30)
    server = native(Role.SERVER, limits, peer_limits=limits)
    for call_id in (1, 2):
        server.receive_data(frame(Kind.CALL, call_id, UNARY))
        server.outgoing.result(call_id, bytes(1024 * 1024))
    header = 4
    for _ in range(3):  # asked again, it adds nothing
        assert len(server.data_to_send()) == MAX_BUFFERED_PIECES + header
    server.sent(header)
    assert len(server.data_to_send()) == MAX_BUFFERED_PIECES
    server.sent(1)
    assert len(server.data_to_send()) == 2 * (MAX_BUFFERED_PIECES + header) - header - 1


def test_credit_passes_a_value_of_its_own_call_in_pieces() -> None:
    client, call_id = client_with_call(BOTH)
    client.outgoing.item(call_id, bytes(100 * 1024))
    in_buffer = len(frames(bytes(client.data_to_send())))
    client.outgoing.credit(call_id, 5)
    sent = [(kind, flags) for kind, flags, _ in frames(take(client))]
    assert sent.index((Kind.CREDIT, 0)) == in_buffer == 16
    assert sent.index((Kind.ITEMS, 0)) == len(sent) - 1 == 26


def drop_by_cancel(connection: Connection) -> None:
    connection.outgoing.cancel(1)


def drop_by_status(connection: Connection) -> None:
    connection.outgoing.status(1, StatusCode.CANCELLED, "", started=True)


def drop_by_the_peers_result(connection: Connection) -> None:
    connection.receive_data(frame(Kind.RESULT, 1))


def drop_by_the_peers_status(connection: Connection) -> None:
    connection.receive_data(frame(Kind.STATUS, 1, 13, ""))


def drop_by_goaway(connection: Connection) -> None:
    connection.receive_data(frame(Kind.GOAWAY, 0, 0, ""))


@pytest.mark.parametrize(
    ("role", "drop", "last_words"),
    [
        (Role.CLIENT, drop_by_cancel, [Kind.CANCEL]),
        (Role.CLIENT, drop_by_the_peers_result, []),
        (Role.CLIENT, drop_by_the_peers_status, []),
        (Role.CLIENT, drop_by_goaway, []),
        (Role.SERVER, drop_by_status, [Kind.STATUS]),
    ],
)
@pytest.mark.parametrize("sent", [0, 1, 5000])
def test_rest_of_a_value_is_dropped_when_its_call_ends_and_others_go_on(
    role: Role, drop: Callable[[Connection], None], last_words: list[Kind], sent: int
) -> None:
    connection = {Role.CLIENT: client_with_call, Role.SERVER: server_with_call}[role](BOTH)[0]
    connection.outgoing.item(1, bytes(100 * 1024))
    connection.outgoing.freed = False
    assert connection.outgoing.places == SMALL.max_values_in_pieces - 1
    before = take(connection, sent)
    drop(connection)
    assert connection.outgoing.freed
    assert connection.outgoing.places == SMALL.max_values_in_pieces
    after = frames(before + take(connection))
    in_buffer = [Kind.ITEMS] * (len(after) - len(last_words))
    assert [kind for kind, _, _ in after] == in_buffer + last_words
    assert len(in_buffer) <= 1 + MAX_BUFFERED_PIECES // SMALL.max_frame_bytes + 1
    assert all(flags == MORE for kind, flags, _ in after if kind == Kind.ITEMS)


def test_no_more_values_go_in_pieces_than_the_peer_takes() -> None:
    client = native(Role.CLIENT)
    streamed = [client.outgoing.call(BOTH, b"") for _ in range(3)]
    places = SMALL.max_values_in_pieces
    for number, call_id in enumerate(streamed, start=1):
        assert client.outgoing.try_item(call_id, LARGE)
        assert client.outgoing.places == places - number
    with pytest.raises(LocalError, match="as many values"):
        client.outgoing.call(UNARY, LARGE)
    last = client.outgoing.call(BOTH, b"small ones need no place")
    assert last == streamed[-1] + 1
    assert client.outgoing.try_item(last, b"i")


def test_large_values_wait_for_a_place_that_opens_with_a_last_piece() -> None:
    # Beyond what the buffer takes at a time, so that they are under way for a while.
    client = native(Role.CLIENT, peer_limits=replace(SMALL, window_bytes=2**20))
    streamed = [client.outgoing.call(BOTH, b"") for _ in range(4)]
    for call_id in streamed[:3]:
        assert client.outgoing.try_item(call_id, bytes(100 * 1024))
    assert client.outgoing.places == 0
    assert not client.outgoing.try_item(streamed[3], LARGE)
    assert not client.outgoing.try_item(streamed[0], b"small, but the large one is leaving")
    client.data_to_send()
    freed = [client.outgoing.freed]
    while client.outgoing.places == 0:
        client.sent(len(client.data_to_send()))
    assert [*freed, client.outgoing.freed] == [False, True]
    assert client.outgoing.try_item(streamed[3], LARGE)


def test_outcome_needs_a_place_only_if_it_is_large() -> None:
    server = native(Role.SERVER)
    for call_id in range(1, 6):
        server.receive_data(frame(Kind.CALL, call_id, UNARY))
    for call_id in range(1, 4):
        server.outgoing.error(call_id, LARGE)
    with pytest.raises(LocalError, match="as many values"):
        server.outgoing.result(4, LARGE)
    assert server.is_open(4)
    server.outgoing.result(4, bytes(LARGEST_SMALL_VALUE))
    assert not server.is_open(4)
    take(server)
    server.outgoing.result(5, LARGE)
    assert server.is_open(5)
    take(server)
    assert server.open_calls == 0
