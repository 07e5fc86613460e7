from itertools import product

import pytest

from avrpc.wire import CallState, ConnectionState, ProtocolError, Role
from avrpc.wire.frames import Kind
from avrpc.wire.states import (
    BETWEEN_PIECES,
    CALL_TRANSITIONS,
    CONNECTION_TRANSITIONS,
    Step,
    next_call_state,
    next_connection_state,
)

# PROTOCOL.md's table, "The life of a call", in its order.
CALL_TABLE = """
    REQUESTING  client  ITEMS CREDIT         REQUESTING
    REQUESTING  client  END                  WAITING
    REQUESTING  client  CANCEL               CANCELLED
    REQUESTING  server  ITEMS CREDIT         REQUESTING
    REQUESTING  server  RESULT ERROR STATUS  ENDED
    WAITING     client  CREDIT               WAITING
    WAITING     client  CANCEL               CANCELLED
    WAITING     server  ITEMS CREDIT         WAITING
    WAITING     server  RESULT ERROR STATUS  ENDED
    CANCELLED   server  ITEMS CREDIT         CANCELLED
    CANCELLED   server  RESULT ERROR STATUS  ENDED
    ENDED       client  ITEMS END CREDIT CANCEL  ENDED
"""
CONNECTION_TABLE = """
    HELLO           PACK    DECIDING
    DECIDING        AGAIN   HELLO_AGAIN
    DECIDING        NATIVE  NATIVE
    HELLO_AGAIN     PACK    DECIDING_AGAIN
    DECIDING_AGAIN  NATIVE  NATIVE
    NATIVE          GOAWAY  DRAINING
    DRAINING        GOAWAY  DRAINING
"""


def call_table() -> dict[tuple[CallState, Role, Kind], CallState]:
    table = {}
    for line in CALL_TABLE.split("\n")[1:-1]:
        state, sender, *kinds, after = line.split()
        for kind in kinds:
            key = (CallState[state], Role[sender.upper()], Kind[kind])
            assert key not in table
            table[key] = CallState[after]
    return table


def connection_table() -> dict[tuple[ConnectionState, Step], ConnectionState]:
    table = {(state, Step.CLOSE): ConnectionState.CLOSED for state in ConnectionState}
    for line in CONNECTION_TABLE.split("\n")[1:-1]:
        state, step, after = line.split()
        table[ConnectionState[state], Step[step]] = ConnectionState[after]
    return table


def test_tables_are_those_of_the_page() -> None:
    assert call_table() == CALL_TRANSITIONS
    assert connection_table() == CONNECTION_TRANSITIONS


@pytest.mark.parametrize(("state", "sender"), list(product(CallState, Role)))
def test_call_moves_as_the_table_says_or_the_frame_is_a_violation(
    state: CallState, sender: Role
) -> None:
    for kind in Kind:
        expected = call_table().get((state, sender, kind))
        if expected is not None:
            assert next_call_state(state, sender, kind) is expected
        else:
            text = f"{kind.name} from the {sender.name.lower()} .* in state {state.name}"
            with pytest.raises(ProtocolError, match=text):
                next_call_state(state, sender, kind)


@pytest.mark.parametrize("state", ConnectionState)
def test_connection_moves_as_the_table_says_or_the_step_is_refused(
    state: ConnectionState,
) -> None:
    for step in Step:
        expected = connection_table().get((state, step))
        if expected is not None:
            assert next_connection_state(state, step) is expected
        else:
            with pytest.raises(ProtocolError, match=f"{step.value} .* in state {state.name}"):
                next_connection_state(state, step)


def test_no_outcome_comes_twice_and_none_from_the_client() -> None:
    outcomes = {Kind.RESULT, Kind.ERROR, Kind.STATUS}
    ending = {key for key, after in CALL_TRANSITIONS.items() if after is CallState.ENDED}
    assert {(state, sender) for state, sender, kind in CALL_TRANSITIONS if kind in outcomes} == {
        (state, Role.SERVER) for state in CallState if state is not CallState.ENDED
    }
    assert {kind for state, _, kind in ending if state is not CallState.ENDED} == outcomes


def test_between_pieces_come_only_frames_that_end_or_do_not_concern_the_value() -> None:
    assert {Kind.CREDIT, Kind.CANCEL, Kind.STATUS} == BETWEEN_PIECES


def test_other_end_of_a_client_is_a_server() -> None:
    assert Role.CLIENT.other is Role.SERVER
    assert Role.SERVER.other is Role.CLIENT
