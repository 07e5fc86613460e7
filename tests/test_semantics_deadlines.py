"""Deadlines: what the handler learns, who ends the call, and what the caller sees."""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import avrpc
from avrpc.client import Client
from avrpc.testing import Link, open_pair
from avrpc.wire import StatusCode
from avrpc.wire.frames import DEADLINE, STARTED, Kind
from tests.desk import (
    DESK,
    PATIENT,
    Note,
    at_rest,
    desk_server,
    open_desk,
    open_raw_client,
    open_raw_server,
    tick,
)
from tests.wire.pair import frame

MILLISECOND = 0.001
NUMBERS = {name: message.number for name, message in DESK.messages.items()}


class Deadlines:
    """Handlers that write down the deadline that they were given, and wait for it."""

    def __init__(self) -> None:
        self.seen: list[float] = []
        self.ended: list[str] = []

    async def _wait(self) -> None:
        self.seen.append(avrpc.current_call().deadline)
        assert trio.current_effective_deadline() == avrpc.current_call().deadline
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            self.ended.append("cancelled")
            raise
        finally:
            self.ended.append("finally")

    async def last(self, symbol: str, depth: int) -> None:
        await self._wait()

    async def note(self, text: str) -> None:
        await self._wait()

    async def watch(self, symbol: str, count: int) -> AsyncGenerator[Any]:
        yield tick()
        await self._wait()

    async def record(self, symbol: str, ticks: Any) -> None:
        await ticks.receive()
        await self._wait()

    async def convert(self, ticks: Any) -> AsyncGenerator[Any]:
        yield await ticks.receive()
        await self._wait()

    def server(self) -> avrpc.Server:
        names = ("last", "note", "watch", "record", "convert")
        return desk_server(**{name: getattr(self, name) for name in names})


# What the handler learns ...


async def test_trio_deadline_of_a_unary_call_reaches_the_handler(
    autojump_clock: MockClock,
) -> None:
    desk = Deadlines()
    async with open_pair(desk.server(), DESK) as client:
        for seconds in (0.0123456, 1, 3600):
            begin = trio.current_time()
            with trio.move_on_after(seconds) as scope:
                await client.last("EURUSD")
            assert scope.cancelled_caught
            assert desk.seen.pop() == pytest.approx(begin + seconds, abs=MILLISECOND)
            await wait_all_tasks_blocked()
            assert at_rest(client) == []


