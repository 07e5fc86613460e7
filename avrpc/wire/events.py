"""What `Connection.receive_data` reports, in the order in which it came.

Named tuples rather than frozen dataclasses: one is made for every frame, and costs 0.2 µs
instead of 0.6.
"""

from __future__ import annotations

from typing import NamedTuple

from avrpc.wire.codes import GoawayCode


class PackReceived(NamedTuple):
    """A handshake pack. Nothing more is parsed until `Connection` is told what follows."""

    serial: int
    content: bytes


class CallReceived(NamedTuple):
    """A client opened a call; its parameters are complete."""

    call_id: int
    number: int
    time_left: int | None  # milliseconds; None where the caller sets no deadline
    metadata: dict[str, bytes] | None
    parameters: bytes


class ItemsReceived(NamedTuple):
    """One or more items of a streamed array. Their bytes were taken from the credit."""

    call_id: int
    item_count: int
    data: bytes


class EndReceived(NamedTuple):
    """The client sends no more items on this call."""

    call_id: int


class ResultReceived(NamedTuple):
    """The call ended well; ``data`` is empty where the response was streamed."""

    call_id: int
    metadata: dict[str, bytes] | None
    data: bytes


class ErrorReceived(NamedTuple):
    """The call ended with a declared error."""

    call_id: int
    metadata: dict[str, bytes] | None
    data: bytes


class StatusReceived(NamedTuple):
    """The call ended with a failure that is not declared. ``code``: see `StatusCode`."""

    call_id: int
    metadata: dict[str, bytes] | None
    code: int
    text: str
    started: bool


class CancelReceived(NamedTuple):
    """The client wants the call ended; it counts until the server has answered.

    There may have been no `CallReceived`: its parameters were still coming, and come no more.
    """

    call_id: int


class CreditReceived(NamedTuple):
    """The peer granted more credit; it has been added."""

    call_id: int


class ValueTooLarge(NamedTuple):
    """A value in pieces grew beyond what this end takes; what came of it was dropped.

    Beyond the limit of its message, or beyond what the `AssemblyBudget` had left. At a server the
    call wants a STATUS; there may have been no `CallReceived`, and until it is answered more may
    be told of the call all the same. At a client it wants a CANCEL, if
    it is still open: where it was a result or an error, the outcome follows with the last piece,
    and its ``data`` is empty.

    Attributes:
        call_id: The call.
        limit: In bytes.
        shared: Whether that is the limit on all half values that share a budget, together.
    """

    call_id: int
    limit: int
    shared: bool = False


class PongReceived(NamedTuple):
    """The answer to a PING."""

    value: int


class GoawayReceived(NamedTuple):
    """The peer takes no new calls; those in ``unaccepted`` have not run and never will."""

    last_call: int
    code: int
    text: str
    unaccepted: tuple[int, ...]


class PeerViolated(NamedTuple):
    """The peer broke the rules. The last event ever; a GOAWAY for it is queued."""

    code: GoawayCode
    text: str


Event = (
    PackReceived
    | CallReceived
    | ItemsReceived
    | EndReceived
    | ResultReceived
    | ErrorReceived
    | StatusReceived
    | CancelReceived
    | CreditReceived
    | ValueTooLarge
    | PongReceived
    | GoawayReceived
    | PeerViolated
)
