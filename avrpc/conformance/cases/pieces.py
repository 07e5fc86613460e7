"""Values that are larger than a frame."""

from __future__ import annotations

from avrpc.conformance.interface import body, item
from avrpc.conformance.kit import Kit
from avrpc.conformance.raw import RawLine, frame, items_frame
from avrpc.conformance.registry import case
from avrpc.conformance.verdict import Skipped, expect, expect_true
from avrpc.wire import GoawayCode, StatusCode, StatusReceived
from avrpc.wire.frames import ITEM_COUNT, MORE, Kind

_LEAST = 1024  # of a value, in a piece that is not the last
_LARGEST_TRIED = 16 * 1024 * 1024
_MOST_TRIED = 1000


def _pieces(line: RawLine, call_id: int, size: int) -> list[bytes]:
    """The CALL of a `blob` with a payload, in the smallest pieces."""
    value = line.encode("blob", {"payload": body(size), "size": 3})
    parts = [value[at : at + _LEAST] for at in range(0, len(value), _LEAST)]
    first = frame(Kind.CALL, call_id, line.number("blob"), parts[0], flags=MORE)
    later = [frame(Kind.CALL, call_id, part, flags=MORE) for part in parts[1:-1]]
    return [first, *later, frame(Kind.CALL, call_id, parts[-1])]


@case("9")
async def parameters_in_small_pieces(kit: Kit) -> None:
    """Any value of more than 1,024 bytes may come in pieces, however small it is."""
    line = await kit.connect_raw()
    await line.send(*_pieces(line, 1, 5000))
    expect("the result", body(3), line.decoded("blob", await line.result(1)))


@case("9")
async def calls_between_pieces(kit: Kit) -> None:
    """Between the pieces of a call others are opened, and answered before it is complete."""
    line = await kit.connect_raw()
    line.require_calls(2)
    first, *later = _pieces(line, 1, 5000)
    await line.send(first, line.call(2, "empty"))
    await line.result(2)
    for number, piece in enumerate(later):
        await line.send(line.call(3 + number, "empty"), piece)
    await line.result(1)
    await line.result(2 + len(later))


@case("9")
async def pieces_of_two_calls_take_turns(kit: Kit) -> None:
    """Pieces of several values are told apart by the call."""
    line = await kit.connect_raw()
    if line.limits.max_values_in_pieces < 2:
        raise Skipped("the server takes one value in pieces at a time")
    one, two = _pieces(line, 1, 5000), _pieces(line, 2, 5001)
    turns = [piece for pair in zip(one, two, strict=True) for piece in pair]
    await line.send(*turns)
    for call_id in (1, 2):
        expect("the result", body(3), line.decoded("blob", await line.result(call_id)))


@case("9")
async def item_in_pieces(kit: Kit) -> None:
    """An item may come in pieces, with CREDIT of the same call between them."""
    line = await kit.connect_raw()
    value = line.item(item(0, 3000))
    count = ITEM_COUNT.pack(1)
    await line.send(
        line.call(1, "ping_pong", key=kit.key(), take=1, ending="WELL"),
        frame(Kind.ITEMS, 1, count, value[:1500], flags=MORE),
        frame(Kind.CREDIT, 1, 100),
        frame(Kind.ITEMS, 1, value[1500:]),
    )
    expect("the value of RESULT", b"", await line.result(1))


@case("9")
async def answers_fit_the_frame(kit: Kit) -> None:
    """The server sends no frame larger than what the client announced."""
    line = await kit.connect(limits={"maxFrameBytes": 16_384})
    came = await line.call("blob", payload=b"", size=100_000)
    expect("a result of 100,000 bytes", body(100_000), came)
    call = await line.open("source", key=kit.key(), count=3, size=50_000, ending="WELL")
    expect("three items", [item(number, 50_000) for number in range(3)], await call.items())


@case("9")
async def one_value_in_pieces_at_a_time(kit: Kit) -> None:
    """The server has no more values in pieces under way than the client announced."""
    line = await kit.connect(limits={"maxValuesInPieces": 1, "maxFrameBytes": 16_384})
    calls = [await line.open("blob", payload=b"", size=200_000) for _ in range(4)]
    for call in calls:
        expect("a result of 200,000 bytes", body(200_000), await call.result())


@case("9")
async def values_larger_than_the_client_takes(kit: Kit) -> None:
    """The server sends no value larger than announced: the call ends with a STATUS."""
    line = await kit.connect(limits={"maxMessageBytes": 20_000})
    call = await line.open("blob", payload=b"", size=30_000)
    outcome = await call.ended()
    kind = type(outcome).__name__
    expect_true(
        "STATUS, as the result is too large", kind, holds=isinstance(outcome, StatusReceived)
    )
    stream = await line.open("source", key=kit.key(), count=1, size=30_000, ending="WELL")
    outcome = await stream.ended()
    kind = type(outcome).__name__
    expect_true("STATUS, as the item is too large", kind, holds=isinstance(outcome, StatusReceived))


@case("9")
async def largest_value(kit: Kit) -> None:
    """A value of exactly the server's limit is taken."""
    line = await kit.connect()
    call = await line.open("blob", payload=body(_to_fill(line.limits.max_message_bytes)), size=3)
    expect("the result", body(3), await call.result())


def _to_fill(limit: int) -> int:
    """The size of a payload whose parameters, with size=3, take the limit."""
    if limit > _LARGEST_TRIED:
        raise Skipped(f"the server's limit is too large to try: {limit} bytes")
    rest = limit - 1  # the size
    for length_bytes in range(1, 6):
        if (rest - length_bytes) < 1 << (7 * length_bytes - 1):
            return rest - length_bytes
    raise AssertionError("five bytes hold any length that is tried")


