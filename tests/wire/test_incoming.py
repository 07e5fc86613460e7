import tracemalloc
from collections.abc import Callable

import pytest

from avrpc.wire import (
    AssemblyBudget,
    CallReceived,
    Connection,
    GoawayCode,
    Role,
    StatusCode,
    ValueTooLarge,
)
from avrpc.wire.frames import METADATA, MORE, Kind
from avrpc.wire.pieces import MIN_PIECE_BYTES
from avrpc.wire.primitives import encode_metadata
from tests.wire.pair import (
    BOTH,
    DOWN,
    MAX_VALUE_BYTES,
    SMALL,
    UNARY,
    UP,
    count,
    feed_in_every_way,
    frame,
    native,
    server_with_call,
    take,
    violation,
)


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
            assert server.receive_data(data) == [ValueTooLarge(call_id, MAX_VALUE_BYTES)]
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


PIECE = bytes(MIN_PIECE_BYTES)
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
