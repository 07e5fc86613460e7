import tracemalloc

import pytest

from avrpc.wire import AssemblyBudget, Role, StatusCode, ValueTooLarge
from avrpc.wire.frames import METADATA, MORE, Kind
from avrpc.wire.pieces import MIN_PIECE_BYTES
from avrpc.wire.primitives import encode_metadata
from tests.wire.pair import (
    MAX_VALUE_BYTES,
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
