import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest
import trio
from trio.testing import assert_checkpoints, memory_stream_pair, wait_all_tasks_blocked

from avrpc.transport import RECEIVE_BYTES, SocketTransport, StreamTransport, Transport
from tests.transports import (  # noqa: F401  # tests among them
    LARGE,
    WAITS,
    Pair,
    receive_all,
    tcp_sockets,
    test_bytes_arrive_whole_and_in_order_until_the_end,
    test_close_is_the_end_for_the_peer,
    test_close_wakes_the_task_that_receives,
    test_receive_that_is_cancelled_loses_nothing,
    test_send_to_a_peer_that_is_gone_breaks,
    test_transport_that_was_closed_says_so,
    unix_sockets,
)


@pytest.fixture(params=["tcp", "unix", "stream"])
async def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Pair:
    if request.param == "stream":
        streams = memory_stream_pair()
        return StreamTransport(streams[0], "here"), StreamTransport(streams[1], "there")
    sockets = tcp_sockets() if request.param == "tcp" else unix_sockets(tmp_path)
    return SocketTransport(sockets[0], "here"), SocketTransport(sockets[1], "there")


# Beside what all of them do: sockets ...


async def test_socket_takes_what_it_has_room_for_and_the_rest_stays(tmp_path: Path) -> None:
    sockets = unix_sockets(tmp_path)
    with closing(sockets[1]):
        transport = SocketTransport(sockets[0], "")
        data = bytearray(LARGE)
        transport.send_now(data)
        taken = len(LARGE) - len(data)
        assert 0 < taken < len(LARGE)
        assert data == LARGE[taken:]
        with trio.move_on_after(0) as scope:
            await transport.wait_send(data)
        assert scope.cancelled_caught
        transport.send_now(data)  # it is full: nothing happens, and nothing is raised
        assert data == LARGE[taken:]

        async with trio.open_nursery() as nursery:
            nursery.start_soon(transport.wait_send, data)
            await wait_all_tasks_blocked()
            sockets[1].recv(len(LARGE))
        transport.send_now(data)
        assert len(data) < len(LARGE) - taken
        await transport.aclose()


async def test_close_wakes_the_task_that_waits_to_send(tmp_path: Path) -> None:
    sockets = unix_sockets(tmp_path)
    transport = SocketTransport(sockets[0], "")
    data = bytearray(LARGE)
    transport.send_now(data)

    async def wait() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await transport.wait_send(data)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        await transport.aclose()
    sockets[1].close()


@pytest.mark.parametrize("size", [RECEIVE_BYTES - 1, RECEIVE_BYTES, RECEIVE_BYTES + 1])
async def test_receive_after_a_full_buffer_looks_again_and_lets_others_have_their_turn(
    size: int, tmp_path: Path
) -> None:
    sockets = unix_sockets(tmp_path)
    sockets[1].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * RECEIVE_BYTES)
    sockets[1].sendall(bytes(size))
    transport = SocketTransport(sockets[0], "")
    received = 0
    while received < size:
        with assert_checkpoints():
            received += len(await transport.receive())
    with trio.move_on_after(0) as scope:
        await transport.receive()
    assert scope.cancelled_caught
    sockets[1].sendall(b"more")
    sockets[1].close()
    assert await receive_all(transport) == b"more"
    await transport.aclose()


async def test_receive_that_was_woken_for_nothing_waits_on(tmp_path: Path) -> None:
    sockets = unix_sockets(tmp_path)
    transport = SocketTransport(sockets[0], "")
    transport._more = True  # as after a full buffer
    received = []

    async def read() -> None:
        received.append(await transport.receive())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await wait_all_tasks_blocked()
        assert received == []
        sockets[1].sendall(b"now")
    assert received == [b"now"]
    await transport.aclose()
    sockets[1].close()


def reset(sock: socket.socket) -> None:
    """Close with an RST: lingering for 0 seconds."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@pytest.mark.parametrize("wait", [WAITS["receive"], WAITS["send_eof"]])
async def test_reset_by_the_peer_breaks(wait: Callable[[Transport], Awaitable[object]]) -> None:
    sockets = tcp_sockets()
    transport = SocketTransport(sockets[0], "")
    reset(sockets[1])
    with pytest.raises(trio.BrokenResourceError):
        await wait(transport)
    await transport.aclose()


async def test_reset_breaks_the_task_that_receives_and_then_every_send() -> None:
    sockets = tcp_sockets()
    transport = SocketTransport(sockets[0], "")

    async def wait() -> None:
        with pytest.raises(trio.BrokenResourceError):
            await transport.receive()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        reset(sockets[1])
    with pytest.raises(trio.BrokenResourceError):
        transport.send_now(bytearray(b"x"))
    await transport.aclose()


async def test_tcp_sends_small_frames_at_once_and_holds_little_unsent() -> None:
    sockets = tcp_sockets()
    transports = [SocketTransport(each, "") for each in sockets]
    for sock in sockets:
        assert not sock.getblocking()
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == 65_536
    for transport in transports:
        await transport.aclose()


async def test_socket_that_takes_no_options_is_used_all_the_same() -> None:
    # As macOS does it with a connection whose peer has hung up before it was accepted.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.connect(other.getsockname())
        transport = SocketTransport(sock, "")
        transport.send_now(bytearray(b"x"))
        assert other.recv(10) == b"x"
        await transport.aclose()


# ... and trio's streams.


async def test_stream_takes_all_at_once_and_only_by_waiting() -> None:
    ours, theirs = memory_stream_pair()
    transport = StreamTransport(ours, "")
    data = bytearray(b"abc")
    transport.send_now(data)
    assert data == b"abc"

    async with trio.open_nursery() as nursery:
        nursery.start_soon(transport.wait_send, data)
        await wait_all_tasks_blocked()
        data += b"half a frame"  # what is added while it waits is not for this send
        assert await theirs.receive_some() == b"abc"
    assert data == b"half a frame"


class OneWay(trio.abc.Stream):
    """A stream whose direction can't be ended alone, as TLS's can't."""

    def __init__(self) -> None:
        self.closings = 0

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytearray:
        await trio.lowlevel.checkpoint()
        return bytearray(b"x")

    async def aclose(self) -> None:
        self.closings += 1
        await trio.sleep(60)  # a farewell; "at once, without ceremony" does not wait for it


async def test_stream_that_cannot_end_one_direction_is_left_open() -> None:
    stream = OneWay()
    transport = StreamTransport(stream, "")
    with assert_checkpoints():
        await transport.send_eof()
    assert stream.closings == 0
    received = await transport.receive()
    assert (type(received), received) == (bytes, b"x")
    await transport.aclose()
    assert stream.closings == 1
    with pytest.raises(trio.ClosedResourceError):
        transport.send_now(bytearray(b"x"))
