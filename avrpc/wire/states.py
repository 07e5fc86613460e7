"""The law of a call and of a connection, as two tables.

Everything that moves a call or a connection from one state to another is here, and nothing here
knows at which end it runs: who sent a frame is part of the input. Both ends look up the frames
they send and those they receive in the same table, so they agree on the state but for what is
under way.

A call. "C:" is sent by the client, "S:" by the server; a call whose message streams no request
begins in WAITING. A frame that has no arrow from a state is a violation in it.

      C:CALL                          C:END
    ────────────►  REQUESTING  ──────────────────►  WAITING  ◄──────────── C:CALL
                   │  C:ITEMS ⟲                      │       (no streamed request)
                   │          C:CANCEL               │
                   ├──────────────►  CANCELLED  ◄────┤
                   │                 │               │
                   └────────────────►│◄──────────────┘
                      S:RESULT, S:ERROR or S:STATUS
                                     ▼
                                   ENDED    C:ITEMS, C:END, C:CANCEL, C:CREDIT ⟲
                                            (they crossed the end: dropped)

    In REQUESTING, WAITING and CANCELLED alike, S:ITEMS ⟲ and S:CREDIT ⟲; in REQUESTING and
    WAITING also C:CREDIT ⟲. ITEMS and CREDIT are legal only in a direction that streams.

A connection.

               pack                again (once)               pack
    HELLO ────────────► DECIDING ───────────────► HELLO_AGAIN ─────► DECIDING_AGAIN
                           │ native                                     │ native
                           └──────────────────►  NATIVE  ◄──────────────┘
                                                   │ GOAWAY sent or received
                                                   ▼
                                                DRAINING ⟲   open calls go on, no new ones

    From every state, "close" leads to CLOSED, where nothing is parsed any more.
"""

from __future__ import annotations

from enum import Enum, IntEnum

from avrpc.wire.codes import ProtocolError
from avrpc.wire.frames import Kind


class Role(IntEnum):
    """Which end of a connection; only clients open calls."""

    CLIENT = 1
    SERVER = 2

    @property
    def other(self) -> Role:
        return Role.SERVER if self is Role.CLIENT else Role.CLIENT


class CallState(IntEnum):
    """Numbers, as `Role` is: an int hashes five times as fast as an `Enum`, at every frame."""

    REQUESTING = 1  # the client may send items
    WAITING = 2  # the request is complete
    CANCELLED = 3  # the client has cancelled, and the server has not answered yet
    ENDED = 4


class ConnectionState(Enum):
    """Where in its life a connection is."""

    HELLO = "waiting for the first handshake pack"
    DECIDING = "waiting for a decision on the first handshake pack"
    HELLO_AGAIN = "waiting for the second handshake pack"
    DECIDING_AGAIN = "waiting for a decision on the second handshake pack"
    NATIVE = "open"
    DRAINING = "open for the calls that there are"
    CLOSED = "closed"


class Step(Enum):
    """What moves a connection on."""

    PACK = "pack"
    AGAIN = "again"
    NATIVE = "native"
    GOAWAY = "GOAWAY"
    CLOSE = "close"


def _call_transitions() -> dict[tuple[CallState, Role, Kind], CallState]:
    requesting, waiting = CallState.REQUESTING, CallState.WAITING
    cancelled, ended = CallState.CANCELLED, CallState.ENDED
    client, server = Role.CLIENT, Role.SERVER
    table = {
        (requesting, client, Kind.ITEMS): requesting,
        (requesting, client, Kind.END): waiting,
        (requesting, client, Kind.CREDIT): requesting,
        (requesting, client, Kind.CANCEL): cancelled,
        (waiting, client, Kind.CREDIT): waiting,
        (waiting, client, Kind.CANCEL): cancelled,
        (ended, client, Kind.ITEMS): ended,
        (ended, client, Kind.END): ended,
        (ended, client, Kind.CREDIT): ended,
        (ended, client, Kind.CANCEL): ended,
    }
    for state in (requesting, waiting, cancelled):
        table[state, server, Kind.ITEMS] = state
        table[state, server, Kind.CREDIT] = state
        table[state, server, Kind.RESULT] = ended
        table[state, server, Kind.ERROR] = ended
        table[state, server, Kind.STATUS] = ended
    return table


CALL_TRANSITIONS = _call_transitions()

# Between the pieces of one value, its sender may send only these on the same call.
BETWEEN_PIECES = frozenset({Kind.CREDIT, Kind.CANCEL, Kind.STATUS})

CONNECTION_TRANSITIONS = {
    (ConnectionState.HELLO, Step.PACK): ConnectionState.DECIDING,
    (ConnectionState.DECIDING, Step.AGAIN): ConnectionState.HELLO_AGAIN,
    (ConnectionState.DECIDING, Step.NATIVE): ConnectionState.NATIVE,
    (ConnectionState.HELLO_AGAIN, Step.PACK): ConnectionState.DECIDING_AGAIN,
    (ConnectionState.DECIDING_AGAIN, Step.NATIVE): ConnectionState.NATIVE,
    (ConnectionState.NATIVE, Step.GOAWAY): ConnectionState.DRAINING,
    (ConnectionState.DRAINING, Step.GOAWAY): ConnectionState.DRAINING,
    **{(state, Step.CLOSE): ConnectionState.CLOSED for state in ConnectionState},
}


def next_call_state(state: CallState, sender: Role, kind: Kind) -> CallState:
    """The state of a call after ``sender`` sent a frame of ``kind``.

    Raises:
        ProtocolError: The frame is not legal in this state.
    """
    try:
        return CALL_TRANSITIONS[state, sender, kind]
    except KeyError:
        raise ProtocolError(
            f"{kind.name} from the {sender.name.lower()} is not legal on a call in state"
            f" {state.name}"
        ) from None


def next_connection_state(state: ConnectionState, step: Step) -> ConnectionState:
    """The state of a connection after ``step``.

    Raises:
        ProtocolError: The step is not legal in this state.
    """
    try:
        return CONNECTION_TRANSITIONS[state, step]
    except KeyError:
        raise ProtocolError(
            f"{step.value} is not legal on a connection that is in state {state.name}"
        ) from None
