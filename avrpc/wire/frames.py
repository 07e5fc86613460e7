"""What a native frame looks like: one u32 of kind, flags and length, then that many bytes.

    byte 0            bytes 1 to 3           then
    flags | kind      length (big-endian)    call id, the fields of the kind, values

PROTOCOL.md, "Frames", lists the fields of each kind. The values are opaque here.
"""

from __future__ import annotations

import struct
from enum import IntEnum

HEADER = struct.Struct(">I")
ITEM_COUNT = struct.Struct(">H")

MAX_LENGTH = 0xFFFFFF  # what 24 bits hold; `WireLimits.max_frame_bytes` is far below
ROOM_FOR_FIELDS = 64  # more than a frame's fields take, but for metadata: at most four longs


class Kind(IntEnum):
    """What a frame is for. The low four bits of its first byte."""

    CALL = 1
    ITEMS = 2
    END = 3
    RESULT = 4
    ERROR = 5
    STATUS = 6
    CANCEL = 7
    CREDIT = 8
    PING = 9
    PONG = 10
    GOAWAY = 11


# Flags: the high four bits of the first byte. 0x40 means one thing on CALL, another on STATUS.
MORE = 0x10  # the value goes on in the next frame of this kind and call
METADATA = 0x20
DEADLINE = 0x40  # CALL: the time left stands before the metadata
STARTED = 0x40  # STATUS: the handler had begun to run
COMPRESSED = 0x80  # on what has a value, where a codec is agreed: `inflating`; else illegal

LEGAL_FLAGS = {
    Kind.CALL: MORE | METADATA | DEADLINE,
    Kind.ITEMS: MORE,
    Kind.END: 0,
    Kind.RESULT: MORE | METADATA,
    Kind.ERROR: MORE | METADATA,
    Kind.STATUS: METADATA | STARTED,
    Kind.CANCEL: 0,
    Kind.CREDIT: 0,
    Kind.PING: 0,
    Kind.PONG: 0,
    Kind.GOAWAY: 0,
}


def encode_frame(kind: int, flags: int, body: bytes) -> bytes:
    """A whole frame."""
    return HEADER.pack((flags | kind) << 24 | len(body)) + body
