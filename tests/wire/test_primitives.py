from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avrpc.wire import LocalError, ProtocolError
from avrpc.wire.primitives import (
    MAX_METADATA_ENTRIES,
    decode_bytes,
    decode_long,
    decode_metadata,
    decode_string,
    encode_bytes,
    encode_long,
    encode_metadata,
)

# From the Avro specification, and the ends of what 64 bits hold.
LONGS = [
    (0, "00"),
    (-1, "01"),
    (1, "02"),
    (-2, "03"),
    (63, "7e"),
    (-64, "7f"),
    (64, "8001"),
    (-65, "8101"),
    (8191, "fe7f"),
    (8192, "808001"),
    (2**31 - 1, "feffffff0f"),
    (-(2**31), "ffffffff0f"),
    (2**63 - 1, "feffffffffffffffff01"),
    (-(2**63), "ffffffffffffffffff01"),
]
METADATA = [
    ({}, "00"),
    ({"a": b""}, "0202610000"),
    ({"key": b"\x01\x02", "é": b"x"}, "04066b657904010204c3a9027800"),
]

longs = st.integers(-(2**63), 2**63 - 1)
# Text of whole characters: half a surrogate pair is not to be had in UTF-8.
texts = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize(("value", "encoded"), LONGS)
def test_long_is_as_avro_writes_it_both_ways(value: int, encoded: str) -> None:
    data = bytes.fromhex(encoded)
    assert encode_long(value) == data
    assert decode_long(data, 0, len(data)) == (value, len(data))
    assert decode_long(b"?" + data + b"?", 1, len(data) + 2) == (value, len(data) + 1)


@pytest.mark.parametrize(("value", "encoded"), LONGS)
def test_long_that_reaches_past_its_end_is_refused(value: int, encoded: str) -> None:
    data = bytes.fromhex(encoded)
    for end in range(len(data)):
        with pytest.raises(ProtocolError, match=f"within {end} bytes"):
            decode_long(data, 0, end)


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 2**64, -(2**70)])
def test_long_of_more_than_64_bits_is_not_encoded(value: int) -> None:
    with pytest.raises(LocalError, match=f"64 bits, got {value}"):
        encode_long(value)


@pytest.mark.parametrize(
    "encoded",
    [
        "80808080808080808002",  # the 65th bit
        "ffffffffffffffffff7f",
        "8080808080808080808000",  # 11 bytes
        "ff" * 20,
    ],
)
def test_long_of_more_than_64_bits_is_refused(encoded: str) -> None:
    data = bytes.fromhex(encoded)
    with pytest.raises(ProtocolError):
        decode_long(data, 0, len(data))


@given(longs)
def test_long_comes_back(value: int) -> None:
    data = encode_long(value)
    assert len(data) <= 10
    assert decode_long(data, 0, len(data)) == (value, len(data))


@given(texts)
def test_string_comes_back(text: str) -> None:
    data = encode_bytes(text.encode())
    assert decode_string(data + b"more", 0, len(data)) == (text, len(data))


@pytest.mark.parametrize("encoded", ["", "02", "0461", "01", "0361", "feffffffffffffffff01"])
def test_bytes_whose_length_is_wrong_are_refused(encoded: str) -> None:
    data = bytes.fromhex(encoded)
    with pytest.raises(ProtocolError):
        decode_bytes(data + b"beyond the end", 0, len(data))


def test_string_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(ProtocolError, match="UTF-8"):
        decode_string(b"\x04\xff\xfe", 0, 3)


@pytest.mark.parametrize(("metadata", "encoded"), METADATA)
def test_metadata_is_as_avro_writes_it_both_ways(metadata: dict[str, bytes], encoded: str) -> None:
    data = bytes.fromhex(encoded)
    assert encode_metadata(metadata) == data
    assert decode_metadata(data, 0, len(data)) == (metadata, len(data))


@given(st.dictionaries(texts, st.binary(max_size=100), max_size=MAX_METADATA_ENTRIES))
def test_metadata_comes_back(metadata: dict[str, bytes]) -> None:
    data = encode_metadata(metadata)
    assert decode_metadata(data + b"more", 0, len(data)) == (metadata, len(data))


def test_metadata_in_several_blocks_is_read() -> None:
    # {"a": 1} in a block that tells its size (as Java's does), then {"b": 2} in one that does not.
    first = bytes.fromhex("0108" + "02610201")
    second = bytes.fromhex("02" + "02620202")
    data = first + second + b"\0"
    assert decode_metadata(data, 0, len(data)) == ({"a": b"\1", "b": b"\2"}, len(data))


@pytest.mark.parametrize("blocks", [[MAX_METADATA_ENTRIES + 1], [60, 5], [2**62], [-(2**63)]])
def test_metadata_with_too_many_entries_is_refused(blocks: list[int]) -> None:
    # One entry is the key "k" and an empty value.
    data = b"".join(
        encode_long(count)
        + (encode_long(0) if count < 0 else b"")
        + b"\x02k\0" * min(abs(count), 100)
        for count in blocks
    )
    with pytest.raises(ProtocolError, match="more than 64 entries"):
        decode_metadata(data + b"\0", 0, len(data) + 1)


@pytest.mark.parametrize("encoded", ["", "02", "020261", "02026100", "0204ffff00", "01"])
def test_metadata_that_is_cut_or_garbled_is_refused(encoded: str) -> None:
    data = bytes.fromhex(encoded)
    with pytest.raises(ProtocolError):
        decode_metadata(data, 0, len(data))


@given(st.binary(max_size=64))
def test_garbage_raises_protocol_error_and_nothing_else(data: bytes) -> None:
    decoders: list[Callable[[bytes, int, int], tuple[object, int]]]
    decoders = [decode_long, decode_bytes, decode_string, decode_metadata]
    for decode in decoders:
        try:
            _, position = decode(data, 0, len(data))
        except ProtocolError:
            continue
        assert position <= len(data)
