"""Who is let in, and who waits."""

import logging
import resource
from math import inf

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from avrpc.door import Door, most_connections
from avrpc.limits import Limits

LIMITS = Limits(max_connections=3, max_handshakes=2)


async def test_no_more_enter_than_may_shake_hands_at_once(nursery: trio.Nursery) -> None:
    door = Door(LIMITS)
    inside: list[int] = []

    async def enter(name: int) -> None:
        await door.enter()
        inside.append(name)

    for name in range(5):
        nursery.start_soon(enter, name)
        await wait_all_tasks_blocked()
    assert inside == [0, 1]
    door.shaken_hands()
    await wait_all_tasks_blocked()
    assert inside == [0, 1, 2]
    door.shaken_hands()
    door.shaken_hands()
    await wait_all_tasks_blocked()
    assert inside == [0, 1, 2]  # all three places are taken
    door.leave()
    await wait_all_tasks_blocked()
    assert inside == [0, 1, 2, 3]
    door.turn_away()
    await wait_all_tasks_blocked()
    assert inside == [0, 1, 2, 3, 4]
    nursery.cancel_scope.cancel()


async def test_cancelled_wait_takes_no_place(autojump_clock: trio.testing.MockClock) -> None:
    door = Door(LIMITS)
    await door.enter()
    await door.enter()
    for _ in range(5):
        with trio.move_on_after(1) as scope:
            await door.enter()
        assert scope.cancelled_caught
    door.turn_away()
    door.turn_away()
    with trio.fail_after(1):
        await door.enter()
        door.shaken_hands()
        await door.enter()
        door.shaken_hands()
        await door.enter()


@pytest.mark.parametrize(
    ("may_open", "expected"),
    [(1024, 768), (256, 192), (1, 1), (20_000, 10_000), (resource.RLIM_INFINITY, 10_000)],
)
def test_connections_leave_descriptors_to_others(
    may_open: int,
    expected: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "avrpc")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (may_open, inf))
    assert most_connections(Limits()) == expected
    assert ("Limits.max_connections" in caplog.text) is (expected < 10_000)
