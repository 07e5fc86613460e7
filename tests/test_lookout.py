"""The lookout, with things that are due now and then."""

from __future__ import annotations

import weakref
from math import inf

import pytest
import trio
from trio.testing import MockClock

from avrpc.lookout import Lookout, watch


class Clock:
    """Due every so often, for so many times; writes down when it was looked at."""

    def __init__(self, every: float, times: int = 3, fails: bool = False) -> None:
        self.due = trio.current_time() + every
        self.looks: list[float] = []
        self._every = every
        self._times = times
        self._fails = fails

    def look(self) -> None:
        now = trio.current_time()
        self.looks.append(now)
        self.due = now + self._every if len(self.looks) < self._times else inf
        if self._fails:
            raise ZeroDivisionError


def tasks() -> int:
    return trio.lowlevel.current_statistics().tasks_living


async def test_each_is_looked_at_when_it_is_due(autojump_clock: MockClock) -> None:
    often, seldom = Clock(1, times=4), Clock(3)
    assert watch(often) is watch(seldom)
    await trio.sleep(20)
    assert often.looks == pytest.approx([1, 2, 3, 4], abs=0.001)
    assert seldom.looks == pytest.approx([3, 6, 9], abs=0.001)


async def test_what_is_due_earlier_than_it_was_is_looked_at_then(
    autojump_clock: MockClock,
) -> None:
    clock = Clock(100, times=1)
    lookout = watch(clock)
    await trio.sleep(1)
    clock.due = 5
    lookout.hurry(5)
    lookout.hurry(50)
    await trio.sleep(10)
    assert clock.looks == pytest.approx([5], abs=0.001)


async def test_lookout_ends_with_what_it_looks_at_and_begins_anew(
    autojump_clock: MockClock,
) -> None:
    before = tasks()
    first = Clock(1)
    lookout = watch(first)
    assert tasks() == before + 1
    await trio.sleep(0.5)
    lookout.remove(first)
    lookout.remove(first)
    await trio.sleep(5)
    assert first.looks == []
    assert tasks() == before
    second = Clock(1)
    watch(second).remove(first)
    await trio.sleep(1.5)
    assert len(second.looks) == 1


async def test_lookout_ends_where_a_look_was_the_last_and_holds_nothing(
    autojump_clock: MockClock,
) -> None:
    class Last(Clock):
        def look(self) -> None:
            super().look()
            lookout.remove(self)

    before = tasks()
    last = Last(1)
    lookout = watch(last)
    kept = Clock(100)
    lookout.add(kept)
    gone = weakref.ref(last)
    del last
    await trio.sleep(2)
    assert gone() is None
    again = Last(1)
    lookout.add(again)
    lookout.remove(kept)
    await trio.sleep(2)
    assert len(again.looks) == 1
    assert tasks() == before


async def test_one_that_is_removed_and_one_that_is_added_at_once(
    autojump_clock: MockClock,
) -> None:
    first = Clock(1)
    lookout = watch(first)
    await trio.sleep(0.5)
    lookout.remove(first)
    second = Clock(1)
    watch(second)
    await trio.sleep(1.5)
    assert first.looks == []
    assert len(second.looks) == 1


async def test_failure_of_one_is_logged_and_the_others_are_looked_at(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = Clock(1, fails=True), Clock(1)
    watch(bad)
    watch(good)
    await trio.sleep(10)
    assert len(bad.looks) == 1
    assert len(good.looks) == 3
    assert "ZeroDivisionError" in caplog.text


async def test_many_that_are_due_one_after_the_other_are_looked_at_together(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round looks at each: with a round for each the work would grow with the square."""
    clocks = [Clock(1 + number * 1e-6, times=1) for number in range(1000)]
    rounds: list[float] = []
    current_time = trio.current_time

    def counted() -> float:
        rounds.append(0)
        return current_time()

    for clock in clocks:
        lookout: Lookout = watch(clock)
    monkeypatch.setattr("avrpc.lookout.trio.current_time", counted)
    await trio.sleep(2)
    monkeypatch.undo()
    assert all(len(clock.looks) == 1 for clock in clocks)
    assert len(rounds) < 1000 + 10  # one for each look
    assert lookout is watch(clocks[0])
