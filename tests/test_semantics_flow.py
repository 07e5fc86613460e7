"""Flow control: memory stays bounded, and a slow reader stops its own sender and nobody else."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import AsyncGenerator
from typing import Any, Self

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import avrpc
from avrpc.client import Client
from avrpc.testing import Link, open_pair
from avrpc.writer import HIGH_WATER
from tests.desk import DESK, PATIENT, Note, at_rest, desk_server, open_desk, tick

KIB = 1024
MIB = 1024 * KIB
WINDOW = avrpc.Limits().window_bytes
BLOB = bytes(10_000)


class Memory:
    """How much Python's memory grew since; what is unused is collected first."""

    def __enter__(self) -> Self:
        gc.collect()
        tracemalloc.start()
        return self

    @property
    def grown(self) -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    def __exit__(self, *_: object) -> None:
        tracemalloc.stop()


async def test_client_that_never_reads_a_stream_bounds_what_the_server_sends(
    autojump_clock: MockClock,
) -> None:
    sent = 0

    async def pull(count: int, size: int) -> AsyncGenerator[bytes]:
        nonlocal sent
        while True:
            yield bytes(size)
            sent += size

    server = desk_server(pull=pull)
    async with open_pair(server, DESK) as client:
        with Memory() as memory:
            async with client.pull(0, 10_000) as blobs:
                await trio.sleep(1000)
                assert WINDOW <= sent <= WINDOW + 64 * KIB
                assert memory.grown < 2 * WINDOW
                await blobs.receive()
        assert await client.last("EURUSD") == tick()


async def test_client_that_reads_nothing_at_all_bounds_what_the_server_holds(
    autojump_clock: MockClock,
) -> None:
    """Not even the bytes are taken: the server stops in its own buffer."""
    link = Link(capacity=4 * KIB)
    sent = 0

    async def pull(count: int, size: int) -> AsyncGenerator[bytes]:
        nonlocal sent
        while True:
            yield bytes(size)
            sent += size

    server = desk_server(limits=PATIENT, pull=pull)
    async with (
        open_pair(server, DESK, limits=PATIENT, link=link) as client,
        trio.open_nursery() as nursery,
    ):

        async def read() -> None:
            async with client.pull(0, 10_000) as blobs:
                await blobs.receive()

        with Memory() as memory:
            for _ in range(50):
                nursery.start_soon(read)
            await wait_all_tasks_blocked()
            link.to_client.hold()
            await trio.sleep(1000)
            (connection,) = server._connections
            assert connection._session is not None
            assert len(connection._session.outgoing.data) <= HIGH_WATER + 64 * KIB
            assert memory.grown < 4 * MIB
        link.to_client.release()


async def test_server_that_never_reads_its_items_bounds_what_a_client_sends(
    autojump_clock: MockClock,
) -> None:
    async def push(blobs: Any) -> int:
        await trio.sleep(2000)
        return 0

    async with open_desk(push=push) as client:
        sent = 0
        with Memory() as memory:
            async with client.push() as call:
                with trio.move_on_after(1000):
                    while True:
                        await call.send(BLOB)
                        sent += len(BLOB)
                assert WINDOW <= sent <= WINDOW + 64 * KIB
                assert memory.grown < 2 * WINDOW
        assert await client.last("EURUSD") == tick()


async def test_server_that_reads_nothing_at_all_bounds_what_a_client_holds(
    autojump_clock: MockClock,
) -> None:
    link = Link(capacity=4 * KIB)
    async with open_desk(link=link, limits=PATIENT, client_limits=PATIENT) as client:
        calls = [client.push() for _ in range(50)]
        for call in calls:
            await call.__aenter__()
        await wait_all_tasks_blocked()

        sent = 0

        async def send(call: Any) -> None:
            nonlocal sent
            while True:
                await call.send(BLOB)
                sent += len(BLOB)

        async with trio.open_nursery() as nursery:
            link.to_server.hold()
            for call in calls:
                nursery.start_soon(send, call)
            for _ in range(500):
                nursery.start_soon(client.load, BLOB)
            await trio.sleep(1000)
            # One buffer that is leaving, and one that filled up after it.
            assert sent < 2 * (HIGH_WATER + 64 * KIB)
            assert len(client._session.outgoing.data) <= HIGH_WATER + 64 * KIB
            assert link.to_server.under_way <= 4 * KIB
            nursery.cancel_scope.cancel()
        for call in calls:
            await call.aclose()
        link.to_server.release()
        await wait_all_tasks_blocked()
        assert at_rest(client) == []


