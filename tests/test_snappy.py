"""The independent peer's snappy against cramjam's: both take the same blocks, and as the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avrpc.wire import ProtocolError, open_codec
from tests import snappy
from tests.profiles import examples

CRAMJAM = open_codec("snappy")
texts = st.lists(st.sampled_from([b"EURUSD", b"a", b"bc", bytes(70), b"\xff\x00"]), min_size=1)
data = st.one_of(st.binary(min_size=1, max_size=300), texts.map(b"".join))


@examples(200)
@given(data)
def test_each_takes_the_blocks_of_the_other(value: bytes) -> None:
    assert CRAMJAM.inflate(snappy.compress(value), len(value)) == value
    assert snappy.inflate(CRAMJAM.compress(value), len(value)) == value


@pytest.mark.parametrize("size", [60, 61, 256, 257, 65_535, 65_536])
def test_long_literals_and_copies_come_back(size: int) -> None:
    for value in (bytes(size), bytes(range(256)) * (size // 256 + 1)):
        assert CRAMJAM.inflate(snappy.compress(value), len(value)) == value


@examples(200)
@given(value=data, at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_both_read_the_same_from_a_block_with_a_wrong_bit(value: bytes, at: int, bit: int) -> None:
    block = bytearray(CRAMJAM.compress(value))
    block[at % len(block)] ^= 1 << bit
    try:
        mine: bytes | None = snappy.inflate(bytes(block), len(value))
    except snappy.Garbled:
        mine = None
    try:
        theirs: bytes | None = CRAMJAM.inflate(bytes(block), len(value))
    except ProtocolError:
        theirs = None
    assert mine == theirs
