"""Tasks that run handlers, one call at a time, and are kept for the next call; one of them reads.

A task and a cancel scope for each call cost 10 µs, half of what a small call costs a server in
all; a parked task that is woken, and a scope that is used again, cost 2.5. What makes that sound:

- A worker is given its call while it is parked, so it can be given a new context, too: what one
  handler sets in a `ContextVar` no other sees.
- The scope is used again only while it is as new: after a call was cancelled, or ran out of time,
  the worker opens another one. A handler that left a scope of its own open on the task is noticed,
  and its task ends with it. That look needs a private attribute of trio's tasks; where there is
  none, no scope is used twice.

Most handlers of unary calls never wait, and for those even a parked task is too much: leader and
followers. The worker that reads, the leader, runs a new handler itself (`Workers.begin`). If the
handler ends there, that was a function call. If it waits, what it waits for belongs to this task,
and so do the scopes that it has opened. So it stays the handler's task until that has ended, and
it is the *reading* that goes to another worker. That is 2.3 µs of the 14.4 which a small call
costs a server. A method that does wait is not begun so again for a while: see `handlers.Method`.
"""

from __future__ import annotations

import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import Context, copy_context
from math import inf
from typing import Any, NamedTuple, Protocol

import trio
from trio.lowlevel import (
    Abort,
    RaiseCancelT,
    Task,
    current_task,
    reschedule,
    wait_task_rescheduled,
)

from avrpc.reader import Stop

# Parked tasks that a connection keeps. More calls at once get tasks that end with them.
MAX_IDLE = 64

# How many handlers the leader begins before other tasks have their turn.
MAX_TURN = 64


class Job(Protocol):
    """What a worker runs."""

    def run(self, scope: trio.CancelScope) -> Coroutine[Any, Any, None]:
        """Do it, inside ``scope``, whose deadline is this job's to set."""

    def failed(self, error: BaseException) -> None:
        """`run` raised this, not being cancelled by ``scope``. Raise it, if it must go on."""

    def finish(self) -> None:
        """It has ended, in whatever way."""


class Workers:
    """The workers of one connection.

    Args:
        nursery: For their tasks.

    Attributes:
        context: Each job runs in a copy of it.
        leader: The one that reads; None while that goes from one to the next.
    """

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self.context: Context = copy_context()
        self._idle: list[_Worker] = []
        self.leader: _Worker | None = None
        self._begun: _Begun | None = None  # by the leader, which goes on with it
        self._turn = MAX_TURN

    def start(self, job: Job) -> None:
        """Run a job in a task of its own, as far as it can tell."""
        if self._idle:
            self._idle.pop().wake(job, self.context.copy())
        else:
            worker = _Worker(self, job)
            self.context.copy().run(self._nursery.start_soon, worker.work)

    def lead(self, read: Callable[[trio.CancelScope], Awaitable[bool]]) -> None:
        """Have a worker read.

        Args:
            read: Does it, until (True) another worker is to call it again, or (False) for good.
                The scope is there to be cancelled.
        """
        self.start(_Lead(read))

    def begin(self, job: Job) -> Stop | None:
        """Run a job in the task that reads, which calls this; None when it has ended.

        `Stop.HAND_OVER`: it goes on when ``read`` returns.
        """
        worker = self.leader
        assert worker is not None
        context = self.context.copy()
        coroutine = job.run(worker.scope)
        try:
            trap = context.run(coroutine.send, None)
        except StopIteration:
            if not worker.is_as_new():
                self._begun = _Begun(job)
        except BaseException as error:  # noqa: BLE001  # raised again by the worker
            self._begun = _Begun(job, error=error)
        else:
            self._begun = _Begun(job, (coroutine, context, trap))
        if self._begun is not None:
            return Stop.HAND_OVER
        job.finish()
        self._turn -= 1
        if self._turn:
            return None
        self._turn = MAX_TURN
        return Stop.TURN

    # For the workers ...

    def take_begun(self) -> _Begun | None:
        begun, self._begun = self._begun, None
        return begun

    def add_idle(self, worker: _Worker) -> bool:
        """Keep a worker for the next job, unless there are enough."""
        if len(self._idle) >= MAX_IDLE:
            return False
        self._idle.append(worker)
        return True

    def remove_idle(self, worker: _Worker) -> None:
        self._idle.remove(worker)


