import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import pytest

from avrpc.wire import (
    AssemblyBudget,
    CallReceived,
    CallState,
    CancelReceived,
    Connection,
    CreditReceived,
    EndReceived,
    ErrorReceived,
    Event,
    GoawayCode,
    GoawayReceived,
    ItemsReceived,
    Outgoing,
    PongReceived,
    ResultReceived,
    Role,
    StatusCode,
    StatusReceived,
    ValueTooLarge,
)
from avrpc.wire.frames import DEADLINE, METADATA, MORE, Kind
from avrpc.wire.pieces import MIN_PIECE_BYTES
from avrpc.wire.primitives import encode_metadata
from tests.wire.every_frame import SITUATIONS, Situation
from tests.wire.pair import (
    BOTH,
    DOWN,
    MAX_VALUE_BYTES,
    SMALL,
    UNARY,
    UP,
    client_with_call,
    count,
    feed,
    feed_in_every_way,
    frame,
    native,
    server_with_call,
    take,
    violation,
)

# Every frame, both ways ...


def opened(number: int) -> Callable[[Role], Connection]:
    """An end, of either role, with call 1 open."""
    return lambda role: {Role.CLIENT: client_with_call, Role.SERVER: server_with_call}[role](
        number
    )[0]


METADATA_MAP = {"k": b"v"}
LONG_TIME = 2**62
# How it is sent, who sends it with call 1 open, its bytes, and what the other end is told.
FRAMES: dict[str, tuple[Callable[[Outgoing], object], Role, int, str, list[Event]]] = {
    "CALL": (
        lambda out: out.call(UNARY, b"para"),
        Role.CLIENT,
        UNARY,
        "01000006 04 00 70617261",
        [CallReceived(2, UNARY, None, None, b"para")],
    ),
    "CALL without parameters": (
        lambda out: out.call(BOTH, b""),
        Role.CLIENT,
        UNARY,
        "01000002 04 06",
        [CallReceived(2, BOTH, None, None, b"")],
    ),
    "CALL with a deadline": (
        lambda out: out.call(UP, b"p", time_left=250),
        Role.CLIENT,
        UNARY,
        "41000005 04 04 f403 70",
        [CallReceived(2, UP, 250, None, b"p")],
    ),
    "CALL whose time is up": (
        lambda out: out.call(UP, b"p", time_left=-1),
        Role.CLIENT,
        UNARY,
        "41000004 04 04 01 70",
        [CallReceived(2, UP, -1, None, b"p")],
    ),
    "CALL with a deadline and metadata": (
        lambda out: out.call(DOWN, b"p", time_left=LONG_TIME, metadata=METADATA_MAP),
        Role.CLIENT,
        UNARY,
        "61000013 04 02 80808080808080808001 02 026b 0276 00 70",
        [CallReceived(2, DOWN, LONG_TIME, METADATA_MAP, b"p")],
    ),
    "ITEMS from the client": (
        lambda out: [out.try_item(1, b"ab"), out.try_item(1, b"c")],
        Role.CLIENT,
        UP,
        "02000006 02 0002 616263",
        [ItemsReceived(1, 2, b"abc")],
    ),
    "ITEMS from the server": (
        lambda out: out.item(1, b"a"),
        Role.SERVER,
        DOWN,
        "02000004 02 0001 61",
        [ItemsReceived(1, 1, b"a")],
    ),
    "END": (lambda out: out.end(1), Role.CLIENT, UP, "03000001 02", [EndReceived(1)]),
    "RESULT": (
        lambda out: out.result(1, b"r"),
        Role.SERVER,
        UNARY,
        "04000002 02 72",
        [ResultReceived(1, None, b"r")],
    ),
    "RESULT of a stream, with metadata": (
        lambda out: out.result(1, metadata=METADATA_MAP),
        Role.SERVER,
        BOTH,
        "24000007 02 02 026b 0276 00",
        [ResultReceived(1, METADATA_MAP, b"")],
    ),
    "ERROR": (
        lambda out: out.error(1, b"e"),
        Role.SERVER,
        UP,
        "05000002 02 65",
        [ErrorReceived(1, None, b"e")],
    ),
    "ERROR with metadata": (
        lambda out: out.error(1, b"e", METADATA_MAP),
        Role.SERVER,
        DOWN,
        "25000008 02 02 026b 0276 00 65",
        [ErrorReceived(1, METADATA_MAP, b"e")],
    ),
    "STATUS": (
        lambda out: out.status(1, StatusCode.INTERNAL, "no", started=False),
        Role.SERVER,
        UNARY,
        "06000005 02 1a 046e6f",
        [StatusReceived(1, None, 13, "no", started=False)],
    ),
    "STATUS of a handler that had begun, with metadata": (
        lambda out: out.status(1, StatusCode.CANCELLED, "é", started=True, metadata=METADATA_MAP),
        Role.SERVER,
        UNARY,
        "6600000b 02 02 026b 0276 00 02 04c3a9",
        [StatusReceived(1, METADATA_MAP, 1, "é", started=True)],
    ),
    "CANCEL": (lambda out: out.cancel(1), Role.CLIENT, UNARY, "07000001 02", [CancelReceived(1)]),
    "CREDIT from the client": (
        lambda out: out.credit(1, 1000),
        Role.CLIENT,
        DOWN,
        "08000003 02 d00f",
        [CreditReceived(1)],
    ),
    "CREDIT from the server": (
        lambda out: out.credit(1, 1),
        Role.SERVER,
        UP,
        "08000002 02 02",
        [CreditReceived(1)],
    ),
    "PING from the client": (lambda out: out.ping(-1), Role.CLIENT, UNARY, "09000001 01", []),
    "PING from the server": (lambda out: out.ping(64), Role.SERVER, UNARY, "09000002 8001", []),
    "PONG from the client": (
        lambda out: out.pong(2**63 - 1),
        Role.CLIENT,
        UNARY,
        "0a00000a feffffffffffffffff01",
        [PongReceived(2**63 - 1)],
    ),
    "PONG from the server": (
        lambda out: out.pong(0),
        Role.SERVER,
        UNARY,
        "0a000001 00",
        [PongReceived(0)],
    ),
    "GOAWAY from the server": (
        lambda out: out.goaway(0, GoawayCode.SHUTDOWN, "bye"),
        Role.SERVER,
        UNARY,
        "0b000006 00 4a 06627965",
        [GoawayReceived(0, 37, "bye", (1,))],
    ),
    "GOAWAY from the client": (
        lambda out: out.goaway(1, GoawayCode.NO_ERROR, ""),
        Role.CLIENT,
        UNARY,
        "0b000003 02 00 00",
        [GoawayReceived(1, 0, "", ())],
    ),
}


