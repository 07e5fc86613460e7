"""Values that travel compressed, of servers that offer a codec."""

from __future__ import annotations

from avrpc.conformance.interface import body, item
from avrpc.conformance.kit import Kit
from avrpc.conformance.raw import RawLine, frame
from avrpc.conformance.registry import case
from avrpc.conformance.verdict import Skipped, expect
from avrpc.wire import Codec, GoawayCode, is_available, open_codec
from avrpc.wire.compression import MAX_INFLATED_BYTES, Zstd
from avrpc.wire.frames import COMPRESSED, ITEM_COUNT, MORE, Kind

_SIZES = (1, 1_000, 150_000)
_COUNT = 300


def _codec(name: str) -> Codec:
    if not is_available(name):
        raise Skipped(f"the kit itself has not what {name} needs: pip install 'avrpc[compression]'")
    return open_codec(name)


# Both ends keep the rules; the core compresses what the kit sends ...


async def _values(kit: Kit, name: str) -> None:
    line = await kit.connect(codec=_codec(name))
    for size in _SIZES:
        answer = await line.call("blob", payload=bytes(size), size=size)
        expect(f"{size} bytes", body(size), answer)


async def _streams(kit: Kit, name: str) -> None:
    line = await kit.connect(codec=_codec(name), limits={"windowBytes": 4096})
    items = [item(number, 100) for number in range(_COUNT)]
    source = await line.open("source", key=kit.key(), count=_COUNT, size=100, ending="WELL")
    expect(f"{_COUNT} items", items, await source.items())
    sink = await line.open("sink", key=kit.key(), take=-1, ending="WELL")
    await sink.send_together(*items[:8])
    await sink.send(*items[8:100])
    await sink.end()
    summary = {"count": 100, "bytes": 10_000, "in_order": True}
    expect("the summary", summary, await sink.result())


@case("15")
async def zstd_values(kit: Kit) -> None:
    """Values that zstd made smaller, small ones, and large ones in pieces, come and are taken."""
    await _values(kit, "zstd")


@case("15")
async def snappy_values(kit: Kit) -> None:
    """The same with snappy."""
    await _values(kit, "snappy")


@case("15")
async def zstd_streams(kit: Kit) -> None:
    """Items come and are taken, compressed by zstd in a context for each call and direction."""
    await _streams(kit, "zstd")


@case("15")
async def snappy_streams(kit: Kit) -> None:
    """Items come and are taken, compressed by snappy frame by frame."""
    await _streams(kit, "snappy")


@case("15")
async def zstd_streams_side_by_side(kit: Kit) -> None:
    """Two streams that take turns have a context each, both ways."""
    line = await kit.connect(codec=_codec("zstd"))
    calls = [await line.open("ping_pong", key=kit.key(), take=-1, ending="WELL") for _ in range(2)]
    for number in range(20):
        for size, call in zip((90, 300), calls, strict=True):
            await call.send(item(number, size))
            expect("the item that comes back", item(number, size), await call.item())
    for call in calls:
        await call.end()
        await call.result()


# ... and by hand.


def _call(line: RawLine, codec: Codec, *, size: int | None = None, cut: int = 0) -> bytes:
    """The CALL of `blob` with a compressed value, and whatever it says of its size."""
    value = line.encode("blob", {"payload": bytes(500), "size": 3})
    compressed = codec.compress(value)
    said = len(value) if size is None else size
    number = line.number("blob")
    data = compressed[: len(compressed) - cut]
    return frame(Kind.CALL, 1, number, said, data, flags=COMPRESSED)


@case("15")
async def compressed_call(kit: Kit) -> None:
    """A compressed CALL is what it is without the flag."""
    line = await kit.connect_raw(codec=_codec("snappy"))
    await line.send(_call(line, _codec("snappy")))
    expect("the result of blob", body(3), line.decoded("blob", await line.result(1)))


@case("15")
async def piece_by_piece(kit: Kit) -> None:
    """Of the pieces of a value each is compressed, or not, by itself."""
    codec = _codec("zstd")
    line = await kit.connect_raw(codec=codec)
    value = line.encode("blob", {"payload": bytes(5_000), "size": 3})
    first, second, third = value[:2_000], value[2_000:4_000], value[4_000:]
    await line.send(
        frame(
            Kind.CALL,
            *(1, line.number("blob"), len(first), codec.compress(first)),
            flags=COMPRESSED | MORE,
        ),
        frame(Kind.CALL, 1, second, flags=MORE),
        frame(Kind.CALL, 1, len(third), codec.compress(third), flags=COMPRESSED),
    )
    expect("the result of blob", body(3), line.decoded("blob", await line.result(1)))