class _Begun(NamedTuple):
    """A job whose first step was taken by the leader.

    Attributes:
        rest: What is left of it, its context, and what the first step yielded to trio.
        error: What the first step raised.
    """

    job: Job
    rest: tuple[Coroutine[Any, Any, None], Context, Any] | None = None
    error: BaseException | None = None


@types.coroutine
def _forward(coroutine: Coroutine[Any, Any, None], trap: Any) -> Generator[Any, Any, None]:
    """Go on with a coroutine whose first step was taken in this task, and yielded ``trap``."""
    while True:
        try:
            try:
                sent = yield trap
            except BaseException as error:  # noqa: BLE001  # it is for the coroutine
                trap = coroutine.throw(error)
            else:
                trap = coroutine.send(sent)
        except StopIteration:
            return
        finally:
            sent = None  # it may hold an error, whose traceback holds this frame: no cycle


class _Lead:
    """To read, as a job."""

    def __init__(self, read: Callable[[trio.CancelScope], Awaitable[bool]]) -> None:
        self.read = read

    def run(self, scope: trio.CancelScope) -> Coroutine[Any, Any, None]:
        raise AssertionError("a worker does that itself")

    def failed(self, error: BaseException) -> None:
        raise error

    def finish(self) -> None:
        pass


class _Worker:
    """One task.

    Attributes:
        scope: Around the job.
    """

    def __init__(self, workers: Workers, job: Job) -> None:
        self.scope: trio.CancelScope
        self._workers = workers
        self._job: Job | None = job  # None while it waits for one
        self._task: Task | None = None
        self._status: Any = None  # trio's, while no scope is open but ours

    def wake(self, job: Job, context: Context) -> None:
        """Give it its next job."""
        task = self._task
        assert task is not None
        self._job = job
        task.context = context
        reschedule(task)

    async def work(self) -> None:
        """Run jobs until there are workers enough."""
        self._task = current_task()
        while self._job is not None:
            try:
                with trio.CancelScope() as self.scope:
                    await self._work_in()
            except BaseException as error:
                if self._job is None:
                    raise
                self._job.failed(error)
            finally:
                self._finish()
            await self._wait()

    async def _work_in(self) -> None:
        """Run jobs in one scope, while it is as new."""
        self._status = getattr(self._task, "_cancel_status", None)
        while (job := self._job) is not None:
            if isinstance(job, _Lead):
                await self._lead(job)
            else:
                await job.run(self.scope)
            del job  # nothing of it is to live on in a task that waits
            if not self.is_as_new():
                return
            self._finish()
            await self._wait()

    async def _lead(self, lead: _Lead) -> None:
        workers, task = self._workers, current_task()
        workers.leader = self
        try:
            again = await lead.read(self.scope)
        finally:
            workers.leader = None
        if again:
            workers.start(lead)
        begun = workers.take_begun()
        if begun is not None:
            self._job = begun.job
            if begun.error is not None:
                raise begun.error
            if begun.rest is not None:
                coroutine, task.context, trap = begun.rest
                await _forward(coroutine, trap)

    def is_as_new(self) -> bool:
        """Whether the scope can be used again; ends a deadline that a job has set."""
        scope, status = self.scope, self._status
        if scope.deadline != inf:
            scope.deadline = inf
        # The last is `scope.cancel_called`, and of those around it, without a look at the clock.
        return (
            status is not None
            and self._task._cancel_status is status  # type: ignore[union-attr]  # noqa: SLF001
            and not status.effectively_cancelled
        )

    def _finish(self) -> None:
        if self._job is not None:
            job, self._job = self._job, None
            job.finish()

    async def _wait(self) -> None:
        """Wait for a job, unless enough others do."""
        if self._job is None and self._workers.add_idle(self):
            assert self._task is not None
            self._task.context = self._workers.context  # lets go of what the job has set
            await wait_task_rescheduled(self._stop_waiting)

    def _stop_waiting(self, _: RaiseCancelT) -> Abort:
        self._workers.remove_idle(self)
        return Abort.SUCCEEDED
