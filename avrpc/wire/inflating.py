"""Compression of what comes: a frame with COMPRESSED is made into the same frame without.

So nothing behind this knows of compression: the rules of frames, states, credit, pieces and limits
see what the sender had before it compressed.
"""

from __future__ import annotations

from avrpc.wire.calls import CallTable
from avrpc.wire.codes import GoawayCode, ProtocolError
from avrpc.wire.compression import MAX_INFLATED_BYTES, Codec
from avrpc.wire.contexts import Contexts
from avrpc.wire.frames import DEADLINE, ITEM_COUNT, METADATA, Kind
from avrpc.wire.primitives import decode_long, decode_metadata

_WITH_VALUE = frozenset({Kind.CALL, Kind.ITEMS, Kind.RESULT, Kind.ERROR})


class Inflater:
    """Inflates the frames of one connection.

    Args:
        codec: What was agreed.
        contexts: For items; None where the codec has none.
        calls: The connection's calls.
    """

    def __init__(self, codec: Codec, contexts: Contexts | None, calls: CallTable) -> None:
        self._codec = codec
        self._contexts = contexts
        self._calls = calls
        self._max_bytes = min(MAX_INFLATED_BYTES, calls.limits.max_frame_bytes)

    def plain_body(self, kind: int, flags: int, data: bytes, start: int, end: int) -> bytes:
        """The body of a frame as it is without COMPRESSED.

        Args:
            kind: Of the frame.
            flags: All but COMPRESSED; those that the kind has.
            data: The body is data[start:end].
            start: As said.
            end: As said.

        Raises:
            ProtocolError: It breaks a rule. Those that it would break without COMPRESSED, too, are
                left to others.
        """
        if kind not in _WITH_VALUE:
            raise ProtocolError(f"{Kind(kind).name} with COMPRESSED, which it has not")
        call_id, position = decode_long(data, start, end)
        call = self._calls.get(call_id)
        if call is None:
            late = self._calls.late.get(call_id)
            later_piece = late is not None and late.assembling is not None
        else:
            later_piece = call.assembly is not None
        if not later_piece:
            position = _skip_fields(kind, flags, data, position, end)
        size, value = decode_long(data, position, end)
        if size < 1:
            raise ProtocolError(f"{Kind(kind).name} with a value that inflates to {size} bytes")
        if size > self._max_bytes:
            raise ProtocolError(
                f"a frame that inflates to {size} bytes; the limit is {self._max_bytes}",
                GoawayCode.FRAME_SIZE_ERROR,
            )
        compressed = memoryview(data)[value:end]
        if call is None and (kind != Kind.CALL or call_id <= self._calls.last_id):
            # The call has ended, and its contexts with it: what it is does not matter any more,
            # only how much. (Or it never was, and that is told by those who look at it next.)
            inflated = bytes(size)
        elif kind == Kind.ITEMS and self._contexts is not None:
            inflated = self._contexts.inflate(call_id, compressed, size)
        else:
            inflated = self._codec.inflate(compressed, size)
        return data[start:position] + inflated


def _skip_fields(kind: int, flags: int, data: bytes, position: int, end: int) -> int:
    """The position behind what follows the call id."""
    if kind == Kind.ITEMS:
        if end - position < ITEM_COUNT.size:
            raise ProtocolError("ITEMS without a count")
        return position + ITEM_COUNT.size
    if kind == Kind.CALL:
        _, position = decode_long(data, position, end)
        if flags & DEADLINE:
            _, position = decode_long(data, position, end)
    if flags & METADATA:
        _, position = decode_metadata(data, position, end)
    return position
