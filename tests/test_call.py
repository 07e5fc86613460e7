"""The two ends of a streamed array, as channels: order, credit, checkpoints, misuse."""

from __future__ import annotations

import json
from typing import Any, Self

import pytest
import trio
from trio.testing import MockClock, assert_checkpoints, wait_all_tasks_blocked

import avrpc
from avrpc.call import ITEMS_PER_CHECKPOINT
from avrpc.testing import Link
from avrpc.wire import StatusCode
from avrpc.wire.frames import STARTED, Kind
from avrpc.wire.primitives import encode_bytes, encode_long
from avrpc.writer import HIGH_WATER
from tests.desk import (
    DESK,
    Note,
    at_rest,
    desk_server,
    open_desk,
    open_raw_client,
    open_raw_server,
    tick,
)
from tests.wire.pair import count, frame

WINDOW = avrpc.Limits().window_bytes


class Steps(trio.abc.Instrument):
    """Counts how often the current task gives way to others."""

    def __init__(self) -> None:
        self.taken = 0
        self._task = trio.lowlevel.current_task()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.taken += task is self._task

    def __enter__(self) -> Self:
        trio.lowlevel.add_instrument(self)
        return self

    def __exit__(self, *_: object) -> None:
        trio.lowlevel.remove_instrument(self)


async def drain(channel: Any) -> list[Any]:
    return [one async for one in channel]


# Order and number ...


@pytest.mark.parametrize("size", [2, 100, 5000, 70_000, 300_000])
@pytest.mark.parametrize("capacity", [None, 3000])
async def test_items_arrive_in_order_whatever_their_size(size: int, capacity: int | None) -> None:
    items = 500 if size < 5000 else 20
    async with open_desk(link=Link(capacity=capacity)) as client:
        async with client.pull(items, size) as blobs:
            got = await drain(blobs)
        assert [int.from_bytes(one[:2]) for one in got] == list(range(items))
        assert {len(one) for one in got} == {size}
        async with client.push() as call:
            for one in got:
                await call.send(one)
            assert await call.result() == items * size
        async with client.swap() as both, trio.open_nursery() as nursery:

            async def send() -> None:
                for one in got:
                    await both.send(one)
                await both.send_eof()

            nursery.start_soon(send)
            assert await drain(both) == got


async def test_small_and_large_items_of_one_call_keep_their_order() -> None:
    sizes = [1, 200_000, 1, 1, 70_000, 66_000, 5, 300_000, 1]
    async with open_desk() as client, client.swap() as call, trio.open_nursery() as nursery:

        async def send() -> None:
            for size in sizes:
                await call.send(bytes(size))
            await call.send_eof()

        nursery.start_soon(send)
        assert [len(one) for one in await drain(call)] == sizes


async def test_small_items_share_frames() -> None:
    link = Link()
    async with open_desk(link=link) as client, client.push() as call:
        before = link.to_server.sent
        for _ in range(1000):
            await call.send(b"0123456789")
        await wait_all_tasks_blocked()
        sent = link.to_server.sent - before
        assert sent < 1000 * 11 + 1000  # one byte for the length of each, and a few headers


async def test_items_that_grow_by_our_defaults_are_made_as_they_are_taken() -> None:
    """A server of an older version packs a frame as full as its own items allow."""
    json_of = json.loads(DESK.text)
    json_of["types"][0]["fields"] += [
        {"name": f"more{number}", "type": "int", "default": number} for number in range(500)
    ]
    mine = avrpc.Protocol.parse(json.dumps(json_of))
    async with open_raw_server(mine=mine) as (client, server):
        theirs = encode_bytes(b"") + bytes(8) + encode_long(1)  # a Tick of 4 nodes, here 504
        async with client.watch("EURUSD") as ticks:
            await server.receive()
            for _ in range(3):
                await server.send(frame(Kind.ITEMS, 1, count(6000), theirs * 6000))
            for number in range(18_000):
                got = await ticks.receive()
                assert (got["symbol"], got["more499"], len(got)) == ("", 499, 503)
                if number % 100 == 0:
                    assert len(ticks._items._items) < 250_000 // 504  # as few as may be made
            credit, _, _ = await server.receive()
            assert credit == Kind.CREDIT


# ... credit ...


