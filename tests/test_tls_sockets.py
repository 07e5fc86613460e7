"""End to end over TLS: every kind of call, who is let in, and every way not to come together."""

from __future__ import annotations

import logging
import os
import random
import ssl
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import avrpc
from tests.certificates import (
    CA,
    HOST,
    ca_pem,
    client_certificate,
    client_context,
    pem,
    server_certificate,
    server_context,
)
from tests.desk import DESK, at_rest, desk_server, tick
from tests.sockets import all_gone, every_kind, served, the_line
from tests.test_semantics_random import random_limits, slow_server, work

V1_2, V1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
WHERE = f"tls://{HOST}:0"

connect = partial(avrpc.connect, tls=client_context())


def asking(version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """A server's context that asks for a certificate of our CA's."""
    return server_context(clients=CA, version=version)


# Calls ...


@pytest.mark.parametrize("version", [V1_3, V1_2])
async def test_every_kind_of_call_works_over_tls(version: ssl.TLSVersion) -> None:
    server = desk_server()
    async with (
        served(server, WHERE, server_context(version=version)) as address,
        connect(address, DESK) as client,
    ):
        assert client.address == address
        assert address.startswith("tls://")
        await every_kind(client)
        async with connect(address) as dynamic:
            await every_kind(dynamic)
        await client._session.wait_idle()
        assert at_rest(client) == []


async def test_many_clients_at_once_make_every_kind_of_call() -> None:
    async def use(address: str) -> None:
        async with connect(address, DESK) as client, trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(every_kind, client)

    async with (
        served(desk_server(), WHERE, server_context()) as address,
        trio.open_nursery() as nursery,
    ):
        for _ in range(5):
            nursery.start_soon(use, address)


async def test_one_server_serves_with_tls_and_without(tmp_path: Path) -> None:
    server, seen = desk_server(), []
    async with trio.open_nursery() as nursery:
        addresses = (WHERE, f"tcp://{HOST}:0", f"unix://{tmp_path / 'desk'}")
        bound = await nursery.start(partial(server.serve, *addresses, tls=server_context()))
        assert [one.partition(":")[0] for one in bound] == ["tls", "tcp", "unix"]
        for address in bound:
            tls = client_context() if address.startswith("tls") else None
            async with avrpc.connect(address, DESK, tls=tls) as client:
                seen.append(await client.last("EURUSD"))
        await server.aclose()
    assert seen == [tick()] * 3


async def test_contexts_made_from_files_are_enough(tmp_path: Path) -> None:
    tls = avrpc.server_tls(pem(tmp_path, server_certificate()))
    async with served(desk_server(), WHERE, tls) as address:
        ours = avrpc.client_tls(ca=ca_pem(tmp_path))
        async with avrpc.connect(address, DESK, tls=ours) as client:
            assert await client.last("EURUSD") == tick()
            tls_info = client._session.transport.tls
            assert tls_info
            assert tls_info.alpn == "avrpc/1"


async def test_server_may_be_known_by_another_name_than_its_address() -> None:
    tls = server_context(server_certificate("wrong name"))
    async with (
        served(desk_server(), WHERE, tls) as address,
        connect(address, DESK, server_hostname="quotes.example.org") as client,
    ):
        assert await client.last("EURUSD") == tick()


async def test_everything_at_once_leaves_nothing_behind(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Calls of every kind that are given up at random: at one await or another."""
    for seed in range(int(os.environ.get("AVRPC_SEEDS", "12"))):
        rng = random.Random(seed)
        server = slow_server(rng, random_limits(rng))
        async with (
            served(server, WHERE, server_context()) as address,
            connect(address, DESK, limits=random_limits(rng)) as client,
        ):
            async with trio.open_nursery() as nursery:
                for _ in range(6):
                    nursery.start_soon(work, client, random.Random(rng.random()))
            await client._session.wait_idle()
            await trio.sleep(100)
            assert at_rest(client, server) == []
            assert await client.last("EURUSD") == tick()
    # The one thing to tell: one-way calls whose time was up.
    told = [one for one in caplog.records if one.levelno > logging.INFO]
    assert not [one for one in told if "one-way" not in one.message]


async def test_slow_reader_stops_its_sender_and_nobody_else() -> None:
    sent = 0

    async def pull(count: int, size: int) -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(count):
            yield bytes(size)
            sent += 1

    limits = avrpc.Limits(window_bytes=100_000)
    async with (
        served(desk_server(pull=pull), WHERE, server_context()) as address,
        connect(address, DESK, limits=limits) as client,
        client.pull(100, 10_000) as blobs,
    ):
        await wait_all_tasks_blocked(0.05)
        assert 10 <= sent < 20
        assert await client.load(bytes(1_000_000)) == bytes(1_000_000)
        assert sent < 20
        assert len([one async for one in blobs]) == 100


# ... who makes them ...


class Seen:
    """Handlers that note what is known of their caller."""

    def __init__(self) -> None:
        self.tls: list[avrpc.TlsInfo | None] = []

    async def last(self, symbol: str, depth: int) -> Any:
        self.tls.append(avrpc.current_call().tls)
        return tick()

    def quote(self, tick: Any) -> str:  # in a thread
        self.tls.append(avrpc.current_call().tls)
        return ""

    def server(self) -> avrpc.Server:
        return desk_server(last=self.last, quote=self.quote)


@pytest.mark.parametrize("version", [V1_3, V1_2])
async def test_handler_knows_the_certificate_of_its_caller(version: ssl.TLSVersion) -> None:
    seen = Seen()
    async with served(seen.server(), WHERE, asking(version)) as address:
        ours = client_context(client_certificate())
        async with avrpc.connect(address, DESK, tls=ours) as client:
            await client.last("EURUSD")
            await client.quote(tick())
    first, second = seen.tls
    assert first is second
    assert first
    assert first.version == ("TLSv1.3" if version == V1_3 else "TLSv1.2")
    assert first.certificate
    assert first.certificate.common_name == "worker 7"
    assert first.certificate.dns_names == ("worker.test",)


async def test_handler_knows_of_no_certificate_where_none_was_asked_for(tmp_path: Path) -> None:
    seen = Seen()
    for where, ours, theirs in (
        (WHERE, client_context(client_certificate()), server_context()),
        (f"unix://{tmp_path / 'desk'}", None, None),
    ):
        async with (
            served(seen.server(), where, theirs) as address,
            avrpc.connect(address, DESK, tls=ours) as client,
        ):
            await client.last("EURUSD")
    over_tls, plain = seen.tls
    assert over_tls
    assert over_tls.certificate is None
    assert plain is None


async def test_server_may_let_clients_in_by_their_certificate() -> None:
    async def last(symbol: str, depth: int) -> Any:
        identities.append(avrpc.current_call().identity)
        return tick()

    def authenticate(presented: avrpc.Presented) -> str | None:
        assert presented.tls
        certificate = presented.tls.certificate
        return certificate.common_name if certificate else None

    identities: list[Any] = []
    context = asking()
    context.verify_mode = ssl.CERT_OPTIONAL
    async with served(desk_server(authenticate=authenticate, last=last), WHERE, context) as address:
        ours = client_context(client_certificate())
        async with avrpc.connect(address, DESK, tls=ours) as client:
            await client.last("EURUSD")
        with pytest.raises(avrpc.CredentialsRefused):
            async with connect(address, DESK):
                pass
    assert identities == ["worker 7"]


# ... and those who do not come together: an error for the client, a line in the server's log.


class Mismatch(NamedTuple):
    """Two ends that do not agree, and what each says."""

    client: Callable[[], ssl.SSLContext]
    server: Callable[[], ssl.SSLContext]
    reason: str
    log: str


def serving(kind: str) -> Callable[[], ssl.SSLContext]:
    return lambda: server_context(server_certificate(kind))


def calling(kind: str) -> Callable[[], ssl.SSLContext]:
    return lambda: client_context(client_certificate(kind))


MISMATCHES = {
    "wrong name": Mismatch(client_context, serving("wrong name"), "wrong-name", "for another name"),
    "expired": Mismatch(client_context, serving("expired"), "expired", "as out of its time"),
    "stranger": Mismatch(client_context, serving("stranger"), "untrusted", "by no CA that it"),
    "no certificate": Mismatch(client_context, asking, "no-certificate", "showed no certificate"),
    "strange client": Mismatch(calling("stranger"), asking, "refused", "no CA that is trusted"),
    "expired client": Mismatch(calling("expired"), asking, "refused", "is out of its time"),
    "no certificate, 1.2": Mismatch(
        client_context, partial(asking, V1_2), "handshake-failure", "showed no certificate"
    ),
    "strange client, 1.2": Mismatch(
        calling("stranger"), partial(asking, V1_2), "refused", "no CA that is trusted"
    ),
}


async def refused(address: str, **words: Any) -> avrpc.ConnectFailed:
    """The error of connecting. It is no timeout: the other end said what was wrong."""
    with pytest.raises(avrpc.ConnectFailed) as caught:
        async with avrpc.connect(address, DESK, **words):
            pytest.fail("connected")
    assert not isinstance(caught.value, avrpc.ConnectTimeout)
    assert str(caught.value).startswith(f"{address}: ")
    assert not caught.value.maybe_executed
    return caught.value


@pytest.mark.parametrize("mismatch", MISMATCHES.values(), ids=MISMATCHES)
async def test_ends_that_do_not_agree_say_why(
    mismatch: Mismatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = desk_server()
    async with served(server, WHERE, mismatch.server()) as address:
        for _ in range(2):  # it serves on
            error = await refused(address, tls=mismatch.client())
            assert isinstance(error, avrpc.TlsFailed)
            assert error.reason == mismatch.reason
            await all_gone(server)
            line = the_line(caplog)
            assert line.startswith("tls://127.0.0.1:")
            assert ": refused: " in line
            assert mismatch.log in line
            caplog.clear()


async def test_plain_client_at_a_tls_address_is_told_which_one_it_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = desk_server()
    async with served(server, WHERE, server_context()) as address:
        error = await refused(address.replace("tls:", "tcp:"))
        await all_gone(server)
        async with connect(address, DESK) as client:
            assert await client.last("EURUSD") == tick()
    assert isinstance(error, avrpc.NotAvrpc)
    assert str(error).endswith(f": the server speaks TLS there; connect to {address}")
    assert "refused: expected TLS, found b'" in the_line(caplog)


async def test_tls_client_at_a_plain_address_is_told_that_it_is_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = desk_server()
    async with served(server, f"tcp://{HOST}:0") as address:
        error = await refused(address.replace("tcp:", "tls:"), tls=client_context())
        await all_gone(server)
        async with avrpc.connect(address, DESK) as client:
            assert await client.last("EURUSD") == tick()
    assert isinstance(error, avrpc.TlsFailed)
    assert error.reason == "not-tls"
    assert str(error).endswith(f"; is its address {address}?")
    assert "refused: the client speaks TLS, and this address is served without" in the_line(caplog)


async def test_server_by_the_systems_cas_only_is_the_default() -> None:
    async with served(desk_server(), WHERE, server_context()) as address:
        error = await refused(address)
    assert isinstance(error, avrpc.TlsFailed)
    assert error.reason == "untrusted"


async def test_what_serve_is_given_has_to_go_together() -> None:
    server = desk_server()
    with pytest.raises(ValueError, match="needs tls="):
        await server.serve(WHERE)
    with pytest.raises(ValueError, match=r"tls= is given, and no address is tls://: tcp://127"):
        await server.serve("tcp://127.0.0.1:0", tls=server_context())
    with pytest.raises(ValueError, match="won't do for a server"):
        await server.serve("tcp://127.0.0.1:0", WHERE, tls=client_context())