@pytest.mark.parametrize(
    ("send", "sender", "number", "encoded", "events"), FRAMES.values(), ids=FRAMES
)
def test_frame_is_written_and_read_as_these_bytes(
    send: Callable[[Outgoing], object],
    sender: Role,
    number: int,
    encoded: str,
    events: list[Event],
) -> None:
    data = bytes.fromhex(encoded)
    make = opened(number)
    connection = make(sender)
    send(connection.outgoing)
    assert take(connection) == data
    assert feed_in_every_way(lambda: make(sender.other), data) == events


def test_ping_is_answered_with_its_value() -> None:
    server = native(Role.SERVER)
    assert server.receive_data(frame(Kind.PING, 3) + frame(Kind.PING, -4)) == []
    assert take(server) == frame(Kind.PONG, 3) + frame(Kind.PONG, -4)


# ... and what is no frame, in every state, at both ends: the rest is in test_every_frame.py.

PIECE = bytes(MIN_PIECE_BYTES)
GOOD = {
    Kind.CALL: frame(Kind.CALL, 1, BOTH, b"p"),
    Kind.ITEMS: frame(Kind.ITEMS, 1, count(1), b"i"),
    Kind.END: frame(Kind.END, 1),
    Kind.RESULT: frame(Kind.RESULT, 1, b"r"),
    Kind.ERROR: frame(Kind.ERROR, 1, b"e"),
    Kind.STATUS: frame(Kind.STATUS, 1, 13, "text"),
    Kind.CANCEL: frame(Kind.CANCEL, 1),
    Kind.CREDIT: frame(Kind.CREDIT, 1, 5),
    Kind.PING: frame(Kind.PING, 9),
    Kind.PONG: frame(Kind.PONG, 9),
    Kind.GOAWAY: frame(Kind.GOAWAY, 1, 0, "bye"),
}


@pytest.mark.parametrize("situation", SITUATIONS, ids=[one.name for one in SITUATIONS])
def test_frame_of_unknown_kind_is_a_violation(situation: Situation) -> None:
    for kind in (0, 12, 13, 14, 15):
        events = feed_in_every_way(situation.make, frame(kind, 1))
        assert violation(events).text == f"a frame of unknown kind {kind}"


# Frames that are too long, and fields that are wrong ...


@pytest.mark.parametrize("length", [SMALL.max_frame_bytes + 1, 2**24 - 1])
@pytest.mark.parametrize("first_byte", [Kind.RESULT, 0, 0xFF])
def test_frame_that_is_too_long_is_refused_on_its_header(first_byte: int, length: int) -> None:
    def make() -> Connection:
        return native(Role.SERVER)

    header = (first_byte << 24 | length).to_bytes(4)
    assert feed(make(), header[:3], 1) == []
    events = feed_in_every_way(make, header)
    assert violation(events).code is GoawayCode.FRAME_SIZE_ERROR
    assert str(length) in violation(events).text


