"""Workers, with jobs that record what becomes of them."""

from __future__ import annotations

import types
import weakref
from collections.abc import Awaitable, Callable, Generator
from contextvars import ContextVar
from math import inf

import pytest
import trio
import trio.testing

from avrpc import workers
from avrpc.reader import Stop
from avrpc.workers import MAX_TURN, Workers

_variable: ContextVar[str] = ContextVar("variable", default="unset")


class Recorder:
    """A job: runs a function in its worker's task, and keeps what it saw."""

    def __init__(self, work: Callable[[trio.CancelScope], Awaitable[None]] | None = None) -> None:
        self._work = work
        self.scope: trio.CancelScope | None = None
        self.task: trio.lowlevel.Task | None = None
        self.seen = ""
        self.errors: list[BaseException] = []
        self.finished = 0

    async def run(self, scope: trio.CancelScope) -> None:
        self.scope = scope
        self.task = trio.lowlevel.current_task()
        self.seen = _variable.get()
        _variable.set("set by a job")
        if self._work is not None:
            await self._work(scope)

    def failed(self, error: BaseException) -> None:
        self.errors.append(error)
        if not isinstance(error, Exception):
            raise error

    def finish(self) -> None:
        self.finished += 1


async def run_one_by_one(nursery: trio.Nursery, *jobs: Recorder) -> None:
    pool = Workers(nursery)
    for job in jobs:
        pool.start(job)
        await trio.testing.wait_all_tasks_blocked()
    nursery.cancel_scope.cancel()


async def lead_one_by_one(nursery: trio.Nursery, *jobs: Recorder) -> None:
    """The same, but each is begun by the worker that reads."""
    pool = Workers(nursery)
    coming = iter(jobs)

    async def read(scope: trio.CancelScope) -> bool:
        for job in coming:
            if pool.begin(job) is Stop.HAND_OVER:
                return True
        await trio.sleep(inf)
        return False

    pool.lead(read)
    await trio.testing.wait_all_tasks_blocked()
    nursery.cancel_scope.cancel()


Run = Callable[..., Awaitable[None]]
in_both_ways = pytest.mark.parametrize("run", [run_one_by_one, lead_one_by_one])


@in_both_ways
async def test_next_job_gets_the_same_task_and_scope_and_a_fresh_context(run: Run) -> None:
    first, second = Recorder(), Recorder()
    async with trio.open_nursery() as nursery:
        await run(nursery, first, second)
    assert first.task is second.task
    assert first.scope is second.scope
    assert first.seen == second.seen == "unset"
    assert first.finished == second.finished == 1


@in_both_ways
async def test_deadline_of_one_job_is_not_the_next_ones(run: Run) -> None:
    async def set_deadline(scope: trio.CancelScope) -> None:
        scope.deadline = trio.current_time() + 5

    first, second = Recorder(set_deadline), Recorder()
    async with trio.open_nursery() as nursery:
        await run(nursery, first, second)
    assert second.scope is not None
    assert second.scope.deadline == inf


@in_both_ways
async def test_job_that_was_cancelled_ends_and_its_task_takes_another_in_a_new_scope(
    run: Run,
) -> None:
    async def cancelled(scope: trio.CancelScope) -> None:
        scope.cancel()
        await trio.sleep_forever()

    first, second = Recorder(cancelled), Recorder()
    async with trio.open_nursery() as nursery:
        await run(nursery, first, second)
    assert first.finished == second.finished == 1
    assert not first.errors
    # Led, the first waited in the task that read, and the reading went to another.
    assert (first.task is second.task) is (run is run_one_by_one)
    assert first.scope is not second.scope


@in_both_ways
async def test_job_that_swallows_its_cancel_leaves_no_cancelled_scope_behind(run: Run) -> None:
    async def swallow(scope: trio.CancelScope) -> None:
        scope.cancel()

    async def sleep(scope: trio.CancelScope) -> None:
        await trio.lowlevel.checkpoint()

    first, second = Recorder(swallow), Recorder(sleep)
    async with trio.open_nursery() as nursery:
        await run(nursery, first, second)
    assert first.finished == second.finished == 1
    assert not second.errors


@in_both_ways
async def test_error_of_a_job_is_told_to_it_and_to_nobody_else(run: Run) -> None:
    async def fail(scope: trio.CancelScope) -> None:
        raise ValueError("mine")

    first, second = Recorder(fail), Recorder()
    async with trio.open_nursery() as nursery:
        await run(nursery, first, second)
    assert [str(error) for error in first.errors] == ["mine"]
    assert first.finished == second.finished == 1
    assert not second.errors


@in_both_ways
async def test_job_that_leaves_a_scope_open_taints_no_other(run: Run) -> None:
    async def leave_open(scope: trio.CancelScope) -> None:
        trio.CancelScope(deadline=-inf).__enter__()

    async def sleep(scope: trio.CancelScope) -> None:
        await trio.lowlevel.checkpoint()

    first, second = Recorder(leave_open), Recorder(sleep)
    async with trio.open_nursery() as nursery:
        await run(nursery, first, second)
    assert "corrupted" in str(first.errors[0])
    assert first.finished == second.finished == 1
    assert not second.errors


