from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from avrpc.conformance.kit import open_kit
from avrpc.conformance.other_texts import message, with_messages
from avrpc.conformance.raw import frame
from avrpc.conformance.verdict import Failed, Skipped
from avrpc.wire.frames import Kind
from tests.conformance.desk import insisting, kit_for, refusing

OTHER = with_messages(more=message([], "null"))


async def test_connections_are_opened_and_closed(autojump_clock: MockClock) -> None:
    async with kit_for() as kit:
        line, raw = await kit.connect(), await kit.connect_raw()
        assert await line.call("blob", payload=b"", size=1) == b"\0"
        await raw.ping(3)
        await kit.check()
    assert line.channel.ended
    assert raw.channel.ended


async def test_limits_are_announced(autojump_clock: MockClock) -> None:
    async with kit_for() as kit:
        line = await kit.connect(limits={"windowBytes": 2000})
        assert line.core.limits.window_bytes == 2000


async def test_other_version_is_taken_or_skipped(autojump_clock: MockClock) -> None:
    async with kit_for() as kit:
        assert "more" in (await kit.connect(OTHER)).negotiation
    async with kit_for(insisting) as kit:
        with pytest.raises(Skipped, match="no text but its own"):
            await kit.connect_raw(OTHER)


async def test_refusal_of_the_protocol_itself_is_a_failure(autojump_clock: MockClock) -> None:
    async with kit_for(refusing) as kit:
        with pytest.raises(Failed, match="a refusal, INCOMPATIBLE_PROTOCOL"):
            await kit.connect()


@pytest.mark.parametrize("error", [OSError("refused"), None])
async def test_server_that_can_not_be_reached_is_a_failure(
    error: Exception | None, autojump_clock: MockClock
) -> None:
    async def opener() -> trio.abc.Stream:
        if error:
            raise error
        await trio.sleep_forever()
        raise AssertionError

    async with open_kit(opener, 3.0) as kit:
        with pytest.raises(Failed, match="expected a connection"):
            await kit.dial()


async def test_check_looks_at_every_connection(autojump_clock: MockClock) -> None:
    async with kit_for() as kit:
        await kit.connect()
        raw = await kit.connect_raw()
        await raw.send(frame(Kind.PING))
        with pytest.raises(Failed):
            await kit.check()


async def test_trace_tells_connections_apart(autojump_clock: MockClock) -> None:
    async with kit_for() as kit:
        await kit.connect()
        assert kit.trace[-1] == "server: the answer BOTH"
        await kit.connect()
        assert kit.trace[-1] == "connection 2, server: the answer BOTH"


async def test_keys_are_new(autojump_clock: MockClock) -> None:
    async with kit_for() as kit:
        assert kit.key() != kit.key()
