"""The pair in memory, as a user's test would use it."""

from __future__ import annotations

import pytest
import trio
import trio.testing

import avrpc
from avrpc.testing import Link, open_pair
from tests.desk import DESK, Desk, Note, desk_server, tick


async def test_client_of_a_pair_calls_the_server() -> None:
    async with open_pair(desk_server(), DESK) as client:
        assert await client.last("EURUSD") == tick()


async def test_protocol_may_be_left_out_or_named() -> None:
    server = desk_server()
    async with open_pair(server) as first, open_pair(server, "test.Desk") as named:
        assert await first.last("EURUSD") == await named.last("EURUSD")


async def test_limits_are_the_clients() -> None:
    async with open_pair(desk_server(), DESK, limits=avrpc.Limits(max_message_bytes=20_000)) as one:
        with pytest.raises(avrpc.LimitExceeded):
            await one.load(bytes(20_001))


async def test_link_lies_between_the_two() -> None:
    link = Link(capacity=1, record=True)
    async with open_pair(desk_server(), DESK, link=link) as client:
        await client.load(b"a secret")
    assert b"a secret" in link.to_server.record
    assert b"a secret" in link.to_client.record


async def test_leaving_waits_for_the_handlers_to_end(
    autojump_clock: trio.testing.MockClock,
) -> None:
    note = Note()

    async def watch(symbol: str, count: int):  # type: ignore[no-untyped-def]
        try:
            yield tick()
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(3)
            note("ended")

    server = desk_server(watch=watch)
    async with open_pair(server, DESK) as client, client.watch("EURUSD") as ticks:
        await ticks.receive()
    assert note.lines == ["ended"]
    assert server.running == 0


async def test_exceptions_of_the_block_come_out_as_they_are() -> None:
    for error in (ValueError("one"), ExceptionGroup("mine", [ValueError("two")])):
        with pytest.raises(type(error)) as caught:
            async with open_pair(desk_server(), DESK):
                raise error
        assert caught.value is error


async def test_cancel_from_outside_ends_the_pair(autojump_clock: trio.testing.MockClock) -> None:
    with trio.move_on_after(1) as scope:
        async with open_pair(desk_server(), DESK):
            await trio.sleep_forever()
    assert scope.cancelled_caught


async def test_exit_of_a_handler_ends_the_pair_as_it_would_the_process() -> None:
    async def last(symbol: str, depth: int) -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        async with open_pair(desk_server(last=last), DESK) as client:
            await client.last("EURUSD")


async def test_server_that_does_not_answer_is_not_waited_for_without_end(
    autojump_clock: trio.testing.MockClock,
) -> None:
    link = Link()
    link.to_client.hold()
    with pytest.raises(avrpc.ConnectTimeout):
        async with open_pair(desk_server(), DESK, link=link):
            pass


async def test_service_objects_work_too() -> None:
    async with open_pair(avrpc.Server({DESK: Desk()}), DESK) as client:
        assert await client.quote(tick()) == "EURUSD 1.25 1"
