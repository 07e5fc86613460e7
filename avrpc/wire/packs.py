"""Avro RPC messages ("packs") as they open every connection: PROTOCOL.md, "The handshake".

A pack is ``int32 serial, int32 buffer count, (int32 length, bytes)*``, big-endian, as Java's
NettyTransceiver and avsc write it. Any split of the content into buffers means the same.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from avrpc.wire.codes import GoawayCode, ProtocolError

_HEAD = struct.Struct(">iI")
_LENGTH = struct.Struct(">I")

# Java cuts what it sends into buffers of 8 KiB, so 288 KiB come in 37. A bound keeps a pack that
# trickles in from being looked at again too many times.
MAX_BUFFERS = 64


class Pack(NamedTuple):
    """One Avro RPC message: its serial number and its content, the buffers joined."""

    serial: int
    content: bytes


def encode_pack(serial: int, content: bytes) -> bytes:
    """A pack of one buffer."""
    return _HEAD.pack(serial, 1) + _LENGTH.pack(len(content)) + content


def parse_pack(data: bytes, max_bytes: int) -> tuple[Pack, int] | int:
    """The pack that ``data`` begins with and its length, or how many bytes are needed to go on.

    Args:
        data: Bytes from the beginning of a pack on.
        max_bytes: The longest pack to take, its lengths included.

    Raises:
        ProtocolError: It is longer than that, or holds no buffer. Noticed from the lengths
            alone, so nothing beyond ``max_bytes`` is ever waited for.
    """
    if len(data) < _HEAD.size:
        return _HEAD.size
    serial, count = _HEAD.unpack_from(data)
    position: int = _HEAD.size
    if not 1 <= count <= MAX_BUFFERS:
        raise ProtocolError(
            f"expected an Avro RPC message in 1 to {MAX_BUFFERS} buffers, found {_quote(data)}"
        )
    buffers: list[bytes] = []
    for _ in range(count):
        start = position + _LENGTH.size
        if len(data) < start:
            return start
        length: int = _LENGTH.unpack_from(data, position)[0]
        position = start + length
        if position > max_bytes:
            raise ProtocolError(
                f"expected an Avro RPC message of at most {max_bytes} bytes,"
                f" found a buffer of {length}: {_quote(data)}",
                GoawayCode.FRAME_SIZE_ERROR,
            )
        if len(data) < position:
            return position
        buffers.append(data[start:position])
    return Pack(serial, b"".join(buffers)), position


def _quote(data: bytes) -> str:
    return repr(bytes(data[:32]))
