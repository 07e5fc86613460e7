import sys
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avrpc.wire import CODECS, Codec, ProtocolError, compression, is_available, open_codec
from avrpc.wire.compression import MAX_GROWTH_BYTES, MAX_INFLATED_BYTES, Buffer, Zstd
from tests.profiles import examples

codecs = pytest.mark.parametrize("codec", [open_codec(name) for name in CODECS], ids=CODECS)
TEXT = b"a line that comes again and again\n" * 40


@pytest.fixture
def zstd() -> Zstd:
    codec = open_codec("zstd")
    assert isinstance(codec, Zstd)
    return codec


@codecs
@pytest.mark.parametrize("value", [b"x", TEXT, bytes(MAX_INFLATED_BYTES)], ids=len)
def test_value_alone_comes_back(codec: Codec, value: bytes) -> None:
    for form in (value, bytearray(value), memoryview(value)):
        compressed = codec.compress(form)
        assert codec.inflate(memoryview(compressed), len(value)) == value
    if len(value) > 1:
        assert len(compressed) < len(value) / 4


@codecs
def test_value_alone_depends_on_nothing_before(codec: Codec) -> None:
    assert codec.compress(TEXT) == codec.compress(TEXT)


@codecs
@pytest.mark.parametrize("off", [-1, 1])
def test_another_size_than_promised_is_refused(codec: Codec, off: int) -> None:
    with pytest.raises(ProtocolError, match=f"expected {len(TEXT) + off} bytes compressed by"):
        codec.inflate(codec.compress(TEXT), len(TEXT) + off)


@codecs
@pytest.mark.parametrize("wrong", ["cut", "longer", "twice", "empty", "garbage"])
def test_garbled_value_is_refused(codec: Codec, wrong: str) -> None:
    compressed = codec.compress(TEXT)
    data = {
        "cut": compressed[:-1],
        "longer": compressed + b"\0",
        "twice": compressed * 2,
        "empty": b"",
        "garbage": b"\xff" * 30,
    }[wrong]
    with pytest.raises(ProtocolError, match=codec.name):
        codec.inflate(data, len(TEXT))


@codecs
def test_bomb_is_refused_before_it_is_inflated(codec: Codec) -> None:
    bomb = codec.compress(bytes(4 * 1024 * 1024))
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError, match=r"found (more|4194304)"):
            codec.inflate(bomb, 1000)
        assert tracemalloc.get_traced_memory()[1] < 100_000  # at its highest
    finally:
        tracemalloc.stop()


def test_zstd_frame_with_a_window_above_64_kib_is_refused(zstd: Zstd) -> None:
    module = zstd._zstd
    options = {module.CompressionParameter.window_log: 17}
    wide = module.ZstdCompressor(options=options)
    data = wide.compress(TEXT, wide.FLUSH_BLOCK)  # no size in its header, so its window is there
    with pytest.raises(ProtocolError, match="zstd"):
        zstd.decoder()(data, len(TEXT))
    narrow = zstd.encoder()
    assert zstd.decoder()(narrow(TEXT), len(TEXT)) == TEXT


def test_skippable_zstd_frame_is_refused(zstd: Zstd) -> None:
    skippable = bytes.fromhex("502a4d18 04000000 00000000")
    with pytest.raises(ProtocolError, match="found 0"):
        zstd.inflate(skippable + zstd.compress(TEXT), len(TEXT))


def test_zstd_frame_that_does_not_end_is_refused_alone(zstd: Zstd) -> None:
    with pytest.raises(ProtocolError, match="no end of it"):
        zstd.inflate(zstd.encoder()(TEXT), len(TEXT))


def test_zstd_frame_that_ends_is_refused_in_a_context(zstd: Zstd) -> None:
    with pytest.raises(ProtocolError, match="the end of the context's stream"):
        zstd.decoder()(zstd.compress(TEXT), len(TEXT))


def test_small_similar_values_gain_in_a_context(zstd: Zstd) -> None:
    values = [b"EURUSD, %d, bid and ask" % number for number in range(1000, 1050)]
    encode, decode = zstd.encoder(), zstd.decoder()
    compressed = [encode(value) for value in values]
    assert [decode(*pair) for pair in zip(compressed, map(len, values), strict=True)] == values
    assert all(len(zstd.compress(value)) >= len(value) for value in values)
    assert len(b"".join(compressed)) < len(b"".join(values)) * 0.7


def test_context_that_lost_a_value_is_of_no_use(zstd: Zstd) -> None:
    encode, decode = zstd.encoder(), zstd.decoder()
    encode(TEXT)
    with pytest.raises(ProtocolError):
        decode(encode(TEXT), len(TEXT))


@examples(25)
@given(st.integers(1, MAX_INFLATED_BYTES - MAX_GROWTH_BYTES), st.randoms(use_true_random=False))
def test_noise_grows_by_little_in_a_context(size: int, random: object) -> None:
    codec = open_codec("zstd")
    assert isinstance(codec, Zstd)
    encode = codec.encoder()
    noise = random.randbytes(size)  # type: ignore[attr-defined]
    for _ in range(2):
        assert len(encode(noise)) <= size + MAX_GROWTH_BYTES - 3  # those of the size


@codecs
@given(st.binary(max_size=200), st.integers(1, 100_000))
def test_garbage_raises_nothing_else_and_gives_no_other_size(
    codec: Codec, data: bytes, size: int
) -> None:
    ways: list[Callable[[Buffer, int], bytes]] = [codec.inflate]
    if isinstance(codec, Zstd):
        ways.append(codec.decoder())
    for inflate in ways:
        try:
            assert len(inflate(data, size)) == size
        except ProtocolError as error:
            assert f"expected {size} bytes" in str(error)  # noqa: PT017 - also no error is well


def test_codec_without_its_package_is_not_available(monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(map(is_available, CODECS))
    monkeypatch.setattr(compression, "open_codec", open_codec.__wrapped__)
    for name in compression._MODULES.values():
        monkeypatch.setitem(sys.modules, name, None)
    assert not any(map(is_available, CODECS))


def test_codec_without_its_package_can_not_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cramjam", None)
    with pytest.raises(ImportError, match="cramjam"):
        open_codec.__wrapped__("snappy")
