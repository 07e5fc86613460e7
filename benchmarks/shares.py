"""Where the time of a call goes: `python -m benchmarks.shares`.

Client and server run in one process, over loopback TCP, so that every CPU second is one or the
other's. A timer that counts CPU time interrupts them 2,000 times a second, and each interruption is
put down to the code that was running: by the file of the innermost frame, where functions made from
a schema count as codecs, and where the few that do nothing but call the kernel count as the kernel.

From the share of the frame layer follows what it would win to compile it: at the most, were it to
take no time at all, all would be faster by 1 / (1 - share).
"""

from __future__ import annotations

import collections
import signal
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import trio

import avrpc
from benchmarks.peers.avrpc_peer import Bench, Handlers

ROUNDS = 5
INTERVAL = 0.0005  # seconds of CPU

AVRPC = Path(avrpc.__file__).parent
TRIO = Path(trio.__file__).parent
_KERNEL = {
    ("transport.py", "send_now"),
    ("transport.py", "receive"),
    ("_io_epoll.py", "get_events"),
    ("_io_epoll.py", "_update_registrations"),
}
KERNEL, CODECS, FRAMES, CALLS, LOOP, REST = PARTS = (
    "kernel: send, recv, epoll",
    "codecs: values and bytes",
    "frames: avrpc.wire",
    "calls: the rest of avrpc",
    "trio",
    "this program",
)


def part_of(frame: FrameType) -> str:
    """Tell whose code it is."""
    code = frame.f_code
    path = Path(code.co_filename)
    if (path.name, code.co_name) in _KERNEL:
        return KERNEL
    if path.is_relative_to(AVRPC):
        folder = path.relative_to(AVRPC).parts[0]
        return {"schema": CODECS, "wire": FRAMES}.get(folder, CALLS)
    if path.is_relative_to(TRIO) or path.parent.name in ("outcome", "attr"):
        return LOOP
    if code.co_filename.startswith("<"):
        # Functions that were made: codecs; the classes of events; those of trio's messages.
        return {"f": CODECS, "<": FRAMES}.get(code.co_name[:1], LOOP)
    return REST


@contextmanager
def sampling(counts: collections.Counter[str]) -> Generator[None]:
    """Count whose code runs, every so often."""

    def count(_: int, frame: FrameType | None) -> None:
        if frame is not None:
            counts[part_of(frame)] += 1

    before = signal.signal(signal.SIGPROF, count)
    signal.setitimer(signal.ITIMER_PROF, INTERVAL, INTERVAL)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


# What is done ...

TICK = {"symbol": "EURUSD", "price": 1.0825, "size": 3, "at": 1_700_000_000_000_000}


async def one_at_a_time(client: Any, count: int) -> None:
    """Call, and call again."""
    for _ in range(count):
        await client.echo(TICK)


async def in_flight(client: Any, count: int) -> None:
    """Call from 64 tasks."""
    async with trio.open_nursery() as nursery:
        for _ in range(64):
            nursery.start_soon(one_at_a_time, client, count // 64)


async def response(client: Any, count: int) -> None:
    """Take a stream."""
    async with client.watch(count) as ticks:
        async for tick in ticks:
            _ = tick["size"]


Work = Callable[[Any, int], Awaitable[None]]
WORKS: dict[str, tuple[Work, int]] = {
    "unary, one at a time": (one_at_a_time, 10_000),
    "unary, 64 in flight": (in_flight, 32_000),
    "streamed response": (response, 200_000),
}


class Account(NamedTuple):
    """What a call or an item took.

    Attributes:
        micros: CPU of both ends, in microseconds; sampling takes about a hundredth of it.
        shares: Of each part, from 0 to 1.
    """

    micros: float
    shares: dict[str, float]

    @property
    def compiled(self) -> float:
        """How many times as fast it would be if the frame layer took no time."""
        return 1 / (1 - self.shares[FRAMES])


async def account(work: Work, count: int, rounds: int) -> Account:
    """Do it so often, and tell where the time went."""
    counts: collections.Counter[str] = collections.Counter()
    micros = []
    async with trio.open_nursery() as nursery:
        server = avrpc.Server({Bench: Handlers()})
        (address,) = await nursery.start(server.serve, "tcp://127.0.0.1:0")
        async with avrpc.connect(address, Bench) as client:
            await work(client, count // 10)
            with sampling(counts):
                for _ in range(rounds):
                    begin = time.process_time()
                    await work(client, count)
                    micros.append((time.process_time() - begin) / count * 1e6)
        nursery.cancel_scope.cancel()
    total = counts.total() or 1
    return Account(statistics.median(micros), {part: counts[part] / total for part in PARTS})


def table(accounts: dict[str, Account]) -> str:
    """Make a table for people, in markdown."""
    lines = [
        f"| CPU of both ends, µs | {' | '.join(accounts)} |",
        "|---" * (len(accounts) + 1) + "|",
    ]
    for part in PARTS:
        cells = [
            f"{each.micros * each.shares[part]:.2f} ({each.shares[part]:.0%})"
            for each in accounts.values()
        ]
        lines.append(f"| {part} | {' | '.join(cells)} |")
    lines.append(f"| all | {' | '.join(f'{each.micros:.2f}' for each in accounts.values())} |")
    best = (f"{each.compiled:.2f}" for each in accounts.values())
    lines.append(f"| times as fast if frames took no time | {' | '.join(best)} |")
    return "\n".join(lines)


async def main(scale: float = 1, rounds: int = ROUNDS) -> None:
    """Measure all, and print the table."""
    accounts = {
        name: await account(work, int(count * scale), rounds)
        for name, (work, count) in WORKS.items()
    }
    print(table(accounts))


if __name__ == "__main__":
    trio.run(main, *map(float, sys.argv[1:2]))
