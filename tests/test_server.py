"""The server: addresses, connections, and how it ends."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import avrpc
from avrpc.address import TcpAddress
from avrpc.listen import Listener
from avrpc.testing import Link, open_pair
from tests.desk import (
    DESK,
    PATIENT,
    Desk,
    Note,
    SlowDesk,
    desk_server,
    talk,
    tick,
)

NUMBERS = {name: message.number for name, message in DESK.messages.items()}
ROOT = Path(__file__).parent.parent

OTHER = avrpc.Protocol.parse(
    '{"protocol": "Other", "namespace": "test", "messages":'
    ' {"ping": {"request": [], "response": "string"}}}'
)


# What a caller is told by a server that stops at once: nothing, if there is no time for it.
STOPPED = (avrpc.ConnectionLost, avrpc.Unavailable)


async def ping() -> str:
    return "pong"


# What can be served ...


def test_server_needs_a_protocol_and_no_two_of_one_name() -> None:
    with pytest.raises(TypeError, match="at least one protocol"):
        avrpc.Server({})
    again = avrpc.Protocol.parse(DESK.text)
    with pytest.raises(TypeError, match="two protocols of one name"):
        avrpc.Server({DESK: Desk(), again: Desk()})


def test_service_that_does_not_fit_is_refused_when_the_server_is_made() -> None:
    with pytest.raises(TypeError, match=r"does not implement test\.Other: ping"):
        avrpc.Server({OTHER: object()})


async def test_several_protocols_share_a_server_and_the_first_is_the_default() -> None:
    server = avrpc.Server({OTHER: {"ping": ping}, DESK: Desk()})
    assert server.protocols == (OTHER, DESK)
    async with (
        open_pair(server, DESK) as desk,
        open_pair(server, OTHER) as other,
        open_pair(server) as default,
        open_pair(server, "test.Desk") as named,
    ):
        assert await desk.last("EURUSD") == await named.last("EURUSD") == tick()
        assert await other.ping() == await default.ping() == "pong"
        assert default.protocols == ("test.Other", "test.Desk")


async def test_connections_of_the_servers_own_version_hold_no_methods_of_their_own() -> None:
    server = desk_server()
    async with open_pair(server, DESK), open_pair(server, DESK):
        first, second = (one._methods for one in server._connections)
        assert len(first) == len(DESK.messages)
        assert all(mine is other for mine, other in zip(first, second, strict=True))


def test_hook_that_is_none_is_refused_when_the_server_is_made() -> None:
    with pytest.raises(TypeError, match=r"^authenticate: expected a function"):
        desk_server(authenticate="token")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^authorize: expected a function"):
        desk_server(authorize=True)  # type: ignore[arg-type]


async def test_hooks_are_asked_about_connections_and_calls() -> None:
    asked: list[str] = []

    async def authenticate(presented: avrpc.Presented) -> str:
        asked.append(presented.peer)
        return "alice"

    def authorize(call: avrpc.CallInfo) -> bool:
        asked.append(f"{call.identity} {call.message.name}")
        return call.message.name != "load"

    async with open_pair(desk_server(authenticate=authenticate, authorize=authorize)) as client:
        assert await client.last("EURUSD") == tick()
        with pytest.raises(avrpc.PermissionDenied):
            await client.load(b"")
    assert asked == ["stream", "alice last", "alice load"]


async def test_server_remembers_no_more_versions_than_a_fleet_has() -> None:
    server = desk_server()
    made = json.loads(DESK.text)
    for number in range(70):
        made["doc"] = str(number)
        async with open_pair(server, avrpc.Protocol.parse(json.dumps(made))) as client:
            await client.last("EURUSD")
    assert len(server._texts) == len(server._negotiations) == 64


# ... where ...


async def test_port_0_is_filled_in(nursery: trio.Nursery) -> None:
    server = desk_server()
    (address,) = await nursery.start(server.serve, "tcp://127.0.0.1:0")
    assert address.startswith("tcp://127.0.0.1:")
    assert not address.endswith(":0")
    async with avrpc.connect(address, DESK) as client:
        assert await client.last("EURUSD") == tick()
        assert client.address == address
    await server.aclose()


async def test_several_addresses_are_reported_in_order(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    server = desk_server()
    unix = f"unix://{tmp_path / 'desk'}"
    addresses = await nursery.start(server.serve, "tcp://127.0.0.1:0", unix, "tcp://127.0.0.1:0")
    assert addresses[1] == unix
    assert len(set(addresses)) == 3
    for address in addresses:
        async with avrpc.connect(address, DESK) as client:
            assert await client.last("EURUSD") == tick()
    await server.aclose()
    assert not (tmp_path / "desk").exists()


async def test_aclose_returns_when_nothing_listens_any_more(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    server = desk_server()
    await nursery.start(server.serve, f"unix://{tmp_path / 'desk'}")
    await server.aclose()
    assert not (tmp_path / "desk").exists()


async def test_name_with_two_families_is_served_on_both(nursery: trio.Nursery) -> None:
    families = {info[0] for info in socket.getaddrinfo("localhost", None, type=socket.SOCK_STREAM)}
    server = desk_server()
    addresses = await nursery.start(server.serve, "tcp://localhost:0")
    assert len(addresses) == len(families)
    for address in addresses:
        async with avrpc.connect(address, DESK) as client:
            assert await client.last("EURUSD") == tick()
    await server.aclose()


async def test_two_servers_run_in_one_process(nursery: trio.Nursery) -> None:
    first, second = desk_server(), avrpc.Server({OTHER: {"ping": ping}})
    (one,) = await nursery.start(first.serve, "tcp://127.0.0.1:0")
    (two,) = await nursery.start(second.serve, "tcp://127.0.0.1:0")
    async with avrpc.connect(one, DESK) as desk, avrpc.connect(two, OTHER) as other:
        assert await desk.last("EURUSD") == tick()
        await first.aclose()
        assert await other.ping() == "pong"
    await second.aclose()


async def test_server_may_serve_twice(nursery: trio.Nursery) -> None:
    server = desk_server()
    (one,) = await nursery.start(server.serve, "tcp://127.0.0.1:0")
    (two,) = await nursery.start(server.serve, "tcp://127.0.0.1:0")
    for address in (one, two):
        async with avrpc.connect(address, DESK) as client:
            assert await client.last("EURUSD") == tick()
    await server.aclose()


@pytest.mark.parametrize("addresses", [(), ("nonsense",), ("tcp://127.0.0.1:0", "nonsense")])
async def test_address_that_is_none_is_refused_before_anything_is_served(
    addresses: tuple[str, ...],
) -> None:
    with pytest.raises(ValueError, match="address"):
        await desk_server().serve(*addresses)


async def test_address_that_can_not_be_bound_raises_what_the_system_says() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match="in use"):
            await desk_server().serve("tcp://127.0.0.1:0", address)


# ... accepting ...


class FailingSocket:
    """A listening socket whose accept fails as told, and then waits."""

    def __init__(self, *errors: int) -> None:
        self.errors = list(errors)

    async def accept(self) -> Any:
        await trio.lowlevel.checkpoint()
        if self.errors:
            error = self.errors.pop(0)
            raise OSError(error, os.strerror(error))
        await trio.sleep(1000)

    def fileno(self) -> int:
        return -1


@pytest.mark.parametrize(
    ("error", "pause"), [(errno.ECONNABORTED, 0), (errno.EPERM, 0), (errno.EMFILE, 0.1)]
)
async def test_accept_that_fails_for_now_is_tried_again(
    error: int, pause: float, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    server = desk_server()
    failing = FailingSocket(error, error, error)
    listener = Listener(failing, TcpAddress("127.0.0.1", 1))  # type: ignore[arg-type]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server._accept, listener, nursery)
        await trio.sleep(1)
        assert failing.errors == []
        assert len(caplog.records) == (1 if pause else 0)
        nursery.cancel_scope.cancel()
    assert server._door._places.value == server.limits.max_connections


async def test_accept_that_can_work_no_more_ends_the_server() -> None:
    server = desk_server()
    failing = FailingSocket(errno.EBADF)
    listener = Listener(failing, TcpAddress("127.0.0.1", 1))  # type: ignore[arg-type]
    async with trio.open_nursery() as nursery:
        with pytest.raises(OSError, match="Bad file descriptor"):
            await server._accept(listener, nursery)
    assert server._door._places.value == server.limits.max_connections


async def test_connections_beyond_the_limit_wait_for_one_to_end(nursery: trio.Nursery) -> None:
    server = desk_server(limits=avrpc.Limits(max_connections=1))
    (address,) = await nursery.start(server.serve, "tcp://127.0.0.1:0")
    async with avrpc.connect(address, DESK) as first:
        with pytest.raises(avrpc.ConnectTimeout):
            async with avrpc.connect(address, DESK, timeout=0.1):
                pass
        assert await first.last("EURUSD") == tick()
    async with avrpc.connect(address, DESK) as second:
        assert await second.last("EURUSD") == tick()
    await server.aclose()
    assert server._door._places.value == 1


# ... what goes wrong ...


async def test_internal_error_of_one_connection_leaves_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = desk_server()
    async with open_pair(server, DESK) as client:
        with monkeypatch.context() as patch:

            def fail() -> None:
                raise ZeroDivisionError

            patch.setattr(server, "handshake", fail)
            assert await talk(server, b"") == b""
        assert await client.last("EURUSD") == tick()
    assert "internal error" in caplog.text
    assert "ZeroDivisionError" in caplog.text


# ... and how it ends: first the drain.


async def test_idle_connections_end_promptly(autojump_clock: MockClock) -> None:
    server = desk_server()
    async with open_pair(server, DESK) as client, open_pair(server, DESK) as other:
        await client.last("EURUSD")
        await server.aclose()
        assert trio.current_time() < 0.1
        for one in (client, other):
            with pytest.raises((avrpc.Unavailable, avrpc.ConnectionLost)) as caught:
                await one.last("EURUSD")
            assert not caught.value.maybe_executed


async def test_aclose_that_is_cancelled_cuts_at_once(autojump_clock: MockClock) -> None:
    note = Note()
    server = SlowDesk(1000, note).server()
    async with open_pair(server, DESK) as client, trio.open_nursery() as nursery:

        async def call() -> None:
            with pytest.raises(avrpc.ConnectionLost) as caught:
                await client.last("EURUSD")
            assert caught.value.maybe_executed

        nursery.start_soon(call)
        await wait_all_tasks_blocked()
        with trio.move_on_after(3):
            await server.aclose()
        assert trio.current_time() == pytest.approx(3, abs=0.1)
    assert note.lines == ["cancelled"]


async def test_aclose_again_and_beside_another_is_fine(autojump_clock: MockClock) -> None:
    note = Note()
    server = SlowDesk(5, note).server()
    async with open_pair(server, DESK) as client, trio.open_nursery() as nursery:
        nursery.start_soon(client.last, "EURUSD")
        await wait_all_tasks_blocked()
        nursery.start_soon(server.aclose)
        await server.aclose()
        await server.aclose()
    assert note.lines == ["done"]
    await avrpc.Server({DESK: Desk()}).aclose()


async def test_serve_returns_when_the_server_was_closed(nursery: trio.Nursery) -> None:
    server = desk_server()
    ended = trio.Event()

    async def serve(task_status: trio.TaskStatus[list[str]]) -> None:
        await server.serve("tcp://127.0.0.1:0", task_status=task_status)
        ended.set()

    (address,) = await nursery.start(serve)
    async with avrpc.connect(address, DESK) as client:
        await client.last("EURUSD")
        await server.aclose()
        await ended.wait()
    with pytest.raises(avrpc.ConnectFailed):
        async with avrpc.connect(address, DESK):
            pass
    with trio.fail_after(5):
        await server.serve("tcp://127.0.0.1:0")  # closed is closed


async def test_serve_that_is_cancelled_from_outside_ends_its_connections() -> None:
    note = Note()
    server = SlowDesk(1000, note).server()
    async with trio.open_nursery() as outer, trio.open_nursery() as nursery:
        (address,) = await nursery.start(server.serve, "tcp://127.0.0.1:0")
        connected = trio.Event()

        async def call() -> None:
            with pytest.raises(STOPPED):
                async with avrpc.connect(address, DESK) as client:
                    connected.set()
                    await client.last("EURUSD")

        outer.start_soon(call)
        await connected.wait()
        await wait_all_tasks_blocked(0.01)
        nursery.cancel_scope.cancel()
    assert note.lines == ["cancelled"]
    assert not server._connections


async def test_serve_stream_that_is_cancelled_leaves_nothing_for_aclose_to_wait_for(
    autojump_clock: MockClock,
) -> None:
    server = desk_server()
    link = Link()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.serve_stream, link.server)
        async with avrpc.connect_stream(link.client, DESK) as client:
            await client.last("EURUSD")
            nursery.cancel_scope.cancel()
    assert not server._connections
    assert server._door._places.value == server.limits.max_connections
    await server.aclose()
    assert trio.current_time() < 0.1


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
async def test_exit_of_a_handler_comes_out_of_serve_as_itself(error: BaseException) -> None:
    async def last(symbol: str, depth: int) -> Any:
        raise error

    server = desk_server(last=last)
    raised: list[BaseException] = []

    async def serve(task_status: trio.TaskStatus[list[str]]) -> None:
        try:
            await server.serve("tcp://127.0.0.1:0", task_status=task_status)
        except BaseException as one:  # noqa: BLE001  # that is what is tested
            raised.append(one)

    async with trio.open_nursery() as nursery:
        (address,) = await nursery.start(serve)
        async with avrpc.connect(address, DESK) as client:
            with pytest.raises(STOPPED) as caught:
                await client.last("EURUSD")
            assert caught.value.maybe_executed
    assert raised == [error]


# Signals: only `run` takes them.

PROGRAM = """
import trio

