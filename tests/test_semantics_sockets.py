"""End to end over real sockets: every kind of call, and peers that are no peers at all."""

from __future__ import annotations

import http.server
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

import avrpc
from tests.desk import DESK, at_rest, desk_server
from tests.sockets import every_kind, served


@pytest.fixture(params=["tcp", "unix"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "tcp://127.0.0.1:0" if request.param == "tcp" else f"unix://{tmp_path / 'desk'}"


async def test_every_kind_of_call_works_over_sockets(where: str) -> None:
    server = desk_server()
    async with served(server, where) as address, avrpc.connect(address, DESK) as client:
        assert client.address == address
        await every_kind(client)
        async with avrpc.connect(address) as dynamic:
            await every_kind(dynamic)
        await client._session.wait_idle()
        assert at_rest(client) == []


async def test_many_clients_at_once_make_every_kind_of_call(where: str) -> None:
    server = desk_server()

    async def use(address: str) -> None:
        async with avrpc.connect(address, DESK) as client, trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(every_kind, client)

    async with served(server, where) as address, trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(use, address)


async def test_server_process_that_is_gone_is_a_lost_connection(where: str) -> None:
    server = desk_server()
    async with trio.open_nursery() as nursery:
        (address,) = await nursery.start(server.serve, where)
        with pytest.raises(avrpc.ConnectionLost) as caught:
            async with avrpc.connect(address, DESK) as client, client.watch("X", 10**6) as ticks:
                nursery.cancel_scope.cancel()
                with trio.CancelScope(shield=True):
                    while True:
                        await ticks.receive()
        assert caught.value.maybe_executed


# Peers that are none: each has its own clear error, in time.


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


async def connect_to(address: str, seconds: float = 5) -> avrpc.ConnectFailed:
    """The error of a connect, and that it came in time."""
    begin = time.monotonic()
    with pytest.raises(avrpc.ConnectFailed) as caught:
        async with avrpc.connect(address, DESK, timeout=seconds):
            pytest.fail("connected")
    assert time.monotonic() - begin < seconds + 1
    assert address in str(caught.value)
    assert not caught.value.maybe_executed
    return caught.value


async def test_connecting_to_nothing_says_what_the_system_says(tmp_path: Path) -> None:
    error = await connect_to(f"tcp://127.0.0.1:{free_port()}")
    assert "cannot connect" in str(error)
    assert "refused" in str(error)
    error = await connect_to(f"unix://{tmp_path / 'nothing'}")
    assert "No such file" in str(error)


async def test_name_that_is_not_known_says_so() -> None:
    error = await connect_to("tcp://nobody.invalid:1")
    assert "cannot connect" in str(error)


async def test_http_server_is_named_as_no_avrpc() -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        try:
            # An http.server waits for a line to end, and a handshake has none: it may be silent.
            error = await connect_to(f"tcp://127.0.0.1:{httpd.server_address[1]}", 0.3)
        finally:
            httpd.shutdown()
            thread.join()
    assert isinstance(error, avrpc.NotAvrpc | avrpc.ConnectTimeout)
    assert "avrpc" in str(error)


@contextmanager
def stranger(answer: bytes | None, *, hang_up: bool = False) -> Iterator[str]:
    """A server that says one thing to whoever connects, or nothing, and its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                if answer is not None:
                    connection.recv(100_000)
                    connection.sendall(answer)
                if not hang_up:
                    connection.settimeout(5)
                    while connection.recv(100_000):
                        pass

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


async def test_server_that_answers_in_http_is_named_as_no_avrpc_at_once() -> None:
    answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    for hang_up in (False, True):
        with stranger(answer, hang_up=hang_up) as address:
            begin = time.monotonic()
            error = await connect_to(address)
            assert time.monotonic() - begin < 2
        assert isinstance(error, avrpc.NotAvrpc)
        assert "HTTP/1.1 400" in str(error)


@pytest.mark.parametrize("answer", [b"+OK redis\r\n", b"\xff" * 50, bytes(50), b"SSH-2.0-x\r\n"])
async def test_server_that_answers_something_else_is_no_avrpc(answer: bytes) -> None:
    with stranger(answer, hang_up=True) as address:
        error = await connect_to(address)
    assert "avrpc" in str(error) or "hung up" in str(error)


async def test_server_that_never_answers_is_given_up_in_time() -> None:
    with stranger(None) as address:
        error = await connect_to(address, 0.1)
    assert isinstance(error, avrpc.ConnectTimeout)
    assert isinstance(error, trio.TooSlowError)
    assert "0.1 s" in str(error)


async def test_server_that_hangs_up_says_so() -> None:
    with stranger(b"", hang_up=True) as address:
        error = await connect_to(address)
    assert "hung up" in str(error)


async def test_port_that_accepts_nothing_is_given_up_in_time() -> None:
    """Connected by the kernel, and never accepted."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        error = await connect_to(f"tcp://127.0.0.1:{listener.getsockname()[1]}", 0.1)
    assert isinstance(error, avrpc.ConnectTimeout)


async def test_garbage_ends_its_connection_with_a_line_in_the_log_and_nothing_else(
    where: str, caplog: pytest.LogCaptureFixture
) -> None:
    server = desk_server()
    async with served(server, where) as address, avrpc.connect(address, DESK) as client:
        for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\0" + bytes(50), b"\xff" * 40):
            caplog.clear()
            await send_and_wait_for_the_end(address, garbage)
            (line,) = caplog.records
            assert line.levelno == logging.WARNING
            assert "\n" not in line.message
        await every_kind(client)


async def send_and_wait_for_the_end(address: str, data: bytes) -> None:
    scheme, _, rest = address.partition("://")
    if scheme == "unix":
        stream = await trio.open_unix_socket(rest)
    else:
        host, _, port = rest.partition(":")
        stream = await trio.open_tcp_stream(host, int(port))
    async with stream:
        await stream.send_all(data)
        await stream.send_eof()
        with trio.fail_after(5):
            try:
                while await stream.receive_some():
                    pass
            except trio.BrokenResourceError:
                pass  # it hung up without reading everything
