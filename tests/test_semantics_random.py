"""Many clients that do everything at once, at random, over links that chop and choke.

A seed is a run: the schedule, the sizes, the limits, who gives up when. After it, whoever was not
given up has got the right answer, and nothing is left at either end.
"""

from __future__ import annotations

import os
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import avrpc
from avrpc.client import Client
from avrpc.testing import Link, open_pair
from tests.desk import DESK, at_rest, desk_server, tick

# More of them: AVRPC_SEEDS=1000 python -m pytest tests/test_semantics_random.py
SEEDS = range(int(os.environ.get("AVRPC_SEEDS", "6")))
CLIENTS = 3
TASKS = 6
CALLS = 8
PATIENCE = 10_000  # virtual seconds, for a whole run

Use = Callable[[Client, random.Random], Awaitable[None]]


class LeftEarlyError(Exception):
    """What a block is left with."""


def size_of(rng: random.Random) -> int:
    """A size: mostly small, sometimes around the size of a frame, rarely some frames."""
    return rng.choice([rng.randrange(2, 50), rng.randrange(2, 5000), rng.randrange(15_000, 70_000)])


def slow_server(rng: random.Random, limits: avrpc.Limits) -> avrpc.Server:
    """A server whose handlers dawdle, and some of which fail."""

    async def dawdle() -> None:
        if rng.random() < 0.3:
            await trio.sleep(rng.random() * 3)

    async def load(data: bytes) -> bytes:
        try:
            await dawdle()
        finally:
            if rng.random() < 0.2:
                with trio.CancelScope(shield=True):
                    await dawdle()
        if data.startswith(b"?"):
            raise DESK.errors.UnknownSymbol(symbol="?" * len(data))
        return data

    async def note(text: str) -> None:
        await dawdle()

    async def pull(count: int, size: int) -> AsyncGenerator[bytes]:
        for number in range(count):
            await dawdle()
            yield number.to_bytes(2) + bytes(size - 2)

    async def push(blobs: Any) -> int:
        total = 0
        async for one in blobs:
            await dawdle()
            total += len(one)
        return total

    async def swap(blobs: Any) -> AsyncGenerator[bytes]:
        async with trio.open_nursery():  # sound, and so is the scope
            async for one in blobs:
                with trio.move_on_after(1000):
                    yield one

    return desk_server(limits=limits, load=load, note=note, pull=pull, push=push, swap=swap)


async def unary(client: Client, rng: random.Random) -> None:
    data = b"x" * size_of(rng)
    assert await client.load(data) == data


async def unary_error(client: Client, rng: random.Random) -> None:
    data = b"?" * size_of(rng)
    with pytest.raises(DESK.errors.UnknownSymbol) as caught:
        await client.load(data)
    assert len(caught.value.fields["symbol"]) == len(data)


async def unary_timeout(client: Client, rng: random.Random) -> None:
    with suppress(avrpc.DeadlineExceeded):
        await client.load.using(timeout=rng.random())(b"x")


async def one_way(client: Client, rng: random.Random) -> None:
    await client.note("x" * size_of(rng))


async def response(client: Client, rng: random.Random) -> None:
    count, size = rng.randrange(30), size_of(rng)
    async with client.pull(count, size) as blobs:
        got = [one async for one in blobs]
    assert [int.from_bytes(one[:2]) for one in got] == list(range(count))
    assert all(len(one) == size for one in got)


async def response_left(client: Client, rng: random.Random) -> None:
    async with client.pull(30, size_of(rng)) as blobs:
        for _ in range(rng.randrange(5)):
            await blobs.receive()
        if rng.random() < 0.3:
            raise LeftEarlyError


async def request(client: Client, rng: random.Random) -> None:
    sizes = [size_of(rng) for _ in range(rng.randrange(20))]
    async with client.push() as call:
        for size in sizes:
            await call.send(bytes(size))
    assert await call.result() == sum(sizes)


async def request_left(client: Client, rng: random.Random) -> None:
    async with client.push() as call:
        for _ in range(rng.randrange(5)):
            await call.send(bytes(size_of(rng)))
        if rng.random() < 0.5:
            raise LeftEarlyError
        await call.aclose()


