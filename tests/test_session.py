"""One connection: its two tasks, its table of calls, and what all calls share."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import avrpc
from avrpc.client import Client
from avrpc.testing import Link, open_pair
from avrpc.wire import GoawayCode, StatusCode
from avrpc.wire.frames import MORE, Kind
from avrpc.wire.primitives import encode_bytes, encode_long
from avrpc.writer import HIGH_WATER
from tests.desk import (
    DESK,
    Note,
    at_rest,
    desk_server,
    lost,
    open_desk,
    open_raw_client,
    open_raw_server,
    tick,
)
from tests.wire.pair import frame

NUMBERS = {name: message.number for name, message in DESK.messages.items()}

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


# How a connection ends, and what its calls are told ...


async def test_peer_that_breaks_the_rules_is_told_so_and_so_are_the_calls(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with open_raw_server() as (client, server):
        await server.send(frame(Kind.RESULT, 5, b"nobody asked"))
        error = await lost(client)
        assert "broke the protocol" in str(error)
        kinds = [await server.receive()]
        while kinds[-1][0] != Kind.GOAWAY:
            kinds.append(await server.receive())
        with pytest.raises(EOFError):
            await server.receive()
    assert "protocol violation" in caplog.text


@pytest.mark.parametrize("ended", [GoawayCode.NO_ERROR, GoawayCode.SHUTDOWN])
async def test_goaway_that_is_no_failure_lets_open_calls_go_on(ended: GoawayCode) -> None:
    async with open_raw_server() as (client, server), trio.open_nursery() as nursery:
        got: list[Any] = []

        async def call() -> None:
            got.append(await client.load(b"x"))

        nursery.start_soon(call)
        await server.receive()
        await server.send(frame(Kind.GOAWAY, 1, ended, "good night"))
        await wait_all_tasks_blocked()
        with pytest.raises(avrpc.Unavailable, match="good night") as caught:
            await client.load(b"y")
        assert not caught.value.maybe_executed
        await server.send(frame(Kind.RESULT, 1, b"\x02x"))
        await wait_all_tasks_blocked()
        assert got == [b"x"]


async def test_goaway_with_a_failure_ends_all_calls(caplog: pytest.LogCaptureFixture) -> None:
    async with open_raw_server() as (client, server), trio.open_nursery() as nursery:

        async def end() -> None:
            await server.receive()
            code = GoawayCode.ENHANCE_YOUR_CALM
            await server.send(frame(Kind.GOAWAY, 1, code, "too much\x1b[31m"))

        nursery.start_soon(end)
        error = await lost(client)
        assert "too much" in str(error)
        assert "code 11" in str(error)
    assert "\x1b" not in caplog.text


async def test_calls_above_the_last_one_accepted_have_not_run() -> None:
    async with open_raw_server() as (client, server), trio.open_nursery() as nursery:
        outcomes: dict[str, Any] = {}

        async def call(name: str) -> None:
            try:
                outcomes[name] = await client.load(name.encode())
            except avrpc.AvrpcError as error:
                outcomes[name] = (type(error), error.maybe_executed)

        for name in ("one", "two", "three"):
            nursery.start_soon(call, name)
            await wait_all_tasks_blocked()
        await server.send(
            frame(Kind.GOAWAY, 1, GoawayCode.SHUTDOWN, ""), frame(Kind.RESULT, 1, b"\x02x")
        )
        await wait_all_tasks_blocked()
        refused = (avrpc.Unavailable, False)
        assert outcomes == {"one": b"x", "two": refused, "three": refused}


async def test_goaway_of_a_client_is_a_goodbye_and_its_calls_go_on() -> None:
    note = Note()
    async with open_raw_client(slow_desk(note)) as client:
        await client.send(frame(Kind.CALL, 1, NUMBERS["load"], b"\x02x"))
        await client.send(frame(Kind.GOAWAY, 0, GoawayCode.NO_ERROR, "bye"))
        assert (await client.receive())[0] == Kind.RESULT


async def test_pings_are_answered_and_pongs_are_taken() -> None:
    async with open_raw_client(desk_server()) as client:
        await client.send(frame(Kind.PONG, 5), frame(Kind.PING, 7))
        assert await client.receive() == (Kind.PONG, 0, encode_long(7))


async def test_value_too_large_for_a_client_is_cancelled_and_told() -> None:
    limits = avrpc.Limits(max_message_bytes=20_000)
    async with open_raw_server(client_limits=limits) as (client, server):

        async def answer() -> None:
            assert (await server.receive())[0] == Kind.CALL
            piece = frame(Kind.RESULT, 1, bytes(15_000), flags=MORE)
            await server.send(piece, piece)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            with pytest.raises(avrpc.LimitExceeded, match="20000") as caught:
                await client.load(b"x")
        assert caught.value.maybe_executed
        assert (await server.receive())[0] == Kind.CANCEL
        await server.send(frame(Kind.RESULT, 1, bytes(1000)))
        await wait_all_tasks_blocked()
        assert at_rest(client) == []


async def test_large_item_leaves_before_the_end_of_its_call_while_a_server_drains(
    autojump_clock: MockClock,
) -> None:
    link = Link(capacity=1000)
    server = desk_server()
    async with (
        open_pair(server, DESK, link=link) as client,
        trio.open_nursery() as nursery,
        client.push() as call,
    ):
        await wait_all_tasks_blocked()
        link.to_server.hold()
        await call.send(bytes(200_000))
        nursery.start_soon(server.aclose)
        await wait_all_tasks_blocked()
        assert isinstance(client._session.ended, avrpc.Unavailable)
        nursery.start_soon(release_in_a_second, link)
        assert await call.result() == 200_000


async def release_in_a_second(link: Link) -> None:
    await trio.sleep(1)
    link.to_server.release()


# ... also when sending fails.


class BrokenPipe(trio.abc.HalfCloseableStream):
    """An end whose sending fails from some point on; what was on its way still comes."""

    def __init__(self, stream: trio.abc.HalfCloseableStream) -> None:
        self.stream = stream
        self.error: Exception | None = None

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self.error is not None:
            await trio.lowlevel.checkpoint()
            raise self.error
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self.stream.receive_some(max_bytes)

    async def send_eof(self) -> None:
        await self.stream.send_eof()

    async def aclose(self) -> None:
        await self.stream.aclose()


@pytest.mark.parametrize("error", [trio.BrokenResourceError("pipe"), ZeroDivisionError("bug")])
async def test_connection_that_can_not_send_ends_within_a_second(
    error: Exception, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """It goes on receiving for a moment: what the peer said before it left may be on its way."""
    link = Link()
    pipe = BrokenPipe(link.client)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(slow_desk(Note()).serve_stream, link.server)
        async with avrpc.connect_stream(pipe, DESK) as client:
            nursery.start_soon(lost, client)
            await wait_all_tasks_blocked()
            pipe.error = error
            begin = trio.current_time()
            await lost(client)
            assert trio.current_time() - begin <= 1.01
            with pytest.raises(avrpc.ConnectionLost) as caught:
                await client.note("x")
            assert not caught.value.maybe_executed
        nursery.cancel_scope.cancel()
    assert ("internal error" in caplog.text) is isinstance(error, ZeroDivisionError)


async def test_call_whose_large_item_can_not_leave_is_lost_at_the_client(
    autojump_clock: MockClock,
) -> None:
    link = Link(capacity=1000)
    pipe = BrokenPipe(link.client)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk_server().serve_stream, link.server)
        async with avrpc.connect_stream(pipe, DESK) as client:
            with pytest.raises(avrpc.ConnectionLost):
                async with client.push() as call:
                    pipe.error = trio.BrokenResourceError("pipe")
                    await call.send(bytes(200_000))
                    await wait_all_tasks_blocked()
                    await call.result()
        nursery.cancel_scope.cancel()


async def test_call_whose_large_item_can_not_leave_is_no_failure_of_its_handler(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def pull(count: int, size: int) -> AsyncGenerator[bytes]:
        yield b"small"
        await wait_all_tasks_blocked()
        yield bytes(200_000)

    link = Link()
    pipe = BrokenPipe(link.server)
    server = desk_server(pull=pull)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.serve_stream, pipe)
        async with avrpc.connect_stream(link.client, DESK) as client:
            pipe.error = trio.BrokenResourceError("pipe")
            with pytest.raises(avrpc.ConnectionLost):
                async with client.pull(2) as blobs:
                    await blobs.receive()
    assert at_rest(server) == []
    assert not caplog.records


# Room: how much a connection may have unsent.


async def test_callers_wait_while_too_much_is_unsent_and_go_on_when_it_has_left(
    autojump_clock: MockClock,
) -> None:
    link = Link(capacity=1000)
    async with open_desk(link=link) as client:
        session = client._session
        await wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:
            link.to_server.hold()
            for _ in range(100):
                nursery.start_soon(client.load, bytes(10_000))
            await trio.sleep(1)
            assert len(session.room) == 100 - HIGH_WATER // 10_000 - 1
            link.to_server.release()
        assert at_rest(client) == []


async def test_callers_that_wait_for_room_are_told_when_the_connection_is_lost(
    autojump_clock: MockClock,
) -> None:
    link = Link(capacity=1000)
    outcomes: list[bool] = []

    async def load(client: Client) -> None:
        with pytest.raises(avrpc.ConnectionLost) as caught:
            await client.load(bytes(10_000))
        outcomes.append(caught.value.maybe_executed)

    async with open_desk(link=link) as client, trio.open_nursery() as nursery:
        link.to_server.hold()
        for _ in range(100):
            nursery.start_soon(load, client)
        await trio.sleep(1)
        link.cut()
    assert outcomes.count(True) + outcomes.count(False) == 100
    assert outcomes.count(False) > 50  # those that were never sent


# What all kinds of calls leave behind: nothing.


async def test_connection_is_at_rest_when_its_calls_have_ended(autojump_clock: MockClock) -> None:
    link = Link(capacity=10_000)
    server = desk_server(limits=avrpc.Limits(max_values_in_pieces=2))
    async with open_pair(server, DESK, link=link) as client:

        async def large() -> None:
            assert len(await client.load(bytes(150_000))) == 150_000

        async def both() -> None:
            async with client.swap() as call:
                await call.send(bytes(150_000))
                assert len(await call.receive()) == 150_000
                await call.send_eof()

        async def up() -> None:
            async with client.push() as call:
                for _ in range(100):
                    await call.send(bytes(10_000))

        async def down() -> None:
            async with client.pull(100, 10_000) as blobs:
                assert len([one async for one in blobs]) == 100

        async def give_up() -> None:
            with trio.move_on_after(0):
                await client.last("EURUSD")
            async with client.pull(100, 10_000) as blobs:
                await blobs.receive()

        async with trio.open_nursery() as nursery:
            for one in (large, both, up, down, give_up):
                for _ in range(3):
                    nursery.start_soon(one)
        await client.note("goodbye")
        await client._session.wait_idle()
        await wait_all_tasks_blocked()
        assert at_rest(client, server) == []


async def test_client_that_has_a_one_way_call_open_is_not_idle(autojump_clock: MockClock) -> None:
    async def slow(text: str) -> None:
        await trio.sleep(3)

    async with open_desk(note=slow) as client:
        await client.note("hello")
        await client._session.wait_idle()
        assert trio.current_time() == 3


async def test_cancel_of_a_call_that_has_not_all_come_is_answered_at_once() -> None:
    async with open_raw_client(desk_server()) as client:
        piece = frame(Kind.CALL, 1, NUMBERS["load"], bytes(2000), flags=MORE)
        await client.send(piece, frame(Kind.CANCEL, 1))
        assert (await client.receive())[0] == Kind.STATUS


async def test_item_too_large_for_a_server_ends_its_call() -> None:
    server = desk_server(limits=avrpc.Limits(max_message_bytes=20_000))
    async with open_raw_client(server) as client:
        await client.send(
            frame(Kind.CALL, 1, NUMBERS["push"]),
            frame(Kind.ITEMS, 1, b"\0\1", bytes(15_000), flags=MORE),
            frame(Kind.ITEMS, 1, bytes(15_000), flags=MORE),
        )
        kind, _, body = await client.receive()
        assert (kind, body[1]) == (Kind.STATUS, StatusCode.RESOURCE_EXHAUSTED << 1)
        await wait_all_tasks_blocked()
        assert at_rest(server) == []


async def test_value_for_which_a_server_has_no_room_is_refused_by_the_name_of_that_limit() -> None:
    server = desk_server(limits=avrpc.Limits(max_assembly_bytes=25_000))
    value = encode_bytes(bytes(24_000))
    begin = frame(Kind.CALL, 1, NUMBERS["load"], value[:20_000], flags=MORE)
    end = frame(Kind.CALL, 1, value[20_000:])
    async with open_raw_client(server) as first, open_raw_client(server) as second:
        for client in (first, second):
            await client.send(begin)
            await wait_all_tasks_blocked()
        kind, _, body = await second.receive()
        assert (kind, body[1]) == (Kind.STATUS, StatusCode.RESOURCE_EXHAUSTED << 1)
        assert b"no more than 25000 bytes of half values (Limits.max_assembly_bytes)" in body
        for client in (first, second):
            await client.send(end)
        assert await first.receive() == (Kind.RESULT, 0, b"\2" + value)
        await wait_all_tasks_blocked()
        assert at_rest(server) == []


@pytest.mark.parametrize("how", ["hangs up", "breaks a rule", "is cut off"])
async def test_connection_that_ends_gives_back_the_room_of_its_half_values(
    how: str, autojump_clock: MockClock
) -> None:
    server = desk_server()
    link = Link()
    async with open_raw_client(server, link=link) as client:
        await client.send(frame(Kind.CALL, 1, NUMBERS["load"], bytes(20_000), flags=MORE))
        await wait_all_tasks_blocked()
        assert server._budget.available == server._budget.max_bytes - 20_000
        if how == "breaks a rule":
            await client.send(frame(12))
        elif how == "is cut off":
            link.cut()
        else:
            await client.stream.aclose()
        with trio.fail_after(5):
            await server._wait_gone()
        assert server._budget.available == server._budget.max_bytes


# Many calls.


async def test_twelve_hundred_calls_at_once_on_one_connection(autojump_clock: MockClock) -> None:
    running = most = 0

    async def last(symbol: str, depth: int) -> dict[str, Any]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await trio.sleep(1)
        running -= 1
        return tick(symbol, size=depth)

    server = desk_server(last=last)
    async with open_pair(server, DESK) as client:
        got: list[int] = []

        async def call(depth: int) -> None:
            got.append((await client.last("EURUSD", depth))["size"])

        async with trio.open_nursery() as nursery:
            for depth in range(1200):
                nursery.start_soon(call, depth)
        assert sorted(got) == list(range(1200))
        assert most == 1024
        assert trio.current_time() == pytest.approx(2, abs=0.1)
        await wait_all_tasks_blocked()
        assert at_rest(client, server) == []


async def test_a_hundred_and_fifty_streams_take_turns_in_a_hundred_slots(
    autojump_clock: MockClock,
) -> None:
    async with open_desk() as client:
        open_now = most = 0

        async def stream() -> None:
            nonlocal open_now, most
            async with client.swap() as call:
                open_now += 1
                most = max(most, open_now)
                await trio.sleep(1)
                await call.send(b"x")
                assert await call.receive() == b"x"
                open_now -= 1

        async with trio.open_nursery() as nursery:
            for _ in range(150):
                nursery.start_soon(stream)
            await trio.sleep(0.5)
            assert await client.last("EURUSD") == tick()  # not one of them
        assert most == 100
        assert trio.current_time() == pytest.approx(2, abs=0.1)
        await wait_all_tasks_blocked()
        assert at_rest(client) == []
