"""Frames that break the rules of a call, or of its credit."""

from __future__ import annotations

from avrpc.conformance.interface import item
from avrpc.conformance.kit import Kit
from avrpc.conformance.raw import RawLine, frame, items_frame
from avrpc.conformance.registry import case
from avrpc.conformance.verdict import Skipped
from avrpc.wire import GoawayCode
from avrpc.wire.credit import MAX_CREDIT
from avrpc.wire.frames import Kind

_LARGEST_WINDOW = 4 * 1024 * 1024


async def _cut_off(
    line: RawLine, *sent: bytes, code: GoawayCode = GoawayCode.PROTOCOL_ERROR
) -> None:
    """Send frames of which the last one breaks a rule."""
    await line.send(*sent)
    await line.cut_off(code)


def _held(line: RawLine, kit: Kit) -> bytes:
    """A call that is not answered."""
    return line.call(1, "hold", key=kit.key())


def _source(line: RawLine, kit: Kit) -> bytes:
    """A streamed response that goes on."""
    return line.call(1, "source", key=kit.key(), count=0, size=0, ending="WAIT")


def _sink(line: RawLine, kit: Kit, take: int = 0) -> bytes:
    """A streamed request that goes on, and of which so many items are taken."""
    return line.call(1, "sink", key=kit.key(), take=take, ending="WAIT")


@case("7")
async def call_id_twice(kit: Kit) -> None:
    """A CALL with the id of a call that is open breaks the rules."""
    line = await kit.connect_raw()
    await _cut_off(line, _held(line, kit), _held(line, kit))


@case("10")
async def call_id_of_an_ended_call(kit: Kit) -> None:
    """A CALL with the id of a call that has ended breaks the rules."""
    line = await kit.connect_raw()
    await line.send(line.call(1, "empty"))
    await line.result(1)
    await _cut_off(line, line.call(1, "empty"))


@case("12")
async def call_id_left_out(kit: Kit) -> None:
    """A CALL that leaves out an id breaks the rules."""
    line = await kit.connect_raw()
    await _cut_off(line, line.call(2, "empty"))


@case("7")
async def call_id_zero(kit: Kit) -> None:
    """A CALL with the id 0 breaks the rules: the first one is 1."""
    line = await kit.connect_raw()
    await _cut_off(line, line.call(0, "empty"))


@case("7")
async def call_id_below_zero(kit: Kit) -> None:
    """A CALL with an id below 0 breaks the rules."""
    line = await kit.connect_raw()
    await _cut_off(line, line.call(-1, "empty"))


@case("12")
async def message_number_too_high(kit: Kit) -> None:
    """A message number above the last one breaks the rules."""
    line = await kit.connect_raw()
    await _cut_off(line, frame(Kind.CALL, 1, 1000))


@case("12")
async def message_number_below_zero(kit: Kit) -> None:
    """A message number below 0 breaks the rules."""
    line = await kit.connect_raw()
    await _cut_off(line, frame(Kind.CALL, 1, -1))


@case("7")
async def frame_for_no_call(kit: Kit) -> None:
    """A frame for a call that was never opened breaks the rules."""
    line = await kit.connect_raw()
    await _cut_off(line, frame(Kind.CANCEL, 1))


@case("6")
async def result_from_the_client(kit: Kit) -> None:
    """A RESULT from the client breaks the rules."""
    line = await kit.connect_raw()
    await _cut_off(line, _held(line, kit), frame(Kind.RESULT, 1))


@case("6")
async def status_from_the_client(kit: Kit) -> None:
    """A STATUS from the client breaks the rules."""
    line = await kit.connect_raw()
    await _cut_off(line, _held(line, kit), frame(Kind.STATUS, 1, 1, b"\0"))


@case("7")
async def items_where_none_stream(kit: Kit) -> None:
    """ITEMS of a message that streams no request break the rules."""
    line = await kit.connect_raw()
    await _cut_off(line, _held(line, kit), items_frame(1, b"\0"))


