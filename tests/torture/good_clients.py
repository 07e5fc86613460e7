"""The process of well-behaved clients: `python -m tests.torture.good_clients ADDRESS COUNT SEED`.

They call at a steady rate, look at each answer, and tell how long it took.
"""

from __future__ import annotations

import gc
import random
import sys
from contextlib import AsyncExitStack
from typing import Any

import trio

import avrpc
from avrpc.client import Client
from tests.desk import DESK, tick
from tests.torture.processes import obey

RATE = 25.0  # calls a second of each


class Measured:
    """What the calls of one while came to."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.failed: list[str] = []

    async def call(self, client: Client, number: int) -> None:
        """Make one call."""
        begin = trio.current_time()
        try:
            with trio.fail_after(30):
                right = await client.last("EURUSD", number) == tick(size=number)
        except (avrpc.AvrpcError, trio.TooSlowError) as error:
            self.failed.append(f"{type(error).__name__}: {error}"[:200])
            return
        self.latencies.append(trio.current_time() - begin)
        if not right:
            self.failed.append("a wrong answer")

    def told(self) -> dict[str, Any]:
        """The figures."""
        latencies = sorted(self.latencies) or [0.0]
        return {
            "calls": len(self.latencies),
            "failed": self.failed[:5],
            "p50": latencies[len(latencies) // 2],
            "p99": latencies[len(latencies) * 99 // 100],
            "worst": latencies[-1],
        }


async def main(address: str, count: int, seed: int) -> None:
    chance = random.Random(seed)
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(avrpc.connect(address, DESK)) for _ in range(count)
        ]

        async def measure(seconds: float) -> dict[str, Any]:
            """Call for a while."""
            measured, end = Measured(), trio.current_time() + seconds

            async def call(client: Client) -> None:
                when, number = trio.current_time() + chance.random() / RATE, 0
                while when < end:
                    await trio.sleep_until(when)
                    number += 1
                    await measured.call(client, number)
                    when = max(when + 1 / RATE, trio.current_time())

            async with trio.open_nursery() as nursery:
                for client in clients:
                    nursery.start_soon(call, client)
            return measured.told()

        gc.collect()
        gc.freeze()  # what is measured is the server
        await obey({"measure": measure}, "ready")


if __name__ == "__main__":
    trio.run(main, sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
