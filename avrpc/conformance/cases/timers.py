"""What a server does when nothing comes. Tried where the kit was told the server's times."""

from __future__ import annotations

import trio

from avrpc.conformance.channel import Channel
from avrpc.conformance.greeting import Greeting, ask
from avrpc.conformance.kit import Kit
from avrpc.conformance.other_texts import unknown_text
from avrpc.conformance.registry import case
from avrpc.conformance.verdict import Skipped, expect, expect_true
from avrpc.wire.frames import Kind
from avrpc.wire.packs import encode_pack

_DRIPS = 20  # bytes of a handshake that trickle while its time runs out


async def _dial(kit: Kit) -> tuple[Channel, float]:
    """A connection on which nothing was said, and for how long that may go on."""
    seconds = kit.known.handshake_seconds
    if seconds is None:
        raise Skipped("the kit was given no --handshake-timeout")
    return _patient(await kit.dial(), seconds), seconds


def _silence(kit: Kit) -> float:
    """How many seconds without a byte the server bears."""
    seconds = kit.known.silence_seconds
    if seconds is None:
        raise Skipped("the kit was given no --keepalive")
    return seconds


def _patient(channel: Channel, seconds: float) -> Channel:
    """Have a channel wait so much longer than else."""
    channel.patience += seconds
    return channel


async def _wait_cut(channel: Channel) -> None:
    async def look() -> str | None:
        return channel.ended or None

    await channel.until(look, "the end of the connection, when the time of a handshake is over")


@case("4.7")
async def silent_before_the_handshake(kit: Kit) -> None:
    """A client that connects and says nothing is cut off."""
    channel, _ = await _dial(kit)
    await _wait_cut(channel)


@case("4.7")
async def handshake_that_trickles(kit: Kit) -> None:
    """A first pack that comes byte by byte has no more time than a whole one."""
    channel, seconds = await _dial(kit)
    pack = encode_pack(0, bytes(16_000))
    with trio.move_on_after(channel.patience):
        while not channel.ended:
            await channel.send(pack[:1])
            pack = pack[1:]
            await trio.sleep(seconds / _DRIPS)
    channel.patience = 0
    await _wait_cut(channel)


@case("4.7")
async def no_second_pack(kit: Kit) -> None:
    """A client that says nothing after NONE is cut off."""
    channel, _ = await _dial(kit)
    answer = await ask(channel, Greeting.of_text(unknown_text()))
    expect("the answer to hashes of an unknown text", "NONE", answer.match)
    await _wait_cut(channel)


@case("11")
async def client_that_answers_pings(kit: Kit) -> None:
    """A client that says nothing but answers to PINGs is kept."""
    seconds = _silence(kit)
    line = await kit.connect()
    channel = _patient(line.channel, 3 * seconds)

    async def never() -> None:
        return None

    with trio.move_on_after(2 * seconds):
        await line.until(never, "PINGs, and no end")
    channel.patience -= 3 * seconds
    pings = sum(one.kind == Kind.PING for one in line.frames)
    expect_true("PINGs on a silent connection", pings, holds=pings > 0)
    expect("the result of a call", None, await line.call("empty"))


@case("11")
async def client_that_answers_no_ping(kit: Kit) -> None:
    """A client that does not even answer a PING is given up."""
    seconds = _silence(kit)
    line = await kit.connect_raw()
    await _patient(line.channel, seconds).wait_ended()


@case("11")
async def handlers_of_a_silent_client(kit: Kit) -> None:
    """The handlers of a client that is given up are ended."""
    seconds = _silence(kit)
    line, key = await kit.connect_raw(), kit.key()
    await line.send(line.call(1, "sleep", key=key, ms=3_600_000, cleanup_ms=0))
    await _patient(line.channel, seconds).wait_ended()
    other = await kit.connect()
    expect("the fate of the handler", "STOPPED", await other.call("fate", key=key))
