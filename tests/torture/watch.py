"""What a stranger's bytes take: CPU time of each call, and memory of all of them."""

import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from avrpc.errors import InvalidValue
from tests.torture.figures import Run

HEADROOM = 512 << 20  # of address space, above what the program has when it begins
MAX_GROWTH = 64  # MB
MAX_CPU = 100  # ms for a call
TRIES = 4  # of a call that seems to take more: on a busy machine any may
FULL = 5_000  # from so many on, time is judged: not by `make test`


class Watch:
    """Makes calls, and notes what they take.

    From then on the process has little memory, so that what allocates without bound fails.
    """

    def __init__(self) -> None:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + HEADROOM,) * 2)
        self._before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self._slowest = 0.0
        self._worst = ""
        self.taken = 0
        """How many calls gave something, and did not end with `InvalidValue`."""

    def call(self, of: Callable[[], Any], named: Callable[[], str]) -> Any:
        """Make a call; give what it gives, or None where the value was invalid.

        Args:
            of: The call.
            named: Tells which it was.
        """
        result, took = _timed(of)
        self.taken += result is not None
        for _ in range(TRIES - 1):
            if took * 1000 > MAX_CPU:
                took = min(took, _timed(of)[1])
        if took > self._slowest:
            self._slowest, self._worst = took, named()
        return result

    def tell(self, run: Run, count: int) -> None:
        """Tell what was noted.

        Args:
            run: Takes the figures.
            count: Of what was tried; it decides whether time is judged.
        """
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - self._before) // 1024
        run.add("taken", self.taken)
        slowest = round(self._slowest * 1000)
        run.add("slowest", slowest, "ms", at_most=MAX_CPU if count >= FULL else None)
        run.add("growth", grown, "MB", at_most=MAX_GROWTH)
        if slowest > MAX_CPU:
            run.problems.append(f"over {MAX_CPU} ms: {self._worst[:2000]}")


def _timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """Make a call; give what it gives, None if it is invalid, and how many seconds it took."""
    begin = time.process_time()
    try:
        result = call()
    except InvalidValue:
        result = None
    return result, time.process_time() - begin
