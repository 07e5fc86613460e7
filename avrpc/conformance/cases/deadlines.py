"""How long a caller waits, as the server knows it."""

from __future__ import annotations

import trio

from avrpc.conformance.interface import body, item
from avrpc.conformance.kit import Kit
from avrpc.conformance.raw import frame
from avrpc.conformance.registry import case
from avrpc.conformance.verdict import expect, expect_true
from avrpc.wire import StatusCode
from avrpc.wire.frames import DEADLINE, MORE, Kind

_MS_LEFT = 50
_LONG_MS = 60_000


@case("10")
async def timeout_on_sleeping_server(kit: Kit) -> None:
    """At its deadline a handler is ended, and the call with STATUS DEADLINE_EXCEEDED, STARTED."""
    line = await kit.connect()
    key = kit.key()
    call = await line.open("sleep", key=key, ms=_LONG_MS, cleanup_ms=0, ms_left=_MS_LEFT)
    await call.status(StatusCode.DEADLINE_EXCEEDED, started=True)
    expect("the fate of the handler", "STOPPED", await line.call("fate", key=key))


@case("10")
async def deadline_is_not_early(kit: Kit) -> None:
    """The time left is a length of time: the call has all of it."""
    line = await kit.connect()
    begin = trio.current_time()
    call = await line.open("sleep", key=kit.key(), ms=_LONG_MS, cleanup_ms=0, ms_left=_MS_LEFT)
    await call.status(StatusCode.DEADLINE_EXCEEDED)
    waited = (trio.current_time() - begin) * 1000
    # A server may count whole milliseconds.
    expect_true(
        f"an end after {_MS_LEFT} ms", f"after {waited:.1f} ms", holds=waited > _MS_LEFT - 2
    )


@case("10")
async def call_within_its_deadline(kit: Kit) -> None:
    """A call that is quicker than its deadline is answered as without one."""
    line = await kit.connect()
    call = await line.open("sleep", key=kit.key(), ms=10, cleanup_ms=0, ms_left=_LONG_MS)
    await call.result()


@case("10")
async def deadline_of_zero(kit: Kit) -> None:
    """With no time left the handler is not run at all: no STARTED."""
    await _not_run(kit, 0)


@case("10")
async def deadline_below_zero(kit: Kit) -> None:
    """With less than no time left the handler is not run either."""
    await _not_run(kit, -5_000)


async def _not_run(kit: Kit, ms_left: int) -> None:
    line = await kit.connect()
    key = kit.key()
    call = await line.open("note", key=key, ms_left=ms_left)
    await call.status(StatusCode.DEADLINE_EXCEEDED, started=False)
    expect("how often the handler ran", 0, await line.call("count", key=key))


@case("10")
async def deadline_of_centuries(kit: Kit) -> None:
    """The largest long is a legal number of milliseconds."""
    line = await kit.connect()
    call = await line.open("empty", ms_left=2**63 - 1)
    expect("the result", None, await call.result())


@case("10")
async def deadline_counts_from_the_last_piece(kit: Kit) -> None:
    """The time left counts from when the CALL is complete, and not from its first piece."""
    line = await kit.connect_raw()
    value = line.encode("blob", {"payload": body(2000), "size": 3})
    fields = line.number("blob"), 3 * _MS_LEFT, value[:1500]
    await line.send(frame(Kind.CALL, 1, *fields, flags=MORE | DEADLINE))
    await trio.sleep(4 * _MS_LEFT / 1000)
    await line.send(frame(Kind.CALL, 1, value[1500:]))
    expect("the result", body(3), line.decoded("blob", await line.result(1)))


@case("10")
async def deadline_reaches_the_handler(kit: Kit) -> None:
    """The handler can know the time left, to hand it on."""
    line = await kit.connect()
    left = await (await line.open("time_left", ms_left=_LONG_MS)).result()
    expect_true(f"at most {_LONG_MS} ms left, and nearly so", left, holds=0 < left <= _LONG_MS)
    expect("the time left of a call without deadline", -1, await line.call("time_left"))


@case("10")
async def deadline_of_a_response_stream(kit: Kit) -> None:
    """At its deadline a streamed response ends, after the items that were sent."""
    line = await kit.connect()
    key = kit.key()
    call = await line.open("source", key=key, count=2, size=8, ending="WAIT", ms_left=_MS_LEFT)
    await call.status(StatusCode.DEADLINE_EXCEEDED, started=True)
    expect("the items that came", 2, call.items_here)
    expect("the fate of the handler", "STOPPED", await line.call("fate", key=key))


@case("10")
async def deadline_without_credit(kit: Kit) -> None:
    """At its deadline a streamed response ends that waits for credit."""
    line = await kit.connect(limits={"windowBytes": 1024})
    call = await line.open(
        "source", key=kit.key(), count=100, size=100, ending="WELL", ms_left=_MS_LEFT
    )
    await call.status(StatusCode.DEADLINE_EXCEEDED, started=True)


@case("10")
async def deadline_of_a_request_stream(kit: Kit) -> None:
    """At its deadline a handler is ended that waits for items."""
    line = await kit.connect()
    key = kit.key()
    call = await line.open("sink", key=key, take=-1, ending="WELL", ms_left=_MS_LEFT)
    await call.send(item(0, 8))
    await call.status(StatusCode.DEADLINE_EXCEEDED, started=True)
    expect("the fate of the handler", "STOPPED", await line.call("fate", key=key))