@case("9")
async def value_that_is_too_large(kit: Kit) -> None:
    """A value beyond the server's limit ends its call with RESOURCE_EXHAUSTED, and no more."""
    line = await kit.connect_raw()
    size = _to_fill(line.limits.max_message_bytes) + 1
    value = line.encode("blob", {"payload": body(size), "size": 3})
    step = line.limits.max_frame_bytes - 100
    parts = [value[at : at + step] for at in range(0, len(value), step)]
    await line.send(frame(Kind.CALL, 1, line.number("blob"), parts[0], flags=MORE))
    await line.send(*(frame(Kind.CALL, 1, part, flags=MORE) for part in parts[1:-1]))
    await line.send(frame(Kind.CALL, 1, parts[-1]))
    await line.status(1, StatusCode.RESOURCE_EXHAUSTED)
    await line.send(line.call(2, "empty"))
    await line.result(2)


@case("10")
async def cancel_between_pieces(kit: Kit) -> None:
    """CANCEL amid the pieces of a CALL: STATUS CANCELLED without STARTED, and its place is free."""
    line = await kit.connect_raw()
    for call_id in range(1, 2 * min(line.limits.max_values_in_pieces, 100) + 1):
        await line.send(_pieces(line, call_id, 5000)[0], frame(Kind.CANCEL, call_id))
        status = await line.status(call_id, StatusCode.CANCELLED)
        expect("STARTED", False, status.started)


@case("10")
async def cancel_between_pieces_of_an_item(kit: Kit) -> None:
    """CANCEL amid the pieces of an item discards the half."""
    line = await kit.connect_raw()
    await line.send(
        line.call(1, "sink", key=kit.key(), take=-1, ending="WELL"),
        frame(Kind.ITEMS, 1, ITEM_COUNT.pack(1), bytes(_LEAST), flags=MORE),
        frame(Kind.CANCEL, 1),
    )
    await line.status(1, StatusCode.CANCELLED)


@case("10")
async def pieces_of_an_item_cross_the_end(kit: Kit) -> None:
    """The rest of an item whose call has ended meanwhile is dropped."""
    line = await kit.connect_raw()
    value = line.item(item(1, 3000))
    await line.send(
        line.call(1, "sink", key=kit.key(), take=1, ending="WELL"),
        items_frame(1, line.item(item(0, 8))),
        frame(Kind.ITEMS, 1, ITEM_COUNT.pack(1), value[:1500], flags=MORE),
    )
    await line.result(1)
    await line.send(frame(Kind.ITEMS, 1, value[1500:]), frame(Kind.END, 1))


@case("9")
async def short_piece(kit: Kit) -> None:
    """A piece of fewer than 1,024 bytes that is not the last breaks the rules."""
    line = await kit.connect_raw()
    value = bytes(_LEAST - 1)
    await line.send(frame(Kind.CALL, 1, line.number("blob"), value, flags=MORE))
    await line.cut_off(GoawayCode.PROTOCOL_ERROR)


@case("9")
async def empty_last_piece(kit: Kit) -> None:
    """A last piece of no bytes breaks the rules."""
    line = await kit.connect_raw()
    await line.send(_pieces(line, 1, 5000)[0], frame(Kind.CALL, 1))
    await line.cut_off(GoawayCode.PROTOCOL_ERROR)


@case("9")
async def fields_in_a_later_piece(kit: Kit) -> None:
    """A later piece with another flag than MORE breaks the rules."""
    line = await kit.connect_raw()
    first, second, *_ = _pieces(line, 1, 5000)
    with_metadata = bytes([second[0] | 0x20]) + second[1:]
    await line.send(first, with_metadata)
    await line.cut_off(GoawayCode.PROTOCOL_ERROR)


@case("9")
async def end_between_pieces(kit: Kit) -> None:
    """An END of the same call between the pieces of an item breaks the rules."""
    line = await kit.connect_raw()
    await line.send(
        line.call(1, "sink", key=kit.key(), take=-1, ending="WELL"),
        frame(Kind.ITEMS, 1, ITEM_COUNT.pack(1), bytes(_LEAST), flags=MORE),
        frame(Kind.END, 1),
    )
    await line.cut_off(GoawayCode.PROTOCOL_ERROR)


@case("9")
async def two_items_in_pieces(kit: Kit) -> None:
    """An item in pieces that is not alone in its ITEMS breaks the rules."""
    line = await kit.connect_raw()
    await line.send(
        line.call(1, "sink", key=kit.key(), take=-1, ending="WELL"),
        frame(Kind.ITEMS, 1, ITEM_COUNT.pack(2), bytes(_LEAST), flags=MORE),
    )
    await line.cut_off(GoawayCode.PROTOCOL_ERROR)


@case("9")
async def too_many_values_in_pieces(kit: Kit) -> None:
    """More values in pieces at once than the server announced break the rules."""
    line = await kit.connect_raw()
    limit = line.limits.max_values_in_pieces
    if limit > _MOST_TRIED:
        raise Skipped(f"the server takes too many values in pieces to try: {limit}")
    line.require_calls(limit + 1)
    await line.send(*(_pieces(line, call_id, 2000)[0] for call_id in range(1, limit + 1)))
    await line.ping(1)
    await line.send(_pieces(line, limit + 1, 2000)[0])
    await line.cut_off(GoawayCode.PROTOCOL_ERROR)
