"""Frames on their way out: written into one buffer, in the order in which they may leave.

Small frames go straight into the buffer. Items gather in an ITEMS frame that stays open until
something else is to leave or the buffer is asked for, so that many small items share a header.
Large values wait beside the buffer and are let in piece by piece, in turns, while it holds less
than `MAX_BUFFERED_PIECES`.
"""

from __future__ import annotations

from collections.abc import Mapping

from avrpc.wire.calls import Call, CallTable
from avrpc.wire.codes import GoawayCode, LocalError, ProtocolError, StatusCode
from avrpc.wire.compression import Buffer
from avrpc.wire.credit import Credit
from avrpc.wire.deflating import Deflater
from avrpc.wire.frames import (
    DEADLINE,
    HEADER,
    ITEM_COUNT,
    METADATA,
    STARTED,
    Kind,
    encode_frame,
)
from avrpc.wire.pieces import MIN_PIECE_BYTES, OutgoingValue
from avrpc.wire.primitives import (
    MAX_METADATA_ENTRIES,
    encode_bytes,
    encode_long,
    encode_metadata,
)
from avrpc.wire.states import BETWEEN_PIECES, Role, next_call_state

# One frame: what a small call of another task waits behind at most. No frame of ours is larger,
# whatever the peer takes; so the two bytes that count the items of a frame are enough, too.
MAX_BUFFERED_PIECES = 64 * 1024

# Far more than a peer that waits for answers has under way.
MAX_LATE_PONGS = 100

# GOAWAY and STATUS carry text for people; a longer one is cut.
MAX_TEXT_BYTES = 1024

_OUTCOMES = (Kind.RESULT, Kind.ERROR)