async def test_clock_of_the_wall_may_be_set_meanwhile(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day back and forth, at each look: nobody goes by it."""
    day = 86_400.0
    days = itertools.cycle([day, -day, 0.0])
    for name, unit in (("time", 1), ("time_ns", 10**9)):
        monkeypatch.setattr(time, name, lambda unit=unit: type(unit)(next(days) * unit))
    desk = Deadlines()
    async with open_pair(desk.server(), DESK) as client:
        for _ in range(3):
            begin = trio.current_time()
            with pytest.raises(avrpc.DeadlineExceeded):
                await client.last.using(timeout=5)("EURUSD")
            assert trio.current_time() - begin == pytest.approx(5, abs=MILLISECOND)
            assert desk.seen.pop() == pytest.approx(begin + 5, abs=MILLISECOND)
            await trio.sleep(100)  # and keepalive meanwhile
        assert await client.load(b"x") == b"x"


async def test_handler_of_a_call_without_a_deadline_has_none(autojump_clock: MockClock) -> None:
    desk = Deadlines()
    async with open_pair(desk.server(), DESK) as client, trio.open_nursery() as nursery:
        nursery.start_soon(client.last, "EURUSD")
        await wait_all_tasks_blocked()
        assert desk.seen == [float("inf")]
        nursery.cancel_scope.cancel()


async def test_deadline_is_handed_on_by_the_calls_of_a_handler(autojump_clock: MockClock) -> None:
    """Two hops: client to near server, whose handler calls the far server."""
    desk = Deadlines()
    async with open_pair(desk.server(), DESK) as to_far:

        async def last(symbol: str, depth: int) -> Any:
            return await to_far.last(symbol)

        near = desk_server(last=last)
        async with open_pair(near, DESK) as to_near:
            begin = trio.current_time()
            with trio.move_on_after(7) as scope:
                await to_near.last("EURUSD")
            assert scope.cancelled_caught
            assert desk.seen == [pytest.approx(begin + 7, abs=2 * MILLISECOND)]
            await wait_all_tasks_blocked()
            assert at_rest(to_far, to_near, near) == []
    assert desk.ended == ["cancelled", "finally"]


async def test_timeout_of_a_unary_call_reaches_the_handler(autojump_clock: MockClock) -> None:
    desk = Deadlines()
    async with open_pair(desk.server(), DESK) as client:
        begin = trio.current_time()
        with pytest.raises(avrpc.DeadlineExceeded) as caught, trio.fail_after(100):
            await client.last.using(timeout=3)("EURUSD")
        assert caught.value.maybe_executed
        assert desk.seen == [pytest.approx(begin + 3, abs=MILLISECOND)]
        assert trio.current_time() == pytest.approx(begin + 3, abs=2 * MILLISECOND)


async def test_callers_deadline_before_the_timeout_is_trios(autojump_clock: MockClock) -> None:
    desk = Deadlines()
    async with open_pair(desk.server(), DESK) as client:
        begin = trio.current_time()
        with trio.move_on_after(2) as scope:
            await client.last.using(timeout=3)("EURUSD")
        assert scope.cancelled_caught
        assert desk.seen == [pytest.approx(begin + 2, abs=MILLISECOND)]


async def receive_two(client: Client, seconds: float | None) -> None:
    async with client.watch.using(timeout=seconds)("EURUSD") as call:
        await call.receive()
        await call.receive()


async def wait_for_result(client: Client, seconds: float | None) -> None:
    async with client.record.using(timeout=seconds)("EURUSD") as call:
        await call.send(tick())
        await call.result()


async def leave_for_result(client: Client, seconds: float | None) -> None:
    async with client.record.using(timeout=seconds)("EURUSD") as call:
        await call.send(tick())


async def send_and_receive_two(client: Client, seconds: float | None) -> None:
    async with client.convert.using(timeout=seconds)() as call:
        await call.send(tick())
        await call.receive()
        await call.receive()


STREAMED = [receive_two, wait_for_result, leave_for_result, send_and_receive_two]


@pytest.mark.parametrize("use", STREAMED)
async def test_timeout_of_a_streamed_call_reaches_the_handler_and_ends_the_call(
    use: Any, autojump_clock: MockClock
) -> None:
    desk = Deadlines()
    server = desk.server()
    async with open_pair(server, DESK) as client:
        begin = trio.current_time()
        with trio.fail_after(100), pytest.raises(avrpc.DeadlineExceeded) as caught:
            await use(client, 3)
        assert caught.value.maybe_executed
        assert desk.seen == [pytest.approx(begin + 3, abs=MILLISECOND)]
        assert trio.current_time() == pytest.approx(begin + 3, abs=2 * MILLISECOND)
        await wait_all_tasks_blocked()
        assert at_rest(client, server) == []
        assert desk.ended == ["cancelled", "finally"]


@pytest.mark.parametrize("use", STREAMED)
async def test_timeout_of_a_streamed_call_counts_while_the_server_is_silent(
    use: Any, autojump_clock: MockClock
) -> None:
    link = Link()
    async with open_pair(Deadlines().server(), DESK, link=link) as client:
        link.to_client.hold()
        begin = trio.current_time()
        with trio.fail_after(100), pytest.raises(avrpc.DeadlineExceeded) as caught:
            await use(client, 3)
        assert caught.value.maybe_executed
        assert trio.current_time() == pytest.approx(begin + 3, abs=2 * MILLISECOND)
        link.to_client.release()


@pytest.mark.parametrize("use", STREAMED)
async def test_streamed_call_does_not_carry_the_callers_trio_deadline(
    use: Any, autojump_clock: MockClock
) -> None:
    desk = Deadlines()
    async with open_pair(desk.server(), DESK) as client:
        with trio.move_on_after(3) as scope:
            await use(client, None)
        assert scope.cancelled_caught
        assert desk.seen == [float("inf")]
        await wait_all_tasks_blocked()
        assert desk.ended == ["cancelled", "finally"]


async def test_one_way_message_carries_the_deadline_too(autojump_clock: MockClock) -> None:
    desk = Deadlines()
    server = desk.server()
    async with open_pair(server, DESK) as client:
        begin = trio.current_time()
        with trio.fail_after(3):
            await client.note("hello")
        assert trio.current_time() == begin
        await wait_all_tasks_blocked()
        assert desk.seen == [pytest.approx(begin + 3, abs=MILLISECOND)]
        await trio.sleep(4)
        assert desk.ended == ["cancelled", "finally"]
        assert at_rest(client, server) == []


# ... who ends the call, and what the caller sees ...


async def test_fail_after_raises_trios_error_and_not_ours(autojump_clock: MockClock) -> None:
    async with open_pair(Deadlines().server(), DESK) as client:
        with pytest.raises(trio.TooSlowError) as caught, trio.fail_after(1):
            await client.last("EURUSD")
        assert type(caught.value) is trio.TooSlowError


async def test_server_whose_clock_is_first_leaves_the_cancel_to_trio(
    autojump_clock: MockClock,
) -> None:
    async with open_raw_server() as (client, server):

        async def answer() -> None:
            kind, flags, _ = await server.receive()
            assert (kind, flags) == (Kind.CALL, DEADLINE)
            status = frame(
                Kind.STATUS, 1, StatusCode.DEADLINE_EXCEEDED, "mine is first", flags=STARTED
            )
            await server.send(status)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            begin = trio.current_time()
            with trio.move_on_after(3) as scope:
                await client.last("EURUSD")
            assert scope.cancelled_caught
            assert trio.current_time() == pytest.approx(begin + 3, abs=2 * MILLISECOND)


async def test_server_that_answers_for_a_limit_of_its_own_is_believed_at_once(
    autojump_clock: MockClock,
) -> None:
    async with open_raw_server() as (client, server):

        async def answer() -> None:
            kind, flags, _ = await server.receive()
            assert (kind, flags) == (Kind.CALL, 0)
            text = "this server gives a call a minute"
            await server.send(frame(Kind.STATUS, 1, StatusCode.DEADLINE_EXCEEDED, text))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            with pytest.raises(avrpc.DeadlineExceeded, match="a minute") as caught:
                await client.last("EURUSD")
        assert not caught.value.maybe_executed
        assert trio.current_time() == 0


async def test_scope_that_was_moved_meanwhile_makes_it_our_error(
    autojump_clock: MockClock,
) -> None:
    """The server goes by the deadline that it was told; the caller's own is later now."""
    desk = Deadlines()
    async with open_pair(desk.server(), DESK) as client:
        scope = trio.CancelScope(deadline=trio.current_time() + 3)

        async def move() -> None:
            await trio.sleep(1)
            scope.deadline += 50

        async with trio.open_nursery() as nursery:
            nursery.start_soon(move)
            with pytest.raises(avrpc.DeadlineExceeded) as caught, scope:
                await client.last("EURUSD")
        assert caught.value.maybe_executed
        assert isinstance(caught.value, trio.TooSlowError)
        assert trio.current_time() == pytest.approx(3, abs=2 * MILLISECOND)


async def test_call_that_arrives_with_no_time_left_is_not_run(autojump_clock: MockClock) -> None:
    desk = Deadlines()
    server = desk.server()
    async with open_raw_client(server) as client:
        for call_id, left in ((1, 0), (2, -5)):
            number = NUMBERS["last"]
            await client.send(frame(Kind.CALL, call_id, number, left, "EURUSD", 1, flags=DEADLINE))
            kind, flags, body = await client.receive()
            assert (kind, flags) == (Kind.STATUS, 0)
            assert body[1] == StatusCode.DEADLINE_EXCEEDED << 1
    assert desk.seen == []


async def test_timeout_says_whether_the_handler_had_begun(autojump_clock: MockClock) -> None:
    """An answer that says so is better than a guess."""
    for flags, executed in ((STARTED, True), (0, False)):
        async with open_raw_server() as (client, server):
            status = frame(Kind.STATUS, 1, StatusCode.DEADLINE_EXCEEDED, "late", flags=flags)
            await server.send(status)  # it will be there when the call is made
            with pytest.raises(avrpc.DeadlineExceeded) as caught:
                await client.last.using(timeout=3)("EURUSD")
            assert caught.value.maybe_executed is executed


@pytest.mark.parametrize("seconds", [-1, 0])
async def test_call_whose_time_is_up_sends_nothing(
    seconds: float, autojump_clock: MockClock
) -> None:
    link = Link()
    async with open_desk(link=link) as client:
        sent = link.to_server.sent
        for call in (
            partial(client.last, "EURUSD"),
            partial(client.note, "hello"),
            partial(receive_two, client, None),
            partial(wait_for_result, client, None),
        ):
            with trio.move_on_after(1) as scope:
                scope.deadline = trio.current_time() + seconds
                await call()
            assert scope.cancelled_caught
            with trio.CancelScope() as scope:
                scope.cancel()
                await call()
            assert scope.cancelled_caught
        await wait_all_tasks_blocked()
        assert link.to_server.sent == sent
        assert at_rest(client) == []


async def test_deadline_of_less_than_a_millisecond_is_still_trios(
    autojump_clock: MockClock,
) -> None:
    async with open_pair(Deadlines().server(), DESK) as client:
        for microseconds in (1, 10, 100, 999, 1001):
            with trio.move_on_after(microseconds / 1e6) as scope:
                await client.last("EURUSD")
            assert scope.cancelled_caught


async def test_calls_that_run_out_of_time_together_wait_for_one_slot(
    autojump_clock: MockClock,
) -> None:
    server = desk_server(limits=avrpc.Limits(max_calls=1), last=Deadlines().last)

    async def call(client: Client) -> None:
        with trio.move_on_after(0.0005) as scope:
            await client.last("EURUSD")
        assert scope.cancelled_caught

    async with open_pair(server, DESK) as client:
        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(call, client)
        await wait_all_tasks_blocked()
        assert at_rest(client, server) == []


@pytest.mark.parametrize("kind", ["unary", "stream"])
async def test_timeout_while_waiting_for_a_slot_has_certainly_not_run(
    kind: str, autojump_clock: MockClock
) -> None:
    link = Link()
    server = desk_server(limits=avrpc.Limits(max_calls=1, max_streamed_calls=1))
    async with open_pair(server, DESK, link=link) as client, client.swap():
        await wait_all_tasks_blocked()
        sent = link.to_server.sent
        call = client.last.using(timeout=3)("EURUSD") if kind == "unary" else receive_two(client, 3)
        with trio.fail_after(100), pytest.raises(avrpc.DeadlineExceeded) as caught:
            await call
        assert not caught.value.maybe_executed
        assert trio.current_time() == pytest.approx(3, abs=2 * MILLISECOND)
        assert link.to_server.sent == sent


# ... and at the handler's end.


async def test_send_of_a_handler_that_waits_for_credit_ends_at_the_deadline_even_shielded(
    autojump_clock: MockClock,
) -> None:
    note = Note()

    async def pull(count: int, size: int) -> AsyncGenerator[bytes]:
        with trio.CancelScope(shield=True):
            try:
                for _ in range(count):
                    yield bytes(size)
            except trio.BrokenResourceError:
                note(f"broken at {trio.current_time():.0f}")
                raise

    async with (
        open_desk(pull=pull) as client,
        client.pull.using(timeout=3)(100, 10_000) as blobs,
    ):
        await blobs.receive()
        await note.wait_for("broken at 3")
        with pytest.raises(avrpc.DeadlineExceeded):
            [one async for one in blobs]


async def test_receive_of_a_handler_ends_at_the_deadline_even_shielded(
    autojump_clock: MockClock,
) -> None:
    note = Note()

    async def push(blobs: Any) -> int:
        with trio.CancelScope(shield=True):
            try:
                await blobs.receive()
            except trio.BrokenResourceError:
                note(f"broken at {trio.current_time():.0f}")
                raise
        raise AssertionError("received")

    async with open_desk(push=push) as client:
        with pytest.raises(avrpc.DeadlineExceeded):
            async with client.push.using(timeout=3)():
                await note.wait_for("broken at 3")


async def test_call_counts_until_a_shielded_handler_has_ended(autojump_clock: MockClock) -> None:
    async def last(symbol: str, depth: int) -> Any:
        with trio.CancelScope(shield=True):
            await trio.sleep(10)
        return tick()

    # `quote` runs in a thread, so this clock would jump while it does.
    server = desk_server(limits=replace(PATIENT, max_calls=1), last=last)
    async with open_pair(server, DESK, limits=PATIENT) as client:
        with trio.move_on_after(1) as scope:
            await client.last("EURUSD")
        assert scope.cancelled_caught
        assert server.running == 1
        await client.quote(tick())  # waits for the slot
        assert trio.current_time() == pytest.approx(10, abs=0.1)
