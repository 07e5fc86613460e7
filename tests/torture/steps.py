"""How long the steps of tasks take: what all others wait for."""

from __future__ import annotations

import time

import trio


class Steps(trio.abc.Instrument):
    """How much CPU the longest step of any task took, but for the task that asks.

    Attributes:
        longest: Seconds, of this thread.
        of: Name of that task.
    """

    def __init__(self) -> None:
        self._ours = trio.lowlevel.current_task()
        self.reset()
        trio.lowlevel.add_instrument(self)

    def reset(self) -> None:
        """Forget what was."""
        self.longest, self.of, self._begun = 0.0, "", time.thread_time()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._begun = time.thread_time()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        took = time.thread_time() - self._begun
        if took > self.longest and task is not self._ours:
            self.longest, self.of = took, task.name
