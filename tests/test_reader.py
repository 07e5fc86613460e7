"""Reading: how it ends, what it leaves to others, what is noticed while nothing comes."""

from __future__ import annotations

import inspect

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import avrpc
from avrpc.session import Session
from avrpc.testing import Link, open_pair
from avrpc.wire import GoawayCode, ResultReceived, StatusCode
from avrpc.wire.frames import MORE, Kind
from avrpc.wire.primitives import encode_bytes
from avrpc.workers import MAX_TURN
from avrpc.writer import HIGH_WATER
from tests.desk import (
    DESK,
    PATIENT,
    Note,
    at_rest,
    desk_server,
    lost,
    open_desk,
    open_raw_client,
    open_raw_server,
)
from tests.wire.pair import frame

NUMBERS = {name: message.number for name, message in DESK.messages.items()}


async def test_end_of_the_stream_between_frames_is_a_lost_connection() -> None:
    async with open_raw_server() as (client, server), trio.open_nursery() as nursery:
        nursery.start_soon(server.stream.send_eof)
        error = await lost(client)
        assert error.maybe_executed
        assert "closed the connection" in str(error)
        assert "middle" not in str(error)


async def test_end_of_the_stream_in_the_middle_of_a_frame_says_so() -> None:
    async with open_raw_server() as (client, server):
        await server.send(frame(Kind.RESULT, 1, bytes(10))[:-1])
        await server.stream.send_eof()
        assert "in the middle of a frame" in str(await lost(client))