async def test_credit_comes_back_as_the_application_takes_items() -> None:
    """At the latest when half a window was taken, and not before anything was."""
    item = bytes(10_000)
    async with open_raw_server() as (client, server), client.pull(100) as blobs:
        assert (await server.receive())[0] == Kind.CALL
        data = encode_bytes(item)
        for _ in range(26):
            await server.send(frame(Kind.ITEMS, 1, count(1), data))
        await wait_all_tasks_blocked()
        taken = 0
        while taken * len(data) < WINDOW // 2:
            with trio.move_on_after(0):
                pytest.fail(f"credit after {taken} items: {await server.receive()}")
            assert await blobs.receive() == item
            taken += 1
            await wait_all_tasks_blocked()
        assert await server.receive() == (
            Kind.CREDIT,
            0,
            encode_long(1) + encode_long(taken * len(data)),
        )


async def test_what_was_taken_is_given_back_once() -> None:
    data = encode_bytes(bytes(10_000))
    async with open_raw_server() as (client, server), client.pull(100) as blobs:
        await server.receive()
        given, taken, credit = 0, 0, WINDOW
        for _ in range(60):  # more than two windows
            assert credit > 0
            await server.send(frame(Kind.ITEMS, 1, count(1), data))
            credit -= len(data)
            await blobs.receive()
            taken += len(data)
            if taken - given >= WINDOW // 2:
                kind, _, body = await server.receive()
                assert (kind, body[1:]) == (Kind.CREDIT, encode_long(taken - given))
                credit += taken - given
                given = taken


async def test_frame_counts_as_taken_when_its_last_item_is(autojump_clock: MockClock) -> None:
    """So half a frame's worth is never given back twice, or too early."""
    async with open_raw_server() as (client, server), client.pull(100) as blobs:
        await server.receive()
        data = encode_bytes(bytes(29_990))
        for _ in range(3):
            await server.send(frame(Kind.ITEMS, 1, count(2), data + data))
        for _ in range(5):  # more than half a window
            await blobs.receive()
        with trio.move_on_after(1) as scope:
            await server.receive()
        assert scope.cancelled_caught
        await blobs.receive()
        kind, _, body = await server.receive()
        assert (kind, body[1:]) == (Kind.CREDIT, encode_long(6 * len(data)))


async def test_no_credit_is_given_back_once_the_items_have_ended() -> None:
    link = Link()
    async with open_desk(link=link) as client, client.pull(20, 10_000) as blobs:
        await wait_all_tasks_blocked()
        sent = link.to_server.sent
        assert len(await drain(blobs)) == 20
        await wait_all_tasks_blocked()
        assert link.to_server.sent == sent


async def test_send_waits_for_credit_and_goes_on_when_it_comes(autojump_clock: MockClock) -> None:
    note = Note()

    async def push(blobs: Any) -> int:
        await note.wait_for("read")
        return len([one async for one in blobs])

    async with open_desk(push=push) as client, client.push() as call:
        sent = 0
        with trio.move_on_after(1):
            while True:
                await call.send(bytes(10_000))
                sent += 1
        assert sent == WINDOW // 10_003 + 1
        note("read")
        for _ in range(100):
            await call.send(bytes(10_000))
        assert await call.result() == sent + 100


async def test_cancelled_send_sent_nothing_and_leaves_the_call_usable(
    autojump_clock: MockClock,
) -> None:
    """While it waits for credit, and while it waits for a place for its large item."""
    note = Note()

    async def push(blobs: Any) -> int:
        await note.wait_for("read")
        return sum([len(one) async for one in blobs])

    link = Link()
    limits = avrpc.Limits(max_values_in_pieces=1)
    pair = open_desk(push=push, limits=limits, link=link)
    async with pair as client, client.push() as first, client.push() as second:
        link.to_server.hold()
        await first.send(bytes(300_000))
        with trio.move_on_after(1) as scope:
            await second.send(bytes(300_000))  # the place is free; the credit is its own
        assert not scope.cancelled_caught
        for call in (first, second):
            with trio.move_on_after(1) as scope:
                await call.send(bytes(10))
            assert scope.cancelled_caught
        link.to_server.release()
        note("read")
        for call in (first, second):
            await call.send(bytes(1))
            assert await call.result() == 300_001


async def test_send_that_waits_for_a_place_gets_the_next_one(autojump_clock: MockClock) -> None:
    link = Link(capacity=1000)
    limits = avrpc.Limits(max_values_in_pieces=1)
    pair = open_desk(limits=limits, link=link)
    async with pair as client, client.push() as first, client.push() as second:
        link.to_server.hold()
        await first.send(bytes(200_000))
        with trio.move_on_after(1) as scope:
            await second.send(bytes(200_000))
        assert scope.cancelled_caught
        await second.send(b"small ones need none")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(second.send, bytes(200_000))
            await wait_all_tasks_blocked()
            link.to_server.release()
        assert await first.result() == 200_000
        assert await second.result() == 200_020


