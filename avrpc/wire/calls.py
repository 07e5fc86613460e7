"""The calls of one connection, as both its directions see them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from avrpc.wire.codes import LocalError
from avrpc.wire.contexts import Contexts
from avrpc.wire.credit import MAX_CREDIT, Credit
from avrpc.wire.frames import MAX_LENGTH, ROOM_FOR_FIELDS, Kind
from avrpc.wire.pieces import (
    MIN_PIECE_BYTES,
    NO_FIELDS,
    Assembly,
    AssemblyBudget,
    HeaderFields,
    OutgoingValue,
)
from avrpc.wire.primitives import encode_long
from avrpc.wire.states import CallState, Role, next_call_state


@dataclass(frozen=True, slots=True)
class WireLimits:
    """What one end accepts, as it announces it in the handshake. `avrpc.Limits` has the reasons.

    The defaults are PROTOCOL.md's: what counts where a peer announces nothing. It also has the
    range in which each may be announced; the handshake refuses a peer's that is outside of it.
    Held here is only what the rules of the wire can't do without.

    Attributes:
        max_frame_bytes: The longest frame, without its header. At least 1,088 above
            `max_metadata_bytes`, so that every field and the least piece of a value have room.
        max_message_bytes: The largest value; at least 1.
        window_bytes: The credit that each call begins with; at least 1, as nothing may start at
            0, and at most `MAX_CREDIT`.
        max_calls: How many calls may be open at once; at least 1.
        max_streamed_calls: How many of them may stream; 0 is legal.
        max_values_in_pieces: How many values may come in pieces at once; at least 1.
        max_metadata_bytes: The largest metadata of a frame, encoded; 0 is legal.
        max_contexts: How many zstd contexts may be open at once in a direction; 0 is legal.

    Raises:
        ValueError: One is outside of that.
    """

    max_frame_bytes: int = 64 * 1024
    max_message_bytes: int = 4 * 1024 * 1024
    window_bytes: int = 256 * 1024
    max_calls: int = 1024
    max_streamed_calls: int = 100
    max_values_in_pieces: int = 8
    max_metadata_bytes: int = 8 * 1024
    max_contexts: int = 16

    def __post_init__(self) -> None:
        least_frame = self.max_metadata_bytes + ROOM_FOR_FIELDS + MIN_PIECE_BYTES
        for name, lowest, highest in (
            ("max_frame_bytes", least_frame, MAX_LENGTH),
            ("max_message_bytes", 1, None),
            ("window_bytes", 1, MAX_CREDIT),
            ("max_calls", 1, None),
            ("max_streamed_calls", 0, None),
            ("max_values_in_pieces", 1, None),
            ("max_metadata_bytes", 0, None),
            ("max_contexts", 0, None),
        ):
            value = getattr(self, name)
            if value < lowest or (highest is not None and value > highest):
                expected = f"at least {lowest}" if highest is None else f"{lowest} to {highest}"
                raise ValueError(f"{name}: expected {expected}, got {value}")


@dataclass(frozen=True, slots=True)
class MessageShape:
    """All that the wire needs to know of a message.

    Attributes:
        streams_request: Whether the client sends items.
        streams_response: Whether the server sends items.
        max_value_bytes: The largest value (parameters, result, error, item) that this end puts
            together from pieces. One that came in a frame is here anyway, and is not held to it.
        streams: Whether either end does.
    """

    streams_request: bool
    streams_response: bool
    max_value_bytes: int
    streams: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "streams", self.streams_request or self.streams_response)


class Call:
    """One open call. Direction and credit are told apart by who sends, not by who we are."""

    __slots__ = ("assembly", "credit", "encoded_id", "id", "leaving", "shape", "state")

    def __init__(self, call_id: int, encoded_id: bytes, shape: MessageShape) -> None:
        self.id = call_id
        self.encoded_id = encoded_id
        self.shape = shape
        self.state = CallState.WAITING
        self.credit: dict[Role, Credit] = {}
        """By sender; absent in a direction that does not stream."""
        self.leaving: OutgoingValue | None = None
        self.assembly: Assembly | None = None


class LateCall(NamedTuple):
    """What may still come on a call that has ended: PROTOCOL.md, "The end of a call".

    Attributes:
        credit: What was left to the client, if it streams items.
        assembling: The kind of a value of which pieces may still come.
        rest: How many bytes of that value.
    """

    credit: Credit | None
    assembling: Kind | None
    rest: int


class CallTable:
    """The open calls, and as much of the ended ones as the rules need.

    Args:
        role: Which end this is.
        limits: What this end accepts.
        budget: Counts the half values of a whole server.

    Attributes:
        last_id: Of the call opened last; 0 before the first.
        streamed: How many of the open calls stream.
        assembling: How many values are arriving in pieces.
        draining: Whether a GOAWAY was sent or received.
        peer_limits: What the peer accepts.
        max_whole_bytes: The largest value that goes to the peer in one frame whatever else does:
            every header field, and as much metadata as is legal.
        max_plain_bytes: The same, of what the peer takes at all.
        late: Calls that have ended here and may not have at the client; at a server alone.
        contexts: Of the calls' items, where they are compressed in such.
    """

    def __init__(self, role: Role, limits: WireLimits, budget: AssemblyBudget) -> None:
        self.role = role
        self.limits = limits
        self.set_peer_limits(WireLimits())
        self.budget = budget
        self.shapes: Sequence[MessageShape] = ()
        self.last_id = 0
        self.streamed = 0
        self.assembling = 0
        self.draining = False
        self.late: dict[int, LateCall] = {}
        self.contexts: Contexts | None = None
        self._calls: dict[int, Call] = {}
        self.get = self._calls.get

    def set_peer_limits(self, limits: WireLimits) -> None:
        self.peer_limits = limits
        whole = limits.max_frame_bytes - limits.max_metadata_bytes - ROOM_FOR_FIELDS
        self.max_whole_bytes = whole
        self.max_plain_bytes = min(whole, limits.max_message_bytes)

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[Call]:
        return iter(self._calls.values())

    def __getitem__(self, call_id: int) -> Call:
        try:
            return self._calls[call_id]
        except KeyError:
            raise LocalError(f"call {call_id} is not open") from None

    def has_slot(self, limits: WireLimits, *, streamed: bool) -> bool:
        """Whether the end that announced ``limits`` takes one more call now."""
        return len(self._calls) < limits.max_calls and not (
            streamed and self.streamed >= limits.max_streamed_calls
        )

    def open(self, shape: MessageShape) -> Call:
        """Add the call with the next id."""
        call_id = self.last_id = self.last_id + 1
        self._calls[call_id] = call = Call(call_id, encode_long(call_id), shape)
        if shape.streams:
            self._stream(call)
        return call

    def _stream(self, call: Call) -> None:
        self.streamed += 1
        clients, servers = self.limits.window_bytes, self.peer_limits.window_bytes
        if self.role is Role.SERVER:
            clients, servers = servers, clients
        if call.shape.streams_request:
            call.state = CallState.REQUESTING
            call.credit[Role.CLIENT] = Credit(servers)
        if call.shape.streams_response:
            call.credit[Role.SERVER] = Credit(clients)

    def answered_plainly(self, call_id: int) -> Call | None:
        """End a call of which nothing is left to look at: `move` and `remove` at once, 1 µs less.

        None, and nothing done, if it is another one: streamed, cancelled, with a value in pieces.
        """
        call = self._calls.get(call_id)
        if (
            call is None
            or call.state is not CallState.WAITING
            or call.shape.streams
            or call.leaving is not None
            or call.assembly is not None
        ):
            return None
        del self._calls[call_id]
        call.state = CallState.ENDED
        return call

    def move(self, call: Call, sender: Role, kind: Kind) -> None:
        """Let a frame take its effect on the state of a call; at the end, forget the call."""
        state = next_call_state(call.state, sender, kind)
        if state is CallState.ENDED:
            self.remove(call)
        elif state is not call.state and self.contexts is not None:
            # END or CANCEL: the client's items are over.
            if self.role is Role.CLIENT:
                self.contexts.end_sent(call.id)
            else:
                self.contexts.end_received(call.id)
        call.state = state

    def remove(self, call: Call) -> None:
        """Forget a call and its half values."""
        assembling = call.assembly.kind if call.assembly else None
        if self.role is Role.SERVER and (call.state is CallState.REQUESTING or assembling):
            self.late[call.id] = LateCall(
                call.credit.get(Role.CLIENT), assembling, self.limits.max_message_bytes
            )
            # All that have ended here since one to which something is still under way are still
            # open at the client, which has not seen that end yet; so no more than this matter.
            if len(self.late) > self.limits.max_calls:
                del self.late[next(iter(self.late))]
        self.drop_assembly(call)
        del self._calls[call.id]
        if call.credit:  # it streams
            self.streamed -= 1
            if self.contexts is not None:
                self.contexts.end_sent(call.id)
                self.contexts.end_received(call.id)

    def start_assembly(self, call: Call, kind: Kind, fields: HeaderFields = NO_FIELDS) -> Assembly:
        """Begin to put a value together."""
        call.assembly = Assembly(kind, call.shape.max_value_bytes, self.budget, fields)
        self.assembling += 1
        return call.assembly

    def drop_assembly(self, call: Call) -> None:
        """End the putting together, done or not."""
        if call.assembly is not None:
            call.assembly.discard()
            call.assembly = None
            self.assembling -= 1
