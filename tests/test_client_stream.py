"""A streamed call at the client: what leaving its block means (docs/streams.md)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock, assert_checkpoints, wait_all_tasks_blocked

import avrpc
from avrpc.client import Client
from avrpc.testing import Link, open_pair
from avrpc.wire.frames import Kind
from tests.desk import (
    DESK,
    Note,
    at_rest,
    desk_server,
    open_desk,
    open_raw_server,
    tick,
)
from tests.schema.evolutions import array, enum
from tests.schema.message_evolutions import message, streamed, version
from tests.wire.pair import count, frame


class Watched:
    """Handlers that write down how they end."""

    def __init__(self) -> None:
        self.note = Note()

    async def _until_the_end(self, name: str, items: Any) -> int:
        try:
            taken = len([one async for one in items])
        except trio.Cancelled:
            self.note(f"{name} cancelled")
            raise
        self.note(f"{name} ended after {taken}")
        return taken

    async def watch(self, symbol: str, count: int) -> AsyncGenerator[Any]:
        try:
            for number in range(count):
                yield tick(size=number)
            await trio.sleep_forever()
        finally:
            self.note("watch ended")

    async def record(self, symbol: str, ticks: Any) -> int:
        return await self._until_the_end("record", ticks)

    async def convert(self, ticks: Any) -> AsyncGenerator[Any]:
        yield tick()
        await self._until_the_end("convert", ticks)

    async def push(self, blobs: Any) -> int:
        return await self._until_the_end("push", blobs)

    def server(self, **limits: Any) -> avrpc.Server:
        names = ("watch", "record", "convert", "push")
        handlers = {name: getattr(self, name) for name in names}
        return desk_server(limits=avrpc.Limits(**limits), **handlers)


# Leaving a block that streams only its request ...


async def test_result_ends_the_items_first() -> None:
    desk = Watched()
    async with open_pair(desk.server(), DESK) as client, client.record("EURUSD") as call:
        await call.send(tick())
        await call.send(tick())
        assert await call.result() == 2
        assert desk.note.lines == ["record ended after 2"]


async def test_result_gives_the_same_again_in_the_block_and_after_it() -> None:
    async with open_desk() as client:
        async with client.record("EURUSD") as call:
            assert [await call.result(), await call.result()] == [0, 0]
        assert await call.result() == 0


async def test_request_block_left_without_an_exception_waits_for_the_result() -> None:
    desk = Watched()
    async with open_pair(desk.server(), DESK) as client:
        async with client.record("EURUSD") as call:
            await call.send(tick())
        assert desk.note.lines == ["record ended after 1"]
        assert await call.result() == 1


async def test_request_block_left_without_an_exception_raises_what_result_raises() -> None:
    async with open_desk() as client:
        with pytest.raises(DESK.errors.UnknownSymbol) as caught:
            async with client.record("???"):
                pass
        assert caught.value.fields == {"symbol": "???", "hint": ""}
        assert caught.value.maybe_executed


async def test_result_after_a_declared_error_raises_it_again() -> None:
    async with open_desk() as client:
        with pytest.raises(DESK.errors.UnknownSymbol):
            async with client.record("???") as call:
                for _ in range(2):
                    with pytest.raises(DESK.errors.UnknownSymbol):
                        await call.result()
        with pytest.raises(DESK.errors.UnknownSymbol):
            await call.result()


async def test_request_block_left_when_the_connection_is_lost_raises_that() -> None:
    link = Link()
    async with open_desk(link=link) as client:
        with pytest.raises(avrpc.ConnectionLost) as caught:
            async with client.record("EURUSD") as call:
                await call.send(tick())
                link.cut()
        assert caught.value.maybe_executed


@pytest.mark.parametrize("error", [KeyError("mine"), ExceptionGroup("mine", [KeyError("mine")])])
@pytest.mark.parametrize("message", ["watch", "record", "convert"])
async def test_block_left_with_an_exception_cancels_and_lets_it_through(
    error: Exception, message: str, autojump_clock: MockClock
) -> None:
    desk = Watched()
    server = desk.server()
    parameters = () if message == "convert" else ("EURUSD",)
    async with open_pair(server, DESK) as client:
        with pytest.raises(type(error)) as caught:
            async with client[message](*parameters):
                await wait_all_tasks_blocked()
                raise error
        assert caught.value is error
        await wait_all_tasks_blocked()
        ended = {"watch": "watch ended"}.get(message, f"{message} cancelled")
        assert desk.note.lines == [ended]
        assert at_rest(client, server) == []


async def test_aclose_cancels_and_leaving_after_it_is_quiet() -> None:
    desk = Watched()
    server = desk.server()
    async with open_pair(server, DESK) as client, client.record("EURUSD") as call:
        await call.send(tick())
        await wait_all_tasks_blocked()
        with assert_checkpoints():
            await call.aclose()
        await wait_all_tasks_blocked()
        assert desk.note.lines == ["record cancelled"]
        assert at_rest(client, server) == []
        await call.aclose()
        with pytest.raises(trio.ClosedResourceError):
            await call.send(tick())
        with pytest.raises(trio.ClosedResourceError) as caught:
            await call.result()
        assert not isinstance(caught.value, avrpc.AvrpcError)


async def test_aclose_in_another_task_wakes_who_waits_for_the_result() -> None:
    link = Link()
    async with open_desk(link=link) as client, client.push() as call:

        async def wait() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await call.result()

        async with trio.open_nursery() as nursery:
            link.to_client.hold()
            nursery.start_soon(wait)
            await wait_all_tasks_blocked()
            await call.aclose()
        link.to_client.release()


async def test_aclose_in_another_task_wakes_who_receives_and_who_sends() -> None:
    note = Note()

    async def swap(blobs: Any) -> AsyncGenerator[bytes]:
        await note.wait_for("never")
        yield b""

    async with open_desk(swap=swap) as client, client.swap() as call:

        async def receive() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await call.receive()
            note("receive")

        async def send() -> None:
            with pytest.raises(trio.ClosedResourceError):
                for _ in range(100):
                    await call.send(bytes(10_000))
            note("send")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive)
            nursery.start_soon(send)
            await wait_all_tasks_blocked()
            assert note.lines == []
            await call.aclose()
        assert sorted(note.lines) == ["receive", "send"]


async def test_cancelled_result_leaves_the_call_as_it_is_but_for_the_end_of_its_items(
    autojump_clock: MockClock,
) -> None:
    note = Note()

    async def push(blobs: Any) -> int:
        taken = len([one async for one in blobs])
        note("ended")
        await trio.sleep(10)
        return taken

    async with open_desk(push=push) as client, client.push() as call:
        await call.send(b"one")
        with trio.move_on_after(3) as scope:
            await call.result()
        assert scope.cancelled_caught
        assert note.lines == ["ended"]
        with pytest.raises(trio.ClosedResourceError):
            await call.send(b"two")
        assert await call.result() == 1


async def test_two_tasks_can_not_wait_for_one_result() -> None:
    link = Link()
    async with open_desk(link=link) as client, client.push() as call:

        async def wait() -> None:
            assert await call.result() == 0

        async with trio.open_nursery() as nursery:
            link.to_client.hold()
            nursery.start_soon(wait)
            await wait_all_tasks_blocked()
            with pytest.raises(trio.BusyResourceError):
                await call.result()
            link.to_client.release()


# ... leaving one that streams its response ...


@pytest.mark.parametrize("message", ["watch", "convert"])
async def test_response_block_left_before_the_end_cancels_quietly(
    message: str, autojump_clock: MockClock
) -> None:
    desk = Watched()
    server = desk.server()
    async with open_pair(server, DESK) as client:
        async with client[message](*(() if message == "convert" else ("EURUSD",))) as call:
            await call.receive()
        await wait_all_tasks_blocked()
        assert len(desk.note.lines) == 1
        assert at_rest(client, server) == []


async def test_response_block_left_early_when_the_server_has_failed_is_quiet_too() -> None:
    async def watch(symbol: str, count: int) -> AsyncGenerator[Any]:
        yield tick()
        raise DESK.errors.UnknownSymbol(symbol=symbol)

    link = Link()
    async with open_desk(watch=watch, link=link) as client:
        async with client.watch("EURUSD") as ticks:
            await ticks.receive()
            await wait_all_tasks_blocked()
        async with client.watch("EURUSD") as ticks:
            link.cut()
            await wait_all_tasks_blocked()


@pytest.mark.parametrize("items", [0, 3])
async def test_call_whose_block_was_left_is_closed(items: int) -> None:
    async with open_desk() as client:
        async with client.watch("EURUSD", items) as ticks:
            await wait_all_tasks_blocked()
        async with client.convert() as call:
            for _ in range(items):
                await call.send(tick())
            await call.send_eof()
            await wait_all_tasks_blocked()
        for channel in (ticks, call):
            with pytest.raises(trio.ClosedResourceError), assert_checkpoints():
                await channel.receive()
        with pytest.raises(trio.ClosedResourceError), assert_checkpoints():
            await call.send(tick())


async def test_block_of_both_ways_has_no_result() -> None:
    async with open_desk() as client, client.convert() as call:
        assert not hasattr(call, "result")


async def test_items_sent_before_an_error_are_delivered_first() -> None:
    async def watch(symbol: str, count: int) -> AsyncGenerator[Any]:
        for number in range(count):
            yield tick(size=number)
        raise DESK.errors.UnknownSymbol(symbol=symbol)

    async with open_desk(watch=watch) as client, client.watch("EURUSD", 200) as ticks:
        await wait_all_tasks_blocked()
        assert [(await ticks.receive())["size"] for _ in range(200)] == list(range(200))
        for _ in range(2):
            with pytest.raises(DESK.errors.UnknownSymbol):
                await ticks.receive()


async def test_items_that_came_before_the_connection_was_lost_are_delivered_first() -> None:
    link = Link()
    async with open_desk(link=link) as client, client.watch("EURUSD", 3) as ticks:
        await wait_all_tasks_blocked()
        link.cut()
        await wait_all_tasks_blocked()
        assert len([one async for one in ticks]) == 3  # and its end had come as well
    link = Link()
    desk = Watched()
    server = desk.server()
    async with open_pair(server, DESK, link=link) as client, client.watch("EURUSD", 3) as ticks:
        await wait_all_tasks_blocked()
        link.cut()
        await wait_all_tasks_blocked()
        assert [(await ticks.receive())["size"] for _ in range(3)] == [0, 1, 2]
        for _ in range(2):
            with pytest.raises(avrpc.ConnectionLost):
                await ticks.receive()


async def test_connection_closed_by_this_end_is_told_after_the_items_that_came() -> None:
    desk = Watched()
    async with open_pair(desk.server(), DESK) as client:
        ticks = client.watch("EURUSD", 3)
        await ticks.__aenter__()
        call = client.convert()
        await call.__aenter__()
        await wait_all_tasks_blocked()
        client._session.close()
        assert [(await ticks.receive())["size"] for _ in range(3)] == [0, 1, 2]
        assert await call.receive() == tick()
        for use in (ticks.receive, call.receive, partial(call.send, tick())):
            with pytest.raises(avrpc.ConnectionClosed):
                await use()


# ... and sending after the end.


async def test_send_after_the_result_is_broken_and_result_still_gives_it() -> None:
    async def push(blobs: Any) -> int:
        await blobs.receive()
        return 7

    async with open_desk(push=push) as client, client.push() as call:
        await call.send(b"one")
        await wait_all_tasks_blocked()
        for _ in range(2):
            with pytest.raises(trio.BrokenResourceError) as caught:
                await call.send(b"two")
            assert not isinstance(caught.value, avrpc.AvrpcError)
        assert await call.result() == 7


async def test_send_after_an_error_raises_what_ended_the_call() -> None:
    async with open_desk() as client:
        with pytest.raises(DESK.errors.UnknownSymbol):
            async with client.record("???") as call:
                await wait_all_tasks_blocked()
                await call.send(tick())


async def test_send_that_waits_for_credit_when_the_call_ends_raises_what_ended_it() -> None:
    note = Note()

    async def push(blobs: Any) -> int:
        await note.wait_for("go")
        raise RuntimeError("no more of it")

    async with open_desk(push=push) as client:
        with pytest.raises(avrpc.InternalError):
            async with client.push() as call, trio.open_nursery() as nursery:

                async def go() -> None:
                    await wait_all_tasks_blocked()
                    note("go")

                nursery.start_soon(go)
                with pytest.raises(avrpc.InternalError):
                    for _ in range(100):
                        await call.send(bytes(10_000))


async def test_send_after_the_end_of_ones_own_items_is_closed() -> None:
    desk = Watched()
    async with open_pair(desk.server(), DESK) as client, client.convert() as call:
        await call.send(tick())
        with assert_checkpoints():
            await call.send_eof()
        with assert_checkpoints():
            await call.send_eof()
        with pytest.raises(trio.ClosedResourceError):
            await call.send(tick())
        assert [one async for one in call] == [tick()]
        with pytest.raises(trio.ClosedResourceError):
            await call.send(tick())


async def test_end_of_the_items_is_told_again_and_again() -> None:
    async with open_desk() as client, client.watch("EURUSD", 1) as ticks:
        await ticks.receive()
        for _ in range(3):
            with pytest.raises(trio.EndOfChannel), assert_checkpoints():
                await ticks.receive()
        assert [one async for one in ticks] == []


# A timeout covers the ends of a call, too.


@pytest.mark.parametrize("way", ["result", "leave", "send_eof"])
async def test_timeout_counts_while_a_large_last_item_is_leaving(
    way: str, autojump_clock: MockClock
) -> None:
    link = Link(capacity=1000)
    async with open_desk(link=link) as client:
        begin = trio.current_time()
        with trio.fail_after(10), pytest.raises(avrpc.DeadlineExceeded) as caught:
            message = client.swap if way == "send_eof" else client.push
            async with message.using(timeout=3)() as call:
                link.to_server.hold()
                await call.send(bytes(200_000))
                if way != "leave":
                    await getattr(call, way)()
        assert trio.current_time() == pytest.approx(begin + 3, abs=0.01)
        assert caught.value.maybe_executed
        link.to_server.release()
        await wait_all_tasks_blocked()
        assert at_rest(client) == []
        assert await client.last("EURUSD") == tick()


async def test_result_that_ran_out_of_time_raises_so_again(autojump_clock: MockClock) -> None:
    async def push(blobs: Any) -> int:
        await trio.sleep_forever()
        raise AssertionError

    link = Link()
    async with open_desk(push=push, link=link) as client:
        with pytest.raises(avrpc.DeadlineExceeded):
            async with client.push.using(timeout=3)() as call:
                link.to_client.hold()
                with pytest.raises(avrpc.DeadlineExceeded):
                    await call.result()
                with pytest.raises(trio.ClosedResourceError):
                    await call.send(b"x")
        link.to_client.release()


# Using a call in ways that it is not meant for.


async def test_call_that_is_used_without_its_block_says_so() -> None:
    async with open_desk() as client:
        for use in (
            client.watch("EURUSD").receive,
            partial(client.push().send, b"x"),
            client.swap().receive,
        ):
            with pytest.raises(RuntimeError, match="made by 'async with'"):
                await use()
        assert not hasattr(client.push(), "no_such_thing")
        await client.watch("EURUSD").aclose()  # nothing to close


async def test_call_is_made_once() -> None:
    async with open_desk() as client:
        call = client.watch("EURUSD")
        async with call:
            pass
        with pytest.raises(RuntimeError, match="made once"):
            async with call:
                pass


# Against a server whose version streams less: the rest is in tests/test_versions.py.


@asynccontextmanager
async def plain_server(*, limits: avrpc.Limits | None = None, **link: Any) -> AsyncIterator[Client]:
    """A client that streams both ways, and a server whose version streams nothing."""

    async def m(tag: str, items: list[int]) -> list[int]:
        if tag == "wait":
            await trio.sleep_forever()
        return items[::-1]

    server = avrpc.Server({version(streamed("")): {"m": m}}, limits=limits)
    async with open_pair(server, version(streamed("both")), **link) as client:
        yield client


async def test_items_collected_for_a_call_come_back_one_by_one() -> None:
    async with plain_server() as client, client.m("t") as call:
        await call.send(1)
        await call.send(2)
        await call.send_eof()
        await call.send_eof()
        with pytest.raises(trio.ClosedResourceError):
            await call.send(3)
        assert [item async for item in call] == [2, 1]


async def test_two_tasks_end_collected_items_once(autojump_clock: MockClock) -> None:
    async with (
        plain_server(limits=avrpc.Limits(max_calls=1)) as client,
        client.m.using(timeout=5)("wait") as first,
        client.m("t") as second,
        client.m("t") as third,
        trio.open_nursery() as nursery,
    ):
        await first.send_eof()
        nursery.start_soon(second.send_eof)
        nursery.start_soon(third.send_eof)
        await wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await second.send_eof()
        await third.aclose()  # while it waits for a slot, so it is never made
        with pytest.raises(avrpc.DeadlineExceeded):
            await first.receive()
        assert [item async for item in second] == []
        await wait_all_tasks_blocked()
        assert client._session.calls == {}


async def test_collected_call_that_can_not_be_made_ends_for_its_receiver_too() -> None:
    link = Link()
    async with plain_server(link=link) as client, client.m("t") as call:
        link.cut()
        await wait_all_tasks_blocked()
        for attempt in (call.send_eof, call.receive):
            with pytest.raises(avrpc.ConnectionLost):
                await attempt()


async def test_whole_response_that_is_invalid_ends_the_items() -> None:
    async def m() -> list[str]:
        return ["A", "B"]

    mine, theirs = (
        version(message(response=array(enum(symbols)), **mark))
        for symbols, mark in (("A", {"stream": "response"}), ("A B", {}))
    )
    async with open_pair(avrpc.Server({theirs: {"m": m}}), mine) as client, client.m() as call:
        with pytest.raises(avrpc.InvalidValue) as raised:
            await call.receive()
        assert raised.value.maybe_executed is True


@pytest.mark.parametrize("use", ["pull", "swap"])
async def test_result_with_a_value_is_no_clean_end_of_a_streamed_response(use: str) -> None:
    async with open_raw_server() as (client, server):
        call = client.pull(3) if use == "pull" else client.swap()
        async with call as blobs:
            item = frame(Kind.ITEMS, 1, count(1), b"\x02a")
            await server.send(item, frame(Kind.RESULT, 1, b"\x02b\x00"))
            assert await blobs.receive() == b"a"
            for _ in range(2):
                with pytest.raises(avrpc.InvalidValue) as caught:
                    await blobs.receive()
            assert str(caught.value) == f"{use}(): expected a result without a value, got 3 bytes"
            assert (caught.value.path, caught.value.maybe_executed) == (f"{use}()", True)
        assert at_rest(client) == []