async def test_large_item_waits_for_the_one_before_it(autojump_clock: MockClock) -> None:
    link = Link(capacity=1000)
    async with open_desk(link=link) as client, client.push() as call:
        link.to_server.hold()
        await call.send(bytes(100_000))
        for size in (100_000, 1):
            with trio.move_on_after(1) as scope:
                await call.send(bytes(size))
            assert scope.cancelled_caught
        link.to_server.release()
        assert await call.result() == 100_000


async def test_send_waits_while_too_much_is_unsent(autojump_clock: MockClock) -> None:
    """What all calls of a connection may have in its buffer is bounded."""
    link = Link(capacity=1000)
    async with open_desk(link=link) as client, trio.open_nursery() as nursery:
        link.to_server.hold()
        sent = 0

        async def push(call: Any) -> None:
            nonlocal sent
            while True:
                await call.send(bytes(10_000))
                sent += 10_000

        calls = [client.push() for _ in range(10)]
        for call in calls:
            await call.__aenter__()
        for call in calls:
            nursery.start_soon(push, call)
        await trio.sleep(1)
        buffer = len(client._session.connection.data_to_send())
        assert buffer <= HIGH_WATER + 10 * 70_000
        assert sent < 2 * HIGH_WATER + 10 * 70_000
        nursery.cancel_scope.cancel()
        link.cut()


# ... what peers do not take ...


async def test_item_larger_than_the_peer_takes_is_refused_here_and_the_call_goes_on() -> None:
    link = Link()
    limits = avrpc.Limits(max_message_bytes=100_000)
    async with open_desk(limits=limits, link=link) as client, client.push() as call:
        await wait_all_tasks_blocked()
        sent = link.to_server.sent
        with pytest.raises(avrpc.LimitExceeded, match=r"100003 bytes.*100000.*max_message_b"):
            await call.send(bytes(100_000))
        assert link.to_server.sent == sent
        await call.send(bytes(99_997))
        assert await call.result() == 99_997


async def test_item_that_does_not_fit_is_refused_here_and_the_call_goes_on() -> None:
    async with open_desk() as client, client.record("EURUSD") as call:
        with pytest.raises(avrpc.InvalidValue, match=r"Tick\.price: expected double, got str"):
            await call.send(tick(price="1.25"))  # type: ignore[arg-type]
        await call.send(tick())
        assert await call.result() == 1


# ... channels as trio has them: checkpoints ...


async def test_receive_is_a_checkpoint_whether_it_waits_or_a_frame_is_there() -> None:
    async with open_desk() as client, client.convert() as call:
        for wait in (False, True):
            await call.send(tick())
            if wait:
                await wait_all_tasks_blocked()
            with assert_checkpoints():
                await call.receive()


async def test_items_that_need_no_wait_give_way_every_so_often() -> None:
    items = 1000
    async with open_desk() as client:
        async with client.push() as call:
            await call.send(b"first")
            with Steps() as steps:
                for _ in range(items):
                    await call.send(b"x")
            assert items // ITEMS_PER_CHECKPOINT <= steps.taken <= items // 10
        async with client.pull(items) as blobs:
            await wait_all_tasks_blocked()
            with Steps() as steps:
                assert len(await drain(blobs)) == items
            assert items // ITEMS_PER_CHECKPOINT <= steps.taken <= items // 10
        async with client.pull(items) as blobs:
            await wait_all_tasks_blocked()
            with Steps() as steps:
                for _ in range(items):
                    await blobs.receive()
            assert items // ITEMS_PER_CHECKPOINT <= steps.taken <= items // 10


@pytest.mark.parametrize("ready", [0, 1, 100])
async def test_cancelled_receive_takes_no_item(ready: int) -> None:
    async with open_desk() as client, client.watch("EURUSD", 200) as ticks:
        await wait_all_tasks_blocked()
        for _ in range(ready):
            await ticks.receive()
        for receive in (ticks.receive, aiter(ticks).__anext__):
            with trio.CancelScope() as scope:
                scope.cancel()
                await receive()
            assert scope.cancelled_caught
        assert [one["size"] for one in await drain(ticks)] == list(range(ready, 200))


@pytest.mark.parametrize("sent", [0, 1, 100])
async def test_send_in_a_cancelled_scope_sends_nothing(sent: int) -> None:
    async with open_desk() as client, client.push() as call:
        for _ in range(sent):
            await call.send(b"x")
        with trio.CancelScope() as scope:
            scope.cancel()
            await call.send(b"x")
        assert scope.cancelled_caught
        assert await call.result() == sent


