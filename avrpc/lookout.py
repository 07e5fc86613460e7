"""One task of a trio run that looks at every connection when its time has come.

Most of what a connection is watched for is that nothing happens on it, so something has to wake
for it. A deadline around each receive would do, but that costs 3 µs to set and reset where the
task that receives also runs handlers, and a task for each connection costs it 2 KiB. So there is
one task for all, at the price of a number to compare for each connection when it wakes.
"""

from __future__ import annotations

from math import inf
from typing import Protocol

import trio
from trio.lowlevel import RunVar, spawn_system_task

from avrpc.log import logger

# Seconds between two rounds, for each connection that there is: a round takes less than a
# hundredth of that.
_PAUSE = 10e-6


class Watched(Protocol):
    """Something to look at.

    Attributes:
        due: When, on trio's clock. Moved to an earlier time, it is told by `Lookout.hurry`.
    """

    due: float

    def look(self) -> None:
        """Look, and set ``due`` anew. Must not wait."""


class Lookout:
    """Looks at things when they are due. A run has one: see `watch`."""

    def __init__(self) -> None:
        self._watched: dict[Watched, None] = {}
        self._sleep = trio.CancelScope()
        self._until = inf  # when the sleep ends

    def add(self, watched: Watched) -> None:
        """Look at it from now on, until it is removed."""
        self._watched[watched] = None
        self.hurry(watched.due)

    def remove(self, watched: Watched) -> None:
        """Look at it no more; it need not be there."""
        self._watched.pop(watched, None)
        if not self._watched:
            self._sleep.cancel()

    def hurry(self, when: float) -> None:
        """Something is due at that time, which may be earlier than what was due first."""
        if when < self._until:
            self._until = self._sleep.deadline = when

    async def run(self) -> None:
        """Look, until there is nothing to look at."""
        while self._look_round():
            with trio.CancelScope(deadline=self._until) as self._sleep:
                await trio.sleep_forever()
        _lookouts.set(None)

    def _look_round(self) -> bool:
        """Look at what is due, and set ``_until``; False where there is nothing to look at.

        A function of its own: a variable of `run` would hold what was looked at last.
        """
        now = trio.current_time()
        for watched in [each for each in self._watched if each.due <= now]:
            _look(watched)
        due = min((each.due for each in self._watched), default=inf)
        self._until = max(due, now + _PAUSE * len(self._watched))
        return bool(self._watched)


def _look(watched: Watched) -> None:
    try:
        watched.look()
    except Exception:  # it is for many, and goes on for the others
        logger.exception("internal error")
        watched.due = inf


_lookouts: RunVar[Lookout | None] = RunVar("avrpc.lookout", None)


def watch(watched: Watched) -> Lookout:
    """Have something looked at from now on, by the one lookout of this trio run."""
    lookout = _lookouts.get()
    if lookout is None:
        lookout = Lookout()
        _lookouts.set(lookout)
        spawn_system_task(lookout.run)
    lookout.add(watched)
    return lookout
