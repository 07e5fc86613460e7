from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

import avrpc
from avrpc.conformance.interface import Conformance, item
from avrpc.conformance.kit import NOTHING, Known
from avrpc.conformance.service import Keys, Service
from avrpc.conformance.serving import ConformanceServer, server_that_is, where_to_serve
from avrpc.testing import Link
from tests.independent_peer import Client


@pytest.fixture(params=["tcp", "unix"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "tcp://127.0.0.1:0" if request.param == "tcp" else f"unix://{tmp_path / 'socket'}"


async def test_clients_are_served_at_an_address(where: str) -> None:
    async with trio.open_nursery() as nursery:
        (address,) = await nursery.start(ConformanceServer().serve, where)
        async with (
            avrpc.connect(address, Conformance) as one,
            avrpc.connect(address) as other,
        ):
            await one.note("key")
            await one.empty()
            assert await other.count("key") == 1
        nursery.cancel_scope.cancel()
    with pytest.raises(avrpc.ConnectFailed):
        async with avrpc.connect(address, Conformance):
            pytest.fail("connected")


async def test_client_of_another_making_is_served() -> None:
    def story(port: int) -> None:
        with Client(("127.0.0.1", port), Conformance.text, timeout=5) as client:
            assert client.call("blob", payload=b"", size=3) == b"\0\1\2"
            call = client.open("ping_pong", key="key", take=-1, ending="WELL")
            call.send(item(0, 8))
            call.end()
            assert list(call) == [item(0, 8)]

    async with trio.open_nursery() as nursery:
        (address,) = await nursery.start(ConformanceServer().serve, "tcp://127.0.0.1:0")
        await trio.to_thread.run_sync(story, int(address.rpartition(":")[2]))
        nursery.cancel_scope.cancel()


async def test_server_is_as_it_is_known_to_be() -> None:
    server = server_that_is(Known(b"secret", 3, 50))(Service(Keys(), lambda: None))
    limits = server.limits
    assert limits.handshake_timeout == 3
    assert limits.keepalive_interval + limits.keepalive_timeout == 50
    for shown, identity in ((b"secret", "conformance"), (None, None)):
        assert server.authenticate is not None
        assert await server.authenticate(avrpc.Presented(shown, "here")) == identity
    plain = server_that_is(NOTHING)(Service(Keys(), lambda: None))
    assert (plain.limits, plain.authenticate) == (avrpc.Limits(), None)


async def test_one_connection_drains_and_others_go_on(autojump_clock: MockClock) -> None:
    server = ConformanceServer()
    links = Link(), Link()
    async with trio.open_nursery() as nursery:
        for link in links:
            nursery.start_soon(server.serve_stream, link.server)
        async with (
            avrpc.connect_stream(links[0].client, Conformance) as one,
            avrpc.connect_stream(links[1].client, Conformance) as other,
        ):
            held: list[Any] = []

            async def hold() -> None:
                held.append(await one.hold("key"))

            nursery.start_soon(hold)
            await trio.sleep(1)
            await one.drain()
            with pytest.raises(avrpc.Unavailable):
                await one.empty()
            assert not held
            await other.release("key")
            await trio.sleep(1)
            assert held == [None]
            await other.empty()


async def test_address_that_can_not_be_served_is_an_error() -> None:
    with pytest.raises(OSError, match="No such file"):
        await ConformanceServer().serve("unix:///nowhere/at/all")


def test_tls_is_not_served() -> None:
    with pytest.raises(ValueError, match="expected tcp:// or unix:// to serve at"):
        where_to_serve("tls://127.0.0.1:0")


async def test_socket_file_is_gone_afterwards(tmp_path: Path) -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(ConformanceServer().serve, f"unix://{tmp_path / 'socket'}")
        assert (tmp_path / "socket").exists()
        nursery.cancel_scope.cancel()
    assert not (tmp_path / "socket").exists()