async def test_large_items_give_way_at_every_frame() -> None:
    frame_bytes = avrpc.Limits().max_frame_bytes
    async with open_desk() as client, client.push() as call:
        for size in (2_000, 10_000, 50_000, frame_bytes):
            with Steps() as steps:
                for _ in range(20):
                    await call.send(bytes(size))
            assert steps.taken >= 20 * size // frame_bytes


async def test_what_is_raised_is_raised_after_a_checkpoint() -> None:
    async with open_desk() as client:
        async with client.watch("EURUSD", 0) as ticks:
            with pytest.raises(trio.EndOfChannel), assert_checkpoints():
                await ticks.receive()
            with assert_checkpoints():
                assert await drain(ticks) == []
        with pytest.raises(trio.ClosedResourceError), assert_checkpoints():
            await ticks.receive()
        async with client.push() as call:
            await call.result()
            with pytest.raises(trio.ClosedResourceError), assert_checkpoints():
                await call.send(b"x")


# ... and misuse.


async def test_two_tasks_can_not_receive_at_once() -> None:
    async with open_desk() as client, client.swap() as call, trio.open_nursery() as nursery:
        nursery.start_soon(call.receive)
        await wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await call.receive()
        await call.send(b"x")


async def test_two_tasks_can_not_send_at_once(autojump_clock: MockClock) -> None:
    note = Note()

    async def push(blobs: Any) -> int:
        await note.wait_for("read")
        return len([one async for one in blobs])

    async with open_desk(push=push) as client, client.push() as call:
        await call.send(bytes(300_000))
        await trio.sleep(1)  # it has left; what is missing is credit
        async with trio.open_nursery() as nursery:
            nursery.start_soon(call.send, b"x")
            await wait_all_tasks_blocked()
            with pytest.raises(trio.BusyResourceError):
                await call.send(b"y")
            note("read")
        assert await call.result() == 2


async def test_handler_may_close_its_side(autojump_clock: MockClock) -> None:
    """What comes on it after that is dropped."""
    note = Note()

    async def push(blobs: Any) -> int:
        await blobs.receive()
        with assert_checkpoints():
            await blobs.aclose()
        with pytest.raises(trio.ClosedResourceError):
            await blobs.receive()
        note("closed")
        await note.wait_for("enough")
        return 1

    async with open_desk(push=push) as client, client.push() as call:
        await call.send(b"one")
        await note.wait_for("closed")
        await call.send(b"two")
        await wait_all_tasks_blocked()
        note("enough")
        assert await call.result() == 1


async def test_what_comes_for_a_side_that_was_closed_takes_no_memory() -> None:
    async with open_raw_server() as (client, server), client.pull(100) as blobs:
        await server.receive()
        blobs._items.close()
        await server.send(frame(Kind.ITEMS, 1, count(1), encode_bytes(bytes(1000))))
        await wait_all_tasks_blocked()
        assert not blobs._items._frames


async def test_sender_that_is_closed_sends_no_more() -> None:
    async with open_desk() as client, client.swap() as call:
        with assert_checkpoints():
            await call._sender.aclose()
        with pytest.raises(trio.ClosedResourceError):
            await call.send(b"x")


async def test_item_that_does_not_fit_ends_the_call_of_a_handler_and_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A peer that sends nonsense is told so; it is no failure of the handler."""
    note = Note()

    async def push(blobs: Any) -> int:
        try:
            return len([one async for one in blobs])
        finally:
            note("ended")

    server = desk_server(push=push)
    async with open_raw_client(server) as client:
        number = DESK.messages["push"].number
        await client.send(frame(Kind.CALL, 1, number), frame(Kind.ITEMS, 1, count(1), b"\x7f"))
        kind, flags, body = await client.receive()
        assert (kind, flags) == (Kind.STATUS, STARTED)
        assert body[1] == StatusCode.INVALID_VALUE << 1
        await wait_all_tasks_blocked()
        assert note.lines == ["ended"]
        assert at_rest(server) == []
    assert not caplog.records


async def test_item_that_does_not_fit_ends_the_call_of_a_client_which_cancels_it() -> None:
    async with open_raw_server() as (client, server):
        with pytest.raises(avrpc.InvalidValue):
            async with client.pull(100) as blobs:
                await server.receive()
                await server.send(frame(Kind.ITEMS, 1, count(1), b"\x7f"))
                with pytest.raises(avrpc.InvalidValue) as caught:
                    await blobs.receive()
                assert caught.value.maybe_executed
                assert (await server.receive())[0] == Kind.CANCEL  # not only when the block is left
                await blobs.receive()
