"""One connection of a server: what it refuses, and how it ends."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from functools import partial
from typing import Any
from weakref import ref

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import avrpc
from avrpc.testing import Link, open_pair
from avrpc.wire import GoawayCode
from avrpc.wire.frames import Kind
from tests.desk import DESK, Note, SlowDesk, at_rest, desk_server, open_raw_client, talk, tick
from tests.wire.pair import frame

NUMBERS = {name: message.number for name, message in DESK.messages.items()}

# What it refuses, and says so in one line of its log ...


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
        b"SSH-2.0-OpenSSH_9.6\r\n" + b"\x1b[31mred\n" * 10,
        b"\xff" * 100,
        bytes(100),
        b"\0\0\0\0\0\0\0\1\0\0\0\5hello",
    ],
)
async def test_garbage_ends_its_connection_with_one_line_in_the_log_and_nothing_else(
    garbage: bytes, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    server = desk_server()
    async with open_pair(server, DESK) as client:
        await talk(server, garbage)
        assert await client.last("EURUSD") == tick()
        assert len(server._connections) == 1
    (line,) = caplog.records
    assert line.levelno == logging.WARNING
    assert "refused" in line.message or "no handshake" in line.message
    assert line.message.isprintable()


async def test_client_that_does_not_shake_hands_is_hung_up_on(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    server = desk_server(limits=avrpc.Limits(handshake_timeout=7))
    for data in (b"", b"\0\0"):
        begin = trio.current_time()
        await talk(server, data)
        assert trio.current_time() == pytest.approx(begin + 7)
    assert caplog.text.count("no handshake in 7") == 2


async def test_authenticate_that_hangs_is_told_from_a_client_that_does(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def hangs(presented: avrpc.Presented) -> None:
        await trio.sleep_forever()

    server = desk_server(limits=avrpc.Limits(handshake_timeout=7), authenticate=hangs)
    with pytest.raises(avrpc.ConnectFailed):
        async with open_pair(server, DESK):
            pass
    await talk(server, b"")
    assert [record.message for record in caplog.records] == [
        "stream: no answer of authenticate in 7 s",
        "stream: no handshake in 7 s",
    ]


async def test_calls_know_the_callers_identity_and_the_servers_protocol() -> None:
    async def last(symbol: str, depth: int) -> Any:
        call = avrpc.current_call()
        return tick(f"{call.identity} {call.protocol}")

    server = desk_server(last=last, authenticate=lambda presented: presented.peer)
    async with open_pair(server, DESK) as client:
        assert await client.last("x") == tick("stream test.Desk")


async def test_client_that_hangs_up_in_the_handshake_is_no_news(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert await talk(desk_server(), b"\0\0", end=True) == b""
    assert not caplog.records


async def test_peer_that_breaks_the_rules_is_told_and_the_others_are_not_touched(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = desk_server()
    async with open_pair(server, DESK) as client:
        async with open_raw_client(server) as broken:
            await broken.send(frame(Kind.CALL, 2, NUMBERS["last"], "EURUSD", 1))
            kind, _, body = await broken.receive()
            assert (kind, body[1]) == (Kind.GOAWAY, GoawayCode.PROTOCOL_ERROR << 1)
            with pytest.raises(EOFError):
                await broken.receive()
        assert await client.last("EURUSD") == tick()
    assert len(caplog.records) == 1


async def test_cancelled_handlers_keep_their_slots_until_they_have_ended(
    autojump_clock: MockClock,
) -> None:
    async def last(symbol: str, depth: int) -> Any:
        with trio.CancelScope(shield=True):
            await trio.sleep(10)
        return tick()

    server = desk_server(limits=avrpc.Limits(max_calls=5), last=last)
    async with open_raw_client(server) as client:
        for call_id in range(1, 6):
            await client.send(frame(Kind.CALL, call_id, NUMBERS["last"], "EURUSD", 1))
            await wait_all_tasks_blocked()
            await client.send(frame(Kind.CANCEL, call_id))
            await wait_all_tasks_blocked()
            assert server.running == call_id
        await client.send(frame(Kind.CALL, 6, NUMBERS["last"], "EURUSD", 1))
        kind, _, body = await client.receive()
        assert (kind, body[1]) == (Kind.GOAWAY, GoawayCode.PROTOCOL_ERROR << 1)
        assert server.running == 5
        await server._wait_gone()
    assert server.running == 0
    assert trio.current_time() == 10


async def test_connection_that_has_ended_is_no_garbage_that_has_to_be_found(
    autojump_clock: MockClock,
) -> None:
    """A flood of connections would have the collector stop the loop for a while."""

    async def last(symbol: str, depth: int) -> Any:
        await trio.sleep_forever()

    server = desk_server(last=last)
    gc.disable()
    try:
        async with open_raw_client(server) as client:
            await client.send(frame(Kind.CALL, 1, NUMBERS["last"], "EURUSD", 1))
            await wait_all_tasks_blocked()
            (one,) = server._connections
            assert one._session is not None
            seen: list[Callable[[], object]] = [ref(one), ref(one._session)]
            del one
        await server._wait_gone()
        await wait_all_tasks_blocked()
        assert [each() for each in seen] == [None, None]
    finally:
        gc.enable()


async def test_handlers_beyond_the_limit_are_refused_and_have_not_run(
    autojump_clock: MockClock,
) -> None:
    async def last(symbol: str, depth: int) -> Any:
        await trio.sleep(1)
        return tick()

    server = desk_server(limits=avrpc.Limits(max_running_handlers=2), last=last)
    async with open_pair(server, DESK) as client, open_pair(server, DESK) as other:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.last, "EURUSD")
            nursery.start_soon(other.last, "EURUSD")
            await wait_all_tasks_blocked()
            with pytest.raises(avrpc.LimitExceeded, match="max_running_handlers") as caught:
                await client.last("EURUSD")
            assert not caught.value.maybe_executed
            with pytest.raises(avrpc.LimitExceeded):
                async with other.push() as call:
                    await call.send(b"x")
        assert await client.last("EURUSD") == tick()
        assert at_rest(client, other, server) == []


# ... and how it ends: first the drain.


async def test_aclose_lets_running_calls_finish_and_refuses_new_ones(
    autojump_clock: MockClock,
) -> None:
    note = Note()
    server = SlowDesk(10, note).server()
    async with open_pair(server, DESK) as client, trio.open_nursery() as nursery:

        async def call() -> None:
            assert await client.last("EURUSD") == tick()

        async def watch() -> None:
            async with client.watch("EURUSD") as ticks:
                assert len([one async for one in ticks]) == 2

        async def push() -> None:
            async with client.push() as blobs:
                await trio.sleep(5)
                await blobs.send(b"four")  # a call that is open goes on both ways
                assert await blobs.result() == 4

        for one in (call, watch, push):
            nursery.start_soon(one)
        await wait_all_tasks_blocked()
        nursery.start_soon(server.aclose)
        await wait_all_tasks_blocked()
        for new in (partial(client.last, "EURUSD"), client.watch("EURUSD").__aenter__):
            with pytest.raises(avrpc.Unavailable, match="shutting down") as caught:
                await new()
            assert not caught.value.maybe_executed
    assert note.lines == ["done"] * 3
    assert trio.current_time() == pytest.approx(15, abs=0.1)


async def test_call_that_crosses_the_goaway_has_not_run(autojump_clock: MockClock) -> None:
    note = Note()
    server = SlowDesk(10, note).server()
    link = Link()
    async with open_pair(server, DESK, link=link) as client, trio.open_nursery() as nursery:
        link.to_client.hold()
        nursery.start_soon(server.aclose)
        await wait_all_tasks_blocked()

        async def call() -> None:
            with pytest.raises(avrpc.Unavailable) as caught:
                await client.last("EURUSD")
            assert not caught.value.maybe_executed

        nursery.start_soon(call)
        await wait_all_tasks_blocked()
        link.to_client.release()
    assert note.lines == []


async def test_call_that_waits_for_a_slot_at_the_drain_has_not_run(
    autojump_clock: MockClock,
) -> None:
    note = Note()
    server = SlowDesk(10, note).server(max_calls=1)
    async with open_pair(server, DESK) as client, trio.open_nursery() as nursery:
        nursery.start_soon(client.last, "EURUSD")
        await wait_all_tasks_blocked()

        async def call() -> None:
            with pytest.raises(avrpc.Unavailable) as caught:
                await client.last("EURUSD")
            assert not caught.value.maybe_executed

        nursery.start_soon(call)
        await wait_all_tasks_blocked()
        nursery.start_soon(server.aclose)
    assert note.lines == ["done"]


async def test_calls_that_outlast_the_drain_are_cancelled(autojump_clock: MockClock) -> None:
    note = Note()
    server = SlowDesk(1000, note).server(drain_timeout=20)
    async with open_pair(server, DESK) as client, trio.open_nursery() as nursery:

        async def call() -> None:
            with pytest.raises(avrpc.Unavailable, match="shutting down") as caught:
                await client.last("EURUSD")
            assert caught.value.maybe_executed

        async def watch() -> None:
            with pytest.raises(avrpc.Unavailable) as caught:
                async with client.watch("EURUSD") as ticks:
                    [one async for one in ticks]
            assert caught.value.maybe_executed

        nursery.start_soon(call)
        nursery.start_soon(watch)
        await wait_all_tasks_blocked()
        await server.aclose()
        assert trio.current_time() == pytest.approx(20, abs=0.1)
    assert note.lines == ["cancelled"] * 2


async def test_handlers_that_outlast_the_cancel_are_left_behind(autojump_clock: MockClock) -> None:
    async def last(symbol: str, depth: int) -> Any:
        with trio.CancelScope(shield=True):
            await trio.sleep(100)

    server = desk_server(limits=avrpc.Limits(drain_timeout=20, cancel_timeout=3), last=last)
    async with trio.open_nursery() as nursery:

        async def call() -> None:
            with pytest.raises(avrpc.ConnectionLost) as caught:
                async with open_pair(server, DESK) as client:
                    await client.last("EURUSD")
            assert caught.value.maybe_executed

        nursery.start_soon(call)
        await wait_all_tasks_blocked()
        await server.aclose()
        assert trio.current_time() == pytest.approx(24, abs=0.1)  # and one for the cut


async def test_connection_that_shakes_hands_at_the_drain_is_closed(
    autojump_clock: MockClock,
) -> None:
    server = desk_server()
    link = Link()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.serve_stream, link.server)
        await wait_all_tasks_blocked()
        await server.aclose()
        assert await link.client.receive_some() == b""
    assert trio.current_time() < 0.1
    assert await talk(server, b"") == b""  # and a later one


async def test_client_block_left_during_the_drain_ends_its_part_of_it(
    autojump_clock: MockClock,
) -> None:
    note = Note()
    server = SlowDesk(10, note).server()
    async with trio.open_nursery() as nursery, open_pair(server, DESK) as client:
        async with client.watch("EURUSD") as ticks:
            await ticks.receive()
            nursery.start_soon(server.aclose)
            await wait_all_tasks_blocked()
        await client._session.wait_idle()
    assert note.lines == ["cancelled"]
    assert trio.current_time() < 0.1


async def test_peer_that_does_not_hang_up_is_hung_up_on(autojump_clock: MockClock) -> None:
    server = desk_server(limits=avrpc.Limits(close_timeout=4))
    async with open_raw_client(server) as client:
        await server.aclose()
        assert trio.current_time() == pytest.approx(4)
        assert (await client.receive())[0] == Kind.GOAWAY


async def test_drain_waits_for_a_large_answer_to_leave(autojump_clock: MockClock) -> None:
    link = Link(capacity=1000)
    server = desk_server()
    async with open_pair(server, DESK, link=link) as client, trio.open_nursery() as nursery:

        async def call() -> None:
            assert len(await client.load(bytes(200_000))) == 200_000

        link.to_client.hold()
        nursery.start_soon(call)
        await wait_all_tasks_blocked()
        nursery.start_soon(server.aclose)
        await trio.sleep(10)
        link.to_client.release()