class Outgoing:
    """What to send on one connection, native frames only.

    Every method puts a frame into ``data`` at once or raises `LocalError` and puts nothing. None
    waits: `is_large`, `places` and `busy` tell beforehand what would have to be waited for.

    Attributes:
        data: Bytes for the peer, whole frames but for what was taken from the front. The owner
            of the socket takes them there, after `seal_and_fill`; what is added while a send
            waits may leave with it.
        freed: Set whenever a large value has left or been dropped; whoever waits for a place, or
            for a call to be no longer busy, may look again. The one who looks resets it.
        deflater: Where a codec is agreed.
    """

    def __init__(self, calls: CallTable) -> None:
        self.data = bytearray()
        self.freed = False
        self.deflater: Deflater | None = None
        self._calls = calls
        self._me = calls.role
        self._large: list[tuple[Call, OutgoingValue]] = []  # a deque, empty, takes 760 bytes
        # The open ITEMS frame, until it is sealed. Beside `data`, so that who takes bytes from
        # there while it is open takes whole frames; the copy costs 2 µs for 64 KiB.
        self._frame = bytearray()
        self._frame_call: Call | None = None
        self._frame_count = 0
        self._frame_room = 0  # how many bytes more it may hold
        self._late_pongs: list[int] = []  # there was no room for them

    # What there is to wait for ...

    def is_large(self, size: int) -> bool:
        """Whether a value of ``size`` bytes goes in pieces, and so needs a place.

        Leaves room in the frame for every header field, with as much metadata as is legal.
        """
        return size > self._calls.max_whole_bytes

    @property
    def places(self) -> int:
        """How many more values may go in pieces at once; the peer sets the limit."""
        return self._calls.peer_limits.max_values_in_pieces - len(self._large)

    @property
    def leaving(self) -> bool:
        """Whether a large value has pieces that are not in `data` yet."""
        return bool(self._large)

    def busy(self, call_id: int) -> bool:
        """Whether a large value of this call is still leaving."""
        return self._calls[call_id].leaving is not None

    def may_start_item(self, call_id: int) -> bool:
        """Whether there is credit for an item."""
        return self._credit(self._calls[call_id]).may_start

    def _credit(self, call: Call) -> Credit:
        try:
            return call.credit[self._me]
        except KeyError:
            raise LocalError(f"call {call.id} streams no items in this direction") from None

    # Frames of a call ...

    def call(
        self,
        number: int,
        parameters: bytes | bytearray,
        *,
        time_left: int | None = None,
        metadata: Mapping[str, bytes] | None = None,
    ) -> int:
        """Open a call and give its id.

        Args:
            number: Rank of the message among the sorted names of the client's protocol.
            parameters: Encoded, without the streamed one.
            time_left: Milliseconds until the deadline, if there is one.
            metadata: What the peer shall know besides.
        """
        if self._me is not Role.CLIENT:
            raise LocalError("only clients open calls")
        calls = self._calls
        if not 0 <= number < len(calls.shapes):
            raise LocalError(f"expected a message below {len(calls.shapes)}, got {number}")
        shape = calls.shapes[number]
        if calls.draining or not calls.has_slot(calls.peer_limits, streamed=shape.streams):
            raise self._no_slot()
        fields = encode_long(number)
        flags = 0
        if time_left is not None:
            flags = DEADLINE
            fields += encode_long(time_left)
        if metadata:
            flags |= METADATA
            fields += self._metadata(metadata)
        if len(parameters) > calls.max_whole_bytes:
            self._require_place()
            call = calls.open(shape)
            self._value(Kind.CALL, flags, call, fields, parameters)
        else:
            call = calls.open(shape)
            self._whole(flags | Kind.CALL, call.encoded_id + fields, parameters)
        return call.id

    def _no_slot(self) -> LocalError:
        if self._calls.draining:
            return LocalError("no calls are opened after a GOAWAY")
        limits = self._calls.peer_limits
        return LocalError(
            f"the peer takes no more than {limits.max_calls} calls at once,"
            f" of which {limits.max_streamed_calls} may stream"
        )

    def item(self, call_id: int, item: bytes | bytearray) -> None:
        """Send one item of a streamed array; needs credit, and takes it."""
        if not self.try_item(call_id, item):
            raise LocalError(f"call {call_id} has no credit, or no place for a large item")

    def try_item(self, call_id: int, item: bytes | bytearray) -> bool:
        """Send one item, unless it has to wait: False, and nothing sent.

        It has to wait for credit, for a place if it is large, and for an item of the same call
        that is still leaving in pieces.
        """
        call = self._frame_call
        size = len(item)
        if call is not None and call.id == call_id and 0 < size <= self._frame_room:
            credit = call.credit[self._me]
            if credit.available <= 0:
                return False
            credit.available -= size
            self._frame += item
            self._frame_count += 1
            self._frame_room -= size
            return True
        if not size:
            raise LocalError("an item takes at least one byte")
        call = self._calls[call_id]
        credit = self._credit(call)
        large = self.is_large(size)
        if not credit.may_start or call.leaving is not None or (large and self.places <= 0):
            return False
        if large:
            self._value(Kind.ITEMS, 0, call, ITEM_COUNT.pack(1), item)
        else:
            self._move(call, Kind.ITEMS)
            self._open_items(call, item)
        credit.take(size)
        return True

    def _open_items(self, call: Call, item: bytes | bytearray) -> None:
        self.seal()
        self._frame_call = call
        self._frame_count = 1
        length = len(call.encoded_id) + ITEM_COUNT.size + len(item)
        self._frame_room = self._calls.peer_limits.max_frame_bytes - length
        self._frame += item

    def seal(self) -> None:
        """Put the open ITEMS frame into `data`, now that its length and count are known."""
        call = self._frame_call
        if call is not None:
            head = call.encoded_id + ITEM_COUNT.pack(self._frame_count)
            flags = 0
            items: Buffer = self._frame
            if self.deflater is not None:
                flags, head, items = self.deflater.items(call.id, flags, head, items)
            self.data += HEADER.pack((flags | Kind.ITEMS) << 24 | len(head) + len(items))
            self.data += head
            self.data += items
            self._frame.clear()
            self._frame_call = None

    def end(self, call_id: int) -> None:
        """The client's last word: no more items."""
        self._plain(Kind.END, self._calls[call_id])

    def result(
        self,
        call_id: int,
        value: bytes | bytearray = b"",
        metadata: Mapping[str, bytes] | None = None,
    ) -> None:
        """End a call well."""
        if metadata is not None or not self.whole_result(call_id, value):
            self._outcome(Kind.RESULT, call_id, value, metadata)

    def whole_result(self, call_id: int, value: bytes | bytearray) -> bool:
        """End a unary call well, if the peer takes its result, in one frame, and no more is to do.

        False, and nothing sent, if not.
        """
        calls = self._calls
        if len(value) > calls.max_plain_bytes or self._me is not Role.SERVER:
            return False
        call = calls.answered_plainly(call_id)
        if call is None:
            return False
        self._whole(Kind.RESULT, call.encoded_id, value)
        return True

    def error(
        self,
        call_id: int,
        value: bytes | bytearray,
        metadata: Mapping[str, bytes] | None = None,
    ) -> None:
        """End a call with a declared error."""
        self._outcome(Kind.ERROR, call_id, value, metadata)

    def status(
        self,
        call_id: int,
        code: StatusCode,
        text: str,
        *,
        started: bool,
        metadata: Mapping[str, bytes] | None = None,
    ) -> None:
        """End a call with a failure that is not declared; drops what is still leaving on it.

        Args:
            call_id: The call.
            code: Why.
            text: For people; cut to `MAX_TEXT_BYTES`.
            started: Whether the handler had begun to run.
            metadata: What the peer shall know besides.
        """
        flags = STARTED if started else 0
        fields = b""
        if metadata:
            flags |= METADATA
            fields = self._metadata(metadata)
        fields += encode_long(code) + encode_bytes(_cut(text))
        self._plain(Kind.STATUS, self._calls[call_id], flags, fields)

    def cancel(self, call_id: int) -> None:
        """Ask for a call to end; it counts until the server has answered."""
        self._plain(Kind.CANCEL, self._calls[call_id])

    def credit(self, call_id: int, size: int) -> None:
        """Give ``size`` bytes of credit back to the peer."""
        call = self._calls[call_id]
        credit = call.credit.get(self._me.other)
        if credit is None:
            raise LocalError(f"call {call_id} streams no items in the peer's direction")
        self._require_legal(call, Kind.CREDIT)
        try:
            credit.grant(size)
        except ProtocolError as error:
            raise LocalError(str(error)) from None
        self._append(encode_frame(Kind.CREDIT, 0, call.encoded_id + encode_long(size)))

    # ... and of the connection.

    def ping(self, value: int) -> None:
        """Ask for a sign of life; the PONG carries the same value."""
        self._append(encode_frame(Kind.PING, 0, encode_long(value)))

    def pong(self, value: int) -> None:
        """Answer a PING: at once, or when the buffer has emptied.

        A peer that sends PINGs and does not read must not make the buffer grow: while that is
        full, only the latest `MAX_LATE_PONGS` are going to be answered.
        """
        if len(self.data) < MAX_BUFFERED_PIECES and not self._late_pongs:
            self._append(encode_frame(Kind.PONG, 0, encode_long(value)))
        else:
            del self._late_pongs[: 1 - MAX_LATE_PONGS]
            self._late_pongs.append(value)

    def goaway(self, last_call: int, code: GoawayCode, text: str) -> None:
        """Say that no call above ``last_call`` is or will be run, and why."""
        body = encode_long(last_call) + encode_long(code) + encode_bytes(_cut(text))
        self._append(encode_frame(Kind.GOAWAY, 0, body))

    # Taking the bytes away.

    def seal_and_fill(self) -> bytearray:
        """Close the open ITEMS frame, let pieces in up to their limit, and give ``data``."""
        if self._frame_call is not None:
            self.seal()
        while self._late_pongs and len(self.data) < MAX_BUFFERED_PIECES:
            self.data += encode_frame(Kind.PONG, 0, encode_long(self._late_pongs.pop(0)))
        while self._large and len(self.data) < MAX_BUFFERED_PIECES:
            call, value = self._large.pop(0)
            if value.write_piece(self.data, self._calls.peer_limits.max_frame_bytes):
                call.leaving = None
                self.freed = True
                if value.kind in _OUTCOMES:
                    self._calls.move(call, self._me, value.kind)
            else:
                self._large.append((call, value))
        return self.data

    def forget(self, call: Call) -> None:
        """Drop what is still leaving on a call, and add no more to its open ITEMS frame."""
        if self._frame_call is call:
            self.seal()
        if call.leaving is not None:
            call.leaving = None
            self._large = [entry for entry in self._large if entry[0] is not call]
            self.freed = True

    # One frame ...

    def _outcome(
        self,
        kind: Kind,
        call_id: int,
        value: bytes | bytearray,
        metadata: Mapping[str, bytes] | None,
    ) -> None:
        call = self._calls[call_id]
        fields, flags = (self._metadata(metadata), METADATA) if metadata else (b"", 0)
        self._value(kind, flags, call, fields, value)

    def _value(self, kind: Kind, flags: int, call: Call, fields: bytes, value: Buffer) -> None:
        """A frame with a value, which goes in pieces where it is large.

        A call in pieces ends with the last piece of its outcome, not with the first. It begins
        with a small first piece at once: its id is taken, so neither a CALL after it nor its own
        CANCEL may leave before it.
        """
        large = len(value) > self._calls.max_whole_bytes
        if large:
            self._require_place()
        if large and kind in _OUTCOMES:
            self._require_idle(call)
            self._require_legal(call, kind)
        elif kind is not Kind.CALL:
            self._move(call, kind)
        if large:
            self.seal()
            squeeze = None if self.deflater is None else self.deflater.pieces(kind, call.id)
            call.leaving = OutgoingValue(kind, flags, call.encoded_id, fields, value, squeeze)
            if kind is Kind.CALL:
                header_bytes = len(call.encoded_id) + len(fields)
                call.leaving.write_piece(self.data, header_bytes + MIN_PIECE_BYTES)
            self._large.append((call, call.leaving))
        else:
            self._whole(flags | kind, call.encoded_id + fields, value)

    def _whole(self, first_byte: int, head: bytes, value: Buffer) -> None:
        """A value in one frame."""
        if self._frame_call is not None:
            self.seal()
        if self.deflater is not None:
            first_byte, head, value = self.deflater.alone(first_byte, head, value)
        self.data += HEADER.pack(first_byte << 24 | len(head) + len(value)) + head
        self.data += value

    def _plain(self, kind: Kind, call: Call, flags: int = 0, fields: bytes = b"") -> None:
        """A frame that is never large."""
        self._move(call, kind)
        self._append(encode_frame(kind, flags, call.encoded_id + fields))

    def _metadata(self, metadata: Mapping[str, bytes]) -> bytes:
        limit = self._calls.peer_limits.max_metadata_bytes
        try:
            encoded = encode_metadata(metadata)
        except UnicodeEncodeError as error:
            raise LocalError(f"expected metadata keys in Unicode, got {error.object!r}") from error
        if len(metadata) > MAX_METADATA_ENTRIES or len(encoded) > limit:
            raise LocalError(
                f"metadata of {len(metadata)} entries and {len(encoded)} bytes; the peer takes"
                f" {MAX_METADATA_ENTRIES} and {limit}"
            )
        return encoded

    def _move(self, call: Call, kind: Kind) -> None:
        if self._frame_call is not None:
            # Before a context is freed: that of this call, for these items; and another one, for
            # which there may be no room before what ends this call has left.
            self.seal()
        if kind not in BETWEEN_PIECES:
            self._require_idle(call)
        try:
            self._calls.move(call, self._me, kind)
        except ProtocolError as error:
            raise LocalError(f"call {call.id}: {error}") from None
        if kind in BETWEEN_PIECES:  # CANCEL and STATUS; nothing else comes here while it leaves
            self.forget(call)

    def _require_legal(self, call: Call, kind: Kind) -> None:
        try:
            next_call_state(call.state, self._me, kind)
        except ProtocolError as error:
            raise LocalError(f"call {call.id}: {error}") from None

    def _require_idle(self, call: Call) -> None:
        if call.leaving is not None:
            raise LocalError(f"call {call.id} still has a large value leaving")

    def _require_place(self) -> None:
        if self.places <= 0:
            raise LocalError("as many values go in pieces as the peer allows")

    def _append(self, frame: bytes) -> None:
        self.seal()
        self.data += frame


def _cut(text: str) -> bytes:
    # "replace": half a surrogate pair, as in names of files, is in no UTF-8.
    encoded = text[:MAX_TEXT_BYTES].encode(errors="replace")
    return encoded[:MAX_TEXT_BYTES].decode(errors="ignore").encode()
