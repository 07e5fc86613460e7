"""Calls of every kind, each cancelled at a random point of its life.

    python -m tests.torture.cancels            a million of them
    python -m tests.torture.cancels 2000 7     fewer, by another seed

Many tasks share a few connections to one server, over sockets. A call is cancelled after a number
of the loop's turns, in which it may wait for a slot, for credit or in its handler, or be on its way
there or back; some leave their block by themselves. Beside them each connection has one stream that
goes on all the time. What has to be afterwards as it was before: tasks, but for those that wait for
the next call, files, slots, places, room for half values, contexts of zstd, and the credit of those
streams.
"""

from __future__ import annotations

import random
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import trio
from trio.lowlevel import checkpoint
from trio.testing import wait_all_tasks_blocked

import avrpc
from avrpc.client import Client
from avrpc.wire import Role
from avrpc.workers import MAX_IDLE
from tests.desk import DESK, at_rest, desk_server, tick
from tests.torture.accounts import Held, held, left_at, resident
from tests.torture.figures import Run

CODECS = (None, None, "zstd", "snappy")  # of each connection
TASKS = 16  # of each
TURNS = 8  # of the loop, that a call has on average
SMALL, ECHO, LARGE = 30, 200, 150_000  # bytes; a large value goes in pieces
QUIET = 30.0  # seconds that anything has that has to end
STILL = 0.01  # seconds in which nothing has to happen until all are at rest
MAX_GROWTH = 8  # MB
FULL = 100_000  # from so many calls on, growth is judged: not by `make test`

# Small, so that many wait for credit, and some for a slot or for a place for a large value.
LIMITS = avrpc.Limits(
    window_bytes=1024,
    max_frame_bytes=16 * 1024,
    max_calls=TASKS - 2,
    max_streamed_calls=TASKS * 3 // 4,
    max_values_in_pieces=2,
    max_contexts=4,
)

ALONE = "alone"  # metadata of the stream that goes on


@dataclass
class Found:
    """What came of it."""

    cancelled: Counter[str] = field(default_factory=Counter)  # calls, by kind
    ended: Counter[str] = field(default_factory=Counter)  # those that were faster
    handlers: Counter[str] = field(default_factory=Counter)
    left: list[str] = field(default_factory=list)
    more: Held = field(default_factory=lambda: Held(0, 0))
    growth: int = 0  # MB


# The server ...


class Handlers:
    """They dawdle, wait for ever, or come to an end."""

    def __init__(self, chance: random.Random, found: Found) -> None:
        self._chance = chance
        self._count = found.handlers

    def server(self) -> avrpc.Server:
        return desk_server(
            limits=LIMITS,
            load=self.load,
            quote=self.quote,
            note=self.note,
            pull=self.pull,
            push=self.push,
            swap=self.swap,
            compression="auto",
        )

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._count["began"] += 1
        try:
            yield
        except trio.Cancelled:
            self._count["cancelled"] += 1
            raise

    async def _work(self) -> None:
        chance = self._chance.random()
        if chance < 0.3:
            await trio.sleep_forever()
        elif chance < 0.6:
            await turns(int(chance * 20))
        elif chance < 0.7:
            with trio.CancelScope(shield=True):
                await turns(int(chance * 20))

    async def load(self, data: bytes) -> bytes:
        with self._counted():
            await self._work()
            return data

    def quote(self, tick: dict[str, Any]) -> str:  # in a thread
        return str(tick["symbol"])

    async def note(self, text: str) -> None:
        with self._counted():  # whose caller does not wait, so it has to end by itself
            await turns(self._chance.randrange(12))

    async def pull(self, count: int, size: int) -> AsyncGenerator[bytes]:
        with self._counted():
            for _ in range(count):
                yield bytes(size)
            await self._work()

    async def push(self, blobs: Any) -> int:
        with self._counted():
            total = sum([len(one) async for one in blobs])
            await self._work()
            return total

    async def swap(self, blobs: Any) -> AsyncGenerator[bytes]:
        alone = ALONE in avrpc.current_call().metadata
        with self._counted():
            async for one in blobs:
                yield one
                if not alone and self._chance.random() < 0.05:
                    await self._work()


