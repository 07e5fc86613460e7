"""TLS over sockets: what comes out is what went in, and every way in which it ends."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from pathlib import Path

import pytest
import trio
from trio.testing import (
    MockClock,
    assert_checkpoints,
    assert_no_checkpoints,
    wait_all_tasks_blocked,
)

from avrpc.errors import TlsFailed
from avrpc.tls_transport import TlsTransport
from avrpc.transport import SocketTransport
from tests.certificates import (
    CA,
    HOST,
    client_certificate,
    client_context,
    server_context,
)
from tests.transports import (  # noqa: F401  # tests among them
    LARGE,
    Pair,
    receive_all,
    send,
    tcp_sockets,
    test_bytes_arrive_whole_and_in_order_until_the_end,
    test_close_is_the_end_for_the_peer,
    test_close_wakes_the_task_that_receives,
    test_receive_that_is_cancelled_loses_nothing,
    test_send_to_a_peer_that_is_gone_breaks,
    test_transport_that_was_closed_says_so,
)

ALERT = b"\x15\x03\x01\x00\x02\x02\x0a"
RECORD = b"\x17\x03\x03"  # how one of data begins


class Chopped(SocketTransport):
    """Gives what it receives byte by byte."""

    _rest = b""

    async def receive(self) -> bytes:
        if not self._rest:
            self._rest = await super().receive()
        await trio.lowlevel.checkpoint()
        one, self._rest = self._rest[:1], self._rest[1:]
        return one


class Held(SocketTransport):
    """Sends nothing until it is let go, and then all at once."""

    held: bytearray | None = None

    def hold(self) -> None:
        self.held = bytearray()

    def let_go(self) -> None:
        held, self.held = self.held, None
        assert held is not None
        self.send_now(held)
        assert not held

    def send_now(self, data: bytearray) -> None:
        if self.held is None:
            super().send_now(data)
        else:
            self.held += data
            data.clear()


def ends(
    client: ssl.SSLContext | None = None,
    server: ssl.SSLContext | None = None,
    *,
    kind: type[SocketTransport] = SocketTransport,
    host: str = HOST,
) -> tuple[TlsTransport, TlsTransport]:
    """A client and a server that have not shaken hands."""
    sockets = tcp_sockets()
    return (
        TlsTransport(kind(sockets[0], "here"), client or client_context(), host),
        TlsTransport(kind(sockets[1], "there"), server or server_context(), None),
    )


async def opened(here: TlsTransport, there: TlsTransport) -> tuple[TlsTransport, TlsTransport]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(here.open)
        nursery.start_soon(there.open)
    return here, there


async def close(*transports: TlsTransport) -> None:
    for each in transports:
        await each.aclose()


def raw(transport: TlsTransport) -> SocketTransport:
    """What is below it."""
    return transport._inner


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2])
async def pair(request: pytest.FixtureRequest) -> Pair:
    return await opened(*ends(server=server_context(version=request.param)))


# The handshake ...


async def test_ends_know_what_they_agreed_on(tmp_path: Path) -> None:
    for sock in tcp_sockets():
        assert SocketTransport(sock, "").tls is None
        sock.close()
    here, there = await opened(
        *ends(client_context(client_certificate()), server_context(clients=CA))
    )
    for end, name in ((here, "the desk"), (there, "worker 7")):
        assert end.tls is end.tls
        assert end.tls.version == "TLSv1.3"
        assert end.tls.certificate
        assert end.tls.certificate.common_name == name
    await close(here, there)
    assert there.tls.certificate


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2])
async def test_bytes_may_come_one_by_one(version: ssl.TLSVersion) -> None:
    here, there = await opened(*ends(server=server_context(version=version), kind=Chopped))
    for one, other in ((here, there), (there, here)):
        await send(one, b"hello")
        assert await other.receive() == b"hello"
    await here.aclose()
    assert await there.receive() == b""
    await there.aclose()


async def test_bytes_that_come_with_the_end_of_the_handshake_are_received() -> None:
    here, there = ends(kind=Held)
    inner = raw(here)
    assert isinstance(inner, Held)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(here.open)
        await wait_all_tasks_blocked()
        inner.hold()
        nursery.start_soon(there.open)
        await wait_all_tasks_blocked()
        await send(here, b"hello")
        inner.let_go()
    assert there._incoming.pending
    await there.send_eof()  # which leaves alone what has come
    with assert_checkpoints():
        assert await there.receive() == b"hello"
    assert await here.receive() == b""
    await send(here, b"more")
    assert await there.receive() == b"more"
    await close(here, there)


Outcome = Exception | None


async def try_to_open(end: TlsTransport, outcomes: dict[TlsTransport, Outcome]) -> None:
    try:
        await end.open()
        outcomes[end] = None
    except (TlsFailed, trio.BrokenResourceError) as error:
        outcomes[end] = error
    await wait_all_tasks_blocked()
    await end.aclose()


async def outcomes_of(*ends: TlsTransport) -> list[Outcome]:
    """What becomes of opening some ends."""
    outcomes: dict[TlsTransport, Outcome] = {}
    async with trio.open_nursery() as nursery:
        for end in ends:
            nursery.start_soon(try_to_open, end, outcomes)
    return [outcomes[end] for end in ends]


async def test_end_that_does_not_agree_tells_the_other() -> None:
    here, there = await outcomes_of(*ends(host="quotes.example.org"))
    assert isinstance(here, TlsFailed)
    assert isinstance(there, TlsFailed)
    assert (here.reason, there.reason) == ("wrong-name", "refused")
    assert str(here).startswith("here: the server's certificate is not for 'quotes.example.org'")
    assert str(there).startswith("there: the client refused this server's certificate")
    assert isinstance(here.__cause__, ssl.SSLError)


@pytest.mark.parametrize("chosen", ["h2", "avrpc/1", None])
async def test_connection_for_another_protocol_is_refused(chosen: str | None) -> None:
    contexts = client_context(), server_context()
    for context in contexts:
        context.set_alpn_protocols([chosen] if chosen else [])
    for end in await outcomes_of(*ends(*contexts)):
        if chosen == "h2":
            assert isinstance(end, TlsFailed)
            assert end.reason == "wrong-alpn"
            assert "'h2'" in str(end)
        else:
            assert end is None


@pytest.mark.parametrize("contents", [b"GET / HTTP/1.1\r\n\r\n", bytes(8), b"\0", b"\xff" * 70_000])
async def test_client_that_speaks_no_tls_is_answered_by_an_alert(contents: bytes) -> None:
    sockets = tcp_sockets()
    here = SocketTransport(sockets[0], "here")
    there = TlsTransport(SocketTransport(sockets[1], "there"), server_context(), None)
    answers: list[bytes] = []

    async def talk() -> None:
        await send(here, contents)
        answers.append(await receive_all(here))
        await here.aclose()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk)
        with pytest.raises(TlsFailed, match="there: expected TLS, found b'") as caught:
            await there.open()
        assert caught.value.reason == "not-tls"
        await there.aclose()
    assert answers == [ALERT]


@pytest.mark.parametrize(
    ("contents", "reason"),
    [
        (bytes(8), "not-tls"),
        (b"\0", "not-tls"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "not-tls"),
        (ALERT, "handshake-failure"),
        (b"\x16\x03\x01\x00\x05hello", "handshake-failure"),
        (b"\x16\xff" + bytes(100), "handshake-failure"),
    ],
)
async def test_server_that_speaks_no_tls_is_told_by_its_first_bytes(
    contents: bytes, reason: str
) -> None:
    sockets = tcp_sockets()
    here = TlsTransport(SocketTransport(sockets[0], "tcp://here"), client_context(), HOST)
    sockets[1].sendall(contents)
    sockets[1].shutdown(socket.SHUT_WR)
    with pytest.raises(TlsFailed) as caught:
        await here.open()
    assert caught.value.reason == reason
    await here.aclose()
    sockets[1].close()


@pytest.mark.parametrize("end", [0, 1])
@pytest.mark.parametrize("contents", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01"])
async def test_end_that_hangs_up_in_the_handshake_breaks(end: int, contents: bytes) -> None:
    both = ends()
    other = raw(both[1 - end])
    if contents:
        await send(other, contents)
    await other.aclose()
    with pytest.raises(trio.BrokenResourceError):
        await both[end].open()
    await close(*both)


async def test_end_that_never_answers_is_not_waited_for_after_a_failure(
    autojump_clock: MockClock,
) -> None:
    here, there = ends()
    await send(raw(here), b"GET")
    with pytest.raises(TlsFailed):
        await there.open()
    assert 0 < trio.current_time() < 1
    await close(here, there)


async def test_server_that_refuses_a_client_after_its_handshake_is_told_as_that() -> None:
    here, there = ends(server=server_context(clients=CA))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(here.open)
        with pytest.raises(TlsFailed) as refusal:
            await there.open()
    assert refusal.value.reason == "no-certificate"
    for _ in range(2):
        with pytest.raises(TlsFailed, match=r"here: the server asks for a certificate") as caught:
            await here.receive()
        assert caught.value.reason == "no-certificate"
    await close(here, there)


@pytest.mark.parametrize("end", [0, 1])
@pytest.mark.parametrize("steps", range(12))
async def test_handshake_may_be_cancelled_anywhere(end: int, steps: int) -> None:
    both = ends(kind=Chopped)
    outcomes: dict[TlsTransport, Outcome] = {}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(try_to_open, both[1 - end], outcomes)
        with trio.CancelScope() as scope:
            nursery.start_soon(cancel_after, 2**steps, scope)
            await both[end].open()
        await both[end].aclose()
    other = outcomes[both[1 - end]]
    if scope.cancelled_caught:
        assert other is None or isinstance(other, trio.BrokenResourceError)
    else:
        assert other is None


async def cancel_after(turns: int, scope: trio.CancelScope) -> None:
    for _ in range(turns):
        await trio.lowlevel.checkpoint()
    scope.cancel()


# ... sending ...


async def test_what_is_unsent_counts_as_unsent(pair: Pair) -> None:
    here, there = pair
    data = bytearray(LARGE)
    here.send_now(data)
    dropped = len(LARGE) - len(data)
    assert 0 < dropped < len(LARGE)
    assert data == LARGE[dropped:]
    here.send_now(data)  # it is full: nothing happens, and nothing is raised
    with trio.move_on_after(0) as scope:
        await here.wait_send(data)
    assert scope.cancelled_caught
    assert data == LARGE[dropped:]
    with assert_no_checkpoints():
        await here.aclose()  # waits for nobody
    received = bytearray()
    with suppress(trio.BrokenResourceError):  # cut, unless the kernel took the rest after all
        while more := await there.receive():
            received += more
    assert len(received) >= dropped
    assert LARGE.startswith(received)
    await there.aclose()


async def test_what_is_added_behind_goes_out_behind(pair: Pair) -> None:
    here, there = pair
    data = bytearray(LARGE)
    here.send_now(data)
    data += b"the end"
    received = bytearray()

    async def read() -> None:
        while not received.endswith(b"the end"):
            received.extend(await there.receive())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        while data:
            await here.wait_send(data)
            here.send_now(data)
    assert received == LARGE + b"the end"
    for each in pair:
        await each.aclose()


async def test_end_of_ones_own_direction_is_the_end_of_sending(pair: Pair) -> None:
    here = pair[0]
    await here.send_eof()
    with pytest.raises(trio.BrokenResourceError, match="PROTOCOL_IS_SHUTDOWN"):
        here.send_now(bytearray(b"x"))
    with pytest.raises(trio.BrokenResourceError):
        here.send_now(bytearray(20_000))
    for each in pair:
        await each.aclose()


async def test_end_waits_for_what_is_unsent(pair: Pair) -> None:
    here, there = pair
    data = bytearray(LARGE)
    here.send_now(data)
    received: list[bytes] = []

    async def read() -> None:
        received.append(await receive_all(there))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(here.send_eof)
        await wait_all_tasks_blocked()
        nursery.start_soon(read)
    assert len(received[0]) >= len(LARGE) - len(data)
    assert LARGE.startswith(received[0])
    for each in pair:
        await each.aclose()


# ... receiving ...


async def test_data_and_the_end_may_come_together(pair: Pair) -> None:
    here, there = pair
    await send(here, b"last words")
    await here.aclose()
    assert await there.receive() == b"last words"
    for _ in range(2):
        with assert_checkpoints():
            assert await there.receive() == b""
    await there.aclose()


@pytest.mark.parametrize("part", [b"", RECORD, RECORD + b"\x00\x40half a record"])
async def test_connection_that_is_cut_has_not_ended(pair: Pair, part: bytes) -> None:
    here, there = pair
    assert isinstance(here, TlsTransport)
    await send(here, b"pay 100")
    await send(raw(here), part)
    await raw(here).aclose()  # as somebody in between can, who can't make a close_notify
    assert await there.receive() == b"pay 100"
    for _ in range(2):
        with pytest.raises(trio.BrokenResourceError, match="ended without TLS's close_notify"):
            await there.receive()
    await there.aclose()


async def test_bytes_that_were_tampered_with_break_both_ends_behind_what_was_good(
    pair: Pair,
) -> None:
    here, there = pair
    assert isinstance(here, TlsTransport)
    await send(here, b"pay 100")
    await send(raw(here), RECORD + b"\x00\x40" + bytes(64))
    assert await there.receive() == b"pay 100"
    for _ in range(2):
        with pytest.raises(trio.BrokenResourceError, match=r"TLS failed: .*BAD_RECORD"):
            await there.receive()
    await send(here, b"x")
    with pytest.raises((trio.BrokenResourceError, TlsFailed)):
        await here.receive()
    for each in pair:
        await each.aclose()


async def test_both_ends_may_end_at_once(pair: Pair) -> None:
    here, there = pair
    await here.send_eof()
    await there.send_eof()
    assert await here.receive() == b""
    assert await there.receive() == b""
    for each in pair:
        await each.aclose()


async def test_transport_that_was_never_opened_is_closed() -> None:
    here, there = ends()
    await here.aclose()
    await here.aclose()
    with pytest.raises(trio.ClosedResourceError):
        await here.open()
    await there.aclose()
