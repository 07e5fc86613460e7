from collections.abc import Callable
from dataclasses import replace

import pytest

from avrpc.wire import AssemblyBudget, CallState, LocalError, ProtocolError, Role, WireLimits
from avrpc.wire.calls import Call, CallTable, LateCall
from avrpc.wire.frames import MAX_LENGTH, Kind
from avrpc.wire.pieces import OutgoingValue
from tests.wire.pair import BOTH, DOWN, MAX_VALUE_BYTES, SHAPES, SMALL, UNARY, UP

ONE_OUT_OF_RANGE = [
    {"max_frame_bytes": 8 * 1024 + 64 + 1023},
    {"max_frame_bytes": 1},
    {"max_frame_bytes": 0},
    {"max_frame_bytes": -1},
    {"max_frame_bytes": MAX_LENGTH + 1},
    {"max_metadata_bytes": 64 * 1024 - 64 - 1023},
    {"max_metadata_bytes": -1},
    {"max_message_bytes": 0},
    {"window_bytes": 0},
    {"window_bytes": 2**31},
    {"max_calls": 0},
    {"max_streamed_calls": -1},
    {"max_values_in_pieces": 0},
]
JUST_IN_RANGE = [
    {"max_frame_bytes": 8 * 1024 + 64 + 1024},
    {"max_frame_bytes": MAX_LENGTH},
    {"max_frame_bytes": 1088, "max_metadata_bytes": 0},
    {"max_message_bytes": 1},
    {"window_bytes": 1},
    {"window_bytes": 2**31 - 1},
    {"max_calls": 1, "max_streamed_calls": 0, "max_values_in_pieces": 1},
]


@pytest.mark.parametrize("limits", ONE_OUT_OF_RANGE)
def test_limit_that_the_rules_can_not_work_with_is_refused(limits: dict[str, int]) -> None:
    ((name, value),) = limits.items()
    with pytest.raises(ValueError, match=rf"max_frame_bytes: .*|{name}: .* got {value}"):
        WireLimits(**limits)


@pytest.mark.parametrize("limits", JUST_IN_RANGE)
def test_limit_at_the_end_of_its_range_is_taken(limits: dict[str, int]) -> None:
    WireLimits(**limits)


# The calls ...


def table(role: Role = Role.SERVER, limits: WireLimits = SMALL) -> CallTable:
    calls = CallTable(role, limits, AssemblyBudget(100_000))
    calls.set_peer_limits(replace(SMALL, window_bytes=1000))
    return calls


def state_after(calls: CallTable, call: Call, sender: Role, kind: Kind) -> CallState:
    calls.move(call, sender, kind)
    return call.state


def window(call: Call, sender: Role) -> int | None:
    return call.credit[sender].available if sender in call.credit else None


@pytest.mark.parametrize(
    ("number", "state", "streams"),
    [
        (UNARY, CallState.WAITING, False),
        (DOWN, CallState.WAITING, True),
        (UP, CallState.REQUESTING, True),
        (BOTH, CallState.REQUESTING, True),
    ],
)
@pytest.mark.parametrize("role", Role)
def test_call_begins_with_the_window_of_who_receives_its_items(
    role: Role, number: int, state: CallState, streams: bool
) -> None:
    calls = table(role)
    call = calls.open(SHAPES[number])
    assert call.state is state
    assert calls.streamed == streams
    assert calls.last_id == 1
    of_items = {role: 1000, role.other: SMALL.window_bytes}  # by sender; the other end receives
    assert window(call, Role.CLIENT) == (of_items[Role.CLIENT] if number in {UP, BOTH} else None)
    assert window(call, Role.SERVER) == (of_items[Role.SERVER] if number in {DOWN, BOTH} else None)


def test_calls_are_found_by_id_until_they_are_removed() -> None:
    calls = table()
    first, second = calls.open(SHAPES[UNARY]), calls.open(SHAPES[BOTH])
    assert list(calls) == [first, second]
    assert (len(calls), calls.streamed) == (2, 1)
    assert calls[2] is calls.get(2) is second
    calls.remove(second)
    assert (len(calls), calls.streamed) == (1, 0)
    assert calls.get(2) is None
    with pytest.raises(LocalError, match="call 2 is not open"):
        calls[2]


def test_call_leaves_with_its_outcome_and_keeps_its_last_state() -> None:
    calls = table()
    call = calls.open(SHAPES[UP])
    assert state_after(calls, call, Role.CLIENT, Kind.END) is CallState.WAITING
    assert state_after(calls, call, Role.SERVER, Kind.RESULT) is CallState.ENDED
    assert len(calls) == 0


