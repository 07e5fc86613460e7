"""Frames on their way in: cut from the bytes, held to the rules, and told as events.

Each kind has one method, reached through a table by the kind's number. What breaks a rule raises
`ProtocolError`, which `Connection` makes into the last event. Nothing is ever kept but one
unfinished frame (in `Connection`) and the half values that the limits allow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from avrpc.wire.calls import Call, CallTable, LateCall
from avrpc.wire.codes import GoawayCode, ProtocolError
from avrpc.wire.events import (
    CallReceived,
    CancelReceived,
    CreditReceived,
    EndReceived,
    ErrorReceived,
    Event,
    GoawayReceived,
    ItemsReceived,
    PongReceived,
    ResultReceived,
    StatusReceived,
    ValueTooLarge,
)
from avrpc.wire.frames import (
    COMPRESSED,
    DEADLINE,
    HEADER,
    ITEM_COUNT,
    LEGAL_FLAGS,
    METADATA,
    MORE,
    STARTED,
    Kind,
)
from avrpc.wire.inflating import Inflater
from avrpc.wire.outgoing import Outgoing
from avrpc.wire.pieces import MIN_PIECE_BYTES, NO_FIELDS, HeaderFields
from avrpc.wire.primitives import decode_long, decode_metadata, decode_string
from avrpc.wire.states import BETWEEN_PIECES, CallState, Role, next_call_state

_COUNT_BYTES = ITEM_COUNT.size

_Receiver = Callable[["Incoming", int, bytes, int, int], None]


def _by_first_byte(receivers: dict[Kind, _Receiver]) -> list[_Receiver | None]:
    table: list[_Receiver | None] = [None] * 256
    for kind, receiver in receivers.items():
        for flags in range(0, 256, 16):
            if not flags & ~LEGAL_FLAGS[kind]:
                table[flags | kind] = receiver
    return table


def _illegal(first_byte: int) -> ProtocolError:
    kind, flags = first_byte & 0x0F, first_byte & 0xF0
    if kind not in LEGAL_FLAGS:
        return ProtocolError(f"a frame of unknown kind {kind}")
    return ProtocolError(f"{Kind(kind).name} with flags {flags:#04x}, which it has not")


class Incoming:
    """Parses the native frames of one connection.

    Args:
        calls: The connection's calls.
        outgoing: For the answers that need no one's decision (PONG).

    Attributes:
        inflater: Where a codec is agreed.
    """

    def __init__(self, calls: CallTable, outgoing: Outgoing) -> None:
        self.needed = HEADER.size  # bytes that the next frame takes, as far as is known
        self.pings = 0  # since whoever counts them has begun anew
        self.accepted_last: int | None = None  # the last call we said we accept, in a GOAWAY
        self.inflater: Inflater | None = None
        self._calls = calls
        self._outgoing = outgoing
        self._peer = calls.role.other
        self._events: list[Event] = []

    def parse(self, data: bytes, position: int, events: list[Event]) -> int:
        """Take every whole frame from ``position`` on; append to ``events``; give where it ended.

        Raises:
            ProtocolError: A frame breaks a rule. The events before it are in ``events``.
        """
        self._events = events
        size = len(data)
        max_frame_bytes = self._calls.limits.max_frame_bytes
        receivers = self._RECEIVERS
        self.needed = HEADER.size
        while size - position >= HEADER.size:
            (word,) = HEADER.unpack_from(data, position)
            length = word & 0xFFFFFF
            if length > max_frame_bytes:
                raise ProtocolError(
                    f"a frame of {length} bytes; the limit is {max_frame_bytes}",
                    GoawayCode.FRAME_SIZE_ERROR,
                )
            start = position + HEADER.size
            if start + length > size:
                self.needed = HEADER.size + length
                break
            position = start + length
            receiver = receivers[word >> 24]
            if receiver is None:
                self._compressed(word >> 24, data, start, position)
            else:
                receiver(self, word >> 24 & 0xF0, data, start, position)
        return position

    def _compressed(self, first_byte: int, data: bytes, start: int, end: int) -> None:
        """A frame that is not in the table: one with COMPRESSED, or one that is illegal."""
        receiver = self._RECEIVERS[first_byte & ~COMPRESSED]
        if self.inflater is None or receiver is None or not first_byte & COMPRESSED:
            raise _illegal(first_byte)
        kind, flags = first_byte & 0x0F, first_byte & 0xF0 & ~COMPRESSED
        body = self.inflater.plain_body(kind, flags, data, start, end)
        receiver(self, flags, body, 0, len(body))

    # One method a kind: flags, then the frame's body as data[position:end] ...

    def _call(self, flags: int, data: bytes, position: int, end: int) -> None:
        call_id, position = decode_long(data, position, end)
        if self._peer is not Role.CLIENT:
            raise ProtocolError("CALL from the server; only clients open calls")
        last_id = self._calls.last_id
        if call_id > last_id:
            if self._calls.draining and self.accepted_last is None:
                raise ProtocolError(f"call {call_id} after the client's GOAWAY")
            if call_id != last_id + 1:
                raise ProtocolError(f"call {call_id} came when call {last_id + 1} was due")
            self._new_call(call_id, flags, data, position, end)
            return
        call = self._calls.get(call_id)
        if call is None:
            self._late_value(Kind.CALL, call_id, flags, data, position, end)
        else:
            self._go_on(call, Kind.CALL, flags, data, position, end)

    def _new_call(self, call_id: int, flags: int, data: bytes, position: int, end: int) -> None:
        calls = self._calls
        number, position = decode_long(data, position, end)
        if not 0 <= number < len(calls.shapes):
            raise ProtocolError(
                f"call {call_id} of message {number}; there are {len(calls.shapes)}"
            )
        shape, limits = calls.shapes[number], calls.limits
        if not calls.has_slot(limits, streamed=shape.streams):
            raise ProtocolError(
                f"call {call_id} when {len(calls)} were open; the limit is"
                f" {limits.max_calls}, of which {limits.max_streamed_calls} may stream"
            )
        time_left = metadata = None
        if flags & DEADLINE:
            time_left, position = decode_long(data, position, end)
        if flags & METADATA:
            metadata, position = self._metadata(data, position, end)
        call = calls.open(shape)
        if self.accepted_last is not None and call_id > self.accepted_last:
            # It crossed our GOAWAY. Opened and ended at once, so that the rest of it is dropped.
            if flags & MORE:
                calls.start_assembly(call, Kind.CALL)
            calls.remove(call)
            return
        if flags & MORE:
            fields = HeaderFields(number, time_left, metadata)
            self._begin(call, Kind.CALL, fields, data, position, end)
            return
        if end - position <= shape.max_value_bytes:
            parameters = data[position:end]
            self._events.append(CallReceived(call_id, number, time_left, metadata, parameters))
        else:
            self._events.append(ValueTooLarge(call_id, shape.max_value_bytes))

    def _items(self, flags: int, data: bytes, position: int, end: int) -> None:
        first = data[position] if position < end else 0x80
        if first < 0x80 and not first & 1:  # ids below 64 take one byte; odd ones are negative
            call_id = first >> 1
            position += 1
        else:
            call_id, position = decode_long(data, position, end)
        call = self._open_call(call_id)
        if call is None:
            self._late_value(Kind.ITEMS, call_id, flags, data, position, end)
            return
        if call.assembly is not None:
            self._go_on(call, Kind.ITEMS, flags, data, position, end)
            return
        credit = call.credit.get(self._peer)
        if credit is None:
            raise ProtocolError(f"ITEMS on call {call_id}, which streams none in that direction")
        credit.require_start()
        count, position = self._item_count(flags, data, position, end)
        self._calls.move(call, self._peer, Kind.ITEMS)
        credit.available -= end - position
        if flags & MORE:
            self._begin(call, Kind.ITEMS, NO_FIELDS, data, position, end)
        elif count > 1 or self._fits(call, end - position):
            self._events.append(ItemsReceived(call_id, count, data[position:end]))

    def _item_count(self, flags: int, data: bytes, position: int, end: int) -> tuple[int, int]:
        start = position + _COUNT_BYTES
        if start > end:
            raise ProtocolError("ITEMS without a count")
        (count,) = ITEM_COUNT.unpack_from(data, position)
        if not 1 <= count <= end - start:
            raise ProtocolError(f"ITEMS with a count of {count} in {end - start} bytes")
        if flags & MORE and count != 1:
            raise ProtocolError(f"an item in pieces came in ITEMS of {count}")
        return count, start

    def _end(self, flags: int, data: bytes, position: int, end: int) -> None:
        call = self._plain(Kind.END, data, position, end)
        if call is not None:
            self._events.append(EndReceived(call.id))

    def _result(self, flags: int, data: bytes, position: int, end: int) -> None:
        if not flags and self._peer is Role.SERVER:
            call_id, start = decode_long(data, position, end)
            call = self._calls.answered_plainly(call_id)
            if call is not None:
                if self._fits(call, end - start):
                    self._events.append(ResultReceived(call_id, None, data[start:end]))
                return
        self._outcome(Kind.RESULT, flags, data, position, end)

    def _error(self, flags: int, data: bytes, position: int, end: int) -> None:
        self._outcome(Kind.ERROR, flags, data, position, end)

    def _outcome(self, kind: Kind, flags: int, data: bytes, position: int, end: int) -> None:
        call_id, position = decode_long(data, position, end)
        call = self._must_be_open(call_id, kind)
        if call.assembly is not None:
            self._go_on(call, kind, flags, data, position, end)
            return
        metadata = None
        if flags & METADATA:
            metadata, position = self._metadata(data, position, end)
        if flags & MORE:
            next_call_state(call.state, self._peer, kind)
            fields = HeaderFields(metadata=metadata)
            self._begin(call, kind, fields, data, position, end)
            return
        self._ended(call, kind, metadata, data[position:end])

    def _ended(
        self, call: Call, kind: Kind, metadata: dict[str, bytes] | None, value: bytes
    ) -> None:
        self._outgoing.forget(call)
        self._calls.move(call, self._peer, kind)
        if not self._fits(call, len(value)):
            return
        if kind is Kind.RESULT:
            self._events.append(ResultReceived(call.id, metadata, value))
        else:
            self._events.append(ErrorReceived(call.id, metadata, value))

    def _status(self, flags: int, data: bytes, position: int, end: int) -> None:
        call_id, position = decode_long(data, position, end)
        call = self._must_be_open(call_id, Kind.STATUS)
        metadata = None
        if flags & METADATA:
            metadata, position = self._metadata(data, position, end)
        code, position = decode_long(data, position, end)
        text, position = decode_string(data, position, end)
        self._require_end(Kind.STATUS, position, end)
        self._outgoing.forget(call)
        self._calls.move(call, self._peer, Kind.STATUS)
        self._events.append(StatusReceived(call_id, metadata, code, text, bool(flags & STARTED)))

    def _cancel(self, flags: int, data: bytes, position: int, end: int) -> None:
        call = self._plain(Kind.CANCEL, data, position, end)
        if call is not None:
            self._calls.drop_assembly(call)
            self._events.append(CancelReceived(call.id))

    def _credit(self, flags: int, data: bytes, position: int, end: int) -> None:
        call_id, position = decode_long(data, position, end)
        size, position = decode_long(data, position, end)
        self._require_end(Kind.CREDIT, position, end)
        call = self._open_call(call_id)
        if call is None:
            return
        self._calls.move(call, self._peer, Kind.CREDIT)
        credit = call.credit.get(self._calls.role)
        if credit is None:
            raise ProtocolError(f"CREDIT on call {call_id}, which streams none in that direction")
        credit.grant(size)
        self._events.append(CreditReceived(call_id))

    def _ping(self, flags: int, data: bytes, position: int, end: int) -> None:
        value, position = decode_long(data, position, end)
        self._require_end(Kind.PING, position, end)
        self.pings += 1
        self._outgoing.pong(value)

    def _pong(self, flags: int, data: bytes, position: int, end: int) -> None:
        value, position = decode_long(data, position, end)
        self._require_end(Kind.PONG, position, end)
        self._events.append(PongReceived(value))

    def _goaway(self, flags: int, data: bytes, position: int, end: int) -> None:
        last_call, position = decode_long(data, position, end)
        code, position = decode_long(data, position, end)
        text, position = decode_string(data, position, end)
        self._require_end(Kind.GOAWAY, position, end)
        unaccepted: list[int] = []
        if self._peer is Role.SERVER:
            for call in [call for call in self._calls if call.id > last_call]:
                self._outgoing.forget(call)
                self._calls.remove(call)
                unaccepted.append(call.id)
        self._calls.draining = True
        self._events.append(GoawayReceived(last_call, code, text, tuple(unaccepted)))

    # Which call a frame is for ...

    def _open_call(self, call_id: int) -> Call | None:
        """The open call, or None for one that has ended and to which frames may still come."""
        call = self._calls.get(call_id)
        if call is None and (
            self._peer is not Role.CLIENT or not 0 < call_id <= self._calls.last_id
        ):
            raise ProtocolError(f"a frame for call {call_id}, which is not open")
        return call

    def _must_be_open(self, call_id: int, kind: Kind) -> Call:
        call = self._open_call(call_id)
        if call is None:
            next_call_state(CallState.ENDED, self._peer, kind)
            raise AssertionError("no outcome is legal on an ended call")
        return call

    def _plain(self, kind: Kind, data: bytes, position: int, end: int) -> Call | None:
        """A frame that is a call id and no more, taking its effect."""
        call_id, position = decode_long(data, position, end)
        self._require_end(kind, position, end)
        call = self._open_call(call_id)
        if call is None:
            next_call_state(CallState.ENDED, self._peer, kind)
            return None
        if call.assembly is not None and kind not in BETWEEN_PIECES:
            raise ProtocolError(f"{kind.name} between the pieces of a value of call {call_id}")
        self._calls.move(call, self._peer, kind)
        return call

    def _require_end(self, kind: Kind, position: int, end: int) -> None:
        if position != end:
            raise ProtocolError(f"{kind.name} with {end - position} bytes too many")

    def _metadata(self, data: bytes, position: int, end: int) -> tuple[dict[str, bytes], int]:
        metadata, after = decode_metadata(data, position, end)
        limit = self._calls.limits.max_metadata_bytes
        if after - position > limit:
            raise ProtocolError(f"metadata of {after - position} bytes; the limit is {limit}")
        return metadata, after

    def _fits(self, call: Call, size: int) -> bool:
        """Whether a value in one frame is within the limit; else that is told instead of it."""
        if size <= call.shape.max_value_bytes:
            return True
        self._events.append(ValueTooLarge(call.id, call.shape.max_value_bytes))
        return False

    # Values in pieces ...

    def _begin(
        self, call: Call, kind: Kind, fields: HeaderFields, data: bytes, position: int, end: int
    ) -> None:
        limit = self._calls.limits.max_values_in_pieces
        if self._calls.assembling >= limit:
            raise ProtocolError(f"more than {limit} values in pieces at once")
        self._calls.start_assembly(call, kind, fields)
        self._add(call, MORE, data, position, end)

    def _add(self, call: Call, flags: int, data: bytes, position: int, end: int) -> None:
        """Take a piece."""
        assembly = call.assembly
        assert assembly is not None
        self._require_piece(flags, end - position)
        if assembly.dropped:
            assembly.skipped += end - position
            if assembly.skipped > self._calls.limits.max_message_bytes:
                raise ProtocolError(f"a value of call {call.id} goes on long after it was dropped")
        elif not assembly.add(data[position:end]):
            if assembly.over_budget:
                limit = self._calls.budget.max_bytes
                self._events.append(ValueTooLarge(call.id, limit, shared=True))
            else:
                self._events.append(ValueTooLarge(call.id, call.shape.max_value_bytes))

    def _require_piece(self, flags: int, size: int) -> None:
        if size < (MIN_PIECE_BYTES if flags & MORE else 1):
            raise ProtocolError(f"a piece of {size} bytes")

    def _go_on(
        self, call: Call, kind: Kind, flags: int, data: bytes, position: int, end: int
    ) -> None:
        """A later piece: bytes of the value and nothing else."""
        assembly = call.assembly
        if assembly is None or assembly.kind is not kind:
            raise ProtocolError(f"{kind.name} of call {call.id} out of order")
        if flags & ~MORE:
            raise ProtocolError(f"header fields in a later piece of call {call.id}")
        if kind is Kind.ITEMS:
            self._calls.move(call, self._peer, kind)
            call.credit[self._peer].available -= end - position
        self._add(call, flags, data, position, end)
        if not flags & MORE:
            self._whole(call, kind)

    def _whole(self, call: Call, kind: Kind) -> None:
        """The last piece is here."""
        assembly = call.assembly
        assert assembly is not None
        dropped, value = assembly.dropped, assembly.join()
        number, time_left, metadata = assembly.fields
        self._calls.drop_assembly(call)
        if kind in (Kind.RESULT, Kind.ERROR):
            self._ended(call, kind, metadata, value)
        elif dropped:
            return
        elif kind is Kind.CALL:
            self._events.append(CallReceived(call.id, number, time_left, metadata, value))
        else:
            self._events.append(ItemsReceived(call.id, 1, value))

    def _late_value(
        self, kind: Kind, call_id: int, flags: int, data: bytes, position: int, end: int
    ) -> None:
        """CALL or ITEMS for a call that has ended: under way when it did, or a violation."""
        late = self._calls.late.get(call_id)
        if late is None:
            if kind is Kind.CALL:
                raise ProtocolError(f"call {call_id} was opened before")
            return
        credit, assembling, rest = late
        if assembling is not None:
            if kind is not assembling or flags & ~MORE:
                raise ProtocolError(f"{kind.name} of call {call_id} out of order")
            rest -= end - position
            if rest < 0:
                raise ProtocolError(f"a value of call {call_id} goes on long after its end")
        elif kind is Kind.CALL:
            raise ProtocolError(f"call {call_id} was opened before")
        elif credit is None:
            raise ProtocolError(f"ITEMS on call {call_id}, which streams none in that direction")
        else:
            credit.require_start()
            _, position = self._item_count(flags, data, position, end)
            rest = self._calls.limits.max_message_bytes
        if flags & MORE or assembling is not None:
            self._require_piece(flags, end - position)
        if kind is Kind.ITEMS and credit is not None:
            credit.available -= end - position
        self._calls.late[call_id] = LateCall(credit, kind if flags & MORE else None, rest)

    # By the first byte of a frame: None for a kind or flags that there are not. One table for all
    # connections: bound methods, in one of its own, would cost each 1.3 KiB.
    _RECEIVERS: ClassVar[list[_Receiver | None]] = _by_first_byte(
        {
            Kind.CALL: _call,
            Kind.ITEMS: _items,
            Kind.END: _end,
            Kind.RESULT: _result,
            Kind.ERROR: _error,
            Kind.STATUS: _status,
            Kind.CANCEL: _cancel,
            Kind.CREDIT: _credit,
            Kind.PING: _ping,
            Kind.PONG: _pong,
            Kind.GOAWAY: _goaway,
        }
    )
