"""Calls that the client ends early."""

from __future__ import annotations

import trio

from avrpc.conformance.interface import body, item
from avrpc.conformance.kit import Kit
from avrpc.conformance.raw import frame, items_frame
from avrpc.conformance.registry import case
from avrpc.conformance.verdict import expect, expect_true
from avrpc.wire import ResultReceived, StatusCode
from avrpc.wire.frames import Kind

_LONG_MS = 60_000
_CLEANUP_MS = 50


@case("10")
async def cancel_after_begin(kit: Kit) -> None:
    """CANCEL ends the handler of a unary call; STATUS CANCELLED, STARTED."""
    line = await kit.connect()
    key = kit.key()
    call = await line.open("hold", key=key)
    await line.wait_count(key)
    await call.cancel()
    await call.status(StatusCode.CANCELLED, started=True)


@case("10")
async def cancel_after_first_item(kit: Kit) -> None:
    """CANCEL ends a streamed response."""
    line = await kit.connect()
    key = kit.key()
    call = await line.open("source", key=key, count=1, size=8, ending="WAIT")
    expect("the first item", item(0, 8), await call.item())
    await call.cancel()
    await call.status(StatusCode.CANCELLED, started=True)
    expect("the fate of the handler", "STOPPED", await line.call("fate", key=key))


@case("10")
async def cancel_without_credit(kit: Kit) -> None:
    """CANCEL ends a handler that waits for credit."""
    line = await kit.connect(limits={"windowBytes": 1024})
    key = kit.key()
    call = await line.open("source", key=key, count=100, size=100, ending="WELL")
    await call.item()
    await call.cancel()
    await call.status(StatusCode.CANCELLED, started=True)
    expect("the fate of the handler", "STOPPED", await line.call("fate", key=key))


@case("10")
async def cancel_request_stream(kit: Kit) -> None:
    """CANCEL ends a streamed request, and is no END: the handler does not take it for one."""
    line = await kit.connect()
    key = kit.key()
    call = await line.open("sink", key=key, take=-1, ending="WELL")
    await call.send(item(0, 8))
    await line.wait_count(key)
    await call.cancel()
    await call.status(StatusCode.CANCELLED)
    expect("the fate of the handler", "STOPPED", await line.call("fate", key=key))


@case("10")
async def cancel_both_ways(kit: Kit) -> None:
    """CANCEL ends a call that streams both ways."""
    line = await kit.connect()
    key = kit.key()
    call = await line.open("ping_pong", key=key, take=-1, ending="WELL")
    await call.send(item(0, 8))
    await call.item()
    await call.cancel()
    await call.status(StatusCode.CANCELLED, started=True)
    expect("the fate of the handler", "STOPPED", await line.call("fate", key=key))


@case("10")
async def cancel_waits_for_the_handler(kit: Kit) -> None:
    """The server answers a CANCEL once the handler has really ended, not before."""
    line = await kit.connect()
    key = kit.key()
    call = await line.open("sleep", key=key, ms=_LONG_MS, cleanup_ms=_CLEANUP_MS)
    await line.wait_count(key)
    begin = trio.current_time()
    await call.cancel()
    await call.status(StatusCode.CANCELLED, started=True)
    waited = (trio.current_time() - begin) * 1000
    enough = waited > _CLEANUP_MS - 2
    expect_true(f"an answer after {_CLEANUP_MS} ms", f"after {waited:.1f} ms", holds=enough)
    expect("the fate of the handler", "STOPPED", await line.call("fate", key=key))


@case("10")
async def cancel_right_behind_the_call(kit: Kit) -> None:
    """CALL and CANCEL in one segment come to one outcome."""
    line = await kit.connect_raw()
    await line.send(line.call(1, "hold", key=kit.key()), frame(Kind.CANCEL, 1))
    await line.status(1, StatusCode.CANCELLED)


@case("10")
async def cancel_of_a_call_that_has_ended(kit: Kit) -> None:
    """A CANCEL that crosses the outcome is dropped."""
    line = await kit.connect_raw()
    await line.send(line.call(1, "empty"))
    await line.result(1)
    await line.send(frame(Kind.CANCEL, 1))


@case("10")
async def cancel_before_end(kit: Kit) -> None:
    """Items that the client sent before its CANCEL are no reason to answer twice."""
    line = await kit.connect_raw()
    await line.send(
        line.call(1, "sink", key=kit.key(), take=-1, ending="WELL"),
        items_frame(1, line.item(item(0, 8))),
        frame(Kind.CANCEL, 1),
    )
    await line.status(1, StatusCode.CANCELLED)


@case("10")
async def cancel_of_a_large_result(kit: Kit) -> None:
    """A CANCEL while the result is on its way leads to that result, or to STATUS CANCELLED."""
    line = await kit.connect()
    for _ in range(5):
        call = await line.open("blob", payload=b"", size=1_000_000)
        await call.cancel()
        if isinstance(await call.ended(), ResultReceived):
            expect("a result of 1,000,000 bytes", body(1_000_000), await call.result())
        else:
            await call.status(StatusCode.CANCELLED)


@case("10")
async def cancel_one_of_many(kit: Kit) -> None:
    """CANCEL ends its own call, and no other."""
    line = await kit.connect()
    key = kit.key()
    calls = [await line.open("hold", key=key) for _ in range(5)]
    await calls[2].cancel()
    await calls[2].status(StatusCode.CANCELLED)
    await line.call("release", key=key)
    for number in (0, 1, 3, 4):
        await calls[number].result()


@case("10")
async def cancel_frees_the_slot(kit: Kit) -> None:
    """A call that was cancelled and answered no longer counts."""
    line = await kit.connect()
    for _ in range(2 * min(line.limits.max_streamed_calls, 100)):
        call = await line.open("source", key=kit.key(), count=0, size=0, ending="WAIT")
        await call.cancel()
        await call.status(StatusCode.CANCELLED)
