from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from avrpc.conformance.channel import Channel
from avrpc.conformance.raw import frame
from avrpc.conformance.verdict import Failed, Skipped
from avrpc.testing import Link
from avrpc.wire.frames import Kind

PATIENCE = 3.0


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Channel, trio.abc.HalfCloseableStream, Link]]:
    """A channel, the other end of it, and what is between them."""
    link = Link()
    channel = Channel(link.client, PATIENCE)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(channel.read)
        yield channel, link.server, link
        await channel.aclose()


async def test_what_comes_is_there_to_be_taken(autojump_clock: MockClock) -> None:
    async with connected() as (channel, server, _):

        async def look() -> bytes | None:
            return channel.received() if len(channel.received()) >= 5 else None

        await server.send_all(b"abc")
        await server.send_all(b"def")
        assert await channel.until(look, "five bytes") == b"abcdef"
        assert channel.take(2) == b"ab"
        assert channel.received() == b"cdef"


async def test_waiting_ends_when_patience_does(autojump_clock: MockClock) -> None:
    async with connected() as (channel, _, _):

        async def look() -> None:
            return None

        with pytest.raises(Failed) as failed:
            await channel.until(look, "a word")
        assert trio.current_time() == PATIENCE
        assert (failed.value.expected, failed.value.came) == (
            "a word",
            "nothing of the kind within 3 s",
        )


async def test_waiting_ends_with_the_connection(autojump_clock: MockClock) -> None:
    async with connected() as (channel, server, _):

        async def look() -> None:
            return None

        await server.aclose()
        with pytest.raises(Failed, match="the server closed the connection"):
            await channel.until(look, "a word")
        assert trio.current_time() == 0
        await channel.wait_ended()


async def test_reset_is_told_from_an_end(autojump_clock: MockClock) -> None:
    async with connected() as (channel, _, link):
        link.cut()
        await channel.wait_ended()
        assert "reset" in channel.ended


async def test_own_close_is_told_from_the_servers(autojump_clock: MockClock) -> None:
    async with connected() as (channel, _, _):
        await channel.aclose()
        await channel.wait_ended()
        assert channel.ended == "the kit closed the connection"


async def test_end_that_does_not_come_is_a_failure(autojump_clock: MockClock) -> None:
    async with connected() as (channel, server, _):
        await server.send_all(b"more")
        with pytest.raises(Failed, match="the end of the connection"):
            await channel.wait_ended()


async def test_sending_to_a_server_that_is_gone_is_no_failure(autojump_clock: MockClock) -> None:
    async with connected() as (channel, server, _):
        await server.aclose()
        await channel.send(b"are you there?")
        assert "could not send" in channel.trace[-1]


async def test_frames_are_cut_and_traced_both_ways(autojump_clock: MockClock) -> None:
    async with connected() as (channel, server, _):
        await channel.send(b"a pack")
        channel.native = True
        await channel.send(frame(Kind.PING, 1))
        pong, half = frame(Kind.PONG, 1), frame(Kind.PONG, 2)[:3]
        await server.send_all(pong + half)

        async def look() -> bytes | None:
            return channel.received() or None

        await channel.until(look, "bytes")
        data, frames = channel.take_frames()
        assert data == pong + half
        assert [str(one) for one in frames] == ["PONG 1"]
        assert list(channel.trace) == ["kit: 6 bytes", "kit: PING 1", "server: PONG 1"]


async def test_own_direction_can_end_alone(autojump_clock: MockClock) -> None:
    async with connected() as (channel, server, _):
        await channel.send_eof()
        assert await server.receive_some() == b""
        await server.send_all(b"still here")

        async def look() -> bytes | None:
            return channel.received() or None

        assert await channel.until(look, "bytes") == b"still here"


async def test_own_direction_may_end_after_the_connection() -> None:
    class Gone(trio.abc.HalfCloseableStream):
        async def send_eof(self) -> None:
            raise trio.BrokenResourceError

        send_all = receive_some = wait_send_all_might_not_block = aclose = send_eof  # type: ignore[assignment]

    channel = Channel(Gone(), PATIENCE)
    await channel.send_eof()
    assert channel.may_end


async def test_stream_without_two_directions_is_a_reason_to_skip() -> None:
    one, _ = trio.testing.memory_stream_pair()
    whole = trio.SSLStream(one, ssl.create_default_context(), server_hostname="localhost")
    with pytest.raises(Skipped, match="one direction alone"):
        await Channel(whole, PATIENCE).send_eof()