async def turns(count: int) -> None:
    """Let every task that can run have so many turns."""
    for _ in range(count):
        await checkpoint()


# ... what clients do with it, until they are cancelled ...


def size_of(chance: random.Random) -> int:
    return LARGE if chance.random() < 0.02 else SMALL


async def unary(client: Client, chance: random.Random) -> None:
    if chance.random() < 0.1:
        assert await client.quote(tick("thread")) == "thread"
        return
    data = bytes(size_of(chance))
    assert await client.load(data) == data


async def one_way(client: Client, chance: random.Random) -> None:
    await client.note("x" * size_of(chance))


async def response(client: Client, chance: random.Random) -> None:
    async with client.pull(chance.choice([3, 1000]), size_of(chance)) as blobs:
        async for _ in blobs:
            if chance.random() < 0.01:
                break  # which cancels it, too


async def request(client: Client, chance: random.Random) -> None:
    size, count = size_of(chance), chance.choice([3, 1000])
    async with client.push() as blobs:
        for _ in range(count):
            await blobs.send(bytes(size))
        assert await blobs.result() == count * size


async def both(client: Client, chance: random.Random) -> None:
    size = size_of(chance)
    async with client.swap() as blobs:
        for _ in range(chance.choice([3, 1000])):
            await blobs.send(bytes(size))
            await blobs.receive()


USES: tuple[Callable[[Client, random.Random], Awaitable[None]], ...] = (
    unary,
    one_way,
    response,
    request,
    both,
)


class Reaper:
    """Cancels scopes after so many turns of the loop."""

    def __init__(self) -> None:
        self._turn = 0
        self._due: defaultdict[int, list[trio.CancelScope]] = defaultdict(list)

    def take(self, scope: trio.CancelScope, turns: int) -> None:
        self._due[self._turn + turns].append(scope)

    async def run(self) -> None:
        while True:
            for scope in self._due.pop(self._turn, ()):
                scope.cancel()
            self._turn += 1
            await checkpoint()


async def storm(
    client: Client, chance: random.Random, until: int, reaper: Reaper, found: Found
) -> None:
    """Make calls and have them cancelled, until so many were in all."""
    while found.cancelled.total() < until:
        use = chance.choice(USES)
        with trio.CancelScope() as scope:
            reaper.take(scope, int(chance.expovariate(1 / TURNS)))
            await use(client, chance)
        which = found.cancelled if scope.cancelled_caught else found.ended
        which[use.__name__] += 1


async def echo(stream: Any, stop: trio.Event) -> None:
    """Send and receive in turn."""
    while not stop.is_set():
        await stream.send(bytes(ECHO))
        assert await stream.receive() == bytes(ECHO)


# ... and what is left.


