"""Listening sockets: where they are bound, what they accept, and the files that they leave."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from avrpc.address import TcpAddress
from avrpc.listen import Listener, listen
from tests.certificates import HOST, client_context, server_context

# Where ...


async def test_name_with_two_families_is_bound_on_both_and_each_port_filled_in() -> None:
    families = {info[0] for info in socket.getaddrinfo("localhost", None, type=socket.SOCK_STREAM)}
    listeners = await listen("tcp://localhost:0")
    assert len(listeners) == len(families)
    for one in listeners:
        assert one.address.startswith("tcp://")
        assert not one.address.endswith(":0")
        one.close()


async def test_tcp_connection_comes_with_the_address_of_its_client() -> None:
    (listener,) = await listen("tcp://127.0.0.1:0")
    client = await trio.open_tcp_stream("127.0.0.1", int(listener.address.rpartition(":")[2]))
    accepted = await listener.accept()
    assert accepted
    assert accepted.peer == f"tcp://127.0.0.1:{client.socket.getsockname()[1]}"
    await accepted.aclose()
    await client.aclose()
    listener.close()


async def test_unix_connection_comes_with_the_address_of_the_server(tmp_path: Path) -> None:
    address = f"unix://{tmp_path / 'desk'}"
    (listener,) = await listen(address)
    assert listener.address == address
    client = await trio.open_unix_socket(str(tmp_path / "desk"))
    accepted = await listener.accept()
    assert accepted
    assert accepted.peer == address
    await accepted.aclose()
    await client.aclose()
    listener.close()
    assert not (tmp_path / "desk").exists()
    listener.close()


async def test_tls_connection_is_accepted_and_opened_later() -> None:
    (listener,) = await listen("tls://127.0.0.1:0", server_context())
    assert listener.address.startswith("tls://127.0.0.1:")
    port = int(listener.address.rpartition(":")[2])
    client = await trio.open_ssl_over_tcp_stream(HOST, port, ssl_context=client_context())
    accepted = await listener.accept()
    assert accepted
    assert accepted.peer == f"tls://127.0.0.1:{client.transport_stream.socket.getsockname()[1]}"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(accepted.open)
        await client.send_all(b"hello")
    assert await accepted.receive() == b"hello"
    await accepted.aclose()
    await client.aclose()
    listener.close()


async def test_context_is_for_tls_addresses_only_and_they_need_one() -> None:
    (listener,) = await listen("tcp://127.0.0.1:0", server_context())
    assert listener.address.startswith("tcp://")
    listener.close()
    with pytest.raises(ValueError, match=r"^tls://127.0.0.1:0: needs tls=, as avrpc.server_tls"):
        await listen("tls://127.0.0.1:0")
    with pytest.raises(ValueError, match="won't do for a server"):
        await listen("tls://127.0.0.1:0", client_context())


async def test_address_that_is_none_or_taken_is_refused() -> None:
    with pytest.raises(ValueError, match="address"):
        await listen("nonsense")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match="in use"):
            await listen(address)


# ... files of Unix sockets ...


async def test_stale_socket_file_is_replaced_and_a_live_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "desk"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    (listener,) = await listen(f"unix://{path}")
    with pytest.raises(OSError, match="in use") as caught:
        await listen(f"unix://{path}")
    assert caught.value.errno == errno.EADDRINUSE
    assert path.is_socket()
    listener.close()


async def test_live_socket_whose_queue_is_full_holds_up_nothing(tmp_path: Path) -> None:
    path = tmp_path / "desk"
    with socket.socket(socket.AF_UNIX) as live:
        live.bind(str(path))
        live.listen(0)
        waiting = [socket.socket(socket.AF_UNIX) for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            try:
                one.connect(str(path))
            except BlockingIOError:
                break
        with trio.fail_after(5), pytest.raises(OSError, match="in use"):
            await listen(f"unix://{path}")
        for one in waiting:
            one.close()


async def test_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "desk"
    path.write_text("mine")
    with pytest.raises(OSError, match="in use"):
        await listen(f"unix://{path}")
    assert path.read_text() == "mine"


async def test_socket_file_that_is_gone_already_is_no_matter(tmp_path: Path) -> None:
    path = tmp_path / "desk"
    (listener,) = await listen(f"unix://{path}")
    path.unlink()
    listener.close()


# ... and accepting that fails.


class FailingSocket:
    """A listening socket whose accept fails as told."""

    def __init__(self, error: int) -> None:
        self.error = error

    async def accept(self) -> Any:
        await trio.lowlevel.checkpoint()
        raise OSError(self.error, os.strerror(self.error))


@pytest.mark.parametrize(
    ("error", "pause"), [(errno.ECONNABORTED, 0), (errno.EPERM, 0), (errno.EMFILE, 0.1)]
)
async def test_accept_that_fails_for_now_gives_none(
    error: int, pause: float, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    listener = Listener(FailingSocket(error), TcpAddress("127.0.0.1", 1))  # type: ignore[arg-type]
    assert await listener.accept() is None
    assert trio.current_time() == pause
    assert len(caplog.records) == (1 if pause else 0)


async def test_shortage_is_logged_once_in_ten_seconds(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    failing = FailingSocket(errno.EMFILE)
    listener = Listener(failing, TcpAddress("127.0.0.1", 1))  # type: ignore[arg-type]
    while trio.current_time() < 19.95:
        assert await listener.accept() is None
    assert len(caplog.records) == 2
    assert "Too many open files" in caplog.text


async def test_accept_that_can_work_no_more_raises() -> None:
    failing = FailingSocket(errno.EBADF)
    listener = Listener(failing, TcpAddress("127.0.0.1", 1))  # type: ignore[arg-type]
    with pytest.raises(OSError, match="Bad file descriptor"):
        await listener.accept()
