"""What is sent when, and by whom."""

from __future__ import annotations

import socket

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

import avrpc
from avrpc.transport import SocketTransport
from avrpc.wire import Role
from avrpc.wire.frames import Kind
from avrpc.writer import Writer
from tests.desk import DESK, desk_server
from tests.wire.pair import frame, native

PONG = frame(Kind.PING, 1)


class Told:
    """Who owns a writer, and keeps what he is told."""

    def __init__(self) -> None:
        self.blocked: list[bool] = []
        self.left = 0
        self.failed: list[Exception] = []

    def sending_blocked(self, since: float | None) -> None:
        self.blocked.append(since is not None)

    def large_value_left(self) -> None:
        self.left += 1

    def sending_failed(self, error: Exception) -> None:
        self.failed.append(error)


class Rig:
    """A writer at work, and the other end of its socket."""

    def __init__(self, nursery: trio.Nursery, role: Role = Role.CLIENT) -> None:
        ours, self.other = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.other.setblocking(False)
        self.transport = SocketTransport(ours, "there")
        self.connection = native(role)
        self.calls: list[int] = []
        self.told = Told()
        self.writer = Writer(self.transport, self.connection, self.calls, self.told)
        nursery.start_soon(self.writer.run)

    def queue(self, count: int = 1, size: int = 0) -> None:
        for _ in range(count):
            self.connection.outgoing.ping(1)
        self.connection.outgoing.data += bytes(size)

    def arrived(self) -> int:
        """How many bytes have come since the last look."""
        try:
            return len(self.other.recv(1 << 20))
        except BlockingIOError:
            return 0

    async def end(self, nursery: trio.Nursery) -> None:
        nursery.cancel_scope.cancel()
        await self.transport.aclose()
        self.other.close()


async def test_call_that_is_alone_is_sent_on_the_spot(nursery: trio.Nursery) -> None:
    rig = Rig(nursery)
    await wait_all_tasks_blocked()
    rig.queue()
    rig.writer.kick()
    assert rig.arrived() == len(PONG)
    rig.calls += [1, 2]
    rig.queue()
    rig.writer.kick()
    rig.queue()
    rig.writer.kick()
    assert rig.arrived() == 0
    await wait_all_tasks_blocked()
    assert rig.arrived() == 2 * len(PONG)
    await rig.end(nursery)