@pytest.mark.parametrize("begin", [False, True])
async def test_worker_that_waits_holds_nothing_of_its_last_job(begin: bool) -> None:
    async def keep(scope: trio.CancelScope) -> None:
        job = jobs.pop()
        held.set(job)
        gone.append(weakref.ref(job))
        del job
        await trio.lowlevel.checkpoint()

    async def read(scope: trio.CancelScope) -> bool:
        return not gone and pool.begin(jobs[0]) is Stop.HAND_OVER

    held: ContextVar[Recorder] = ContextVar("held")
    jobs = [Recorder(keep)]
    gone: list[weakref.ref[Recorder]] = []
    async with trio.open_nursery() as nursery:
        pool = Workers(nursery)
        if begin:
            pool.lead(read)
        else:
            pool.start(jobs[0])
        await trio.testing.wait_all_tasks_blocked()
        assert nursery.child_tasks
        assert [each() for each in gone] == [None]
        nursery.cancel_scope.cancel()


@in_both_ways
async def test_running_job_is_cancelled_with_the_nursery_and_finishes(run: Run) -> None:
    async def sleep(scope: trio.CancelScope) -> None:
        await trio.sleep_forever()

    job = Recorder(sleep)
    async with trio.open_nursery() as nursery:
        await run(nursery, job)
    assert job.finished == 1
    assert isinstance(job.errors[0], trio.Cancelled)


async def test_jobs_at_once_have_a_task_each_and_only_so_many_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workers, "MAX_IDLE", 2)
    gate = trio.Event()

    async def wait(scope: trio.CancelScope) -> None:
        await gate.wait()

    jobs = [Recorder(wait) for _ in range(5)]
    async with trio.open_nursery() as nursery:
        pool = Workers(nursery)
        for job in jobs:
            pool.start(job)
        await trio.testing.wait_all_tasks_blocked()
        assert len({id(job.task) for job in jobs}) == 5
        gate.set()
        await trio.testing.wait_all_tasks_blocked()
        assert len(nursery.child_tasks) == 2
        nursery.cancel_scope.cancel()
    assert [job.finished for job in jobs] == [1] * 5


# The worker that reads.


async def test_job_that_waits_goes_on_where_it_began_while_another_task_reads() -> None:
    gate = trio.Event()
    seen: list[str] = []

    async def wait(scope: trio.CancelScope) -> None:
        task = trio.lowlevel.current_task()
        await gate.wait()
        seen.append(_variable.get())
        async with trio.open_nursery() as inner:
            inner.start_soon(trio.lowlevel.checkpoint)
        with trio.move_on_after(0) as inner_scope:
            await trio.sleep_forever()
        assert inner_scope.cancelled_caught
        assert trio.lowlevel.current_task() is task
        seen.append("done")

    waiting, plain = Recorder(wait), Recorder()
    readers: list[trio.lowlevel.Task] = []
    async with trio.open_nursery() as nursery:
        pool = Workers(nursery)
        coming = iter([waiting, plain])

        async def read(scope: trio.CancelScope) -> bool:
            readers.append(trio.lowlevel.current_task())
            return any(pool.begin(job) is Stop.HAND_OVER for job in coming)

        pool.lead(read)
        await trio.testing.wait_all_tasks_blocked()
        assert readers == [waiting.task, plain.task]
        assert waiting.task is not plain.task
        assert (waiting.finished, plain.finished) == (0, 1)
        gate.set()
        await trio.testing.wait_all_tasks_blocked()
        assert seen == ["set by a job", "done"]
        assert waiting.finished == 1
        # Both tasks are there for what comes, and nothing of the jobs is left in them.
        third, fourth = Recorder(), Recorder()
        pool.start(third)
        pool.start(fourth)
        await trio.testing.wait_all_tasks_blocked()
        assert {third.task, fourth.task} == {waiting.task, plain.task}
        assert third.seen == fourth.seen == "unset"
        nursery.cancel_scope.cancel()


async def test_error_thrown_into_a_job_that_waits_reaches_it() -> None:
    async def wait(scope: trio.CancelScope) -> None:
        try:
            await foreign()
        except TypeError as error:
            told.append(str(error))

    @types.coroutine
    def foreign() -> Generator[str, None, None]:
        yield "not for trio"

    told: list[str] = []
    async with trio.open_nursery() as nursery:
        await lead_one_by_one(nursery, Recorder(wait))
    assert "not for trio" in told[0]


async def test_others_have_a_turn_after_so_many_jobs() -> None:
    stops: list[Stop | None] = []
    async with trio.open_nursery() as nursery:
        pool = Workers(nursery)

        async def read(scope: trio.CancelScope) -> bool:
            stops.extend(pool.begin(Recorder()) for _ in range(2 * MAX_TURN))
            return False

        pool.lead(read)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert stops == 2 * [*(MAX_TURN - 1) * [None], Stop.TURN]


async def test_reading_that_fails_is_nobody_elses() -> None:
    async def read(scope: trio.CancelScope) -> bool:
        raise ValueError("mine")

    with pytest.RaisesGroup(pytest.RaisesExc(ValueError, match="mine")):
        async with trio.open_nursery() as nursery:
            Workers(nursery).lead(read)
