"""Many calls on one connection."""

from __future__ import annotations

from avrpc.conformance.interface import body, item
from avrpc.conformance.kit import Kit
from avrpc.conformance.registry import case
from avrpc.conformance.verdict import Skipped, expect
from avrpc.wire import GoawayCode, StatusCode

_MOST_TRIED = 4096


@case("2")
async def calls_interleave(kit: Kit) -> None:
    """A call that waits for a later one on the same connection is answered: nothing takes turns."""
    line = await kit.connect()
    key = kit.key()
    held = await line.open("hold", key=key)
    await line.wait_count(key)
    await line.call("release", key=key)
    await held.result()


@case("2")
async def streams_interleave(kit: Kit) -> None:
    """Two streams and a call go on beside each other, item by item."""
    line = await kit.connect()
    one = await line.open("ping_pong", key=kit.key(), take=-1, ending="WELL")
    two = await line.open("ping_pong", key=kit.key(), take=-1, ending="WELL")
    for number in range(10):
        await one.send(item(number, 8))
        await two.send(item(number, 9))
        expect("an item of the second stream", item(number, 9), await two.item())
        expect("the result of a call", None, await line.call("empty"))
        expect("an item of the first stream", item(number, 8), await one.item())
    for call in (one, two):
        await call.end()
        await call.result()


@case("7")
async def hundred_calls_at_once(kit: Kit) -> None:
    """Each of a hundred calls gets its own answer."""
    line = await kit.connect()
    count = min(100, line.limits.max_calls)
    calls = [await line.open("blob", payload=b"", size=size) for size in range(count)]
    for size, call in enumerate(calls):
        expect(f"{size} bytes", body(size), await call.result())


@case("7")
async def every_slot(kit: Kit) -> None:
    """As many calls as announced may be open, and another one when one has ended."""
    line = await kit.connect()
    limit = _limit(line.limits.max_calls)
    key = kit.key()
    calls = [await line.open("hold", key=key) for _ in range(limit)]
    await calls[0].cancel()
    await calls[0].status(StatusCode.CANCELLED)
    await line.call("release", key=key)
    for call in calls[1:]:
        await call.result()


@case("7")
async def too_many_calls(kit: Kit) -> None:
    """A call beyond the slots breaks the rules."""
    line = await kit.connect_raw()
    limit = _limit(line.limits.max_calls)
    key = kit.key()
    await line.send(*(line.call(call_id, "hold", key=key) for call_id in range(1, limit + 2)))
    await line.cut_off(GoawayCode.PROTOCOL_ERROR)


@case("7")
async def too_many_streamed_calls(kit: Kit) -> None:
    """A streamed call beyond the slots of those breaks the rules."""
    line = await kit.connect_raw()
    limit = _limit(line.limits.max_streamed_calls)
    key = kit.key()
    value = line.encode("source", {"key": key, "count": 0, "size": 0, "ending": "WAIT"})
    await line.send(*(line.call(call_id, "source", value=value) for call_id in range(1, limit + 1)))
    await line.ping(1)
    await line.send(line.call(limit + 1, "source", value=value))
    await line.cut_off(GoawayCode.PROTOCOL_ERROR)


def _limit(announced: int) -> int:
    if announced > _MOST_TRIED:
        raise Skipped(f"the server announced too many slots to try: {announced}")
    return announced
