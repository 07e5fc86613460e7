"""A clock for programs that wait for real sockets, on a machine that may be busy."""

from __future__ import annotations

import time

import trio


class WaitingClock(trio.abc.Clock, trio.abc.Instrument):
    """Time that passes only while trio waits, and never beyond what it waits for.

    So nothing is late because the machine is slow, or has other things to do: what is late by this
    clock is late by its own logic. For `trio.run`, as its clock and as an instrument of it.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._since = 0.0

    def start_clock(self) -> None:
        """Nothing: it begins at 0."""

    def current_time(self) -> float:
        return self._now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        return deadline - self._now

    def before_io_wait(self, timeout: float) -> None:
        self._since = time.perf_counter()

    def after_io_wait(self, timeout: float) -> None:
        self._now += min(time.perf_counter() - self._since, timeout)
