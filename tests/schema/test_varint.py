"""Numbers as Avro writes them, against the definition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avrpc.schema.varint import SMALL, SMALL_LIMIT, read_long, write_int, write_long


def by_definition(number: int) -> bytes:
    number = number * 2 if number >= 0 else -number * 2 - 1
    made = bytearray()
    while number > 127:
        made.append(number % 128 + 128)
        number //= 128
    return bytes((*made, number))


EDGES = sorted(
    {
        sign * (1 << bits) + more
        for bits in range(64)
        for sign in (1, -1)
        for more in (-1, 0, 1)
        if -(1 << 63) <= sign * (1 << bits) + more < 1 << 63
    }
)


@pytest.mark.parametrize("number", EDGES)
def test_long_is_written_as_defined_and_read_again(number: int) -> None:
    assert write_long(number) == by_definition(number)
    assert read_long(b"?" + by_definition(number) + b"?", 1) == (
        number,
        1 + len(by_definition(number)),
    )


@given(st.integers(-(1 << 63), (1 << 63) - 1))
def test_any_long(number: int) -> None:
    assert write_long(number) == by_definition(number)


@pytest.mark.parametrize("number", [1 << 63, -(1 << 63) - 1, 1 << 64, -(1 << 64), 1 << 200])
def test_more_than_64_bits_is_an_overflow(number: int) -> None:
    with pytest.raises(OverflowError):
        write_long(number)


@pytest.mark.parametrize("number", [1 << 31, -(1 << 31) - 1])
def test_more_than_32_bits_is_an_overflow(number: int) -> None:
    with pytest.raises(OverflowError):
        write_int(number)


@pytest.mark.parametrize("number", [(1 << 31) - 1, -(1 << 31), 0])
def test_int_is_written_as_long(number: int) -> None:
    assert write_int(number) == write_long(number)


def test_the_table_of_small_numbers_is_right() -> None:
    for number in range(-SMALL_LIMIT, SMALL_LIMIT):
        assert SMALL[number] == by_definition(number)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "ends"),
        (b"\xff\xff", "ends"),
        (b"\xff" * 9 + b"\x02", "64 bits"),
        (b"\x80" * 10 + b"\0", "64 bits"),
        (b"\xff" * 1000, "64 bits"),
    ],
)
def test_what_is_no_long_is_an_error(data: bytes, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        read_long(data, 0)