def test_frame_of_the_longest_length_is_taken() -> None:
    value = bytes(SMALL.max_frame_bytes - 2)
    data = frame(Kind.CALL, 1, UNARY, value)
    assert native(Role.SERVER).receive_data(data) == [CallReceived(1, UNARY, None, None, value)]


WRONG_FIELDS: dict[str, tuple[Role, bytes, str]] = {
    "a message that there is not": (Role.SERVER, frame(Kind.CALL, 1, 4), "of message 4; there"),
    "a message below the first": (Role.SERVER, frame(Kind.CALL, 1, -1), "of message -1"),
    "a deadline that is cut": (
        Role.SERVER,
        frame(Kind.CALL, 1, UNARY, flags=DEADLINE),
        "expected a long",
    ),
    "metadata that is cut": (
        Role.SERVER,
        frame(Kind.CALL, 1, UNARY, b"\2\2", flags=METADATA),
        "expected at most",
    ),
    "metadata larger than the limit": (
        Role.SERVER,
        frame(Kind.CALL, 1, UNARY, encode_metadata({"k": bytes(507)}), flags=METADATA),
        "metadata of 513 bytes; the limit is 512",
    ),
    "too many entries of metadata": (
        Role.SERVER,
        frame(Kind.CALL, 1, UNARY, 65, b"\2k\0" * 65, 0, flags=METADATA),
        "more than 64 entries",
    ),
    "ITEMS without a count": (Role.CLIENT, frame(Kind.ITEMS, 1, b"\0"), "without a count"),
    "ITEMS of none": (Role.CLIENT, frame(Kind.ITEMS, 1, count(0), b"i"), "a count of 0 in 1"),
    "more ITEMS than bytes": (
        Role.CLIENT,
        frame(Kind.ITEMS, 1, count(2), b"i"),
        "a count of 2 in 1",
    ),
    "text that is no text": (Role.CLIENT, frame(Kind.STATUS, 1, 13, b"\2\xff"), "UTF-8"),
}


@pytest.mark.parametrize(("role", "data", "text"), WRONG_FIELDS.values(), ids=WRONG_FIELDS)
def test_frame_with_a_wrong_field_is_a_violation(role: Role, data: bytes, text: str) -> None:
    state = CallState.REQUESTING if role is Role.CLIENT else None
    events = feed_in_every_way(Situation(role, state).make, data)
    assert text in violation(events).text


@pytest.mark.parametrize(
    ("role", "number", "kind"),
    [
        (Role.SERVER, UNARY, Kind.ITEMS),
        (Role.SERVER, DOWN, Kind.ITEMS),
        (Role.SERVER, UNARY, Kind.CREDIT),
        (Role.SERVER, UP, Kind.CREDIT),
        (Role.SERVER, DOWN, Kind.END),
        (Role.CLIENT, UNARY, Kind.ITEMS),
        (Role.CLIENT, UP, Kind.ITEMS),
        (Role.CLIENT, UNARY, Kind.CREDIT),
        (Role.CLIENT, DOWN, Kind.CREDIT),
    ],
)
def test_stream_in_a_direction_that_has_none_is_a_violation(
    role: Role, number: int, kind: Kind
) -> None:
    events = feed_in_every_way(lambda: opened(number)(role), GOOD[kind])
    assert violation(events).code is GoawayCode.PROTOCOL_ERROR


# Credit ...


@pytest.mark.parametrize("role", Role)
def test_items_may_take_credit_below_zero_but_not_begin_there(role: Role) -> None:
    def make() -> Connection:
        return opened(BOTH)(role)

    data = b"".join(frame(Kind.ITEMS, 1, count(1), bytes(size)) for size in (4000, 4000, 191, 4000))
    told = feed_in_every_way(make, data)
    assert [type(event) for event in told] == [ItemsReceived] * 4

    connection = make()
    connection.receive_data(data)
    assert connection._calls[1].credit[role.other].available == 8192 - 12191
    connection.outgoing.credit(1, 3999)  # brings it to 0
    events = connection.receive_data(GOOD[Kind.ITEMS])
    assert violation(events).code is GoawayCode.FLOW_CONTROL_ERROR


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("size", [0, -1, 2**31 - 8192, 2**63 - 1, -(2**63)])
def test_credit_of_nothing_or_too_much_is_a_violation(role: Role, size: int) -> None:
    events = feed_in_every_way(lambda: opened(BOTH)(role), frame(Kind.CREDIT, 1, size))
    assert violation(events).code is GoawayCode.FLOW_CONTROL_ERROR