async def test_failure_while_events_are_told_is_logged_and_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_desk() as client:

        def fail(session: object, event: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setitem(Session._HANDLERS, ResultReceived, fail)
        error = await lost(client)
        assert "failed in this process" in str(error)
    assert "ZeroDivisionError" in caplog.text


async def test_server_reads_no_more_calls_of_a_client_that_does_not_read(
    autojump_clock: MockClock,
) -> None:
    link = Link(capacity=1000)
    note = Note()

    async def load(data: bytes) -> bytes:
        note("ran")
        return bytes(50_000)

    server = desk_server(limits=PATIENT, load=load)
    async with open_raw_client(server, link=link) as client:
        link.to_client.hold()
        with trio.move_on_after(1):
            for call_id in range(1, 1000):
                await client.send(
                    frame(Kind.CALL, call_id, NUMBERS["load"], encode_bytes(bytes(2000)))
                )
        (connection,) = server._connections
        assert connection._session is not None
        assert len(connection._session.outgoing.data) < HIGH_WATER + 2 * 65_536 + 50_000
        ran = len(note.lines)
        assert ran < 60
        await trio.sleep(100)
        assert len(note.lines) == ran
        link.to_client.release()
        for _ in range(ran):
            assert (await client.receive())[0] == Kind.RESULT


async def test_peer_that_goes_silent_is_asked_and_then_told_why_the_connection_ends(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_raw_client(desk_server()) as client:
        assert (await client.receive())[0] == Kind.PING
        assert trio.current_time() == 30
        kind, _, body = await client.receive()
        assert (kind, body[1]) == (Kind.GOAWAY, GoawayCode.KEEPALIVE_TIMEOUT << 1)
        assert trio.current_time() == 50
        with pytest.raises(EOFError):
            await client.receive()
    assert "PING" in caplog.text


async def test_client_of_a_server_that_goes_silent_loses_its_calls(
    autojump_clock: MockClock,
) -> None:
    async with open_raw_server() as (client, server):
        error = await lost(client)
        assert trio.current_time() == 50
        assert error.maybe_executed
        assert [(await server.receive())[0] for _ in range(2)] == [Kind.CALL, Kind.PING]
        with pytest.raises(avrpc.ConnectionLost) as caught:
            await client.last("EURUSD")
        assert not caught.value.maybe_executed


async def test_pings_beyond_the_limit_end_the_connection(autojump_clock: MockClock) -> None:
    server = desk_server(limits=avrpc.Limits(max_pings=5))
    async with open_raw_client(server) as client:
        for _ in range(2):
            await client.send(frame(Kind.PING, 7) * 5)
            assert {(await client.receive())[0] for _ in range(5)} == {Kind.PONG}
            await trio.sleep(31)  # from then on as many more may come
            assert (await client.receive())[0] == Kind.PING
        await client.send(frame(Kind.PING, 7) * 6)
        kinds = [await client.receive() for _ in range(7)]
        assert kinds[-1][0] == Kind.GOAWAY
        assert kinds[-1][2][1] == GoawayCode.ENHANCE_YOUR_CALM << 1
        with pytest.raises(EOFError):
            await client.receive()


async def test_half_value_that_does_not_go_on_is_dropped_at_a_server_with_its_call(
    autojump_clock: MockClock,
) -> None:
    limits = avrpc.Limits(piece_timeout=8, keepalive_interval=1000)
    async with open_raw_client(desk_server(limits=limits)) as client:
        await client.send(frame(Kind.CALL, 1, NUMBERS["load"], bytes(2000), flags=MORE))
        kind, flags, body = await client.receive()
        assert (kind, flags, body[1]) == (Kind.STATUS, 0, StatusCode.RESOURCE_EXHAUSTED << 1)
        assert 8 <= trio.current_time() <= 10


async def test_half_value_that_does_not_go_on_is_dropped_at_a_client_and_its_call_cancelled(
    autojump_clock: MockClock,
) -> None:
    limits = avrpc.Limits(piece_timeout=8, keepalive_interval=1000)
    async with open_raw_server(client_limits=limits) as (client, server):

        async def answer() -> None:
            await server.receive()
            await server.send(frame(Kind.RESULT, 1, bytes(2000), flags=MORE))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            with pytest.raises(avrpc.LimitExceeded, match="8 s"):
                await client.load(b"x")
        assert 8 <= trio.current_time() <= 10
        assert (await server.receive())[0] == Kind.CANCEL
        assert client._session.connection.half_values() == {}


# The task that reads, and handlers that begin in it.


def load(call_id: int) -> bytes:
    return frame(Kind.CALL, call_id, NUMBERS["load"], b"\x02x")


async def test_handler_that_does_not_wait_runs_in_the_task_that_reads() -> None:
    tasks: list[trio.lowlevel.Task] = []

    async def handler(data: bytes) -> bytes:
        tasks.append(trio.lowlevel.current_task())
        return data

    async with open_pair(desk_server(load=handler), DESK) as client:
        for _ in range(3):
            await client.load(b"x")
    assert len(set(tasks)) == 1


async def test_what_comes_behind_a_call_whose_handler_waits_is_told_by_another_task() -> None:
    gates = {data: trio.Event() for data in (b"1", b"2", b"3")}
    note = Note()

    async def handler(data: bytes) -> bytes:
        note(data.decode())
        with trio.CancelScope():
            await gates[data].wait()
        return data

    def load(call_id: int) -> bytes:
        return frame(Kind.CALL, call_id, NUMBERS["load"], b"\x02%d" % call_id)

    server = desk_server(load=handler)
    async with open_raw_client(server) as client:
        # All at once; the CANCEL is for a call whose handler waits when it is looked at.
        await client.send(load(1) + load(2) + frame(Kind.CANCEL, 1) + load(3))
        kind, _, body = await client.receive()
        assert (kind, body[:2]) == (Kind.STATUS, bytes([1 << 1, StatusCode.CANCELLED << 1]))
        await wait_all_tasks_blocked()
        assert sorted(note.lines) == ["1", "2", "3"]
        for call_id in (3, 2):
            gates[b"%d" % call_id].set()
            kind, _, body = await client.receive()
            assert (kind, body[0]) == (Kind.RESULT, call_id << 1)
        assert at_rest(server) == []


async def test_connection_that_ends_cancels_the_handler_whose_task_read() -> None:
    note = Note()

    async def handler(data: bytes) -> bytes:
        try:
            await trio.sleep_forever()
        finally:
            note("cancelled")

    server = desk_server(load=handler)
    async with open_raw_client(server) as client:
        await client.send(load(1))
        await wait_all_tasks_blocked()
    assert note.lines == ["cancelled"]
    assert server.running == 0


async def test_server_that_is_busy_with_one_connection_reads_the_others() -> None:
    note = Note()

    async def handler(data: bytes) -> bytes:
        note(data.decode())
        return data

    server = desk_server(load=handler)
    async with open_raw_client(server) as busy, open_raw_client(server) as calm:
        for client in (busy, calm):  # both are ready
            await client.send(load(1))
            await client.receive()
        note.lines.clear()
        many = 4 * MAX_TURN
        await busy.send(b"".join(load(call_id) for call_id in range(2, 2 + many)))
        await calm.send(frame(Kind.CALL, 2, NUMBERS["load"], b"\x02y"))
        await calm.receive()
        assert note.lines.index("y") <= 2 * MAX_TURN
        await wait_all_tasks_blocked()
        assert len(note.lines) == many + 1


async def test_method_that_waits_is_given_to_other_tasks_and_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("avrpc.handlers.TRY_AGAIN", 3)
    began: list[str] = []

    async def handler(data: bytes) -> bytes:
        by = {frame.function for frame in inspect.stack()}
        began.append("at once" if "begin" in by else "later")
        if data == b"wait":
            await trio.lowlevel.checkpoint()
        return data

    async with open_pair(desk_server(load=handler), DESK) as client:
        for data in [b"wait", b"", b"", b"", b"", b""]:
            await client.load(data)
    assert began == ["at once", "later", "later", "later", "at once", "at once"]
