import pytest

from avrpc.wire.frames import Kind
from tests.wire.pair import UP, count, feed_in_every_way, frame, server_with_call, violation


@pytest.mark.parametrize("call_id", [-(2**63), -64, -2, -1, 0, 2, 63, 64, 2**63 - 1])
@pytest.mark.parametrize("kind", [Kind.ITEMS, Kind.END, Kind.CANCEL, Kind.CREDIT])
def test_frame_for_a_call_that_never_was_is_a_violation(kind: Kind, call_id: int) -> None:
    rest = {Kind.ITEMS: count(1) + b"i", Kind.CREDIT: b"\x02"}.get(kind, b"")
    events = feed_in_every_way(lambda: server_with_call(UP)[0], frame(kind, call_id, rest))
    assert f"call {call_id}, which is not open" in violation(events).text
