"""One connection: its two tasks, its table of calls, and what all calls share."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import avrpc
from avrpc.client import Client
from avrpc.testing import Link, open_pair
from tests.desk import DESK, Note, at_rest, desk_server, tick

# Slots: how many calls are open at once ...


def slow_desk(note: Note, **limits: int) -> avrpc.Server:
    """A server whose unary calls take a second, and which writes down in what order they came."""

    async def last(symbol: str, depth: int) -> dict[str, Any]:
        note(symbol)
        await trio.sleep(1)
        return tick(symbol)

    return desk_server(limits=avrpc.Limits(**limits), last=last)


async def test_calls_beyond_the_limit_wait_and_get_their_slots_in_turn(
    autojump_clock: MockClock,
) -> None:
    note = Note()
    async with open_pair(slow_desk(note, max_calls=3), DESK) as client:
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(client.last, str(number))
                await wait_all_tasks_blocked()
        # Three at a time, of which trio may run any first.
        turns = [sorted(map(int, note.lines[start : start + 3])) for start in range(0, 20, 3)]
        assert turns == [list(range(start, min(start + 3, 20))) for start in range(0, 20, 3)]
        assert trio.current_time() == pytest.approx(7, abs=0.1)
        assert at_rest(client) == []


async def test_caller_who_comes_again_and_again_does_not_overtake_those_who_wait(
    autojump_clock: MockClock,
) -> None:
    note = Note()

    async def again(client: Client) -> None:
        for _ in range(10):
            await client.last("again")

    server = slow_desk(note, max_calls=1)
    async with open_pair(server, DESK) as client, trio.open_nursery() as nursery:
        nursery.start_soon(again, client)
        await note.wait_for("again")
        for number in range(3):
            nursery.start_soon(client.last, str(number))
            await wait_all_tasks_blocked()
    assert note.lines[:5] == ["again", "0", "1", "2", "again"]


async def test_streams_wait_for_their_own_limit_and_hold_up_no_other_call(
    autojump_clock: MockClock,
) -> None:
    note = Note()
    server = slow_desk(note, max_calls=10, max_streamed_calls=1)

    async def stream(client: Client, name: str) -> None:
        async with client.swap():
            note(name)
            await trio.sleep(10)

    async with open_pair(server, DESK) as client, trio.open_nursery() as nursery:
        for name in ("first", "second", "third"):
            nursery.start_soon(stream, client, name)
            await wait_all_tasks_blocked()
        for _ in range(3):
            await client.last("unary")
        assert trio.current_time() == pytest.approx(3, abs=0.1)
    assert note.lines == ["first", "unary", "unary", "unary", "second", "third"]


async def test_cancelled_waiter_passes_its_slot_on(autojump_clock: MockClock) -> None:
    """Cancelled at any moment around the one when it is called out of the line."""
    note = Note()
    async with open_pair(slow_desk(note, max_calls=1), DESK) as client:
        for moment in (0.5, 0.999999, 1, 1.000001, 1.5):
            begin = trio.current_time()

            async def give_up(deadline: float = begin + moment) -> None:
                with trio.move_on_at(deadline):
                    await client.last("gives up")

            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.last, "first")
                await wait_all_tasks_blocked()
                nursery.start_soon(give_up)
                await wait_all_tasks_blocked()
                nursery.start_soon(client.last, "last")
            assert trio.current_time() - begin < 3.1
            await wait_all_tasks_blocked()
            assert at_rest(client) == []


async def test_waiter_for_a_place_leaves_the_slot_to_small_calls(
    autojump_clock: MockClock,
) -> None:
    """A large call waits for the one place; a small one that came after it has no reason to."""
    note = Note()
    link = Link(capacity=1000)
    server = slow_desk(note, max_calls=2, max_values_in_pieces=1)

    async def large(client: Client) -> None:
        await client.load(bytes(200_000))
        note("large")

    async def small(client: Client) -> None:
        await client.quote(tick())
        note("small")

    async with open_pair(server, DESK, link=link) as client, trio.open_nursery() as nursery:
        nursery.start_soon(client.last, "takes a slot")
        await note.wait_for("takes a slot")
        link.to_server.hold()
        nursery.start_soon(large, client)  # takes the other slot, and the place
        await wait_all_tasks_blocked()
        nursery.start_soon(large, client)
        await wait_all_tasks_blocked()
        nursery.start_soon(client.last, "small")
        await trio.sleep(2)  # the first call ends
        session = client._session
        assert session.connection.open_calls == 2
        assert len(session.freed) == 1  # the second large one
        assert not any(session._slots)
        link.to_server.release()
    assert at_rest(client) == []