@pytest.mark.parametrize("role", Role)
def test_credit_that_came_can_be_used(role: Role) -> None:
    connection = opened(BOTH)(role)
    for _ in range(3):
        connection.outgoing.item(1, bytes(3000))
    assert not connection.outgoing.may_start_item(1)
    connection.receive_data(frame(Kind.CREDIT, 1, 1000))  # 9,000 were used of 8,192
    assert connection.outgoing.may_start_item(1)


# Values in pieces ...


def first_piece(call_id: int, number: int = UNARY, size: int = MIN_PIECE_BYTES) -> bytes:
    return frame(Kind.CALL, call_id, number, bytes(size), flags=MORE)


def test_value_in_pieces_keeps_the_fields_of_its_first_piece() -> None:
    head = frame(
        Kind.CALL,
        1,
        UP,
        250,
        encode_metadata(METADATA_MAP),
        PIECE,
        flags=MORE | DEADLINE | METADATA,
    )
    rest = frame(Kind.CALL, 1, PIECE, flags=MORE) + frame(Kind.CALL, 1, b"!")
    events = feed_in_every_way(lambda: native(Role.SERVER), head + rest)
    assert events == [CallReceived(1, UP, 250, METADATA_MAP, PIECE + PIECE + b"!")]


@pytest.mark.parametrize("kind", [Kind.RESULT, Kind.ERROR])
def test_outcome_in_pieces_ends_the_call_with_its_last(kind: Kind) -> None:
    metadata = encode_metadata(METADATA_MAP)
    client, call_id = client_with_call(BOTH)
    first = frame(kind, call_id, metadata, PIECE, flags=MORE | METADATA)
    assert client.receive_data(first) == []
    assert client.is_open(call_id)
    event = {Kind.RESULT: ResultReceived, Kind.ERROR: ErrorReceived}[kind]
    assert client.receive_data(frame(kind, call_id, b"!")) == [
        event(call_id, METADATA_MAP, PIECE + b"!")
    ]
    assert not client.is_open(call_id)


def test_outcome_in_pieces_from_a_client_is_a_violation_at_its_first() -> None:
    events = feed_in_every_way(
        lambda: server_with_call(UNARY)[0], frame(Kind.RESULT, 1, PIECE, flags=MORE)
    )
    assert "RESULT from the client" in violation(events).text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (first_piece(1, size=MIN_PIECE_BYTES - 1), "a piece of 1023 bytes"),
        (first_piece(1) + frame(Kind.CALL, 1, PIECE[1:], flags=MORE), "a piece of 1023 bytes"),
        (first_piece(1) + frame(Kind.CALL, 1), "a piece of 0 bytes"),
        (first_piece(1) + frame(Kind.CALL, 1, b"\0!", flags=METADATA), "header fields in a later"),
        (first_piece(1, UP) + frame(Kind.ITEMS, 1, count(1), b"i"), "ITEMS of call 1 out of order"),
        (first_piece(1, UP) + frame(Kind.END, 1), "END between the pieces"),
        (first_piece(1) + frame(Kind.CANCEL, 1) + frame(Kind.CALL, 1, b"!"), "out of order"),
        (frame(Kind.CALL, 1, UP) + frame(Kind.CALL, 1, b"!"), "CALL of call 1 out of order"),
        (
            frame(Kind.CALL, 1, UP) + frame(Kind.ITEMS, 1, count(2), PIECE, flags=MORE),
            "an item in pieces came in ITEMS of 2",
        ),
    ],
)
def test_piece_that_breaks_a_rule_is_a_violation(data: bytes, text: str) -> None:
    assert text in violation(feed_in_every_way(lambda: native(Role.SERVER), data)).text


def test_one_value_in_pieces_too_many_is_a_violation_until_one_is_whole() -> None:
    places = SMALL.max_values_in_pieces
    server = native(Role.SERVER)
    for call_id in range(1, places + 1):
        assert server.receive_data(first_piece(call_id)) == []
    assert server.receive_data(frame(Kind.CALL, 1, b"!")) != []
    assert server.receive_data(first_piece(places + 1)) == []
    events = server.receive_data(first_piece(places + 2))
    assert "more than 3 values in pieces" in violation(events).text
    assert violation(events).code is GoawayCode.PROTOCOL_ERROR
    assert server._calls.assembling == 0
    assert server._calls.budget.available == server._calls.budget.max_bytes