def test_plain_call_is_answered_at_once() -> None:
    calls = table()
    call = calls.open(SHAPES[UNARY])
    assert calls.answered_plainly(1) is call
    assert call.state is CallState.ENDED
    assert len(calls) == 0
    assert calls.answered_plainly(1) is None


def cancelled(calls: CallTable, call: Call) -> None:
    calls.move(call, Role.CLIENT, Kind.CANCEL)


def arriving(calls: CallTable, call: Call) -> None:
    calls.start_assembly(call, Kind.RESULT)


def leaving(calls: CallTable, call: Call) -> None:
    call.leaving = OutgoingValue(Kind.RESULT, 0, call.encoded_id, b"", bytes(100_000))


def nothing(calls: CallTable, call: Call) -> None:
    pass


@pytest.mark.parametrize(
    ("number", "happens"),
    [(DOWN, nothing), (UP, nothing), (UNARY, cancelled), (UNARY, arriving), (UNARY, leaving)],
)
def test_other_call_is_not_answered_at_once(
    number: int, happens: Callable[[CallTable, Call], None]
) -> None:
    calls = table()
    call = calls.open(SHAPES[number])
    happens(calls, call)
    state = call.state
    assert calls.answered_plainly(1) is None
    assert calls.get(1) is call
    assert call.state is state


def test_frame_that_is_not_legal_moves_nothing() -> None:
    calls = table()
    call = calls.open(SHAPES[UNARY])
    with pytest.raises(ProtocolError):
        calls.move(call, Role.CLIENT, Kind.END)
    assert call.state is CallState.WAITING
    assert calls.get(1) is call


@pytest.mark.parametrize("streamed", [False, True])
def test_slots_are_counted_for_all_calls_and_for_those_that_stream(streamed: bool) -> None:
    calls = table()
    limits = replace(SMALL, max_calls=3, max_streamed_calls=1)
    assert calls.has_slot(limits, streamed=streamed)
    calls.open(SHAPES[DOWN])
    assert calls.has_slot(limits, streamed=streamed) is not streamed
    calls.open(SHAPES[UNARY])
    call = calls.open(SHAPES[UNARY])
    assert not calls.has_slot(limits, streamed=streamed)
    calls.remove(call)
    assert calls.has_slot(limits, streamed=streamed) is not streamed


def test_end_of_a_call_frees_its_half_value() -> None:
    calls = table()
    call = calls.open(SHAPES[UP])
    assert calls.start_assembly(call, Kind.ITEMS).add(bytes(1000))
    assert (calls.assembling, calls.budget.available) == (1, 99_000)
    calls.remove(call)
    assert (calls.assembling, calls.budget.available) == (0, 100_000)
    calls.drop_assembly(call)  # there is none any more
    assert calls.assembling == 0


@pytest.mark.parametrize(
    ("number", "assembling", "late"),
    [
        (UNARY, None, None),
        (UP, None, LateCall(None, None, MAX_VALUE_BYTES)),
        (UP, Kind.ITEMS, LateCall(None, Kind.ITEMS, MAX_VALUE_BYTES)),
        (DOWN, Kind.CALL, LateCall(None, Kind.CALL, MAX_VALUE_BYTES)),
    ],
)
def test_server_remembers_an_ended_call_to_which_something_may_be_under_way(
    number: int, assembling: Kind | None, late: LateCall | None
) -> None:
    server, client = table(Role.SERVER), table(Role.CLIENT)
    for calls in (server, client):
        call = calls.open(SHAPES[number])
        if assembling is not None:
            calls.start_assembly(call, assembling)
        calls.remove(call)
        if late is not None:
            late = late._replace(credit=call.credit.get(Role.CLIENT))
        assert calls.late == ({1: late} if late and calls is server else {})


def test_server_remembers_nothing_of_a_call_whose_items_had_ended() -> None:
    calls = table()
    for kind in (Kind.END, Kind.CANCEL):
        call = calls.open(SHAPES[UP])
        calls.move(call, Role.CLIENT, kind)
        calls.move(call, Role.SERVER, Kind.STATUS)
    assert calls.late == {}


def test_oldest_ended_call_is_forgotten_when_there_are_more_than_may_be_open() -> None:
    calls = table(limits=replace(SMALL, max_calls=2))
    for _ in range(5):
        calls.remove(calls.open(SHAPES[UP]))
    assert list(calls.late) == [4, 5]