@case("7")
async def end_where_none_stream(kit: Kit) -> None:
    """An END of a message that streams no request breaks the rules."""
    line = await kit.connect_raw()
    await _cut_off(line, _held(line, kit), frame(Kind.END, 1))


@case("7")
async def credit_where_none_stream(kit: Kit) -> None:
    """CREDIT for a response that does not stream breaks the rules."""
    line = await kit.connect_raw()
    await _cut_off(line, _sink(line, kit), frame(Kind.CREDIT, 1, 10))


@case("7")
async def items_behind_end(kit: Kit) -> None:
    """ITEMS behind END break the rules."""
    line = await kit.connect_raw()
    sent = frame(Kind.END, 1), items_frame(1, line.item(item(0, 8)))
    await _cut_off(line, _sink(line, kit), *sent)


@case("7")
async def end_twice(kit: Kit) -> None:
    """A second END breaks the rules."""
    line = await kit.connect_raw()
    await _cut_off(line, _sink(line, kit), frame(Kind.END, 1), frame(Kind.END, 1))


@case("8")
async def items_of_count_zero(kit: Kit) -> None:
    """ITEMS with a count of 0 break the rules."""
    line = await kit.connect_raw()
    await _cut_off(line, _sink(line, kit), items_frame(1, b"", count=0))


@case("8")
async def items_of_too_high_a_count(kit: Kit) -> None:
    """ITEMS with a count above the number of bytes behind it break the rules."""
    line = await kit.connect_raw()
    await _cut_off(line, _sink(line, kit), items_frame(1, b"\0\0", count=3))


@case("6")
async def items_without_count(kit: Kit) -> None:
    """ITEMS without a count break the rules."""
    line = await kit.connect_raw()
    await _cut_off(line, _sink(line, kit), frame(Kind.ITEMS, 1, b"\0"))


@case("8")
async def items_without_credit(kit: Kit) -> None:
    """A sender that overruns its credit is cut off: FLOW_CONTROL_ERROR."""
    line = await kit.connect_raw()
    window = line.limits.window_bytes
    if window > _LARGEST_WINDOW:
        raise Skipped(f"the server's window is too large to fill: {window} bytes")
    one = line.item(item(0, min(window, line.limits.max_frame_bytes - 100)))
    await line.send(_sink(line, kit), *[items_frame(1, one)] * (window // len(one) + 1))
    await line.ping(1)
    await _cut_off(line, items_frame(1, one), code=GoawayCode.FLOW_CONTROL_ERROR)


@case("8")
async def credit_of_zero(kit: Kit) -> None:
    """A CREDIT of 0 breaks the rules: FLOW_CONTROL_ERROR."""
    line = await kit.connect_raw()
    sent = _source(line, kit), frame(Kind.CREDIT, 1, 0)
    await _cut_off(line, *sent, code=GoawayCode.FLOW_CONTROL_ERROR)


@case("8")
async def credit_below_zero(kit: Kit) -> None:
    """A CREDIT below 0 breaks the rules: FLOW_CONTROL_ERROR."""
    line = await kit.connect_raw()
    sent = _source(line, kit), frame(Kind.CREDIT, 1, -1)
    await _cut_off(line, *sent, code=GoawayCode.FLOW_CONTROL_ERROR)


@case("8")
async def credit_of_too_much(kit: Kit) -> None:
    """A CREDIT that makes more than 2,147,483,647 in all breaks the rules."""
    line = await kit.connect_raw(limits={"windowBytes": 1024})
    sent = _source(line, kit), frame(Kind.CREDIT, 1, MAX_CREDIT - 1024 + 1)
    await _cut_off(line, *sent, code=GoawayCode.FLOW_CONTROL_ERROR)


@case("8")
async def credit_of_all_there_is(kit: Kit) -> None:
    """A CREDIT that makes exactly 2,147,483,647 is taken."""
    line = await kit.connect_raw(limits={"windowBytes": 1024})
    await line.send(_source(line, kit), frame(Kind.CREDIT, 1, MAX_CREDIT - 1024))
    await line.ping(1)