def test_credit_between_pieces_is_taken_and_the_value_goes_on() -> None:
    half = first_piece(1, BOTH)
    data = half + frame(Kind.CREDIT, 1, 5) + frame(Kind.CALL, 1, b"!")
    assert feed_in_every_way(lambda: native(Role.SERVER), data) == [
        CreditReceived(1),
        CallReceived(1, BOTH, None, None, PIECE + b"!"),
    ]


def test_cancel_between_pieces_discards_the_half_value_and_frees_its_place() -> None:
    server = native(Role.SERVER, budget=AssemblyBudget(5000))
    assert server.receive_data(first_piece(1)) == []
    assert (server._calls.assembling, server._calls.budget.available) == (1, 5000 - 1024)
    assert server.receive_data(frame(Kind.CANCEL, 1)) == [CancelReceived(1)]
    assert (server._calls.assembling, server._calls.budget.available) == (0, 5000)
    server.outgoing.status(1, StatusCode.CANCELLED, "", started=False)
    assert server.open_calls == 0


@pytest.mark.parametrize("kind", [Kind.ITEMS, Kind.RESULT, Kind.ERROR])
def test_status_between_pieces_discards_the_half_value_and_frees_its_place(kind: Kind) -> None:
    client = Situation(Role.CLIENT, CallState.REQUESTING, kind).make()
    assert client._calls.assembling == 1
    status = StatusReceived(1, None, 13, "text", started=False)
    assert client.receive_data(GOOD[Kind.STATUS]) == [status]
    assert client._calls.assembling == 0
    assert client._calls.budget.available == client._calls.budget.max_bytes
    assert violation(client.receive_data(frame(kind, 1, b"!")))


TOO_LARGE = MAX_VALUE_BYTES // MIN_PIECE_BYTES  # so many pieces are just not


def test_call_with_a_value_too_large_is_told_once_and_waits_for_its_status() -> None:
    server = native(Role.SERVER)
    pieces = [first_piece(1)] + [frame(Kind.CALL, 1, PIECE, flags=MORE)] * (TOO_LARGE - 1)
    assert server.receive_data(b"".join(pieces)) == []
    rest = frame(Kind.CALL, 1, b"!", PIECE, flags=MORE) * 3 + frame(Kind.CALL, 1, b"!")
    assert server.receive_data(rest) == [ValueTooLarge(1, MAX_VALUE_BYTES)]
    assert server._calls.budget.available == server._calls.budget.max_bytes
    assert server._calls.assembling == 0
    assert server.is_open(1)
    server.outgoing.status(1, StatusCode.RESOURCE_EXHAUSTED, "", started=False)


def test_item_too_large_is_told_once_and_takes_its_credit() -> None:
    server = native(Role.SERVER, replace(SMALL, window_bytes=50_000))
    server.receive_data(frame(Kind.CALL, 1, UP))
    data = frame(Kind.ITEMS, 1, count(1), PIECE, flags=MORE)
    data += frame(Kind.ITEMS, 1, PIECE, flags=MORE) * TOO_LARGE + frame(Kind.ITEMS, 1, b"!")
    assert server.receive_data(data) == [ValueTooLarge(1, MAX_VALUE_BYTES)]
    credit = server._calls[1].credit[Role.CLIENT]
    assert credit.available == 50_000 - (TOO_LARGE + 1) * MIN_PIECE_BYTES - 1


@pytest.mark.parametrize("kind", [Kind.ITEMS, Kind.RESULT, Kind.ERROR])
def test_value_that_goes_on_long_after_it_was_dropped_is_a_violation(kind: Kind) -> None:
    """An end that has cancelled the call is not to be kept busy with the rest for ever."""
    client = Situation(Role.CLIENT, CallState.REQUESTING, kind).make()
    piece = frame(kind, 1, PIECE, flags=MORE)
    assert client.receive_data(piece * TOO_LARGE) == [ValueTooLarge(1, MAX_VALUE_BYTES)]
    client.outgoing.cancel(1)
    rest = piece * (TOO_LARGE - 1)  # with the piece that was too much, as large as a value may be
    assert client.receive_data(rest) == []
    events = client.receive_data(piece * 2)
    assert "goes on long after it was dropped" in violation(events).text
    assert client._calls.budget.available == client._calls.budget.max_bytes


@pytest.mark.parametrize("kind", [Kind.RESULT, Kind.ERROR])
def test_outcome_too_large_still_ends_the_call(kind: Kind) -> None:
    client = Situation(Role.CLIENT, CallState.REQUESTING, kind).make()
    more = frame(kind, 1, PIECE, flags=MORE) * TOO_LARGE
    assert client.receive_data(more) == [ValueTooLarge(1, MAX_VALUE_BYTES)]
    client.outgoing.cancel(1)
    (outcome,) = client.receive_data(frame(kind, 1, b"!"))
    assert outcome in (ResultReceived(1, None, b""), ErrorReceived(1, None, b""))
    assert client.open_calls == 0


