import pytest
from hypothesis import given
from hypothesis import strategies as st

from avrpc.wire import GoawayCode, ProtocolError
from avrpc.wire.packs import MAX_BUFFERS, Pack, encode_pack, parse_pack

LIMIT = 1000

# Packs of one buffer, which is how they are sent ...
ONE_BUFFER = [
    (Pack(0, b""), "00000000 00000001 00000000"),
    (Pack(1, b"ping"), "00000001 00000001 00000004 70696e67"),
    (Pack(-1, b"\0\0"), "ffffffff 00000001 00000002 0000"),
    (Pack(2**31 - 1, b"x"), "7fffffff 00000001 00000001 78"),
]
# ... and of several, as Java's NettyTransceiver and avsc send them.
BUFFERS = [
    (Pack(0, b"ab"), "00000000 00000002 00000001 61 00000001 62"),
    (Pack(3, b"abc"), "00000003 00000004 00000000 00000002 6162 00000001 63 00000000"),
    (Pack(4, b""), "00000004 00000002 00000000 00000000"),
    (Pack(5, b"a" * 64), "00000005 00000040" + "00000001 61" * 64),
]


@pytest.mark.parametrize(("pack", "encoded"), ONE_BUFFER)
def test_pack_of_one_buffer_is_written(pack: Pack, encoded: str) -> None:
    assert encode_pack(*pack) == bytes.fromhex(encoded)


@pytest.mark.parametrize(("pack", "encoded"), ONE_BUFFER + BUFFERS)
@pytest.mark.parametrize("after", [b"", b"\0", b"the next pack or frame"])
def test_pack_is_read_whatever_its_buffers_and_what_follows(
    pack: Pack, encoded: str, after: bytes
) -> None:
    data = bytes.fromhex(encoded)
    assert parse_pack(data + after, LIMIT) == (pack, len(data))


@pytest.mark.parametrize(("pack", "encoded"), ONE_BUFFER + BUFFERS)
def test_pack_that_is_cut_tells_how_many_bytes_it_needs_to_go_on(pack: Pack, encoded: str) -> None:
    data = bytes.fromhex(encoded)
    for have in range(len(data)):
        needed = parse_pack(data[:have], LIMIT)
        assert isinstance(needed, int)
        assert have < needed <= len(data)


@pytest.mark.parametrize("count", [0, MAX_BUFFERS + 1, 2**31, 2**32 - 1])
def test_pack_of_no_buffers_or_too_many_is_refused_on_its_head(count: int) -> None:
    with pytest.raises(ProtocolError, match="1 to 64 buffers"):
        parse_pack(bytes(4) + count.to_bytes(4), LIMIT)


@pytest.mark.parametrize("before", [[], [0], [100], [0, 100, 3]])
@pytest.mark.parametrize("claimed", [LIMIT, 2**31, 2**32 - 1])
def test_pack_that_is_too_long_is_refused_on_its_lengths(before: list[int], claimed: int) -> None:
    data = bytes(4) + (len(before) + 2).to_bytes(4)
    data += b"".join(length.to_bytes(4) + bytes(length) for length in before)
    with pytest.raises(ProtocolError, match=f"at most {LIMIT} bytes") as caught:
        parse_pack(data + claimed.to_bytes(4), LIMIT)
    assert caught.value.code is GoawayCode.FRAME_SIZE_ERROR


def test_pack_of_just_the_longest_length_is_read() -> None:
    data = encode_pack(0, bytes(LIMIT - 12))
    assert parse_pack(data, LIMIT) == (Pack(0, bytes(LIMIT - 12)), LIMIT)
    with pytest.raises(ProtocolError):
        parse_pack(data, LIMIT - 1)


@pytest.mark.parametrize(
    "first",
    [b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 400 Bad Request\r\n", b"\x16\x03\x01\x02\0\1\0\1\xfc\3"],
)
def test_what_is_no_pack_at_all_is_quoted(first: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        parse_pack(first, LIMIT)
    assert repr(first)[1:12] in str(caught.value)


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=MAX_BUFFERS))
def test_buffers_cut_anywhere_mean_the_same(buffers: list[bytes]) -> None:
    data = bytes(4) + len(buffers).to_bytes(4)
    data += b"".join(len(buffer).to_bytes(4) + buffer for buffer in buffers)
    assert parse_pack(data, 2000) == (Pack(0, b"".join(buffers)), len(data))


@given(st.binary(max_size=200))
def test_garbage_is_a_pack_or_needs_more_or_breaks_the_protocol(data: bytes) -> None:
    try:
        parsed = parse_pack(data, LIMIT)
    except ProtocolError:
        return
    if isinstance(parsed, int):
        assert len(data) < parsed <= LIMIT + 4
    else:
        assert parsed[1] <= len(data)
