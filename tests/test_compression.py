"""Compression as a user meets it: what is offered, what is agreed, what it changes: bytes alone."""

import re
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
from trio.testing import MockClock

import avrpc
from avrpc import compression
from avrpc.compression import choose, features
from avrpc.errors import ConnectionLost
from avrpc.testing import Link, open_pair
from avrpc.wire import CODECS, open_codec
from tests.desk import DESK, PATIENT, at_rest, desk_server, open_desk, tick

codecs = pytest.mark.parametrize("codec", CODECS)
BLOBS = [b"x" * 10, b"x" * 100_000, bytes(range(256)) * 1000, b"y" * 300]


# What is offered ...


@pytest.mark.parametrize(
    ("given", "offered"),
    [
        (None, ()),
        ("zstd", ("zstd",)),
        ("snappy", ("snappy",)),
        ("auto", ("zstd", "snappy")),
        (("snappy", "zstd"), ("snappy", "zstd")),
        (["zstd", "zstd"], ("zstd",)),
        ((), ()),
    ],
)
def test_argument_is_made_into_features(given: Any, offered: tuple[str, ...]) -> None:
    assert features(given) == offered


@pytest.mark.parametrize("given", ["gzip", "", ("zstd", "lzma"), ("auto",), [None]])
def test_other_argument_is_refused_with_those_that_there_are(given: Any) -> None:
    with pytest.raises(
        ValueError, match=r"^compression: expected 'zstd', 'snappy', 'auto' or None"
    ):
        features(given)
    with pytest.raises(ValueError, match="compression"):
        avrpc.Server({DESK: object()}, compression=given)
    with pytest.raises(ValueError, match="compression"):
        avrpc.connect("tcp://127.0.0.1:1", compression=given)


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cramjam", "backports", "backports.zstd", "compression", "compression.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(compression, "open_codec", open_codec.__wrapped__)
    monkeypatch.setattr(compression, "is_available", lambda name: False)


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize("given", ["zstd", "snappy", ("snappy", "zstd")])
def test_codec_that_is_asked_for_and_not_installed_is_told_with_what_to_do(given: Any) -> None:
    expected = "which is not installed; to install it: pip install 'avrpc[compression]'"
    with pytest.raises(ImportError, match=re.escape(expected)):
        avrpc.connect("tcp://127.0.0.1:1", compression=given)
    with pytest.raises(ImportError, match=re.escape(expected)):
        desk_server(compression=given)


@pytest.mark.usefixtures("nothing_installed")
def test_codec_that_is_not_installed_is_not_offered() -> None:
    assert features("auto") == ()
    assert desk_server(compression="auto").features == ()


@pytest.mark.parametrize(
    ("wanted", "offered", "chosen"),
    [
        (("a", "b"), ("b", "a"), "a"),
        (("a", "b"), ("b",), "b"),
        (("a",), ("b",), None),
        ((), (), None),
    ],
)
def test_client_chooses(
    wanted: tuple[str, ...], offered: tuple[str, ...], chosen: str | None
) -> None:
    assert choose(wanted, offered) == chosen


# ... what is agreed ...


@pytest.mark.parametrize(
    ("at_client", "at_server", "agreed"),
    [
        (None, "auto", None),
        ("auto", None, None),
        ("zstd", "snappy", None),
        ("auto", "auto", "zstd"),
        ("snappy", "auto", "snappy"),
    ],
)
async def test_both_ends_have_to_ask(
    at_client: str | None, at_server: str | None, agreed: str | None, autojump_clock: MockClock
) -> None:
    server = desk_server(compression=at_server)
    async with open_pair(server, DESK, compression=at_client) as client:
        assert client.compression == agreed
        assert await client.last("EURUSD") == tick("EURUSD")


# ... and that it changes nothing but the bytes.


async def count_bytes(codec: str | None) -> tuple[int, int]:
    """How many bytes leave the client and the server for streams of every kind."""
    link = Link()
    server = desk_server(compression=codec)
    async with open_pair(server, DESK, link=link, limits=PATIENT, compression=codec) as client:
        assert client.compression == codec
        async with client.watch("EURUSD", 3000) as ticks:
            assert [one async for one in ticks] == [tick(size=number) for number in range(3000)]
        async with client.push() as call:
            for blob in BLOBS:
                await call.send(blob)
            assert await call.result() == sum(map(len, BLOBS))
        async with client.swap() as call:
            for blob in BLOBS:
                await call.send(blob)
                assert await call.receive() == blob
            await call.send_eof()
            assert [one async for one in call] == []
        for data in (b"", b"x" * 300, b"y" * 1_000_000, bytes(range(256)) * 2000):
            assert await client.load(data) == data
        assert at_rest(client, server) == []
    return link.to_server.sent, link.to_client.sent


async def test_all_that_is_sent_comes_and_takes_less(autojump_clock: MockClock) -> None:
    plain = await count_bytes(None)
    for codec in CODECS:
        compressed = await count_bytes(codec)
        assert all(few < many / 5 for few, many in zip(compressed, plain, strict=True)), codec


@codecs
async def test_value_is_too_large_by_what_it_is(codec: str, autojump_clock: MockClock) -> None:
    async with open_desk(compression=codec) as client:
        with pytest.raises(avrpc.LimitExceeded):
            await client.load(bytes(5_000_000))  # though it takes little


async def test_streams_left_early_free_their_contexts(autojump_clock: MockClock) -> None:
    async def watch(symbol: str, count: int) -> AsyncIterator[dict[str, Any]]:
        while True:
            yield tick(symbol)

    server = desk_server(compression="zstd", watch=watch)
    async with open_pair(server, DESK, compression="zstd") as client:
        for _ in range(40):  # more than there may be contexts
            async with client.watch("EURUSD", 0) as ticks:
                for _ in range(200):
                    await ticks.receive()
        await trio.testing.wait_all_tasks_blocked()
        (connection,) = server._connections
        assert connection._session is not None
        ends = [client._session, connection._session]
        assert [end.connection._calls.contexts.held for end in ends] == [(0, 0), (0, 0)]  # type: ignore[union-attr]


async def test_connection_that_is_lost_frees_its_contexts(autojump_clock: MockClock) -> None:
    link = Link()
    async with open_desk(link=link, compression="zstd", limits=PATIENT) as client:
        contexts = client._session.connection._calls.contexts
        assert contexts is not None
        with pytest.raises(ConnectionLost):
            async with client.swap() as call:
                await call.send(b"x" * 500)
                await call.receive()
                assert contexts.held == (1, 1)
                link.cut()
                await call.receive()
        assert contexts.held == (0, 0)
