"""Avro's long, by hand: for the few that stand before or between what fastavro reads."""

from __future__ import annotations


def write_long(number: int) -> bytes:
    """Encode a long."""
    number = (number << 1) ^ (number >> 63)
    made = bytearray()
    while number > 127:
        made.append(number & 127 | 128)
        number >>= 7
    made.append(number)
    return bytes(made)


def read_long(data: bytes, position: int) -> tuple[int, int]:
    """Decode the long at a position; give it and the position after it.

    Raises:
        ValueError: The bytes end in it, or it has more than 64 bits; the text says which.
    """
    shift = number = 0
    while True:
        if position >= len(data):
            raise ValueError("ends in the middle of a number")
        byte = data[position]
        position += 1
        number |= (byte & 127) << shift
        if byte < 128:
            break
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")
    if number >> 64:
        raise ValueError("a number of more than 64 bits")
    return (number >> 1) ^ -(number & 1), position