async def run(count: int, seed: int) -> Found:
    """Cancel so many calls, and look."""
    found, chance = Found(), random.Random(seed)
    server = Handlers(random.Random(seed), found).server()
    before = held()
    async with trio.open_nursery() as nursery:
        (address,) = await nursery.start(server.serve, "tcp://127.0.0.1:0")
        # The first tenth fills what is kept for later use.
        await round_of(address, server, chance, count // 10, found)
        memory = resident()
        await round_of(address, server, chance, count, found)
        found.growth = resident() - memory
        nursery.cancel_scope.cancel()
    after = held()
    found.more = Held(after.tasks - before.tasks, after.files - before.files)
    return found


async def round_of(
    address: str, server: avrpc.Server, chance: random.Random, until: int, found: Found
) -> None:
    """Connect, have calls cancelled until so many were in all, and hang up."""
    async with AsyncExitStack() as connections:
        clients = [
            await connections.enter_async_context(
                avrpc.connect(address, DESK, limits=LIMITS, compression=codec)
            )
            for codec in CODECS
        ]
        await wait_all_tasks_blocked(STILL)
        before = held().tasks
        await beside_streams(clients, server, chance, until, found)
        found.left += await quiet(clients, server, open_calls=0)
        found.left += at_rest(server, *clients)
        if (more := held().tasks - parked(server) - before) != 0:
            found.left.append(f"tasks: {more} more")
        for client in clients:
            if client._session.outgoing.places != LIMITS.max_values_in_pieces:
                found.left.append("client: places for large values are taken")
    found.left += await left_at(server, QUIET)


async def beside_streams(
    clients: list[Client], server: avrpc.Server, chance: random.Random, until: int, found: Found
) -> None:
    """Have calls cancelled while each connection has a stream that goes on."""
    async with AsyncExitStack() as calls:
        alone = [
            await calls.enter_async_context(client.swap.using(metadata={ALONE: ""})())
            for client in clients
        ]
        stop = trio.Event()
        async with trio.open_nursery() as nursery:
            for stream in alone:
                nursery.start_soon(echo, stream, stop)
            await all_storms(clients, chance, until, found)
            stop.set()
            nursery.cancel_scope.deadline = trio.current_time() + QUIET
        if nursery.cancel_scope.cancelled_caught:
            found.left.append("client: a stream that went on has stopped")
        found.left += await quiet(clients, server, open_calls=1)
        for client, stream in zip(clients, alone, strict=True):
            found.left += left_of_credit(client, server, stream)


async def all_storms(
    clients: list[Client], chance: random.Random, until: int, found: Found
) -> None:
    reaper = Reaper()
    async with trio.open_nursery() as reaping:
        reaping.start_soon(reaper.run)
        async with trio.open_nursery() as nursery:
            for client in TASKS * clients:
                own = random.Random(chance.random())
                nursery.start_soon(storm, client, own, until, reaper, found)
        reaping.cancel_scope.cancel()


async def quiet(clients: list[Client], server: avrpc.Server, *, open_calls: int) -> list[str]:
    """Wait until nobody has anything to do; so many calls of each client may be open then."""
    with trio.move_on_after(QUIET):
        while server.thread_limiter.borrowed_tokens:  # noqa: ASYNC110 - of threads that were abandoned
            await trio.sleep(STILL)
    await wait_all_tasks_blocked(STILL)
    counts = [client._session.connection.open_calls for client in clients]
    return [f"client: open calls: {count}" for count in counts if count != open_calls]


def parked(server: avrpc.Server) -> int:
    """How many tasks of a server wait for the next call; of each connection 64 may."""
    counts = [len(one._workers._idle) for one in server._connections]
    assert max(counts) <= MAX_IDLE
    return sum(counts)


def left_of_credit(client: Client, server: avrpc.Server, stream: Any) -> list[str]:
    """What is wrong with the credit of a stream of which all was taken.

    Both ends count the same; what there is and what the receiver has not given back are the window.
    """
    here = client._session
    port = here.transport._socket.getsockname()[1]  # type: ignore[attr-defined]
    (there,) = [
        one._session
        for one in server._connections
        if one._session is not None and one._session.transport.peer.endswith(f":{port}")
    ]
    number = stream._call_id
    call: Any = there.calls[number]
    receivers = {Role.CLIENT: call._items, Role.SERVER: stream._items}
    found = []
    for sender, receiver in receivers.items():
        counts = [
            one.connection._calls[number].credit[sender].available + receiver._owed
            for one in (here, there)
        ]
        if counts != [LIMITS.window_bytes] * 2:
            found.append(f"credit of the {sender.name.lower()}: {counts}")
    return found


def torture(told: Run, count: int, seed: int) -> None:
    found = trio.run(run, count, seed)
    told.add("cancelled", found.cancelled.total(), at_least=count)
    for use in USES:
        told.add(use.__name__, found.cancelled[use.__name__], at_least=count // 50)
    told.add("ended before", found.ended.total())
    for name in ("began", "cancelled"):
        told.add(f"handlers {name}", found.handlers[name], at_least=count // 20)
    told.add("tasks left", found.more.tasks, at_most=0)
    told.add("files left", found.more.files, at_most=0)
    told.add("growth", found.growth, "MB", at_most=MAX_GROWTH if count >= FULL else None)
    for each in found.left[:10]:
        told.problem(f"left: {each}")


def main(count: int = 1_000_000, seed: int = 1) -> int:
    with Run("cancels") as told:
        torture(told, count, seed)
    return told.exit_code


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