async def both(client: Client, rng: random.Random) -> None:
    sizes = [size_of(rng) for _ in range(rng.randrange(20))]
    async with client.swap() as call, trio.open_nursery() as nursery:

        async def send() -> None:
            for size in sizes:
                await call.send(bytes(size))
            await call.send_eof()

        nursery.start_soon(send)
        assert [len(one) async for one in call] == sizes


async def both_left(client: Client, rng: random.Random) -> None:
    async with client.swap() as call:
        for _ in range(rng.randrange(5)):
            await call.send(bytes(size_of(rng)))
        if rng.random() < 0.3:
            raise LeftEarlyError


USES: list[Use] = [
    unary,
    unary_error,
    unary_timeout,
    one_way,
    response,
    response_left,
    request,
    request_left,
    both,
    both_left,
]


async def work(client: Client, rng: random.Random) -> None:
    """Calls one after the other; a third of them given up at some moment."""
    for _ in range(CALLS):
        use = rng.choice(USES)
        seconds = rng.random() * 5 if rng.random() < 0.3 else PATIENCE
        with trio.move_on_after(seconds):
            try:
                await use(client, rng)
            except LeftEarlyError:
                assert use in (response_left, request_left, both_left)


def random_limits(rng: random.Random) -> avrpc.Limits:
    return avrpc.Limits(
        max_frame_bytes=rng.choice([16_384, 65_536]),
        window_bytes=rng.choice([1024, 20_000, 262_144]),
        max_calls=rng.choice([1, 3, 1024]),
        max_streamed_calls=rng.choice([1, 2, 100]),
        max_values_in_pieces=rng.choice([1, 2, 8]),
        close_timeout=PATIENCE,
    )


def random_link(rng: random.Random) -> Link:
    return Link(
        capacity=rng.choice([None, 1000, 20_000]),
        chunk=rng.choice([None, lambda: rng.randint(1, 7000), lambda: rng.randint(1, 500)]),
    )


@pytest.mark.parametrize("seed", SEEDS)
async def test_everything_at_once_leaves_nothing_behind(
    seed: int, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    rng = random.Random(seed)
    server = slow_server(rng, random_limits(rng))

    async def use_client() -> None:
        limits, link = random_limits(rng), random_link(rng)
        async with open_pair(server, DESK, limits=limits, link=link) as client:
            async with trio.open_nursery() as nursery:
                for _ in range(TASKS):
                    nursery.start_soon(work, client, random.Random(rng.random()))
            await client._session.wait_idle()
            # A call that was given up is open until its handler has ended, shielded or not.
            await trio.sleep(100)
            assert at_rest(client) == []
            assert await client.last("EURUSD") == tick()

    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            for _ in range(CLIENTS):
                nursery.start_soon(use_client)
        await wait_all_tasks_blocked()
    assert at_rest(server) == []
    assert not server._connections
    # The one thing to tell: one-way calls whose time was up.
    assert not [one for one in caplog.records if "one-way" not in one.message]


@pytest.mark.parametrize("seed", SEEDS)
async def test_everything_at_once_and_then_the_link_breaks(
    seed: int, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    rng = random.Random(seed)
    server = slow_server(rng, random_limits(rng))
    lost = 0

    async def work_until_lost(client: Client, own: random.Random) -> None:
        nonlocal lost
        try:
            while True:
                await work(client, own)
        except* avrpc.ConnectionLost:  # a group where a call has a nursery of its own
            lost += 1
        except* trio.BrokenResourceError:
            pytest.fail("an error that is not ours")

    link = random_link(rng)
    with trio.fail_after(PATIENCE):
        async with open_pair(server, DESK, limits=random_limits(rng), link=link) as client:
            async with trio.open_nursery() as nursery:
                for _ in range(TASKS):
                    nursery.start_soon(work_until_lost, client, random.Random(rng.random()))
                direction = rng.choice([link.to_client, link.to_server])
                direction.cut_after(
                    direction.sent + rng.randrange(1_000_000), eof=rng.random() < 0.5
                )
            assert lost == TASKS
            with pytest.raises(avrpc.ConnectionLost):
                await client.last("EURUSD")
        await trio.sleep(100)
    assert at_rest(server) == []
    assert not server._connections
    assert not [one for one in caplog.records if "one-way" not in one.message]
