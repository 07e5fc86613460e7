from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock

import avrpc
from avrpc.conformance.interface import SAMPLE, Conformance, body, everything, item
from avrpc.conformance.service import Keys, Service
from avrpc.testing import open_pair

Errors = Conformance.errors


@asynccontextmanager
async def client(keys: Keys | None = None, drained: list[int] | None = None) -> AsyncIterator[Any]:
    service = Service(keys or Keys(), lambda: (drained or []).append(1))
    async with open_pair(avrpc.Server({Conformance: service}), Conformance) as connected:
        yield connected


async def test_calls_that_are_answered_once(autojump_clock: MockClock) -> None:
    async with client() as it:
        assert await it.empty() is None
        assert await it.blob(b"x", 300) == body(300)
        assert await it.echo(everything(text="new")) == everything(text="new")
        assert await it.sample() == SAMPLE
        assert await it.check(SAMPLE) == []
        assert await it.check(everything(text="new", number=0)) == ["number", "text"]
        assert await it.metadata.using(metadata={"a": b"b"})() == {"a": b"b"}


async def test_notes_are_counted(autojump_clock: MockClock) -> None:
    keys = Keys()
    async with client(keys) as one, client(keys) as other:
        await one.note("k")
        await one.note("k")
        await one.empty()
        assert await other.count("k") == 2
        assert await other.count("another") == 0


async def test_time_left_is_told(autojump_clock: MockClock) -> None:
    async with client() as it:
        assert await it.time_left() == -1
        with trio.fail_after(3):
            assert 2900 <= await it.time_left() <= 3000


async def test_failures(autojump_clock: MockClock, caplog: pytest.LogCaptureFixture) -> None:
    async with client() as it:
        with pytest.raises(Errors.Refused) as refused:
            await it.fail("DECLARED", "why")
        assert refused.value.fields == {"reason": "why"}
        with pytest.raises(Errors.Unlucky):
            await it.fail("OTHER", "why")
        with pytest.raises(avrpc.InternalError) as internal:
            await it.fail("UNDECLARED", "why")
        assert "why" not in str(internal.value)


async def test_sleep_ends_or_is_stopped(autojump_clock: MockClock) -> None:
    async with client() as it:
        await it.sleep("done", 20, 0)
        assert trio.current_time() == pytest.approx(0.02)
        assert await it.fate("done") == "DONE"
        with trio.move_on_after(1):
            await it.sleep("stopped", 10_000, 500)
        assert await it.count("stopped") == 1
        assert await it.fate("stopped") == "STOPPED"
        assert trio.current_time() == pytest.approx(1.52)


async def test_hold_waits_for_release(autojump_clock: MockClock) -> None:
    async with client() as it, trio.open_nursery() as nursery:
        nursery.start_soon(it.hold, "k")
        await trio.sleep(1)
        assert await it.count("k") == 1
        await it.release("k")
    async with client() as it:
        await it.release("before")
        await it.hold("before")


async def test_source_streams_and_ends(autojump_clock: MockClock) -> None:
    async with client() as it:
        async with it.source("k", 3, 8, "WELL") as items:
            assert [one async for one in items] == [item(number, 8) for number in range(3)]
        assert await it.fate("k") == "DONE"
        async with it.source("declared", 1, 8, "DECLARED") as items:
            await items.receive()
            with pytest.raises(Errors.Refused):
                await items.receive()
        async with it.source("waits", 1, 8, "WAIT") as items:
            await items.receive()
        assert await it.fate("waits") == "STOPPED"


async def test_sink_takes_all_or_some(autojump_clock: MockClock) -> None:
    async with client() as it:
        async with it.sink("k", -1, "WELL") as call:
            for number in (0, 1, 3):
                await call.send(item(number, 10))
            assert await call.result() == {"count": 3, "bytes": 30, "in_order": False}
        assert await it.fate("k") == "DONE"
        async with it.sink("some", 1, "WELL") as call:
            await call.send(item(0, 10))
            assert await call.result() == {"count": 1, "bytes": 10, "in_order": True}
        async with it.sink("waits", 0, "WAIT") as call:
            await call.send(item(0, 10))
            await trio.sleep(1)
            await call.aclose()
        assert await it.fate("waits") == "STOPPED"
        assert await it.count("waits") == 1


async def test_ping_pong_sends_each_back(autojump_clock: MockClock) -> None:
    async with client() as it:
        async with it.ping_pong("k", 2, "DECLARED") as call:
            for number in range(2):
                await call.send(item(number, 8))
                assert await call.receive() == item(number, 8)
            with pytest.raises(Errors.Refused):
                await call.receive()
        async with it.ping_pong("all", -1, "WELL") as call:
            await call.send(item(0, 8))
            await call.send_eof()
            assert [one async for one in call] == [item(0, 8)]


async def test_drain_is_asked_for() -> None:
    drained: list[int] = [0]
    async with client(drained=drained) as it:
        await it.drain()
    assert drained == [0, 1]


def test_of_many_keys_the_latest_are_kept() -> None:
    keys = Keys()
    keys["old"].count = 1
    keys["used"].count = 2
    for number in range(998):
        keys[str(number)].count = 3
    assert keys["used"].count == 2
    keys["new"].count = 4
    assert keys["old"].count == 0
