"""Connections: PING, GOAWAY, and how they end."""

from __future__ import annotations

from avrpc.conformance.interface import body, item
from avrpc.conformance.kit import QUIET, Kit
from avrpc.conformance.line import Line
from avrpc.conformance.raw import frame, items_frame
from avrpc.conformance.registry import case
from avrpc.conformance.verdict import Skipped, expect
from avrpc.wire import GoawayCode
from avrpc.wire.frames import Kind

_LARGEST = 2**63 - 1


@case("11")
async def ping_is_answered(kit: Kit) -> None:
    """PONG has the value of its PING, whatever it is."""
    line = await kit.connect()
    for value in (0, 1, -1, 2**31, _LARGEST, -_LARGEST - 1):
        await line.ping(value)


@case("11")
async def ping_while_calls_run(kit: Kit) -> None:
    """A PING is answered while a handler runs and a stream waits for credit."""
    line = await kit.connect(limits={"windowBytes": 1024})
    await line.open("hold", key=kit.key())
    stream = await line.open("source", key=kit.key(), count=100, size=100, ending="WELL")
    await stream.item()
    await line.ping(7)


@case("11")
async def many_pings(kit: Kit) -> None:
    """Of 200 PINGs at once the latest is answered, if not all."""
    line = await kit.connect_raw()
    await line.send(*(frame(Kind.PING, value) for value in range(1, 200)))
    await line.ping(200)


@case("11")
async def pong_that_nobody_asked_for(kit: Kit) -> None:
    """A PONG without a PING does no harm."""
    line = await kit.connect_raw()
    await line.send(frame(Kind.PONG, 3))
    await line.ping(4)


@case("12.1")
async def long_in_more_bytes(kit: Kit) -> None:
    """A long may take more bytes than it needs, up to ten."""
    line = await kit.connect_raw()
    await line.send(frame(Kind.PING, b"\x8a" + b"\x80" * 8 + b"\0"))
    await line.pong(5)


@case("11")
async def goodbye_lets_calls_finish(kit: Kit) -> None:
    """After the client's GOAWAY its open calls go on to their outcomes."""
    line, other = await kit.connect(), await kit.connect()
    key = kit.key()
    held = await line.open("hold", key=key)
    stream = await line.open("ping_pong", key=kit.key(), take=-1, ending="WELL")
    await line.say_goodbye()
    await stream.send(item(0, 8))
    expect("an item", item(0, 8), await stream.item())
    await stream.end()
    await stream.result()
    await other.call("release", key=key)
    await held.result()


@case("12.1")
async def call_after_goodbye(kit: Kit) -> None:
    """A CALL after the client's own GOAWAY breaks the rules."""
    line = await kit.connect_raw()
    await line.send(line.call(1, "hold", key=kit.key()))
    await line.send(frame(Kind.GOAWAY, 0, 0, b"\0"), line.call(2, "empty"))
    await line.cut_off(GoawayCode.PROTOCOL_ERROR)


@case("11")
async def lost_connection_ends_handlers(kit: Kit) -> None:
    """When the connection is lost, the handlers of its calls are ended."""
    line, other = await kit.connect_raw(), await kit.connect()
    line.require_calls(3)
    keys = [kit.key() for _ in range(3)]
    await line.send(
        line.call(1, "sleep", key=keys[0], ms=60_000, cleanup_ms=0),
        line.call(2, "source", key=keys[1], count=1, size=8, ending="WAIT"),
        line.call(3, "ping_pong", key=keys[2], take=-1, ending="WELL"),
    )
    for key in keys:
        await other.wait_count(key)
    await line.channel.aclose()
    for key in keys:
        expect("the fate of a handler", "STOPPED", await other.call("fate", key=key))


@case("11")
async def lost_connection_is_no_end(kit: Kit) -> None:
    """A connection that is lost amid a stream is not taken for its END."""
    line, other = await kit.connect_raw(), await kit.connect()
    key = kit.key()
    await line.send(
        line.call(1, "sink", key=key, take=-1, ending="WELL"),
        items_frame(1, line.item(item(0, 8))),
    )
    await other.wait_count(key)
    await line.channel.aclose()
    expect("the fate of the handler", "STOPPED", await other.call("fate", key=key))