@pytest.mark.parametrize(
    ("role", "number", "kind", "fields"),
    [
        (Role.SERVER, UNARY, Kind.CALL, (1, UNARY)),
        (Role.SERVER, UP, Kind.ITEMS, (1, count(1))),
        (Role.CLIENT, DOWN, Kind.ITEMS, (1, count(1))),
        (Role.CLIENT, UNARY, Kind.RESULT, (1,)),
        (Role.CLIENT, UNARY, Kind.ERROR, (1,)),
    ],
)
def test_value_too_large_in_one_frame_is_told_instead_of_it(
    role: Role, number: int, kind: Kind, fields: tuple[int | bytes, ...]
) -> None:
    wide = replace(SMALL, max_frame_bytes=MAX_VALUE_BYTES + 4096)
    end = native(role, wide, peer_limits=wide)
    if role is Role.CLIENT:
        end.outgoing.call(number, b"")
    elif kind is Kind.ITEMS:
        end.receive_data(frame(Kind.CALL, 1, number))
    fitting = frame(kind, *fields, bytes(MAX_VALUE_BYTES))
    too_large = frame(kind, *fields, bytes(MAX_VALUE_BYTES + 1))
    assert end.receive_data(too_large) == [ValueTooLarge(1, MAX_VALUE_BYTES)]
    if kind is Kind.ITEMS and end.is_open(1):
        end = native(role, wide, peer_limits=wide)
        if role is Role.CLIENT:
            end.outgoing.call(number, b"")
        else:
            end.receive_data(frame(Kind.CALL, 1, number))
        assert end.receive_data(fitting) == [ItemsReceived(1, 1, bytes(MAX_VALUE_BYTES))]


def test_goaway_ends_the_calls_above_its_last_and_lets_the_others_go_on() -> None:
    client = native(Role.CLIENT)
    for number in (UNARY, BOTH, BOTH):
        client.outgoing.call(number, b"p")
    half_item = frame(Kind.ITEMS, 3, count(1), PIECE, flags=MORE)
    client.receive_data(half_item)
    events = client.receive_data(frame(Kind.GOAWAY, 1, 37, "bye"))
    assert events == [GoawayReceived(1, 37, "bye", (2, 3))]
    assert [client.is_open(call_id) for call_id in (1, 2, 3)] == [True, False, False]
    assert (client._calls.streamed, client._calls.assembling) == (0, 0)
    assert client.receive_data(frame(Kind.RESULT, 1, b"r")) == [ResultReceived(1, None, b"r")]
    assert "call 2, which is not open" in violation(client.receive_data(frame(Kind.RESULT, 2))).text


def test_call_after_the_clients_goaway_is_a_violation() -> None:
    server = native(Role.SERVER)
    server.receive_data(frame(Kind.CALL, 1, UNARY))
    server.receive_data(frame(Kind.GOAWAY, 1, 0, "bye"))
    events = server.receive_data(frame(Kind.CALL, 2, UNARY))
    assert "after the client's GOAWAY" in violation(events).text


def test_budget_is_shared_and_one_value_too_much_is_dropped() -> None:
    budget = AssemblyBudget(2500)
    first, second = (native(Role.SERVER, budget=budget) for _ in range(2))
    assert first.receive_data(first_piece(1)) == second.receive_data(first_piece(1)) == []
    go_on = frame(Kind.CALL, 1, PIECE, flags=MORE)
    assert first.receive_data(go_on) == [ValueTooLarge(1, 2500, shared=True)]
    assert second.receive_data(go_on) == []
    assert budget.available == 2500 - 2048
    second.close()
    assert budget.available == 2500
    assert first.receive_data(frame(Kind.CALL, 1, b"!")) == []


# Calls, and what was found wrong once ...


@pytest.mark.parametrize("call_id", [-(2**63), -64, -2, -1, 0, 2, 63, 64, 2**63 - 1])
@pytest.mark.parametrize("kind", [Kind.ITEMS, Kind.END, Kind.CANCEL, Kind.CREDIT])
def test_frame_for_a_call_that_never_was_is_a_violation(kind: Kind, call_id: int) -> None:
    rest = {Kind.ITEMS: count(1) + b"i", Kind.CREDIT: b"\x02"}.get(kind, b"")
    events = feed_in_every_way(lambda: server_with_call(UP)[0], frame(kind, call_id, rest))
    assert f"call {call_id}, which is not open" in violation(events).text


