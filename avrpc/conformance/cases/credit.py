"""Flow control: how much of a stream may be under way."""

from __future__ import annotations

from avrpc.conformance.interface import item
from avrpc.conformance.kit import QUIET, Kit
from avrpc.conformance.line import Line
from avrpc.conformance.open_call import OpenCall
from avrpc.conformance.registry import case
from avrpc.conformance.verdict import Skipped, expect, expect_true
from avrpc.wire import StatusCode

_WINDOW = 1024
_BODY = 100
_LARGEST_WINDOW = 4 * 1024 * 1024


@case("8")
async def response_stops_without_credit(kit: Kit) -> None:
    """A reader that takes nothing gets its window, and no item that starts beyond it."""
    line = await kit.connect(limits={"windowBytes": _WINDOW})
    call = await line.open("source", key=kit.key(), count=1000, size=_BODY, ending="WELL")
    # That no item starts without credit, the core sees to.
    await _until_no_credit_is_left(line, call, _WINDOW)
    expect("an outcome, while items are held back", None, call.outcome)


@case("8")
async def response_goes_on_with_credit(kit: Kit) -> None:
    """Credit that is given back is used, and no more than that."""
    line = await kit.connect(limits={"windowBytes": _WINDOW})
    call = await line.open("source", key=kit.key(), count=1000, size=_BODY, ending="WELL")
    given = _WINDOW
    for _ in range(3):
        await _until_no_credit_is_left(line, call, given)
        await call.grant(700)
        given += 700
    await _until_no_credit_is_left(line, call, given)


async def _until_no_credit_is_left(line: Line, call: OpenCall, given: int) -> None:
    async def look() -> bool | None:
        return call.bytes_came >= given or None

    await line.until(look, f"items of {given} bytes, for which there is credit")
    await line.quiet(QUIET)


@case("8")
async def credit_of_a_byte(kit: Kit) -> None:
    """One byte of credit is enough for an item; what it holds beyond is owed."""
    line = await kit.connect(limits={"windowBytes": _WINDOW})
    call = await line.open("source", key=kit.key(), count=1000, size=5000, ending="WELL")
    expect("the first item", item(0, 5000), await call.item())
    await call.grant(call.bytes_came - _WINDOW)
    await line.quiet(QUIET)
    expect("items that came at a credit of 0", 0, call.items_here)
    await call.grant(1)
    expect("the second item", item(1, 5000), await call.item())


@case("8")
async def item_larger_than_the_window(kit: Kit) -> None:
    """No item is too large for a window, in either direction."""
    line = await kit.connect(limits={"windowBytes": _WINDOW})
    call = await line.open("source", key=kit.key(), count=3, size=20_000, ending="WELL")
    expect("three items", [item(number, 20_000) for number in range(3)], await call.items())
    size = min(line.limits.window_bytes + 1, line.limits.max_message_bytes - 100, 1_000_000)
    sink = await line.open("sink", key=kit.key(), take=-1, ending="WELL")
    await sink.send(*(item(number, size) for number in range(3)))
    await sink.end()
    wanted = {"count": 3, "bytes": 3 * size, "in_order": True}
    expect("the summary", wanted, await sink.result())


@case("8")
async def slow_reader_holds_up_no_other(kit: Kit) -> None:
    """A stream without credit stops itself, and neither other streams nor calls."""
    line = await kit.connect(limits={"windowBytes": _WINDOW})
    slow = await line.open("source", key=kit.key(), count=1000, size=_BODY, ending="WELL")
    await slow.item()
    other = await line.open("source", key=kit.key(), count=50, size=_BODY, ending="WELL")
    expect("items of the other stream", 50, len(await other.items()))
    expect("the result of a call", None, await line.call("empty"))
    expect("an outcome of the slow one", None, slow.outcome)


@case("8")
async def request_credit_comes_back(kit: Kit) -> None:
    """A handler that takes items gives their credit back: several windows go through."""
    line = await kit.connect()
    size = _item_size(line)
    count = 2 * line.limits.window_bytes // size + 2
    call = await line.open("sink", key=kit.key(), take=-1, ending="WELL")
    await call.send(*(item(number, size) for number in range(count)))
    await call.end()
    wanted = {"count": count, "bytes": count * size, "in_order": True}
    expect("the summary", wanted, await call.result())


def _item_size(line: Line) -> int:
    """Of a body: small against the window, and large enough that a few hundred fill it."""
    if line.limits.window_bytes > _LARGEST_WINDOW:
        raise Skipped(f"the server's window is too large to fill: {line.limits.window_bytes} bytes")
    return max(line.limits.window_bytes // 64, _BODY)


@case("8")
async def request_credit_is_for_what_was_taken(kit: Kit) -> None:
    """Credit comes back for items that the handler took, and not for those that only came."""
    line = await kit.connect()
    window, size = line.limits.window_bytes, _item_size(line)
    taken = 3 * window // 4 // size
    call = await line.open("sink", key=kit.key(), take=taken, ending="WAIT")
    number = 0
    while call.has_credit and number < 4 * window // size:
        await call.send(item(number, size))
        number += 1
        await line.ping()
    codec = call.message.request_items
    assert codec is not None
    encoded = sum(len(codec.encode(item(n, size))) for n in range(taken))

    async def look() -> bool | None:
        return encoded - call.granted < window // 2 or None

    await line.until(look, f"CREDIT for {encoded} bytes taken, or less by half of a window at most")
    await line.quiet(QUIET)
    expect_true(
        f"at most {encoded} bytes of CREDIT, those of the {taken} items taken",
        call.granted,
        holds=call.granted <= encoded,
    )
    await call.cancel()
    await call.status(StatusCode.CANCELLED)


@case("8")
async def credit_is_counted_for_each_call(kit: Kit) -> None:
    """One call's items take no credit of another."""
    line = await kit.connect()
    size = _item_size(line)
    full = await line.open("sink", key=kit.key(), take=0, ending="WAIT")
    number = 0
    while full.has_credit and number < 100 + line.limits.window_bytes // size:
        await full.send(item(number, size))
        number += 1
    other = await line.open("sink", key=kit.key(), take=-1, ending="WELL")
    await other.send(*(item(n, size) for n in range(70)))
    await other.end()
    wanted = {"count": 70, "bytes": 70 * size, "in_order": True}
    expect("the summary of the other call", wanted, await other.result())
    expect("CREDIT for items that nobody took", 0, full.granted)
    await full.cancel()
    await full.status(StatusCode.CANCELLED)