@case("11")
async def half_a_frame_then_the_end(kit: Kit) -> None:
    """Half a frame at the end of a connection is not taken for a whole one."""
    line, other = await kit.connect_raw(), await kit.connect()
    key = kit.key()
    whole = line.call(1, "sleep", key=key, ms=0, cleanup_ms=0)
    await line.send(whole[:-1])
    await line.channel.aclose()
    await other.quiet(QUIET)
    expect("how often the handler ran", 0, await other.call("count", key=key))


@case("11")
async def end_of_the_clients_direction(kit: Kit) -> None:
    """A server that reads the end of the stream of bytes closes, too."""
    line = await kit.connect_raw()
    await line.ping(1)
    await line.channel.send_eof()
    await line.channel.wait_ended("the end of the server's direction, too")


@case("2")
async def connections_are_apart(kit: Kit) -> None:
    """Each connection numbers its own calls, and ends alone."""
    one, two, bad = await kit.connect(), await kit.connect(), await kit.connect_raw()
    key = kit.key()
    held = await one.open("hold", key=key)
    await bad.send(frame(15, 0))
    await bad.cut_off(GoawayCode.PROTOCOL_ERROR)
    expect("the result of a call", body(3), await two.call("blob", payload=b"", size=3))
    await two.call("release", key=key)
    await held.result()


@case("11")
async def drain_lets_calls_finish(kit: Kit) -> None:
    """After GOAWAY SHUTDOWN the open calls go on, and then either end closes."""
    line, other = await kit.connect(), await kit.connect()
    key = kit.key()
    held = await line.open("hold", key=key)
    stream = await line.open("ping_pong", key=kit.key(), take=-1, ending="WELL")
    await (await line.open("drain")).ended()
    goaway = await line.goaway_came(GoawayCode.SHUTDOWN)
    expect("the last call accepted", 3, goaway.last_call)
    await stream.send(item(0, 8))
    expect("an item", item(0, 8), await stream.item())
    await stream.end()
    await stream.result()
    await other.call("release", key=key)
    await held.result()


def _require_drain(line: Line) -> None:
    if "drain" not in line.agreed.server.messages:
        raise Skipped("the server has no message drain")


@case("11")
async def drain_runs_no_later_call(kit: Kit) -> None:
    """Calls above the last one that GOAWAY names are not run, and get no outcome."""
    line, other = await kit.connect_raw(), await kit.connect()
    _require_drain(other)
    line.require_calls(2)
    key, late = kit.key(), kit.key()
    await line.send(line.call(1, "hold", key=key), line.call(2, "drain"))
    goaway = await line.goaway(GoawayCode.SHUTDOWN)
    expect("the last call accepted", 2, goaway.last_call)
    call_id = 3
    await line.send(
        line.call(call_id, "note", key=late),
        line.call(call_id + 1, "sink", key=late, take=-1, ending="WELL"),
        items_frame(call_id + 1, line.item(item(0, 8))),
        frame(Kind.END, call_id + 1),
    )
    await line.ping(1)
    await other.call("release", key=key)
    await line.result(1)
    expect("outcomes of later calls", 0, line.outcomes(call_id) + line.outcomes(call_id + 1))
    expect("how often a later call ran", 0, await other.call("count", key=late))


@case("11")
async def drain_closes(kit: Kit) -> None:
    """A connection that drains, and on which no call is open, ends when the client closes it."""
    line, other = await kit.connect_raw(), await kit.connect()
    _require_drain(other)
    await line.send(line.call(1, "drain"))
    await line.goaway(GoawayCode.SHUTDOWN)
    await line.result(1)
    await line.channel.send_eof()
    await line.channel.wait_ended()
    expect("the result of a call elsewhere", None, await other.call("empty"))
