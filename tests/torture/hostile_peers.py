"""The process of hostile peers: `python -m tests.torture.hostile_peers ADDRESS SEED`."""

from __future__ import annotations

import logging
import os
import random
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import trio

import avrpc
from tests.torture.hostilities import DEAR, LIVES, Life, Peer, benign
from tests.torture.processes import obey

ALL = LIVES | {"benign": benign}
LIFE_SECONDS = 120  # by then it is hung: the longest of them is cut after 50 s

# How else than by its own account a life may end: the server hangs up on it in mid-sentence.
_CUT = (EOFError, OSError, trio.BrokenResourceError, avrpc.ConnectFailed)


class Pace:
    """When a peer may act: so many times a second, or whenever it likes."""

    def __init__(self, rate: float, phase: float, acted: Callable[[], None]) -> None:
        self._rate = rate
        self._acted = acted
        self._next = trio.current_time() + (phase / rate if rate else 0)

    async def turn(self) -> None:
        """Wait for the next turn; those missed in the last second are made up for."""
        self._acted()
        if not self._rate:
            await trio.lowlevel.checkpoint()
            return
        await trio.sleep_until(self._next)
        self._next = max(self._next + 1 / self._rate, trio.current_time() - 1)


class Crowd:
    """Hostile peers at work.

    Args:
        address: Of the server.
        seed: For when each begins.
    """

    def __init__(self, address: str, seed: int) -> None:
        self._address = address
        self._chance = random.Random(seed)
        self._acts = 0
        self._outcomes: dict[str, Counter[str]] = {}
        self._scope = trio.CancelScope()

    def pace(self, rate: float) -> Pace:
        """For one peer."""
        return Pace(rate, self._chance.random(), self._act)

    def _act(self) -> None:
        self._acts += 1

    async def live(self, name: str, life: Life, pace: Pace) -> None:
        """Live one life."""
        outcome = "hung"
        with trio.move_on_after(LIFE_SECONDS):
            try:
                outcome = await life(Peer(self._address, pace.turn))
            except _CUT as error:
                outcome = type(error).__name__
        self._outcomes.setdefault(name, Counter())[outcome] += 1

    async def _for_ever(self, name: str, rate: float) -> None:
        pace = self.pace(rate)
        while True:
            await self.live(name, ALL[name], pace)

    async def besiege(self, names: list[str], peers: int, rate: float) -> None:
        """Send that many peers, kind by kind in turn, until `stop`."""
        with trio.CancelScope() as self._scope:
            async with trio.open_nursery() as nursery:
                for number in range(peers):
                    nursery.start_soon(self._for_ever, names[number % len(names)], rate)

    def stop(self) -> dict[str, Any]:
        """End them, and tell what they did."""
        self._scope.cancel()
        told = {"acts": self._acts, "outcomes": self._outcomes}
        self._acts, self._outcomes = 0, {}
        return told


async def main(address: str, seed: int) -> None:
    crowd = Crowd(address, seed)

    async def lives(times: int) -> dict[str, Any]:
        """Every kind, that many times, all at once."""
        async with trio.open_nursery() as peers:
            for name, life in (LIVES | DEAR).items():
                for _ in range(times):
                    peers.start_soon(crowd.live, name, life, crowd.pace(0))
        return crowd.stop()

    async def go(names: list[str], peers: int, rate: float) -> None:
        nursery.start_soon(crowd.besiege, names, peers, rate)

    async def stop() -> dict[str, Any]:
        return crowd.stop()

    async with trio.open_nursery() as nursery:
        await obey({"lives": lives, "go": go, "stop": stop}, [*LIVES])
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    os.nice(19)  # they would have machines of their own
    logging.disable(logging.CRITICAL)
    trio.run(main, sys.argv[1], int(sys.argv[2]))