def test_calls_refused_in_their_first_piece_leave_nothing_behind() -> None:
    server = native(Role.SERVER, budget=AssemblyBudget(0))  # so every value in pieces is refused
    fields = encode_metadata({"key": bytes(500)}) + bytes(MIN_PIECE_BYTES)

    def call_and_refuse(first_id: int, last_id: int) -> None:
        for call_id in range(first_id, last_id):
            data = frame(Kind.CALL, call_id, UNARY, fields, flags=MORE | METADATA)
            assert server.receive_data(data) == [ValueTooLarge(call_id, 0, shared=True)]
            server.outgoing.status(call_id, StatusCode.RESOURCE_EXHAUSTED, "", started=False)
            take(server)

    call_and_refuse(1, 50)  # a server remembers some ended calls
    tracemalloc.start()
    try:
        call_and_refuse(50, 250)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 32 * 1024


# The end of a call: what was under way to the server when it answered ...


def ended(number: int, *before: bytes) -> Connection:
    """A server that has answered call 1, after these frames."""
    server, call_id = server_with_call(number)
    for data in before:
        server.receive_data(data)
    server.outgoing.status(call_id, StatusCode.INTERNAL, "", started=True)
    take(server)
    return server


def refused_in_first_piece(number: int) -> Connection:
    """A server that has answered call 1 while its parameters were still coming."""
    server = native(Role.SERVER)
    server.receive_data(frame(Kind.CALL, 1, number, PIECE, flags=MORE))
    server.outgoing.status(1, StatusCode.INTERNAL, "", started=False)
    take(server)
    return server


HALF_ITEM = frame(Kind.ITEMS, 1, count(1), PIECE, flags=MORE)


DROPPED: dict[str, tuple[Callable[[], Connection], list[bytes]]] = {
    "items": (lambda: ended(UP), [frame(Kind.ITEMS, 1, count(2), b"ab")] * 3),
    "the end": (lambda: ended(UP), [frame(Kind.END, 1)]),
    "a cancel": (lambda: ended(UP), [frame(Kind.CANCEL, 1)]),
    "credit": (lambda: ended(BOTH), [frame(Kind.CREDIT, 1, 5)]),
    "an item in pieces": (
        lambda: ended(UP),
        [HALF_ITEM, frame(Kind.ITEMS, 1, PIECE, flags=MORE), frame(Kind.ITEMS, 1, b"i")],
    ),
    "the rest of an item in pieces": (
        lambda: ended(UP, HALF_ITEM),
        [frame(Kind.ITEMS, 1, b"i"), frame(Kind.ITEMS, 1, count(1), b"i")],
    ),
    "the rest of a call in pieces, then items": (
        lambda: refused_in_first_piece(UP),
        [
            frame(Kind.CALL, 1, PIECE, flags=MORE),
            frame(Kind.CALL, 1, b"p"),
            frame(Kind.ITEMS, 1, count(1), b"i"),
        ],
    ),
    "a cancel instead of the rest": (lambda: ended(UP, HALF_ITEM), [frame(Kind.CANCEL, 1)]),
    "all the credit that was left, and an item beyond": (
        lambda: ended(UP),
        [frame(Kind.ITEMS, 1, count(1), bytes(4000))] * 3,
    ),
}


@pytest.mark.parametrize(("make", "late"), DROPPED.values(), ids=DROPPED)
def test_what_crossed_the_end_of_a_call_is_dropped(
    make: Callable[[], Connection], late: list[bytes]
) -> None:
    assert feed_in_every_way(make, b"".join(late)) == []