@case("15")
async def size_of_nothing(kit: Kit) -> None:
    """A compressed value of no bytes breaks the rules."""
    line = await kit.connect_raw(codec=_codec("snappy"))
    await line.send(_call(line, _codec("snappy"), size=0))
    await line.cut_off(GoawayCode.PROTOCOL_ERROR)


@case("15")
async def size_that_is_too_large(kit: Kit) -> None:
    """A frame that inflates to more than 65,536 bytes: FRAME_SIZE_ERROR."""
    line = await kit.connect_raw(codec=_codec("zstd"))
    await line.send(_call(line, _codec("zstd"), size=MAX_INFLATED_BYTES + 1))
    await line.cut_off(GoawayCode.FRAME_SIZE_ERROR)


@case("15")
async def zstd_of_another_size(kit: Kit) -> None:
    """What zstd inflates to more than its frame says breaks the rules."""
    line = await kit.connect_raw(codec=_codec("zstd"))
    await line.send(_call(line, _codec("zstd"), size=100))
    await line.cut_off(GoawayCode.PROTOCOL_ERROR)


@case("15")
async def snappy_of_another_size(kit: Kit) -> None:
    """What snappy inflates to less than its frame says breaks the rules."""
    line = await kit.connect_raw(codec=_codec("snappy"))
    await line.send(_call(line, _codec("snappy"), size=1_000))
    await line.cut_off(GoawayCode.PROTOCOL_ERROR)


@case("15")
async def zstd_that_is_cut(kit: Kit) -> None:
    """A zstd frame that is cut breaks the rules."""
    line = await kit.connect_raw(codec=_codec("zstd"))
    await line.send(_call(line, _codec("zstd"), cut=1))
    await line.cut_off(GoawayCode.PROTOCOL_ERROR)


@case("15")
async def snappy_that_is_cut(kit: Kit) -> None:
    """A block of snappy that is cut breaks the rules."""
    line = await kit.connect_raw(codec=_codec("snappy"))
    await line.send(_call(line, _codec("snappy"), cut=1))
    await line.cut_off(GoawayCode.PROTOCOL_ERROR)


@case("15")
async def compressed_ping(kit: Kit) -> None:
    """The flag on a kind without a value breaks the rules, also where a codec is in use."""
    line = await kit.connect_raw(codec=_codec("snappy"))
    await line.send(frame(Kind.PING, 1, flags=COMPRESSED))
    await line.cut_off(GoawayCode.PROTOCOL_ERROR)


def _sink(line: RawLine, kit: Kit, call_id: int) -> bytes:
    return line.call(call_id, "sink", key=kit.key(), take=-1, ending="WELL")


def _items(call_id: int, data: bytes, size: int) -> bytes:
    return frame(Kind.ITEMS, call_id, ITEM_COUNT.pack(1), size, data, flags=COMPRESSED)


@case("15")
async def context_that_ends(kit: Kit) -> None:
    """A zstd frame of items that ends breaks the rules: a context is never ended."""
    codec = _codec("zstd")
    line = await kit.connect_raw(codec=codec)
    one = line.item(item(0, 100))
    await line.send(_sink(line, kit, 1), _items(1, codec.compress(one), len(one)))
    await line.cut_off(GoawayCode.PROTOCOL_ERROR)


@case("15")
async def too_many_contexts(kit: Kit) -> None:
    """A context above maxContexts breaks the rules."""
    codec = _codec("zstd")
    assert isinstance(codec, Zstd)
    line = await kit.connect_raw(codec=codec)
    calls = line.limits.max_contexts + 1
    if calls > min(line.limits.max_streamed_calls, line.limits.max_calls, 200):
        raise Skipped(f"the server takes no {calls} calls that stream, or more than 200")
    one = line.item(item(0, 100))
    for call_id in range(1, calls + 1):
        data = codec.encoder()(one)
        await line.send(_sink(line, kit, call_id), _items(call_id, data, len(one)))
    await line.cut_off(GoawayCode.PROTOCOL_ERROR)


@case("15")
async def compressed_items_of_an_ended_call(kit: Kit) -> None:
    """Items of a call that has ended are dropped by their size, and need not inflate."""
    line = await kit.connect_raw(codec=_codec("zstd"))
    await line.send(line.call(1, "sink", key=kit.key(), take=0, ending="WELL"))
    await line.result(1)
    await line.send(_items(1, b"not zstd at all", 1_000))
    await line.ping(5)
