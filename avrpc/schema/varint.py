"""Avro's numbers, by hand, and quick: seven bits a byte, zigzag, from tables of fourteen bits."""

from __future__ import annotations

SMALL_LIMIT = 4096

Data = bytes | bytearray | memoryview  # what is decoded may come in any of these

_MASK = (1 << 14) - 1
_LAST = [bytes((n,)) if n < 128 else bytes((n & 127 | 128, n >> 7)) for n in range(1 << 14)]
_MORE = [bytes((n & 127 | 128, n >> 7 | 128)) for n in range(1 << 14)]


def write_long(number: int) -> bytes:
    """Encode a long; OverflowError for a number that is none."""
    n = number << 1 ^ number >> 63
    if n < 1 << 14:
        return _LAST[n]
    if n < 1 << 28:
        return _MORE[n & _MASK] + _LAST[n >> 14]
    if n < 1 << 42:
        return _MORE[n & _MASK] + _MORE[n >> 14 & _MASK] + _LAST[n >> 28]
    head = _MORE[n & _MASK] + _MORE[n >> 14 & _MASK] + _MORE[n >> 28 & _MASK]
    if n < 1 << 56:
        return head + _LAST[n >> 42]
    if n >= 1 << 64:
        raise OverflowError(f"{number} has more than 64 bits")
    return head + _MORE[n >> 42 & _MASK] + _LAST[n >> 56]


def write_int(number: int) -> bytes:
    """Encode an int; OverflowError for a number that is none."""
    if not -1 << 31 <= number < 1 << 31:
        raise OverflowError(f"{number} has more than 32 bits")
    return write_long(number)


def read_long(data: Data, position: int) -> tuple[int, int]:
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


# By number, also negative ones, which Python looks up from the end.
SMALL = [write_long(n) for n in (*range(SMALL_LIMIT), *range(-SMALL_LIMIT, 0))]
