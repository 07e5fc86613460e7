"""Compression of what leaves: which frames, and how they look then.

A frame is compressed when it is whole, so that nothing above knows: its value, and not its fields,
is replaced by its size and what the codec makes of it. Where that is no smaller, the frame leaves
as it is; but for items in a context, which has taken them up.
"""

from __future__ import annotations

from functools import partial

from avrpc.wire.compression import Buffer, Codec
from avrpc.wire.contexts import Contexts
from avrpc.wire.frames import COMPRESSED, Kind
from avrpc.wire.pieces import Squeeze
from avrpc.wire.primitives import encode_long

# Below these a frame is not worth the time. Alone, zstd halves 200 bytes of JSON for 14 µs of both
# ends' CPU; in a context, four records of 23 bytes for 1.5 µs, and one does not win a byte.
MIN_ALONE_BYTES = 256
MIN_ITEMS_BYTES = 64

# What a piece has to have before it tells of those behind it; the first one of a CALL has 1,024.
_TELLING_BYTES = 4096


class Deflater:
    """Compresses the frames of one connection.

    Args:
        codec: What was agreed.
        contexts: For items; None where the codec has none.
    """

    def __init__(self, codec: Codec, contexts: Contexts | None) -> None:
        self._codec = codec
        self._contexts = contexts

    def alone(self, flags: int, head: bytes, value: Buffer) -> tuple[int, bytes, Buffer]:
        """A value that is no items.

        Args:
            flags: Of the frame.
            head: Its fields.
            value: What follows them.

        Returns:
            The same three, to send instead.
        """
        size = len(value)
        if size < MIN_ALONE_BYTES:
            return flags, head, value
        compressed = self._codec.compress(value)
        if len(compressed) + 3 >= size:  # the size itself takes as much
            return flags, head, value
        return flags | COMPRESSED, head + encode_long(size), compressed

    def pieces(self, kind: Kind, call_id: int) -> Squeeze:
        """What is to be done with each piece of a value that goes in pieces."""
        if kind is Kind.ITEMS:
            return partial(self.items, call_id)
        gains = True

        def squeeze(flags: int, head: bytes, piece: Buffer) -> tuple[int, bytes, Buffer]:
            nonlocal gains
            if gains:
                size = len(piece)
                flags, head, piece = self.alone(flags, head, piece)
                gains = bool(flags & COMPRESSED) or size < _TELLING_BYTES
            return flags, head, piece

        return squeeze

    def items(
        self, call_id: int, flags: int, head: bytes, items: Buffer
    ) -> tuple[int, bytes, Buffer]:
        """The items of an ITEMS frame, or a piece of one. As `alone`."""
        if self._contexts is None:
            return self.alone(flags, head, items)
        size = len(items)
        if size < MIN_ITEMS_BYTES:
            return flags, head, items
        encoder = self._contexts.encoder(call_id)
        if encoder is None or encoder.compress is None:
            return flags, head, items
        compressed = encoder.compress(items)
        encoder.took(size, len(compressed))
        return flags | COMPRESSED, head + encode_long(size), compressed