async def test_one_slow_reader_among_a_hundred_streams_holds_up_no_other(
    autojump_clock: MockClock,
) -> None:
    """The other 99 receive everything while one has read nothing; so do unary calls."""
    items = 60  # more than two windows
    done: list[int] = []

    async def read(client: Client) -> None:
        async with client.pull(items, 10_000) as blobs:
            got = [one async for one in blobs]
        assert [int.from_bytes(one[:2]) for one in got] == list(range(items))
        done.append(len(got))

    server = desk_server()
    async with open_pair(server, DESK) as client, client.pull(items, 10_000) as slow:
        async with trio.open_nursery() as nursery:
            for _ in range(99):
                nursery.start_soon(read, client)
        assert done == [items] * 99
        assert await client.last("EURUSD") == tick()
        assert trio.current_time() == 0
        assert len([one async for one in slow]) == items
        await wait_all_tasks_blocked()
        assert at_rest(client, server) == []


async def test_one_slow_handler_among_a_hundred_request_streams_holds_up_no_other(
    autojump_clock: MockClock,
) -> None:
    note = Note()
    done: list[int] = []

    async def record(symbol: str, ticks: Any) -> int:
        if symbol == "slow":
            await note.wait_for("go")
        return len([one async for one in ticks])

    async def send(client: Client, symbol: str) -> None:
        async with client.record(symbol) as call:
            for _ in range(60):
                await call.send(tick("x" * 10_000))
            done.append(await call.result())

    async with open_desk(record=record) as client, trio.open_nursery() as nursery:
        nursery.start_soon(send, client, "slow")
        await wait_all_tasks_blocked()
        async with trio.open_nursery() as others:
            for _ in range(99):
                others.start_soon(send, client, "fast")
        assert done == [60] * 99
        note("go")
    assert done == [60] * 100


@pytest.mark.parametrize("size", [WINDOW + 1, 2 * MIB])
async def test_item_larger_than_the_window_goes_through_again_and_again(size: int) -> None:
    async with open_desk() as client:
        async with client.pull(3, size) as blobs:
            assert [len(one) async for one in blobs] == [size] * 3
        async with client.push() as call:
            for _ in range(3):
                await call.send(bytes(size))
            assert await call.result() == 3 * size


async def test_window_of_a_kilobyte_works(autojump_clock: MockClock) -> None:
    limits = avrpc.Limits(window_bytes=1024)
    async with open_desk(limits=limits, client_limits=limits) as client:
        async with client.pull(50, 500) as blobs:
            assert len([one async for one in blobs]) == 50
        async with client.push() as call:
            for size in (10, 5000, 100_000) * 5:
                await call.send(bytes(size))
            assert await call.result() == 5 * 105_010


async def test_large_values_of_many_calls_take_turns_and_let_small_ones_pass(
    autojump_clock: MockClock,
) -> None:
    """Twenty large answers through eight places; a small call does not wait for them."""
    link = Link(capacity=64 * KIB)
    async with open_desk(link=link) as client:
        sizes: list[int] = []

        async def load() -> None:
            sizes.append(len(await client.load(bytes(MIB))))

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(load)
            await trio.lowlevel.checkpoint()
            begin = link.to_client.delivered + link.to_server.delivered
            assert await client.last("EURUSD") == tick()
            passed = link.to_client.delivered + link.to_server.delivered - begin
            assert passed < 2 * MIB  # of forty
        assert sizes == [MIB] * 20
        await wait_all_tasks_blocked()
        assert at_rest(client) == []


async def test_credit_account_is_exact_after_any_sizes() -> None:
    """Whatever was sent and taken, sender and receiver agree on the rest of the window."""
    sizes = [1, 10, 100, 1000, 10_000, 65_000, 70_000, 131_072, 200_000]
    server = desk_server()
    async with open_pair(server, DESK) as client, client.swap() as call:
        for size in sizes * 3:
            await call.send(bytes(size))
            assert len(await call.receive()) == size
            await wait_all_tasks_blocked()
            (connection,) = server._connections
            assert connection._session is not None
            here = client._session.connection._calls._calls[1].credit
            there = connection._session.connection._calls._calls[1].credit
            assert {role: one.available for role, one in here.items()} == {
                role: one.available for role, one in there.items()
            }
            for receiver, role in ((call._items, 2), (_items_of(connection), 1)):
                assert here[role].available + receiver._owed == WINDOW  # type: ignore[index]


def _items_of(connection: Any) -> Any:
    (entry,) = connection._session.calls.values()
    return entry._items
