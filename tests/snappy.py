"""Snappy's raw format in plain Python, for a peer that has nothing but the standard library.

Written from the format's description: a varint of how long it is, then literals and copies of what
came before; the lowest two bits of a tag tell which.
"""

from __future__ import annotations


class Garbled(Exception):
    """Bytes that are no block of the format, or that hold more or less than they say."""


def compress(data: bytes) -> bytes:
    out, seen, start, at = bytearray(_varint(len(data))), dict[bytes, int](), 0, 0
    while at <= len(data) - 4:
        word = data[at : at + 4]
        before = seen.get(word)
        seen[word] = at
        if before is None or at - before > 0xFFFF:
            at += 1
            continue
        length, most = 4, min(64, len(data) - at)
        while length < most and data[before + length] == data[at + length]:
            length += 1
        out += _literal(data[start:at])
        out += bytes([length - 1 << 2 | 2]) + (at - before).to_bytes(2, "little")
        start = at = at + length
    return bytes(out + _literal(data[start:]))


def inflate(data: bytes, size: int) -> bytes:
    """Give back what was compressed, of ``size`` bytes."""
    try:
        length, at = _read_varint(data)
        if length != size:
            raise Garbled(f"{size} bytes promised, {length} in the block")
        out = bytearray()
        while at < len(data):
            at = _inflate_one(data, at, out)
            if len(out) > size:
                break
    except IndexError:
        raise Garbled("the block is cut") from None
    if len(out) != size:
        raise Garbled(f"{size} bytes promised, {len(out)} or more came out")
    return bytes(out)


def _inflate_one(data: bytes, at: int, out: bytearray) -> int:
    tag = data[at]
    at += 1
    if tag & 3 == 0:
        length = (tag >> 2) + 1
        if length > 60:
            more = length - 60
            length = int.from_bytes(data[at : at + more], "little") + 1
            at += more
        if at + length > len(data):
            raise IndexError
        out += data[at : at + length]
        return at + length
    if tag & 3 == 1:
        length, offset, at = (tag >> 2 & 7) + 4, tag >> 5 << 8 | data[at], at + 1
    else:
        width = 2 if tag & 3 == 2 else 4
        length, offset = (tag >> 2) + 1, int.from_bytes(data[at : at + width], "little")
        at += width
    if at > len(data) or not 0 < offset <= len(out):
        raise Garbled(f"a copy from {offset} bytes before")
    for _ in range(length):  # one by one: it may copy what it has just written
        out.append(out[-offset])
    return at


def _literal(data: bytes) -> bytes:
    if not data:
        return b""
    length = len(data) - 1
    if length < 60:
        return bytes([length << 2]) + data
    return bytes([61 << 2]) + length.to_bytes(2, "little") + data


def _varint(n: int) -> bytes:
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes([*out, n])


def _read_varint(data: bytes) -> tuple[int, int]:
    n = 0
    for at in range(5):
        n |= (data[at] & 0x7F) << 7 * at
        if data[at] < 0x80:
            return n, at + 1
    raise Garbled("a length of more than 5 bytes")