async def test_server_sends_every_sixteenth_time_on_the_spot(nursery: trio.Nursery) -> None:
    rig = Rig(nursery, Role.SERVER)
    rig.calls += [1, 2]
    await wait_all_tasks_blocked()
    arrived = []
    for _ in range(40):
        rig.queue()
        rig.writer.kick()
        arrived.append(rig.arrived() // len(PONG))
    assert arrived == ([0] * 15 + [16]) * 2 + [0] * 8
    await wait_all_tasks_blocked()
    assert rig.arrived() == 8 * len(PONG)
    await rig.end(nursery)


async def test_what_the_peer_does_not_take_is_waited_for_and_told(nursery: trio.Nursery) -> None:
    rig = Rig(nursery)
    await wait_all_tasks_blocked()
    rig.queue(size=1 << 20)
    rig.writer.kick()
    await wait_all_tasks_blocked()
    assert rig.told.blocked[-1:] == [True]
    rig.queue()
    rig.writer.kick()  # nothing is tried while the task waits
    taken, flushed = 0, trio.Event()

    async def flush() -> None:
        await rig.writer.flush()
        flushed.set()

    nursery.start_soon(flush)
    with trio.fail_after(5):
        while taken < (1 << 20) + 2 * len(PONG):
            taken += rig.arrived()
            await wait_all_tasks_blocked()
    assert flushed.is_set()
    assert rig.told.blocked[-1:] == [False]
    assert rig.told.failed == []
    await rig.end(nursery)


async def test_tasks_that_wait_for_room_go_on_when_half_a_window_has_left(
    nursery: trio.Nursery,
) -> None:
    rig = Rig(nursery)
    await wait_all_tasks_blocked()
    rig.queue(size=400_000)
    nursery.start_soon(rig.writer.room.park)
    rig.writer.wake()
    await wait_all_tasks_blocked()
    assert len(rig.writer.room) == 1
    with trio.fail_after(5):
        while len(rig.writer.room):
            rig.arrived()
            await wait_all_tasks_blocked()
    assert len(rig.connection.outgoing.data) < 64 * 1024
    await rig.end(nursery)


@pytest.mark.parametrize("corked", [True, False])
async def test_tasks_that_wait_for_room_go_on_when_all_has_left_on_the_spot(
    corked: bool, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the writer was to run by itself or not: once it is empty, it would not again."""
    rig = Rig(nursery)
    await wait_all_tasks_blocked()
    monkeypatch.setattr(rig.transport, "send_now", bytearray.clear)
    nursery.start_soon(rig.writer.room.park)
    await wait_all_tasks_blocked()
    rig.writer.corked = corked
    rig.queue(size=400_000)
    rig.writer.wake()
    if corked:
        rig.writer.uncork()
    else:
        rig.writer.kick()
    assert not rig.connection.outgoing.data
    await wait_all_tasks_blocked()
    assert len(rig.writer.room) == 0
    await rig.end(nursery)


async def test_writer_closed_while_it_is_corked_ends_when_all_has_left(
    nursery: trio.Nursery,
) -> None:
    rig = Rig(nursery)
    await wait_all_tasks_blocked()
    rig.writer.corked = True
    rig.queue()
    rig.writer.close()
    rig.writer.uncork()
    assert rig.arrived() == len(PONG)
    await wait_all_tasks_blocked()
    assert rig.writer.mute
    await rig.end(nursery)


@pytest.mark.parametrize("on_the_spot", [True, False])
async def test_failure_is_told_once_and_nothing_is_tried_after_it(
    on_the_spot: bool, nursery: trio.Nursery
) -> None:
    rig = Rig(nursery)
    await wait_all_tasks_blocked()
    rig.other.close()
    rig.queue()
    if on_the_spot:
        rig.writer.kick()
    else:
        rig.writer.wake()
        await wait_all_tasks_blocked()
    assert rig.writer.mute
    assert len(rig.told.failed) == 1
    rig.queue()
    rig.writer.kick()
    await rig.writer.flush()
    assert len(rig.told.failed) == 1
    await rig.end(nursery)


async def test_defect_in_sending_is_logged_and_told(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig(nursery)
    await wait_all_tasks_blocked()

    def fail(data: bytearray) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(rig.transport, "send_now", fail)
    rig.queue()
    rig.writer.wake()
    await wait_all_tasks_blocked()
    assert [str(error) for error in rig.told.failed] == ["sending failed in this process"]
    assert "ZeroDivisionError" in caplog.text
    await rig.end(nursery)


async def test_large_value_leaves_in_pieces_and_that_is_told(nursery: trio.Nursery) -> None:
    rig = Rig(nursery)
    await wait_all_tasks_blocked()
    rig.connection.outgoing.call(0, bytes(30_000))
    rig.writer.kick()
    with trio.fail_after(5):
        while not rig.told.left:
            rig.arrived()
            await wait_all_tasks_blocked()
    assert not rig.connection.outgoing.leaving
    await rig.end(nursery)


# In a connection ...


async def test_send_on_the_spot_that_fails_ends_the_connection(nursery: trio.Nursery) -> None:
    """On a socket, a call that is alone is sent by its own task."""
    server = desk_server()
    (address,) = await nursery.start(server.serve, "tcp://127.0.0.1:0")
    async with avrpc.connect(address, DESK) as client:
        await client.last("EURUSD")
        transport = client._session.transport
        assert isinstance(transport, SocketTransport)
        transport._socket.shutdown(socket.SHUT_WR)
        with trio.fail_after(5):
            with pytest.raises(avrpc.ConnectionLost) as raised:
                await client.last("EURUSD")
        assert raised.value.maybe_executed
    await server.aclose()


async def test_server_sends_answers_while_it_works_off_the_other_calls(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the client can go on meanwhile: else the two take turns, and one of them always waits."""
    server = desk_server()
    (address,) = await nursery.start(server.serve, "tcp://127.0.0.1:0")
    async with avrpc.connect(address, DESK) as client:
        await client.last("EURUSD")
        (connection,) = server._connections
        assert connection._session is not None
        transport = connection._session.transport
        sent: list[int] = []

        def send_now(data: bytearray) -> None:
            sent.append(len(data))
            SocketTransport.send_now(transport, data)  # type: ignore[arg-type]

        monkeypatch.setattr(transport, "send_now", send_now)
        async with trio.open_nursery() as calls:
            for _ in range(64):
                calls.start_soon(client.last, "EURUSD")
        assert max(sent) < sum(sent) / 3
    await server.aclose()


async def test_answers_beyond_what_may_be_unsent_leave_with_the_others(
    nursery: trio.Nursery,
) -> None:
    """The peer takes all at once, of calls that came together: one handler waited for that."""

    async def trade(from_: str, class_: str) -> str:
        return "x" * 55_000

    server = desk_server(trade=trade)
    (address,) = await nursery.start(server.serve, "tcp://127.0.0.1:0")
    async with avrpc.connect(address, DESK) as client:
        await client.trade("EURUSD")
        (connection,) = server._connections
        assert connection._session is not None
        transport = connection._session.transport
        assert isinstance(transport, SocketTransport)
        transport._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        with trio.fail_after(5):
            for _ in range(3):
                server._methods[DESK.name]["trade"].patience = 0  # begin each at once
                async with trio.open_nursery() as calls:
                    for _ in range(7):
                        calls.start_soon(client.trade, "EURUSD")
    await server.aclose()