VIOLATIONS: dict[str, tuple[Callable[[], Connection], list[bytes], str]] = {
    "the same call again": (
        lambda: ended(UP),
        [frame(Kind.CALL, 1, UP, b"p")],
        "call 1 was opened before",
    ),
    "a unary call again, of which nothing is remembered": (
        lambda: ended(UNARY),
        [frame(Kind.CALL, 1, UNARY, b"p")],
        "call 1 was opened before",
    ),
    "the rest of a call that was whole": (
        lambda: ended(UP),
        [frame(Kind.CALL, 1, b"rest")],
        "call 1 was opened before",
    ),
    "items after the rest of a call that streams none": (
        lambda: refused_in_first_piece(UNARY),
        [frame(Kind.CALL, 1, b"p"), frame(Kind.ITEMS, 1, count(1), b"i")],
        "streams none",
    ),
    "items without a count": (lambda: ended(UP), [frame(Kind.ITEMS, 1)], "without a count"),
    "an item of no bytes": (lambda: ended(UP), [frame(Kind.ITEMS, 1, count(1))], "a count of"),
    "two items in pieces": (
        lambda: ended(UP),
        [frame(Kind.ITEMS, 1, count(2), PIECE, flags=MORE)],
        "ITEMS of 2",
    ),
    "items between the pieces of a call": (
        lambda: refused_in_first_piece(UP),
        [frame(Kind.ITEMS, 1, count(1), b"i")],
        "out of order",
    ),
    "header fields in a later piece": (
        lambda: refused_in_first_piece(UP),
        [frame(Kind.CALL, 1, b"\0p", flags=METADATA)],
        "out of order",
    ),
    "a small piece": (
        lambda: ended(UP, HALF_ITEM),
        [frame(Kind.ITEMS, 1, PIECE[1:], flags=MORE)],
        "a piece of 1023 bytes",
    ),
    "a last piece of no bytes": (
        lambda: ended(UP, HALF_ITEM),
        [frame(Kind.ITEMS, 1)],
        "a piece of 0 bytes",
    ),
    "a value that does not end": (
        lambda: ended(UP, HALF_ITEM),
        [frame(Kind.ITEMS, 1, PIECE, flags=MORE)] * (MAX_VALUE_BYTES // MIN_PIECE_BYTES + 1),
        "goes on long after its end",
    ),
    "an outcome from the client": (
        lambda: ended(UP),
        [frame(Kind.RESULT, 1)],
        "RESULT from the client",
    ),
}


@pytest.mark.parametrize(("make", "late", "text"), VIOLATIONS.values(), ids=VIOLATIONS)
def test_what_can_not_have_crossed_the_end_of_a_call_is_a_violation(
    make: Callable[[], Connection], late: list[bytes], text: str
) -> None:
    events = feed_in_every_way(make, b"".join(late))
    assert len(events) == 1
    assert text in violation(events).text


def test_items_beyond_the_credit_that_an_ended_call_had_left_are_a_violation() -> None:
    late = [frame(Kind.ITEMS, 1, count(1), bytes(size)) for size in (4000, 4000, 192, 1)]
    events = feed_in_every_way(lambda: ended(UP), b"".join(late))
    assert violation(events).code is GoawayCode.FLOW_CONTROL_ERROR


def test_item_in_pieces_takes_the_credit_of_an_ended_call_too() -> None:
    window = SMALL.window_bytes // MIN_PIECE_BYTES
    late = [
        HALF_ITEM,
        *[frame(Kind.ITEMS, 1, PIECE, flags=MORE)] * window,
        frame(Kind.ITEMS, 1, b"i"),
        frame(Kind.ITEMS, 1, count(1), b"i"),
    ]
    assert feed_in_every_way(lambda: ended(UP), b"".join(late[:-1])) == []
    events = feed_in_every_way(lambda: ended(UP), b"".join(late))
    assert violation(events).code is GoawayCode.FLOW_CONTROL_ERROR


def test_server_remembers_as_many_ended_calls_as_can_be_open() -> None:
    server = native(Role.SERVER)
    for call_id in range(1, SMALL.max_calls + 2):
        server.receive_data(frame(Kind.CALL, call_id, UP))
        server.outgoing.result(call_id)
    assert list(server._calls.late) == list(range(2, SMALL.max_calls + 2))
    # Of the first one nothing is known any more, and nothing can be under way.
    assert server.receive_data(frame(Kind.ITEMS, 1, count(1), bytes(4000)) * 5) == []
    assert violation(server.receive_data(frame(Kind.CALL, 1, UP)))


# Which calls are taken ...


@pytest.mark.parametrize("call_id", [3, 64, 2**63 - 1])
def test_call_that_leaves_out_an_id_is_a_violation(call_id: int) -> None:
    events = feed_in_every_way(
        lambda: server_with_call(UP)[0], frame(Kind.CALL, call_id, UNARY, b"p")
    )
    assert violation(events).text == f"call {call_id} came when call 2 was due"


@pytest.mark.parametrize("call_id", [-(2**63), -1, 0])
def test_call_with_an_id_below_the_first_is_a_violation(call_id: int) -> None:
    events = feed_in_every_way(lambda: native(Role.SERVER), frame(Kind.CALL, call_id, UNARY, b"p"))
    assert violation(events)


@pytest.mark.parametrize(
    ("number", "limit"), [(UNARY, SMALL.max_calls), (DOWN, SMALL.max_streamed_calls)]
)
def test_call_above_the_limit_is_a_violation_until_one_has_ended(number: int, limit: int) -> None:
    def full() -> Connection:
        server = native(Role.SERVER)
        for call_id in range(1, limit + 1):
            server.receive_data(frame(Kind.CALL, call_id, number))
        return server

    next_call = frame(Kind.CALL, limit + 1, number)
    events = feed_in_every_way(full, next_call)
    assert f"call {limit + 1} when {limit} were open" in violation(events).text

    server = full()
    server.outgoing.result(limit)
    assert server.receive_data(next_call) == [CallReceived(limit + 1, number, None, None, b"")]