from tests.desk import desk_server, tick

async def last(symbol, depth):
    print("called", flush=True)
    try:
        await trio.sleep(depth / 1000)
    finally:
        print("ended", flush=True)
    return tick()

server = desk_server(last=last)
server.run("tcp://127.0.0.1:0", ready=lambda addresses: print(addresses[0], flush=True))
print("drained", flush=True)
"""


@asynccontextmanager
async def running(program: str) -> AsyncIterator[tuple[trio.Process, AsyncIterator[str]]]:
    """A Python program as a process, and the lines that it prints."""
    async with trio.open_nursery() as nursery:
        start = partial(
            trio.run_process, [sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=ROOT
        )
        process: trio.Process = await nursery.start(start)
        assert process.stdout is not None
        yield process, lines_of(process.stdout)


async def lines_of(stream: trio.abc.ReceiveStream) -> AsyncGenerator[str]:
    held = b""
    async for data in stream:
        *lines, held = (held + data).split(b"\n")
        for line in lines:
            yield line.decode()


async def call_once(address: str, milliseconds: int, outcome: list[object]) -> None:
    async with avrpc.connect(address, DESK) as client:
        try:
            outcome.append(await client.last("EURUSD", milliseconds))
        except avrpc.AvrpcError as error:
            outcome.append("stopped" if isinstance(error, STOPPED) else error)


@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signal_drains_a_program_that_serves_and_a_second_one_ends_it(
    number: signal.Signals, second: bool
) -> None:
    outcome: list[object] = []
    with trio.fail_after(20):
        async with running(PROGRAM) as (program, lines), trio.open_nursery() as nursery:
            address = await anext(lines)
            nursery.start_soon(call_once, address, 20_000 if second else 200, outcome)
            assert await anext(lines) == "called"
            program.send_signal(number)
            if second:
                await trio.sleep(0.05)
                program.send_signal(number)
            assert [line async for line in lines] == ["ended", "drained"]
            assert await program.wait() == 0
    assert outcome == ["stopped" if second else tick()]


async def test_run_until_signal_reports_its_addresses_and_drains_at_a_signal() -> None:
    note = Note()
    server = SlowDesk(0.05, note).server()
    ready: list[list[str]] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.run_until_signal, ready.append, "tcp://127.0.0.1:0")
        while not ready:  # noqa: ASYNC110  # a callback of the server's
            await trio.sleep(0.001)
        outcome: list[object] = []
        nursery.start_soon(call_once, ready[0][0], 0, outcome)
        while not server.running:  # noqa: ASYNC110
            await trio.sleep(0.001)
        signal.raise_signal(signal.SIGTERM)
    assert outcome == [tick()]
    assert note.lines == ["done"]


async def test_second_signal_cancels_what_runs() -> None:
    note = Note()
    server = SlowDesk(1000, note).server()
    async with trio.open_nursery() as nursery:
        bound: list[str] = []
        nursery.start_soon(server.run_until_signal, bound.extend, "tcp://127.0.0.1:0")
        while not bound:  # noqa: ASYNC110
            await trio.sleep(0.001)
        outcome: list[object] = []
        nursery.start_soon(call_once, bound[0], 0, outcome)
        while not server.running:  # noqa: ASYNC110
            await trio.sleep(0.001)
        for _ in range(2):
            signal.raise_signal(signal.SIGTERM)
            await trio.sleep(0.01)
    assert outcome == ["stopped"]
    assert note.lines == ["cancelled"]


def test_run_raises_what_serving_raises_in_no_group() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        desk_server().run("nonsense")


async def test_two_servers_in_one_process_touch_no_signals(nursery: trio.Nursery) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    server = desk_server()
    await nursery.start(server.serve, "tcp://127.0.0.1:0")
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before
    await server.aclose()


async def test_strangers_that_never_shake_hands_hold_up_others_for_their_time_only(
    autojump_clock: MockClock,
) -> None:
    server = desk_server(limits=avrpc.Limits(max_handshakes=3, handshake_timeout=5))
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(server.serve_stream, Link().server)
        await wait_all_tasks_blocked()
        async with open_pair(server, DESK, limits=PATIENT) as client:
            assert trio.current_time() == 5
            for _ in range(5):  # who has shaken hands is none of the three
                nursery.start_soon(server.serve_stream, Link().server)
            await client.last("EURUSD")
        nursery.cancel_scope.cancel()
    assert server._door._handshakes.value == 3
