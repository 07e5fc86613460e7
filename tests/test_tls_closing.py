"""TLS over sockets when somebody is silent, goes away, cuts the connection or closes it."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

import avrpc
from avrpc.client import Client
from avrpc.tls_transport import TlsTransport
from tests.certificates import HOST, client_context, server_context
from tests.desk import DESK, Note, at_rest, desk_server, tick
from tests.sockets import all_gone, served, the_line

WHERE = f"tls://{HOST}:0"

connect = partial(avrpc.connect, tls=client_context())


@pytest.mark.parametrize("begin", [b"", b"\x16\x03\x01", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"])
async def test_client_that_does_not_shake_hands_is_hung_up_on(
    begin: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    server = desk_server(limits=avrpc.Limits(handshake_timeout=0.1))
    async with (
        served(server, WHERE, server_context()) as address,
        await raw_stream(address) as stream,
    ):
        await stream.send_all(begin)
        with trio.fail_after(5):
            assert await stream.receive_some() == b""
    assert "no handshake in 0.1 s" in the_line(caplog)


async def raw_stream(address: str) -> trio.SocketStream:
    return await trio.open_tcp_stream(HOST, int(address.rpartition(":")[2]))


async def test_one_timer_is_for_both_handshakes(caplog: pytest.LogCaptureFixture) -> None:
    server = desk_server(limits=avrpc.Limits(handshake_timeout=0.2))
    async with served(server, WHERE, server_context()) as address:
        stream = trio.SSLStream(await raw_stream(address), client_context(), server_hostname=HOST)
        await stream.do_handshake()
        with trio.fail_after(5):
            assert await stream.receive_some() == b""
        await trio.aclose_forcefully(stream)
    assert "no handshake in 0.2 s" in the_line(caplog)


@pytest.mark.parametrize("answered", [True, False])
async def test_connect_to_a_server_that_never_shakes_hands_is_given_up(answered: bool) -> None:
    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            if answered:
                await stream.send_all(b"\x16\x03\x03\x00\x7a")
            while await stream.receive_some():
                pass

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host=HOST)
        nursery.start_soon(trio.serve_listeners, handle, [listener])
        address = f"tls://{HOST}:{listener.socket.getsockname()[1]}"
        with pytest.raises(avrpc.ConnectTimeout):
            async with connect(address, DESK, timeout=0.1):
                pass
        with trio.move_on_after(0.1) as scope:
            async with connect(address, DESK):
                pass
        assert scope.cancelled_caught
        nursery.cancel_scope.cancel()


class Relay:
    """Stands between a client and a server, and may cut what it carries."""

    def __init__(self, address: str) -> None:
        self._target = address
        self._scope = trio.CancelScope()

    async def run(self, *, task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED) -> None:
        (listener,) = await trio.open_tcp_listeners(0, host=HOST)
        task_status.started(f"tls://{HOST}:{listener.socket.getsockname()[1]}")
        with self._scope:
            async with (
                listener,
                await listener.accept() as one,
                await raw_stream(self._target) as other,
                trio.open_nursery() as nursery,
            ):
                nursery.start_soon(self._carry, one, other)
                nursery.start_soon(self._carry, other, one)

    async def _carry(self, source: trio.SocketStream, target: trio.SocketStream) -> None:
        async for data in source:
            await target.send_all(data)
        await target.send_eof()

    def cut(self) -> None:
        """End both sides, as TCP does it: with no word of TLS's."""
        self._scope.cancel()


async def test_connection_that_is_cut_under_a_call_is_lost() -> None:
    async def last(symbol: str, depth: int) -> Any:
        relay.cut()
        await trio.sleep_forever()

    server = desk_server(last=last)
    async with served(server, WHERE, server_context()) as address:
        relay = Relay(address)
        async with trio.open_nursery() as nursery:
            there = await nursery.start(relay.run)
            async with connect(there, DESK) as client:
                assert await client.load(b"x") == b"x"
                with pytest.raises(avrpc.ConnectionLost, match="without TLS's close_notify"):
                    await client.last("EURUSD")
        await all_gone(server)


async def test_drain_lets_calls_finish_and_ends_cleanly() -> None:
    note, go_on = Note(), trio.Event()

    async def last(symbol: str, depth: int) -> Any:
        note("begun")
        await go_on.wait()
        return tick()

    server = desk_server(last=last)
    answers = []

    async def call(client: Client) -> None:
        answers.append(await client.last("EURUSD"))

    async with trio.open_nursery() as nursery:
        serve = partial(server.serve, WHERE, tls=server_context())
        (address,) = await nursery.start(serve)
        async with connect(address, DESK) as client, trio.open_nursery() as calls:
            calls.start_soon(call, client)
            await note.wait_for("begun")
            nursery.start_soon(server.aclose)
            await wait_all_tasks_blocked(0.01)
            with pytest.raises(avrpc.Unavailable):
                await client.load(b"x")
            go_on.set()
    assert answers == [tick()]


@pytest.mark.parametrize("reads", [True, False])
async def test_peer_that_never_says_close_notify_is_not_waited_for(reads: bool) -> None:
    limits = avrpc.Limits(drain_timeout=0.1, cancel_timeout=0.1, close_timeout=0.1)
    server = desk_server(limits=limits)
    async with trio.open_nursery() as nursery:
        (address,) = await nursery.start(partial(server.serve, WHERE, tls=server_context()))
        async with connect(address, DESK) as client:
            transport = client._session.transport
            assert isinstance(transport, TlsTransport)
            async with client.pull(1000, 100_000):
                inner = transport._inner

                async def receive() -> bytes:
                    if not reads:
                        await trio.sleep_forever()
                    return await type(inner).receive(inner)

                inner.receive = receive  # type: ignore[method-assign]
                transport._close_notify = lambda: None  # type: ignore[method-assign]
                with trio.fail_after(5):
                    await server.aclose()
                nursery.cancel_scope.cancel()


@pytest.mark.parametrize("steps", range(0, 60, 4))
async def test_connect_may_be_cancelled_anywhere(steps: int) -> None:
    server = desk_server()
    async with served(server, WHERE, server_context()) as address:
        async with trio.open_nursery() as nursery:
            with trio.CancelScope() as scope:

                async def cancel() -> None:
                    for _ in range(steps):
                        await trio.lowlevel.checkpoint()
                    scope.cancel()

                nursery.start_soon(cancel)
                async with connect(address, DESK) as client:
                    await client.last("EURUSD")
                    await trio.sleep_forever()
            assert scope.cancelled_caught
        await all_gone(server)
        assert at_rest(server) == []
