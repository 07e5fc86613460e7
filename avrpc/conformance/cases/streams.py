"""Arrays that are sent item by item."""

from __future__ import annotations

from avrpc.conformance.interface import item
from avrpc.conformance.kit import Kit
from avrpc.conformance.raw import frame, items_frame
from avrpc.conformance.registry import case
from avrpc.conformance.verdict import expect
from avrpc.wire.frames import Kind


def _summary(count: int, size: int) -> dict[str, object]:
    return {"count": count, "bytes": count * size, "in_order": True}


@case("8")
async def response_stream(kit: Kit) -> None:
    """Items of the response come in order, and RESULT without a value ends them."""
    line = await kit.connect()
    call = await line.open("source", key=kit.key(), count=100, size=20, ending="WELL")
    expect("100 items", [item(number, 20) for number in range(100)], await call.items())
    await call.result()


@case("8")
async def empty_response_stream(kit: Kit) -> None:
    """A response without items is a RESULT alone."""
    line = await kit.connect()
    call = await line.open("source", key=kit.key(), count=0, size=0, ending="WELL")
    expect("the items", [], await call.items())
    expect("bytes of items", 0, call.bytes_came)
    await call.result()


@case("8")
async def long_response_stream(kit: Kit) -> None:
    """A response of several windows comes whole, as credit is given back."""
    line = await kit.connect(limits={"windowBytes": 4096})
    call = await line.open("source", key=kit.key(), count=400, size=100, ending="WELL")
    expect("400 items", [item(number, 100) for number in range(400)], await call.items())


@case("8")
async def request_stream(kit: Kit) -> None:
    """Items of the request arrive in order, and END ends them."""
    line = await kit.connect()
    call = await line.open("sink", key=kit.key(), take=-1, ending="WELL")
    await call.send(*(item(number, 20) for number in range(100)))
    await call.end()
    expect("the summary", _summary(100, 20), await call.result())


@case("8")
async def empty_request_stream(kit: Kit) -> None:
    """A request without items is CALL and END."""
    line = await kit.connect()
    call = await line.open("sink", key=kit.key(), take=-1, ending="WELL")
    await call.end()
    expect("the summary", _summary(0, 0), await call.result())


@case("8")
async def empty_stream(kit: Kit) -> None:
    """Streamed both ways, without an item either way."""
    line = await kit.connect()
    call = await line.open("ping_pong", key=kit.key(), take=-1, ending="WELL")
    await call.end()
    expect("the items", [], await call.items())


@case("8")
async def ping_pong(kit: Kit) -> None:
    """Each item comes back before the next one is sent."""
    line = await kit.connect()
    call = await line.open("ping_pong", key=kit.key(), take=-1, ending="WELL")
    for number, size in enumerate((31_415, 9, 2_653, 58_979)):
        await call.send(item(number, size))
        expect("the item that comes back", item(number, size), await call.item())
    await call.end()
    expect("the items after that", [], await call.items())


@case("8")
async def items_together(kit: Kit) -> None:
    """How items are cut into frames means nothing: 100 in one, then one by one."""
    line = await kit.connect()
    call = await line.open("sink", key=kit.key(), take=-1, ending="WELL")
    await call.send_together(*(item(number, 4) for number in range(100)))
    await call.send(*(item(number, 4) for number in range(100, 120)))
    await call.end()
    expect("the summary", _summary(120, 4), await call.result())


@case("8")
async def all_in_one_segment(kit: Kit) -> None:
    """ITEMS and END may come right behind their CALL, without waiting for anything."""
    line = await kit.connect_raw()
    await line.send(
        line.call(1, "sink", key=kit.key(), take=-1, ending="WELL"),
        *(items_frame(1, line.item(item(number, 8))) for number in range(5)),
        frame(Kind.END, 1),
    )
    expect("the summary", _summary(5, 8), line.decoded("sink", await line.result(1)))


@case("8")
async def byte_by_byte(kit: Kit) -> None:
    """Frames that arrive byte by byte are read like any other."""
    line = await kit.connect_raw()
    frames = b"".join(
        (
            line.call(1, "sink", key=kit.key(), take=-1, ending="WELL"),
            items_frame(1, line.item(item(0, 8))),
            frame(Kind.END, 1),
        )
    )
    for position in range(len(frames)):
        await line.send(frames[position : position + 1])
    expect("the summary", _summary(1, 8), line.decoded("sink", await line.result(1)))


@case("10")
async def result_before_end(kit: Kit) -> None:
    """The server need not wait for END, and drops what crosses its outcome."""
    line = await kit.connect_raw()
    one = line.item(item(0, 8))
    await line.send(
        line.call(1, "ping_pong", key=kit.key(), take=1, ending="WELL"), items_frame(1, one)
    )
    expect("the value of RESULT", b"", await line.result(1))
    await line.send(items_frame(1, one), frame(Kind.CREDIT, 1, 5), frame(Kind.END, 1))
    await line.send(frame(Kind.CANCEL, 1))


@case("8")
async def response_before_end(kit: Kit) -> None:
    """Both ways: the server's items end before the client's."""
    line = await kit.connect()
    call = await line.open("ping_pong", key=kit.key(), take=2, ending="WELL")
    await call.send(item(0, 8), item(1, 8))
    expect("the items", [item(0, 8), item(1, 8)], await call.items())


@case("8")
async def response_after_end(kit: Kit) -> None:
    """Both ways: after END the server's items go on."""
    line = await kit.connect()
    call = await line.open("ping_pong", key=kit.key(), take=-1, ending="WELL")
    await call.send_together(*(item(number, 8) for number in range(50)))
    await call.end()
    expect("the items", [item(number, 8) for number in range(50)], await call.items())
