"""What every transport does, tested with the ``pair`` of whoever imports the tests.

A ``pair`` is two transports of which each is the other's end, and the first one's peer is "here".
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from avrpc.transport import RECEIVE_BYTES, Transport

Pair = tuple[Transport, Transport]
LARGE = bytes(range(256)) * 40_000  # 10 MB: no kernel holds it all


def tcp_sockets() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        return client, listener.accept()[0]


def unix_sockets(folder: Path) -> tuple[socket.socket, socket.socket]:
    path = str(folder / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(1)
        client = socket.socket(socket.AF_UNIX)
        client.connect(path)
        return client, listener.accept()[0]


async def send(transport: Transport, content: bytes) -> None:
    data = bytearray(content)
    while data:
        transport.send_now(data)
        if data:
            await transport.wait_send(data)


async def receive_all(transport: Transport) -> bytes:
    received = bytearray()
    while data := await transport.receive():
        assert len(data) <= RECEIVE_BYTES + 16 * 1024  # over TLS, a record more
        received += data
    return bytes(received)


# The tests.


async def test_bytes_arrive_whole_and_in_order_until_the_end(pair: Pair) -> None:
    here, there = pair
    assert here.peer == "here"
    received = []

    async def read() -> None:
        received.append(await receive_all(there))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        for content in (b"a", b"bc", LARGE, b"d"):
            await send(here, content)
        await here.send_eof()
    assert received == [b"abc" + LARGE + b"d"]
    assert await there.receive() == b""
    await send(there, b"the other direction goes on")
    assert await here.receive() == b"the other direction goes on"
    await here.aclose()
    await there.aclose()


async def test_close_is_the_end_for_the_peer(pair: Pair) -> None:
    here, there = pair
    await send(here, b"last words")
    await here.aclose()
    assert await there.receive() == b"last words"
    assert await there.receive() == b""
    await there.aclose()


WAITS: dict[str, Callable[[Transport], Awaitable[object]]] = {
    "receive": lambda transport: transport.receive(),
    "send": lambda transport: send(transport, b"x"),
    "wait_send": lambda transport: transport.wait_send(bytearray(b"x")),
    "send_eof": lambda transport: transport.send_eof(),
}


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
async def test_transport_that_was_closed_says_so(
    pair: Pair, wait: Callable[[Transport], Awaitable[object]]
) -> None:
    here, there = pair
    await here.aclose()
    await here.aclose()
    for _ in range(2):  # and goes on saying so
        with pytest.raises(trio.ClosedResourceError):
            await wait(here)
    with pytest.raises(trio.ClosedResourceError):
        here.send_now(bytearray(b"x"))
    await there.aclose()


async def test_close_wakes_the_task_that_receives(pair: Pair) -> None:
    here, there = pair

    async def wait() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await here.receive()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        await here.aclose()
    await there.aclose()


async def test_receive_that_is_cancelled_loses_nothing(pair: Pair) -> None:
    here, there = pair
    for _ in range(2):
        with trio.move_on_after(0) as scope:
            await here.receive()
        assert scope.cancelled_caught
    await send(there, b"data")
    assert await here.receive() == b"data"
    await here.aclose()
    await there.aclose()


async def test_send_to_a_peer_that_is_gone_breaks(pair: Pair) -> None:
    here, there = pair
    await there.aclose()

    async def send_on() -> None:
        while True:
            await send(here, LARGE)

    with pytest.raises(trio.BrokenResourceError):
        await send_on()
    await here.aclose()
